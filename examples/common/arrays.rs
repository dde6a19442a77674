//! The kernels on plain vectors, each returning a new one, as NumPy does: for examples that compute
//! a few numbers. Rows lie one after the other; the number of rows follows from the lengths.

use gradkern::dense::{self, Grad, Gradients};
use gradkern::{
    Float, LossOptions, MatMut, MatRef, Par, Result, Targets, Upstream, cross_entropy, relu,
    softmax, softmax_cross_entropy,
};

fn view<T: Float>(data: &[T], cols: usize) -> Result<MatRef<'_, T>> {
    MatRef::new(data, data.len() / cols, cols)
}

fn view_mut<T: Float>(data: &mut [T], cols: usize) -> Result<MatMut<'_, T>> {
    MatMut::new(data, data.len() / cols, cols)
}

/// inputs·weights + biases.
pub fn dense<T: Float>(inputs: &[T], weights: &[T], biases: &[T]) -> Result<Vec<T>> {
    let (n_inputs, n_neurons) = (weights.len() / biases.len(), biases.len());
    let mut output = vec![T::ZERO; inputs.len() / n_inputs * n_neurons];
    let to = view_mut(&mut output, n_neurons)?;
    dense::forward(view(inputs, n_inputs)?, view(weights, n_neurons)?, biases, to, Par::Seq)?;
    Ok(output)
}

/// The gradients of a layer on its inputs, weights and biases.
pub fn dense_backward<T: Float>(
    inputs: &[T],
    weights: &[T],
    n_neurons: usize,
    grad_output: &[T],
) -> Result<[Vec<T>; 3]> {
    let n_inputs = weights.len() / n_neurons;
    let lengths = [inputs.len(), weights.len(), n_neurons];
    let mut gradients = lengths.map(|len| vec![T::ZERO; len]);
    let [grad_inputs, grad_weights, grad_biases] = &mut gradients;
    let to = Gradients {
        inputs: Grad::Write(view_mut(grad_inputs, n_inputs)?),
        weights: Grad::Write(view_mut(grad_weights, n_neurons)?),
        biases: Grad::Write(grad_biases),
        inputs_are_relu: false,
    };
    let (weights, grad_output) = (view(weights, n_neurons)?, view(grad_output, n_neurons)?);
    dense::backward(view(inputs, n_inputs)?, weights, grad_output, to, Par::Seq)?;
    Ok(gradients)
}

/// max(0, x).
pub fn relu<T: Float>(inputs: &[T]) -> Result<Vec<T>> {
    let mut output = vec![T::ZERO; inputs.len()];
    relu::forward(view(inputs, 1)?, view_mut(&mut output, 1)?, Par::Seq)?;
    Ok(output)
}

/// The gradient on the inputs of a ReLU.
pub fn relu_backward<T: Float>(inputs: &[T], grad_output: &[T]) -> Result<Vec<T>> {
    let mut grad = grad_output.to_vec();
    relu::backward_in_place(view(inputs, 1)?, view_mut(&mut grad, 1)?, Par::Seq)?;
    Ok(grad)
}

/// Probabilities of classes.
pub fn softmax<T: Float>(logits: &[T], classes: usize) -> Result<Vec<T>> {
    let mut p = logits.to_vec();
    softmax::forward_in_place(view_mut(&mut p, classes)?, Par::Seq)?;
    Ok(p)
}

/// Mean loss, and the loss of each sample, from probabilities.
pub fn cross_entropy<T: Float>(
    p: &[T],
    classes: usize,
    targets: Targets<'_, T>,
) -> Result<(T, Vec<T>)> {
    let (mut losses, options) = (vec![T::ZERO; p.len() / classes], LossOptions::default());
    let p = view(p, classes)?;
    let mean = cross_entropy::forward(p, targets, &options, &mut losses, Par::Seq)?;
    Ok((mean, losses))
}

/// The mean loss and its gradient on the logits: softmax and cross-entropy, forward and backward.
pub fn separate<T: Float>(
    logits: &[T],
    classes: usize,
    targets: Targets<'_, T>,
) -> Result<(T, Vec<T>)> {
    let p = softmax(logits, classes)?;
    let (loss, _) = cross_entropy(&p, classes, targets)?;
    let (p, mut grad) = (view(&p, classes)?, vec![T::ZERO; logits.len()]);
    let (options, upstream) = (LossOptions::default(), Upstream::Scalar(T::ONE));
    let to = view_mut(&mut grad, classes)?;
    cross_entropy::backward(p, targets, &options, upstream, to, Par::Seq)?;
    softmax::backward_in_place(p, view_mut(&mut grad, classes)?, Par::Seq)?;
    Ok((loss, grad))
}

/// The same by the fused kernel.
pub fn fused<T: Float>(
    logits: &[T],
    classes: usize,
    targets: Targets<'_, T>,
) -> Result<(T, Vec<T>)> {
    let (mut losses, options) = (vec![T::ZERO; logits.len() / classes], LossOptions::default());
    let mut grad = logits.to_vec();
    let to = view_mut(&mut grad, classes)?;
    let loss = softmax_cross_entropy::forward_backward_in_place(
        to,
        targets,
        &options,
        &mut losses,
        Par::Seq,
    )?;
    Ok((loss, grad))
}
