//! The loops around the microkernel, after Goto and van de Geijn (*Anatomy of High-Performance
//! Matrix Multiplication*, 2008) and BLIS, for a row-major C:
//!
//! - a block of B's columns stays in L2, packed on the side ([`columns`](super::columns));
//! - a tile's rows of A stay in L1 while they meet all panels of that block, so that C is written
//!   along its rows; the packed A is read in one stream for each block.

use super::ahead::{Ahead, Errand};
use super::columns::Columns;
use super::microkernel::{self, Lies, Shape, Side};
use super::output::{Matrix, Output};
use super::pack::{PackA, packed_a_len};
use super::params::{Blocks, Processor, steps_ahead};
use super::run::{RowCopy, Run, Tile};
use super::short;
use super::tile::TileSize;
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
    pub(super) processor: Processor,
}

impl<T: Float> Kernel<T> for Part<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Part { job, rows, cols, processor } = &self;
        let part = (rows.len(), cols.len());
        let blocks = Blocks::new::<T, S>(job, part, *processor);
        let packed_b = 2 * blocks.packed_b_len();
        let packed_a = packed_a_len::<T, S>(blocks.mc, blocks.kc);
        let len = packed_b + if blocks.a_in_place { 0 } else { packed_a };
        // What runs inside a closure given to a plain function is compiled for the plain target.
        let (part, blocks) = (&self, &blocks);
        if len == 0 {
            return simd.call(Loops { part, blocks, memory: &mut [] });
        }
        T::with_scratch(len, |memory| simd.call(Loops { part, blocks, memory }));
    }
}

/// A part with its buffers.
struct Loops<'a, T> {
    part: &'a Part<'a, T>,
    blocks: &'a Blocks,
    memory: &'a mut [T],
}

impl<T: Float> Kernel<T> for Loops<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let (b, a) = self.memory.split_at_mut(2 * self.blocks.packed_b_len());
        // SAFETY: who made the part vouches for the operands; `Part` made the buffers large enough.
        unsafe { loops(simd, self.part, self.blocks, a.as_mut_ptr(), b.as_mut_ptr()) }
    }
}

/// # Safety
/// The part lies in C and in what the epilogue reads, its rows in A and its columns in B, and
/// nobody else accesses its part of C. The buffers have room for a block of A, unless it is read
/// in place, and two blocks of B, unless nothing of it is packed.
#[inline(always)]
unsafe fn loops<T: Float, S: Simd<T>>(
    simd: S,
    part: &Part<'_, T>,
    blocks: &Blocks,
    packed_a: *mut T,
    packed_b: *mut T,
) {
    let Part { job, rows, cols, .. } = part;
    let mut buffers = [packed_b, packed_b.wrapping_add(blocks.packed_b_len())];
    // Loop 4: blocks of rows, whose part of A is packed, to be read in one stream.
    let mut row = rows.start;
    while row < rows.end {
        let block_rows = blocks.mc.min(rows.end - row);
        let columns_at = |p: usize, col: usize, buffer| {
            let k = blocks.kc.min(job.k.saturating_sub(p));
            let left = if k > 0 { cols.end - col } else { 0 };
            let b = Matrix { data: job.b.at(p, col), ..job.b };
            Columns::new::<S>(b, k, left, block_rows, blocks, buffer)
        };
        let mut columns = columns_at(0, cols.start, buffers[0]);
        // Loop 3: blocks of k.
        let mut p = 0;
        while p < job.k {
            let output = job.output.of_block(p == 0, p + columns.k == job.k);
            let a = Matrix { data: job.a.at(row, p), ..job.a };
            let a = match blocks.a_in_place {
                true => Rows::in_place(a),
                // SAFETY: the block lies in A; the buffer has room for it.
                false => unsafe {
                    Rows::packed(simd, a, (block_rows, columns.k), blocks.tile, packed_a)
                },
            };
            // Loop 2: blocks of B's columns. While one is multiplied, the next is packed, or fetched.
            let mut col = cols.start;
            while col < cols.end {
                buffers.swap(0, 1);
                let (place, after) = ((row, col), col + columns.cols);
                let (next_p, next_col) =
                    if after < cols.end { (p, after) } else { (p + blocks.kc, cols.start) };
                let next = columns_at(next_p, next_col, buffers[0]).ahead();
                debug_assert!(!columns.is_unpacked() || !blocks.packs_no_b);
                // SAFETY: the columns lie in B and their tiles in C; the buffers have room.
                unsafe { multiply(simd, a, block_rows, (columns, next), place, &output) };
                (col, columns) = (after, next.done());
            }
            p += blocks.kc;
        }
        row += block_rows;
    }
}

/// Loop 1: the tiles of A's rows, and of each the panels of a block of columns, in runs that the microkernel computes
/// in one call. Each tile fetches a part of the next block, and after it the part is packed, if that block is packed
/// ahead. One that is not is packed panel by panel, by the first tile or right before it.
///
/// # Safety
/// As [`microkernel::run`], for all tiles.
#[inline(always)]
unsafe fn multiply<T: Float, S: Simd<T>>(
    simd: S,
    a: Rows<T>,
    rows: usize,
    (columns, next): (Columns<T>, Columns<T>),
    (row, col): (usize, usize),
    output: &Output<T>,
) {
    if columns.short && !next.is_ahead() {
        // SAFETY: the caller vouches for it.
        return unsafe { short::multiply(simd, a, rows, columns, (row, col), output) };
    }
    let ahead = Ahead::new::<S>(&columns, next, rows);
    let (size, panels) = (columns.tile, columns.panels());
    let full = size.full::<T, S>(rows);
    let (mut tile, mut i) = (0, 0);
    while i < rows {
        let height = size.next_rows::<T, S>(rows - i);
        let unpacked = tile == 0 && columns.is_unpacked();
        let (mut down, mut index) = (1, 0);
        while index < panels {
            let j = index * columns.panel_cols;
            let panel = columns.panel::<S>(j);
            let keeps_b = unpacked && columns.can_be_kept::<S>(&panel);
            if unpacked && !keeps_b {
                // SAFETY: the caller vouches for the columns and their buffer.
                unsafe { columns.pack_panel(simd, j) };
            }
            let Errand { fetch, copy, pack, alike } = ahead.errand(tile, index);
            let most = match (panels, unpacked) {
                (1, false) => full.saturating_sub(tile),
                (1, true) => 1,
                (_, true) if !keeps_b => 1,
                _ => columns.whole_panels.saturating_sub(index),
            };
            let tiles = alike.tiles.min(most).max(1);
            let (side, (b, b_stride), b_distance) = match copy {
                _ if keeps_b => (Side::KeepsB, columns.place(j), columns.panel_cols),
                Some(_) => (Side::Copies, (panel.data, panel.stride), columns.panel_distance()),
                None if columns.steps_from_afar() > 0 && panel.vectors > 1 => {
                    (Side::FetchesFromAfar, (panel.data, panel.stride), columns.panel_distance())
                }
                None => (Side::Fetches, (panel.data, panel.stride), columns.panel_distance()),
            };
            let first = Tile {
                k: columns.k,
                a: a.data.wrapping_add(i * a.row_distance),
                a_stride: a.stride.unwrap_or(height),
                b,
                b_stride,
                // Of one step there may be any stride.
                b_ahead: b_stride.wrapping_mul(steps_ahead::<T>(b_stride, columns.ways)),
                steps_from_afar: columns.steps_from_afar(),
                keep: columns.packed_at(j),
                fetch,
                copy: copy.unwrap_or(RowCopy::NONE),
                row: row + i,
                col: col + j,
                cols: panel.cols,
                output,
            };
            let run = if panels == 1 {
                Run::down(tiles, height, a.row_distance, alike.distance)
            } else {
                let (cols, keep) = (columns.panel_cols, columns.panel_distance());
                Run::across(tiles, cols, (b_distance, keep), alike.distance)
            };
            let shape = Shape { rows: height, vectors: panel.vectors, a: a.lies, side };
            // SAFETY: the caller vouches for the tiles, and for the next columns.
            unsafe {
                microkernel::run(simd, shape, &first, &run);
                if let Some(part) = pack {
                    ahead.pack(simd, part);
                }
            }
            (down, index) = if panels == 1 { (tiles, 1) } else { (1, index + tiles) };
        }
        (tile, i) = (tile + down, i + down * height);
    }
}

/// The rows of a block of A, as the microkernel reads them.
#[derive(Clone, Copy)]
pub(super) struct Rows<T> {
    pub(super) data: *const T,
    pub(super) lies: Lies,
    /// The microkernel's `a_stride`; packed, it is a tile's rows.
    pub(super) stride: Option<usize>,
    /// From a tile's first row to the next one's, for each row.
    pub(super) row_distance: usize,
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
    /// As [`PackA::new`].
    #[inline(always)]
    unsafe fn packed<S: Simd<T>>(
        simd: S,
        a: Matrix<T>,
        (rows, k): (usize, usize),
        tile: TileSize,
        to: *mut T,
    ) -> Self {
        // SAFETY: the caller vouches for it.
        unsafe { simd.call(PackA::new(a, (rows, k), tile, to)) };
        Rows { data: to, lies: Lies::InSteps, stride: None, row_distance: k }
    }
}
