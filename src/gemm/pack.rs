//! Packing: operands copied into the order in which the microkernel reads them.
//!
//! A block of A becomes panels of a tile's rows, each stored step of k by step of k; a block of B
//! becomes panels of a tile's columns, padded with 0 to whole vectors. What lies along the other
//! direction is transposed in registers, a block of vectors at a time.

use super::output::Matrix;
use super::tile::TileSize;
use crate::arch::{Kernel, Simd, prefetch};
use crate::float::Float;

/// Elements that packing `m` × `k` of A takes. Vectors are stored whole, over elements that are
/// packed after them, so the last one reaches beyond the block.
pub(super) const fn packed_a_len<T: Float, S: Simd<T>>(m: usize, k: usize) -> usize {
    m * k + S::LANES
}

/// Packs a block of A into panels of a tile's rows each.
pub(super) struct PackA<T> {
    a: Matrix<T>,
    m: usize,
    k: usize,
    tile: TileSize,
    to: *mut T,
}

impl<T> PackA<T> {
    /// # Safety
    /// `a` is valid for reads of `m` × `k` elements, `to` for writes of [`packed_a_len`] elements.
    pub(super) unsafe fn new(
        a: Matrix<T>,
        (m, k): (usize, usize),
        tile: TileSize,
        to: *mut T,
    ) -> Self {
        PackA { a, m, k, tile, to }
    }
}

impl<T: Float> Kernel<T> for PackA<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let PackA { a, m, k, tile, to } = self;
        // SAFETY: who made this vouches for A's block and for the panels.
        unsafe {
            // Of each size by itself, so that a panel's rows are a constant.
            match tile {
                TileSize::Tall => pack_a(simd, a, (m, k), TileSize::Tall, to),
                TileSize::Half => pack_a(simd, a, (m, k), TileSize::Half, to),
                TileSize::Low => pack_a(simd, a, (m, k), TileSize::Low, to),
            }
        }
    }
}

/// # Safety
/// As [`PackA::new`].
#[inline(always)]
unsafe fn pack_a<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    (m, k): (usize, usize),
    tile: TileSize,
    to: *mut T,
) {
    let in_columns = a.row_stride == 1 && a.col_stride != 1;
    let mut row = 0;
    while row < m {
        let first = row;
        // SAFETY: the caller vouches for A's block and for the panels.
        unsafe {
            if in_columns {
                for _ in 0..PANELS_AT_ONCE {
                    row += tile.next_rows::<T, S>(m - row);
                }
                pack_columns(simd, a, (first, row), (m, k), tile, to);
            } else {
                row += tile.next_rows::<T, S>(m - row);
                let panel = Matrix { data: a.at(first, 0), ..a };
                pack_rows(simd, panel, row - first, k, to.add(first * k));
            }
        }
    }
}

/// How many of A's panels are packed together where its columns are contiguous: a column is read in
/// pieces of some cache lines, each of which may lie in a page of its own.
const PANELS_AT_ONCE: usize = 8;

/// How many of those columns ahead to fetch.
const COLUMNS_AHEAD: usize = 8;

/// Packs rows `first` to `end` of `m` × `k`, of an A whose columns are contiguous.
///
/// # Safety
/// As [`PackA::new`]; panels begin at both rows, or end with the last.
#[inline(always)]
unsafe fn pack_columns<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    (first, end): (usize, usize),
    (m, k): (usize, usize),
    tile: TileSize,
    to: *mut T,
) {
    for p in 0..k {
        for row in (first..end).step_by(64 / size_of::<T>()) {
            prefetch::to_l1(a.at(row, p + COLUMNS_AHEAD));
        }
        let mut row = first;
        while row < end {
            let rows = tile.next_rows::<T, S>(m - row);
            for i in (0..rows).step_by(S::LANES) {
                let len = S::LANES.min(rows - i);
                let room = (k - p) * rows - i;
                // SAFETY: the caller vouches for the elements. A vector reaches over elements of
                // its panel that are written later; the last ones are cut.
                unsafe {
                    let x = simd.load_first_ptr(a.at(row + i, p), len);
                    let to = to.add(row * k + p * rows + i);
                    match room < S::LANES {
                        true => simd.store_first_ptr(x, to, len),
                        false => simd.store_ptr(x, to),
                    }
                }
            }
            row += rows;
        }
    }
}

/// Packs a panel of `rows` rows of A.
///
/// # Safety
/// `a` is valid for reads of `rows` × `k` elements, `to` for writes of as many and a vector.
#[inline(always)]
unsafe fn pack_rows<T: Float, S: Simd<T>>(
    simd: S,
    a: Matrix<T>,
    rows: usize,
    k: usize,
    to: *mut T,
) {
    // The vectors of a panel's last rows reach over the first rows of the next step, which are
    // therefore written later.
    for i in (0..rows).step_by(S::LANES).rev() {
        let lanes = S::LANES.min(rows - i);
        // SAFETY: the caller vouches for the elements and for a vector at each step.
        unsafe {
            if a.col_stride == 1 {
                for p in (0..k).step_by(S::LANES) {
                    let (steps, to) = (S::LANES.min(k - p), to.add(p * rows + i));
                    simd.transpose_ptr(a.at(i, p), a.row_stride, lanes, steps, to, rows);
                }
            } else {
                for p in 0..k {
                    for lane in i..i + lanes {
                        to.add(p * rows + lane).write(*a.at(lane, p));
                    }
                }
            }
        }
    }
}

/// Packs some steps of k of a block of B's columns into panels of a tile's columns each.
pub(super) struct PackB<T> {
    b: Matrix<T>,
    steps: usize,
    cols: usize,
    tile: TileSize,
    to: *mut T,
    first_step: usize,
    k: usize,
}

impl<T> PackB<T> {
    /// `b` begins at the first of `steps` steps of k, which is the panels' `first_step` of `k`. The
    /// panels begin at `to`.
    ///
    /// # Safety
    /// `b` is valid for reads of `steps` × `cols` elements, `to` for writes of the steps of the
    /// panels.
    pub(super) unsafe fn new(
        b: Matrix<T>,
        (first_step, steps, k): (usize, usize, usize),
        cols: usize,
        tile: TileSize,
        to: *mut T,
    ) -> Self {
        PackB { b, steps, cols, tile, to, first_step, k }
    }
}

impl<T: Float> Kernel<T> for PackB<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        // SAFETY: who made this vouches for the steps of B and of the panels.
        unsafe {
            // Of each size by itself, so that a panel's columns are a constant.
            match self.tile {
                TileSize::Tall | TileSize::Half => pack_b(simd, self, TileSize::Tall),
                TileSize::Low => pack_b(simd, self, TileSize::Low),
            }
        }
    }
}

/// # Safety
/// As [`PackB::new`].
#[inline(always)]
unsafe fn pack_b<T: Float, S: Simd<T>>(simd: S, what: PackB<T>, tile: TileSize) {
    let PackB { b, steps, cols, first_step, k, mut to, .. } = what;
    for col in (0..cols).step_by(tile.cols::<T, S>()) {
        let panel_cols = tile.cols::<T, S>().min(cols - col);
        let width = panel_cols.next_multiple_of(S::LANES);
        let panel = Matrix { data: b.at(0, col), ..b };
        // SAFETY: the caller vouches for the steps of B and of the panels.
        unsafe { pack_panel(simd, panel, steps, (panel_cols, width), to.add(first_step * width)) };
        to = to.wrapping_add(tile.cols::<T, S>() * k);
    }
}

/// Packs `k` × `cols` elements of B as a panel of `width` columns, a multiple of `LANES`.
///
/// # Safety
/// `b` is valid for reads of the elements, `to` for writes of `k` × `width`.
#[inline(always)]
unsafe fn pack_panel<T: Float, S: Simd<T>>(
    simd: S,
    b: Matrix<T>,
    k: usize,
    (cols, width): (usize, usize),
    to: *mut T,
) {
    // SAFETY: the caller vouches for the elements of B and for the panel.
    unsafe {
        if b.row_stride == 1 {
            for j in (0..width).step_by(S::LANES) {
                let lanes = S::LANES.min(cols - j);
                for p in (0..k).step_by(S::LANES) {
                    let to = to.add(p * width + j);
                    let steps = S::LANES.min(k - p);
                    simd.transpose_ptr(b.at(p, j), b.col_stride, lanes, steps, to, width);
                }
            }
        } else if b.col_stride == 1 {
            for p in 0..k {
                for j in (0..width).step_by(S::LANES) {
                    let x = match j + S::LANES <= cols {
                        true => simd.load_ptr(b.at(p, j)),
                        false => simd.load_first_ptr(b.at(p, j), cols - j),
                    };
                    simd.store_ptr(x, to.add(p * width + j));
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Token;
    use crate::isa;

    struct Packed {
        a: Matrix<f32>,
        m: usize,
        k: usize,
        tile: TileSize,
    }

    impl Kernel<f32> for Packed {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd<f32>>(self, simd: S) -> Vec<f32> {
            let Packed { a, m, k, tile } = self;
            let mut packed = vec![f32::NAN; packed_a_len::<f32, S>(m, k)];
            // SAFETY: the tests below vouch for `a`; the buffer has room.
            simd.call(unsafe { PackA::new(a, (m, k), tile, packed.as_mut_ptr()) });
            packed.truncate(m * k);
            packed
        }
    }

    #[test]
    fn a_is_packed_alike_however_it_lies() {
        let k = 5;
        for m in 1..=250 {
            let rows: Vec<f32> = (0..m * k).map(|i| i as f32).collect();
            let by_columns = |i: usize| rows[i % m * k + i / m];
            let columns: Vec<f32> = (0..m * k).map(by_columns).collect();
            let scattered: Vec<f32> = (0..2 * m * k).map(|i| rows[i / 2]).collect();
            let in_rows = Matrix { data: rows.as_ptr(), row_stride: k, col_stride: 1 };
            let in_columns = Matrix { data: columns.as_ptr(), row_stride: 1, col_stride: m };
            let apart = Matrix { data: scattered.as_ptr(), row_stride: 2 * k, col_stride: 2 };
            for token in isa::available().filter_map(Token::new) {
                for tile in [TileSize::Tall, TileSize::Half, TileSize::Low] {
                    let pack = |a| token.run(Packed { a, m, k, tile });
                    let want = pack(apart);
                    assert!(want.iter().all(|x| !x.is_nan()), "all {m} rows are packed");
                    assert_eq!(pack(in_rows), want, "{m} rows in rows");
                    assert_eq!(pack(in_columns), want, "{m} rows in columns");
                }
            }
        }
    }
}
