//! Packing: operands copied into the order in which the microkernel reads them.
//!
//! A block of A becomes panels of a tile's rows, each stored step of k by step of k; a block of B
//! becomes one panel of a tile's columns, padded with 0 to whole vectors. What lies along the other
//! direction is transposed in registers, a block of vectors at a time.

use super::output::Matrix;
use super::params::{next_tile_rows, tile_rows};
use crate::arch::Simd;
use crate::float::Float;

/// Elements that packing `m` × `k` of A takes. Vectors are stored whole, over elements that are
/// packed after them, so the last one reaches beyond the block.
pub(super) const fn packed_a_len<T: Float, S: Simd<T>>(m: usize, k: usize) -> usize {
    m * k + S::LANES
}

/// Packs `m` × `k` elements of A into panels of a tile's rows each.
///
/// # Safety
/// `a` is valid for reads of the elements, `to` for writes of [`packed_a_len`] elements.
#[inline(always)]
pub(super) unsafe fn pack_a<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    m: usize,
    k: usize,
    to: *mut T,
) {
    let mut row = 0;
    while row < m {
        let rows = next_tile_rows(m - row, tile_rows::<T, S>());
        // The vectors of a panel's last rows reach over the first rows of the next step, which
        // are therefore written later.
        for i in (0..rows).step_by(S::LANES).rev() {
            let part = Matrix { data: a.at(row + i, 0), ..a };
            // SAFETY: the caller vouches for A's block and for the packed panels.
            unsafe {
                pack_lanes(simd, part, S::LANES.min(rows - i), k, to.add(row * k + i), rows);
            }
        }
        row += rows;
    }
}

/// Packs at most `LANES` rows of A, steps of k `step` apart.
///
/// # Safety
/// `a` is valid for reads of `rows` × `k` elements, `to` for writes of `k` vectors.
#[inline(always)]
unsafe fn pack_lanes<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    rows: usize,
    k: usize,
    to: *mut T,
    step: usize,
) {
    // SAFETY: the caller vouches for the elements and for a vector at each step.
    unsafe {
        if a.col_stride == 1 {
            for p in (0..k).step_by(S::LANES) {
                let steps = S::LANES.min(k - p);
                simd.transpose_ptr(a.at(0, p), a.row_stride, rows, steps, to.add(p * step), step);
            }
        } else if a.row_stride == 1 {
            for p in 0..k {
                simd.store_ptr(simd.load_first_ptr(a.at(0, p), rows), to.add(p * step));
            }
        } else {
            for p in 0..k {
                for i in 0..rows {
                    to.add(p * step + i).write(*a.at(i, p));
                }
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
