//! Sums of a matrix's columns.

use super::elementwise;
use crate::float::Float;
use crate::view::MatRef;

/// Rows summed on their own before they are added to the total: batch / 64 + 64 roundings bound
/// the error instead of batch.
const BLOCK: usize = 64;

/// Adds α times the column sums to `sums`. `partial` has as many elements and is overwritten.
///
/// The order of summation depends on the matrix's shape alone.
#[inline(always)]
pub(crate) fn add_column_sums<T: Float>(
    alpha: T,
    matrix: &MatRef<'_, T>,
    sums: &mut [T],
    partial: &mut [T],
) {
    for start in (0..matrix.rows()).step_by(BLOCK) {
        let end = (start + BLOCK).min(matrix.rows());
        partial.fill(T::ZERO);
        for row in start..end {
            add_row(matrix, row, partial);
        }
        elementwise::axpy(alpha, partial, sums);
    }
}

#[inline(always)]
fn add_row<T: Float>(matrix: &MatRef<'_, T>, row: usize, partial: &mut [T]) {
    if let Some(from) = matrix.row(row) {
        return elementwise::add(from, partial);
    }
    for (col, sum) in partial.iter_mut().enumerate() {
        *sum += matrix.at(row, col);
    }
}
