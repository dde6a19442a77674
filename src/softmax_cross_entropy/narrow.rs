//! The fused loss for few classes and labels, several samples to a vector.

use super::rows::GradientRows;
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;
use crate::loss::Objective;
use crate::vector::narrow::Block;
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
        let targets = LabelledRows::new(simd, objective, first + row, losses.len());
        let logit = block.at_labels(simd, targets.labels);
        let sum = block.exponentials(simd);
        let loss = targets.losses(simd, objective, sum.log_share(simd, logit));
        simd.store_first(loss, losses);
    }
}

/// Losses and gradients of samples whose target is one class.
#[inline(always)]
pub(super) fn gradients<T: Float, S: Simd<T>>(simd: S, work: GradientRows<'_, T>) {
    let GradientRows { objective, upstream, mut rows, mut losses, first, .. } = work;
    let mean = simd.splat(objective.scale());
    let mut block = Block::new(rows.source().cols());
    for row in (0..rows.rows()).step_by(S::LANES) {
        let count = block.read(simd, &rows.source(), row);
        let targets = LabelledRows::new(simd, objective, first + row, count);
        let logit = block.at_labels(simd, targets.labels);
        let sum = block.exponentials(simd);
        if let Some(losses) = &mut losses {
            let loss = targets.losses(simd, objective, sum.log_share(simd, logit));
            simd.store_first(loss, &mut losses[row..row + count]);
        }
        let upstream = upstream.load(simd, first + row, count);
        let factor = simd.mul(targets.weights, simd.mul(mean, upstream));
        let share = simd.div(factor, sum.total(simd));
        // e − Σe, without the cancellation where the label has all but all of the sum.
        let apart = simd.sub(block.at_labels(simd, targets.labels), sum.total(simd));
        let nothing = simd.splat(T::ZERO);
        let excess = simd.where_equal(logit, sum.max, simd.sub(nothing, sum.others), apart);
        block.scale_around_labels(simd, share, targets.labels, simd.mul(excess, share));
        block.write(simd, rows.output(), row, count);
        for lane in (0..count).filter(|lane| targets.ignored & 1 << lane != 0) {
            rows.clear(row + lane);
        }
    }
}

/// The labels of a block's rows, a lane a row.
struct LabelledRows<V> {
    /// The class, or −1 where the sample is ignored.
    labels: V,
    /// The class's weight.
    weights: V,
    /// A bit for each sample that is ignored.
    ignored: u32,
}

impl<V: Copy> LabelledRows<V> {
    /// The targets of `count` samples, from `first` on.
    #[inline(always)]
    fn new<T: Float, S: Simd<T, V = V>>(
        simd: S,
        objective: &Objective<'_, T>,
        first: usize,
        count: usize,
    ) -> Self {
        let mut labels = [0_i64; MAX_LANES];
        let ignored = objective.read_labels(first, &mut labels[..count]);
        let weights = match objective.class_weights {
            None => simd.splat(T::ONE),
            Some(weights) => {
                // An ignored sample's weight is not used; a label of −1 has none.
                let of = |label: i64| weights.get(label as usize).copied().unwrap_or(T::ZERO);
                simd.load(&labels.map(of))
            }
        };
        LabelledRows { labels: simd.load(&labels.map(T::from_small)), weights, ignored }
    }

    /// −w·ln p, with ln p clipped; 0 where w is 0 and p is, and where the sample is ignored.
    #[inline(always)]
    fn losses<T: Float, S: Simd<T, V = V>>(
        &self,
        simd: S,
        objective: &Objective<'_, T>,
        log_p: V,
    ) -> V {
        let loss =
            crate::vector::softmax::loss_term(simd, objective.log_bounds, self.weights, log_p);
        simd.where_equal(self.labels, simd.splat(-T::ONE), simd.splat(T::ZERO), loss)
    }
}
