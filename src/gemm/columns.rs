//! Blocks of B's columns: read where they lie, or packed, and when.
//!
//! Packing a block costs a pass over it, in which the multipliers would wait for memory. A small B, or one that
//! few tiles read, is therefore not packed at all; that of others is
//! done on the side. The first tile that reads a row-major panel packs it as it goes
//! ([`Side::KeepsB`](super::microkernel::Side)); in a large product, tiles see to the block after
//! theirs ([`ahead`](super::ahead)).

use super::output::Matrix;
use super::pack::PackB;
use super::params::{Blocks, IN_PLACE_TILES};
use super::tile::{TileSize, wide_vectors};
use crate::arch::Simd;
use crate::float::Float;
use std::ops::Range;

/// A block of B's columns, along some steps of k.
#[derive(Clone, Copy)]
pub(super) struct Columns<T> {
    /// From its first element on.
    pub(super) b: Matrix<T>,
    pub(super) k: usize,
    /// The size of the tiles that read it.
    pub(super) tile: TileSize,
    /// Whether k is short, so that tiles see to nothing else.
    pub(super) short: bool,
    /// Whether B is [so large](Blocks::far) that it may lie beyond the second-level cache.
    far: bool,
    /// As in [`Blocks`], where it is read in place.
    steps_from_afar: usize,
    /// Ways of the first-level cache.
    pub(super) ways: usize,
    /// 0 past the last block.
    pub(super) cols: usize,
    /// Columns of a panel, except the last.
    pub(super) panel_cols: usize,
    /// Panels of as many.
    pub(super) whole_panels: usize,
    state: State,
    /// Where it is packed.
    buffer: *mut T,
}

/// How far a block is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// It is read where it lies.
    InPlace,
    /// Its panels are packed by, or before, the tiles that read them first.
    Unpacked,
    /// It is being packed while the block before it is multiplied.
    Ahead,
    Packed,
}

/// A panel as the microkernel reads it.
pub(super) struct Panel<T> {
    pub(super) data: *const T,
    pub(super) stride: usize,
    pub(super) cols: usize,
    pub(super) vectors: usize,
}

impl<T: Float> Columns<T> {
    /// The next block of a B of which `left` columns have `k` elements, to be multiplied by `rows`
    /// rows and packed, unless it is read in place, in `buffer`. Where [`Blocks::packs_no_b`], it is in place.
    #[inline(always)]
    pub(super) fn new<S: Simd<T>>(
        b: Matrix<T>,
        k: usize,
        left: usize,
        rows: usize,
        blocks: &Blocks,
        buffer: *mut T,
    ) -> Self {
        let &Blocks { tile, short, far, steps_from_afar, ways, .. } = blocks;
        let panel_cols = tile.cols::<T, S>();
        let (state, cols) = (State::Unpacked, left.min(blocks.nc));
        let whole_panels = tile.whole_panels::<T, S>(cols);
        let block = Columns {
            b,
            k,
            tile,
            short,
            far,
            steps_from_afar,
            ways,
            cols,
            panel_cols,
            whole_panels,
            state,
            buffer,
        };
        let whole = left / S::LANES;
        if b.col_stride != 1 || whole == 0 {
            return block;
        }
        if tile.count::<T, S>(rows) <= IN_PLACE_TILES {
            let widest = wide_vectors::<T, S>(rows).min(blocks.most_vectors).max(tile.vectors());
            return block.in_place::<S>((widest.min(whole) + 1).next_power_of_two() / 2, 1);
        }
        match blocks.cols_in_place {
            0 => block,
            most if left >= panel_cols => {
                block.in_place::<S>(tile.vectors(), tile.whole_panels::<T, S>(left.min(most)))
            }
            _ if whole * S::LANES == left => block.in_place::<S>(whole, 1),
            _ => block,
        }
    }

    /// The first `panels` panels of `vectors` vectors of it, to be read where they lie.
    #[inline(always)]
    fn in_place<S: Simd<T>>(self, vectors: usize, panels: usize) -> Self {
        let panel_cols = vectors * S::LANES;
        let (cols, whole_panels) = (panels * panel_cols, panels);
        Columns { cols, panel_cols, whole_panels, state: State::InPlace, ..self }
    }

    /// The same block, to be packed while the one before it is multiplied, where that pays.
    #[inline(always)]
    pub(super) fn ahead(self) -> Self {
        let many_panels = self.cols > self.panel_cols;
        match self.state {
            State::Unpacked if many_panels => Columns { state: State::Ahead, ..self },
            _ => self,
        }
    }

    /// The same block when the one before it is done.
    #[inline(always)]
    pub(super) fn done(self) -> Self {
        match self.state {
            State::Ahead => Columns { state: State::Packed, ..self },
            _ => self,
        }
    }

    /// Whether it is to be packed while the block before it is multiplied.
    #[inline(always)]
    pub(super) fn is_ahead(&self) -> bool {
        self.state == State::Ahead
    }

    /// Whether it is to be fetched while the block before it is multiplied by `tiles` tiles of rows. One tile
    /// has no time for it, and a few would ask for too many lines of a transposed panel at once.
    #[inline(always)]
    pub(super) fn is_fetched(&self, tiles: usize) -> bool {
        let least = if self.b.col_stride == 1 { 2 } else { 8 };
        self.far && self.cols > 0 && tiles >= least
    }

    /// How many steps ahead its tiles fetch it from beyond the second-level cache; 0 if they do not.
    #[inline(always)]
    pub(super) fn steps_from_afar(&self) -> usize {
        if self.state == State::InPlace { self.steps_from_afar } else { 0 }
    }

    /// Whether a tile of the first rows has to see to the packing of its panel.
    #[inline(always)]
    pub(super) fn is_unpacked(&self) -> bool {
        self.state == State::Unpacked
    }

    /// Whether a panel can be packed by the tile that reads it first.
    #[inline(always)]
    pub(super) fn can_be_kept<S: Simd<T>>(&self, panel: &Panel<T>) -> bool {
        self.b.col_stride == 1
            && self.tile != TileSize::Low
            && panel.cols == self.tile.cols::<T, S>()
    }

    /// The number of its panels.
    #[inline(always)]
    pub(super) fn panels(&self) -> usize {
        self.whole_panels + usize::from(self.whole_panels * self.panel_cols < self.cols)
    }

    /// The panel that begins at the block's column `col`, as it is read.
    #[inline(always)]
    pub(super) fn panel<S: Simd<T>>(&self, col: usize) -> Panel<T> {
        let cols = self.panel_cols.min(self.cols - col);
        let vectors = cols.div_ceil(S::LANES);
        if self.state == State::InPlace {
            let (data, stride) = self.place(col);
            return Panel { data, stride, cols, vectors };
        }
        Panel { data: self.packed_at(col), stride: vectors * S::LANES, cols, vectors }
    }

    /// From one panel to the next, as they are read.
    #[inline(always)]
    pub(super) fn panel_distance(&self) -> usize {
        if self.state == State::InPlace { self.panel_cols } else { self.panel_cols * self.k }
    }

    /// Where the block's column `col` lies in B, and how far apart B's rows are.
    #[inline(always)]
    pub(super) fn place(&self, col: usize) -> (*const T, usize) {
        (self.b.at(0, col), self.b.row_stride)
    }

    /// Where the panel that begins at the block's column `col` is packed.
    #[inline(always)]
    pub(super) fn packed_at(&self, col: usize) -> *mut T {
        self.buffer.wrapping_add(col * self.k)
    }

    /// Packs the panel that begins at the block's column `col`.
    ///
    /// # Safety
    /// The block lies in B, and the buffer has room for it.
    #[inline(always)]
    pub(super) unsafe fn pack_panel<S: Simd<T>>(&self, simd: S, col: usize) {
        let cols = col..(col + self.panel_cols).min(self.cols);
        // SAFETY: the caller vouches for it.
        unsafe { self.pack(simd, (0..self.k, cols)) };
    }

    /// Packs some steps of k of some columns, which begin with a panel.
    ///
    /// # Safety
    /// The block lies in B, and the buffer has room for it.
    #[inline(always)]
    pub(super) unsafe fn pack<S: Simd<T>>(
        &self,
        simd: S,
        (steps, cols): (Range<usize>, Range<usize>),
    ) {
        let b = Matrix { data: self.b.at(steps.start, cols.start), ..self.b };
        let to = self.packed_at(cols.start);
        let steps = (steps.start, steps.len(), self.k);
        // SAFETY: the caller vouches for the part of B and for the panels.
        unsafe {
            simd.call(PackB::new(b, steps, cols.len(), self.tile, to));
        }
    }
}
