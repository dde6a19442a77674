//! Packing, or fetching, the next block of B's columns while the tiles of this one are multiplied.
//!
//! Where B's rows are contiguous and both blocks have the same whole panels, tiles copy the rows, one
//! every few steps, and ask for those that the next tile copies. Otherwise a tile asks for the cache
//! lines of a small part of the block, and when it is done, the part, which has arrived in L2, is
//! packed. Of a block that is not packed meanwhile, being a single panel or read in place, tiles only ask for
//! the lines, if B is so large that these may be far.

use super::columns::Columns;
use super::microkernel::{Fetch, RowCopy};
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
}

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
        Ahead { next, how, first, tiles, panels, share, packs, at_once }
    }

    /// What the `tile`th tile of rows does while it is multiplied by the `panel`th panel.
    #[inline(always)]
    pub(super) fn errand(&self, tile: usize, panel: usize) -> Errand<T> {
        let mut errand = Errand { fetch: Fetch::NONE, copy: None, pack: None };
        match self.how {
            How::Not => {}
            How::Copied => {
                errand.copy = self.copy(tile, panel);
                let (tile, panel) =
                    if panel + 1 < self.panels { (tile, panel + 1) } else { (tile + 1, 0) };
                if let Some(RowCopy { from, stride, rows, .. }) = self.copy(tile, panel) {
                    errand.fetch = fetch((from, rows, stride), self.next.panel_cols, self.at_once);
                }
            }
            How::InRows => {
                let steps = self.steps(tile * self.panels + panel);
                let at = self.next.b.at(steps.start, 0);
                let (rows, stride) = (steps.len(), self.next.b.row_stride);
                errand.fetch = fetch((at, rows, stride), self.next.cols, self.at_once);
                let packs = self.packs && !steps.is_empty();
                errand.pack = packs.then_some((steps, 0..self.next.cols));
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
                let packs = self.packs && !steps.is_empty();
                errand.pack = packs.then_some((steps, cols));
            }
        }
        errand
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
