//! Rows of a matrix as slices to work on in place, whatever the matrix's strides.

use crate::float::Float;
use crate::vector::softmax::Row;
use crate::view::{MatMut, MatRef};

/// A matrix whose rows are overwritten one after the other, starting from what they hold or from
/// the rows of another matrix.
pub(crate) struct RowsMut<'a, T> {
    output: MatMut<'a, T>,
    source: Option<MatRef<'a, T>>,
    /// Holds a row whose elements are not adjacent in `output`.
    scratch: &'a mut [T],
}

impl<'a, T: Float> RowsMut<'a, T> {
    /// `scratch` has [`scratch_len`](Self::scratch_len) elements.
    pub(crate) fn new(
        output: MatMut<'a, T>,
        source: Option<MatRef<'a, T>>,
        scratch: &'a mut [T],
    ) -> Self {
        RowsMut { output, source, scratch }
    }

    /// The scratch that rows of `output` need.
    pub(crate) fn scratch_len(output: &MatMut<'_, T>) -> usize {
        if output.rows_are_slices() { 0 } else { output.cols() }
    }

    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.output.rows()
    }

    /// What the rows start from.
    #[inline(always)]
    pub(crate) fn source(&self) -> MatRef<'_, T> {
        self.source.unwrap_or(self.output.as_ref())
    }

    /// The matrix that is overwritten.
    #[inline(always)]
    pub(crate) fn output(&mut self) -> &mut MatMut<'a, T> {
        &mut self.output
    }

    /// A row to work on, holding what it starts from. [`close`](Self::close) it afterwards.
    #[inline(always)]
    pub(crate) fn open(&mut self, row: usize) -> &mut [T] {
        let direct = self.output.rows_are_slices();
        if !direct && self.source.is_none() {
            self.output.as_ref().copy_row(row, self.scratch);
        }
        let open =
            if direct { self.output.row_mut(row).unwrap_or_default() } else { &mut *self.scratch };
        if let Some(source) = &self.source {
            source.copy_row(row, open);
        }
        open
    }

    /// A row to read from where it starts and to write where it goes.
    /// [`close`](Self::close) it afterwards.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize) -> Row<'_, T> {
        let stride = self.output.row_stride();
        if let Some(source) = self.source.filter(MatRef::rows_are_slices)
            && self.output.rows_are_slices()
        {
            let (from, to) = (source.row(row), self.output.row_mut(row));
            let strides = (source.row_stride(), stride);
            return Row::new(from.unwrap_or_default(), to.unwrap_or_default(), strides);
        }
        Row::in_place(self.open(row), stride)
    }

    /// Writes back the row that was opened last.
    #[inline(always)]
    pub(crate) fn close(&mut self, row: usize) {
        if !self.output.rows_are_slices() {
            self.output.set_row(row, self.scratch);
        }
    }

    /// Sets a row to 0.
    #[inline(always)]
    pub(crate) fn clear(&mut self, row: usize) {
        for col in 0..self.output.cols() {
            self.output.set(row, col, T::ZERO);
        }
    }
}
