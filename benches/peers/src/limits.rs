//! What the machine can do at best: fused multiply-adds that wait for nothing, and bytes that are
//! only copied. Both take part in the rounds of every row, so that the share of the limit which a
//! kernel reaches is that of the same minutes.

use crate::measure::Contender;
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// Multiply-adds that one accumulator sees in a burst: about 100 µs.
const STEPS: usize = 25_000;
/// Bytes from which on copying is shared by the threads.
const WORTH_SHARING: usize = 1 << 20;
/// Far beyond the caches.
const LARGE: usize = 512 << 20;

/// The least that a computation has to do.
#[derive(Clone, Copy)]
pub struct Work {
    pub flops: f64,
    /// Read and written, each operand once.
    pub bytes: usize,
}

/// The limits of the machine for a number of threads.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    pub threads: usize,
    pub fma_gflops: f64,
    /// Read and written, far beyond the caches.
    pub memcpy_gb_per_s: f64,
}

impl Limits {
    /// The best of several measurements.
    pub fn measure(threads: usize) -> Self {
        let best = |mut contender: Contender<'_>, repetitions: usize| {
            (0..repetitions).map(|_| contender.once()).fold(f64::INFINITY, f64::min)
        };
        Limits {
            threads,
            fma_gflops: 1e-9 * burst_flops(threads) / best(burst(threads), 200),
            memcpy_gb_per_s: 1e-9 * LARGE as f64 / best(memcpy(LARGE, threads), 10),
        }
    }
}

/// The floating-point operations of a call of [`burst`].
pub fn burst_flops(threads: usize) -> f64 {
    (threads * repetitions(threads) * STEPS * InstructionSet::best().flops_a_step()) as f64
}

/// Multiply-adds in registers, on all threads.
pub fn burst<'a>(threads: usize) -> Contender<'a> {
    let set = InstructionSet::best();
    let run = move || (0..repetitions(threads)).for_each(|_| set.multiply_adds());
    Contender::new("multiply-adds", move || {
        if threads == 1 {
            run();
        } else {
            rayon::broadcast(|_| run());
        }
    })
}

/// Several threads work for longer, as it takes a while until all have begun.
fn repetitions(threads: usize) -> usize {
    if threads == 1 { 1 } else { 10 }
}

/// A copy that reads and writes this many bytes together.
pub fn memcpy<'a>(bytes: usize, threads: usize) -> Contender<'a> {
    let len = (bytes / 2).max(1);
    let (from, mut to) = (vec![1_u8; len], vec![0_u8; len]);
    let part = if bytes < WORTH_SHARING { len } else { len.div_ceil(threads) };
    Contender::new("memcpy", move || {
        let parts = to.chunks_mut(part).zip(black_box(&from).chunks(part));
        copy_each(parts);
        black_box(&mut to);
    })
}

/// Copies each part on a thread of its own.
fn copy_each<'a>(mut parts: impl Iterator<Item = (&'a mut [u8], &'a [u8])> + Send) {
    let Some((to, from)) = parts.next() else { return };
    if parts.size_hint().0 == 0 {
        to.copy_from_slice(from);
    } else {
        rayon::join(|| to.copy_from_slice(from), || copy_each(parts));
    }
}

#[derive(Clone, Copy)]
enum InstructionSet {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Baseline,
}

impl InstructionSet {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") {
            return Self::Avx512;
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self::Avx2;
        }
        Self::Baseline
    }

    fn flops_a_step(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 2 * 24 * 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2 * 12 * 8,
            Self::Baseline => 2 * 12 * 4,
        }
    }

    fn multiply_adds(self) {
        match self {
            // SAFETY: the processor was asked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512() },
            // SAFETY: the processor was asked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2() },
            Self::Baseline => baseline(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(black_box(1e-3)), _mm512_set1_ps(black_box(0.999)));
    multiply_adds([_mm512_set1_ps(1.0); 24], |x| _mm512_fmadd_ps(x, b, a));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let (a, b) = (_mm256_set1_ps(black_box(1e-3)), _mm256_set1_ps(black_box(0.999)));
    multiply_adds([_mm256_set1_ps(1.0); 12], |x| _mm256_fmadd_ps(x, b, a));
}

fn baseline() {
    let (a, b) = (black_box(1e-3), black_box(0.999));
    multiply_adds([[1.0_f32; 4]; 12], |x| x.map(|x| x * b + a));
}

/// As many accumulators as leave some of the registers free: enough that none is waited for.
#[inline(always)]
fn multiply_adds<T: Copy, const ACCUMULATORS: usize>(
    mut accumulators: [T; ACCUMULATORS],
    multiply_add: impl Fn(T) -> T,
) {
    for _ in 0..STEPS {
        for accumulator in &mut accumulators {
            *accumulator = multiply_add(*accumulator);
        }
    }
    black_box(accumulators);
}
