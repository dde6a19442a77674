//! A network's answers without training it: loss, accuracy, classes.

use gradkern::datasets::Dataset;
use gradkern::{
    LossOptions, MatMut, MatRef, Mlp, Par, Result, dense, metrics, softmax_cross_entropy,
};

/// What a network says of some points; its memory is kept from call to call.
#[derive(Default)]
pub struct Forward {
    /// Of each layer, the logits last.
    outputs: Vec<Vec<f32>>,
    losses: Vec<f32>,
}

impl Forward {
    /// The mean loss.
    pub fn loss(&mut self, network: &Mlp<f32>, data: &Dataset<f32>) -> Result<f32> {
        self.losses.resize(data.samples(), 0.0);
        let logits = logits(&mut self.outputs, network, data.inputs())?;
        let (targets, options) = ((&data.labels).into(), LossOptions::default());
        softmax_cross_entropy::forward(logits, targets, &options, &mut self.losses, Par::Seq)
    }

    /// The share of the points that it has right.
    pub fn accuracy(&mut self, network: &Mlp<f32>, data: &Dataset<f32>) -> Result<f64> {
        let logits = logits(&mut self.outputs, network, data.inputs())?;
        metrics::accuracy(logits, (&data.labels).into(), None)
    }

    /// The class of each point, x and y in turn.
    pub fn classes(&mut self, network: &Mlp<f32>, points: &[f32]) -> Result<Vec<usize>> {
        let points = MatRef::new(points, points.len() / 2, 2)?;
        let mut classes = vec![0; points.rows()];
        metrics::argmax(logits(&mut self.outputs, network, points)?, &mut classes)?;
        Ok(classes)
    }
}

/// Layer by layer, with ReLU between them.
fn logits<'a>(
    outputs: &'a mut Vec<Vec<f32>>,
    network: &Mlp<f32>,
    inputs: MatRef<'a, f32>,
) -> Result<MatRef<'a, f32>> {
    outputs.resize(network.layers(), Vec::new());
    let mut below = inputs;
    for (layer, output) in outputs.iter_mut().enumerate() {
        let (weights, biases) = (network.weights(layer)?, network.biases(layer)?);
        let (rows, cols) = (inputs.rows(), weights.cols());
        output.resize(rows * cols, 0.0);
        let to = MatMut::new(output, rows, cols)?;
        if layer + 1 < network.layers() {
            dense::forward_relu(below, weights, biases, to, Par::Seq)?;
        } else {
            dense::forward(below, weights, biases, to, Par::Seq)?;
        }
        below = MatRef::new(output, rows, cols)?;
    }
    Ok(below)
}
