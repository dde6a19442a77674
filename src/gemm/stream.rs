//! Products of a few rows with a row-major B: B is read once, from its first element to its last.
//!
//! With so few rows a product takes as long as reading B. Tiles would read it in columns of a few
//! cache lines a row, each row perhaps in a page of its own, where the processor does not fetch
//! ahead. Here some rows of B are read side by side along their whole length, and
//! `A[i, p] · B[p, ..] + A[i, p + 1] · B[p + 1, ..] + …` is added to sums that stay in L1 or L2. The sums are taken in
//! groups, which are added in order: where some processor's tiles are faster, in [those](groups::of_a_tile) of tiles.

use super::driver::Job;
use super::groups;
use super::output::{Matrix, Output, write_vector};
use super::params::steps_of_a_block;
use super::tile::{has_32, is_short};
use crate::arch::{Kernel, Simd};
use crate::float::Float;
use std::ops::Range;

/// The most rows of a product computed this way.
pub(super) const MOST_ROWS: usize = 8;

/// Vectors of a B that is read this way, or by tiles as fast, whatever the prices: what does not stay in L2.
const LARGE: usize = 32 << 10;

/// Vectors of a B beyond which it may lie in memory, from where fewer rows side by side arrive faster.
const HUGE: usize = 128 << 10;

/// Whether B is so large that reading it is most of the work.
pub(super) const fn is_large<T: Float, S: Simd<T>>(job: &Job<T>) -> bool {
    vectors_of_b::<T, S>(job) >= LARGE
}

/// Whether tiles read a large B faster, with the same bits, on a processor that has half tiles.
pub(super) fn can_be_tiles<T: Float, S: Simd<T>>(job: &Job<T>) -> bool {
    !has_own_order::<T, S>(job.rows) && !is_short(job.cols, job.k)
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

const ONE_STEP: usize = 1;
const LEAST_STEPS: usize = 4;
const STEPS: usize = 8;
const MANY_STEPS: usize = 12;
const MOST_STEPS: usize = 16;

/// Rows for which there is little to do for a row of B.
const FEW_ROWS: usize = 2;

/// The most rows that are never added up as tiles do.
const MOST_OWN_ROWS: usize = 3;

/// The least terms of a group that is not a tile's: rows of B that are read side by side are one.
const LEAST_OWN_GROUP: usize = 16;

/// Rows for which there is much.
const MANY_ROWS: usize = 6;

/// The most rows that have two vectors of sums each in 16 registers, with what they are made of.
const WIDE_ROWS: usize = 6;

/// Bytes of sums, at most, and as many of earlier groups. They may come from L2: each pass over some rows of B begins
/// slowly, so these are to be read far along.
const SUM_BYTES: usize = 64 << 10;

/// Whether so many rows are added up in an order of their own, which is faster: tiles' groups are joined more often.
const fn has_own_order<T: Float, S: Simd<T>>(rows: usize) -> bool {
    rows <= MOST_OWN_ROWS || !has_32::<T, S>() || groups::in_pairs::<T>()
}

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
        let most_sums = job.rows * block;
        T::with_scratch(2 * most_sums, |memory| {
            let (sums, before) = memory.split_at_mut(most_sums);
            for col in cols.clone().step_by(block) {
                let len = block.min(cols.end - col);
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

/// `len` columns from `col` on of `ROWS` rows.
struct Block<'a, 'b, T, const ROWS: usize> {
    job: &'a Job<T>,
    col: usize,
    len: usize,
    /// Sums of the group so far: `ROWS` vectors for each vector of columns.
    sums: &'b mut [T],
    /// As many of the groups before.
    before: &'b mut [T],
}

impl<T: Float, const ROWS: usize> Kernel<T> for Block<'_, '_, T, ROWS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let k = self.job.k;
        let block = if has_own_order::<T, S>(ROWS) { k } else { steps_of_a_block(k) };
        for start in (0..k).step_by(block) {
            let end = k.min(start + block);
            self.add_steps_of_a_block(simd, start..end);
            self.write(simd, &self.job.output.of_block(start == 0, end == k));
        }
    }
}

impl<T: Float, const ROWS: usize> Block<'_, '_, T, ROWS> {
    /// Adds up a block of steps of k.
    #[inline(always)]
    fn add_steps_of_a_block<S: Simd<T>>(&mut self, simd: S, steps: Range<usize>) {
        let own = has_own_order::<T, S>(ROWS);
        let at_once = steps_at_once::<T, S>(ROWS, vectors_of_b::<T, S>(self.job));
        let group = match own {
            true => groups::in_order(steps.len() / at_once, LEAST_OWN_GROUP) * at_once,
            false => groups::of_a_tile::<T>(),
        };
        for start in steps.clone().step_by(group) {
            let end = steps.end.min(start + group);
            let (is_first, is_last) = (start == steps.start, end == steps.end);
            let group = Group { steps: start..end, is_first, is_last };
            if own {
                self.sums.fill(T::ZERO);
            }
            self.add_group(simd, &group, at_once);
            if own {
                self.join(&group);
            }
        }
    }

    /// Adds a group's steps to the sums, as many at once as [`steps_at_once`] says.
    #[inline(always)]
    fn add_group<S: Simd<T>>(&mut self, simd: S, group: &Group, at_once: usize) {
        let Block { job, col, len, sums, before } = self;
        let b = Matrix { data: job.b.at(0, *col), ..job.b };
        let Range { start, end } = group.steps;
        let mut p = start;
        macro_rules! passes {
            ($n:ident if $wanted:expr) => {
                while $wanted && p + $n <= end {
                    let pass = Pass {
                        sums: sums.as_mut_ptr(),
                        before: before.as_mut_ptr(),
                        begins: p == start,
                        ends: p + $n == end,
                        is_first: group.is_first,
                        is_last: group.is_last,
                    };
                    // SAFETY: who made the part vouches for A and B; there are as many sums as `pass` says.
                    unsafe { add_steps::<T, S, ROWS, $n>(simd, job.a, b, p, *len, pass) };
                    p += $n;
                }
            };
        }
        passes!(MOST_STEPS if ROWS >= MANY_ROWS && at_once == MOST_STEPS);
        passes!(MANY_STEPS if ROWS >= MANY_ROWS && at_once >= MANY_STEPS);
        passes!(STEPS if at_once == STEPS);
        passes!(LEAST_STEPS if true);
        passes!(ONE_STEP if true);
    }

    /// Adds the sums of the groups before in order, and has them wait for those that follow.
    #[inline(always)]
    fn join(&mut self, group: &Group) {
        if !group.is_first {
            for (sum, &before) in self.sums.iter_mut().zip(&*self.before) {
                *sum += before;
            }
        }
        if !group.is_last {
            self.before.copy_from_slice(self.sums);
        }
    }

    /// Writes the sums to C.
    #[inline(always)]
    fn write<S: Simd<T>>(&self, simd: S, output: &Output<T>) {
        let vectors = self.sums.chunks_exact(ROWS * S::LANES).zip((0..self.len).step_by(S::LANES));
        for (sums, j) in vectors {
            for i in 0..ROWS {
                let x = simd.load(&sums[i * S::LANES..]);
                // SAFETY: who made the part vouches for the columns' places in C.
                unsafe {
                    write_vector(simd, output, x, i, self.col + j, S::LANES.min(self.len - j));
                }
            }
        }
    }
}

/// A group of steps.
struct Group {
    steps: Range<usize>,
    /// Whether it is the first of a block of k.
    is_first: bool,
    /// Whether it is the last.
    is_last: bool,
}

/// What is done with sums before and after some steps of a group are added: where rows have their own order the steps'
/// sum is added, and what follows counts for the others.
#[derive(Clone, Copy)]
struct Pass<T> {
    sums: *mut T,
    /// Those of the groups before.
    before: *mut T,
    /// Whether the steps are the group's first.
    begins: bool,
    /// Whether they are its last.
    ends: bool,
    /// Whether the group is the first of a block of k.
    is_first: bool,
    /// Whether it is the last.
    is_last: bool,
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
    pass: Pass<T>,
) {
    let is_wide = has_32::<T, S>() || ROWS <= WIDE_ROWS;
    // SAFETY: the caller vouches for the steps of A and B, and for the sums.
    unsafe {
        let factors = Factors::<T, S, ROWS, N>::new(simd, a, p);
        let mut j = 0;
        while is_wide && j + 2 * S::LANES <= len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<2, false>(simd, b, 2 * S::LANES, pass, j * ROWS);
            j += 2 * S::LANES;
        }
        while j + S::LANES <= len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<1, false>(simd, b, S::LANES, pass, j * ROWS);
            j += S::LANES;
        }
        if j < len {
            let b = Matrix { data: b.at(p, j), ..b };
            factors.add_columns::<1, true>(simd, b, len - j, pass, j * ROWS);
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

    /// Adds rows of B, each times its factors, to `VECTORS` vectors of every row of sums, which begin at element `at`.
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
        pass: Pass<T>,
        at: usize,
    ) {
        const { assert!(!CUT || VECTORS == 1) };
        let own = has_own_order::<T, S>(ROWS);
        let sums = pass.sums.wrapping_add(at);
        let mut acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
        let mut x = [simd.splat(T::ZERO); VECTORS];
        // SAFETY: the caller vouches for B and for the sums; of those before only what a pass has stored is read.
        unsafe {
            if !own && !pass.begins {
                acc = Self::load(simd, sums);
            }
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
            let before = pass.before.wrapping_add(at);
            let mut to = sums;
            if !own && pass.ends {
                if !pass.is_first {
                    acc = Self::add(simd, before, acc);
                }
                if !pass.is_last {
                    to = before;
                }
            }
            for j in 0..VECTORS {
                for i in 0..ROWS {
                    let at = (j * ROWS + i) * S::LANES;
                    // One by one, as 16 registers hold no more.
                    let sum = if own {
                        simd.add(simd.load_ptr(sums.add(at)), acc[i][j])
                    } else {
                        acc[i][j]
                    };
                    simd.store_ptr(sum, to.add(at));
                }
            }
        }
    }

    /// Sums of `VECTORS` vectors of columns, plus `acc`.
    ///
    /// # Safety
    /// There are as many.
    #[inline(always)]
    unsafe fn add<const VECTORS: usize>(
        simd: S,
        sums: *const T,
        mut acc: [[S::V; VECTORS]; ROWS],
    ) -> [[S::V; VECTORS]; ROWS] {
        // SAFETY: the caller vouches for the sums.
        let sums = unsafe { Self::load::<VECTORS>(simd, sums) };
        for i in 0..ROWS {
            for j in 0..VECTORS {
                acc[i][j] = simd.add(sums[i][j], acc[i][j]);
            }
        }
        acc
    }

    /// The sums of `VECTORS` vectors of columns.
    ///
    /// # Safety
    /// There are as many.
    #[inline(always)]
    unsafe fn load<const VECTORS: usize>(simd: S, sums: *const T) -> [[S::V; VECTORS]; ROWS] {
        let mut acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
        for j in 0..VECTORS {
            for i in 0..ROWS {
                // SAFETY: the caller vouches for the vector.
                acc[i][j] = unsafe { simd.load_ptr(sums.add((j * ROWS + i) * S::LANES)) };
            }
        }
        acc
    }
}
