//! Softmax and cross-entropy in one, from logits: the loss by a stable log-sum-exp, and its
//! gradient, p − y, in the same visit of the row.
//!
//! Fused, they need neither the division by a probability that may have vanished nor a second pass
//! over the batch (*Neural Networks from Scratch*, chapter 9).

mod narrow;
pub(crate) mod rows;

use crate::error::{Result, check_shape};
use crate::float::Float;
use crate::loss::{LossOptions, Objective, Upstream};
use crate::par::Par;
use crate::targets::Targets;
use crate::view::{MatMut, MatRef};

/// The loss of each sample, and, returned, the reduced loss.
///
/// `logits` is \[batch × classes\]; `losses` \[batch\] is written with
/// −Σ t·ln(clip(p, ε, 1 − ε)) for each sample, where p is the softmax of its logits and t its
/// target, weighted and smoothed as [`LossOptions`] say. Class weights, label smoothing and
/// ignored samples have the semantics of PyTorch's `cross_entropy`.
///
/// Without a clip the loss keeps its relative accuracy however small it is: a sample that is right
/// by a margin of 30 costs e⁻³⁰, in `f32` too. A masked class (−∞) adds nothing unless it has a
/// target; with one, the loss is +∞, or −t·ln ε where clipped. A row that holds NaN or +∞, or
/// nothing above −∞, has the loss NaN, unless it is ignored.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) or [`Error::Shape`](crate::Error::Shape) for `targets`,
/// `losses` or class weights that do not fit; [`Error::Label`](crate::Error::Label) for a label
/// that is not a class; [`Error::Value`](crate::Error::Value) for smoothing outside \[0, 1\] or ε
/// outside (0, ½); [`Error::Conflict`](crate::Error::Conflict) for `ignore_index` with probability
/// targets.
///
/// ```
/// use gradkern::{LossOptions, MatRef, Par, softmax_cross_entropy};
///
/// let logits = [2.0_f64, 1.0, 0.1, 0.0, 3.0, 0.2];
/// let mut losses = [0.0; 2];
/// let mean = softmax_cross_entropy::forward(
///     MatRef::new(&logits, 2, 3)?,
///     (&[0_u8, 1]).into(),
///     &LossOptions::default(),
///     &mut losses,
///     Par::Seq,
/// )?;
/// assert!((mean - (losses[0] + losses[1]) / 2.0).abs() < 1e-15);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn forward<T: Float>(
    logits: MatRef<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    losses: &mut [T],
    par: Par,
) -> Result<T> {
    let objective = Objective::with_losses(targets, options, logits.shape(), losses)?;
    rows::losses(&objective, logits, losses, 0, par)?;
    objective.reduce(losses)
}

/// [`forward`], and the gradient of the reduced loss with respect to the logits.
///
/// `grad_logits` \[batch × classes\] is written with p·Σt − t over the classes, divided by what
/// the mean is divided by; for plain targets that is (p − y) / batch. It is the gradient of the
/// loss before clipping, so that a hopelessly wrong sample still learns. A masked class without a
/// target has gradient 0; an ignored sample has gradient 0.
///
/// # Errors
/// As [`forward`], and [`Error::Shape`](crate::Error::Shape) for `grad_logits`.
pub fn forward_backward<T: Float>(
    logits: MatRef<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    losses: &mut [T],
    grad_logits: MatMut<'_, T>,
    par: Par,
) -> Result<T> {
    check_shape("grad_logits", logits.shape(), grad_logits.shape())?;
    fused(Some(logits), targets, options, losses, grad_logits, par)
}

/// [`forward_backward`], with the gradient written over the logits.
///
/// # Errors
/// As [`forward`].
pub fn forward_backward_in_place<T: Float>(
    logits: MatMut<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    losses: &mut [T],
    par: Par,
) -> Result<T> {
    fused(None, targets, options, losses, logits, par)
}

/// The gradient alone, times that of whatever follows the loss.
///
/// `upstream` is a number, or one for each sample, as for losses that are not reduced;
/// `grad_logits` is [`forward_backward`]'s, multiplied by it.
///
/// # Errors
/// As [`forward_backward`], and [`Error::Length`](crate::Error::Length) for `upstream`.
pub fn backward<T: Float>(
    logits: MatRef<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    upstream: Upstream<'_, T>,
    grad_logits: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("grad_logits", logits.shape(), grad_logits.shape())?;
    let objective = Objective::with_upstream(targets, options, logits.shape(), upstream)?;
    rows::gradients(&objective, upstream, Some(logits), grad_logits, None, 0, par)
}

fn fused<T: Float>(
    source: Option<MatRef<'_, T>>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    losses: &mut [T],
    output: MatMut<'_, T>,
    par: Par,
) -> Result<T> {
    let objective = Objective::with_losses(targets, options, output.shape(), losses)?;
    let upstream = Upstream::Scalar(T::ONE);
    rows::gradients(&objective, upstream, source, output, Some(losses), 0, par)?;
    objective.reduce(losses)
}
