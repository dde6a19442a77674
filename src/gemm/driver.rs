//! The loops around the microkernel, after Goto and van de Geijn (*Anatomy of High-Performance
//! Matrix Multiplication*, 2008) and BLIS, with B's panels packed on the way:
//!
//! - a block of A is packed once and stays in L2;
//! - a row-major panel of B is read where it lies by the first tile, which keeps a copy in L1 for
//!   the tiles below, so that packing B costs no pass of its own.

use super::microkernel::{self, Lies, Shape, Tile};
use super::output::{Matrix, Output};
use super::pack::{pack_a, pack_b, packed_a_len};
use super::params::{Blocks, TILE_VECTORS, next_tile_rows, tile_cols, tile_rows, wide_vectors};
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::ops::Range;

/// A product as the microkernel sees it: k > 0, and C's columns along the vectors.
#[derive(Clone, Copy)]
pub(super) struct Job<T> {
    pub(super) rows: usize,
    pub(super) cols: usize,
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
        let Part { job, rows, cols } = &self;
        let part = (rows.len(), cols.len());
        let blocks = Blocks::new::<T, S>((job.rows, job.k), part, job.a);
        let packed_b = blocks.kc * tile_cols::<T, S>();
        let packed_a = packed_a_len::<T, S>(blocks.mc, blocks.kc);
        let len = packed_b + if blocks.a_in_place { 0 } else { packed_a };
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
/// nobody else accesses its part of C. The buffers have room for a block of A, unless it is read
/// in place, and a panel of B.
#[inline(always)]
unsafe fn loops<T: Float, S: Simd<T>>(
    simd: S,
    part: &Part<'_, T>,
    blocks: Blocks,
    packed_a: *mut T,
    packed_b: *mut T,
) {
    let Part { job, rows, cols } = part;
    // Loop 4: blocks of rows, whose part of A is packed into L2.
    for row in rows.clone().step_by(blocks.mc) {
        let block_rows = blocks.mc.min(rows.end - row);
        // Loop 3: blocks of k.
        for p in (0..job.k).step_by(blocks.kc) {
            let k = blocks.kc.min(job.k - p);
            let output = job.output.of_block(p == 0, p + k == job.k);
            let a = Matrix { data: job.a.at(row, p), ..job.a };
            let a = match blocks.a_in_place {
                true => Rows::in_place(a),
                // SAFETY: the block lies in A; the buffer has room for it.
                false => unsafe { Rows::packed(simd, a, block_rows, k, packed_a) },
            };
            // Loop 2: panels of B's columns, kept in L1.
            let mut col = cols.start;
            while col < cols.end {
                let b = Matrix { data: job.b.at(p, col), ..job.b };
                let left = cols.end - col;
                // SAFETY: the panel lies in B and its tiles in C; the buffers have room.
                unsafe {
                    let panel = Panel::new(simd, b, k, left, job.rows, packed_b);
                    panel.multiply(simd, a, block_rows, (row, col), &output);
                    col += panel.cols;
                }
            }
        }
    }
}

/// The rows of a block of A, as the microkernel reads them.
#[derive(Clone, Copy)]
struct Rows<T> {
    data: *const T,
    lies: Lies,
    /// The microkernel's `a_stride`; packed, it is a tile's rows.
    stride: Option<usize>,
    /// From a tile's first row to the next one's, for each row.
    row_distance: usize,
}

impl<T: Float> Rows<T> {
    /// Where they lie: one of A's strides is 1.
    fn in_place(a: Matrix<T>) -> Self {
        let (lies, stride) = match a.col_stride {
            1 => (Lies::InRows, a.row_stride),
            step => (Lies::InSteps, step),
        };
        Rows { data: a.data, lies, stride: Some(stride), row_distance: a.row_stride }
    }

    /// # Safety
    /// As [`pack_a`].
    #[inline(always)]
    unsafe fn packed<S: Simd<T>>(simd: S, a: Matrix<T>, rows: usize, k: usize, to: *mut T) -> Self {
        // SAFETY: the caller vouches for it.
        unsafe { pack_a(simd, a, rows, k, to) };
        Rows { data: to, lies: Lies::InSteps, stride: None, row_distance: k }
    }
}

/// Whether a panel of a row-major B is kept as the first of its tiles reads it, instead of being
/// packed before. That saves a pass, but the first tile waits for B where many tiles would not
/// notice a pass, or where each of B's vectors lies in two cache lines.
fn keep_b_while_reading<T>(b: Matrix<T>, rows: usize) -> bool {
    let row_bytes = b.row_stride * size_of::<T>();
    let aligned = b.data.addr().is_multiple_of(64) && row_bytes.is_multiple_of(64);
    rows <= if aligned { 192 } else { 64 }
}

/// A panel of B: where it lies, or packed.
#[derive(Clone, Copy)]
struct Panel<T> {
    data: *const T,
    stride: usize,
    k: usize,
    cols: usize,
    vectors: usize,
    /// Where it is, or can be, packed.
    buffer: *mut T,
}

impl<T: Float> Panel<T> {
    /// The next panel of B, whose `left` columns have `k` elements; left in place if whole vectors
    /// can be read there.
    ///
    /// # Safety
    /// The elements lie in `b`; `buffer` is valid for writes of a packed panel.
    #[inline(always)]
    unsafe fn new<S: Simd<T>>(
        simd: S,
        b: Matrix<T>,
        k: usize,
        left: usize,
        rows: usize,
        buffer: *mut T,
    ) -> Self {
        let wide = wide_vectors::<T, S>(rows);
        let cols = left.min(tile_cols::<T, S>());
        let panel = Panel { data: b.data, stride: b.row_stride, k, cols, vectors: wide, buffer };
        if b.col_stride == 1 && left >= wide * S::LANES && keep_b_while_reading(b, rows) {
            return Panel { cols: wide * S::LANES, ..panel };
        }
        let vectors = cols.div_ceil(S::LANES);
        if b.col_stride == 1 && cols == vectors * S::LANES && keep_b_while_reading(b, rows) {
            return Panel { vectors, ..panel };
        }
        let stride = vectors * S::LANES;
        // SAFETY: the caller vouches for both.
        unsafe { pack_b(simd, b, k, cols, stride, buffer) };
        Panel { data: buffer, stride, vectors, ..panel }
    }

    /// Loop 1: the tiles of A's rows. The first one leaves the panel packed for the others.
    ///
    /// # Safety
    /// As [`microkernel::run`], for all tiles.
    #[inline(always)]
    unsafe fn multiply<S: Simd<T>>(
        mut self,
        simd: S,
        a: Rows<T>,
        rows: usize,
        (row, col): (usize, usize),
        output: &Output<T>,
    ) {
        let mut i = 0;
        while i < rows {
            let height = next_tile_rows(rows - i, tile_rows::<T, S>());
            let shape = Shape {
                rows: height,
                vectors: self.vectors,
                a: a.lies,
                keeps_b: self.vectors == TILE_VECTORS
                    && a.lies == Lies::InSteps
                    && self.data != self.buffer
                    && i + height < rows,
            };
            let tile = Tile {
                k: self.k,
                a: a.data.wrapping_add(i * a.row_distance),
                a_stride: a.stride.unwrap_or(height),
                b: self.data,
                b_stride: self.stride,
                keep: self.buffer,
                ahead: 2 * self.stride,
                row: row + i,
                col,
                cols: self.cols,
                output,
            };
            // SAFETY: the caller vouches for the tiles.
            unsafe { microkernel::run(simd, shape, &tile) };
            if shape.keeps_b {
                self = Panel { data: self.buffer, stride: tile_cols::<T, S>(), ..self };
            }
            i += height;
        }
    }
}
