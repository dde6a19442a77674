//! Sums of exponentials: plain ones, and ones that are known to more bits than a number of their type
//! has, to divide by.
//!
//! A probability is an exponential over the sum of all. Rounding that sum, if only once at its end,
//! costs up to one unit in the last place of a probability, and rounding in every addition costs
//! more than everything else together. So the rounding error of each addition is kept, too: it is
//! b − ((a + b) − a), exactly, where a ≥ b ≥ 0 (Dekker, *A floating-point technique for extending
//! the available precision*, 1971). For the accumulator to be the larger one without a comparison,
//! it starts at a multiple of the largest exponential. What is added to it afterwards ends on the
//! grid of its last place, so that subtracting the start again is exact.

use crate::arch::Simd;
use crate::float::Float;

/// Vectors that are worked on together.
pub(super) const VECTORS: usize = 4;
/// Blocks of so many vectors that are summed on their own before they are added to the total.
pub(super) const BLOCKS: usize = 16;

/// How the exponentials of a row are added up.
pub(super) trait Total<T: Float, S: Simd<T>> {
    /// Adds the vector in place `j` of a block.
    fn add(&mut self, s: S, j: usize, e: S::V);
    /// Adds what was added since the last time to the total: [`BLOCKS`] blocks and one more at most.
    fn fold(&mut self, s: S);
}

/// A sum that rounds.
pub(super) struct Plain<V> {
    sums: [V; VECTORS],
    total: [V; VECTORS],
}

impl<V: Copy> Plain<V> {
    #[inline(always)]
    pub(super) fn new<T: Float, S: Simd<T, V = V>>(s: S) -> Self {
        let zeros = [s.splat(T::ZERO); VECTORS];
        Plain { sums: zeros, total: zeros }
    }

    #[inline(always)]
    pub(super) fn finish<T: Float, S: Simd<T, V = V>>(self, s: S) -> T {
        let total = self.total;
        s.reduce_add(s.add(s.add(total[0], total[1]), s.add(total[2], total[3])))
    }
}

impl<T: Float, S: Simd<T>> Total<T, S> for Plain<S::V> {
    #[inline(always)]
    fn add(&mut self, s: S, j: usize, e: S::V) {
        self.sums[j] = s.add(self.sums[j], e);
    }

    #[inline(always)]
    fn fold(&mut self, s: S) {
        for (total, sum) in self.total.iter_mut().zip(&mut self.sums) {
            *total = s.add(*total, *sum);
            *sum = s.splat(T::ZERO);
        }
    }
}

/// A sum that keeps its rounding errors.
pub(super) struct Careful<T, V> {
    start: V,
    sums: [V; VECTORS],
    /// Of these sums.
    errors: V,
    /// What was folded, and the errors of that.
    total: (T, T),
}

impl<T: Float, V: Copy> Careful<T, V> {
    /// `largest` is the largest exponential, in every lane.
    #[inline(always)]
    pub(super) fn new<S: Simd<T, V = V>>(s: S, largest: V) -> Self {
        // As much as all lanes can add up to until they are folded, so that the sum of all is exact.
        let count = (BLOCKS + 1) * VECTORS * S::LANES;
        let start = s.mul(largest, s.splat(T::from_small(count as i64)));
        let errors = s.splat(T::ZERO);
        Careful { start, sums: [start; VECTORS], errors, total: (T::ZERO, T::ZERO) }
    }

    #[inline(always)]
    pub(super) fn finish<S: Simd<T, V = V>>(self, s: S) -> Extended<V> {
        Extended::new(s, s.splat(self.total.0), s.splat(self.total.1))
    }
}

impl<T: Float, S: Simd<T>> Total<T, S> for Careful<T, S::V> {
    #[inline(always)]
    fn add(&mut self, s: S, j: usize, e: S::V) {
        let (sum, error) = add_to_larger(s, self.sums[j], e);
        self.sums[j] = sum;
        self.errors = s.add(self.errors, error);
    }

    #[inline(always)]
    fn fold(&mut self, s: S) {
        let mut added = s.splat(T::ZERO);
        for sum in &mut self.sums {
            added = s.add(added, s.sub(*sum, self.start));
            *sum = self.start;
        }
        let (total, error) = add(self.total.0, s.reduce_add(added));
        self.total = (total, self.total.1 + (error + s.reduce_add(self.errors)));
        self.errors = s.splat(T::ZERO);
    }
}

/// A sum that keeps its rounding errors, of one vector after the other, with a sum in each lane.
pub(super) struct CarefulLanes<V> {
    start: V,
    sum: V,
    errors: V,
}

impl<V: Copy> CarefulLanes<V> {
    /// `largest` are the largest exponentials, and `count` is as many as there will be at most.
    #[inline(always)]
    pub(super) fn new<T: Float, S: Simd<T, V = V>>(s: S, largest: V, count: usize) -> Self {
        let start = s.mul(largest, s.splat(T::from_small(count as i64)));
        CarefulLanes { start, sum: start, errors: s.splat(T::ZERO) }
    }

    #[inline(always)]
    pub(super) fn add<T: Float, S: Simd<T, V = V>>(&mut self, s: S, e: V) {
        let (sum, error) = add_to_larger(s, self.sum, e);
        self.sum = sum;
        self.errors = s.add(self.errors, error);
    }

    #[inline(always)]
    pub(super) fn finish<T: Float, S: Simd<T, V = V>>(self, s: S) -> Extended<V> {
        Extended::new(s, s.sub(self.sum, self.start), self.errors)
    }
}

/// a + b, and its rounding error, where a ≥ b ≥ 0.
#[inline(always)]
fn add_to_larger<T: Float, S: Simd<T>>(s: S, a: S::V, b: S::V) -> (S::V, S::V) {
    let sum = s.add(a, b);
    (sum, s.sub(b, s.sub(sum, a)))
}

/// a + b, and its rounding error (Knuth, *The Art of Computer Programming*, volume 2, §4.2.2).
#[inline(always)]
fn add<T: Float>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    let added = sum - a;
    (sum, (a - (sum - added)) + (b - added))
}

/// A number of more bits than its type has: `high` is the nearest of the type, `low` the rest.
#[derive(Clone, Copy)]
pub(crate) struct Extended<V> {
    high: V,
    low: V,
}

impl<V: Copy> Extended<V> {
    /// high + low, where that is much the smaller one.
    #[inline(always)]
    fn new<T: Float, S: Simd<T, V = V>>(s: S, high: V, low: V) -> Self {
        let (high, low) = add_to_larger(s, high, low);
        Extended { high, low }
    }

    /// What to multiply by instead of dividing by this number.
    #[inline(always)]
    pub(super) fn inverse<T: Float, S: Simd<T, V = V>>(self, s: S) -> Inverse<V> {
        let one = s.splat(T::ONE);
        let inverse = s.div(one, self.high);
        // Products of halves are exact, with or without a fused multiply-add.
        let (high, divisor) = (first_half(s, inverse), first_half(s, self.high));
        let divisor_rest = s.add(s.sub(self.high, divisor), self.low);
        let rest = s.neg_mul_add(divisor_rest, high, s.neg_mul_add(divisor, high, one));
        Inverse { high, low: s.mul(rest, inverse) }
    }
}

/// The inverse of a number: the first half of the bits of a number of its type, and the rest.
#[derive(Clone, Copy)]
pub(super) struct Inverse<V> {
    high: V,
    low: V,
}

impl<V: Copy> Inverse<V> {
    /// x times the inverse: rounded once with fused multiply-adds, else twice.
    #[inline(always)]
    pub(super) fn times<T: Float, S: Simd<T, V = V>>(self, s: S, x: V) -> V {
        s.mul_add(x, self.high, s.mul(x, self.low))
    }
}

/// x, rounded to half of the bits that a number of its type has (Dekker, as above).
#[inline(always)]
fn first_half<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let product = s.mul(x, s.splat(T::SPLITTER));
    s.sub(product, s.sub(product, x))
}

#[cfg(test)]
mod tests {
    use super::add;

    #[test]
    fn a_sum_and_its_rounding_error_are_exact_together() {
        let numbers = [0.0, 1.0, 1.0 / 3.0, 0.1, -0.7, 1000.7, 16_383.9, -16_383.9, 1e-3_f32];
        for (a, b) in numbers.into_iter().flat_map(|a| numbers.map(|b| (a, b))) {
            let (sum, error) = add(a, b);
            assert_eq!(sum, a + b);
            // In f64 both sums are exact.
            let exact = f64::from(a) + f64::from(b);
            assert_eq!(f64::from(sum) + f64::from(error), exact, "{a} + {b}");
        }
    }
}
