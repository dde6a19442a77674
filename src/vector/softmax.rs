//! Rows of softmax, and of its fusion with cross-entropy.
//!
//! A row is read as often as it takes: its maximum, its exponentials and their sum, its scaling.
//! Rows of up to some thousand elements stay in L1 meanwhile, longer ones in L2; what is not there
//! yet is the next row, and it is asked for while the exponentials of this one are computed.
//!
//! The sum leaves out one element, that of the row's label: the loss is ln(1 + others / own), and the
//! gradient at the label is −others / (others + own), so that both keep their relative accuracy
//! where the label is nearly certain.

use super::sums::{BLOCKS, Careful, Extended, Plain, Total, VECTORS};
use super::{exp::Divisor, ln::ln_1p, reduce};
use crate::arch::{MAX_LANES, Simd, prefetch};
use crate::float::Float;
use std::marker::PhantomData;

/// The bytes that are fetched from memory together.
const LINE: usize = 64;

/// The exponentials of a row, all divided by the same: that of one element, which is kept apart,
/// and the sum of the others'. In every lane a row, or of one row.
///
/// Where the row holds NaN or +∞, or nothing above −∞, their sum is NaN.
#[derive(Clone, Copy)]
pub(crate) struct Shares<V> {
    pub(crate) others: V,
    pub(crate) own: V,
    /// By how much the element was raised before its exponential was taken.
    pub(crate) raised: V,
}

impl<V: Copy> Shares<V> {
    /// The sum of all.
    #[inline(always)]
    pub(crate) fn total<T: Float, S: Simd<T, V = V>>(&self, s: S) -> V {
        s.add(self.others, self.own)
    }

    /// The logarithm of the element's share in the sum.
    #[inline(always)]
    pub(crate) fn log_share<T: Float, S: Simd<T, V = V>>(&self, s: S) -> V {
        let log = ln_1p(s, s.div(self.others, self.own));
        s.sub(s.splat(T::ZERO), s.add(log, self.raised))
    }
}

/// A row to read, and one to write, which may be the same.
pub(crate) struct Row<'a, T> {
    from: *const T,
    to: *mut T,
    len: usize,
    /// Where the rows lie that come after it.
    next: (*const T, *const T),
    life: PhantomData<&'a mut T>,
}

impl<'a, T: Float> Row<'a, T> {
    /// A row that is overwritten. `stride` is the distance to the next one.
    #[inline(always)]
    pub(crate) fn in_place(row: &'a mut [T], stride: usize) -> Self {
        let to = row.as_mut_ptr();
        let next = to.cast_const().wrapping_add(stride);
        Row { from: to, to, len: row.len(), next: (next, next), life: PhantomData }
    }

    /// A row whose results go to another of the same length.
    #[inline(always)]
    pub(crate) fn new(from: &'a [T], to: &'a mut [T], strides: (usize, usize)) -> Self {
        assert!(from.len() == to.len());
        let (from, len, to) = (from.as_ptr(), from.len(), to.as_mut_ptr());
        let next = (from.wrapping_add(strides.0), to.cast_const().wrapping_add(strides.1));
        Row { from, to, len, next, life: PhantomData }
    }

    /// What is read.
    #[inline(always)]
    fn source(&self) -> &[T] {
        // SAFETY: both constructors were given a slice of `len` elements that outlives this row.
        // While it is borrowed, nothing is written, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.from, self.len) }
    }

    /// What is written, which holds what it did.
    #[inline(always)]
    pub(crate) fn output(&mut self) -> &mut [T] {
        // SAFETY: both constructors were given a slice of `len` elements, borrowed mutably as long as
        // this row lives; it is not read through `from` meanwhile, as this borrows the row.
        unsafe { std::slice::from_raw_parts_mut(self.to, self.len) }
    }

    /// Writes the exponentials, with 0 in the place of `label`.
    #[inline(always)]
    pub(crate) fn exponentials<S: Simd<T>>(&mut self, s: S, label: usize) -> Shares<T> {
        let (patch, x, max) = start(s, self.source(), label);
        let divisor = Divisor::new(s, max);
        let own = divisor.exp_above_floor(s, s.splat(x), max);
        let mut total = Plain::new(s);
        // SAFETY: as both constructors were given slices of `len` elements.
        unsafe {
            let row = (self.from, Some(self.to), self.len);
            sum(s, row, divisor, Some(&patch), self.next, &mut total);
        }
        Shares { others: total.finish(s), own: first(s, own.0), raised: first(s, own.1) }
    }

    /// Writes the exponentials, and returns their sum.
    #[inline(always)]
    pub(crate) fn all_exponentials<S: Simd<T>>(&mut self, s: S) -> Extended<S::V> {
        let max = s.splat(reduce::max(s, self.source()));
        let divisor = Divisor::new(s, max);
        let mut total = Careful::new(s, divisor.exp(s, max));
        // SAFETY: as both constructors were given slices of `len` elements.
        unsafe {
            let row = (self.from, Some(self.to), self.len);
            sum(s, row, divisor, None, self.next, &mut total);
        }
        total.finish(s)
    }
}

/// The shares of a row's label and of the others, with the row left as it is. `stride` is the
/// distance to the next one.
#[inline(always)]
pub(crate) fn shares<T: Float, S: Simd<T>>(
    s: S,
    row: &[T],
    label: usize,
    stride: usize,
) -> Shares<T> {
    let (patch, x, max) = start(s, row, label);
    let divisor = Divisor::new(s, max);
    let own = divisor.exp_above_floor(s, s.splat(x), max);
    let next = row.as_ptr().wrapping_add(stride);
    let mut total = Plain::new(s);
    // SAFETY: the pointer and the length are those of the slice, and nothing is written.
    unsafe {
        let row = (row.as_ptr(), None, row.len());
        sum(s, row, divisor, Some(&patch), (next, next), &mut total);
    }
    Shares { others: total.finish(s), own: first(s, own.0), raised: first(s, own.1) }
}

/// The element at the label, a block that leaves it out, and the row's maximum.
#[inline(always)]
fn start<T: Float, S: Simd<T>>(s: S, row: &[T], label: usize) -> (Patch<T>, T, S::V) {
    // Written well before it is read in whole vectors, which would have to wait for it.
    let patch = Patch::without(s, row, label);
    (patch, row[label], s.splat(reduce::max(s, row)))
}

/// The block of a row that holds an element which is left out, without it.
struct Patch<T> {
    block: [T; VECTORS * MAX_LANES],
    index: usize,
    /// The element's place in the block.
    place: usize,
}

impl<T: Float> Patch<T> {
    #[inline(always)]
    fn without<S: Simd<T>>(_: S, row: &[T], label: usize) -> Self {
        let len = VECTORS * S::LANES;
        let (index, place) = (label / len, label % len);
        let mut patch = Patch { block: [T::ZERO; VECTORS * MAX_LANES], index, place };
        // A last block that is not whole is read in place.
        if let Some(whole) = row[index * len..].get(..len) {
            patch.block[..len].copy_from_slice(whole);
            patch.block[place] = T::NEG_INFINITY;
        }
        patch
    }

    /// A vector at the end of the row, `at` elements after the last whole block, without the element.
    #[inline(always)]
    fn leave_out<S: Simd<T>>(&self, s: S, at: usize, x: S::V) -> S::V {
        let mut lanes = [T::ZERO; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = T::from_small(i as i64);
        }
        let place = s.splat(T::from_small(self.place as i64 - at as i64));
        s.where_equal(s.load(&lanes), place, s.splat(T::NEG_INFINITY), x)
    }
}

/// The first lane.
#[inline(always)]
fn first<T: Float, S: Simd<T>>(s: S, v: S::V) -> T {
    let mut lane = [T::ZERO];
    s.store_first(v, &mut lane);
    lane[0]
}

/// Adds up the exponentials of a row, without the element that `patch` leaves out. They are written
/// to `to`, 0 in the place of that element, if that is given. Meanwhile what lies at `next` is fetched.
///
/// # Safety
/// `from` is valid for reads of `len` elements, `to` for writes.
#[inline(always)]
unsafe fn sum<T: Float, S: Simd<T>>(
    s: S,
    (from, to, len): (*const T, Option<*mut T>, usize),
    divisor: Divisor<S::V>,
    patch: Option<&Patch<T>>,
    next: (*const T, *const T),
    total: &mut impl Total<T, S>,
) {
    let block = VECTORS * S::LANES;
    let whole = len / block;
    for first in (0..whole).step_by(BLOCKS) {
        if first > 0 {
            total.fold(s);
        }
        for i in first..whole.min(first + BLOCKS) {
            let start = i * block;
            for j in 0..VECTORS {
                // SAFETY: whole blocks lie within the row, and the patch has room for one.
                unsafe {
                    let at = match patch {
                        Some(patch) if patch.index == i => patch.block.as_ptr(),
                        _ => from.add(start),
                    };
                    let e = divisor.exp(s, s.load_ptr(at.add(j * S::LANES)));
                    total.add(s, j, e);
                    if let Some(to) = to {
                        s.store_ptr(e, to.add(start + j * S::LANES));
                    }
                }
            }
            for line in (start..start + block).step_by(LINE / size_of::<T>()) {
                prefetch::to_l1(next.0.wrapping_add(line));
                if to.is_some() {
                    prefetch::to_l1(next.1.wrapping_add(line));
                }
            }
        }
    }
    let start = whole * block;
    for (j, at) in (start..len).step_by(S::LANES).enumerate() {
        let count = S::LANES.min(len - at);
        // SAFETY: `count` elements of the row are left.
        unsafe {
            let mut x = s.load_first_or_ptr(from.add(at), count, s.splat(T::NEG_INFINITY));
            if let Some(patch) = patch
                && patch.index == whole
            {
                x = patch.leave_out(s, at - start, x);
            }
            let e = divisor.exp(s, x);
            total.add(s, j, e);
            if let Some(to) = to {
                s.store_first_ptr(e, to.add(at), count);
            }
        }
    }
    total.fold(s);
}

/// values = values / divisor.
#[inline(always)]
pub(crate) fn divide<T: Float, S: Simd<T>>(s: S, values: &mut [T], divisor: Extended<S::V>) {
    let inverse = divisor.inverse(s);
    let mut vectors = values.chunks_exact_mut(S::LANES);
    for v in &mut vectors {
        s.store(inverse.times(s, s.load(v)), v);
    }
    let tail = vectors.into_remainder();
    s.store_first(inverse.times(s, s.load_first(tail)), tail);
}

/// Replaces a row of gradients gᵢ with respect to probabilities pᵢ by pᵢ(gᵢ − Σⱼ gⱼpⱼ).
#[inline(always)]
pub(crate) fn backward<T: Float, S: Simd<T>>(s: S, probabilities: &[T], grad: &mut [T]) {
    let dot = reduce::dot(s, probabilities, grad);
    for (g, &p) in grad.iter_mut().zip(probabilities) {
        *g = p * (*g - dot);
    }
}

/// A row of logits whose target is a row: its largest element and the logarithm of that one's share.
#[derive(Clone, Copy)]
pub(crate) struct LogRow<T> {
    max: T,
    log_share: T,
    shares: Shares<T>,
}

impl<T: Float> LogRow<T> {
    #[inline(always)]
    pub(crate) fn new<S: Simd<T>>(s: S, row: &[T], stride: usize) -> Self {
        // Where there is NaN, it is that, and so will everything be.
        let Some(largest) = reduce::argmax(s, row) else {
            let shares = Shares { others: T::NAN, own: T::NAN, raised: T::NAN };
            return LogRow { max: T::NAN, log_share: T::NAN, shares };
        };
        let shares = shares(s, row, largest, stride);
        let log_share = first(s, in_lanes(s, shares).log_share(s));
        LogRow { max: row[largest], log_share, shares }
    }
}

/// The same shares in every lane.
#[inline(always)]
fn in_lanes<T: Float, S: Simd<T>>(s: S, shares: Shares<T>) -> Shares<S::V> {
    let Shares { others, own, raised } = shares;
    Shares { others: s.splat(others), own: s.splat(own), raised: s.splat(raised) }
}

/// −Σ t·ln p over a row of logits, where p is its softmax, of which `log_row` knows; ln p is
/// clipped to the bounds. A term with t = 0 and p = 0 is 0.
#[inline(always)]
pub(crate) fn soft_loss<T: Float, S: Simd<T>>(
    s: S,
    row: &[T],
    log_row: LogRow<T>,
    targets: &[T],
    log_bounds: (T, T),
) -> T {
    let (max, log_share) = (s.splat(log_row.max), s.splat(log_row.log_share));
    let (chunks, target_chunks) = (row.chunks_exact(S::LANES), targets.chunks_exact(S::LANES));
    let (tail, target_tail) = (chunks.remainder(), target_chunks.remainder());
    let mut total = s.splat(T::ZERO);
    for (x, t) in chunks.zip(target_chunks) {
        let log_p = s.add(s.sub(s.load(x), max), log_share);
        total = s.add(total, loss_term(s, log_bounds, s.load(t), log_p));
    }
    // Lanes past the tail are left out: their share may be NaN.
    let mut last = [T::ZERO; MAX_LANES];
    let log_p = s.add(s.sub(s.load_first(tail), max), log_share);
    s.store(loss_term(s, log_bounds, s.load_first(target_tail), log_p), &mut last);
    s.reduce_add(total) + last[..tail.len()].iter().copied().sum::<T>()
}

/// −t·ln p, with ln p clipped to the bounds; 0 where t is 0 and p is.
#[inline(always)]
pub(crate) fn loss_term<T: Float, S: Simd<T>>(
    s: S,
    log_bounds: (T, T),
    t: S::V,
    log_p: S::V,
) -> S::V {
    let (zero, none) = (s.splat(T::ZERO), s.splat(T::NEG_INFINITY));
    // In this operand order NaN passes both.
    let clipped = s.min(s.splat(log_bounds.1), s.max(s.splat(log_bounds.0), log_p));
    let term = s.sub(zero, s.mul(t, clipped));
    s.where_equal(t, zero, s.where_equal(log_p, none, zero, term), term)
}

/// Replaces a row of logits by the gradient `scale·(p·Σt − t)` of −Σ t·ln p, where p is its
/// softmax, of which `log_row` knows.
#[inline(always)]
pub(crate) fn soft_gradient<T: Float, S: Simd<T>>(
    s: S,
    row: &mut [T],
    log_row: LogRow<T>,
    targets: &[T],
    scale: T,
) {
    let total = log_row.shares.others + log_row.shares.own;
    // Not one factor: a small Σt divided by the sum, which may be huge, would be subnormal.
    let inverse = s.splat(T::ONE / total);
    let factor = s.splat(reduce::sum(s, targets) * scale);
    let (divisor, scale) = (Divisor::new(s, s.splat(log_row.max)), s.splat(scale));
    let mut chunks = row.chunks_exact_mut(S::LANES);
    let mut target_chunks = targets.chunks_exact(S::LANES);
    for (chunk, target) in (&mut chunks).zip(&mut target_chunks) {
        let t = s.mul(s.load(target), scale);
        let e = divisor.exp(s, s.load(chunk));
        s.store(s.sub(s.mul(s.mul(e, inverse), factor), t), chunk);
    }
    let tail = chunks.into_remainder();
    let t = s.mul(s.load_first(target_chunks.remainder()), scale);
    let e = divisor.exp(s, s.load_first(tail));
    s.store_first(s.sub(s.mul(s.mul(e, inverse), factor), t), tail);
}
