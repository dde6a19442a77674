//! The fused loss for few classes and labels, several samples to a vector.

use super::rows::GradientRows;
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;
use crate::loss::Objective;
use crate::vector::narrow::{Block, BlockSum, Lanes};
use crate::view::MatRef;

/// The losses of samples whose target is one class; `first` is the first row's sample.
#[inline(always)]
pub(super) fn losses<T: Float, S: Simd<T>>(
    simd: S,
    objective: &Objective<'_, T>,
    logits: &MatRef<'_, T>,
    first: usize,
    losses: &mut [T],
) {
    let mut block = Block::new(logits.cols());
    for (row, losses) in (0..).step_by(S::LANES).zip(losses.chunks_mut(S::LANES)) {
        block.read(simd, logits, row);
        let targets = LabelledBlock::new(simd, objective, &mut block, first + row);
        let sum = block.exponentials(simd);
        for (lane, loss) in losses.iter_mut().enumerate() {
            *loss = targets.loss(objective, &sum, lane);
        }
    }
}

/// Losses and gradients of samples whose target is one class.
#[inline(always)]
pub(super) fn gradients<T: Float, S: Simd<T>>(simd: S, work: GradientRows<'_, T>) {
    let GradientRows { objective, upstream, mut rows, mut losses, first, .. } = work;
    let mean = objective.scale();
    let mut block = Block::new(rows.source().cols());
    for row in (0..rows.rows()).step_by(S::LANES) {
        let count = block.read(simd, &rows.source(), row);
        let targets = LabelledBlock::new(simd, objective, &mut block, first + row);
        let sum = block.exponentials(simd);
        let mut shares = [T::ZERO; MAX_LANES];
        for lane in 0..count {
            let factor = targets.weight[lane] * mean * upstream.at(first + row + lane);
            shares[lane] = factor / (T::ONE + sum.others[lane]);
            if let Some(losses) = &mut losses {
                losses[row + lane] = targets.loss(objective, &sum, lane);
            }
        }
        let excess = targets.excess(simd, &mut block, &sum);
        block.scale(simd, &shares);
        for lane in 0..count {
            if let Some(label) = targets.label[lane] {
                *block.at(simd, lane, label) = excess[lane] * shares[lane];
            }
        }
        block.write(simd, rows.output(), row);
        for lane in 0..count {
            if targets.label[lane].is_none() {
                rows.clear(row + lane);
            }
        }
    }
}

/// The labels of a block's rows, with the logits and weights of their classes.
struct LabelledBlock<T> {
    rows: usize,
    /// `None` where the sample is ignored.
    label: [Option<usize>; MAX_LANES],
    logit: Lanes<T>,
    weight: Lanes<T>,
}

impl<T: Float> LabelledBlock<T> {
    #[inline(always)]
    fn new<S: Simd<T>>(
        simd: S,
        objective: &Objective<'_, T>,
        block: &mut Block<T>,
        first: usize,
    ) -> Self {
        let rows = block.rows();
        let mut targets =
            LabelledBlock { rows, label: [None; _], logit: [T::ZERO; _], weight: [T::ZERO; _] };
        for lane in 0..rows {
            targets.label[lane] = objective.label(first + lane);
            if let Some(label) = targets.label[lane] {
                targets.logit[lane] = *block.at(simd, lane, label);
                targets.weight[lane] = objective.class_weight(label);
            }
        }
        targets
    }

    /// A row's loss; 0 where it is ignored.
    #[inline(always)]
    fn loss(&self, objective: &Objective<'_, T>, sum: &BlockSum<T>, lane: usize) -> T {
        if self.label[lane].is_none() {
            return T::ZERO;
        }
        let log_p = (self.logit[lane] - sum.max[lane]) - sum.log_total[lane];
        objective.loss_term(self.weight[lane], log_p)
    }

    /// e − Σe at each row's label, without the cancellation where it has all but all of the sum.
    #[inline(always)]
    fn excess<S: Simd<T>>(&self, simd: S, block: &mut Block<T>, sum: &BlockSum<T>) -> Lanes<T> {
        let mut excess = [T::ZERO; MAX_LANES];
        for (lane, excess) in excess.iter_mut().enumerate().take(self.rows) {
            if let Some(label) = self.label[lane] {
                *excess = if self.logit[lane] == sum.max[lane] {
                    -sum.others[lane]
                } else {
                    *block.at(simd, lane, label) - (T::ONE + sum.others[lane])
                };
            }
        }
        excess
    }
}
