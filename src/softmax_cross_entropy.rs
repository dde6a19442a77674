//! Softmax and cross-entropy in one, from logits: the loss by a stable log-sum-exp, and its
//! gradient, p − y, in the same visit of the row.
//!
//! Fused, they need neither the division by a probability that may have vanished nor a second pass
//! over the batch (*Neural Networks from Scratch*, chapter 9).

use crate::arch::{Kernel, Simd};
use crate::error::{Result, check_length, check_shape};
use crate::float::Float;
use crate::isa;
use crate::loss::{LossOptions, Objective, Upstream};
use crate::par::Par;
use crate::rows::RowsMut;
use crate::softmax::{WORK_PER_ELEMENT, for_row_parts};
use crate::targets::Targets;
use crate::vector::softmax::{exponentials, row_sum, scale, soft_gradient};
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
    let (batch, classes) = logits.shape();
    check_length("losses", batch, losses.len())?;
    let objective = Objective::new(targets, options, batch, classes)?;
    let token = isa::token()?;
    let work = batch.saturating_mul(classes).saturating_mul(WORK_PER_ELEMENT);
    let scratch_len = if logits.rows_are_slices() { classes } else { 2 * classes };
    par.split_rows((logits, &mut *losses), batch, 1, work, &|(logits, losses), first| {
        T::with_scratch(scratch_len, |scratch| {
            token.run(ForwardRows { objective: &objective, logits, losses, first, scratch });
        });
    });
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
    let gradient = Gradient { source: Some(logits), output: grad_logits, options, targets };
    gradient.with_losses(losses, par)
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
    Gradient { source: None, output: logits, options, targets }.with_losses(losses, par)
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
    let (batch, classes) = logits.shape();
    check_shape("grad_logits", (batch, classes), grad_logits.shape())?;
    upstream.check(batch)?;
    let objective = Objective::new(targets, options, batch, classes)?;
    let token = isa::token()?;
    for_row_parts(Some(logits), grad_logits, par, &|source, output, first| {
        with_gradient_rows(source, output, |rows, target| {
            token.run(GradientRows {
                objective: &objective,
                upstream,
                rows,
                losses: None,
                first,
                target,
            });
        });
    });
    Ok(())
}

/// The arguments of the fused forms.
struct Gradient<'a, 'o, T> {
    source: Option<MatRef<'a, T>>,
    output: MatMut<'a, T>,
    targets: Targets<'a, T>,
    options: &'o LossOptions<'o, T>,
}

impl<T: Float> Gradient<'_, '_, T> {
    fn with_losses(self, losses: &mut [T], par: Par) -> Result<T> {
        let Gradient { source, output, targets, options } = self;
        let (batch, classes) = output.shape();
        check_length("losses", batch, losses.len())?;
        let objective = Objective::new(targets, options, batch, classes)?;
        let token = isa::token()?;
        let upstream = Upstream::Scalar(T::ONE);
        let work = batch.saturating_mul(classes).saturating_mul(WORK_PER_ELEMENT);
        let parts = ((source, output), &mut *losses);
        par.split_rows(parts, batch, 1, work, &|((source, output), losses), first| {
            let losses = Some(losses);
            with_gradient_rows(source, output, |rows, target| {
                token.run(GradientRows {
                    objective: &objective,
                    upstream,
                    rows,
                    losses,
                    first,
                    target,
                });
            });
        });
        objective.reduce(losses)
    }
}

/// Runs `f` on the rows of the gradient, with scratch for a row of targets.
fn with_gradient_rows<T: Float>(
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    f: impl FnOnce(RowsMut<'_, T>, &mut [T]),
) {
    let (classes, row_len) = (output.cols(), RowsMut::scratch_len(&output));
    T::with_scratch(classes + row_len, |scratch| {
        let (target, row) = scratch.split_at_mut(classes);
        f(RowsMut::new(output, source, row), target);
    });
}

struct ForwardRows<'a, T> {
    objective: &'a Objective<'a, T>,
    logits: MatRef<'a, T>,
    losses: &'a mut [T],
    /// The first row's sample.
    first: usize,
    /// A row of targets, and one of logits where they are not adjacent.
    scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for ForwardRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let ForwardRows { objective, logits, losses, first, scratch } = self;
        let (target, gathered) = scratch.split_at_mut(logits.cols());
        for (i, loss) in losses.iter_mut().enumerate() {
            let sample = first + i;
            if objective.ignores(sample) {
                *loss = T::ZERO;
                continue;
            }
            let row = match logits.row(i) {
                Some(row) => row,
                None => {
                    logits.copy_row(i, gathered);
                    &*gathered
                }
            };
            let sum = row_sum(simd, row);
            *loss = match objective.label(sample) {
                Some(label) if objective.is_hard() => {
                    objective.loss_term(objective.class_weight(label), sum.log_share(row[label]))
                }
                _ => {
                    objective.fill_target(sample, target);
                    objective.loss_of_row(target, row, sum)
                }
            };
        }
    }
}

struct GradientRows<'a, T> {
    objective: &'a Objective<'a, T>,
    upstream: Upstream<'a, T>,
    /// Logits that become gradients.
    rows: RowsMut<'a, T>,
    losses: Option<&'a mut [T]>,
    /// The first row's sample.
    first: usize,
    /// A row of targets.
    target: &'a mut [T],
}

impl<T: Float> Kernel<T> for GradientRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let GradientRows { objective, upstream, mut rows, mut losses, first, target } = self;
        let mean = objective.scale();
        for i in 0..rows.rows() {
            let sample = first + i;
            let loss = if objective.ignores(sample) {
                rows.clear(i);
                T::ZERO
            } else {
                let factor = mean * upstream.at(sample);
                let row = rows.open(i);
                let loss = match objective.label(sample) {
                    Some(label) if objective.is_hard() => {
                        hard_row(simd, objective, row, label, factor)
                    }
                    _ => {
                        objective.fill_target(sample, target);
                        let sum = row_sum(simd, row);
                        let loss = objective.loss_of_row(target, row, sum);
                        soft_gradient(simd, row, sum, target, factor);
                        loss
                    }
                };
                rows.close(i);
                loss
            };
            if let Some(losses) = &mut losses {
                losses[i] = loss;
            }
        }
    }
}

/// Loss and gradient of a sample whose target is one class; the row of logits becomes the gradient.
#[inline(always)]
fn hard_row<T: Float, S: Simd<T>>(
    simd: S,
    objective: &Objective<'_, T>,
    row: &mut [T],
    label: usize,
    factor: T,
) -> T {
    let weight = objective.class_weight(label);
    let logit = row[label];
    let sum = exponentials(simd, row);
    let share = weight * factor / sum.total();
    // e − Σe, without the cancellation where the label has all but all of the sum.
    let excess = if logit == sum.max { -sum.others } else { row[label] - sum.total() };
    scale(simd, row, share);
    row[label] = excess * share;
    objective.loss_term(weight, sum.log_share(logit))
}
