//! The same bits, and no deadlock, on a pool that has more threads than the machine has cores, from
//! many threads at once, while other work of random length is on the pool and beside it: so that
//! tasks are stolen in another order each time.
//!
//! `cargo test --release --test threads_under_load -- --ignored --nocapture` runs 1000 steps of
//! training on each of 8 threads, and others a long time.

#![cfg(feature = "rayon")]

mod common;

use common::{Random, assert_same_bits, in_pool};
use gradkern::{Init, MatRef, Mlp, Par};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A layer's product has some millions of multiply-adds: some tasks.
const SIZES: [usize; 4] = [67, 131, 66, 10];
const BATCH: usize = 517;

/// Losses and parameters of steps of training.
fn train(steps: usize, par: Par) -> Vec<f32> {
    let mut mlp = Mlp::<f32>::new(&SIZES, Init::HeNormal, 3).unwrap();
    mlp.set_par(par);
    let mut random = Random::new(8);
    let inputs: Vec<f32> = (0..BATCH * SIZES[0]).map(|_| random.symmetric(1.0) as f32).collect();
    let labels: Vec<u8> = (0..BATCH).map(|i| (i * i % 10) as u8).collect();
    let inputs = MatRef::new(&inputs, BATCH, SIZES[0]).unwrap();
    let step = |mlp: &mut Mlp<f32>| mlp.train_step(inputs, (&labels).into(), 0.05).unwrap();
    let mut losses: Vec<f32> = (0..steps).map(|_| step(&mut mlp)).collect();
    losses.extend_from_slice(mlp.parameters());
    losses
}

/// Does nothing useful for a random time of up to 200 µs.
fn dawdle(random: &mut Random) {
    let end = Instant::now() + Duration::from_micros(random.below(200) as u64);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Runs `f` while a thread outside of the pool of 8 keeps busy, and another keeps giving the pool
/// tasks of its own.
fn under_load<R>(f: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for inside in [false, true] {
            let done = &done;
            scope.spawn(move || {
                let mut random = Random::new(inside.into());
                while !done.load(Relaxed) {
                    if inside {
                        let seed = random.bits();
                        in_pool(8, || dawdle(&mut Random::new(seed)));
                    }
                    dawdle(&mut random);
                }
            });
        }
        let result = f();
        done.store(true, Relaxed);
        result
    })
}

/// Runs `f`, which must return within `limit`.
fn within<R: Send + 'static>(limit: Duration, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || drop(sender.send(f())));
    let result = receiver.recv_timeout(limit);
    let result = result.unwrap_or_else(|error| panic!("not done after {limit:?}: {error}"));
    thread.join().expect("it has sent its result");
    result
}

/// `callers` threads, each training in the pool of 8 at the same time.
fn many_callers_at_once(callers: usize, steps: usize) {
    let expected = train(steps, Par::Seq);
    let all: Vec<Vec<f32>> = under_load(|| {
        std::thread::scope(|scope| {
            let train = || in_pool(8, || train(steps, Par::Rayon));
            let threads: Vec<_> = (0..callers).map(|_| scope.spawn(train)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    });
    assert_eq!(all.len(), callers);
    for found in &all {
        assert_same_bits("many callers", found, &expected);
    }
}

/// Each of `callers` tasks of a parallel iterator trains, and so shares out work within the pool.
fn nested_in_a_parallel_iterator(callers: usize, steps: usize) {
    let expected = train(steps, Par::Seq);
    let all: Vec<Vec<f32>> = under_load(|| {
        in_pool(8, || (0..callers).into_par_iter().map(|_| train(steps, Par::Rayon)).collect())
    });
    assert_eq!(all.len(), callers);
    for found in &all {
        assert_same_bits("nested", found, &expected);
    }
}

/// Five minutes are far more than it takes, but for a deadlock.
const SHORT: Duration = Duration::from_secs(300);

#[test]
fn many_threads_at_once() {
    within(SHORT, || many_callers_at_once(8, 12));
}

#[test]
fn within_the_callers_parallel_iterator() {
    within(SHORT, || nested_in_a_parallel_iterator(11, 8));
}

#[test]
#[ignore = "takes a minute in release"]
fn a_thousand_steps_on_each_of_eight_threads() {
    let start = Instant::now();
    within(Duration::from_secs(3600), || many_callers_at_once(8, 1000));
    println!("8 threads at once, 1000 steps each: the same bits, {:.1?}", start.elapsed());
}

#[test]
#[ignore = "takes a minute in release"]
fn a_thousand_steps_nested_eight_times() {
    let start = Instant::now();
    within(Duration::from_secs(3600), || nested_in_a_parallel_iterator(8, 1000));
    println!(
        "8 nested in a parallel iterator, 1000 steps each: the same bits, {:.1?}",
        start.elapsed()
    );
}
