//! Which way a product is computed, and into which parts it is cut.
//!
//! The ways differ in how many lanes stay idle and in what has to be transposed. Each is priced in
//! vector operations, and the cheapest is taken; the prices depend on shapes and strides alone.

use super::driver::Job;
use super::params::{TILE_VECTORS, in_place_panels};
use super::stream::MOST_ROWS;
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

/// Bytes of a B that is read once rather than in tiles: what does not stay in L2.
const STREAM_BYTES: usize = 2 << 20;

/// Operations to transpose a vector in registers, with its load and its store.
const TRANSPOSE: f64 = 8.0;
/// Operations to copy a vector.
const COPY: f64 = 2.0;
/// Operations to finish a vector of C in registers.
const WRITE: f64 = 3.0;
/// Operations to finish a vector of a tile that has to be turned, through a buffer.
const WRITE_TURNED: f64 = 30.0;
/// Operations of a step of a dot product, whose operands are both read from memory.
const DOT_STEP: f64 = 1.25;
/// Operations to sum the lanes of a vector, and to put the sum in its place.
const SUM: f64 = 4.0;

impl<T: Float> Job<T> {
    /// The cheapest way with vectors of `lanes` elements.
    pub(super) fn best_way(&self, lanes: usize) -> Way {
        let b_bytes = self.k.saturating_mul(self.cols).saturating_mul(size_of::<T>());
        if self.rows <= MOST_ROWS && self.b.col_stride == 1 && b_bytes >= STREAM_BYTES {
            return Way::Stream;
        }
        let mut best = (self.tiles_price(lanes, WRITE), Way::Columns);
        let mut offer = |price: f64, way| {
            if price < best.0 {
                best = (price, way);
            }
        };
        if self.output.col_stride == 1 {
            offer(self.turned().tiles_price(lanes, WRITE_TURNED), Way::Rows);
        }
        if self.a.col_stride == 1 {
            offer(self.dots_price(lanes), Way::Dots);
        }
        best.1
    }

    /// The price of computing it by tiles, at `write` operations for a vector of C.
    fn tiles_price(&self, lanes: usize, write: f64) -> f64 {
        let (rows, cols, k) = (self.rows as f64, self.cols as f64, self.k as f64);
        let across = self.cols.div_ceil(lanes);
        let whole_k = self.k.next_multiple_of(lanes) as f64;
        let tail = (self.cols % (lanes * TILE_VECTORS)).div_ceil(lanes) as f64;
        let few_panels = across <= in_place_panels(self.a) * TILE_VECTORS;
        let (across, lanes) = (across as f64, lanes as f64);
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
        rows * across * (k + write) + pack_a + pack_b
    }

    /// The price of computing it as dot products.
    fn dots_price(&self, lanes: usize) -> f64 {
        let (rows, cols, k) = (self.rows as f64, self.cols as f64, self.k as f64);
        let pack_b = match (self.b.row_stride, self.b.col_stride) {
            (1, _) => 0.0,
            (_, 1) => cols * k / lanes as f64 * TRANSPOSE,
            _ => cols * k,
        };
        rows * cols * (self.k.div_ceil(lanes) as f64 * DOT_STEP + SUM) + pack_b
    }

    /// Rows and columns of the parts, to be computed in turn or at the same time, of which there are
    /// about `parts`.
    pub(super) fn parts(&self, way: Way, parts: usize) -> (usize, usize) {
        // Least extents worth a part of their own: what is packed for it must be used often.
        let (least_rows, least_cols) = if way == Way::Dots { (12, 32) } else { (28, 64) };
        let most_down = (self.rows / least_rows).max(1);
        let most_across = (self.cols / least_cols).max(1);
        // Parts beside each other pack the same A, parts below each other the same B: the smaller one.
        let by_rows = self.rows >= self.cols;
        let (down, across) = if by_rows {
            let down = most_down.min(parts);
            (down, most_across.min(parts / down))
        } else {
            let across = most_across.min(parts);
            (most_down.min(parts / across), across)
        };
        (
            self.rows.div_ceil(down).next_multiple_of(2),
            self.cols.div_ceil(across).next_multiple_of(32),
        )
    }
}
