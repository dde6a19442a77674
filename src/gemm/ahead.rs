//! Packing, or fetching, the next block of B's columns while the tiles of this one are multiplied.
//!
//! Where B's rows are contiguous and both blocks have the same whole panels, tiles copy the rows, one
//! every few steps, and ask for those that the next tile copies. Otherwise a tile asks for the cache
//! lines of a small part of the block, and when it is done, the part, which has arrived in L2, is
//! packed. Of a block that is not packed meanwhile, being a single panel or read in place, tiles only ask for
//! the lines, if B is so large that these may be far.

use super::columns::Columns;
use super::run::{Distance, Fetch, RowCopy};
use super::sums;
use super::tile::TileSize;
use crate::arch::Simd;
use crate::float::Float;
use std::ops::Range;

/// The least tiles that copy a block: each copies no more rows than it has time for.
const LEAST_TILES: usize = 8;

/// What is done for the next block.
pub(super) struct Ahead<T> {
    next: Columns<T>,
    how: How,
    /// The first tile that helps, and how many do.
    first: usize,
    tiles: usize,
    /// Panels of a tile's rows.
    panels: usize,
    /// Steps of k for each tile.
    share: usize,
    /// How many tiles have as many.
    whole_shares: usize,
    /// Whether parts are packed, not only fetched.
    packs: bool,
    /// Rows of cache lines that a tile asks for at a time.
    at_once: usize,
}

enum How {
    /// Nothing.
    Not,
    /// By tiles that copy its rows.
    Copied,
    /// In parts: some steps of all columns.
    InRows,
    /// In parts: some steps of a panel's columns.
    InPanels,
}

/// What a tile does for the next block.
pub(super) struct Errand<T> {
    pub(super) fetch: Fetch<T>,
    pub(super) copy: Option<RowCopy<T>>,
    /// Steps of k and columns, to be packed when the tile is done.
    pub(super) pack: Option<(Range<usize>, Range<usize>)>,
    /// The tiles beside this one, or below it where there is only one panel, that do the same.
    pub(super) alike: Alike,
}

/// Tiles with the same errand but for where it lies. (The lines of a row are those of the first tile's.)
pub(super) struct Alike {
    /// This one and those that follow.
    pub(super) tiles: usize,
    pub(super) distance: Distance,
}

/// Tiles that need not be counted.
const ANY_NUMBER: usize = usize::MAX;

impl<T: Float> Ahead<T> {
    /// What is to be done for the block `next` while `rows` rows are multiplied by `columns`.
    #[inline(always)]
    pub(super) fn new<S: Simd<T>>(columns: &Columns<T>, next: Columns<T>, rows: usize) -> Self {
        let (tile, panels) = (columns.tile, columns.panels());
        // Tiles that keep the panels of this block do not copy.
        let first = usize::from(columns.is_unpacked());
        let full = tile.full::<T, S>(rows).saturating_sub(first);
        let is_whole = next.cols == panels * tile.cols::<T, S>() && columns.cols == next.cols;
        let rows_lie = next.b.col_stride == 1;
        let (packs, count) = (next.is_ahead(), tile.count::<T, S>(rows));
        let (how, (first, tiles), grain) = if !packs && !next.is_fetched(count) {
            (How::Not, (0, 1), 1)
        } else if rows_lie && packs && is_whole && tile != TileSize::Low && full >= LEAST_TILES {
            (How::Copied, (first, full), 1)
        } else if rows_lie {
            (How::InRows, (0, count * panels), 1)
        } else {
            (How::InPanels, (0, count), S::LANES)
        };
        let share = next.k.div_ceil(tiles).next_multiple_of(grain);
        // Whoever only fetches takes all of a tile's time for it.
        let times = (columns.k / const { sums::chunk::<T>() }).max(1);
        let at_once = match how {
            How::InRows if packs => 8,
            How::InRows => share.div_ceil(times),
            How::InPanels if !packs => next.panel_cols.div_ceil(times),
            How::InPanels => 2,
            How::Copied | How::Not => 1,
        };
        let whole_shares = next.k.checked_div(share).unwrap_or(0);
        Ahead { next, how, first, tiles, panels, share, whole_shares, packs, at_once }
    }

    /// What the `tile`th tile of rows does while it is multiplied by the `panel`th panel.
    #[inline(always)]
    pub(super) fn errand(&self, tile: usize, panel: usize) -> Errand<T> {
        let alike = Alike { tiles: 1, distance: Distance::NONE };
        let mut errand = Errand { fetch: Fetch::NONE, copy: None, pack: None, alike };
        match self.how {
            How::Not => errand.alike.tiles = ANY_NUMBER,
            How::Copied => {
                errand.copy = self.copy(tile, panel);
                let left = self.panels - panel - 1;
                let (tile, panel) = if left > 0 { (tile, panel + 1) } else { (tile + 1, 0) };
                let cols = self.next.panel_cols;
                if let Some(RowCopy { from, stride, rows, .. }) = self.copy(tile, panel) {
                    errand.fetch = fetch((from, rows, stride), cols, self.at_once);
                }
                let to = self.next.panel_distance();
                let distance = Distance { fetch: cols, from: cols, to };
                errand.alike = Alike { tiles: left.max(1), distance };
            }
            How::InRows => {
                let index = tile * self.panels + panel;
                let steps = self.steps(index);
                let at = self.next.b.at(steps.start, 0);
                let (rows, stride) = (steps.len(), self.next.b.row_stride);
                errand.fetch = fetch((at, rows, stride), self.next.cols, self.at_once);
                errand.alike = self.sharing_alike(index, stride);
                errand.pack = self.packs(steps, 0..self.next.cols);
            }
            How::InPanels => {
                let first = (panel * self.next.panel_cols).min(self.next.cols);
                let last = panel + 1 == self.panels;
                let end = if last { self.next.cols } else { first + self.next.panel_cols };
                let (steps, cols) = (self.steps(tile), first..end.min(self.next.cols));
                if self.next.b.row_stride == 1 && !steps.is_empty() {
                    let at = self.next.b.at(steps.start, cols.start);
                    let rows = (at, cols.len(), self.next.b.col_stride);
                    errand.fetch = fetch(rows, steps.len(), self.at_once);
                }
                if self.panels == 1 {
                    errand.alike = self.sharing_alike(tile, self.next.b.row_stride);
                }
                errand.pack = self.packs(steps, cols);
            }
        }
        if errand.pack.is_some() {
            errand.alike.tiles = 1;
        }
        errand
    }

    /// The tiles from the `index`th on that have as many steps as it, which begin a share apart; `stride` is from a
    /// step to the next.
    #[inline(always)]
    fn sharing_alike(&self, index: usize, stride: usize) -> Alike {
        let tiles = match self.steps(index).len() {
            0 => ANY_NUMBER,
            steps if steps == self.share => self.whole_shares - index,
            _ => 1,
        };
        let fetch = self.share.wrapping_mul(stride);
        Alike { tiles, distance: Distance { fetch, ..Distance::NONE } }
    }

    /// What is packed of some steps and columns.
    #[inline(always)]
    fn packs(
        &self,
        steps: Range<usize>,
        cols: Range<usize>,
    ) -> Option<(Range<usize>, Range<usize>)> {
        (self.packs && !steps.is_empty()).then_some((steps, cols))
    }

    /// Packs what an errand says.
    ///
    /// # Safety
    /// The next block lies in B, and its buffer has room for it.
    #[inline(always)]
    pub(super) unsafe fn pack<S: Simd<T>>(&self, simd: S, part: (Range<usize>, Range<usize>)) {
        // SAFETY: the caller vouches for it.
        unsafe { self.next.pack(simd, part) };
    }

    /// The rows that a tile copies.
    #[inline(always)]
    fn copy(&self, tile: usize, panel: usize) -> Option<RowCopy<T>> {
        let index = tile.checked_sub(self.first).filter(|&index| index < self.tiles)?;
        let (steps, col) = (self.steps(index), panel * self.next.panel_cols);
        let to = self.next.packed_at(col).wrapping_add(steps.start * self.next.panel_cols);
        let (from, stride) = (self.next.b.at(steps.start, col), self.next.b.row_stride);
        Some(RowCopy { from, stride, rows: steps.len(), to })
    }

    /// The share of the steps of k of the `index`th who takes some.
    #[inline(always)]
    fn steps(&self, index: usize) -> Range<usize> {
        (index * self.share).min(self.next.k)..((index + 1) * self.share).min(self.next.k)
    }
}

/// The cache lines of rows of `len` elements.
#[inline(always)]
fn fetch<T>((at, rows, stride): (*const T, usize, usize), len: usize, at_once: usize) -> Fetch<T> {
    const LINE: usize = 64;
    let (start, bytes) = (at.addr() % LINE, len * size_of::<T>());
    Fetch { at, rows, stride, lines: (start + bytes).div_ceil(LINE), at_once }
}

#[cfg(test)]
mod tests {
    use super::super::driver::Job;
    use super::super::output::{Matrix, Output};
    use super::super::params::{Blocks, Processor};
    use super::*;
    use crate::arch::{Kernel, Token};
    use crate::isa::{self, Isa};

    /// Checks that tiles of a run would be told the same one by one, for the first block of B's columns, and
    /// returns how many errands are part of a run.
    struct Runs {
        shape: (usize, usize, usize),
        /// Whether B is transposed.
        by_columns: bool,
        second_level: usize,
    }

    impl Kernel<f32> for Runs {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd<f32>>(self, _simd: S) -> usize {
            let (rows, cols, k) = self.shape;
            let matrix = |row_stride, col_stride| Matrix {
                data: std::ptr::dangling(),
                row_stride,
                col_stride,
            };
            let b = if self.by_columns { matrix(1, k) } else { matrix(cols, 1) };
            let output = Output {
                alpha: 1.0,
                beta: 0.0,
                c: std::ptr::dangling_mut(),
                row_stride: cols,
                col_stride: 1,
                shared: false,
                transposed: false,
                biases: None,
                relu: false,
                mask: None,
            };
            let job = Job { rows, cols, k, a: matrix(k, 1), b, output };
            let second_level = self.second_level;
            let processor = Processor { first_level_ways: 8, second_level, halves: true };
            let blocks = Blocks::new::<f32, S>(&job, (rows, cols), processor);
            let block = |col: usize| {
                let b = Matrix { data: b.at(0, col), ..b };
                Columns::new::<S>(b, blocks.kc, cols - col, rows, &blocks, std::ptr::null_mut())
            };
            let columns = block(0);
            let ahead = Ahead::new::<S>(&columns, block(columns.cols).ahead(), rows);
            let (tiles, panels) = (columns.tile.count::<f32, S>(rows), columns.panels());
            let mut alike = 0;
            for (tile, panel) in (0..tiles).flat_map(|tile| (0..panels).map(move |p| (tile, p))) {
                let first = ahead.errand(tile, panel);
                let left = if panels == 1 { tiles - tile } else { panels - panel };
                let Distance { fetch, from, to } = first.alike.distance;
                for i in 1..first.alike.tiles.min(left) {
                    let (tile, panel) = if panels == 1 { (tile + i, 0) } else { (tile, panel + i) };
                    let other = ahead.errand(tile, panel);
                    assert_eq!(other.fetch.rows, first.fetch.rows);
                    if first.fetch.rows > 0 {
                        assert_eq!(other.fetch.at, first.fetch.at.wrapping_add(i * fetch));
                    }
                    let copied = |copy: RowCopy<f32>, i: usize| {
                        let from = copy.from.wrapping_add(i * from);
                        (from, copy.to.wrapping_add(i * to), copy.rows, copy.stride)
                    };
                    let (copy, others) = (first.copy, other.copy);
                    assert_eq!(
                        others.map(|copy| copied(copy, 0)),
                        copy.map(|copy| copied(copy, i))
                    );
                    assert!(first.pack.is_none() && other.pack.is_none());
                    alike += 1;
                }
            }
            alike
        }
    }

    #[test]
    fn tiles_of_a_run_do_what_they_would_one_by_one() {
        let mut alike = [0; 2];
        for token in [Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new) {
            for shape in [(32, 300, 500), (60, 1000, 784), (130, 512, 300), (300, 640, 512)] {
                for second_level in [1 << 16, 1 << 18, 1 << 20] {
                    for by_columns in [false, true] {
                        alike[usize::from(by_columns)] +=
                            token.run(Runs { shape, by_columns, second_level });
                    }
                }
            }
        }
        if isa::available().count() > 1 {
            assert!(alike[0] > 100 && alike[1] > 100, "{alike:?}");
        }
    }
}
