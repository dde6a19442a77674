//! Who does the work: the calling thread, or the rayon pool it is in. The one place that decides
//! what is worth splitting.
//!
//! A kernel states how much it has to do and where it may be cut; it is cut only between rows that
//! do not depend on each other, so the number of threads never changes a result.

#[cfg(feature = "rayon")]
mod awake;

use crate::view::{MatMut, MatRef};
#[cfg(feature = "rayon")]
use awake::{among_awake, join, keep_awake};

/// How a kernel may use threads.
///
/// The crate never makes a pool: [`Par::Rayon`] means the pool the caller is in, or rayon's global
/// one. Entering a pool from outside, and leaving it again, takes some 10 µs, so a loop of short steps
/// is best run inside, in `rayon::ThreadPool::install` or `rayon::scope`. Work too small to be worth
/// sharing stays on the calling thread either way, and the results are the same, bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Par {
    /// On the calling thread alone.
    #[default]
    Seq,
    /// On the current rayon pool (feature `rayon`, on by default).
    #[cfg(feature = "rayon")]
    Rayon,
}

/// The least work worth a task of its own, in elementary operations (a multiply-add, or a few
/// instructions on one element): handing it to a thread that is awake takes a microsecond or two.
const TASK: usize = 1 << 16;

/// The least work worth sharing where other threads may be asleep. Waking one takes 5 to 50 µs.
const WAKING: usize = 1 << 21;

impl Par {
    /// The threads there are to share work.
    fn threads(self) -> usize {
        match self {
            Par::Seq => 1,
            #[cfg(feature = "rayon")]
            Par::Rayon => rayon::current_num_threads().max(1),
        }
    }

    /// The threads there are for `work` elementary operations: 1 where sharing would not pay.
    fn threads_for(self, work: usize) -> usize {
        if work < WAKING && !among_awake() { 1 } else { self.threads() }
    }

    /// How many tasks to make of `work` elementary operations.
    pub(crate) fn tasks(self, work: usize) -> usize {
        match self.threads_for(work) {
            1 => 1,
            threads => (work / TASK).clamp(1, 4 * threads),
        }
    }

    /// How many threads are worth having for `work` elementary operations: each gets a task's worth.
    pub(crate) fn threads_worth(self, work: usize) -> usize {
        (work / TASK).clamp(1, self.threads_for(work))
    }

    /// Runs `f` on parts of `parts`, which have `rows` rows, each a multiple of `grain` rows
    /// except the last. `f` is given a part and the index of its first row.
    pub(crate) fn split_rows<P: Rows>(
        self,
        parts: P,
        rows: usize,
        grain: usize,
        work: usize,
        f: &(impl Fn(P, usize) + Sync),
    ) {
        let tasks = if parts.can_split() { self.tasks(work) } else { 1 };
        let part_rows = rows.div_ceil(tasks).next_multiple_of(grain);
        run_split(parts, 0, rows, part_rows.max(1), f);
    }

    /// Runs `f(0)` to `f(count − 1)`, in any order.
    pub(crate) fn for_each_index(self, count: usize, work: usize, f: &(impl Fn(usize) + Sync)) {
        if self.tasks(work) == 1 {
            (0..count).for_each(f);
        } else {
            share_indices(0, count, f);
        }
    }

    /// Enters the pool once, so that the kernels inside `f` need not, where `work` is worth it.
    pub(crate) fn enter<R: Send>(self, work: usize, f: impl FnOnce(Par) -> R + Send) -> R {
        if self.tasks(work) == 1 {
            return f(Par::Seq);
        }
        keep_awake(self.threads_worth(work) - 1, || f(self))
    }
}

/// Runs both.
#[cfg(not(feature = "rayon"))]
fn join<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// Runs `f`.
#[cfg(not(feature = "rayon"))]
fn keep_awake<R>(_others: usize, f: impl FnOnce() -> R) -> R {
    f()
}

/// There are none.
#[cfg(not(feature = "rayon"))]
fn among_awake() -> bool {
    false
}

/// Runs `f` on each index, halving the range.
fn share_indices(start: usize, end: usize, f: &(impl Fn(usize) + Sync)) {
    match end - start {
        0 => {}
        1 => f(start),
        _ => {
            let middle = start.midpoint(end);
            join(|| share_indices(start, middle, f), || share_indices(middle, end, f));
        }
    }
}

/// Halves `parts` until each has at most `part_rows` rows.
fn run_split<P: Rows>(
    parts: P,
    first_row: usize,
    rows: usize,
    part_rows: usize,
    f: &(impl Fn(P, usize) + Sync),
) {
    if rows <= part_rows {
        return f(parts, first_row);
    }
    let cut = rows.div_ceil(part_rows) / 2 * part_rows;
    let (above, below) = parts.split_at_row(cut);
    join(
        || run_split(above, first_row, cut, part_rows, f),
        || run_split(below, first_row + cut, rows - cut, part_rows, f),
    );
}

/// What can be cut between rows: matrices, slices with one element a row, and tuples of them.
pub(crate) trait Rows: Sized + Send {
    /// Whether it can be cut between any two rows.
    fn can_split(&self) -> bool {
        true
    }

    /// The rows before `row`, and the rest.
    fn split_at_row(self, row: usize) -> (Self, Self);
}

impl<T: Copy + Send> Rows for MatMut<'_, T> {
    fn can_split(&self) -> bool {
        self.can_split_rows()
    }

    fn split_at_row(self, row: usize) -> (Self, Self) {
        MatMut::split_at_row(self, row)
    }
}

impl<T: Copy + Sync> Rows for MatRef<'_, T> {
    fn split_at_row(self, row: usize) -> (Self, Self) {
        MatRef::split_at_row(self, row)
    }
}

impl<T: Send> Rows for &mut [T] {
    fn split_at_row(self, row: usize) -> (Self, Self) {
        self.split_at_mut(row)
    }
}

impl<R: Rows> Rows for Option<R> {
    fn can_split(&self) -> bool {
        self.as_ref().is_none_or(R::can_split)
    }

    fn split_at_row(self, row: usize) -> (Self, Self) {
        self.map(|rows| rows.split_at_row(row)).unzip()
    }
}

impl<A: Rows, B: Rows> Rows for (A, B) {
    fn can_split(&self) -> bool {
        self.0.can_split() && self.1.can_split()
    }

    fn split_at_row(self, row: usize) -> (Self, Self) {
        let (a, c) = self.0.split_at_row(row);
        let (b, d) = self.1.split_at_row(row);
        ((a, b), (c, d))
    }
}

#[cfg(all(test, feature = "rayon"))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn on_threads(threads: usize, f: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f);
    }

    #[test]
    fn every_row_is_visited_once_and_cuts_lie_at_the_grain() {
        for (threads, rows, grain) in [(1, 5, 1), (2, 1, 4), (3, 100, 7), (8, 64, 16), (8, 3, 1)] {
            on_threads(threads, || {
                let mut visits = vec![0_usize; rows];
                let f = |part: &mut [usize], first: usize| {
                    assert_eq!(first % grain, 0);
                    part.iter_mut().enumerate().for_each(|(i, visit)| *visit += 1 + first + i);
                };
                Par::Rayon.split_rows(&mut visits[..], rows, grain, usize::MAX, &f);
                assert!(visits.iter().enumerate().all(|(i, &visit)| visit == i + 1), "{visits:?}");
            });
        }
    }

    #[test]
    fn every_index_is_visited_once() {
        for count in [0, 1, 2, 7, 100] {
            let visits: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            let visit = |i: usize| {
                visits[i].fetch_add(1, Relaxed);
            };
            on_threads(3, || Par::Rayon.for_each_index(count, usize::MAX, &visit));
            Par::Seq.for_each_index(count, usize::MAX, &visit);
            assert!(visits.iter().all(|visits| visits.load(Relaxed) == 2));
        }
    }

    #[test]
    fn small_work_stays_on_the_calling_thread() {
        let here = std::thread::current().id();
        Par::Rayon.enter(1000, |par| {
            assert_eq!((std::thread::current().id(), par), (here, Par::Seq));
        });
        on_threads(2, || Par::Rayon.enter(usize::MAX, |par| assert_eq!(par, Par::Rayon)));
    }

    #[test]
    fn less_work_is_shared_by_threads_that_are_awake() {
        on_threads(4, || {
            let par = Par::Rayon;
            assert_eq!(
                [WAKING - 1, WAKING].map(|work| (par.threads_worth(work), par.tasks(work))),
                [(1, 1), (4, 16)]
            );
            par.enter(WAKING, |par| {
                assert_eq!(
                    [2 * TASK - 1, 2 * TASK, 3 * TASK].map(|work| par.threads_worth(work)),
                    [1, 2, 3]
                );
            });
        });
    }
}
