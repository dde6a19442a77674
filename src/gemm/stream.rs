//! Products of a few rows with a row-major B: B is read once, from its first element to its last.
//!
//! With so few rows a product takes as long as reading B. Tiles would read it in columns of a few
//! cache lines a row, each row perhaps in a page of its own, where the processor does not fetch
//! ahead. Here some rows of B are read side by side along their whole length, and their sum
//! `A[i, p] · B[p, ..] + A[i, p + 1] · B[p + 1, ..] + …` is added to sums that stay in L1 or L2. The sums
//! are taken in groups, which are added in order.

use super::driver::Job;
use super::groups;
use super::output::{Matrix, write_vector};
use super::tile::has_32;
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::ops::Range;

/// The most rows of a product computed this way.
pub(super) const MOST_ROWS: usize = 8;

/// Vectors of a B that is read this way whatever the prices: what does not stay in L2.
const LARGE: usize = 32 << 10;

/// Vectors of a B beyond which it may lie in memory, from where fewer rows side by side arrive faster.
const HUGE: usize = 128 << 10;

/// Whether B is so large that reading it is most of the work.
pub(super) const fn is_large<T: Float, S: Simd<T>>(job: &Job<T>) -> bool {
    vectors_of_b::<T, S>(job) >= LARGE
}

/// Vectors that B would fill.
pub(super) const fn vectors_of_b<T: Float, S: Simd<T>>(job: &Job<T>) -> usize {
    job.k.saturating_mul(job.cols) / S::LANES
}

/// Rows of a B of so many vectors that are read side by side: the more, the less often the sums are loaded and
/// stored. But what they are multiplied by has to be copied if there is much of it, which pays where B is large; and
/// rows a page apart fall into the same set of L1.
pub(super) const fn steps_at_once<T: Float, S: Simd<T>>(rows: usize, vectors: usize) -> usize {
    match (rows, vectors) {
        (..=FEW_ROWS, _) => STEPS,
        (_, ..LARGE) => LEAST_STEPS,
        (MANY_ROWS.., ..=HUGE) if has_32::<T, S>() => MOST_STEPS,
        (MANY_ROWS.., _) if has_32::<T, S>() => MANY_STEPS,
        _ => STEPS,
    }
}

const LEAST_STEPS: usize = 4;
const STEPS: usize = 8;
const MANY_STEPS: usize = 12;
const MOST_STEPS: usize = 16;

/// Rows for which there is little to do for a row of B.
const FEW_ROWS: usize = 2;

/// Rows for which there is much.
const MANY_ROWS: usize = 6;

/// The most rows that have two vectors of sums each in 16 registers, with what they are made of.
const WIDE_ROWS: usize = 6;

/// The least of a [group](groups)'s terms, each of which is a few rows of B.
const LEAST_GROUP: usize = 16;

/// Bytes of sums, at most, and as many of earlier groups. They may come from L2: each pass over some rows of B begins
/// slowly, so these are to be read far along.
const SUM_BYTES: usize = 64 << 10;

/// Some columns of a product of at most [`MOST_ROWS`] rows, whose B lies in rows.
pub(super) struct StreamPart<'a, T> {
    pub(super) job: &'a Job<T>,
    pub(super) cols: Range<usize>,
}

impl<T: Float> Kernel<T> for StreamPart<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let StreamPart { job, cols } = self;
        debug_assert!(!cols.is_empty());
        let most = SUM_BYTES / size_of::<T>() / job.rows / S::LANES * S::LANES;
        let blocks = cols.len().div_ceil(most);
        let block = cols.len().div_ceil(blocks).next_multiple_of(S::LANES);
        T::with_scratch(2 * job.rows * block, |sums| {
            for col in cols.clone().step_by(block) {
                let len = block.min(cols.end - col);
                let (sums, before) = sums.split_at_mut(job.rows * block);
                let used = job.rows * len.next_multiple_of(S::LANES);
                let (sums, before) = (&mut sums[..used], &mut before[..used]);
                macro_rules! call {
                    ($($rows:literal)*) => {
                        match job.rows {
                            $($rows => simd.call(Block::<T, $rows> { job, col, len, sums, before }),)*
                            rows => unreachable!("{rows} rows are not for this way"),
                        }
                    };
                }
                call!(1 2 3 4 5 6 7 8);
            }
        });
    }
}

/// `len` columns from `col` on, and the sums of `ROWS` rows, vector by vector of columns: of the steps of a
/// group so far, and of the groups before.
struct Block<'a, 'b, T, const ROWS: usize> {
    job: &'a Job<T>,
    col: usize,
    len: usize,
    sums: &'b mut [T],
    before: &'b mut [T],
}

impl<T: Float, const ROWS: usize> Kernel<T> for Block<'_, '_, T, ROWS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Block { job, col, len, mut sums, mut before } = self;
        let b = Matrix { data: job.b.at(0, col), ..job.b };
        let steps = steps_at_once::<T, S>(ROWS, vectors_of_b::<T, S>(job));
        let group = groups::in_order(job.k / steps, LEAST_GROUP) * steps;
        let mut start = 0;
        loop {
            let end = job.k.min(start + group);
            sums.fill(T::ZERO);
            // SAFETY: who made the part vouches for A, B, and the columns' places in C; `sums` has ROWS
            // vectors for each vector of columns.
            unsafe {
                add_group::<T, S, ROWS>(
                    simd,
                    (job.a, b),
                    (start..end, steps),
                    len,
                    sums.as_mut_ptr(),
                );
            }
            if start > 0 {
                for (sum, &before) in sums.iter_mut().zip(&*before) {
                    *sum += before;
                }
            }
            start = end;
            if start == job.k {
                break;
            }
            std::mem::swap(&mut sums, &mut before);
        }
        let vectors = sums.chunks_exact(ROWS * S::LANES).zip((0..len).step_by(S::LANES));
        for (sums, j) in vectors {
            for i in 0..ROWS {
                let x = simd.load(&sums[i * S::LANES..]);
                // SAFETY: as above.
                unsafe {
                    write_vector(simd, &job.output, x, i, col + j, S::LANES.min(len - j));
                }
            }
        }
    }
}

/// Adds a group's steps of k to the sums, as many at once as [`steps_at_once`] says.
///
/// # Safety
/// As [`add_steps`].
#[inline(always)]
unsafe fn add_group<T: Float, S: Simd<T>, const ROWS: usize>(
    simd: S,
    (a, b): (Matrix<T>, Matrix<T>),
    (steps, at_once): (Range<usize>, usize),
    len: usize,
    sums: *mut T,
) {
    let mut p = steps.start;
    // SAFETY: the caller vouches for the steps and for the sums.
    unsafe {
        while ROWS >= MANY_ROWS && at_once == MOST_STEPS && p + MOST_STEPS <= steps.end {
            add_steps::<T, S, ROWS, MOST_STEPS>(simd, a, b, p, len, sums);
            p += MOST_STEPS;
        }
        while ROWS >= MANY_ROWS && at_once >= MANY_STEPS && p + MANY_STEPS <= steps.end {
            add_steps::<T, S, ROWS, MANY_STEPS>(simd, a, b, p, len, sums);
            p += MANY_STEPS;
        }
        while at_once == STEPS && p + STEPS <= steps.end {
            add_steps::<T, S, ROWS, STEPS>(simd, a, b, p, len, sums);
            p += STEPS;
        }
        while p + LEAST_STEPS <= steps.end {
            add_steps::<T, S, ROWS, LEAST_STEPS>(simd, a, b, p, len, sums);
            p += LEAST_STEPS;
        }
        while p < steps.end {
            add_steps::<T, S, ROWS, 1>(simd, a, b, p, len, sums);
            p += 1;
        }
    }
}

/// Adds `N` steps of k, from `p` on, to the sums.
///
/// # Safety
/// The steps lie in A, and in B, of which `len` adjacent columns are read; there are `ROWS` vectors of sums for
/// each vector of columns.
#[inline(always)]
unsafe fn add_steps<T: Float, S: Simd<T>, const ROWS: usize, const N: usize>(
    simd: S,
    a: Matrix<T>,
    b: Matrix<T>,
    p: usize,
    len: usize,
    sums: *mut T,
) {
    let is_wide = has_32::<T, S>() || ROWS <= WIDE_ROWS;
    // SAFETY: the caller vouches for the steps of A and B, and for the sums.
    unsafe {
        let factors = Factors::<T, S, ROWS, N>::new(simd, a, p);
        let mut j = 0;
        while is_wide && j + 2 * S::LANES <= len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<2, false>(simd, b, 2 * S::LANES, sums.add(j * ROWS));
            j += 2 * S::LANES;
        }
        while j + S::LANES <= len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<1, false>(simd, b, S::LANES, sums.add(j * ROWS));
            j += S::LANES;
        }
        if j < len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<1, true>(simd, b, len - j, sums.add(j * ROWS));
        }
    }
}

/// What `N` rows of B are multiplied by for each row of sums: in all lanes of vectors, as many as a compiler keeps in
/// registers, or copied to memory, from where each use puts it in all lanes.
struct Factors<T: Float, S: Simd<T>, const ROWS: usize, const N: usize> {
    in_lanes: [[S::V; ROWS]; N],
    in_memory: [[T; ROWS]; N],
}

#[expect(clippy::needless_range_loop, reason = "sums and factors are indexed by row and vector")]
impl<T: Float, S: Simd<T>, const ROWS: usize, const N: usize> Factors<T, S, ROWS, N> {
    const IN_LANES: bool = ROWS <= FEW_ROWS || N <= LEAST_STEPS;

    /// # Safety
    /// The `N` steps from `p` on lie in A.
    #[inline(always)]
    unsafe fn new(simd: S, a: Matrix<T>, p: usize) -> Self {
        let in_lanes = [[simd.splat(T::ZERO); ROWS]; N];
        let mut factors = Factors { in_lanes, in_memory: [[T::ZERO; ROWS]; N] };
        for s in 0..N {
            for i in 0..ROWS {
                // SAFETY: the caller vouches for the element.
                let factor = unsafe { *a.at(i, p + s) };
                if Self::IN_LANES {
                    factors.in_lanes[s][i] = simd.splat(factor);
                } else {
                    factors.in_memory[s][i] = factor;
                }
            }
        }
        factors
    }

    /// Adds rows of B, each times its factors, to `VECTORS` vectors of every row of sums.
    ///
    /// # Safety
    /// B has `N` rows of `cols` adjacent columns to read: whole vectors, or one that is `CUT`. There are as many
    /// sums, in whole vectors.
    #[inline(always)]
    unsafe fn add_columns<const VECTORS: usize, const CUT: bool>(
        &self,
        simd: S,
        b: Matrix<T>,
        cols: usize,
        sums: *mut T,
    ) {
        const { assert!(!CUT || VECTORS == 1) };
        let mut acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
        let mut x = [simd.splat(T::ZERO); VECTORS];
        // SAFETY: the caller vouches for B and for the sums.
        unsafe {
            let mut from = b.data;
            for s in 0..N {
                for j in 0..VECTORS {
                    x[j] = match CUT {
                        false => simd.load_ptr(from.wrapping_add(j * S::LANES)),
                        true => simd.load_first_ptr(from, cols),
                    };
                }
                for i in 0..ROWS {
                    let factor = match Self::IN_LANES {
                        true => self.in_lanes[s][i],
                        false => simd.splat(self.in_memory[s][i]),
                    };
                    for j in 0..VECTORS {
                        acc[i][j] = simd.mul_add(factor, x[j], acc[i][j]);
                    }
                }
                from = from.wrapping_add(b.row_stride);
            }
            for j in 0..VECTORS {
                for i in 0..ROWS {
                    let sum = sums.add((j * ROWS + i) * S::LANES);
                    simd.store_ptr(simd.add(simd.load_ptr(sum), acc[i][j]), sum);
                }
            }
        }
    }
}
