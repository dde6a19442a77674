//! Packing: operands copied into the order in which the microkernel reads them.
//!
//! A block of A becomes panels of a tile's rows, each stored step of k by step of k; a block of B
//! becomes one panel of a tile's columns, padded with 0 to whole vectors. What lies along the other
//! direction is transposed in registers, a block of vectors at a time.

use super::output::Matrix;
use super::params::next_tile_rows;
use crate::arch::Simd;
use crate::float::Float;

/// Elements that packing `m` × `k` of A takes. Vectors are stored whole, over the elements that are
/// packed next, so the last one reaches beyond the block.
pub(super) const fn packed_a_len<T: Float, S: Simd<T>>(m: usize, k: usize) -> usize {
    m * k + S::LANES
}

/// Packs `m` × `k` elements of A into panels of at most `tile_rows` rows.
///
/// # Safety
/// `a` is valid for reads of the elements, `to` for writes of [`packed_a_len`] elements.
#[inline(always)]
pub(super) unsafe fn pack_a<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    m: usize,
    k: usize,
    tile_rows: usize,
    to: *mut T,
) {
    let mut row = 0;
    while row < m {
        let rows = next_tile_rows(m - row, tile_rows);
        let panel = Matrix { data: a.at(row, 0), ..a };
        // SAFETY: the caller vouches for all of A's block and for the packed panels.
        unsafe {
            let to = to.add(row * k);
            if a.col_stride == 1 {
                pack_rows(simd, panel, rows, k, to);
            } else if a.row_stride == 1 {
                pack_cols(simd, panel, rows, k, to);
            } else {
                for p in 0..k {
                    for i in 0..rows {
                        to.add(p * rows + i).write(*panel.at(i, p));
                    }
                }
            }
        }
        row += rows;
    }
}

/// Packs one panel of A from rows that lie along k.
///
/// # Safety
/// As [`pack_a`].
#[inline(always)]
unsafe fn pack_rows<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    rows: usize,
    k: usize,
    to: *mut T,
) {
    // Vectors reach over the next step's first rows, so the first rows are written last.
    for i in (0..rows).step_by(S::LANES).rev() {
        for p in (0..k).step_by(S::LANES) {
            let (height, width) = (S::LANES.min(rows - i), S::LANES.min(k - p));
            // SAFETY: the block lies in A, and its vectors in the packed block.
            unsafe {
                let to = to.add(p * rows + i);
                simd.transpose_ptr(a.at(i, p), a.row_stride, height, width, to, rows);
            }
        }
    }
}

/// Packs one panel of A from columns that lie along m.
///
/// # Safety
/// As [`pack_a`].
#[inline(always)]
unsafe fn pack_cols<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    rows: usize,
    k: usize,
    to: *mut T,
) {
    for p in 0..k {
        for i in (0..rows).step_by(S::LANES) {
            // SAFETY: the elements lie in A, and the vector in the packed block.
            unsafe {
                let x = simd.load_first_ptr(a.at(i, p), S::LANES.min(rows - i));
                simd.store_ptr(x, to.add(p * rows + i));
            }
        }
    }
}

/// Packs `k` × `cols` elements of B as one panel of `width` columns, a multiple of `LANES`.
///
/// # Safety
/// `b` is valid for reads of the elements, `to` for writes of `k` × `width`.
#[inline(always)]
pub(super) unsafe fn pack_b<T: Float, S: Simd<T>>(
    simd: S,
    b: Matrix<T>,
    k: usize,
    cols: usize,
    width: usize,
    to: *mut T,
) {
    // SAFETY: the caller vouches for the elements of B and for the panel.
    unsafe {
        if b.row_stride == 1 {
            for j in (0..width).step_by(S::LANES) {
                let lanes = S::LANES.min(cols.saturating_sub(j));
                for p in (0..k).step_by(S::LANES) {
                    let to = to.add(p * width + j);
                    let steps = S::LANES.min(k - p);
                    simd.transpose_ptr(b.at(p, j), b.col_stride, lanes, steps, to, width);
                }
            }
        } else if b.col_stride == 1 {
            copy_rows(simd, b, k, cols, width, to);
        } else {
            for p in 0..k {
                for j in 0..width {
                    let x = if j < cols { *b.at(p, j) } else { T::ZERO };
                    to.add(p * width + j).write(x);
                }
            }
        }
    }
}

/// How many rows ahead to fetch: they may lie in a page each, where the processor does not.
const ROWS_AHEAD: usize = 8;

/// Packs a panel of B from rows.
///
/// # Safety
/// As [`pack_b`].
#[inline(always)]
unsafe fn copy_rows<T: Float, S: Simd<T>>(
    simd: S,
    b: Matrix<T>,
    k: usize,
    cols: usize,
    width: usize,
    to: *mut T,
) {
    for p in 0..k {
        for j in (0..width).step_by(S::LANES) {
            simd.prefetch(b.at(p + ROWS_AHEAD, j));
            // SAFETY: the caller vouches for the elements of B and for the panel.
            unsafe {
                let x = if j + S::LANES <= cols {
                    simd.load_ptr(b.at(p, j))
                } else {
                    simd.load_first_ptr(b.at(p, j), cols.saturating_sub(j))
                };
                simd.store_ptr(x, to.add(p * width + j));
            }
        }
    }
}
