//! Softmax of rows with few classes: several rows to a vector, one row to a lane.
//!
//! A row of three classes would leave most lanes of a vector empty. So a block of as many rows as
//! a vector has lanes is transposed into scratch, class by class, and everything that goes along a
//! row becomes an operation between whole vectors. As each operation then waits for the one before,
//! several blocks go through each step together.

use super::exp::Divisor;
use super::softmax::Shares;
use super::sums::{CarefulLanes, Extended};
use crate::arch::Simd;
use crate::float::Float;
use crate::view::{MatMut, MatRef};

/// The most classes that a block holds. With more, rows fill vectors of their own.
pub(crate) const MAX_CLASSES: usize = 32;
/// The most blocks that go through each step together.
pub(crate) const GROUP: usize = 8;
/// The elements of scratch that blocks need: room for two of the largest.
pub(crate) const SCRATCH: usize = 1024;

/// Memory for as many blocks as are worked on together, for `classes ≤ MAX_CLASSES`.
#[inline(always)]
pub(crate) fn blocks<T: Float, S: Simd<T>>(
    _: S,
    classes: usize,
    scratch: &mut [T],
) -> Blocks<'_, T> {
    assert!(0 < classes && classes <= MAX_CLASSES);
    let len = classes.next_multiple_of(S::COLUMNS) * S::LANES;
    let count = (scratch.len() / len).clamp(1, GROUP);
    Blocks { values: &mut scratch[..count * len], len, count, classes }
}

/// Blocks that are worked on together.
pub(crate) struct Blocks<'a, T> {
    values: &'a mut [T],
    /// The elements of a block.
    len: usize,
    pub(crate) count: usize,
    classes: usize,
}

impl<T: Float> Blocks<'_, T> {
    #[inline(always)]
    pub(crate) fn get(&mut self, index: usize) -> Block<'_, T> {
        let values = &mut self.values[index * self.len..][..self.len];
        Block { values, classes: self.classes }
    }
}

/// Some rows of a matrix: the element of a class and a row is at `class · LANES + row`.
pub(crate) struct Block<'a, T> {
    values: &'a mut [T],
    classes: usize,
}

impl<T: Float> Block<'_, T> {
    /// Reads as many rows as there are lanes, from row `first` on. Returns how many there were.
    #[inline(always)]
    pub(crate) fn read<S: Simd<T>>(&mut self, s: S, from: &MatRef<'_, T>, first: usize) -> usize {
        assert!(from.cols() == self.classes && first < from.rows());
        let rows = S::LANES.min(from.rows() - first);
        let (Some(start), true) = (from.row_start(first), from.rows_are_slices()) else {
            for lane in 0..rows {
                for class in 0..self.classes {
                    self.values[class * S::LANES + lane] = from.at(first + lane, class);
                }
            }
            return rows;
        };
        // The elements from the last row's start on.
        let last_row = start.len() - (rows - 1) * from.row_stride();
        for class in (0..self.classes).step_by(S::COLUMNS) {
            let cols = S::COLUMNS.min(self.classes - class);
            let to = &mut self.values[class * S::LANES..][..S::COLUMNS * S::LANES];
            // SAFETY: from `first` on the matrix has `rows` rows of `classes` adjacent elements
            // each, and so much follows the start of the last; `to` has COLUMNS vectors.
            unsafe {
                let (from, stride) = (start.as_ptr().add(class), from.row_stride());
                s.load_columns_ptr(from, stride, rows, (cols, last_row - class), to.as_mut_ptr());
            }
        }
        rows
    }

    /// Writes the first rows back, from row `first` on.
    #[inline(always)]
    pub(crate) fn write<S: Simd<T>>(
        &self,
        s: S,
        to: &mut MatMut<'_, T>,
        first: usize,
        rows: usize,
    ) {
        assert!(to.cols() == self.classes && first + rows <= to.rows() && rows <= S::LANES);
        if !to.rows_are_slices() {
            for lane in 0..rows {
                for class in 0..self.classes {
                    to.set(first + lane, class, self.values[class * S::LANES + lane]);
                }
            }
            return;
        }
        let stride = to.row_stride();
        for class in (0..self.classes).step_by(S::COLUMNS) {
            let cols = S::COLUMNS.min(self.classes - class);
            let from = &self.values[class * S::LANES..][..S::COLUMNS * S::LANES];
            // SAFETY: from `first` on the matrix has `rows` rows of `classes` adjacent elements
            // each; `from` has COLUMNS vectors.
            unsafe {
                let to = to.as_mut_ptr().add(first * stride + class);
                s.store_columns_ptr(from.as_ptr(), to, stride, rows, cols);
            }
        }
    }

    /// Takes the element at each row's label, where that is a class, out of the row, and leaves −∞.
    /// Returns these elements, and the rows' largest.
    #[inline(always)]
    pub(crate) fn set_apart<S: Simd<T>>(&mut self, s: S, labels: S::V) -> (S::V, S::V) {
        let lowest = s.splat(T::NEG_INFINITY);
        let (mut own, mut max) = (lowest, lowest);
        let (mut class, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        for vector in self.vectors(s) {
            let x = s.load(vector);
            max = s.max(x, max);
            own = s.where_equal(labels, class, x, own);
            s.store(s.where_equal(labels, class, lowest, x), vector);
            class = s.add(class, one);
        }
        (own, max)
    }

    /// Each row's largest element.
    #[inline(always)]
    pub(crate) fn max<S: Simd<T>>(&mut self, s: S) -> S::V {
        let mut max = s.splat(T::NEG_INFINITY);
        for x in self.vectors(s) {
            max = s.max(s.load(x), max);
        }
        max
    }

    /// Replaces each x by its exponential; returns each row's sum.
    #[inline(always)]
    pub(crate) fn all_exponentials<S: Simd<T>>(&mut self, s: S, max: S::V) -> Extended<S::V> {
        let divisor = Divisor::new(s, max);
        let mut sum = CarefulLanes::new(s, divisor.exp(s, max), MAX_CLASSES);
        for vector in self.vectors(s) {
            let e = divisor.exp(s, s.load(vector));
            sum.add(s, e);
            s.store(e, vector);
        }
        sum.finish(s)
    }

    /// Replaces each x by its exponential, given what [`set_apart`](Self::set_apart) returned.
    #[inline(always)]
    pub(crate) fn exponentials<S: Simd<T>>(&mut self, s: S, own: S::V, max: S::V) -> Shares<S::V> {
        let divisor = Divisor::new(s, max);
        let (own, raised) = divisor.exp_above_floor(s, own, max);
        let mut others = s.splat(T::ZERO);
        for vector in self.vectors(s) {
            let e = divisor.exp(s, s.load(vector));
            others = s.add(others, e);
            s.store(e, vector);
        }
        Shares { others, own, raised }
    }

    /// Multiplies each row by its factor, but for the element at its label, which is replaced.
    #[inline(always)]
    pub(crate) fn scale_around_labels<S: Simd<T>>(
        &mut self,
        s: S,
        factors: S::V,
        labels: S::V,
        at_labels: S::V,
    ) {
        let (mut class, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        for x in self.vectors(s) {
            let scaled = s.mul(s.load(x), factors);
            s.store(s.where_equal(labels, class, at_labels, scaled), x);
            class = s.add(class, one);
        }
    }

    /// Divides each row by its divisor.
    #[inline(always)]
    pub(crate) fn divide<S: Simd<T>>(&mut self, s: S, divisors: Extended<S::V>) {
        let inverses = divisors.inverse(s);
        for x in self.vectors(s) {
            s.store(inverses.times(s, s.load(x)), x);
        }
    }

    #[inline(always)]
    fn vectors<S: Simd<T>>(&mut self, _: S) -> impl Iterator<Item = &mut [T]> {
        self.values[..self.classes * S::LANES].chunks_exact_mut(S::LANES)
    }
}
