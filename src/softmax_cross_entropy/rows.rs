//! Losses and gradients of a run of samples, a row at a time.

use super::narrow;
use crate::arch::{Kernel, Simd};
use crate::error::Result;
use crate::float::Float;
use crate::isa;
use crate::loss::{Objective, Upstream};
use crate::par::Par;
use crate::rows::RowsMut;
use crate::softmax::WORK_PER_ELEMENT;
use crate::vector::elementwise::scale;
use crate::vector::narrow::MAX_CLASSES;
use crate::vector::softmax::{exponentials, row_sum, soft_gradient, soft_loss};
use crate::view::{MatMut, MatRef};

/// Writes the loss of each row of logits; `first` is the first row's sample.
pub(crate) fn losses<T: Float>(
    objective: &Objective<'_, T>,
    logits: MatRef<'_, T>,
    losses: &mut [T],
    first: usize,
    par: Par,
) -> Result<()> {
    let token = isa::token()?;
    let (batch, classes) = logits.shape();
    let scratch_len = if logits.rows_are_slices() { classes } else { 2 * classes };
    par.split_rows((logits, losses), batch, 1, work(batch, classes), &|(logits, losses), row| {
        T::with_scratch(scratch_len, |scratch| {
            let first = first + row;
            let rows = LossRows { objective, logits, losses, first, scratch };
            T::softmax_cross_entropy_forward(token, rows);
        });
    });
    Ok(())
}

/// Writes each row's gradient to `output`, from the logits in `source`, or in `output` itself, and
/// each row's loss to `losses`; `first` is the first row's sample.
pub(crate) fn gradients<T: Float>(
    objective: &Objective<'_, T>,
    upstream: Upstream<'_, T>,
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    losses: Option<&mut [T]>,
    first: usize,
    par: Par,
) -> Result<()> {
    let token = isa::token()?;
    let (batch, classes) = output.shape();
    let parts = ((source, output), losses);
    par.split_rows(parts, batch, 1, work(batch, classes), &|((source, output), losses), row| {
        T::with_scratch(classes + RowsMut::scratch_len(&output), |scratch| {
            let (target, scratch) = scratch.split_at_mut(classes);
            let rows = RowsMut::new(output, source, scratch);
            let first = first + row;
            let rows = GradientRows { objective, upstream, rows, losses, first, target };
            T::softmax_cross_entropy_backward(token, rows);
        });
    });
    Ok(())
}

fn work(batch: usize, classes: usize) -> usize {
    batch.saturating_mul(classes).saturating_mul(WORK_PER_ELEMENT)
}

pub(crate) struct LossRows<'a, T> {
    objective: &'a Objective<'a, T>,
    logits: MatRef<'a, T>,
    losses: &'a mut [T],
    /// The first row's sample.
    first: usize,
    /// A row of targets, and one of logits where they are not adjacent.
    scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for LossRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let LossRows { objective, logits, losses, first, scratch } = self;
        if objective.is_hard() && logits.cols() <= MAX_CLASSES {
            return narrow::losses(simd, objective, &logits, first, losses);
        }
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
                    soft_loss(simd, row, sum, target, objective.log_bounds)
                }
            };
        }
    }
}

pub(crate) struct GradientRows<'a, T> {
    pub(super) objective: &'a Objective<'a, T>,
    pub(super) upstream: Upstream<'a, T>,
    /// Logits that become gradients.
    pub(super) rows: RowsMut<'a, T>,
    pub(super) losses: Option<&'a mut [T]>,
    /// The first row's sample.
    pub(super) first: usize,
    /// A row of targets.
    target: &'a mut [T],
}

impl<T: Float> Kernel<T> for GradientRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        if self.objective.is_hard() && self.rows.source().cols() <= MAX_CLASSES {
            return narrow::gradients(simd, self);
        }
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
                        let loss = soft_loss(simd, row, sum, target, objective.log_bounds);
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
    scale(share, row);
    row[label] = excess * share;
    objective.loss_term(weight, sum.log_share(logit))
}
