//! Matrices as views: a shape and two strides laid over a slice the caller owns.
//!
//! What a kernel relies on is established here and nowhere else: every element of a view lies
//! inside its slice, no arithmetic on its extents and strides overflows `isize`, and no two
//! elements of a [`MatMut`] share a place.

mod layout;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use layout::Layout;
use std::ops::Range;

/// A matrix to read: rows × columns with a stride each, over a borrowed slice.
///
/// ```
/// use gradkern::MatRef;
///
/// let data = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let m = MatRef::new(&data, 2, 3)?;
/// assert_eq!(m.get(1, 0), Some(4.0));
/// assert_eq!(m.t().get(0, 1), Some(4.0));
/// assert_eq!(m.row_range(1..2)?.row(0), Some(&data[3..]));
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    layout: Layout,
}

/// A matrix to write: as [`MatRef`], over a slice borrowed mutably, with no two elements in one
/// place.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    layout: Layout,
}

impl<'a, T: Copy> MatRef<'a, T> {
    /// A row-major matrix that is the whole of `data`.
    ///
    /// # Errors
    /// [`Error::Length`] unless `data` has `rows × cols` elements; [`Error::TooLarge`] if that
    /// product exceeds `isize::MAX`.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self> {
        let layout = Layout::row_major(rows, cols);
        layout.span()?;
        crate::error::check_length("data", rows * cols, data.len())?;
        Ok(MatRef { data, layout })
    }

    /// A matrix whose element (r, c) is `data[r · row_stride + c · col_stride]`. A stride of 0
    /// repeats one row, or one column.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] if an element lies past `data`; [`Error::TooLarge`] if an extent, or
    /// an extent times its stride, exceeds `isize::MAX`.
    pub fn with_strides(
        data: &'a [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Result<Self> {
        let layout = Layout { rows, cols, row_stride, col_stride };
        let span = layout.check(data.len())?;
        Ok(MatRef { data: &data[..span], layout })
    }

    /// The transpose: the same elements, rows and columns exchanged.
    #[must_use]
    pub fn t(self) -> Self {
        MatRef { data: self.data, layout: self.layout.transposed() }
    }

    /// The rows of a range.
    ///
    /// # Errors
    /// [`Error::Range`] if the range does not lie in `0..rows`.
    pub fn row_range(self, rows: Range<usize>) -> Result<Self> {
        let (start, layout) = self.layout.row_range(&rows)?;
        Ok(MatRef { data: &self.data[start..], layout })
    }

    /// The element at (`row`, `col`), or `None` outside the matrix.
    #[must_use]
    pub fn get(&self, row: usize, col: usize) -> Option<T> {
        self.layout.index(row, col).map(|i| self.data[i])
    }

    /// The same elements as one row, if they lie row by row in memory; else the matrix itself.
    pub(crate) fn flattened(self) -> Self {
        let layout = self.layout.flattened().unwrap_or(self.layout);
        MatRef { data: self.data, layout }
    }

    /// The element at (`row`, `col`); panics, or yields another element, outside the matrix.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize, col: usize) -> T {
        self.data[row * self.layout.row_stride + col * self.layout.col_stride]
    }

    /// What lies from the start of a row on, if there is such a row.
    #[inline(always)]
    pub(crate) fn row_start(&self, row: usize) -> Option<&'a [T]> {
        (row < self.rows()).then(|| &self.data[row * self.layout.row_stride..])
    }

    /// Copies a row; `to` has as many elements.
    #[inline(always)]
    pub(crate) fn copy_row(&self, row: usize, to: &mut [T]) {
        if let Some(from) = self.row(row) {
            return to.copy_from_slice(from);
        }
        for (col, to) in to.iter_mut().enumerate() {
            *to = self.at(row, col);
        }
    }

    /// A row as a slice, or `None` if there is no such row or its elements are not adjacent.
    #[must_use]
    #[inline(always)]
    pub fn row(&self, row: usize) -> Option<&'a [T]> {
        if row >= self.rows() || !self.rows_are_slices() {
            return None;
        }
        if self.cols() == 0 {
            return Some(&[]);
        }
        Some(&self.data[row * self.layout.row_stride..][..self.layout.cols])
    }

    /// All elements, row by row, if they lie so in memory.
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [T]> {
        if self.is_empty() {
            return Some(&[]);
        }
        self.layout.is_contiguous().then(|| &self.data[..self.rows() * self.cols()])
    }
}

impl<'a, T: Copy> MatMut<'a, T> {
    /// A row-major matrix that is the whole of `data`.
    ///
    /// # Errors
    /// As [`MatRef::new`].
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self> {
        let layout = Layout::row_major(rows, cols);
        layout.span()?;
        crate::error::check_length("data", rows * cols, data.len())?;
        Ok(MatMut { data, layout })
    }

    /// A matrix whose element (r, c) is `data[r · row_stride + c · col_stride]`.
    ///
    /// # Errors
    /// As [`MatRef::with_strides`], and [`Error::Overlap`] if two elements would share a place.
    pub fn with_strides(
        data: &'a mut [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Result<Self> {
        let layout = Layout { rows, cols, row_stride, col_stride };
        let span = layout.check(data.len())?;
        if layout.overlaps() {
            let (shape, found) = ((rows, cols), (row_stride, col_stride));
            return Err(Error::Overlap { argument: "data", shape, found });
        }
        Ok(MatMut { data: &mut data[..span], layout })
    }

    /// The transpose: the same elements, rows and columns exchanged.
    #[must_use]
    pub fn t(self) -> Self {
        MatMut { data: self.data, layout: self.layout.transposed() }
    }

    /// The rows of a range.
    ///
    /// # Errors
    /// [`Error::Range`] if the range does not lie in `0..rows`.
    pub fn row_range(self, rows: Range<usize>) -> Result<Self> {
        let (start, layout) = self.layout.row_range(&rows)?;
        Ok(MatMut { data: &mut self.data[start..], layout })
    }

    /// This matrix, to read.
    #[must_use]
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef { data: self.data, layout: self.layout }
    }

    /// This matrix, borrowed for a shorter time.
    #[must_use]
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: self.data, layout: self.layout }
    }

    /// The element at (`row`, `col`), or `None` outside the matrix.
    #[must_use]
    pub fn get_mut(&mut self, row: usize, col: usize) -> Option<&mut T> {
        self.layout.index(row, col).map(|i| &mut self.data[i])
    }

    /// Sets the element at (`row`, `col`); panics, or sets another element, outside the matrix.
    #[inline(always)]
    pub(crate) fn set(&mut self, row: usize, col: usize, value: T) {
        self.data[row * self.layout.row_stride + col * self.layout.col_stride] = value;
    }

    /// Overwrites a row; `from` has as many elements.
    #[inline(always)]
    pub(crate) fn set_row(&mut self, row: usize, from: &[T]) {
        if let Some(to) = self.row_mut(row) {
            return to.copy_from_slice(from);
        }
        for (col, &value) in from.iter().enumerate() {
            self.set(row, col, value);
        }
    }

    /// A row as a slice, or `None` if there is no such row or its elements are not adjacent.
    #[must_use]
    #[inline(always)]
    pub fn row_mut(&mut self, row: usize) -> Option<&mut [T]> {
        if row >= self.rows() || !self.rows_are_slices() {
            return None;
        }
        if self.cols() == 0 {
            return Some(&mut []);
        }
        Some(&mut self.data[row * self.layout.row_stride..][..self.layout.cols])
    }

    /// All elements, row by row, if they lie so in memory.
    #[must_use]
    pub fn into_slice(self) -> Option<&'a mut [T]> {
        if self.is_empty() {
            return Some(&mut []);
        }
        let len = self.rows() * self.cols();
        self.layout.is_contiguous().then(|| &mut self.data[..len])
    }

    /// Sets every element.
    pub fn fill(&mut self, value: T) {
        if self.is_empty() {
            return;
        }
        for row in 0..self.rows() {
            if let Some(row) = self.row_mut(row) {
                row.fill(value);
            } else {
                for col in 0..self.cols() {
                    self.set(row, col, value);
                }
            }
        }
    }

    /// The same elements as one row, if they lie row by row in memory; else the matrix itself.
    pub(crate) fn flattened(self) -> Self {
        let layout = self.layout.flattened().unwrap_or(self.layout);
        MatMut { data: self.data, layout }
    }

    /// Copies every element; `from` has the same shape.
    pub(crate) fn copy_from(&mut self, from: MatRef<'_, T>) {
        if self.is_empty() {
            return;
        }
        for row in 0..self.rows() {
            for col in 0..self.cols() {
                self.set(row, col, from.at(row, col));
            }
        }
    }

    /// Whether the matrix can be cut between any two rows.
    pub(crate) fn can_split_rows(&self) -> bool {
        self.layout.rows_in_sequence()
    }

    /// The rows before `row`, and the rest.
    ///
    /// Panics unless [`can_split_rows`](Self::can_split_rows) and `row ≤ rows`.
    pub(crate) fn split_at_row(self, row: usize) -> (Self, Self) {
        assert!(self.can_split_rows() && row <= self.rows(), "rows cannot be split at {row}");
        let above = Layout { rows: row, ..self.layout };
        let below = Layout { rows: self.rows() - row, ..self.layout };
        // The slice ends with the last element, so a cut after the last row lies past its end.
        let cut = row.saturating_mul(self.layout.row_stride).min(self.data.len());
        let (first, second) = self.data.split_at_mut(cut);
        (MatMut { data: first, layout: above }, MatMut { data: second, layout: below })
    }

    /// The first element's address; valid for reads and writes of every element of the view.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }
}

impl<T> MatRef<'_, T> {
    /// The rows before `row`, and the rest. Panics unless `row ≤ rows`.
    pub(crate) fn split_at_row(self, row: usize) -> (Self, Self) {
        assert!(row <= self.rows(), "there is no row {row} to split at");
        let above = Layout { rows: row, ..self.layout };
        let below = Layout { rows: self.rows() - row, ..self.layout };
        // The slice ends with the last element, so a cut after the last row lies past its end.
        let cut = row.saturating_mul(self.layout.row_stride).min(self.data.len());
        (
            MatRef { data: self.data, layout: above },
            MatRef { data: &self.data[cut..], layout: below },
        )
    }

    /// The first element's address; valid for reads of every element of the view.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }
}

impl<T> MatRef<'_, T> {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.layout.cols
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.layout.rows, self.layout.cols)
    }

    /// The distance between vertically adjacent elements.
    #[must_use]
    pub fn row_stride(&self) -> usize {
        self.layout.row_stride
    }

    /// The distance between horizontally adjacent elements.
    #[must_use]
    pub fn col_stride(&self) -> usize {
        self.layout.col_stride
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// Whether each row's elements are adjacent in memory.
    #[must_use]
    pub fn rows_are_slices(&self) -> bool {
        self.layout.col_stride == 1 || self.layout.cols <= 1
    }
}

impl<T> MatMut<'_, T> {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.layout.cols
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.layout.rows, self.layout.cols)
    }

    /// The distance between vertically adjacent elements.
    #[must_use]
    pub fn row_stride(&self) -> usize {
        self.layout.row_stride
    }

    /// The distance between horizontally adjacent elements.
    #[must_use]
    pub fn col_stride(&self) -> usize {
        self.layout.col_stride
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// Whether each row's elements are adjacent in memory.
    #[must_use]
    pub fn rows_are_slices(&self) -> bool {
        self.layout.col_stride == 1 || self.layout.cols <= 1
    }
}
