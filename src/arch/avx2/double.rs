//! The vector operations on AVX2 and FMA: `f64`.

use super::Avx2;
use crate::arch::{Kernel, Simd, pieces, transpose};
use std::arch::x86_64::*;

/// The mask of the first `len` lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn first(len: usize) -> __m256i {
    static WINDOW: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
    // SAFETY: the window starts at 0 to 4, so its 4 elements lie in the array.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(4 - len.min(4)).cast()) }
}

/// The sum of all lanes, halves first.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(in crate::arch) unsafe fn sum(v: __m256d) -> f64 {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let v = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)))
    }
}

/// The largest lane.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(in crate::arch) unsafe fn max(v: __m256d) -> f64 {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let v = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_max_sd(v, _mm_unpackhi_pd(v, v)))
    }
}

impl Simd<f64> for Avx2 {
    type V = __m256d;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f64) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f64) -> Self::V {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn load_first_ptr(self, from: *const f64, len: usize) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm256_maskload_pd(from, first(len)) }
    }

    #[inline(always)]
    unsafe fn load_first_or_ptr(self, from: *const f64, len: usize, other: Self::V) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe {
            let mask = first(len);
            _mm256_blendv_pd(other, _mm256_maskload_pd(from, mask), _mm256_castsi256_pd(mask))
        }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::V, to: *mut f64) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_storeu_pd(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first_ptr(self, v: Self::V, to: *mut f64, len: usize) {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm256_maskstore_pd(to, first(len), v) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_add_pd(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_sub_pd(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_mul_pd(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_div_pd(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_sqrt_pd(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_fnmadd_pd(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_max_pd(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_min_pd(a, b) }
    }

    #[inline(always)]
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let positive = _mm256_cmp_pd::<_CMP_GT_OQ>(x, _mm256_setzero_pd());
            _mm256_and_pd(positive, v)
        }
    }

    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, v: Self::V, other: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_blendv_pd(other, v, _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)) }
    }

    #[inline(always)]
    fn any_equal(self, a: Self::V, b: Self::V) -> bool {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)) != 0 }
    }

    #[inline(always)]
    fn round_small(self, x: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, x: Self::V, shifted: Self::V) -> Self::V {
        // The bits of 2^(n − 1), but no less than those of 2^−1021, and of what is missing.
        // The first product is exact, so that the result is rounded once.
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let power = _mm256_slli_epi64::<52>(_mm256_castpd_si256(shifted));
            // A comparison of 32-bit halves will do: the lower halves are 0.
            let first = _mm256_max_epi32(power, _mm256_set1_epi64x(2 << 52));
            let rest = _mm256_sub_epi64(power, first);
            let rest = _mm256_add_epi64(rest, _mm256_set1_epi64x(1024 << 52));
            let scaled = _mm256_mul_pd(x, _mm256_castsi256_pd(first));
            _mm256_mul_pd(scaled, _mm256_castsi256_pd(rest))
        }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let bits = _mm256_slli_epi64::<52>(_mm256_castpd_si256(shifted));
            _mm256_castsi256_pd(bits)
        }
    }

    #[inline(always)]
    fn split_exponent(self, x: Self::V) -> (Self::V, Self::V) {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let sqrt_half =
                _mm256_set1_epi64x(f64::to_bits(std::f64::consts::FRAC_1_SQRT_2) as i64);
            let shifted = _mm256_sub_epi64(_mm256_castpd_si256(x), sqrt_half);
            let mask = _mm256_set1_epi64x((1 << 52) - 1);
            let mantissa = _mm256_add_epi64(_mm256_and_si256(shifted, mask), sqrt_half);
            // AVX2 has neither the shift nor the conversion for 64 bits: the exponent, made positive
            // by adding 1024, becomes the last bits of 2⁵² + 1024 + exponent.
            let positive = _mm256_add_epi64(shifted, _mm256_set1_epi64x(1024 << 52));
            let magic = _mm256_set1_pd(4_503_599_627_370_496.0);
            let bits =
                _mm256_or_si256(_mm256_srli_epi64::<52>(positive), _mm256_castpd_si256(magic));
            let offset = _mm256_set1_pd(4_503_599_627_370_496.0 + 1024.0);
            let exponent = _mm256_sub_pd(_mm256_castsi256_pd(bits), offset);
            (_mm256_castsi256_pd(mantissa), exponent)
        }
    }

    #[inline(always)]
    fn reduce_add(self, v: Self::V) -> f64 {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { sum(v) }
    }

    #[inline(always)]
    fn reduce_max(self, v: Self::V) -> f64 {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { max(v) }
    }

    #[inline(always)]
    unsafe fn transpose_ptr(
        self,
        from: *const f64,
        from_stride: usize,
        rows: usize,
        cols: usize,
        to: *mut f64,
        to_stride: usize,
    ) {
        let zero = <Self as Simd<f64>>::splat(self, 0.0);
        let mut block = [zero; 4];
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            for (r, v) in block.iter_mut().enumerate() {
                if r < rows && cols == 4 {
                    *v = self.load_ptr(from.add(r * from_stride));
                } else if r < rows {
                    *v = self.load_first_ptr(from.add(r * from_stride), cols);
                }
            }
            let block = transpose::f64x4(block);
            for (c, v) in block.into_iter().enumerate() {
                if c < cols {
                    self.store_ptr(v, to.add(c * to_stride));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load_columns_ptr(
        self,
        from: *const f64,
        stride: usize,
        rows: usize,
        (cols, readable): (usize, usize),
        to: *mut f64,
    ) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let block = pieces::load_avx2_f64(from, stride, rows, (cols, readable));
            for (c, v) in block.into_iter().enumerate() {
                self.store_ptr(v, to.add(c * <Self as Simd<f64>>::LANES));
            }
        }
    }

    #[inline(always)]
    unsafe fn store_columns_ptr(
        self,
        from: *const f64,
        to: *mut f64,
        stride: usize,
        rows: usize,
        cols: usize,
    ) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let mut columns = [<Self as Simd<f64>>::splat(self, 0.0); 2];
            for (c, v) in columns.iter_mut().enumerate() {
                *v = self.load_ptr(from.add(c * <Self as Simd<f64>>::LANES));
            }
            pieces::store_avx2_f64(columns, to, stride, rows, cols);
        }
    }

    #[inline(always)]
    unsafe fn sums_ptr(self, from: *const Self::V, count: usize, to: *mut f64) {
        for i in (0..count).step_by(4) {
            let mut block = [<Self as Simd<f64>>::splat(self, 0.0); 4];
            // SAFETY: the caller vouches for the memory, the token for the instructions.
            unsafe {
                for (j, v) in block.iter_mut().enumerate() {
                    if i + j < count {
                        *v = *from.add(i + j);
                    }
                }
                self.store_first_ptr(transpose::sums_f64x4(block), to.add(i), 4.min(count - i));
            }
        }
    }

    #[inline(always)]
    fn call<K: Kernel<f64>>(self, kernel: K) -> K::Output {
        self.enter(kernel)
    }
}
