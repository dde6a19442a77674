//! Which way a product is computed.
//!
//! The ways differ in how many lanes stay idle, in what has to be transposed, and in what a tile costs
//! beside its multiply-adds. Each is priced in vector multiply-adds, and the cheapest is taken, or, where
//! one is known to be the fastest, that without prices. All this depends on shapes, strides and the
//! instruction set alone. Where tiles and streams give the same bits, the processor may choose between
//! them, too.

use super::driver::Job;
use super::params::{IN_PLACE_TILES, Processor, blocks_of_k, in_place_cols};
use super::tile::{TALL_VECTORS, TileSize, has_32, wide_vectors};
use super::{dot, multiply_adds, stream};
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// How a product can be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// C's columns in the lanes.
    Columns,
    /// C's rows in the lanes: tiles are computed as their transpose, and turned as they are written.
    Rows,
    /// Steps of k in the lanes.
    Dots,
    /// C's columns in the lanes, a whole row of B at a time.
    Stream,
}

// Prices, fitted to the times of 1900 shapes, plain and transposed, on AVX2 and AVX-512, in `f32` and
// `f64`, when products of up to 47 steps were short ones and every B for more than two tiles was packed. In the mean over them the way taken was 0.3 to
// 1.4 % slower than the best one. That of turned tiles was fitted later, to 1000 shapes on Zen 4: 0.1 to 1.6 %.

/// Multiply-adds that a step of k takes at least, as each waits for the one before it.
const LATENCY: f64 = 12.0;
/// To begin with tiles, with their blocks and buffers.
const TILES: f64 = 180.0;
/// To transpose a vector in registers, with its load and its store.
const TRANSPOSE: f64 = 8.0;
/// To copy a vector of an operand that is packed first.
const COPY: f64 = 10.0;
/// To finish a vector of C in registers.
const WRITE: f64 = 8.0;
/// To finish a vector of a tile that has to be turned, where there are 32 registers.
const WRITE_TURNED_OF_32: f64 = 20.0;
/// The same with 16, whose vectors some processors multiply twice as fast.
const WRITE_TURNED_OF_16: f64 = 40.0;
/// What it takes more in a C of more bytes than [`FAR`], whose rows lie in L2 and are written a part of a cache line at
/// a time.
const WRITE_TURNED_FAR: f64 = 20.0;
/// Bytes of a C that no first-level cache holds.
const FAR: usize = 64 << 10;
/// A step of a dot product, whose operands are both read from memory.
const DOT_STEP: f64 = 1.15;
/// To begin and end a tile of dot products.
const DOT_TILE: f64 = 45.0;
/// To sum the lanes of one of them.
const DOT_SUM: f64 = 4.0;
/// To finish a vector of C that comes from dot products.
const DOT_WRITE: f64 = 12.0;
/// To begin with rows of B.
const STREAM: f64 = 30.0;
/// To load and store a vector of sums in which some rows of B are added up.
const STREAM_SUM: f64 = 15.0;
/// What they take at least, as each waits for the one before it.
const STREAM_LATENCY: f64 = 36.0;

/// The fewest columns of a product of few rows, whose B lies in rows, that are computed without a look at dot products.
const MANY_COLS: usize = 16;
/// The fewest of one or two rows.
const ENOUGH_COLS: usize = 10;
/// Columns whose sums are no work for a stream, however few steps there are.
const FEW_SUMS: usize = 128;
/// Steps from which a stream of one or two rows is worth the sums of any number of columns.
const STREAM_STEPS: usize = 32;

impl Way {
    /// All of them; of those that cost the same, the first is taken.
    pub(super) const ALL: [Way; 4] = [Way::Columns, Way::Rows, Way::Dots, Way::Stream];
}

/// Asks for the cheapest way.
pub(super) struct BestWay<'a, T>(pub(super) &'a Job<T>, pub(super) Processor);

impl<T: Float> Kernel<T> for BestWay<'_, T> {
    type Output = Way;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _simd: S) -> Way {
        let BestWay(job, processor) = self;
        if job.can_go(Way::Stream) {
            if let Some(way) = job.way_of_few_rows::<S>(processor) {
                return way;
            }
        } else if job.fills_lanes::<S>() {
            return Way::Columns;
        }
        let ways = Way::ALL.iter().filter(|&&way| job.can_go(way));
        let prices = ways.map(|&way| (job.price::<S>(way), way));
        prices.min_by(|a, b| a.0.total_cmp(&b.0)).expect("columns are always possible").1
    }
}

impl<T: Float> Job<T> {
    /// Whether it can be computed that way.
    pub(super) fn can_go(&self, way: Way) -> bool {
        match way {
            Way::Columns => true,
            Way::Rows => self.output.col_stride == 1,
            Way::Dots => self.a.col_stride == 1,
            Way::Stream => self.rows <= stream::MOST_ROWS && self.b.col_stride == 1,
        }
    }

    /// The way of a product of up to [`stream::MOST_ROWS`] rows, whose B lies in rows, or `None` where dot products and turned
    /// tiles are to be priced, too. Of small products, asking for prices takes a quarter of the time.
    fn way_of_few_rows<S: Simd<T>>(&self, processor: Processor) -> Option<Way> {
        let &Job { rows, cols, k, .. } = self;
        if stream::is_large::<T, S>(self) {
            let tiles = processor.halves && stream::can_be_tiles::<T, S>(self);
            return Some(if tiles { Way::Columns } else { Way::Stream });
        }
        let is_long = k >= STREAM_STEPS || cols <= FEW_SUMS;
        let is_enough = is_long && cols >= ENOUGH_COLS;
        let is_cut = !cols.is_multiple_of(S::LANES);
        let in_rows = self.a.col_stride == 1;
        match (has_32::<T, S>(), rows) {
            (_, 1) if is_enough => Some(Way::Stream),
            (true, 2) if is_enough && (in_rows || is_cut) => Some(Way::Stream),
            _ if cols < MANY_COLS && !self.fills_lanes::<S>() => None,
            (true, 3) if is_long && in_rows && cols < 8 * S::LANES => Some(Way::Stream),
            (true, 6..) => Some(Way::Columns),
            (true, 2..) if !in_rows && cols >= 2 * S::LANES => Some(Way::Columns),
            (false, 2..) if size_of::<T>() == 4 => Some(Way::Columns),
            _ if self.stream_price::<S>() < self.tiles_price::<S>(false) => Some(Way::Stream),
            _ => Some(Way::Columns),
        }
    }

    /// Whether no lane stays idle, few tiles are narrow, and B need not be transposed, or for little, so that C's columns
    /// belong in the lanes: small products are done in the time that prices take.
    fn fills_lanes<S: Simd<T>>(&self) -> bool {
        let vectors = self.cols / S::LANES;
        let fills_tiles = vectors == TALL_VECTORS || vectors >= 2 * TALL_VECTORS;
        // Transposing so short a B takes less than adding up the lanes of that many dot products.
        let transposes_little =
            has_32::<T, S>() && self.b.row_stride == 1 && self.k <= 2 * S::LANES && self.rows >= 8;
        (self.b.col_stride == 1 || transposes_little)
            && fills_tiles
            && vectors * S::LANES == self.cols
    }

    fn price<S: Simd<T>>(&self, way: Way) -> f64 {
        match way {
            Way::Columns => self.tiles_price::<S>(false),
            Way::Rows => self.turned().tiles_price::<S>(true),
            Way::Dots => self.dots_price::<S>(),
            Way::Stream => self.stream_price::<S>(),
        }
    }

    /// The price of computing it by tiles, which may have to be turned as they are written.
    fn tiles_price<S: Simd<T>>(&self, turned: bool) -> f64 {
        let across = self.cols.div_ceil(S::LANES);
        let tile = TileSize::new::<T, S>((self.rows, self.cols, self.k), turned);
        let down = tile.count::<T, S>(self.rows);
        let b_in_place = self.b.col_stride == 1 && down <= IN_PLACE_TILES;
        let few_panels = self.cols <= in_place_cols::<T, S>(self.a, false, tile);
        let wide = wide_vectors::<T, S>(self.rows);
        let is_wide = b_in_place && !(few_panels && self.a.col_stride == 1 && wide == 8);
        // Shifts, as dividing takes longer than all the rest.
        let vectors = if is_wide { wide.max(tile.vectors()) } else { tile.vectors() };
        let panels = (across + vectors - 1) >> vectors.trailing_zeros();
        let whole_panels = (self.cols / S::LANES) >> tile.vectors().trailing_zeros();
        let tail = (across - whole_panels * tile.vectors()) as f64;
        let whole_k = self.k.next_multiple_of(S::LANES) as f64;
        let vectors_high = tile.rows::<T, S>().min(self.rows).div_ceil(S::LANES) as f64;

        let (rows, cols, k) = (self.rows as f64, self.cols as f64, self.k as f64);
        let (across, lanes) = (across as f64, S::LANES as f64);
        let (tiles, vectors) = (down as f64 * panels as f64, rows * across);
        let sums = k * vectors.max(tiles * LATENCY);
        let write = match turned {
            true => down as f64 * across * lanes * vectors_high * self.turning_price::<S>(),
            false => vectors * WRITE,
        };
        let pack_a = match (self.a.row_stride, self.a.col_stride) {
            _ if few_panels => 0.0,
            (_, 1) => rows * k / lanes * TRANSPOSE,
            (1, _) => rows * k / lanes * COPY,
            _ => rows * k,
        };
        let pack_b = match (self.b.row_stride, self.b.col_stride) {
            (_, 1) => tail * k * COPY,
            (1, _) => across * whole_k * TRANSPOSE,
            _ => cols * k,
        };
        TILES + sums + write * blocks_of_k(self.k) as f64 + pack_a + pack_b
    }

    /// The price of finishing a vector of a tile that has to be turned.
    fn turning_price<S: Simd<T>>(&self) -> f64 {
        let is_far = self.rows.saturating_mul(self.cols) > FAR / size_of::<T>();
        let near = if has_32::<T, S>() { WRITE_TURNED_OF_32 } else { WRITE_TURNED_OF_16 };
        if is_far { near + WRITE_TURNED_FAR } else { near }
    }

    /// The price of computing it as dot products.
    fn dots_price<S: Simd<T>>(&self) -> f64 {
        let (down, beside) = dot::tiles::<T, S>(self.rows, self.cols);
        let steps = self.k.div_ceil(S::LANES) as f64;
        let (rows, cols, k) = (self.rows as f64, self.cols as f64, self.k as f64);
        let across = self.cols.div_ceil(S::LANES) as f64;
        let tiles = down as f64 * beside as f64;
        let vectors = match dot::is_one_row(self) {
            true => rows * cols / S::LANES as f64,
            false => rows * across,
        };
        let pack_b = match (self.b.row_stride, self.b.col_stride) {
            (1, _) => 0.0,
            (_, 1) => across * S::LANES as f64 * steps * TRANSPOSE,
            _ => cols * k,
        };
        let sums = steps * (rows * cols * DOT_STEP).max(tiles * LATENCY);
        sums + tiles * DOT_TILE + rows * cols * DOT_SUM + vectors * DOT_WRITE + pack_b
    }

    /// The price of computing it by rows of B.
    fn stream_price<S: Simd<T>>(&self) -> f64 {
        let at_once = stream::steps_at_once::<T, S>(self.rows, stream::vectors_of_b::<T, S>(self));
        let vectors = (self.rows * self.cols.div_ceil(S::LANES)) as f64;
        let sums = (vectors * (at_once as f64 + STREAM_SUM)).max(STREAM_LATENCY);
        STREAM + self.k.div_ceil(at_once) as f64 * sums + vectors * WRITE
    }

    /// How much work it is, in multiply-adds: where an operand is too large for `cache` and the other
    /// has few rows or columns, they wait for it as long as eight of them would.
    pub(super) fn work(&self, cache: usize) -> usize {
        let (few, many) = (self.rows.min(self.cols), self.rows.max(self.cols));
        let waits = many.saturating_mul(self.k) > cache / size_of::<T>();
        multiply_adds(if waits { few.max(8) } else { few }, self.k, many)
    }
}
