//! Into which parts a product is cut, that threads compute at the same time.
//!
//! Parts beside each other pack the same rows of A, parts below each other the same columns of B, and the
//! largest part decides. So every number of parts below each other is priced, with as many beside each
//! other as are left. A product is never cut along k, so that no cut changes a bit.

use super::driver::Job;
use super::params::in_place_cols;
use super::plan::Way;
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// Columns of a part are a multiple of this.
const PART_COLS: usize = 32;

// What a part costs beside its multiply-adds, as if it had more rows or columns: fitted to products on 4 to 16
// threads that were cut in two to five ways each. The cut taken was 1.4 % slower than the best one, in the
// mean.

/// To pack B anew, in rows.
const PACK_B: usize = 16;
/// To pack A anew, in columns.
const PACK_A: usize = 40;
/// To read A's rows where they lie, and share cache lines of C with the part beside, in columns.
const READ_A: usize = 16;

/// Asks for rows and columns of the parts of a product, to be computed in turn or at the same time, of which
/// there are at most `most`.
pub(super) struct BestCut<'a, T> {
    pub(super) job: &'a Job<T>,
    pub(super) way: Way,
    pub(super) most: usize,
}

impl<T: Float> Kernel<T> for BestCut<'_, T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd<T>>(self, _simd: S) -> (usize, usize) {
        let BestCut { job, way, most } = self;
        let (least_rows, unpacked_cols) = match way {
            Way::Dots => (12, usize::MAX),
            _ if job.a.col_stride == 1 => (28, in_place_cols::<T, S>(job.a, true)),
            _ => (28, 0),
        };
        parts((job.rows, job.cols), least_rows, unpacked_cols, most)
    }
}

/// Of all ways to cut a product into `most` parts or less, of `least_rows` rows or more, the one whose parts
/// take the least time. Those of up to `unpacked_cols` columns do not pack A.
fn parts(
    (rows, cols): (usize, usize),
    least_rows: usize,
    unpacked_cols: usize,
    most: usize,
) -> (usize, usize) {
    let most_down = (rows / least_rows).clamp(1, most);
    let most_across = (cols / PART_COLS).max(1);
    let cuts = (1..=most_down).map(|down| {
        let across = most_across.min(most / down);
        (rows.div_ceil(down).next_multiple_of(2), cols.div_ceil(across).next_multiple_of(PART_COLS))
    });
    let price = |&(rows, cols): &(usize, usize)| {
        (rows + PACK_B) * (cols + if cols <= unpacked_cols { READ_A } else { PACK_A })
    };
    cuts.min_by_key(price).expect("there is one cut at least")
}

#[cfg(test)]
mod tests {
    use super::super::stream;
    use super::*;

    /// How many parts there are, and how much larger one is than an equal share of the product.
    fn count_and_excess((rows, cols): (usize, usize), most: usize) -> (usize, f64) {
        let (part_rows, part_cols) = parts((rows, cols), 28, 256, most);
        let count = rows.div_ceil(part_rows) * cols.div_ceil(part_cols);
        (count, (part_rows * part_cols * most) as f64 / (rows * cols) as f64)
    }

    #[test]
    fn there_are_no_more_parts_than_wanted() {
        for most in 1..=64 {
            for size in [(1, 1), (1, 4096), (4096, 1), (27, 31), (300, 300), (784, 512)] {
                assert!((1..=most).contains(&count_and_excess(size, most).0), "{size:?}, {most}");
            }
        }
    }

    /// A cut along one side alone would leave 7 of 16 threads without a part of 128 × 784.
    #[test]
    fn no_thread_has_much_more_to_do_than_others() {
        for size in [(128, 784), (500, 700), (256, 300), (784, 128), (1000, 1000)] {
            for most in [2, 3, 4, 6, 8, 12, 16] {
                let excess = count_and_excess(size, most).1;
                assert!(excess < 1.5, "{size:?}, {most}: {excess}");
            }
        }
    }

    #[test]
    fn little_is_packed_twice() {
        assert_eq!(parts((784, 512), 28, 0, 2), (392, 512));
        assert_eq!(parts((128, 512), 28, 256, 2), (128, 256));
        assert_eq!(parts((1024, 1024), 28, 32, 16), (128, 512));
        assert_eq!(parts((128, 512), 28, 256, 8), (128, 64));
    }

    /// As `Way::Stream`, which takes all rows at once, relies on.
    #[test]
    fn few_rows_are_not_cut() {
        assert_eq!(parts((stream::MOST_ROWS, 1024), 28, 256, 16), (stream::MOST_ROWS, 64));
    }
}
