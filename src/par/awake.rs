//! Threads that stay awake between one piece of shared work and the next.
//!
//! A thread of rayon's that finds no work falls asleep within some 10 µs, and waking it again takes
//! 5 to 50 µs, as long as a small product. So a thread that is about to be needed again looks for
//! work for a while longer: whoever waits for the other half of a [`join`], and, while a training
//! step runs, as many threads as the step can use. They take any work of the pool's, they let other
//! threads have the processor between two looks, and they give up after [`PATIENCE`]; so a pool
//! that has other things to do, or more threads than there are cores, is not held up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long to look for work before falling asleep.
const PATIENCE: Duration = Duration::from_micros(200);

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
        f()
    };
    rayon::join(work, || wait(others, &done)).0
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
