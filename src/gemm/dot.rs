//! Products as dot products of A's rows and B's columns, both along k.
//!
//! The microkernel puts C's columns into the lanes of its vectors. With 10 columns, most of 16 lanes
//! are idle; with a transposed B of many columns and an A of few rows, packing B takes as long as
//! multiplying it. Here the lanes are steps of k, and are summed at the end, which pays where k is
//! long and C small.

use super::driver::Job;
use super::groups;
use super::output::{Matrix, Output, WriteTile};
use super::tile::next_rows;
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The least vectors of k of a [group](groups): with half as many of `f32`, adding groups up would be a tenth
/// of the work.
const fn least_group<T>() -> usize {
    if size_of::<T>() == 4 { 64 } else { 32 }
}

/// The most columns of a tile.
const MOST_COLS: usize = 4;

/// The most rows of a tile: 6 × 4 accumulators of the 32 registers of AVX-512, 3 × 4 of 16.
const fn most_rows<T: Float, S: Simd<T>>() -> usize {
    if S::LANES * size_of::<T>() == 64 { 6 } else { 3 }
}

/// How many tiles `rows` × `cols` dot products are cut into, down and across.
pub(super) const fn tiles<T: Float, S: Simd<T>>(rows: usize, cols: usize) -> (usize, usize) {
    (rows.div_ceil(most_rows::<T, S>()), cols.div_ceil(MOST_COLS))
}

/// Columns that are finished together, at most.
const BLOCK_COLS: usize = 32;

/// Elements that are finished together, at most: a tile's rows of as many columns.
const BLOCK_VECTORS: usize = 6 * BLOCK_COLS;

/// Whether blocks of C are finished as one row: they have all columns, and rows lie one after the other.
pub(super) fn is_one_row<T: Float>(job: &Job<T>) -> bool {
    job.cols <= BLOCK_COLS && job.output.is_one_row(job.cols)
}

/// The rows that are finished together, in whole tiles.
fn rows_at_once<T: Float, S: Simd<T>>(cols: usize) -> usize {
    let most = const { most_rows::<T, S>() };
    BLOCK_VECTORS / cols / most * most
}

/// Some rows and columns of a product whose A lies in rows. B is packed unless it lies in columns.
pub(super) struct DotPart<'a, T> {
    pub(super) job: &'a Job<T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl<T: Float> Kernel<T> for DotPart<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let packs_b = self.job.b.row_stride != 1;
        let cols = if packs_b { BLOCK_COLS.min(self.cols.len()) } else { 0 };
        let len = cols * padded::<T, S>(self.job.k);
        T::with_scratch(len, |packed_b| simd.call(Loops { part: self, packed_b }));
    }
}

/// A column of packed B, in whole vectors.
fn padded<T: Float, S: Simd<T>>(k: usize) -> usize {
    k.next_multiple_of(S::LANES)
}

/// A part with its buffer.
struct Loops<'a, 'b, T> {
    part: DotPart<'a, T>,
    packed_b: &'b mut [T],
}

impl<T: Float> Kernel<T> for Loops<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let DotPart { job, rows, cols } = &self.part;
        for col in cols.clone().step_by(BLOCK_COLS) {
            let width = BLOCK_COLS.min(cols.end - col);
            let mut b = Matrix { data: job.b.at(0, col), ..job.b };
            if b.row_stride != 1 {
                let to = self.packed_b.as_mut_ptr();
                // SAFETY: the columns lie in B, and the buffer has room for as many.
                unsafe { pack_cols(simd, b, job.k, width, to) };
                b = Matrix { data: to, row_stride: 1, col_stride: padded::<T, S>(job.k) };
            }
            let height = rows_at_once::<T, S>(width);
            let mut repeated = MaybeUninit::<[T; BLOCK_VECTORS]>::uninit();
            let to = repeated.as_mut_ptr().cast::<T>();
            let is_one_row = width == job.cols && is_one_row(job);
            let biases = job.output.biases.filter(|_| is_one_row).map(|biases| {
                // SAFETY: there is one for each column; a block has as many elements as `repeated`.
                unsafe { repeat(biases, width, height.min(rows.len()), to) };
                to.cast_const()
            });
            for row in rows.clone().step_by(height) {
                let a = Matrix { data: job.a.at(row, 0), ..job.a };
                let shape = (height.min(rows.end - row), width);
                let output = match is_one_row {
                    true => &job.output.as_one_row(row, biases),
                    false => &job.output,
                };
                let place = (!is_one_row).then_some((row, col));
                // SAFETY: who made the part vouches for its operands and its place in C.
                unsafe { block(simd, (a, b, job.k), shape, output, place) };
            }
        }
    }
}

/// Writes `cols` elements `times` times, one after the other.
///
/// # Safety
/// `from` is valid for reads of `cols` elements, `to` for writes of `times` · `cols`.
#[inline(always)]
unsafe fn repeat<T: Float>(from: *const T, cols: usize, times: usize, to: *mut T) {
    for (i, j) in (0..times).flat_map(|i| (0..cols).map(move |j| (i, j))) {
        // SAFETY: the caller vouches for both.
        unsafe { to.add(i * cols + j).write(*from.add(j)) };
    }
}

/// Packs columns of B, each in whole vectors.
///
/// # Safety
/// `b` is valid for reads of `k` × `cols` elements, `to` for writes of `cols` padded columns.
#[inline(always)]
unsafe fn pack_cols<T: Float, S: Simd<T>>(
    simd: S,
    b: Matrix<T>,
    k: usize,
    cols: usize,
    to: *mut T,
) {
    let padded = padded::<T, S>(k);
    for j in (0..cols).step_by(S::LANES) {
        for p in (0..k).step_by(S::LANES) {
            let (steps, lanes) = (S::LANES.min(k - p), S::LANES.min(cols - j));
            // SAFETY: the caller vouches for the elements of B and for the padded columns.
            unsafe {
                if b.col_stride == 1 {
                    let to = to.add(j * padded + p);
                    simd.transpose_ptr(b.at(p, j), b.row_stride, steps, lanes, to, padded);
                } else {
                    for (j, p) in (j..j + lanes).flat_map(|j| (p..p + steps).map(move |p| (j, p))) {
                        to.add(j * padded + p).write(*b.at(p, j));
                    }
                }
            }
        }
    }
}

/// Computes a block of C of at most `BLOCK_COLS` columns and [`rows_at_once`] rows, which is written at
/// `place`, or as one row.
///
/// Tiles leave each element's vector in a buffer, row by row, so that all of them are summed together,
/// as many at a time as there are lanes.
///
/// # Safety
/// The rows lie in A and along k, the columns in B and along k; the block lies in C, biases and
/// mask, and is accessed by nobody else.
#[inline(always)]
unsafe fn block<T: Float, S: Simd<T>>(
    simd: S,
    (a, b, k): (Matrix<T>, Matrix<T>, usize),
    (rows, cols): (usize, usize),
    output: &Output<T>,
    place: Option<(usize, usize)>,
) {
    let mut vectors = MaybeUninit::<[S::V; BLOCK_VECTORS]>::uninit();
    let mut sums = MaybeUninit::<[T; BLOCK_VECTORS]>::uninit();
    let (vectors, tile) = (vectors.as_mut_ptr().cast::<S::V>(), sums.as_mut_ptr().cast::<T>());
    let mut i = 0;
    while i < rows {
        let height = next_rows(rows - i, most_rows::<T, S>());
        let mut j = 0;
        while j < cols {
            let width = next_rows(cols - j, MOST_COLS);
            let (a, b) = (Matrix { data: a.at(i, 0), ..a }, Matrix { data: b.at(0, j), ..b });
            let to = vectors.wrapping_add(i * cols + j).cast();
            let args = Dots { k, a, b, to, stride: cols };
            // SAFETY: the caller vouches for the operands; the tile lies in the buffer.
            unsafe { dots(simd, height, width, args) };
            j += width;
        }
        i += height;
    }
    // SAFETY: the tiles have written rows × cols vectors, of which the buffers hold as many.
    unsafe { simd.sums_ptr(vectors, rows * cols, tile) };
    simd.call(match place {
        Some((row, col)) => WriteTile { tile, stride: cols, rows, cols, row, col, output },
        None => WriteTile { tile, stride: 0, rows: 1, cols: rows * cols, row: 0, col: 0, output },
    });
}

/// A tile of dot products: rows from `a` on by columns from `b` on. Of each, a vector is written that
/// has yet to be summed; a row's begin `stride` vectors after those of the row before.
#[derive(Clone, Copy)]
struct Dots<T> {
    k: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    to: *mut T,
    stride: usize,
}

/// # Safety
/// The operands have `rows` rows and `cols` columns of k adjacent elements each, and `to` has room
/// for the tile.
#[inline(always)]
unsafe fn dots<T: Float, S: Simd<T>>(simd: S, rows: usize, cols: usize, args: Dots<T>) {
    macro_rules! call {
        ($(($rows:literal, $cols:literal))*) => {
            match (rows, cols) {
                $(($rows, $cols) if const { $rows <= most_rows::<T, S>() } => {
                    simd.call(DotKernel::<T, $rows, $cols>(args))
                })*
                _ => unreachable!("there is no tile of {rows} × {cols} dot products"),
            }
        };
    }
    call!((1, 1)(1, 2)(1, 3)(1, 4)(2, 1)(2, 2)(2, 3)(2, 4)(3, 1)(3, 2)(3, 3)(3, 4)(4, 1)(4, 2)(
        4, 3
    )(4, 4)(5, 1)(5, 2)(5, 3)(5, 4)(6, 1)(6, 2)(6, 3)(6, 4))
}

struct DotKernel<T, const ROWS: usize, const COLS: usize>(Dots<T>);

impl<T: Float, const ROWS: usize, const COLS: usize> Kernel<T> for DotKernel<T, ROWS, COLS> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
    fn run<S: Simd<T>>(self, simd: S) {
        let Dots { k, a, b, to, stride } = self.0;
        let whole = k / S::LANES * S::LANES;
        let group = groups::in_order(k / S::LANES, least_group::<T>()) * S::LANES;
        let mut start = 0;
        // SAFETY: `dots` is the only one to make this, and its caller vouches for ROWS rows, COLS
        // columns and the tile, which is read after it was written.
        unsafe {
            loop {
                let end = whole.min(start + group);
                let mut acc = [[simd.splat(T::ZERO); COLS]; ROWS];
                for p in (start..end).step_by(S::LANES) {
                    // The shorter side is kept in registers, and the other loaded one by one: 3 × 4 sums, 3 and 1 are 16.
                    if ROWS < COLS {
                        let mut x = [simd.splat(T::ZERO); ROWS];
                        for i in 0..ROWS {
                            x[i] = simd.load_ptr(a.at(i, p));
                        }
                        for j in 0..COLS {
                            let y = simd.load_ptr(b.at(p, j));
                            for i in 0..ROWS {
                                acc[i][j] = simd.mul_add(x[i], y, acc[i][j]);
                            }
                        }
                    } else {
                        let mut y = [simd.splat(T::ZERO); COLS];
                        for j in 0..COLS {
                            y[j] = simd.load_ptr(b.at(p, j));
                        }
                        for i in 0..ROWS {
                            let x = simd.load_ptr(a.at(i, p));
                            for j in 0..COLS {
                                acc[i][j] = simd.mul_add(x, y[j], acc[i][j]);
                            }
                        }
                    }
                }
                if end == whole && whole < k {
                    for i in 0..ROWS {
                        let x = simd.load_first_ptr(a.at(i, whole), k - whole);
                        for j in 0..COLS {
                            let y = simd.load_first_ptr(b.at(whole, j), k - whole);
                            acc[i][j] = simd.mul_add(x, y, acc[i][j]);
                        }
                    }
                }
                for i in 0..ROWS {
                    for j in 0..COLS {
                        let to = to.add((i * stride + j) * S::LANES);
                        if start > 0 {
                            acc[i][j] = simd.add(simd.load_ptr(to), acc[i][j]);
                        }
                        simd.store_ptr(acc[i][j], to);
                    }
                }
                if end == whole {
                    break;
                }
                start = end;
            }
        }
    }
}
