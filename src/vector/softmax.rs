//! Rows of softmax, and of its fusion with cross-entropy.
//!
//! A row is read from L1 cache as often as it takes: its maximum, its exponentials and their sum,
//! its scaling. The sum leaves out the maximum's own exponential, so that the logarithm of the sum
//! keeps its relative accuracy where one class is nearly certain: ln(1 + others / top).

use super::{exp::Base, reduce};
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;

/// A row's largest element m, and what its exponentials add up to; see [`Base`] for what they are
/// divided by.
///
/// `others` is NaN where the row holds NaN or +∞, or nothing above −∞.
#[derive(Clone, Copy)]
pub(crate) struct RowSum<T> {
    pub(crate) max: T,
    /// The exponential of m.
    top: T,
    /// The sum of the exponentials of all elements but one that equals m.
    pub(crate) others: T,
}

impl<T: Float> RowSum<T> {
    /// The sum of all exponentials.
    #[inline(always)]
    pub(crate) fn total(&self) -> T {
        self.top + self.others
    }

    /// ln Σ e^(x − m).
    #[inline(always)]
    fn log_total(&self) -> T {
        (self.others / self.top).ln_1p()
    }

    /// The logarithm of element x's share in the sum: x − m − ln Σ e^(x − m).
    #[inline(always)]
    pub(crate) fn log_share(&self, x: T) -> T {
        (x - self.max) - self.log_total()
    }
}

/// Replaces each x of a row by its exponential.
#[inline(always)]
pub(crate) fn exponentials<T: Float, S: Simd<T>>(s: S, row: &mut [T]) -> RowSum<T> {
    let mut sum = Exponentials::new(s, reduce::max(s, row));
    let mut chunks = row.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        let e = sum.add(s, s.load(chunk));
        s.store(e, chunk);
    }
    let tail = chunks.into_remainder();
    let e = sum.add_first(s, tail);
    s.store_first(e, tail);
    sum.finish(s)
}

/// What [`exponentials`] returns, with the row left as it is.
#[inline(always)]
pub(crate) fn row_sum<T: Float, S: Simd<T>>(s: S, row: &[T]) -> RowSum<T> {
    let mut sum = Exponentials::new(s, reduce::max(s, row));
    let chunks = row.chunks_exact(S::LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        sum.add(s, s.load(chunk));
    }
    sum.add_first(s, tail);
    sum.finish(s)
}

/// A sum of exponentials under way.
struct Exponentials<T: Float, S: Simd<T>> {
    max: T,
    base: Base<S::V>,
    /// The sum of the exponentials of the elements below m.
    below: S::V,
    /// The number of elements that equal m.
    equal: S::V,
}

impl<T: Float, S: Simd<T>> Exponentials<T, S> {
    #[inline(always)]
    fn new(s: S, max: T) -> Self {
        let base = Base::new(s, s.splat(max));
        Exponentials { max, base, below: s.splat(T::ZERO), equal: s.splat(T::ZERO) }
    }

    #[inline(always)]
    fn add(&mut self, s: S, x: S::V) -> S::V {
        let (max, zero) = (s.splat(self.max), s.splat(T::ZERO));
        let e = self.base.exp(s, x);
        self.below = s.add(self.below, s.where_equal(x, max, zero, e));
        self.equal = s.add(self.equal, s.where_equal(x, max, s.splat(T::ONE), zero));
        e
    }

    /// Adds fewer elements than a vector holds; the lanes past them count for nothing.
    #[inline(always)]
    fn add_first(&mut self, s: S, tail: &[T]) -> S::V {
        let mut lanes = [T::NEG_INFINITY; MAX_LANES];
        lanes[..tail.len()].copy_from_slice(tail);
        // With a maximum of −∞ the row's sum is NaN whatever is added here.
        self.add(s, s.load(&lanes))
    }

    #[inline(always)]
    fn finish(self, s: S) -> RowSum<T> {
        let top = s.reduce_max(self.base.exp(s, s.splat(self.max)));
        let others = s.reduce_add(self.below) + (s.reduce_add(self.equal) - T::ONE) * top;
        RowSum { max: self.max, top, others }
    }
}

/// Replaces a row of gradients gᵢ with respect to probabilities pᵢ by pᵢ(gᵢ − Σⱼ gⱼpⱼ).
#[inline(always)]
pub(crate) fn backward<T: Float, S: Simd<T>>(s: S, probabilities: &[T], grad: &mut [T]) {
    let dot = reduce::dot(s, probabilities, grad);
    for (g, &p) in grad.iter_mut().zip(probabilities) {
        *g = p * (*g - dot);
    }
}

/// −Σ t·ln p over a row of logits, where p is its softmax and `sum` what [`row_sum`] found; ln p
/// is clipped to the bounds. A term with t = 0 and p = 0 is 0.
#[inline(always)]
pub(crate) fn soft_loss<T: Float, S: Simd<T>>(
    s: S,
    row: &[T],
    sum: RowSum<T>,
    targets: &[T],
    log_bounds: (T, T),
) -> T {
    let (max, log_total) = (s.splat(sum.max), s.splat(sum.log_total()));
    let (chunks, target_chunks) = (row.chunks_exact(S::LANES), targets.chunks_exact(S::LANES));
    let (tail, target_tail) = (chunks.remainder(), target_chunks.remainder());
    let mut total = s.splat(T::ZERO);
    for (x, t) in chunks.zip(target_chunks) {
        let log_p = s.sub(s.sub(s.load(x), max), log_total);
        total = s.add(total, loss_term(s, log_bounds, s.load(t), log_p));
    }
    // Lanes past the tail are left out: their share may be NaN.
    let mut last = [T::ZERO; MAX_LANES];
    let log_p = s.sub(s.sub(s.load_first(tail), max), log_total);
    s.store(loss_term(s, log_bounds, s.load_first(target_tail), log_p), &mut last);
    s.reduce_add(total) + last[..tail.len()].iter().copied().sum::<T>()
}

/// −t·ln p, with ln p clipped to the bounds; 0 where t is 0 and p is.
#[inline(always)]
pub(crate) fn loss_term<T: Float, S: Simd<T>>(
    s: S,
    log_bounds: (T, T),
    t: S::V,
    log_p: S::V,
) -> S::V {
    let (zero, none) = (s.splat(T::ZERO), s.splat(T::NEG_INFINITY));
    // In this operand order NaN passes both.
    let clipped = s.min(s.splat(log_bounds.1), s.max(s.splat(log_bounds.0), log_p));
    let term = s.sub(zero, s.mul(t, clipped));
    s.where_equal(t, zero, s.where_equal(log_p, none, zero, term), term)
}

/// Replaces a row of logits by the gradient `scale·(p·Σt − t)` of −Σ t·ln p, where p is its
/// softmax and `sum` what [`row_sum`] found.
#[inline(always)]
pub(crate) fn soft_gradient<T: Float, S: Simd<T>>(
    s: S,
    row: &mut [T],
    sum: RowSum<T>,
    targets: &[T],
    scale: T,
) {
    let factor = s.splat(reduce::sum(s, targets) / sum.total() * scale);
    let (base, scale) = (Base::new(s, s.splat(sum.max)), s.splat(scale));
    let mut chunks = row.chunks_exact_mut(S::LANES);
    let mut target_chunks = targets.chunks_exact(S::LANES);
    for (chunk, target) in (&mut chunks).zip(&mut target_chunks) {
        let e = base.exp(s, s.load(chunk));
        let t = s.mul(s.load(target), scale);
        s.store(s.sub(s.mul(e, factor), t), chunk);
    }
    let tail = chunks.into_remainder();
    let e = base.exp(s, s.load_first(tail));
    let t = s.mul(s.load_first(target_chunks.remainder()), scale);
    s.store_first(s.sub(s.mul(e, factor), t), tail);
}
