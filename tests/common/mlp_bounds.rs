//! How far a network's loss, gradients and probabilities may be from the reference: the bounds of
//! its kernels, carried from layer to layer.

use super::bounds::{self, Given, unit};
use gradkern::Float;
use gradkern::reference::{self, Loss, Matrix, Mlp};

/// The errors of one pass.
pub struct MlpBounds {
    /// Of the reduced loss.
    pub loss: f64,
    /// Of each gradient, in the order of the parameters.
    pub gradients: Vec<f64>,
    /// Of each sample's logits.
    pub logits: Vec<f64>,
    /// Whether some ReLU's input is so near 0 that rounding may change its sign, and with it the
    /// gradients by more than these bounds. The loss is continuous there.
    pub near_kink: bool,
}

fn add(a: &Matrix, b: &Matrix) -> Matrix {
    a.zip(b, |a, b| a + b)
}

fn size(m: &Matrix) -> Matrix {
    m.map(f64::abs)
}

/// Of a·b, where they are off by `a_error` and `b_error` before. A term that underflows is lost, which
/// what it is multiplied by later makes larger.
fn product<T: Float>(a: &Matrix, a_error: &Matrix, b: &Matrix, b_error: &Matrix) -> Matrix {
    let units = bounds::gemm_units::<T>(a.cols);
    Matrix::from_fn(a.rows, b.cols, |row, col| {
        let term = |i: usize| {
            let (a, a_error) = (a.at(row, i).abs(), a_error.at(row, i));
            let (b, b_error) = (b.at(i, col).abs(), b_error.at(i, col));
            let (most_a, most_b) = (a + a_error, b + b_error);
            let lost = if most_a > 0.0 && most_b > 0.0 { bounds::tiny::<T>() } else { 0.0 };
            units * most_a * most_b + a_error * most_b + a * b_error + lost
        };
        (0..a.cols).map(term).sum()
    })
}

/// `rounded_parameters`: the kernel has the parameters, and the reference what they were before
/// they were rounded to `T`.
pub fn mlp<T: Float>(
    mlp: &Mlp,
    inputs: &Matrix,
    loss: &Loss,
    rounded_parameters: bool,
) -> MlpBounds {
    let rounding = if rounded_parameters { unit::<T>() } else { 0.0 };
    let activations = mlp.activations(inputs);
    let mut errors = vec![inputs.map(|_| 0.0)];
    let mut near_kink = false;
    for (i, (weights, biases)) in mlp.layers.iter().enumerate() {
        let a = &activations[i];
        let weights_error = weights.map(|w| rounding * w.abs());
        let with_biases = bounds::dense::<T>(&add(&size(a), &errors[i]), weights, biases);
        let moved = product::<T>(a, &errors[i], weights, &weights_error);
        let error = Matrix::from_fn(a.rows, weights.cols, |row, col| {
            with_biases.at(row, col) + moved.at(row, col) + rounding * biases[col].abs()
        });
        if i + 1 < mlp.layers.len() {
            let before = reference::dense(a, weights, biases);
            near_kink |=
                before.zip(&error, |x, e| f64::from(e > 0.0 && x.abs() <= e)).data.contains(&1.0);
        }
        errors.push(error);
    }
    let last = mlp.layers.len();
    let logits: Vec<f64> = (0..inputs.rows)
        .map(|row| errors[last].row(row).iter().copied().fold(0.0, f64::max))
        .collect();
    let ones = vec![1.0; inputs.rows];
    let given = Given { logits: logits.clone(), options_rounded: false };
    let top = bounds::softmax_cross_entropy::<T>(&activations[last], loss, &ones, &given);
    let mut g = reference::softmax_cross_entropy_backward(&activations[last], loss, &ones);
    let mut g_error = top.gradient;
    let mut by_layer = Vec::new();
    for (i, (weights, _)) in mlp.layers.iter().enumerate().rev() {
        let (a, a_error) = (activations[i].t(), errors[i].t());
        let ones = Matrix::from_fn(1, g.rows, |_, _| 1.0);
        let weights_gradient = product::<T>(&a, &a_error, &g, &g_error);
        let biases_gradient = product::<T>(&ones, &ones.map(|_| 0.0), &g, &g_error);
        by_layer.push([weights_gradient.data, biases_gradient.data].concat());
        let (w, w_error) = (weights.t(), weights.t().map(|w| rounding * w.abs()));
        let below = product::<T>(&g, &g_error, &w, &w_error);
        g = reference::relu_backward(&activations[i], &reference::product(&g, &w));
        g_error = reference::relu_backward(&activations[i], &below);
    }
    by_layer.reverse();
    MlpBounds { loss: top.reduced, gradients: by_layer.concat(), logits, near_kink }
}
