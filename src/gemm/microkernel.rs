//! The microkernel: one tile of C, held in registers while k runs.
//!
//! # Its contract
//! - The tile has `ROWS` ≤ [`tile_rows`] rows of `VECTORS` vectors; its row is added up as
//!   `acc[i] += A[i, p] · B[p, ..]` for p = 0, 1, …, so that an element's sum does not depend on the
//!   tile's height, nor on where tiles are cut.
//! - A: element (i, p) is at `a + i + p · a_step`. That is a packed panel (`a_step` = `ROWS`), or a
//!   transposed operand where it lies.
//! - B: row p is `VECTORS` whole vectors at `b + p · b_step`. That is a packed panel, or a row-major
//!   operand where it lies. Columns past C's edge must be there to read (packing pads with 0).
//! - With `KEEP`, B is written to `keep` as it is read, as a packed panel for the tiles below.
//! - `cols` of the tile's columns lie in C.
//! - No pointer need be aligned.

use super::output::{Output, TileBuffer, WriteTile};
use super::params::tile_rows;
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// The arguments of a tile.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_step: usize,
    pub(super) b: *const T,
    pub(super) b_step: usize,
    /// Where B's panel is copied to, with `KEEP`.
    pub(super) keep: *mut T,
    /// The tile's first row, as the microkernel sees C.
    pub(super) row: usize,
    /// The tile's first column.
    pub(super) col: usize,
    pub(super) cols: usize,
    pub(super) output: &'a Output<T>,
}

/// Computes a tile of `rows` rows and `VECTORS` vectors.
///
/// # Safety
/// The contract above holds, and the tile's elements lie in C, biases and mask, accessed by nobody
/// else.
#[inline(always)]
pub(super) unsafe fn run<T: Float, S: Simd<T>, const VECTORS: usize, const KEEP: bool>(
    simd: S,
    rows: usize,
    tile: &Tile<'_, T>,
) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match rows {
                $($rows if const { has_height::<T, S>($rows, KEEP) } => {
                    simd.call(TileKernel::<T, $rows, VECTORS, KEEP>(tile))
                })*
                _ => unreachable!("no tile has {rows} rows"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
}

/// Whether there are tiles of `rows` rows; those that keep B are followed by others, so not low.
const fn has_height<T: Float, S: Simd<T>>(rows: usize, keep: bool) -> bool {
    let most = tile_rows::<T, S>();
    rows <= most && (!keep || 2 * rows >= most)
}

struct TileKernel<'a, T, const ROWS: usize, const VECTORS: usize, const KEEP: bool>(
    &'a Tile<'a, T>,
);

impl<T: Float, const ROWS: usize, const VECTORS: usize, const KEEP: bool> Kernel<T>
    for TileKernel<'_, T, ROWS, VECTORS, KEEP>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        // SAFETY: `run` is the only one to make this, and its caller vouches for the contract.
        unsafe {
            let acc = multiply::<T, S, ROWS, VECTORS, KEEP>(simd, self.0);
            if self.0.output.is_direct() && self.0.cols == VECTORS * S::LANES {
                write_in_registers(simd, self.0, acc);
            } else {
                write_through_buffer(simd, self.0, acc);
            }
        }
    }
}

/// The tile of A·B.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn multiply<
    T: Float,
    S: Simd<T>,
    const ROWS: usize,
    const VECTORS: usize,
    const KEEP: bool,
>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[S::V; VECTORS]; ROWS] {
    let mut acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
    let (mut a, mut b, mut keep) = (tile.a, tile.b, tile.keep);
    for _ in 0..tile.k {
        let mut row = [simd.splat(T::ZERO); VECTORS];
        // SAFETY: the contract has ROWS elements at `a` and VECTORS vectors at `b` and, with KEEP,
        // at `keep`, at each of the k steps.
        unsafe {
            for j in 0..VECTORS {
                row[j] = simd.load_ptr(b.add(j * S::LANES));
                if KEEP {
                    simd.store_ptr(row[j], keep.add(j * S::LANES));
                }
            }
            for i in 0..ROWS {
                let x = simd.splat(*a.add(i));
                for j in 0..VECTORS {
                    acc[i][j] = simd.mul_add(x, row[j], acc[i][j]);
                }
            }
        }
        a = a.wrapping_add(tile.a_step);
        b = b.wrapping_add(tile.b_step);
        if KEEP {
            keep = keep.wrapping_add(VECTORS * S::LANES);
        }
    }
    acc
}

/// Finishes a whole tile without leaving the registers.
///
/// # Safety
/// As [`run`]; the tile's rows are whole vectors of C's rows and, if there is one, the mask's.
#[inline(always)]
unsafe fn write_in_registers<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    mut acc: [[S::V; VECTORS]; ROWS],
) {
    let Output { alpha, beta, biases, relu, mask, row_stride, .. } = *tile.output;
    let (alpha, zero) = (simd.splat(alpha), simd.splat(T::ZERO));
    let c = tile.output.at(tile.row, tile.col);
    // SAFETY: the caller vouches for the tile's elements in C, biases and mask.
    unsafe {
        let mut base = [zero; VECTORS];
        if let Some(biases) = biases {
            for j in 0..VECTORS {
                base[j] = simd.load_ptr(biases.add(tile.col + j * S::LANES));
            }
        }
        if beta == T::ZERO {
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    acc[i][j] = simd.mul_add(alpha, acc[i][j], base[j]);
                }
            }
        } else {
            let beta = simd.splat(beta);
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    let old = simd.load_ptr(c.add(i * row_stride + j * S::LANES));
                    acc[i][j] = simd.mul_add(alpha, acc[i][j], simd.mul_add(beta, old, base[j]));
                }
            }
        }
        if relu {
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    acc[i][j] = simd.max(zero, acc[i][j]);
                }
            }
        }
        if let Some(mask) = mask {
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    let x = simd.load_ptr(mask.at(tile.row + i, tile.col + j * S::LANES));
                    acc[i][j] = simd.where_positive(x, acc[i][j]);
                }
            }
        }
        for i in 0..ROWS {
            for j in 0..VECTORS {
                simd.store_ptr(acc[i][j], c.add(i * row_stride + j * S::LANES));
            }
        }
    }
}

/// Finishes any tile.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn write_through_buffer<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    acc: [[S::V; VECTORS]; ROWS],
) {
    let stride = VECTORS * S::LANES;
    let mut buffer = TileBuffer::<T>::new();
    let to = buffer.as_mut_ptr().cast::<T>();
    for i in 0..ROWS {
        for j in 0..VECTORS {
            // SAFETY: the buffer has room for the largest tile.
            unsafe { simd.store_ptr(acc[i][j], to.add(i * stride + j * S::LANES)) };
        }
    }
    let Tile { row, col, cols, output, .. } = *tile;
    simd.call(WriteTile { tile: to, stride, rows: ROWS, cols, row, col, output });
}
