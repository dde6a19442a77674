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

/// The largest element, NaN passed over; −∞ where nothing else is left.
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
    let zero = s.splat(T::ZERO);
    // Of NaN, the sum of products with 0 is NaN; infinities become 0 before.
    let finite = |x| s.where_equal(x, x, zero, x);
    let nan = accumulate(s, x, zero, |sum, x| s.add(sum, finite(x)));
    let nan = s.reduce_add(s.add(s.add(nan[0], nan[1]), s.add(nan[2], nan[3])));
    if nan.is_nan() {
        return x.iter().position(|x| x.is_nan());
    }
    let largest = max(s, x);
    let (value, mut start) = (s.splat(largest), 0);
    for vector in x.chunks_exact(S::LANES) {
        if s.any_equal(s.load(vector), value) {
            break;
        }
        start += S::LANES;
    }
    x[start..].iter().position(|&x| x == largest).map(|i| start + i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Kernel, Token};
    use crate::isa;

    /// sum, max, dot, argmax.
    struct All<'a, T>(&'a [T], &'a [T]);

    impl<T: Float> Kernel<T> for All<'_, T> {
        type Output = (T, T, T, Option<usize>);

        #[inline(always)]
        fn run<S: Simd<T>>(self, s: S) -> Self::Output {
            (sum(s, self.0), max(s, self.0), dot(s, self.0, self.1), argmax(s, self.0))
        }
    }

    fn tokens() -> impl Iterator<Item = Token> {
        isa::available().filter_map(Token::new)
    }

    #[test]
    fn sums_are_within_the_bound_at_every_length() {
        let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 31.0 - 11.0;
        let all: Vec<f32> = (0..400).map(number).collect();
        for len in (0..200).chain([256, 300, 399]) {
            let (x, y) = (&all[..len], &all[1..len + 1]);
            let sum_of = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                x.iter().zip(y).map(|(&x, &y)| f(x.into(), y.into())).sum()
            };
            let additions = len as f64 / 16.0 + 10.0;
            let unit = f64::from(f32::EPSILON) / 2.0;
            for token in tokens() {
                let (sum, largest, dot, _) = token.run(All(x, y));
                let error = (f64::from(sum) - sum_of(&|x, _| x)).abs();
                assert!(error <= additions * unit * sum_of(&|x, _| x.abs()), "{len} {token:?}");
                let error = (f64::from(dot) - sum_of(&|x, y| x * y)).abs();
                let bound = (additions + 1.0) * unit * sum_of(&|x, y| (x * y).abs());
                assert!(error <= bound, "{len} {token:?}");
                let right = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(largest, right, "{len} {token:?}");
            }
        }
    }

    #[test]
    fn argmax_is_the_first_maximum_or_the_first_nan() {
        let (low, nan) = (f64::NEG_INFINITY, f64::NAN);
        let cases: [(&[f64], Option<usize>); 8] = [
            (&[], None),
            (&[-1.0], Some(0)),
            (&[1.0, 3.0, 2.0, 3.0], Some(1)),
            (&[low, low], Some(0)),
            (&[low, -1e300, low], Some(1)),
            (&[1.0, nan, 5.0, nan], Some(1)),
            (&[5.0, 1.0, nan, 1.0], Some(2)),
            (&[nan, nan], Some(0)),
        ];
        for token in tokens() {
            for (x, right) in cases {
                assert_eq!(token.run(All(x, x)).3, right, "{x:?} {token:?}");
            }
            for len in 1..100 {
                let mut x: Vec<f64> = (0..len).map(|i| f64::from(i % 7)).collect();
                for place in 0..x.len() {
                    let before = std::mem::replace(&mut x[place], 7.0);
                    assert_eq!(token.run(All(&x, &x)).3, Some(place), "{len} {token:?}");
                    x[place] = before;
                }
            }
        }
    }

    #[test]
    fn the_largest_element_is_found_among_nan_and_infinities() {
        let (low, nan) = (f32::NEG_INFINITY, f32::NAN);
        for token in tokens() {
            for (x, right) in [
                (vec![low; 37], low),
                (vec![nan; 21], low),
                ([vec![nan; 20], vec![-3.0], vec![low; 50]].concat(), -3.0),
                (vec![-5.0; 3], -5.0),
            ] {
                assert_eq!(token.run(All(&x, &x)).1, right, "{x:?} {token:?}");
            }
        }
    }
}
