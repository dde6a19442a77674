//! Threads that stay awake between one piece of shared work and the next.
//!
//! A thread of rayon's that finds no work falls asleep within some 10 µs, and waking it again takes
//! 5 to 50 µs, as long as a small product. So a thread that is about to be needed again looks for
//! work for a while longer: whoever waits for the other half of a [`join`], and, while a training
//! step runs, as many threads as the step can use. They take any work of the pool's, they let other
//! threads have the processor between two looks, and they give up after [`PATIENCE`]; so a pool
//! that has other things to do, or more threads than there are cores, is not held up.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long to look for work before falling asleep.
const PATIENCE: Duration = Duration::from_micros(200);

thread_local! {
    /// Whether this thread runs what [`keep_awake`] was given.
    static AMONG_AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Whether other threads are kept awake for what this one shares, or were a moment ago.
pub(super) fn among_awake() -> bool {
    AMONG_AWAKE.get()
}

/// Runs both, at the same time if another thread is free. From outside a pool, enters it.
pub(super) fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    let done = AtomicBool::new(false);
    let first = || {
        let a = a();
        work_until(&done);
        a
    };
    let second = || {
        let _done = SetAtEnd(&done);
        b()
    };
    rayon::join(first, second)
}

/// Runs `f` in the pool, and meanwhile keeps up to `others` of its threads awake.
pub(super) fn keep_awake<R: Send>(others: usize, f: impl FnOnce() -> R + Send) -> R {
    let done = AtomicBool::new(false);
    let work = || {
        let _done = SetAtEnd(&done);
        let _among_awake = Restore(AMONG_AWAKE.replace(true));
        f()
    };
    rayon::join(work, || wait(others, &done)).0
}

/// Sets [`AMONG_AWAKE`] to what it was, at the end of its scope.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        AMONG_AWAKE.set(self.0);
    }
}

fn wait(threads: usize, done: &AtomicBool) {
    match threads {
        0 => {}
        1 => work_until(done),
        _ => _ = rayon::join(|| work_until(done), || wait(threads - 1, done)),
    }
}

/// Does the pool's work until `done` is set, or there was none for a while.
fn work_until(done: &AtomicBool) {
    // What it does meanwhile may be anybody's.
    let _among_awake = Restore(AMONG_AWAKE.replace(false));
    let mut idle_since = Instant::now();
    while !done.load(Ordering::Acquire) {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => idle_since = Instant::now(),
            _ if idle_since.elapsed() > PATIENCE => return,
            _ => std::thread::yield_now(),
        }
    }
}

/// Sets a flag at the end of its scope, however that is left.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn both_halves_of_a_join_run_where_the_second_panics() {
        assert_eq!(join(|| 1, || 2), (1, 2));
        let runs = AtomicUsize::new(0);
        let run = || runs.fetch_add(1, Ordering::Relaxed);
        let second = || {
            run();
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(|| join(run, second))).is_err());
        assert_eq!(runs.into_inner(), 2);
    }

    #[test]
    fn a_thread_knows_whether_others_are_kept_awake_for_it() {
        assert!(!among_awake());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            keep_awake(1, || {
                keep_awake(0, || assert!(among_awake()));
                assert!(among_awake(), "also after an inner call");
            });
            assert!(!among_awake());
            let panicking = || keep_awake(1, || panic!("on purpose"));
            assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
            assert!(!among_awake(), "also after a panic");
        });
    }

    #[test]
    fn a_thread_that_finds_no_work_gives_up_by_itself() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let start = Instant::now();
        // Nobody sets it.
        pool.install(|| work_until(&AtomicBool::new(false)));
        assert!(start.elapsed() >= PATIENCE);
    }

    #[test]
    fn work_done_while_waiting_is_not_among_awake() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let found = pool.install(|| {
            keep_awake(0, || {
                let found = Mutex::new(None);
                rayon::in_place_scope(|scope| {
                    scope.spawn(|_| *found.lock().unwrap() = Some(among_awake()));
                    work_until(&AtomicBool::new(false));
                });
                (found.into_inner().unwrap(), among_awake())
            })
        });
        assert_eq!(found, (Some(false), true));
    }
}
