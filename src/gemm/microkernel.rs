//! The microkernel: one tile of C, held in registers while k runs.
//!
//! # Its contract
//! - The tile has a [`Shape`] that [`Shape::exists`]. Its rows are added up as
//!   `acc[i] += A[i, p] · B[p, ..]` for p = 0, 1, …, so that an element's sum does not depend on the
//!   tile's shape, nor on where tiles are cut.
//! - A: packed, element (i, p) is at `a + i + p · a_stride` (a transposed operand looks the same
//!   where it lies); in rows, at `a + i · a_stride + p`.
//! - B: row p is `vectors` whole vectors at `b + p · b_stride`. That is a packed panel, or a
//!   row-major operand where it lies. Columns past C's edge must be there to read (packing pads
//!   with 0).
//! - A tile that keeps B writes it to `keep` as it is read, as a packed panel for the tiles below.
//! - `cols` of the tile's columns lie in C.
//! - No pointer need be aligned.

use super::output::{Output, WriteTile};
use super::params::{TILE_VECTORS, tile_rows, wide_vectors};
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// What differs between the functions that the microkernel is compiled to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) vectors: usize,
    pub(super) a: Lies,
    /// Whether B, read where it lies, is packed on the way.
    pub(super) keeps_b: bool,
}

/// How A lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lies {
    /// Step of k by step of k, packed or transposed.
    InSteps,
    /// Row by row.
    InRows,
}

impl Shape {
    /// Whether there is such a function. Tiles of 4 and 8 vectors are for products of few rows;
    /// tiles that keep B have others below them, so they are whole.
    const fn exists<T: Float, S: Simd<T>>(self) -> bool {
        if self.keeps_b {
            self.vectors == TILE_VECTORS && self.rows == tile_rows::<T, S>()
        } else if self.vectors <= TILE_VECTORS {
            self.rows <= tile_rows::<T, S>()
        } else {
            matches!(self.a, Lies::InSteps) && self.vectors <= wide_vectors::<T, S>(self.rows)
        }
    }
}

/// The arguments of a tile.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_stride: usize,
    pub(super) b: *const T,
    pub(super) b_stride: usize,
    /// Where a tile that keeps B packs it.
    pub(super) keep: *mut T,
    /// What to fetch for later while the tile is computed.
    pub(super) fetch: Fetch<T>,
    /// The tile's first row, as the microkernel sees C.
    pub(super) row: usize,
    /// The tile's first column.
    pub(super) col: usize,
    pub(super) cols: usize,
    pub(super) output: &'a Output<T>,
}

/// Cache lines to ask for, some at each of the first steps of k.
#[derive(Clone, Copy)]
pub(super) struct Fetch<T> {
    /// The first line.
    pub(super) at: *const T,
    /// How many steps ask for lines.
    pub(super) steps: usize,
    /// From a step's first line to the next step's.
    pub(super) step: usize,
    /// How many adjacent lines a step asks for.
    pub(super) lines: usize,
}

impl<T> Fetch<T> {
    /// Nothing.
    pub(super) const NONE: Self = Fetch { at: std::ptr::null(), steps: 0, step: 0, lines: 0 };
}

/// Computes a tile.
///
/// # Safety
/// The contract above holds, and the tile's elements lie in C, biases and mask, accessed by nobody
/// else.
#[inline(always)]
pub(super) unsafe fn run<T: Float, S: Simd<T>>(simd: S, shape: Shape, tile: &Tile<'_, T>) {
    macro_rules! call {
        ($a:ident, $keeps_b:literal, $vectors:literal, $($rows:literal)*) => {
            match shape.rows {
                $($rows if const {
                    let (a, rows) = (Lies::$a, $rows);
                    Shape { rows, vectors: $vectors, a, keeps_b: $keeps_b }.exists::<T, S>()
                } => simd.call(
                    TileKernel::<T, $rows, $vectors, { Lies::$a as u8 }, $keeps_b>(tile)
                ),)*
                _ => unreachable!("there is no tile of {shape:?}"),
            }
        };
    }
    match (shape.a, shape.keeps_b, shape.vectors) {
        (Lies::InSteps, true, 2) => call!(InSteps, true, 2, 6 14),
        (Lies::InRows, true, 2) => call!(InRows, true, 2, 6 14),
        (Lies::InSteps, false, 2) => call!(InSteps, false, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InSteps, false, 1) => call!(InSteps, false, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InSteps, false, 4) => call!(InSteps, false, 4, 1 2 3 4 5 6),
        (Lies::InSteps, false, 8) => call!(InSteps, false, 8, 1 2),
        (Lies::InRows, false, 2) => call!(InRows, false, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InRows, false, 1) => call!(InRows, false, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        _ => unreachable!("there is no tile of {shape:?}"),
    }
}

/// `LIES` is a [`Lies`], which cannot be a parameter itself.
struct TileKernel<
    'a,
    T,
    const ROWS: usize,
    const VECTORS: usize,
    const LIES: u8,
    const KEEPS_B: bool,
>(&'a Tile<'a, T>);

impl<T: Float, const ROWS: usize, const VECTORS: usize, const LIES: u8, const KEEPS_B: bool>
    Kernel<T> for TileKernel<'_, T, ROWS, VECTORS, LIES, KEEPS_B>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        // SAFETY: `run` is the only one to make this, and its caller vouches for the contract.
        unsafe {
            let acc = if self.0.k >= FETCHING_STEPS {
                multiply::<T, S, ROWS, VECTORS, LIES, KEEPS_B, true>(simd, self.0)
            } else {
                multiply::<T, S, ROWS, VECTORS, LIES, KEEPS_B, false>(simd, self.0)
            };
            if self.0.output.is_direct() && (VECTORS == 1 || self.0.cols == VECTORS * S::LANES) {
                write_in_registers(simd, self.0, acc);
            } else {
                write_from_memory(simd, self.0, acc);
            }
        }
    }
}

/// Steps of k from which it pays to fetch C's tile, and operands ahead of their use.
const FETCHING_STEPS: usize = 48;

/// Rows of a tile from which there is time to fetch operands ahead.
const FETCHING_ROWS: usize = 5;

/// The tile of A·B.
///
/// # Safety
/// As [`run`].
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
unsafe fn multiply<
    T: Float,
    S: Simd<T>,
    const ROWS: usize,
    const VECTORS: usize,
    const LIES: u8,
    const KEEPS_B: bool,
    const FETCHES: bool,
>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[S::V; VECTORS]; ROWS] {
    let in_rows = const { LIES == Lies::InRows as u8 };
    let (a_row, a_step) = if in_rows { (tile.a_stride, 1) } else { (1, tile.a_stride) };
    let mut acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
    let (mut a, mut b, mut keep) = (tile.a, tile.b, tile.keep);
    let mut c = tile.output.at(tile.row, tile.col);
    let mut fetch = tile.fetch;
    let ahead = match (KEEPS_B, VECTORS > TILE_VECTORS) {
        (true, _) => 6,
        (_, true) => 2,
        _ => 8,
    };
    let (a_ahead, b_ahead) = (ahead * a_step, ahead * tile.b_stride);
    for p in 0..tile.k {
        if FETCHES && VECTORS <= TILE_VECTORS && p < ROWS {
            for j in 0..VECTORS {
                simd.prefetch_l2(c.wrapping_add(j * S::LANES));
            }
            simd.prefetch_l2(c.wrapping_add(VECTORS * S::LANES - 1));
            c = c.wrapping_add(tile.output.row_stride);
        }
        if FETCHES && p < fetch.steps {
            for line in 0..fetch.lines {
                simd.prefetch_l2(fetch.at.wrapping_add(line * (64 / size_of::<T>())));
            }
            fetch.at = fetch.at.wrapping_add(fetch.step);
        }
        let mut row = [simd.splat(T::ZERO); VECTORS];
        // SAFETY: the contract has ROWS elements of A and VECTORS vectors of B at each of the k steps.
        unsafe {
            for j in 0..VECTORS {
                row[j] = simd.load_ptr(b.add(j * S::LANES));
                if KEEPS_B {
                    simd.store_ptr(row[j], keep.add(j * S::LANES));
                }
            }
            for i in 0..ROWS {
                let x = simd.splat(*a.add(i * a_row));
                for j in 0..VECTORS {
                    acc[i][j] = simd.mul_add(x, row[j], acc[i][j]);
                }
            }
        }
        if FETCHES && (KEEPS_B || VECTORS > TILE_VECTORS || ROWS >= FETCHING_ROWS) {
            for j in 0..VECTORS {
                simd.prefetch(b.wrapping_add(b_ahead + j * S::LANES));
            }
        }
        if FETCHES && !in_rows && ROWS >= FETCHING_ROWS {
            simd.prefetch(a.wrapping_add(a_ahead));
        }
        if KEEPS_B {
            keep = keep.wrapping_add(VECTORS * S::LANES);
        }
        a = a.wrapping_add(a_step);
        b = b.wrapping_add(tile.b_stride);
    }
    acc
}

/// Finishes a whole tile without leaving the registers.
///
/// # Safety
/// As [`run`]; the tile's rows are vectors of C's rows and, if there is one, the mask's: whole ones,
/// if there is more than one.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
unsafe fn write_in_registers<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    mut acc: [[S::V; VECTORS]; ROWS],
) {
    let Output { alpha, beta, biases, relu, mask, row_stride, .. } = *tile.output;
    let (alpha, zero) = (simd.splat(alpha), simd.splat(T::ZERO));
    let c = tile.output.at(tile.row, tile.col);
    let len = tile.cols;
    let load = |from: *const T| {
        // SAFETY: below, `from` is where a vector of C, biases or mask begins, or its `len` elements.
        unsafe { if VECTORS == 1 { simd.load_first_ptr(from, len) } else { simd.load_ptr(from) } }
    };
    let store = |x: S::V, to: *mut T| {
        // SAFETY: as for `load`, in C.
        unsafe {
            if VECTORS == 1 { simd.store_first_ptr(x, to, len) } else { simd.store_ptr(x, to) }
        }
    };
    // SAFETY: the caller vouches for the tile's elements in C, biases and mask.
    unsafe {
        let mut base = [zero; VECTORS];
        if let Some(biases) = biases {
            for j in 0..VECTORS {
                base[j] = load(biases.add(tile.col + j * S::LANES));
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
                    let old = load(c.add(i * row_stride + j * S::LANES));
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
                    let x = load(mask.at(tile.row + i, tile.col + j * S::LANES));
                    acc[i][j] = simd.where_positive(x, acc[i][j]);
                }
            }
        }
        for i in 0..ROWS {
            for j in 0..VECTORS {
                store(acc[i][j], c.add(i * row_stride + j * S::LANES));
            }
        }
    }
}

/// Finishes any tile.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn write_from_memory<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    acc: [[S::V; VECTORS]; ROWS],
) {
    let Tile { row, col, cols, output, .. } = *tile;
    let stride = VECTORS * S::LANES;
    // Vectors lie in memory as their elements do, one after the other.
    let tile = (&raw const acc).cast();
    simd.call(WriteTile { tile, stride, rows: ROWS, cols, row, col, output });
}
