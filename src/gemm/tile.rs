//! The sizes of tiles: C's rows and vectors that the microkernel holds in registers.
//!
//! A *tall* tile does the most multiply-adds for each element that it reads. A *low* one is as many
//! cache lines wide as C's rows should be written at a time: where k is short, writing is most of the
//! work, and a tall tile's rows each lie in another page. With few rows of C, tiles are *wide*, so that
//! there are sums enough to keep the multipliers busy and B is read in long pieces.
//!
//! A *half* tile is for processors that compute 512-bit vectors in halves: they finish one multiply-add a cycle,
//! and store a vector in place of one. Half as high as a tall one, it leaves registers for the sums of earlier
//! [groups](super::groups), and such a processor has time for the loads that it asks for more often.

use crate::arch::Simd;
use crate::float::Float;

/// Vectors in a row of a tall tile.
pub(super) const TALL_VECTORS: usize = 2;

/// Vectors in a row of a low tile.
pub(super) const LOW_VECTORS: usize = 4;

/// The most rows a tile has with any instruction set.
pub(super) const MAX_ROWS: usize = 14;

/// The fewest rows, of C or of a thread's part of it, that are cut into half tiles.
const LEAST_HALVED: usize = 28;

/// Steps of k from which a product is a long one: tiles are tall, and see to what
/// is needed next. Products of 64 steps are 5 to 30 % faster for being short; most of those of 96 steps
/// are faster, too, and of those of 128 only some.
pub(super) const LONG_STEPS: usize = 104;

/// The same with more than [`FEW_ELEMENTS`] of B, which tall tiles pack while they multiply.
const LONG_STEPS_OF_MANY: usize = 48;

/// An eighth of the second-level caches of the processors that this was measured on, in `f32`.
const FEW_ELEMENTS: usize = 1 << 16;

/// Whether a product with `cols` columns and `k` steps is a short one.
pub(super) const fn is_short(cols: usize, k: usize) -> bool {
    k < LONG_STEPS_OF_MANY || k < LONG_STEPS && cols.saturating_mul(k) <= FEW_ELEMENTS
}

/// The size of full tiles. Its numbers are constants of a token, which divide faster than others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TileSize {
    /// 14 × 2 accumulators of the 32 registers of AVX-512, 6 × 2 of 16.
    Tall,
    /// 7 × 2 accumulators of 32, in `f32`.
    Half,
    /// 6 × 4 accumulators of 32. Where there are 16, it is not faster.
    Low,
}

impl TileSize {
    /// For a product of so many rows, columns, and steps of k, whose tiles may be turned as they are written: then
    /// a low one leaves more lanes idle than it has to.
    pub(super) const fn new<T: Float, S: Simd<T>>(
        (rows, cols, k): (usize, usize, usize),
        turned: bool,
    ) -> Self {
        let can_be_low = has_32::<T, S>() && is_short(cols, k) && cols >= LOW_VECTORS * S::LANES;
        if can_be_low && !(turned && rows > TileSize::Low.rows::<T, S>()) {
            TileSize::Low
        } else {
            TileSize::Tall
        }
    }

    /// That of `rows` rows where vectors of AVX-512 are computed in halves.
    pub(super) fn halved<T: Float, S: Simd<T>>(self, rows: usize) -> Self {
        match self {
            TileSize::Tall if can_halve::<T, S>() && rows >= LEAST_HALVED => TileSize::Half,
            size => size,
        }
    }

    /// Vectors in a row.
    pub(super) const fn vectors(self) -> usize {
        match self {
            TileSize::Tall | TileSize::Half => TALL_VECTORS,
            TileSize::Low => LOW_VECTORS,
        }
    }

    pub(super) const fn cols<T: Float, S: Simd<T>>(self) -> usize {
        self.vectors() * S::LANES
    }

    /// How many whole panels there are in `cols` columns.
    pub(super) const fn whole_panels<T: Float, S: Simd<T>>(self, cols: usize) -> usize {
        match self {
            TileSize::Tall | TileSize::Half => cols / const { TileSize::Tall.cols::<T, S>() },
            TileSize::Low => cols / const { TileSize::Low.cols::<T, S>() },
        }
    }

    pub(super) const fn rows<T: Float, S: Simd<T>>(self) -> usize {
        match self {
            TileSize::Half if can_halve::<T, S>() => MAX_ROWS / 2,
            TileSize::Tall | TileSize::Half if has_32::<T, S>() => MAX_ROWS,
            TileSize::Tall | TileSize::Half | TileSize::Low => 6,
        }
    }

    /// Rows of the next tile where `left` are left.
    pub(super) fn next_rows<T: Float, S: Simd<T>>(self, left: usize) -> usize {
        next_rows(left, self.rows::<T, S>())
    }

    /// How many tiles `rows` rows are cut into.
    pub(super) const fn count<T: Float, S: Simd<T>>(self, rows: usize) -> usize {
        match self {
            TileSize::Tall => rows.div_ceil(const { TileSize::Tall.rows::<T, S>() }),
            TileSize::Half => rows.div_ceil(const { TileSize::Half.rows::<T, S>() }),
            TileSize::Low => rows.div_ceil(const { TileSize::Low.rows::<T, S>() }),
        }
    }

    /// How many of them are full.
    pub(super) const fn full<T: Float, S: Simd<T>>(self, rows: usize) -> usize {
        let (count, most) = (self.count::<T, S>(rows), self.rows::<T, S>());
        match count * most - rows {
            0 => count,
            1 => count - 1,
            _ => count.saturating_sub(2),
        }
    }
}

/// Vectors in a row of a tile for a product of `rows` rows.
pub(super) const fn wide_vectors<T: Float, S: Simd<T>>(rows: usize) -> usize {
    match (has_32::<T, S>(), rows) {
        (true, 0..=2) | (_, 0..=1) => 8,
        (true, 3..=6) | (_, 2) => 4,
        _ => TALL_VECTORS,
    }
}

/// Whether there are half tiles: `f64`, whose groups are added in pairs, would have to store sums all the same.
const fn can_halve<T: Float, S: Simd<T>>() -> bool {
    has_32::<T, S>() && size_of::<T>() == 4
}

/// Whether there are 32 registers, not 16.
pub(super) const fn has_32<T: Float, S: Simd<T>>() -> bool {
    S::LANES * size_of::<T>() == 64
}

/// Rows of the next tile of at most `most` where `left` are left: full tiles, and two of like height
/// at the end, since a tile of a row or two would leave the multipliers idle.
pub(super) fn next_rows(left: usize, most: usize) -> usize {
    match left {
        left if left >= 2 * most => most,
        left if left > most => left.div_ceil(2),
        left => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Kernel, Token};
    use crate::isa;

    struct Cut(TileSize);

    impl Kernel<f32> for Cut {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<f32>>(self, _simd: S) {
            let most = self.0.rows::<f32, S>();
            for rows in 1..100 {
                let (mut left, mut tiles, mut full) = (rows, 0, 0);
                while left > 0 {
                    let tile = self.0.next_rows::<f32, S>(left);
                    assert!(tile >= 1 && tile <= most && tile <= left);
                    assert!(rows < most || tile >= most / 2, "{rows} rows: a tile of {tile}");
                    left -= tile;
                    tiles += 1;
                    full += usize::from(tile == most);
                }
                let counted = (self.0.count::<f32, S>(rows), self.0.full::<f32, S>(rows));
                assert_eq!((tiles, full), counted, "{rows} rows");
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows_and_none_is_a_sliver() {
        for token in isa::available().filter_map(Token::new) {
            token.run(Cut(TileSize::Tall));
            token.run(Cut(TileSize::Half));
            token.run(Cut(TileSize::Low));
        }
    }
}
