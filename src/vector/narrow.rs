//! Softmax of rows with few classes: several rows to a vector, one row to a lane.
//!
//! A row of three classes would leave most lanes of a vector empty. So a block of as many rows as
//! a vector has lanes is transposed into scratch, class by class, and everything that goes along a
//! row becomes an operation between whole vectors.

use super::{exp::Base, ln::ln_1p};
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;
use crate::view::{MatMut, MatRef};

/// The most classes that a block holds. With more, rows fill vectors of their own.
pub(crate) const MAX_CLASSES: usize = 32;
/// Up to as many classes, moving elements one by one is faster than transposing in registers.
const SHORT: usize = 4;

/// Some rows of a matrix: the element of a class and a row is at `class · LANES + row`.
pub(crate) struct Block<T> {
    values: [T; MAX_CLASSES * MAX_LANES],
    classes: usize,
}

/// What the exponentials of each row of a block add up to, a lane a row; see
/// [`RowSum`](super::softmax::RowSum).
pub(crate) struct BlockSum<V> {
    pub(crate) max: V,
    top: V,
    pub(crate) others: V,
}

impl<V: Copy> BlockSum<V> {
    /// The sum of all exponentials.
    #[inline(always)]
    pub(crate) fn total<T: Float, S: Simd<T, V = V>>(&self, s: S) -> V {
        s.add(self.top, self.others)
    }

    /// The logarithm of element x's share in the sum.
    #[inline(always)]
    pub(crate) fn log_share<T: Float, S: Simd<T, V = V>>(&self, s: S, x: V) -> V {
        s.sub(s.sub(x, self.max), ln_1p(s, s.div(self.others, self.top)))
    }
}

impl<T: Float> Block<T> {
    /// A block without rows, for `classes ≤ MAX_CLASSES`.
    #[inline(always)]
    pub(crate) fn new(classes: usize) -> Self {
        assert!(classes <= MAX_CLASSES);
        Block { values: [T::ZERO; MAX_CLASSES * MAX_LANES], classes }
    }

    /// Reads as many rows as there are lanes, from row `first` on. Returns how many there were.
    #[inline(always)]
    pub(crate) fn read<S: Simd<T>>(&mut self, s: S, from: &MatRef<'_, T>, first: usize) -> usize {
        assert!(from.cols() == self.classes && first < from.rows());
        let rows = S::LANES.min(from.rows() - first);
        if from.rows_are_slices() && self.classes > SHORT {
            self.read_in_registers(s, from, first, rows);
        } else {
            for lane in 0..rows {
                for class in 0..self.classes {
                    self.values[class * S::LANES + lane] = from.at(first + lane, class);
                }
            }
        }
        rows
    }

    #[inline(always)]
    fn read_in_registers<S: Simd<T>>(
        &mut self,
        s: S,
        from: &MatRef<'_, T>,
        first: usize,
        rows: usize,
    ) {
        for class in (0..self.classes).step_by(S::LANES) {
            let count = S::LANES.min(self.classes - class);
            let to = &mut self.values[class * S::LANES..][..count * S::LANES];
            let Some(row) = from.row_start(first) else { return };
            // SAFETY: `read` made sure that the matrix has `rows` rows from `first` on, of
            // `classes` adjacent elements each; `to` has `count` vectors.
            unsafe {
                let from_ptr = row.as_ptr().add(class);
                let to = to.as_mut_ptr();
                s.transpose_ptr(from_ptr, from.row_stride(), rows, count, to, S::LANES);
            }
        }
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
        if to.rows_are_slices() && self.classes > SHORT {
            return self.write_in_registers(s, to, first, rows);
        }
        for lane in 0..rows {
            for class in 0..self.classes {
                to.set(first + lane, class, self.values[class * S::LANES + lane]);
            }
        }
    }

    #[inline(always)]
    fn write_in_registers<S: Simd<T>>(
        &self,
        s: S,
        to: &mut MatMut<'_, T>,
        first: usize,
        rows: usize,
    ) {
        let mut turned = [T::ZERO; MAX_LANES * MAX_LANES];
        for class in (0..self.classes).step_by(S::LANES) {
            let count = S::LANES.min(self.classes - class);
            let from = &self.values[class * S::LANES..][..count * S::LANES];
            // SAFETY: `from` has `count` rows of LANES elements, and `turned` room for LANES
            // vectors of LANES elements.
            unsafe {
                let turned = turned.as_mut_ptr();
                s.transpose_ptr(from.as_ptr(), S::LANES, count, S::LANES, turned, S::LANES);
            }
            for (lane, values) in turned.chunks_exact(S::LANES).enumerate().take(rows) {
                if let Some(row) = to.row_mut(first + lane) {
                    s.store_first(s.load(values), &mut row[class..class + count]);
                }
            }
        }
    }

    /// Replaces each x by its exponential.
    #[inline(always)]
    pub(crate) fn exponentials<S: Simd<T>>(&mut self, s: S) -> BlockSum<S::V> {
        let mut max = s.splat(T::NEG_INFINITY);
        for x in self.vectors(s) {
            max = s.max(s.load(x), max);
        }
        let base = Base::new(s, max);
        let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        let (mut below, mut equal) = (zero, zero);
        for vector in self.vectors(s) {
            let x = s.load(vector);
            let e = base.exp(s, x);
            below = s.add(below, s.where_equal(x, max, zero, e));
            equal = s.add(equal, s.where_equal(x, max, one, zero));
            s.store(e, vector);
        }
        let top = base.exp(s, max);
        let others = s.mul_add(s.sub(equal, one), top, below);
        BlockSum { max, top, others }
    }

    /// The element of each row at its label, which is a class; 0 where it is not.
    #[inline(always)]
    pub(crate) fn at_labels<S: Simd<T>>(&mut self, s: S, labels: S::V) -> S::V {
        let mut found = s.splat(T::ZERO);
        let mut class = T::ZERO;
        for x in self.vectors(s) {
            found = s.where_equal(labels, s.splat(class), s.load(x), found);
            class += T::ONE;
        }
        found
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
        let mut class = T::ZERO;
        for x in self.vectors(s) {
            let scaled = s.mul(s.load(x), factors);
            s.store(s.where_equal(labels, s.splat(class), at_labels, scaled), x);
            class += T::ONE;
        }
    }

    /// Multiplies each row by its factor.
    #[inline(always)]
    pub(crate) fn scale<S: Simd<T>>(&mut self, s: S, factors: S::V) {
        for x in self.vectors(s) {
            s.store(s.mul(s.load(x), factors), x);
        }
    }

    #[inline(always)]
    fn vectors<S: Simd<T>>(&mut self, _: S) -> impl Iterator<Item = &mut [T]> {
        self.values[..self.classes * S::LANES].chunks_exact_mut(S::LANES)
    }
}
