//! Slices to one number.
//!
//! Sums go to four vectors of accumulators, so that an addition need not wait for the one before.
//! The order depends on the instruction set and on the length alone, so the same slice always gives
//! the same bits. An element passes through at most d = n/16 + 10 additions, whatever the set, so the
//! error of a sum is at most d·ε/2 · Σ|xᵢ| to first order (Higham, *Accuracy and Stability of
//! Numerical Algorithms*, §4.2), and that of a dot product at most (d + 1)·ε/2 · Σ|xᵢ·yᵢ|.

use crate::arch::Simd;
use crate::float::Float;

/// Vectors of accumulators.
const ACCUMULATORS: usize = 4;

/// Σ xᵢ; 0 of an empty slice.
#[inline(always)]
pub(crate) fn sum<T: Float, S: Simd<T>>(s: S, x: &[T]) -> T {
    let zero = s.splat(T::ZERO);
    let sums = accumulate(s, x, zero, |sum, x| s.add(sum, x));
    s.reduce_add(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// The largest element; −∞ of an empty slice, and unspecified where there is NaN.
#[inline(always)]
pub(crate) fn max<T: Float, S: Simd<T>>(s: S, x: &[T]) -> T {
    let lowest = s.splat(T::NEG_INFINITY);
    let largest = accumulate(s, x, lowest, |largest, x| s.max(x, largest));
    s.reduce_max(s.max(s.max(largest[0], largest[1]), s.max(largest[2], largest[3])))
}

/// Folds a slice into vectors that start as `neutral`, which also fills the last one up.
#[inline(always)]
fn accumulate<T: Float, S: Simd<T>>(
    s: S,
    x: &[T],
    neutral: S::V,
    f: impl Fn(S::V, S::V) -> S::V,
) -> [S::V; ACCUMULATORS] {
    let mut all = [neutral; ACCUMULATORS];
    let mut blocks = x.chunks_exact(ACCUMULATORS * S::LANES);
    for block in &mut blocks {
        for (accumulator, x) in all.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *accumulator = f(*accumulator, s.load(x));
        }
    }
    let mut vectors = blocks.remainder().chunks_exact(S::LANES);
    for x in &mut vectors {
        all[0] = f(all[0], s.load(x));
    }
    let tail = vectors.remainder();
    if !tail.is_empty() {
        all[1] = f(all[1], s.load_first_or(tail, neutral));
    }
    all
}

/// Σ xᵢ·yᵢ of two slices of one length.
#[inline(always)]
pub(crate) fn dot<T: Float, S: Simd<T>>(s: S, x: &[T], y: &[T]) -> T {
    debug_assert_eq!(x.len(), y.len());
    let mut sums = [s.splat(T::ZERO); ACCUMULATORS];
    let mut x_blocks = x.chunks_exact(ACCUMULATORS * S::LANES);
    let mut y_blocks = y.chunks_exact(ACCUMULATORS * S::LANES);
    for (x, y) in (&mut x_blocks).zip(&mut y_blocks) {
        let vectors = x.chunks_exact(S::LANES).zip(y.chunks_exact(S::LANES));
        for (sum, (x, y)) in sums.iter_mut().zip(vectors) {
            *sum = s.mul_add(s.load(x), s.load(y), *sum);
        }
    }
    let mut x_vectors = x_blocks.remainder().chunks_exact(S::LANES);
    let mut y_vectors = y_blocks.remainder().chunks_exact(S::LANES);
    for (x, y) in (&mut x_vectors).zip(&mut y_vectors) {
        sums[0] = s.mul_add(s.load(x), s.load(y), sums[0]);
    }
    let (x, y) = (x_vectors.remainder(), y_vectors.remainder());
    if !x.is_empty() {
        sums[1] = s.mul_add(s.load_first(x), s.load_first(y), sums[1]);
    }
    s.reduce_add(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// The index of the first of equal maxima, or of the first NaN if there is any; none of an empty
/// slice.
#[inline(always)]
pub(crate) fn argmax<T: Float, S: Simd<T>>(s: S, x: &[T]) -> Option<usize> {
    let largest = max(s, x);
    // `max` passes over NaN where it is not the only thing there is, and what is not below the
    // maximum equals it or is NaN.
    let first = x.iter().position(|&x| !(x < largest))?;
    let first_nan = x[first..].iter().position(|x| x.is_nan());
    Some(first + first_nan.unwrap_or(0))
}
