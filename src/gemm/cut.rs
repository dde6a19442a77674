//! Into which parts a product is cut, that threads compute at the same time.
//!
//! Parts beside each other pack the same rows of A, parts below each other the same columns of B: the fewer
//! the better. But threads are never equally fast: some are woken late, some share a core with another. If
//! each has one part, all wait for the slowest; if there are several for each, those who are early take more
//! of them. So cuts into one part for each thread are priced, and into several. A product is never cut
//! along k, so that no cut changes a bit.

use super::multiply_adds;
use super::plan::Way;

/// Columns of a part are a multiple of this.
const PART_COLS: usize = 32;
/// The least rows of a part, and of dot products.
const LEAST_ROWS: usize = 28;
const LEAST_ROWS_OF_DOTS: usize = 12;
/// For how many parts for each thread cuts are looked for. Two measured worse than one or three.
const PARTS_EACH: [usize; 3] = [1, 3, 4];

// Prices in multiply-adds, fitted to 109 products on 4, 8 and 16 threads, on an idle and on a busy machine, that
// were cut in two to nine ways each. In the mean over them the cut taken was 4 % slower than the best one.

/// A part that packs B takes as long as if it had so many rows more.
const PACK_B_ROWS: usize = 16;
/// A part that packs A, and shares cache lines of C with the one beside, takes as long as if it had so many
/// columns more.
const PACK_A_COLS: usize = 32;
/// To hand a part to a thread.
const HAND: f64 = 200e3;
/// How many parts' time the last thread is late, for each thread beyond two.
const LATE: f64 = 0.08;

/// Rows and columns of the parts of a rows × cols product with k steps, of which there are at most `most`, for
/// `threads` threads.
pub(super) fn parts(
    way: Way,
    (rows, cols, k): (usize, usize, usize),
    threads: usize,
    most: usize,
) -> (usize, usize) {
    let most_down = match way {
        Way::Columns | Way::Rows => rows / LEAST_ROWS,
        Way::Dots => rows / LEAST_ROWS_OF_DOTS,
        // It takes all rows at once.
        Way::Stream => 1,
    };
    let (most_down, most_across) = (most_down.max(1), (cols / PART_COLS).max(1));
    let cuts = PARTS_EACH.into_iter().flat_map(|each| {
        let most = (each * threads).min(most);
        (1..=most_down.min(most)).map(move |down| (down, most_across.min(most / down)))
    });
    let parts = cuts.map(|(down, across)| {
        let part_rows = rows.div_ceil(down).next_multiple_of(2);
        let part_cols = cols.div_ceil(across).next_multiple_of(PART_COLS);
        let count = rows.div_ceil(part_rows) * cols.div_ceil(part_cols);
        let work = multiply_adds(part_rows + PACK_B_ROWS, k, part_cols + PACK_A_COLS);
        let turns = count.div_ceil(threads) as f64 + LATE * threads.saturating_sub(2) as f64;
        ((work as f64 + HAND) * turns, (part_rows, part_cols))
    });
    parts.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is one cut at least").1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(
        way: Way,
        (rows, cols, k): (usize, usize, usize),
        threads: usize,
        most: usize,
    ) -> usize {
        let (part_rows, part_cols) = parts(way, (rows, cols, k), threads, most);
        assert!(part_rows > 0 && part_cols > 0);
        rows.div_ceil(part_rows) * cols.div_ceil(part_cols)
    }

    #[test]
    fn there_are_no_more_parts_than_wanted() {
        for most in 1..=64 {
            for (rows, cols) in [(1, 1), (1, 4096), (4096, 1), (27, 31), (300, 300), (784, 512)] {
                for way in Way::ALL {
                    let count = count(way, (rows, cols, 900_000), 16, most);
                    assert!((1..=most).contains(&count), "{rows} × {cols}, {most}: {count}");
                }
            }
        }
        assert!(count(Way::Columns, (2048, 4096, 900_000), 16, 64) > 48);
    }

    /// Also where a cut along one side alone would leave some without one.
    #[test]
    fn no_thread_stays_without_a_part() {
        for size in [(128, 784, 512), (500, 700, 300), (256, 300, 300), (1000, 1000, 1000)] {
            for threads in [2, 3, 4, 6, 8, 12, 16] {
                assert!(
                    count(Way::Columns, size, threads, 4 * threads) >= threads,
                    "{size:?}, {threads}"
                );
            }
        }
    }

    #[test]
    fn many_threads_have_several_parts_of_a_large_product_each() {
        let most = |size, threads| count(Way::Columns, size, threads, 4 * threads);
        assert!(most((2048, 2048, 2048), 16) >= 3 * 16);
        assert_eq!(most((784, 128, 64), 16), 16);
        assert_eq!(most((1024, 1024, 1024), 2), 2);
    }

    #[test]
    fn little_is_packed_twice() {
        let in_two = |size| parts(Way::Columns, size, 2, 8);
        assert_eq!(in_two((784, 512, 128)), (392, 512));
        assert_eq!(in_two((128, 512, 784)), (128, 256));
    }

    #[test]
    fn a_stream_is_cut_between_columns_alone() {
        assert_eq!(parts(Way::Stream, (800, 40, 900_000), 16, 64).0, 800);
        assert_eq!(parts(Way::Stream, (8, 1024, 1024), 16, 64), (8, 64));
    }

    #[test]
    fn dot_products_are_cut_into_fewer_rows() {
        assert_eq!(parts(Way::Dots, (48, 4, 900_000), 4, 4), (12, 32));
        assert_eq!(parts(Way::Columns, (48, 4, 900_000), 4, 4), (48, 32));
    }
}
