//! The loops around the microkernel, after Goto and van de Geijn (*Anatomy of High-Performance
//! Matrix Multiplication*, 2008) and BLIS, with B's panels packed on the way:
//!
//! - a block of A is packed once and stays in L2;
//! - a row-major panel of B is read where it lies by the first tile, which keeps a copy in L1 for
//!   the tiles below, so that packing B costs no pass of its own.

use super::microkernel::{self, Tile};
use super::output::{Matrix, Output};
use super::pack::{pack_a, pack_b, packed_a_len};
use super::params::{Blocks, TILE_VECTORS, next_tile_rows, tile_cols, tile_rows};
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::ops::Range;

/// A product as the microkernel sees it: k > 0, and C's columns along the vectors.
#[derive(Clone, Copy)]
pub(super) struct Job<T> {
    pub(super) k: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    pub(super) output: Output<T>,
}

/// A part of a product: some rows and columns of C.
pub(super) struct Part<'a, T> {
    pub(super) job: &'a Job<T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl<T: Float> Kernel<T> for Part<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let blocks = Blocks::new::<T, S>(self.rows.len(), self.job.k);
        let panel = blocks.kc * tile_cols::<T, S>();
        let len = panel + packed_a_len::<T, S>(blocks.mc, blocks.kc);
        // What runs inside a closure given to a plain function is compiled for the plain target.
        T::with_scratch(len, |memory| simd.call(Loops { part: self, blocks, memory }));
    }
}

/// A part with its buffers.
struct Loops<'a, 'b, T> {
    part: Part<'a, T>,
    blocks: Blocks,
    memory: &'b mut [T],
}

impl<T: Float> Kernel<T> for Loops<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let (b, a) = self.memory.split_at_mut(self.blocks.kc * tile_cols::<T, S>());
        // SAFETY: who made the part vouches for the operands; `Part` made the buffers large enough.
        unsafe { loops(simd, &self.part, self.blocks, a.as_mut_ptr(), b.as_mut_ptr()) }
    }
}

/// # Safety
/// The part lies in C and in what the epilogue reads, its rows in A and its columns in B, and
/// nobody else accesses its part of C. The buffers have room for a block of A and a panel of B.
#[inline(always)]
unsafe fn loops<T: Float, S: Simd<T>>(
    simd: S,
    part: &Part<'_, T>,
    blocks: Blocks,
    packed_a: *mut T,
    packed_b: *mut T,
) {
    let Part { job, rows, cols } = part;
    let most_rows = tile_rows::<T, S>();
    // Loop 4: blocks of rows, whose part of A is packed into L2.
    for row in rows.clone().step_by(blocks.mc) {
        let block_rows = blocks.mc.min(rows.end - row);
        // Loop 3: blocks of k.
        for p in (0..job.k).step_by(blocks.kc) {
            let k = blocks.kc.min(job.k - p);
            let output = job.output.of_block(p == 0, p + k == job.k);
            let a = Matrix { data: job.a.at(row, p), ..job.a };
            // SAFETY: the block lies in A; the buffer has room for it.
            unsafe { pack_a(simd, a, block_rows, k, most_rows, packed_a) };
            // Loop 2: panels of B's columns, kept in L1.
            let mut col = cols.start;
            while col < cols.end {
                let width = tile_cols::<T, S>().min(cols.end - col);
                let b = Matrix { data: job.b.at(p, col), ..job.b };
                // SAFETY: the panel lies in B and its tiles in C; the buffers have room.
                unsafe {
                    let mut panel = Panel::new(simd, b, k, width, packed_b);
                    // Loop 1: tiles of A's rows.
                    let mut i = 0;
                    while i < block_rows {
                        let tile_rows = next_tile_rows(block_rows - i, most_rows);
                        panel.multiply(
                            simd,
                            tile_rows,
                            i + tile_rows < block_rows,
                            Tile {
                                k,
                                a: packed_a.add(i * k),
                                a_step: tile_rows,
                                b: panel.data,
                                b_step: panel.step,
                                keep: packed_b,
                                row: row + i,
                                col,
                                cols: width,
                                output: &output,
                            },
                        );
                        i += tile_rows;
                    }
                }
                col += width;
            }
        }
    }
}

/// A panel of B: where it lies, or packed.
struct Panel<T> {
    data: *const T,
    step: usize,
    /// Vectors in a row.
    vectors: usize,
    packed: bool,
}

impl<T: Float> Panel<T> {
    /// The panel of `k` × `width` elements, left in place if whole vectors can be read there.
    ///
    /// # Safety
    /// The elements lie in `b`; `buffer` is valid for writes of a packed panel.
    #[inline(always)]
    unsafe fn new<S: Simd<T>>(
        simd: S,
        b: Matrix<T>,
        k: usize,
        width: usize,
        buffer: *mut T,
    ) -> Self {
        let vectors = width.div_ceil(S::LANES);
        if b.col_stride == 1 && width == tile_cols::<T, S>() {
            return Panel { data: b.data, step: b.row_stride, vectors, packed: false };
        }
        let step = vectors * S::LANES;
        // SAFETY: the caller vouches for both.
        unsafe { pack_b(simd, b, k, width, step, buffer) };
        Panel { data: buffer, step, vectors, packed: true }
    }

    /// Computes a tile; if another one follows, leaves the panel packed.
    ///
    /// # Safety
    /// As [`microkernel::run`].
    #[inline(always)]
    unsafe fn multiply<S: Simd<T>>(
        &mut self,
        simd: S,
        rows: usize,
        another_follows: bool,
        tile: Tile<'_, T>,
    ) {
        // SAFETY: the caller vouches for the tile.
        unsafe {
            if !self.packed && another_follows {
                microkernel::run::<T, S, TILE_VECTORS, true>(simd, rows, &tile);
                let step = tile_cols::<T, S>();
                *self = Panel { data: tile.keep, step, packed: true, ..*self };
            } else if self.vectors == TILE_VECTORS {
                microkernel::run::<T, S, TILE_VECTORS, false>(simd, rows, &tile);
            } else {
                microkernel::run::<T, S, 1, false>(simd, rows, &tile);
            }
        }
    }
}
