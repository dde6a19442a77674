//! The memory of a process that trains does not grow: its peak after the first thousand steps is its
//! peak after a hundred thousand. Alone in its binary, as the peak is that of the whole process.
//!
//! `cargo test --test memory_growth -- --nocapture` prints the figures.

#![cfg(target_os = "linux")]

use gradkern::{Init, MatRef, Mlp, Par};

/// The most physical memory that this process has had at a time, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A network and the batch it learns.
struct Training {
    mlp: Mlp<f32>,
    inputs: Vec<f32>,
    labels: Vec<u8>,
}

impl Training {
    fn new(sizes: &[usize], batch: usize, par: Par) -> Self {
        let mut mlp = Mlp::new(sizes, Init::HeNormal, 0).unwrap();
        mlp.set_par(par);
        let inputs = (0..batch * sizes[0]).map(|i| (i % 17) as f32 / 17.0).collect();
        let classes = sizes[sizes.len() - 1];
        Training { mlp, inputs, labels: (0..batch).map(|i| (i % classes) as u8).collect() }
    }

    fn steps(&mut self, count: usize) {
        let inputs = MatRef::new(&self.inputs, self.labels.len(), self.mlp.sizes()[0]).unwrap();
        for _ in 0..count {
            self.mlp.train_step(inputs, (&self.labels).into(), 0.01).unwrap();
        }
    }
}

/// How much the peak grows, in KiB, while `step` is called so often, after some calls to warm up.
fn growth(what: &str, warm_up: usize, count: usize, mut step: impl FnMut(usize)) -> u64 {
    step(warm_up);
    let before = peak();
    step(count);
    let after = peak();
    println!("{what}: {before} KiB after {warm_up} steps, {after} KiB after {count} more");
    after - before
}

/// Less than 8 bytes for each of the hundred thousand steps; a page or two are the allocator's.
const FLAT: u64 = 700;

#[test]
fn the_peak_of_memory_is_flat() {
    // What the figures would show: 16 bytes a step that are never freed. First, for later there is
    // memory that was freed to take them from.
    let leak = |count| {
        (0..count).for_each(|i| std::mem::forget(std::hint::black_box(Box::new([i as u64; 2]))))
    };
    assert!(growth("with a leak", 1000, 100_000, leak) > FLAT, "a leak is seen");
    let mut small = Training::new(&[8, 16, 3], 16, Par::Seq);
    assert!(growth("small, alone", 1000, 100_000, |count| small.steps(count)) < FLAT);
    #[cfg(feature = "rayon")]
    {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let mut small = Training::new(&[8, 16, 3], 16, Par::Rayon);
        let steps = |count| pool.install(|| small.steps(count));
        assert!(growth("small, in a pool", 1000, 100_000, steps) < FLAT);
        // Large enough to be shared out. A thread makes its scratch, about 1 MiB, when it first gets
        // a task, which may be late; a matrix a step would be 80 MiB.
        let mut shared = Training::new(&[67, 131, 10], 517, Par::Rayon);
        let steps = |count| pool.install(|| shared.steps(count));
        assert!(growth("shared out", 100, 300, steps) < FLAT + 3 * 2048);
    }
}
