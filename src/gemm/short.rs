//! Products with a short k.
//!
//! Their tiles are done so soon that having them see to what is needed next would take longer than adding them up. So
//! they see to nothing, and those of one shape are computed in one call, a row of C's tiles after the other.

use super::columns::{Columns, Panel};
use super::driver::Rows;
use super::microkernel::{Lies, Shape, Side, finish};
use super::output::Output;
use super::run::{Fetch, RowCopy, Tile};
use super::sums;
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// Multiplies rows of A by a block of columns, as `driver` does with long ones.
///
/// # Safety
/// As [`microkernel::run`](super::microkernel::run), for all tiles.
#[inline(always)]
pub(super) unsafe fn multiply<T: Float, S: Simd<T>>(
    simd: S,
    a: Rows<T>,
    rows: usize,
    columns: Columns<T>,
    place: (usize, usize),
    output: &Output<T>,
) {
    if columns.is_unpacked() {
        // SAFETY: the caller vouches for the columns and their buffer.
        unsafe { columns.pack(simd, (0..columns.k, 0..columns.cols)) };
    }
    let size = columns.tile;
    let full = size.full::<T, S>(rows);
    let mut i = 0;
    while i < rows {
        let height = size.next_rows::<T, S>(rows - i);
        let down = if i == 0 { full.max(1) } else { 1 };
        let mut j = 0;
        while j < columns.cols {
            let panel = columns.panel::<S>(j);
            let across = if j == 0 { columns.whole_panels.max(1) } else { 1 };
            let grid = Grid {
                down,
                across,
                a_distance: height * a.row_distance,
                b_distance: columns.panel_distance(),
            };
            let Panel { data: b, stride: b_stride, cols, vectors } = panel;
            let tile = Tile {
                k: columns.k,
                a: a.data.wrapping_add(i * a.row_distance),
                a_stride: a.stride.unwrap_or(height),
                b,
                b_stride,
                b_ahead: 0,
                steps_from_afar: 0,
                keep: std::ptr::null_mut(),
                fetch: Fetch::NONE,
                copy: RowCopy::NONE,
                row: place.0 + i,
                col: place.1 + j,
                cols,
                output,
            };
            let shape = Shape { rows: height, vectors, a: a.lies, side: Side::Nothing };
            // SAFETY: the caller vouches for the tiles.
            unsafe { run(simd, shape, &tile, grid) };
            j += across * cols;
        }
        i += down * height;
    }
}

/// Tiles of one shape below and beside each other.
#[derive(Clone, Copy)]
struct Grid {
    down: usize,
    across: usize,
    /// From one tile's A to that of the tile below it.
    a_distance: usize,
    /// From one tile's B to that of the tile beside it.
    b_distance: usize,
}

/// Computes a grid of tiles, of which `tile` is the first.
///
/// # Safety
/// As [`microkernel::run`](super::microkernel::run), for all of them.
#[inline(always)]
unsafe fn run<T: Float, S: Simd<T>>(simd: S, shape: Shape, tile: &Tile<'_, T>, grid: Grid) {
    macro_rules! call {
        ($a:ident, $vectors:literal, $($rows:literal)*) => {
            match shape.rows {
                $($rows if const {
                    let (a, rows) = (Lies::$a, $rows);
                    Shape { rows, vectors: $vectors, a, side: Side::Nothing }.exists::<T, S>()
                } => simd.call(GridKernel::<T, $rows, $vectors, { Lies::$a as u8 }>(tile, grid)),)*
                _ => unreachable!("there is no tile of {shape:?}"),
            }
        };
    }
    match (shape.a, shape.vectors) {
        (Lies::InSteps, 1) => call!(InSteps, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InSteps, 2) => call!(InSteps, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InSteps, 3) => call!(InSteps, 3, 1 2 3 4 5 6),
        (Lies::InSteps, 4) => call!(InSteps, 4, 1 2 3 4 5 6),
        (Lies::InSteps, 8) => call!(InSteps, 8, 1 2),
        (Lies::InRows, 1) => call!(InRows, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InRows, 2) => call!(InRows, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (Lies::InRows, 3) => call!(InRows, 3, 1 2 3 4 5 6),
        (Lies::InRows, 4) => call!(InRows, 4, 1 2 3 4 5 6),
        _ => unreachable!("there is no tile of {shape:?}"),
    }
}

/// `LIES` is a [`Lies`], which cannot be a parameter itself.
struct GridKernel<'a, T, const ROWS: usize, const VECTORS: usize, const LIES: u8>(
    &'a Tile<'a, T>,
    Grid,
);

impl<T: Float, const ROWS: usize, const VECTORS: usize, const LIES: u8> Kernel<T>
    for GridKernel<'_, T, ROWS, VECTORS, LIES>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let GridKernel(first, grid) = self;
        for i in 0..grid.down {
            for j in 0..grid.across {
                let tile = Tile {
                    a: first.a.wrapping_add(i * grid.a_distance),
                    b: first.b.wrapping_add(j * grid.b_distance),
                    row: first.row + i * ROWS,
                    col: first.col + j * VECTORS * S::LANES,
                    ..*first
                };
                // SAFETY: `run` is the only one to make this, and its caller vouches for each tile.
                unsafe {
                    let acc = sums::of_short_tile::<T, S, ROWS, VECTORS, LIES>(simd, &tile);
                    finish(simd, &tile, acc);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::microkernel::tests::check;
    use super::super::tile::{LOW_VECTORS, TileSize};
    use super::*;
    use crate::arch::Token;
    use crate::isa::Isa;

    /// Calls every function there is for a grid of tiles, with one tile.
    struct EveryShape;

    impl<T: Float> Kernel<T> for EveryShape {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> usize {
            let grid = Grid { down: 1, across: 1, a_distance: 0, b_distance: 0 };
            let mut count = 0;
            for rows in 1..=TileSize::Tall.rows::<T, S>() {
                for vectors in (1..=LOW_VECTORS).chain([8]) {
                    for a in [Lies::InSteps, Lies::InRows] {
                        let shape = Shape { rows, vectors, a, side: Side::Nothing };
                        if shape.exists::<T, S>() {
                            // SAFETY: it is the tile that `check` makes, and no other.
                            check(simd, shape, |tile| unsafe {
                                super::run(simd, shape, tile, grid)
                            });
                            count += 1;
                        }
                    }
                }
            }
            count
        }
    }

    #[test]
    fn every_shape_that_exists_has_a_function() {
        for token in [Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new) {
            assert!(token.run::<f32, _>(EveryShape) > 40);
            assert!(token.run::<f64, _>(EveryShape) > 40);
        }
    }
}
