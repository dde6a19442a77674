//! Products of a few rows with a row-major B: B is read once, from its first element to its last.
//!
//! With so few rows a product takes as long as reading B. Tiles would read it in columns of a few
//! cache lines a row, each row perhaps in a page of its own, where the processor does not fetch
//! ahead. Here some rows of B are read side by side along their whole length, and their sum
//! `A[i, p] · B[p, ..] + A[i, p + 1] · B[p + 1, ..] + …` is added to sums that stay in L1. The sums
//! are taken in groups, which are added in order.

use super::driver::Job;
use super::groups;
use super::output::{Matrix, write_vector};
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::ops::Range;

/// The most rows of a product computed this way.
pub(super) const MOST_ROWS: usize = 8;

/// Rows of B that are read side by side: the more, the less often the sums are.
pub(super) const fn steps_at_once(rows: usize) -> usize {
    if rows <= 2 { 8 } else { 4 }
}

/// The least of a [group](groups)'s terms, each of which is a few rows of B.
const LEAST_GROUP: usize = 16;

/// Bytes of sums that stay in L1.
const SUM_BYTES: usize = 16 << 10;

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
        let most = SUM_BYTES / size_of::<T>() / job.rows;
        let block = most / S::LANES * S::LANES;
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

/// `len` columns from `col` on, and `ROWS` rows in whole vectors of sums: of the steps of a group so
/// far, and of the groups before.
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
        let stride = sums.len() / ROWS;
        let steps = steps_at_once(ROWS);
        let group = groups::in_order(job.k / steps, LEAST_GROUP) * steps;
        let mut start = 0;
        loop {
            let end = job.k.min(start + group);
            sums.fill(T::ZERO);
            // SAFETY: who made the part vouches for A, B, and the columns' places in C; `sums` has ROWS
            // rows of `len` elements, in whole vectors.
            unsafe {
                let sums = (sums.as_mut_ptr(), stride);
                add_group::<T, S, ROWS>(simd, (job.a, b), start..end, len, sums);
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
        for i in 0..ROWS {
            for j in (0..len).step_by(S::LANES) {
                let x = simd.load(&sums[i * stride + j..]);
                // SAFETY: as above.
                unsafe {
                    write_vector(simd, &job.output, x, i, col + j, S::LANES.min(len - j));
                }
            }
        }
    }
}

/// Adds a group's steps of k to the sums.
///
/// # Safety
/// As [`add_steps`].
#[inline(always)]
unsafe fn add_group<T: Float, S: Simd<T>, const ROWS: usize>(
    simd: S,
    (a, b): (Matrix<T>, Matrix<T>),
    steps: Range<usize>,
    len: usize,
    sums: (*mut T, usize),
) {
    let mut p = steps.start;
    // SAFETY: the caller vouches for the steps and for the sums.
    unsafe {
        while p + steps_at_once(ROWS) <= steps.end {
            if ROWS <= 2 {
                add_steps::<T, S, ROWS, 8>(simd, a, b, p, len, sums);
            } else {
                add_steps::<T, S, ROWS, 4>(simd, a, b, p, len, sums);
            }
            p += steps_at_once(ROWS);
        }
        while p < steps.end {
            add_steps::<T, S, ROWS, 1>(simd, a, b, p, len, sums);
            p += 1;
        }
    }
}

/// Adds `N` steps of k, from `p` on, to the sums, whose rows are `sums.1` apart.
///
/// # Safety
/// The steps lie in A, and in B, of which `len` columns are read; the sums have `ROWS` rows of as
/// many, in whole vectors.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "sums and factors are indexed by row and step")]
unsafe fn add_steps<T: Float, S: Simd<T>, const ROWS: usize, const N: usize>(
    simd: S,
    a: Matrix<T>,
    b: Matrix<T>,
    p: usize,
    len: usize,
    (sums, stride): (*mut T, usize),
) {
    // SAFETY: the caller vouches for the steps of A and B, and for the sums.
    unsafe {
        let mut factors = [[simd.splat(T::ZERO); N]; ROWS];
        for i in 0..ROWS {
            for s in 0..N {
                factors[i][s] = simd.splat(*a.at(i, p + s));
            }
        }
        for j in (0..len).step_by(S::LANES) {
            let whole = j + S::LANES <= len;
            let mut acc = [simd.splat(T::ZERO); ROWS];
            for s in 0..N {
                let from = b.at(p + s, j);
                let x = match whole {
                    true => simd.load_ptr(from),
                    false => simd.load_first_ptr(from, len - j),
                };
                for i in 0..ROWS {
                    acc[i] = simd.mul_add(factors[i][s], x, acc[i]);
                }
            }
            for i in 0..ROWS {
                let sum = sums.add(i * stride + j);
                simd.store_ptr(simd.add(simd.load_ptr(sum), acc[i]), sum);
            }
        }
    }
}
