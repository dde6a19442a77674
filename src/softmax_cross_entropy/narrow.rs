//! The fused loss for few classes and labels, several samples to a vector.

use super::rows::GradientRows;
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;
use crate::loss::Objective;
use crate::vector::narrow::{Blocks, GROUP, blocks};
use crate::vector::softmax::Shares;
use crate::view::MatRef;

/// The losses of samples whose target is one class; `first` is the first row's sample.
#[inline(always)]
pub(super) fn losses<T: Float, S: Simd<T>>(
    simd: S,
    objective: &Objective<'_, T>,
    logits: &MatRef<'_, T>,
    first: usize,
    losses: &mut [T],
    scratch: &mut [T],
) {
    let mut blocks = blocks(simd, logits.cols(), scratch);
    for row in (0..losses.len()).step_by(blocks.count * S::LANES) {
        let group = Group::new(simd, objective, logits, row, first, &mut blocks);
        group.write_losses(simd, objective, &mut losses[row..row + group.rows]);
    }
}

/// Losses and gradients of samples whose target is one class.
#[inline(always)]
pub(super) fn gradients<T: Float, S: Simd<T>>(simd: S, work: GradientRows<'_, T>) {
    let GradientRows { objective, upstream, mut rows, mut losses, first, scratch } = work;
    let mean = simd.splat(objective.scale());
    let mut blocks = blocks(simd, rows.source().cols(), scratch);
    for row in (0..rows.rows()).step_by(blocks.count * S::LANES) {
        let group = Group::new(simd, objective, &rows.source(), row, first, &mut blocks);
        if let Some(losses) = &mut losses {
            group.write_losses(simd, objective, &mut losses[row..row + group.rows]);
        }
        for (i, start) in (row..row + group.rows).step_by(S::LANES).enumerate() {
            let (targets, shares) = (&group.targets[i], &group.shares[i]);
            let count = S::LANES.min(row + group.rows - start);
            let upstream = upstream.load(simd, first + start, count);
            let factor = simd.mul(targets.weights, simd.mul(mean, upstream));
            let share = simd.div(factor, shares.total(simd));
            let at_labels = simd.mul(simd.sub(simd.splat(T::ZERO), shares.others), share);
            let mut block = blocks.get(i);
            block.scale_around_labels(simd, share, targets.labels, at_labels);
            block.write(simd, rows.output(), start, count);
            let mut ignored = targets.ignored;
            while ignored != 0 {
                rows.clear(start + ignored.trailing_zeros() as usize);
                ignored &= ignored - 1;
            }
        }
    }
}

/// The rows of some blocks, which hold their exponentials.
struct Group<V> {
    targets: [LabelledRows<V>; GROUP],
    shares: [Shares<V>; GROUP],
    rows: usize,
}

impl<V: Copy> Group<V> {
    /// The rows from `row` on; `first` is the sample of row 0.
    #[inline(always)]
    fn new<T: Float, S: Simd<T, V = V>>(
        simd: S,
        objective: &Objective<'_, T>,
        logits: &MatRef<'_, T>,
        row: usize,
        first: usize,
        blocks: &mut Blocks<'_, T>,
    ) -> Self {
        let zero = simd.splat(T::ZERO);
        let none = LabelledRows { labels: zero, weights: zero, ignored: 0 };
        let mut targets = [none; GROUP];
        let mut apart = [(zero, zero); GROUP];
        let mut shares = [Shares { others: zero, own: zero, raised: zero }; GROUP];
        let rows = (blocks.count * S::LANES).min(logits.rows() - row);
        for (i, start) in (row..row + rows).step_by(S::LANES).enumerate() {
            let mut block = blocks.get(i);
            let count = block.read(simd, logits, start);
            targets[i] = LabelledRows::new(simd, objective, first + start, count);
            apart[i] = block.set_apart(simd, targets[i].labels);
        }
        for i in 0..rows.div_ceil(S::LANES) {
            let (own, max) = apart[i];
            shares[i] = blocks.get(i).exponentials(simd, own, max);
        }
        Group { targets, shares, rows }
    }

    #[inline(always)]
    fn write_losses<T: Float, S: Simd<T, V = V>>(
        &self,
        simd: S,
        objective: &Objective<'_, T>,
        losses: &mut [T],
    ) {
        let blocks = self.targets.iter().zip(&self.shares);
        for (losses, (targets, shares)) in losses.chunks_mut(S::LANES).zip(blocks) {
            let loss = targets.losses(simd, objective, shares.log_share(simd));
            simd.store_first(loss, losses);
        }
    }
}

/// The labels of a block's rows, a lane a row.
#[derive(Clone, Copy)]
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
