//! The only place that knows `core::arch`: one token type per instruction set.
//!
//! A token is a witness: it can be made only after the processor was asked, so whoever holds an
//! [`Avx512`](avx512::Avx512) may use AVX-512. Its vector operations are written as methods
//! that are always inlined. A kernel is written once, generic over the token ([`Kernel::run`]), and
//! entered through the token's one `#[target_feature]` function, so that all of it, helpers
//! included, is compiled for that instruction set. Dispatch happens once a call, never once a row.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub(crate) mod pages;
#[cfg(target_arch = "x86_64")]
mod pieces;
pub(crate) mod prefetch;
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) mod processor;
pub mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod transpose;

use crate::float::Float;
use crate::isa::Isa;

/// No instruction set's vectors have more elements.
pub const MAX_LANES: usize = 16;

/// The vector operations of one instruction set on elements of type `T`.
///
/// Loads and stores come in two kinds: whole vectors, and the first lanes only (for the tail of a
/// row, so that no kernel needs a scalar remainder loop).
pub trait Simd<T: Float>: Copy + Send + Sync {
    /// A vector of `LANES` elements.
    type V: Copy;
    /// Elements in a vector.
    const LANES: usize;

    /// All lanes `x`.
    fn splat(self, x: T) -> Self::V;

    /// Reads a vector.
    ///
    /// # Safety
    /// `from` is valid for reads of `LANES` elements.
    unsafe fn load_ptr(self, from: *const T) -> Self::V;
    /// Reads `len ≤ LANES` elements; the other lanes are 0.
    ///
    /// # Safety
    /// `from` is valid for reads of `len` elements.
    unsafe fn load_first_ptr(self, from: *const T, len: usize) -> Self::V;
    /// Reads `len ≤ LANES` elements; the other lanes are those of `other`.
    ///
    /// # Safety
    /// `from` is valid for reads of `len` elements.
    unsafe fn load_first_or_ptr(self, from: *const T, len: usize, other: Self::V) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    /// `to` is valid for writes of `LANES` elements.
    unsafe fn store_ptr(self, v: Self::V, to: *mut T);
    /// Writes the first `len ≤ LANES` lanes.
    ///
    /// # Safety
    /// `to` is valid for writes of `len` elements.
    unsafe fn store_first_ptr(self, v: Self::V, to: *mut T, len: usize);

    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// √a.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// a · b + c.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a\[N\] · b + c, with a\[N\] in all lanes, read by the instruction that multiplies where there is
    /// one that does.
    ///
    /// # Safety
    /// `a` is valid for reads of N + 1 elements.
    #[inline(always)]
    unsafe fn mul_add_nth<const N: usize>(self, a: *const T, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the caller vouches for the element.
        self.mul_add(self.splat(unsafe { *a.add(N) }), b, c)
    }
    /// c − a · b.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a where a > b, else b; so `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// a where a < b, else b; so `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `v` where x > 0, else 0 (also where x is NaN).
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V;
    /// `v` where a = b, else `other` (also where either is NaN).
    fn where_equal(self, a: Self::V, b: Self::V, v: Self::V, other: Self::V) -> Self::V;
    /// Whether a = b in any lane.
    fn any_equal(self, a: Self::V, b: Self::V) -> bool;
    /// The nearest integer, ties to even. Only for |x| below 2²² (f32) or 2⁵¹ (f64).
    fn round_small(self, x: Self::V) -> Self::V;
    /// x · 2ⁿ for an integral n of −251 to 128 (f32) or −2043 to 1024 (f64), of which
    /// n + [`SHIFT`](Float::SHIFT) is passed. Rounded once where |x| is in [½, 2).
    fn scale_by_power_of_two(self, x: Self::V, shifted: Self::V) -> Self::V;
    /// The number whose exponent, as it is stored, is the last bits of `shifted`: 2^(n − bias) where
    /// the exponent n is 1 or more, and 0 where it is 0. NaN may become any number.
    fn power_of_two(self, shifted: Self::V) -> Self::V;
    /// Mantissa in [√½, √2) and integral exponent of positive normal numbers.
    fn split_exponent(self, x: Self::V) -> (Self::V, Self::V);
    /// The sum of all lanes, in a fixed order.
    fn reduce_add(self, v: Self::V) -> T;
    /// The largest lane; unspecified which where lanes are NaN.
    fn reduce_max(self, v: Self::V) -> T;

    /// Writes the transpose of a block of at most `LANES` × `LANES` elements: column `c` of the
    /// block becomes a vector at `to + c · to_stride`, the columns in ascending order. Lanes from
    /// `rows` on are 0.
    ///
    /// # Safety
    /// `rows` and `cols` are at most `LANES`; `from` is valid for reads of `rows` rows of `cols`
    /// elements, `from_stride` apart; `to` for writes of `cols` vectors, `to_stride` apart.
    #[inline(always)]
    unsafe fn transpose_ptr(
        self,
        from: *const T,
        from_stride: usize,
        rows: usize,
        cols: usize,
        to: *mut T,
        to_stride: usize,
    ) {
        for c in 0..cols {
            for r in 0..Self::LANES {
                // SAFETY: the caller vouches for the block and for LANES elements a column.
                unsafe {
                    let x = if r < rows { *from.add(r * from_stride + c) } else { T::ZERO };
                    to.add(c * to_stride + r).write(x);
                }
            }
        }
    }

    /// Columns that are moved together by [`load_columns_ptr`](Self::load_columns_ptr) and
    /// [`store_columns_ptr`](Self::store_columns_ptr): those of 16 bytes.
    const COLUMNS: usize = 16 / size_of::<T>();

    /// Writes the first columns of up to `LANES` rows to consecutive vectors at `to`, a row a lane.
    /// Lanes from `rows` on are 0. May read the elements that follow a row up to `readable` columns.
    ///
    /// # Safety
    /// `rows` is at most `LANES`, `cols` at most `readable` and `COLUMNS`; `from` is valid for reads
    /// of `rows` rows of `readable` elements, `stride` apart, and `to` for writes of `COLUMNS`
    /// vectors.
    #[inline(always)]
    unsafe fn load_columns_ptr(
        self,
        from: *const T,
        stride: usize,
        rows: usize,
        (cols, _readable): (usize, usize),
        to: *mut T,
    ) {
        for c in 0..cols {
            for r in 0..Self::LANES {
                // SAFETY: the caller vouches for the block and for LANES elements a column.
                unsafe {
                    let x = if r < rows { *from.add(r * stride + c) } else { T::ZERO };
                    to.add(c * Self::LANES + r).write(x);
                }
            }
        }
    }

    /// Writes the first `rows` lanes of `cols` consecutive vectors at `from` as rows of `cols`
    /// elements.
    ///
    /// # Safety
    /// `rows` is at most `LANES`, `cols` at most `COLUMNS`; `from` is valid for reads of `COLUMNS`
    /// vectors, and `to` for writes of `rows` rows of `cols` elements, `stride` apart.
    #[inline(always)]
    unsafe fn store_columns_ptr(
        self,
        from: *const T,
        to: *mut T,
        stride: usize,
        rows: usize,
        cols: usize,
    ) {
        for r in 0..rows {
            for c in 0..cols {
                // SAFETY: the caller vouches for both.
                unsafe { to.add(r * stride + c).write(*from.add(c * Self::LANES + r)) };
            }
        }
    }

    /// Writes the sum of the lanes of each of `count` vectors.
    ///
    /// # Safety
    /// `from` is valid for reads of `count` vectors, `to` for writes of `count` elements.
    #[inline(always)]
    unsafe fn sums_ptr(self, from: *const Self::V, count: usize, to: *mut T) {
        for i in 0..count {
            // SAFETY: the caller vouches for both.
            unsafe { to.add(i).write(self.reduce_add(*from.add(i))) };
        }
    }

    /// Runs a kernel in a function of its own, compiled for this instruction set.
    fn call<K: Kernel<T>>(self, kernel: K) -> K::Output;

    /// Reads the first `LANES` elements of a slice, which has as many.
    #[inline(always)]
    fn load(self, from: &[T]) -> Self::V {
        assert!(from.len() >= Self::LANES);
        // SAFETY: the slice has LANES elements.
        unsafe { self.load_ptr(from.as_ptr()) }
    }

    /// Reads a slice of at most `LANES` elements; the other lanes are 0.
    #[inline(always)]
    fn load_first(self, from: &[T]) -> Self::V {
        assert!(from.len() <= Self::LANES);
        // SAFETY: the slice has the elements that are read.
        unsafe { self.load_first_ptr(from.as_ptr(), from.len()) }
    }

    /// Reads a slice of at most `LANES` elements; the other lanes are those of `other`.
    #[inline(always)]
    fn load_first_or(self, from: &[T], other: Self::V) -> Self::V {
        assert!(from.len() <= Self::LANES);
        // SAFETY: the slice has the elements that are read.
        unsafe { self.load_first_or_ptr(from.as_ptr(), from.len(), other) }
    }

    /// Writes the first `LANES` elements of a slice, which has as many.
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [T]) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: the slice has LANES elements.
        unsafe { self.store_ptr(v, to.as_mut_ptr()) }
    }

    /// Writes the first lanes over a slice of at most `LANES` elements.
    #[inline(always)]
    fn store_first(self, v: Self::V, to: &mut [T]) {
        assert!(to.len() <= Self::LANES);
        // SAFETY: the slice has the elements that are written.
        unsafe { self.store_first_ptr(v, to.as_mut_ptr(), to.len()) }
    }
}

/// A kernel with its arguments, generic over the instruction set.
pub trait Kernel<T: Float> {
    /// What it returns.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, and so is what they call, up to
    /// the functions that are worth a call of their own for each vector length.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// The instruction set in use, with the proof that the processor has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token {
    /// What the target guarantees.
    Scalar(scalar::Scalar),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
}

impl Token {
    /// The token of an instruction set, if this processor has it.
    pub(crate) fn new(isa: Isa) -> Option<Self> {
        match isa {
            Isa::Portable => Some(Token::Scalar(scalar::Scalar)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::new().map(Token::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::new().map(Token::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }

    pub(crate) fn isa(self) -> Isa {
        match self {
            Token::Scalar(_) => Isa::Portable,
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => Isa::Avx512,
        }
    }

    /// Runs a kernel on this instruction set.
    #[inline]
    pub(crate) fn run<T: Float, K: Kernel<T>>(self, kernel: K) -> K::Output {
        T::dispatch(self, kernel)
    }
}
