//! Softmax of rows with few classes: several rows to a vector, one row to a lane.
//!
//! A row of three classes would leave most lanes of a vector empty. So a block of as many rows as
//! a vector has lanes is transposed into scratch, class by class, and everything that goes along a
//! row becomes an operation between whole vectors.

use super::{exp::exp, ln::ln_1p};
use crate::arch::{MAX_LANES, Simd};
use crate::float::Float;
use crate::view::{MatMut, MatRef};

/// The most classes that a block holds. With more, rows fill vectors of their own.
pub(crate) const MAX_CLASSES: usize = 16;

/// A number for each row of a block.
pub(crate) type Lanes<T> = [T; MAX_LANES];

/// Some rows of a matrix: the element of a class and a row is at `class · LANES + row`.
pub(crate) struct Block<T> {
    values: [T; MAX_CLASSES * MAX_LANES],
    classes: usize,
    rows: usize,
}

/// What the exponentials of each row of a block add up to; see [`RowSum`](super::softmax::RowSum).
pub(crate) struct BlockSum<T> {
    pub(crate) max: Lanes<T>,
    pub(crate) others: Lanes<T>,
    /// ln Σ e^(x − m).
    pub(crate) log_total: Lanes<T>,
}

impl<T: Float> Block<T> {
    /// A block without rows, for `classes ≤ MAX_CLASSES`.
    #[inline(always)]
    pub(crate) fn new(classes: usize) -> Self {
        Block { values: [T::ZERO; MAX_CLASSES * MAX_LANES], classes, rows: 0 }
    }

    /// The number of rows that were read last.
    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Reads as many rows as there are lanes, from row `first` on. Returns how many there were.
    #[inline(always)]
    pub(crate) fn read<S: Simd<T>>(&mut self, _: S, from: &MatRef<'_, T>, first: usize) -> usize {
        self.rows = S::LANES.min(from.rows() - first);
        for lane in 0..self.rows {
            let column = self.values[lane..].iter_mut().step_by(S::LANES);
            if let Some(row) = from.row(first + lane) {
                for (value, &x) in column.zip(row) {
                    *value = x;
                }
            } else {
                for (class, value) in column.take(self.classes).enumerate() {
                    *value = from.at(first + lane, class);
                }
            }
        }
        self.rows
    }

    /// Writes the rows back, from row `first` on.
    #[inline(always)]
    pub(crate) fn write<S: Simd<T>>(&self, _: S, to: &mut MatMut<'_, T>, first: usize) {
        for lane in 0..self.rows {
            let column = self.values[lane..].iter().step_by(S::LANES);
            if let Some(row) = to.row_mut(first + lane) {
                for (x, &value) in row.iter_mut().zip(column) {
                    *x = value;
                }
            } else {
                for (class, &value) in column.take(self.classes).enumerate() {
                    to.set(first + lane, class, value);
                }
            }
        }
    }

    /// The element of a row and a class.
    #[inline(always)]
    pub(crate) fn at<S: Simd<T>>(&mut self, _: S, row: usize, class: usize) -> &mut T {
        &mut self.values[class * S::LANES + row]
    }

    /// Replaces each x by e^(x − m), m being its row's maximum.
    #[inline(always)]
    pub(crate) fn exponentials<S: Simd<T>>(&mut self, s: S) -> BlockSum<T> {
        let mut max = s.splat(T::NEG_INFINITY);
        for x in self.vectors(s) {
            max = s.max(s.load(x), max);
        }
        let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        let (mut below, mut equal) = (zero, zero);
        for vector in self.vectors(s) {
            let x = s.load(vector);
            let e = exp(s, s.sub(x, max));
            below = s.add(below, s.where_equal(x, max, zero, e));
            equal = s.add(equal, s.where_equal(x, max, one, zero));
            s.store(e, vector);
        }
        // m − m is NaN where the maximum is infinite, else 0.
        let others = s.add(s.add(below, s.sub(equal, one)), s.sub(max, max));
        let lanes = |v: S::V| {
            let mut lanes = [T::ZERO; MAX_LANES];
            s.store(v, &mut lanes);
            lanes
        };
        BlockSum { max: lanes(max), others: lanes(others), log_total: lanes(ln_1p(s, others)) }
    }

    /// Multiplies each row by a number of its own.
    #[inline(always)]
    pub(crate) fn scale<S: Simd<T>>(&mut self, s: S, factors: &Lanes<T>) {
        let factors = s.load(factors);
        for x in self.vectors(s) {
            s.store(s.mul(s.load(x), factors), x);
        }
    }

    #[inline(always)]
    fn vectors<S: Simd<T>>(&mut self, _: S) -> impl Iterator<Item = &mut [T]> {
        self.values[..self.classes * S::LANES].chunks_exact_mut(S::LANES)
    }
}
