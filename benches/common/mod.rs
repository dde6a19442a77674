//! What the benchmarks share: their settings, their data, their threads, and how they are named.

// Each benchmark is a crate of its own and uses only some of this.
#![allow(dead_code)]

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use gradkern::{Par, Rng, isa};
use std::time::Duration;

/// A group of benchmarks, each taking about a second and a half.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20)
        .nresamples(5_000)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    group
}

/// Who does the work: the calling thread, or a pool of two that it is in.
pub enum Threads {
    One,
    #[cfg(feature = "rayon")]
    Two(rayon::ThreadPool),
}

impl Threads {
    /// One thread, and two where the work is large enough to be shared.
    #[cfg(feature = "rayon")]
    pub fn choices(work_is_large: bool) -> Vec<Threads> {
        let two = work_is_large.then(|| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
            Threads::Two(pool.expect("a pool of two threads"))
        });
        std::iter::once(Threads::One).chain(two).collect()
    }

    /// One thread, as there is no other.
    #[cfg(not(feature = "rayon"))]
    pub fn choices(_: bool) -> Vec<Threads> {
        vec![Threads::One]
    }

    /// `gradkern`, the instruction set in use and the number of threads.
    pub fn engine(&self) -> String {
        let isa = isa::current().expect("an instruction set this processor has").name();
        match self {
            Threads::One => format!("gradkern-{isa}-1thread"),
            #[cfg(feature = "rayon")]
            Threads::Two(_) => format!("gradkern-{isa}-2threads"),
        }
    }

    /// Measures `f`, called from inside the pool if there is one.
    pub fn measure(&self, bencher: &mut criterion::Bencher<'_>, mut f: impl FnMut(Par) + Send) {
        match self {
            Threads::One => bencher.iter(|| f(Par::Seq)),
            #[cfg(feature = "rayon")]
            Threads::Two(pool) => bencher.iter_custom(|iterations| {
                pool.install(|| {
                    let start = std::time::Instant::now();
                    (0..iterations).for_each(|_| f(Par::Rayon));
                    start.elapsed()
                })
            }),
        }
    }
}

/// `len` values of N(0, 1).
pub fn normal(len: usize) -> Vec<f32> {
    let mut rng = Rng::new(len as u64);
    (0..len).map(|_| rng.normal() as f32).collect()
}

/// `len` labels below `classes`.
pub fn labels(len: usize, classes: usize) -> Vec<u32> {
    let mut rng = Rng::new(classes as u64);
    (0..len).map(|_| rng.below(classes) as u32).collect()
}

/// Two floating-point operations for each multiply-add of a product.
pub fn flops(m: usize, n: usize, k: usize) -> u64 {
    2 * (m * n * k) as u64
}
