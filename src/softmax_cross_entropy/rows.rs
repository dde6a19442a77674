//! Losses and gradients of a run of samples, a row at a time.

use super::narrow;
use crate::arch::{Kernel, MAX_LANES, Simd};
use crate::error::Result;
use crate::float::Float;
use crate::isa;
use crate::loss::{Objective, Upstream};
use crate::par::Par;
use crate::rows::RowsMut;
use crate::softmax::WORK_PER_ELEMENT;
use crate::vector::elementwise::scale;
use crate::vector::narrow::{MAX_CLASSES, SCRATCH};
use crate::vector::softmax::{LogRow, Shares, loss_term, shares, soft_gradient, soft_loss};
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
    let rows = if logits.rows_are_slices() { 1 } else { 2 };
    let scratch_len = (rows * classes).max(SCRATCH);
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
        let scratch_len = classes.max(SCRATCH);
        T::with_scratch(scratch_len + RowsMut::scratch_len(&output), |scratch| {
            let (scratch, row_scratch) = scratch.split_at_mut(scratch_len);
            let rows = RowsMut::new(output, source, row_scratch);
            let first = first + row;
            let rows = GradientRows { objective, upstream, rows, losses, first, scratch };
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
    /// Room for a row of targets and, where they are not adjacent, one of logits; or for blocks.
    scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for LossRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let LossRows { objective, logits, losses, first, scratch } = self;
        if objective.is_hard() && logits.cols() <= MAX_CLASSES {
            return narrow::losses(simd, objective, &logits, first, losses, scratch);
        }
        let (target, gathered) = scratch.split_at_mut(logits.cols());
        for (row, losses) in (0..).step_by(S::LANES).zip(losses.chunks_mut(S::LANES)) {
            let mut hard = HardLosses::new();
            for (lane, loss) in losses.iter_mut().enumerate() {
                let (i, sample) = (row + lane, first + row + lane);
                if objective.ignores(sample) {
                    *loss = T::ZERO;
                    continue;
                }
                let (row, stride) = match logits.row(i) {
                    Some(row) => (row, logits.row_stride()),
                    None => {
                        let gathered = &mut gathered[..logits.cols()];
                        logits.copy_row(i, gathered);
                        (&*gathered, 0)
                    }
                };
                match objective.label(sample) {
                    Some(label) if objective.is_hard() => {
                        let shares = shares(simd, row, label, stride);
                        hard.set(lane, objective.class_weight(label), shares);
                    }
                    _ => {
                        objective.fill_target(sample, target);
                        let log_row = LogRow::new(simd, row, stride);
                        *loss = soft_loss(simd, row, log_row, target, objective.log_bounds);
                    }
                }
            }
            if objective.is_hard() {
                hard.write(simd, objective, losses);
            }
        }
    }
}

/// The losses of as many samples as a vector has lanes, each with a target that is one class: their
/// logarithms are taken together.
struct HardLosses<T> {
    weights: [T; MAX_LANES],
    others: [T; MAX_LANES],
    own: [T; MAX_LANES],
    raised: [T; MAX_LANES],
}

impl<T: Float> HardLosses<T> {
    /// All samples ignored.
    #[inline(always)]
    fn new() -> Self {
        let zeros = [T::ZERO; MAX_LANES];
        HardLosses { weights: zeros, others: zeros, own: [T::ONE; MAX_LANES], raised: zeros }
    }

    #[inline(always)]
    fn set(&mut self, lane: usize, weight: T, shares: Shares<T>) {
        self.weights[lane] = weight;
        self.others[lane] = shares.others;
        self.own[lane] = shares.own;
        self.raised[lane] = shares.raised;
    }

    #[inline(always)]
    fn write<S: Simd<T>>(&self, simd: S, objective: &Objective<'_, T>, losses: &mut [T]) {
        let [weights, others, own, raised] =
            [&self.weights, &self.others, &self.own, &self.raised].map(|lanes| simd.load(lanes));
        let log_p = Shares { others, own, raised }.log_share(simd);
        simd.store_first(loss_term(simd, objective.log_bounds, weights, log_p), losses);
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
    /// Room for a row of targets, or for blocks.
    pub(super) scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for GradientRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        if self.objective.is_hard() && self.rows.source().cols() <= MAX_CLASSES {
            return narrow::gradients(simd, self);
        }
        if self.objective.is_hard() {
            self.hard(simd);
        } else {
            self.soft(simd);
        }
    }
}

impl<T: Float> GradientRows<'_, T> {
    /// Where all of a target lies on one class.
    #[inline(always)]
    fn hard<S: Simd<T>>(self, simd: S) {
        let GradientRows { objective, upstream, mut rows, mut losses, first, .. } = self;
        let mean = objective.scale();
        for start in (0..rows.rows()).step_by(S::LANES) {
            let end = rows.rows().min(start + S::LANES);
            let mut hard = HardLosses::new();
            for i in start..end {
                let Some(label) = objective.label(first + i) else {
                    rows.clear(i);
                    continue;
                };
                let weight = objective.class_weight(label);
                let mut row = rows.row(i);
                let shares = row.exponentials(simd, label);
                let share = weight * (mean * upstream.at(first + i)) / (shares.others + shares.own);
                scale(share, row.output());
                row.output()[label] = (T::ZERO - shares.others) * share;
                rows.close(i);
                hard.set(i - start, weight, shares);
            }
            if let Some(losses) = &mut losses {
                hard.write(simd, objective, &mut losses[start..end]);
            }
        }
    }

    /// Where a target is a row.
    #[inline(always)]
    fn soft<S: Simd<T>>(self, simd: S) {
        let GradientRows { objective, upstream, mut rows, mut losses, first, scratch } = self;
        let target = &mut scratch[..rows.source().cols()];
        let mean = objective.scale();
        for i in 0..rows.rows() {
            let sample = first + i;
            let loss = if objective.ignores(sample) {
                rows.clear(i);
                T::ZERO
            } else {
                objective.fill_target(sample, target);
                let row = rows.open(i);
                let log_row = LogRow::new(simd, row, 0);
                let loss = soft_loss(simd, row, log_row, target, objective.log_bounds);
                soft_gradient(simd, row, log_row, target, mean * upstream.at(sample));
                rows.close(i);
                loss
            };
            if let Some(losses) = &mut losses {
                losses[i] = loss;
            }
        }
    }
}
