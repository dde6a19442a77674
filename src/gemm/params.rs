//! Block sizes, derived in this one place from the vectors' and the caches' sizes. KC decides how an
//! element's sum is grouped, so it does not depend on the processor: the same instruction set gives
//! the same bits everywhere.
//!
//! | block | what it is | bound |
//! | --- | --- | --- |
//! | MR × NR | the [tile](super::tile) of C that the microkernel holds in registers | the registers, less those for a row of B and an element of A |
//! | KC | the steps of k between two visits to C | a constant, 512: an MR × KC panel of A stays in L1, and B's panels may come from L2 |
//! | NC | columns of B packed at a time, twice: one block is multiplied, the next one packed | two KC × NC blocks fill half of L2 |
//! | MC | rows of A packed at a time | an MC × KC block of A is twice L2: it is read once for each block of B, in one stream |

use super::driver::Job;
use super::output::Matrix;
use super::tile::{TALL_VECTORS, TileSize, is_short, wide_vectors};
use crate::arch::{Simd, processor};
use crate::float::Float;
use std::sync::OnceLock;

/// How many tiles may read a row-major panel of B where it lies before packing it pays, wherever that is.
pub(super) const IN_PLACE_TILES: usize = 2;

/// How many may if B is no more than an eighth of the second-level cache.
const NEAR_TILES: usize = 12;

/// Bytes of B that any number of tiles may read where they lie: about what L1 has.
const NEARER: usize = 64 << 10;

/// The same if its vectors lie across two cache lines each, which are both loaded.
const NEAREST: usize = 24 << 10;

/// How many half tiles may read a row-major B of any size where it lies, a block of some panels after the other. A
/// processor that has half tiles packs a vector in the time of a multiply-add, and has the time to load one more often.
const HALF_TILES: usize = 8;

/// Rows from which packing B a block of panels ahead pays.
const PACKED_AHEAD_ROWS: usize = 192;

/// The fewest rows of a tile that fetches B from beyond the second-level cache.
pub(super) const LEAST_ROWS_FROM_AFAR: usize = 4;

/// The fewest rows of A that are packed at a time, if there are as many.
const LEAST_MC: usize = 64;

/// The most steps of k between two visits to C.
pub(super) const MOST_STEPS: usize = 512;

/// How many blocks of like size `k` steps are cut into.
pub(super) const fn blocks_of_k(k: usize) -> usize {
    if k <= MOST_STEPS { 1 } else { k.div_ceil(MOST_STEPS) }
}

/// How many steps each of them has, but for the last.
pub(super) fn steps_of_a_block(k: usize) -> usize {
    match blocks_of_k(k) {
        1 => k.max(1),
        blocks => k.div_ceil(blocks).next_multiple_of(8),
    }
}

/// How many rows of A are packed at a time: as many as there are, if they fit. (What needs no dividing has none:
/// small products are done in the time that a few divisions take.)
fn rows_of_a_block<T: Float, S: Simd<T>>(
    tile: TileSize,
    rows: usize,
    step_bytes: usize,
    cache: usize,
) -> usize {
    if rows <= LEAST_MC || rows.saturating_mul(step_bytes) <= 2 * cache {
        return rows.max(1);
    }
    let blocks = rows.div_ceil((2 * cache / step_bytes).max(LEAST_MC));
    rows.div_ceil(blocks).next_multiple_of(tile.rows::<T, S>()).min(rows)
}

/// How many columns of B are packed at a time, in whole panels.
fn cols_of_a_block<T: Float, S: Simd<T>>(
    tile: TileSize,
    (rows, cols): (usize, usize),
    step_bytes: usize,
    cache: usize,
) -> usize {
    let panel_cols = tile.cols::<T, S>();
    if rows < PACKED_AHEAD_ROWS {
        return panel_cols;
    }
    let fit = cols.saturating_mul(step_bytes) <= cache / 4;
    let cols = if fit { cols } else { (cache / 4 / step_bytes).clamp(1, cols) };
    tile.whole_panels::<T, S>(cols + panel_cols - 1) * panel_cols
}

/// How many columns of a row-major B a part reads where they lie at a time, as packing them would take longer than its
/// tiles are slowed down: all, some whole panels, or 0.
fn cols_in_place<T: Float, S: Simd<T>>(
    b: Matrix<T>,
    tile: TileSize,
    (rows, k): (usize, usize),
    cache: usize,
) -> usize {
    if b.col_stride != 1 {
        return 0;
    }
    let tiles = tile.count::<T, S>(rows);
    let row_bytes = b.row_stride.saturating_mul(size_of::<T>());
    // Vectors that lie across two cache lines each are loaded twice.
    let is_aligned = (b.data.addr() | row_bytes).is_multiple_of(S::LANES * size_of::<T>());
    let near = match (is_aligned, tiles) {
        (true, ..=NEAR_TILES) => cache / 8,
        (true, _) => NEARER.min(cache / 8),
        (false, _) => NEAREST.min(cache / 8),
    };
    // Rows so far apart share a few sets of the caches, which hold no block of them.
    let shares_sets = row_bytes.is_multiple_of(if is_aligned { 8192 } else { 4096 });
    if row_bytes.saturating_mul(k) <= near {
        usize::MAX
    } else if tile == TileSize::Half && tiles <= HALF_TILES && !shares_sets {
        let panel_cols = tile.cols::<T, S>();
        (cache / 4 / (k * panel_cols * size_of::<T>())).max(1) * panel_cols
    } else {
        0
    }
}

/// How a product is cut for the caches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    pub(super) tile: TileSize,
    /// Whether k is short, so that tiles see to nothing else.
    pub(super) short: bool,
    /// Whether a part's columns of B are half of the second-level cache or more.
    pub(super) far: bool,
    /// How many steps ahead B is fetched from beyond the second-level cache, where one tile of rows reads it once; 0
    /// where it is not.
    pub(super) steps_from_afar: usize,
    /// Ways of the first-level cache.
    pub(super) ways: usize,
    /// Steps of k.
    pub(super) kc: usize,
    /// Rows of A.
    pub(super) mc: usize,
    /// Columns of B, whole panels.
    pub(super) nc: usize,
    /// How many columns of B, in whole panels, all tiles read where they lie at a time, and what is left if it is whole
    /// vectors; 0 if they do not.
    pub(super) cols_in_place: usize,
    /// Whether nothing of B is packed: [`Columns::new`](super::columns::Columns::new) makes no block that is.
    pub(super) packs_no_b: bool,
    /// Whether A is read where it lies.
    pub(super) a_in_place: bool,
    /// The most vectors in a row of a tile: wide tiles read A step by step.
    pub(super) most_vectors: usize,
}

/// How many columns of C may use A where it lies before packing it pays; `shared` is whether other threads
/// compute parts of the product, too. (The way that a product is computed must not depend on that, nor on half tiles, but for
/// [tiles and streams](super::stream::can_be_tiles) that give the same bits.)
pub(super) fn in_place_cols<T: Float, S: Simd<T>>(
    a: Matrix<T>,
    shared: bool,
    tile: TileSize,
) -> usize {
    let is_paged = |stride: usize| stride.wrapping_mul(size_of::<T>()).is_multiple_of(4096);
    let panels = match (a.row_stride, a.col_stride) {
        // A tall tile's rows a page apart fall into the same lines of L1, which has less than 14 ways.
        (stride, 1) if is_paged(stride) => 1,
        (1, stride) if is_paged(stride) => 2,
        // A processor that has half tiles has the time for more instructions, or to read it in pieces.
        (_, 1) | (1, _) if tile == TileSize::Half => 32,
        // Read in rows, a step takes more instructions: too many for threads that may share a core.
        (_, 1) if shared => 2,
        (_, 1) => 8,
        // Steps so close together leave little of a cache line unused by this tile and the next.
        (1, stride) if stride.saturating_mul(size_of::<T>()) < 1024 => 32,
        (1, _) => 8,
        _ => 0,
    };
    panels * TALL_VECTORS * S::LANES
}

/// How many steps ahead of a tile rows of B are fetched into L1, `stride` elements apart.
///
/// Rows 4 KiB apart all fall into the same set of a cache with so many ways. Six of these are left to A, to C and to
/// what a core loads while it runs ahead; more rows than fit the others would push each other out. Half as far apart
/// they fall into two sets, and so on.
#[inline(always)]
pub(super) fn steps_ahead<T>(stride: usize, ways: usize) -> usize {
    const MOST: usize = 8;
    let bytes = stride.wrapping_mul(size_of::<T>());
    let sets = 1 << 4096_u32.trailing_zeros().saturating_sub(bytes.trailing_zeros());
    (ways.saturating_sub(6).max(1) * sets).min(MOST)
}

/// How many steps ahead of a tile rows of B, `stride` elements apart, are fetched into a second-level cache of `cache`
/// bytes from beyond it.
///
/// As in [`steps_ahead`], rows a power of two apart fall into the same sets: half of what these hold is for the rows
/// that are fetched.
fn steps_from_afar<T>(stride: usize, cache: usize) -> usize {
    const LEAST: usize = 32;
    const MOST: usize = 128;
    let bytes = stride.wrapping_mul(size_of::<T>());
    let rows = (cache / 2).checked_shr(bytes.trailing_zeros()).unwrap_or(0);
    rows.clamp(LEAST, MOST)
}

impl Blocks {
    /// The blocks for `part_rows` × `part_cols` of a product. Blocks of k have like sizes, and depend on
    /// neither the part nor the processor.
    pub(super) fn new<T: Float, S: Simd<T>>(
        job: &Job<T>,
        (part_rows, part_cols): (usize, usize),
        processor: Processor,
    ) -> Self {
        let &Job { rows, cols, k, a, b, output } = job;
        let (cache, short) = (processor.second_level, is_short(cols, k));
        let tile = TileSize::new::<T, S>((rows, cols, k), output.transposed);
        let tile = match processor.halves && !short {
            true => tile.halved::<T, S>(part_rows),
            false => tile,
        };
        let kc = steps_of_a_block(k);
        let step_bytes = kc * size_of::<T>();
        let mc = rows_of_a_block::<T, S>(tile, part_rows, step_bytes, cache);
        let nc = cols_of_a_block::<T, S>(tile, (part_rows, part_cols), step_bytes, cache);
        let tiles = tile.count::<T, S>(part_rows);
        let cols_in_place = cols_in_place::<T, S>(b, tile, (part_rows, kc), cache);
        let in_place = cols_in_place > 0 || b.col_stride == 1 && tiles <= IN_PLACE_TILES;
        let packs_no_b = in_place && part_cols.is_multiple_of(S::LANES);
        let few_panels = part_cols <= in_place_cols::<T, S>(a, output.shared, tile);
        let wide = wide_vectors::<T, S>(rows) > TALL_VECTORS;
        let a_in_place = few_panels && !(wide && a.col_stride == 1);
        let in_rows = a_in_place && a.col_stride == 1;
        // A part, or its last block, may have few rows of many.
        let most_vectors = if in_rows { TALL_VECTORS } else { usize::MAX };
        let b_bytes = part_cols.saturating_mul(k).saturating_mul(size_of::<T>());
        let is_afar = tiles == 1 && part_rows >= LEAST_ROWS_FROM_AFAR && b_bytes > cache;
        Blocks {
            tile,
            short,
            far: b_bytes >= cache / 2,
            steps_from_afar: if is_afar { steps_from_afar::<T>(b.row_stride, cache) } else { 0 },
            ways: processor.first_level_ways,
            kc,
            mc,
            nc,
            cols_in_place,
            packs_no_b,
            a_in_place,
            most_vectors,
        }
    }

    /// Elements of a packed block of B.
    pub(super) const fn packed_b_len(&self) -> usize {
        if self.packs_no_b { 0 } else { self.kc * self.nc }
    }
}

/// What blocks and tiles follow beside the product, and, of few rows, the choice between tiles and a stream. They change
/// no bit of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processor {
    /// Ways of the first-level cache for data.
    pub(super) first_level_ways: usize,
    /// Bytes of the second-level cache.
    pub(super) second_level: usize,
    /// Whether vectors of AVX-512 are computed in halves.
    pub(super) halves: bool,
}

impl Processor {
    /// This one, asked once.
    pub(super) fn this() -> Self {
        static THIS: OnceLock<Processor> = OnceLock::new();
        *THIS.get_or_init(|| Processor {
            first_level_ways: processor::first_level_ways(),
            second_level: processor::second_level(),
            halves: processor::halves_vectors(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{steps_ahead, steps_from_afar};

    #[test]
    fn rows_that_share_a_set_are_fetched_fewer_steps_ahead() {
        assert_eq!(
            [256, 512, 1024, 4096, 0].map(|stride| steps_ahead::<f32>(stride, 8)),
            [8, 4, 2, 2, 2]
        );
        assert_eq!([512, 3 * 256].map(|stride| steps_ahead::<f64>(stride, 8)), [2, 4]);
        assert_eq!([512, 1024].map(|stride| steps_ahead::<f32>(stride, 12)), [8, 6]);
        assert_eq!([1, 784, 1000].map(|stride| steps_ahead::<f32>(stride, 4)), [8; 3]);
    }

    #[test]
    fn what_is_fetched_from_afar_stays_in_the_second_level_cache() {
        let steps =
            |cache| [1024, 2048, 4096, 8192].map(|cols| steps_from_afar::<f32>(cols, cache));
        assert_eq!(steps(1 << 20), [128, 64, 32, 32]);
        assert_eq!(steps(2 << 20), [128, 128, 64, 32]);
        assert_eq!(steps_from_afar::<f64>(1024, 1 << 20), 64);
        assert_eq!(
            [1, 1000, 3000, 3072].map(|cols| steps_from_afar::<f32>(cols, 1 << 20)),
            [128; 4]
        );
        assert_eq!(steps_from_afar::<f32>(0, 1 << 20), 32);
    }
}
