//! What the microkernel is told: a tile, and how it gets from there to the tiles beside or below.
//!
//! A core looks some hundred instructions ahead. When a tile is done, the multiply-adds of its last steps are still
//! waiting, and in their time the next tile has to begin: a call for each, with all its arguments, takes longer than that.

use super::output::Output;

/// A tile: where its operands begin, what it does on the side, and its place in C.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_stride: usize,
    pub(super) b: *const T,
    pub(super) b_stride: usize,
    /// From a step's row of B to the one that is fetched at that step.
    pub(super) b_ahead: usize,
    /// How many steps ahead a tile that fetches from afar does so.
    pub(super) steps_from_afar: usize,
    /// Where a tile that keeps B packs it.
    pub(super) keep: *mut T,
    /// What to fetch for later while the tile is computed.
    pub(super) fetch: Fetch<T>,
    /// What to copy meanwhile, with a shape that copies.
    pub(super) copy: RowCopy<T>,
    /// The tile's first row, as the microkernel sees C.
    pub(super) row: usize,
    /// The tile's first column.
    pub(super) col: usize,
    pub(super) cols: usize,
    pub(super) output: &'a Output<T>,
}

/// Tiles of one shape, beside or below each other, and how far it is from what one of them reads and writes to what
/// the next one does: in elements, `row` and `col` in C's rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) tiles: usize,
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) keep: usize,
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) aside: Distance,
}

/// From what a tile fetches and copies to what the next one does.
#[derive(Clone, Copy)]
pub(super) struct Distance {
    pub(super) fetch: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Distance {
    /// They do the same, or nothing.
    pub(super) const NONE: Self = Distance { fetch: 0, from: 0, to: 0 };
}

impl Run {
    /// Tiles of `height` rows below each other, for which A's rows are `row_distance` apart.
    #[inline(always)]
    pub(super) fn down(tiles: usize, height: usize, row_distance: usize, aside: Distance) -> Self {
        Run { tiles, a: height * row_distance, b: 0, keep: 0, row: height, col: 0, aside }
    }

    /// Tiles of `cols` columns beside each other, whose panels are so far apart where they are read and where they
    /// are packed.
    #[inline(always)]
    pub(super) fn across(
        tiles: usize,
        cols: usize,
        (b, keep): (usize, usize),
        aside: Distance,
    ) -> Self {
        Run { tiles, a: 0, b, keep, row: 0, col: cols, aside }
    }

    /// A single tile.
    #[cfg(test)]
    pub(super) const fn one() -> Self {
        Run { tiles: 1, a: 0, b: 0, keep: 0, row: 0, col: 0, aside: Distance::NONE }
    }
}

impl<T> Tile<'_, T> {
    /// The `index`th of a run that begins with this one.
    #[inline(always)]
    pub(super) fn after(&self, run: &Run, index: usize) -> Self {
        // Where nothing is fetched or copied, distances may be any.
        let Distance { fetch, from, to } = run.aside;
        let [fetch, from, to] = [fetch, from, to].map(|distance| index.wrapping_mul(distance));
        Tile {
            a: self.a.wrapping_add(index * run.a),
            b: self.b.wrapping_add(index * run.b),
            keep: self.keep.wrapping_add(index * run.keep),
            fetch: Fetch { at: self.fetch.at.wrapping_add(fetch), ..self.fetch },
            copy: RowCopy {
                from: self.copy.from.wrapping_add(from),
                to: self.copy.to.wrapping_add(to),
                ..self.copy
            },
            row: self.row + index * run.row,
            col: self.col + index * run.col,
            ..*self
        }
    }
}

/// Cache lines to ask for, some every few steps of k.
#[derive(Clone, Copy)]
pub(super) struct Fetch<T> {
    /// The first line.
    pub(super) at: *const T,
    /// How many rows of lines there are.
    pub(super) rows: usize,
    /// From a row's first line to the next one's.
    pub(super) stride: usize,
    /// How many adjacent lines a row has.
    pub(super) lines: usize,
    /// How many rows to ask for at a time.
    pub(super) at_once: usize,
}

/// Rows as wide as a tile to copy, one every few steps of k.
#[derive(Clone, Copy)]
pub(super) struct RowCopy<T> {
    pub(super) from: *const T,
    /// From one row to the next, where they are read.
    pub(super) stride: usize,
    pub(super) rows: usize,
    /// Where they are written, one after the other.
    pub(super) to: *mut T,
}

impl<T> Fetch<T> {
    /// Nothing.
    pub(super) const NONE: Self =
        Fetch { at: std::ptr::null(), rows: 0, stride: 0, lines: 0, at_once: 1 };
}

impl<T> RowCopy<T> {
    /// Nothing.
    pub(super) const NONE: Self =
        RowCopy { from: std::ptr::null(), stride: 0, rows: 0, to: std::ptr::null_mut() };
}
