//! The microkernel: a tile of C, held in registers while k runs, and a [run](super::run) of such tiles.
//!
//! # Its contract
//! - The tile has a [`Shape`] that [`Shape::exists`]. Its elements are added up as [`sums`] says, in an
//!   order that depends on k alone: not on the tile's shape, nor on where tiles are cut.
//! - A: packed, element (i, p) is at `a + i + p · a_stride` (a transposed operand looks the same
//!   where it lies); in rows, at `a + i · a_stride + p`.
//! - B: row p is `vectors` whole vectors at `b + p · b_stride`. That is a packed panel, or a
//!   row-major operand where it lies. Columns past C's edge must be there to read (packing pads
//!   with 0).
//! - A tile that keeps B writes it to `keep` as it is read, as a packed panel for the tiles below.
//! - A tile that copies has `copy.rows` rows of `vectors` vectors to read, and as many to write.
//! - `cols` of the tile's columns lie in C.
//! - All this holds for each tile of a run, moved by the run's distances.
//! - No pointer need be aligned.

use super::output::{Output, WriteTile};
use super::params::LEAST_ROWS_FROM_AFAR;
use super::run::{Run, Tile};
use super::sums;
use super::tile::{LOW_VECTORS, TALL_VECTORS, TileSize, wide_vectors};
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// What differs between the functions that the microkernel is compiled to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) vectors: usize,
    pub(super) a: Lies,
    pub(super) side: Side,
}

/// How A lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lies {
    /// Step of k by step of k, packed or transposed.
    InSteps,
    /// Row by row.
    InRows,
}

/// What a tile does on the side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Nothing,
    /// It fetches what it, or the next tile, will need.
    Fetches,
    /// It fetches, and B, which it reads where it lies, from beyond the second-level cache.
    FetchesFromAfar,
    /// It fetches, and packs B, which it reads where it lies.
    KeepsB,
    /// It fetches, and copies rows of the next block of B.
    Copies,
}

impl Shape {
    /// Whether tiles of the shape may fetch from afar: those of few rows, and of one vector, never do.
    const fn can_fetch_from_afar(self) -> bool {
        let most = if matches!(self.a, Lies::InRows) { TALL_VECTORS } else { LOW_VECTORS };
        self.rows >= LEAST_ROWS_FROM_AFAR && self.vectors >= TALL_VECTORS && self.vectors <= most
    }

    /// Whether there is such a function. Tiles of 8 vectors are for products of few rows; tiles that
    /// keep B or copy are whole tall or half ones.
    pub(super) const fn exists<T: Float, S: Simd<T>>(self) -> bool {
        let most = TileSize::Tall.rows::<T, S>();
        if matches!(self.side, Side::KeepsB | Side::Copies) {
            let half = TileSize::Half.rows::<T, S>();
            self.vectors == TALL_VECTORS && (self.rows == most || self.rows == half)
        } else if matches!(self.side, Side::FetchesFromAfar) && !self.can_fetch_from_afar() {
            false
        } else if self.vectors <= TALL_VECTORS {
            self.rows <= most
        } else if self.vectors <= LOW_VECTORS {
            self.rows <= TileSize::Low.rows::<T, S>()
        } else {
            matches!(self.a, Lies::InSteps) && self.vectors == wide_vectors::<T, S>(self.rows)
        }
    }
}

/// Computes a run of tiles of one shape, of which it is given the first.
///
/// # Safety
/// The contract above holds, and the tiles' elements lie in C, biases and mask, accessed by nobody
/// else.
#[inline(always)]
pub(super) unsafe fn run<T: Float, S: Simd<T>>(
    simd: S,
    shape: Shape,
    first: &Tile<'_, T>,
    run: &Run,
) {
    macro_rules! call {
        ($a:ident, $side:ident, $vectors:literal, $($rows:literal)*) => {
            match shape.rows {
                $($rows if const {
                    let (a, side) = (Lies::$a, Side::$side);
                    Shape { rows: $rows, vectors: $vectors, a, side }.exists::<T, S>()
                } => simd.call(
                    RunKernel::<T, $rows, $vectors, { Lies::$a as u8 }, { Side::$side as u8 }>(first, run)
                ),)*
                _ => unreachable!("there is no tile of {shape:?}"),
            }
        };
    }
    match (shape.a, shape.side, shape.vectors) {
        (Lies::InSteps, Side::KeepsB, 2) => call!(InSteps, KeepsB, 2, 6 7 14),
        (Lies::InRows, Side::KeepsB, 2) => call!(InRows, KeepsB, 2, 6 7 14),
        (Lies::InSteps, Side::Fetches, 2) => {
            call!(InSteps, Fetches, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InSteps, Side::Fetches, 1) => {
            call!(InSteps, Fetches, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InSteps, Side::Fetches, 4) => call!(InSteps, Fetches, 4, 1 2 3 4 5 6),
        (Lies::InSteps, Side::Fetches, 8) => call!(InSteps, Fetches, 8, 1 2),
        (Lies::InSteps, Side::FetchesFromAfar, 2) => {
            call!(InSteps, FetchesFromAfar, 2, 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InSteps, Side::FetchesFromAfar, 4) => call!(InSteps, FetchesFromAfar, 4, 4 5 6),
        (Lies::InRows, Side::FetchesFromAfar, 2) => {
            call!(InRows, FetchesFromAfar, 2, 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InRows, Side::Fetches, 2) => {
            call!(InRows, Fetches, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InRows, Side::Fetches, 1) => {
            call!(InRows, Fetches, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
        (Lies::InRows, Side::Fetches, 4) => call!(InRows, Fetches, 4, 1 2 3 4 5 6),
        (Lies::InSteps, Side::Copies, 2) => call!(InSteps, Copies, 2, 6 7 14),
        (Lies::InRows, Side::Copies, 2) => call!(InRows, Copies, 2, 6 7 14),
        _ => unreachable!("there is no tile of {shape:?}"),
    }
}

/// `LIES` is a [`Lies`] and `SIDE` a [`Side`], which cannot be parameters themselves.
struct RunKernel<'a, T, const ROWS: usize, const VECTORS: usize, const LIES: u8, const SIDE: u8>(
    &'a Tile<'a, T>,
    &'a Run,
);

impl<T: Float, const ROWS: usize, const VECTORS: usize, const LIES: u8, const SIDE: u8> Kernel<T>
    for RunKernel<'_, T, ROWS, VECTORS, LIES, SIDE>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let RunKernel(first, run) = self;
        for index in 0..run.tiles {
            let tile = first.after(run, index);
            // SAFETY: `run` is the only one to make this, and its caller vouches for the contract.
            unsafe {
                let acc = sums::of_tile::<T, S, ROWS, VECTORS, LIES, SIDE>(simd, &tile);
                finish(simd, &tile, acc);
            }
        }
    }
}

/// What becomes of a tile's sums on their way to C.
///
/// # Safety
/// As [`run`].
#[inline(always)]
pub(super) unsafe fn finish<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    acc: [[S::V; VECTORS]; ROWS],
) {
    // SAFETY: the caller vouches for the tile.
    unsafe {
        if tile.output.is_direct() {
            write_in_registers(simd, tile, acc);
        } else {
            write_from_memory(simd, tile, acc);
        }
    }
}

/// Finishes a tile without leaving the registers.
///
/// # Safety
/// As [`run`]; the tile's rows are vectors of C's rows and, if there is one, the mask's: whole ones but for
/// the last.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
unsafe fn write_in_registers<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    acc: [[S::V; VECTORS]; ROWS],
) {
    let Output { biases, relu, mask, row_stride, .. } = *tile.output;
    let zero = simd.splat(T::ZERO);
    let c = tile.output.at(tile.row, tile.col);
    let len = tile.cols - (VECTORS - 1) * S::LANES;
    let is_whole = |j: usize| j + 1 < VECTORS || (VECTORS > 1 && len == S::LANES);
    let load = |from: *const T, j: usize| {
        let from = from.wrapping_add(j * S::LANES);
        // SAFETY: below, `from` is where a vector of C, biases or mask begins, or its `len` elements.
        unsafe { if is_whole(j) { simd.load_ptr(from) } else { simd.load_first_ptr(from, len) } }
    };
    // SAFETY: the caller vouches for the tile's elements in C, biases and mask.
    unsafe {
        let mut base = [zero; VECTORS];
        if let Some(biases) = biases {
            for j in 0..VECTORS {
                base[j] = load(biases.add(tile.col), j);
            }
        }
        let mut acc = scale(simd, tile.output, acc, base, |i, j| load(c.add(i * row_stride), j));
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
                    let x = load(mask.at(tile.row + i, tile.col), j);
                    acc[i][j] = simd.where_positive(x, acc[i][j]);
                }
            }
        }
        if is_whole(VECTORS - 1) {
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    simd.store_ptr(acc[i][j], c.add(i * row_stride + j * S::LANES));
                }
            }
        } else {
            for i in 0..ROWS {
                let row = c.add(i * row_stride);
                for j in 0..VECTORS - 1 {
                    simd.store_ptr(acc[i][j], row.add(j * S::LANES));
                }
                simd.store_first_ptr(acc[i][VECTORS - 1], row.add((VECTORS - 1) * S::LANES), len);
            }
        }
    }
}

/// α times the sums, plus `base` and, unless β is 0, β times the `old` elements of C.
///
/// By 1 nothing is multiplied: an addition has the same result, and some processors add beside their multipliers.
#[inline(always)]
fn scale<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    &Output { alpha, beta, .. }: &Output<T>,
    mut acc: [[S::V; VECTORS]; ROWS],
    base: [S::V; VECTORS],
    old: impl Fn(usize, usize) -> S::V,
) -> [[S::V; VECTORS]; ROWS] {
    // A loop for each case, so that no element asks which one it is.
    macro_rules! each {
        ($i:ident, $j:ident => $value:expr) => {
            for $i in 0..ROWS {
                for $j in 0..VECTORS {
                    acc[$i][$j] = $value;
                }
            }
        };
    }
    let (by_alpha, by_beta) = (simd.splat(alpha), simd.splat(beta));
    match (alpha == T::ONE, beta == T::ONE, beta == T::ZERO) {
        (true, _, true) => each!(i, j => simd.add(acc[i][j], base[j])),
        (false, _, true) => each!(i, j => simd.mul_add(by_alpha, acc[i][j], base[j])),
        (true, true, _) => each!(i, j => simd.add(acc[i][j], simd.add(old(i, j), base[j]))),
        (false, true, _) => {
            each!(i, j => simd.mul_add(by_alpha, acc[i][j], simd.add(old(i, j), base[j])));
        }
        _ => each!(i, j => {
            simd.mul_add(by_alpha, acc[i][j], simd.mul_add(by_beta, old(i, j), base[j]))
        }),
    }
    acc
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::run::{Fetch, RowCopy};
    use super::*;
    use crate::arch::Token;
    use crate::isa::Isa;

    /// Calls every function there is for a run, of one tile without a step, whose last vector
    /// is a column short.
    struct EveryShape;

    impl<T: Float> Kernel<T> for EveryShape {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> usize {
            let mut count = 0;
            for rows in 1..=TileSize::Tall.rows::<T, S>() {
                for vectors in [1, TALL_VECTORS, LOW_VECTORS, 8] {
                    for a in [Lies::InSteps, Lies::InRows] {
                        for side in
                            [Side::Fetches, Side::FetchesFromAfar, Side::KeepsB, Side::Copies]
                        {
                            let shape = Shape { rows, vectors, a, side };
                            if shape.exists::<T, S>() {
                                // SAFETY: it is the tile that `check` makes.
                                check(simd, shape, |tile| unsafe {
                                    super::run(simd, shape, tile, &Run::one())
                                });
                                count += 1;
                            }
                        }
                    }
                }
            }
            count
        }
    }

    /// Checks that `run` computes a tile of zeros, of the shape but for its last column, from operands without
    /// steps, of which nothing may be read. All rows of C are the same one.
    #[inline(always)]
    pub(in crate::gemm) fn check<T: Float, S: Simd<T>>(
        _simd: S,
        shape: Shape,
        run: impl FnOnce(&Tile<'_, T>),
    ) {
        let mut c = [T::ONE; 128];
        let output = Output {
            alpha: T::ONE,
            beta: T::ZERO,
            c: c.as_mut_ptr(),
            row_stride: 0,
            col_stride: 1,
            shared: false,
            transposed: false,
            biases: None,
            relu: false,
            mask: None,
        };
        let cols = shape.vectors * S::LANES - 1;
        let tile = Tile {
            k: 0,
            a: std::ptr::dangling(),
            a_stride: 0,
            b: std::ptr::dangling(),
            b_stride: 0,
            b_ahead: 0,
            steps_from_afar: 0,
            keep: std::ptr::null_mut(),
            fetch: Fetch::NONE,
            copy: RowCopy::NONE,
            row: 0,
            col: 0,
            cols,
            output: &output,
        };
        run(&tile);
        assert!(c[..cols].iter().all(|&x| x == T::ZERO) && c[cols..].iter().all(|&x| x == T::ONE));
    }

    #[test]
    fn every_shape_that_exists_has_a_function() {
        for token in [Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new) {
            assert!(token.run::<f32, _>(EveryShape) > 40);
            assert!(token.run::<f64, _>(EveryShape) > 40);
        }
    }
}
