//! Sums of a matrix's columns.
//!
//! Four rows are added at a time, so that sums pass through memory once for four rows. A matrix of
//! few columns whose rows are adjacent is summed as one of more columns and fewer rows, each made of
//! several rows; the sums of the columns that belong together are added at the end.

use crate::arch::Simd;
use crate::float::Float;
use crate::view::MatRef;

/// Rows summed on their own before they are added to the total: batch / 64 + 64 roundings bound
/// the error instead of batch.
const BLOCK: usize = 64;
/// A matrix of fewer columns is summed as a wider one.
const WIDE: usize = 128;

/// The scratch that sums of `cols` columns need.
pub(crate) fn scratch_len(cols: usize) -> usize {
    cols.max(2 * WIDE)
}

/// Adds α times the column sums to `sums`. `partial` has [`scratch_len`] elements.
///
/// The order of summation depends on the matrix's shape, and whether its rows are adjacent, alone.
#[inline(always)]
pub(crate) fn add_column_sums<T: Float, S: Simd<T>>(
    s: S,
    alpha: T,
    matrix: &MatRef<'_, T>,
    sums: &mut [T],
    partial: &mut [T],
) {
    let cols = matrix.cols();
    let Some(elements) = matrix.as_slice() else {
        return add_strided(s, alpha, matrix, sums, &mut partial[..cols]);
    };
    // A power of two, so that the sums can be halved.
    let rows = WIDE.div_ceil(cols).next_power_of_two();
    let partial = &mut partial[..rows * cols];
    for block in elements.chunks(BLOCK * partial.len()) {
        partial.fill(T::ZERO);
        let mut fours = block.chunks_exact(4 * partial.len());
        for four in &mut fours {
            let mut row = four.chunks_exact(partial.len());
            if let [Some(a), Some(b), Some(c), Some(d)] = [(); 4].map(|()| row.next()) {
                add_rows(s, [a, b, c, d], partial);
            }
        }
        for row in fours.remainder().chunks(partial.len()) {
            add_row(s, row, &mut partial[..row.len()]);
        }
        let mut len = partial.len();
        while len > cols {
            len /= 2;
            let (low, high) = partial.split_at_mut(len);
            add_row(s, &high[..len], low);
        }
        add_scaled(s, alpha, &partial[..cols], sums);
    }
}

/// The same where the rows are not adjacent.
#[inline(always)]
fn add_strided<T: Float, S: Simd<T>>(
    s: S,
    alpha: T,
    matrix: &MatRef<'_, T>,
    sums: &mut [T],
    partial: &mut [T],
) {
    for start in (0..matrix.rows()).step_by(BLOCK) {
        let end = (start + BLOCK).min(matrix.rows());
        partial.fill(T::ZERO);
        for first in (start..end).step_by(4) {
            let rows = [first, first + 1, first + 2, first + 3].map(|row| matrix.row(row));
            if let [Some(a), Some(b), Some(c), Some(d)] = rows
                && first + 4 <= end
            {
                add_rows(s, [a, b, c, d], partial);
                continue;
            }
            for row in first..end.min(first + 4) {
                match matrix.row(row) {
                    Some(row) => add_row(s, row, partial),
                    None => {
                        for (col, sum) in partial.iter_mut().enumerate() {
                            *sum += matrix.at(row, col);
                        }
                    }
                }
            }
        }
        add_scaled(s, alpha, partial, sums);
    }
}

/// sums += a + b + c + d, all of one length.
#[inline(always)]
fn add_rows<T: Float, S: Simd<T>>(s: S, rows: [&[T]; 4], sums: &mut [T]) {
    let [a, b, c, d] = rows.map(|row| &row[..sums.len()]);
    let whole = sums.len() - sums.len() % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        let (first, second) = (s.add(s.load(&a[i..]), s.load(&b[i..])), s.load(&c[i..]));
        let second = s.add(second, s.load(&d[i..]));
        s.store(s.add(s.load(&sums[i..]), s.add(first, second)), &mut sums[i..]);
    }
    let first = s.add(s.load_first(&a[whole..]), s.load_first(&b[whole..]));
    let second = s.add(s.load_first(&c[whole..]), s.load_first(&d[whole..]));
    let sum = s.add(s.load_first(&sums[whole..]), s.add(first, second));
    s.store_first(sum, &mut sums[whole..]);
}

/// sums += row.
#[inline(always)]
fn add_row<T: Float, S: Simd<T>>(s: S, row: &[T], sums: &mut [T]) {
    add_scaled(s, T::ONE, row, sums);
}

/// sums += a·row.
#[inline(always)]
fn add_scaled<T: Float, S: Simd<T>>(s: S, a: T, row: &[T], sums: &mut [T]) {
    let a = s.splat(a);
    let mut rows = row.chunks_exact(S::LANES);
    let mut vectors = sums.chunks_exact_mut(S::LANES);
    for (sum, row) in (&mut vectors).zip(&mut rows) {
        s.store(s.mul_add(a, s.load(row), s.load(sum)), sum);
    }
    let tail = vectors.into_remainder();
    let sum = s.mul_add(a, s.load_first(rows.remainder()), s.load_first(tail));
    s.store_first(sum, tail);
}
