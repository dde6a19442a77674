//! Block sizes, derived in this one place from the vectors' and the caches' sizes. KC decides how an
//! element's sum is grouped, so it does not depend on the processor: the same instruction set gives
//! the same bits everywhere.
//!
//! | block | what it is | bound |
//! | --- | --- | --- |
//! | MR × NR | the tile of C that the microkernel holds in registers | the registers, less those for a row of B and an element of A |
//! | KC | the steps of k between two visits to C | a constant, 512: an MR × KC panel of A stays in L1, and B's panels may come from L2 |
//! | NC | columns of B packed at a time, twice: one block is multiplied, the next one packed | two KC × NC blocks fill half of L2 |
//! | MC | rows of A packed at a time | an MC × KC block of A is twice L2: it is read once for each block of B, in one stream |

use super::output::Matrix;
use crate::arch::{Simd, caches};
use crate::float::Float;
use std::sync::OnceLock;

/// Vectors in a row of the tile.
pub(super) const TILE_VECTORS: usize = 2;

/// The most rows a tile has with any instruction set.
pub(super) const MAX_TILE_ROWS: usize = 14;

/// The most rows of a tile: 14 × 2 accumulators of the 32 registers of AVX-512, 6 × 2 of 16.
pub(super) const fn tile_rows<T: Float, S: Simd<T>>() -> usize {
    if S::LANES * size_of::<T>() == 64 { MAX_TILE_ROWS } else { 6 }
}

/// Vectors in a row of a tile for a product of `rows` rows: with few rows, more columns, so that
/// there are sums enough to keep the multipliers busy and B is read in long pieces.
pub(super) const fn wide_vectors<T: Float, S: Simd<T>>(rows: usize) -> usize {
    match (tile_rows::<T, S>(), rows) {
        (14, 0..=2) | (_, 0..=1) => 8,
        (14, 3..=6) | (_, 2) => 4,
        _ => TILE_VECTORS,
    }
}

/// Columns of a full tile.
pub(super) const fn tile_cols<T: Float, S: Simd<T>>() -> usize {
    TILE_VECTORS * S::LANES
}

/// Rows of the next tile where `left` are left: full tiles, and two of like height at the end, since
/// a tile of a row or two would leave the multipliers idle.
pub(super) fn next_tile_rows(left: usize, most: usize) -> usize {
    match left {
        left if left >= 2 * most => most,
        left if left > most => left.div_ceil(2),
        left => left,
    }
}

/// How many tiles `rows` rows are cut into by [`next_tile_rows`].
pub(super) const fn tiles<T: Float, S: Simd<T>>(rows: usize) -> usize {
    rows.div_ceil(tile_rows::<T, S>())
}

/// How many of them are full.
pub(super) const fn full_tiles<T: Float, S: Simd<T>>(rows: usize) -> usize {
    let most = tile_rows::<T, S>();
    if rows.is_multiple_of(most) { rows / most } else { (rows / most).saturating_sub(1) }
}

/// How many tiles may read a row-major panel of B where it lies before packing it pays.
pub(super) const IN_PLACE_TILES: usize = 2;

/// Rows from which packing B a block of panels ahead pays.
const PACKED_AHEAD_ROWS: usize = 192;

/// The most steps of k between two visits to C.
const MOST_STEPS: usize = 512;

/// How a product is cut for the caches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    /// Steps of k.
    pub(super) kc: usize,
    /// Rows of A.
    pub(super) mc: usize,
    /// Columns of B, whole panels.
    pub(super) nc: usize,
    /// Whether A is read where it lies.
    pub(super) a_in_place: bool,
    /// The most vectors in a row of a tile: wide tiles read A step by step.
    pub(super) most_vectors: usize,
}

/// How many panels of B may use A where it lies before packing it pays.
pub(super) fn in_place_panels<T>(a: Matrix<T>) -> usize {
    let is_paged = |stride: usize| stride.wrapping_mul(size_of::<T>()).is_multiple_of(4096);
    match (a.row_stride, a.col_stride) {
        // A tile's rows a page apart fall into the same lines of L1, which has less than 14 ways.
        (stride, 1) if is_paged(stride) => 1,
        (_, 1) => 16,
        (1, stride) if is_paged(stride) => 2,
        (1, _) => 32,
        _ => 0,
    }
}

impl Blocks {
    /// The blocks for `part_rows` × `part_cols` of a product with `rows` rows and `k` steps, with a
    /// second-level cache of `cache` bytes. Blocks of k have like sizes, and depend on neither the
    /// part nor the cache.
    pub(super) fn new<T: Float, S: Simd<T>>(
        (rows, k): (usize, usize),
        (part_rows, part_cols): (usize, usize),
        a: Matrix<T>,
        cache: usize,
    ) -> Self {
        let (height, width) = (tile_rows::<T, S>(), tile_cols::<T, S>());
        let kc = k.div_ceil(k.div_ceil(MOST_STEPS).max(1)).next_multiple_of(8).min(k.max(1));
        let step_bytes = kc * size_of::<T>();
        let mc = (2 * cache / step_bytes).max(64);
        let mc = part_rows.div_ceil(part_rows.div_ceil(mc).max(1));
        let mc = mc.next_multiple_of(height).min(part_rows.max(1));
        let nc = if part_rows < PACKED_AHEAD_ROWS { 1 } else { cache / 4 / step_bytes };
        let nc = nc.clamp(1, part_cols).next_multiple_of(width);
        let few_panels = part_cols <= in_place_panels(a) * width;
        let wide = wide_vectors::<T, S>(rows) > TILE_VECTORS;
        let a_in_place = few_panels && !(wide && a.col_stride == 1);
        let in_rows = a_in_place && a.col_stride == 1;
        // A part, or its last block, may have few rows of many.
        let most_vectors = if in_rows { TILE_VECTORS } else { usize::MAX };
        Blocks { kc, mc, nc, a_in_place, most_vectors }
    }

    /// Elements of a packed block of B.
    pub(super) const fn packed_b_len(&self) -> usize {
        self.kc * self.nc
    }
}

/// Bytes of this processor's second-level cache, asked once.
pub(super) fn second_level() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(caches::second_level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_rows_and_none_is_a_sliver() {
        for most in [6, 14] {
            for rows in 1..100 {
                let mut left = rows;
                while left > 0 {
                    let tile = next_tile_rows(left, most);
                    assert!(tile >= 1 && tile <= most && tile <= left);
                    assert!(rows < most || tile >= most / 2, "{rows} rows: a tile of {tile}");
                    left -= tile;
                }
            }
        }
    }
}
