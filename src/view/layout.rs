//! Shape and strides, and what they imply.

use crate::error::{Error, Result};
use std::ops::Range;

/// Below it, two products of two numbers fit an `isize` together: nearly all shapes are checked by comparing
/// with it. (A small kernel is done in the time of a few checks.)
const SMALL: usize = 1 << (usize::BITS / 2 - 1);

/// Shape and strides, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl Layout {
    pub(super) fn row_major(rows: usize, cols: usize) -> Self {
        Layout { rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The number of elements from the first to the last, both included. Extents are limited where
    /// a stride is 0, too, so that kernels may round them up.
    pub(super) fn span(&self) -> Result<usize> {
        let Layout { rows, cols, row_stride, col_stride } = *self;
        if (rows | cols | row_stride | col_stride) < SMALL {
            let is_empty = rows == 0 || cols == 0;
            return Ok(if is_empty {
                0
            } else {
                (rows - 1) * row_stride + (cols - 1) * col_stride + 1
            });
        }
        let least_stride = usize::from(!self.is_empty());
        let reach = |extent: usize, stride: usize, argument| {
            let too_large = Error::TooLarge { argument, extent, found: stride };
            match extent.checked_mul(stride.max(least_stride)) {
                Some(product) if product <= isize::MAX as usize => Ok(extent.max(1) - 1),
                _ => Err(too_large),
            }
        };
        let down = reach(self.rows, self.row_stride, "row_stride")?;
        let across = reach(self.cols, self.col_stride, "col_stride")?;
        if self.is_empty() {
            return Ok(0);
        }
        // Both terms are at most isize::MAX, so their sum fits in usize.
        Ok(down * self.row_stride + across * self.col_stride + 1)
    }

    /// `Err` unless all elements lie in a slice of `len`.
    pub(super) fn check(&self, len: usize) -> Result<usize> {
        let span = self.span()?;
        if span > len {
            return Err(Error::OutOfBounds { argument: "data", expected: span, found: len });
        }
        Ok(span)
    }

    /// Whether two different elements share a place: `i·row_stride = j·col_stride` has a solution
    /// other than zero with `i < rows` and `j < cols`. The smallest one is
    /// `i = col_stride / g`, `j = row_stride / g`, where `g` is their greatest common divisor.
    pub(super) fn overlaps(&self) -> bool {
        let g = gcd(self.row_stride, self.col_stride);
        // Both strides are 0 where g is.
        let reaches = |stride: usize, extent| stride.checked_div(g).is_none_or(|n| n < extent);
        self.rows.saturating_mul(self.cols) > 1
            && reaches(self.col_stride, self.rows)
            && reaches(self.row_stride, self.cols)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    pub(super) fn transposed(self) -> Self {
        Layout {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// The layout of some of the rows, and where its first element lies.
    pub(super) fn row_range(self, range: &Range<usize>) -> Result<(usize, Self)> {
        if range.start > range.end || range.end > self.rows {
            let found = (range.start, range.end);
            return Err(Error::Range { argument: "rows", expected: self.rows, found });
        }
        let part = Layout { rows: range.end - range.start, ..self };
        let start = if part.is_empty() { 0 } else { range.start * self.row_stride };
        Ok((start, part))
    }

    /// Where an element lies, if there is such an element.
    pub(super) fn index(&self, row: usize, col: usize) -> Option<usize> {
        (row < self.rows && col < self.cols).then(|| row * self.row_stride + col * self.col_stride)
    }

    /// Whether each row lies after the one before it, so that the slice can be cut between rows.
    pub(super) fn rows_in_sequence(&self) -> bool {
        self.rows <= 1 || self.is_empty() || self.row_stride > (self.cols - 1) * self.col_stride
    }

    /// Whether the elements, row by row, are the slice itself.
    pub(super) fn is_contiguous(&self) -> bool {
        (self.col_stride == 1 || self.cols <= 1) && (self.row_stride == self.cols || self.rows <= 1)
    }

    /// One row of all elements, if they are contiguous and any.
    pub(super) fn flattened(&self) -> Option<Self> {
        let usable = self.is_contiguous() && !self.is_empty();
        usable.then(|| Layout::row_major(1, self.rows * self.cols))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
