//! What moves parameters: the optimizers, and a stack of layers with its gradients.

use super::{
    Loss, Matrix, dense, dense_backward, relu, relu_backward, softmax_cross_entropy,
    softmax_cross_entropy_backward,
};

/// parameters − learning_rate · gradients.
pub fn sgd(parameters: &mut [f64], gradients: &[f64], learning_rate: f64) {
    for (parameter, gradient) in parameters.iter_mut().zip(gradients) {
        *parameter -= learning_rate * gradient;
    }
}

/// Gradient descent with momentum, as PyTorch's SGD computes it.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    /// Step length.
    pub learning_rate: f64,
    /// What is left of the velocity in each step.
    pub momentum: f64,
    /// What of the gradient does not enter the velocity, the first step excepted.
    pub dampening: f64,
    /// The share of the parameters that is added to their gradient.
    pub weight_decay: f64,
    /// Whether to look ahead.
    pub nesterov: bool,
}

impl Momentum {
    /// One step. `is_first` starts the velocity: it becomes the gradient, undampened.
    pub fn update(&self, p: &mut [f64], gradients: &[f64], velocity: &mut [f64], is_first: bool) {
        for i in 0..p.len() {
            let gradient = gradients[i] + self.weight_decay * p[i];
            velocity[i] = if is_first {
                gradient
            } else {
                self.momentum * velocity[i] + (1.0 - self.dampening) * gradient
            };
            let ahead = gradient + self.momentum * velocity[i];
            p[i] -= self.learning_rate * if self.nesterov { ahead } else { velocity[i] };
        }
    }
}

/// Adam, as PyTorch computes it.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Step length.
    pub learning_rate: f64,
    /// What is left of the first moment in each step.
    pub beta1: f64,
    /// What is left of the second moment in each step.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// The share of the parameters that is added to their gradient.
    pub weight_decay: f64,
}

impl Adam {
    /// Step `step`, counted from 1.
    pub fn update(&self, p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], step: i32) {
        for i in 0..p.len() {
            let gradient = g[i] + self.weight_decay * p[i];
            m[i] = self.beta1 * m[i] + (1.0 - self.beta1) * gradient;
            v[i] = self.beta2 * v[i] + (1.0 - self.beta2) * gradient * gradient;
            let mean = m[i] / (1.0 - self.beta1.powi(step));
            let square = v[i] / (1.0 - self.beta2.powi(step));
            p[i] -= self.learning_rate * mean / (square.sqrt() + self.epsilon);
        }
    }
}

/// A stack of dense layers with ReLU between them.
#[derive(Clone, Debug)]
pub struct Mlp {
    /// Weights and biases of each layer.
    pub layers: Vec<(Matrix, Vec<f64>)>,
}

impl Mlp {
    /// The layers of `sizes` out of the flat parameters: weights, then biases, layer by layer.
    pub fn from_parameters(sizes: &[usize], parameters: &[f64]) -> Self {
        let mut rest = parameters.iter().copied();
        let mut layer = |inputs, neurons| {
            let data = rest.by_ref().take(inputs * neurons).collect();
            let weights = Matrix { rows: inputs, cols: neurons, data };
            (weights, rest.by_ref().take(neurons).collect())
        };
        Mlp { layers: sizes.windows(2).map(|pair| layer(pair[0], pair[1])).collect() }
    }

    /// The flat parameters.
    pub fn parameters(&self) -> Vec<f64> {
        self.layers
            .iter()
            .flat_map(|(weights, biases)| [&weights.data[..], biases].concat())
            .collect()
    }

    /// What goes into each layer, and last the logits.
    pub fn activations(&self, inputs: &Matrix) -> Vec<Matrix> {
        let mut activations = vec![inputs.clone()];
        for (i, (weights, biases)) in self.layers.iter().enumerate() {
            let output = dense(&activations[i], weights, biases);
            let is_last = i + 1 == self.layers.len();
            activations.push(if is_last { output } else { relu(&output) });
        }
        activations
    }

    /// The reduced loss, and its gradient in the order of the parameters.
    pub fn loss_and_gradients(&self, inputs: &Matrix, loss: &Loss) -> (f64, Vec<f64>) {
        let activations = self.activations(inputs);
        let logits = &activations[self.layers.len()];
        let mut gradient = softmax_cross_entropy_backward(logits, loss, &vec![1.0; logits.rows]);
        let mut by_layer = Vec::new();
        for (i, (weights, _)) in self.layers.iter().enumerate().rev() {
            let gradients = dense_backward(&activations[i], weights, &gradient);
            by_layer.push([gradients.weights.data, gradients.biases].concat());
            gradient = relu_backward(&activations[i], &gradients.inputs);
        }
        by_layer.reverse();
        (softmax_cross_entropy(logits, loss).1, by_layer.concat())
    }

    /// One step of plain gradient descent; returns the loss before it.
    pub fn train_step(&mut self, inputs: &Matrix, loss: &Loss, learning_rate: f64) -> f64 {
        let (value, gradients) = self.loss_and_gradients(inputs, loss);
        let mut rest = &gradients[..];
        for (weights, biases) in &mut self.layers {
            for part in [&mut weights.data, biases] {
                let (gradients, after) = rest.split_at(part.len());
                sgd(part, gradients, learning_rate);
                rest = after;
            }
        }
        value
    }
}
