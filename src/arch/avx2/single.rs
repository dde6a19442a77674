//! The vector operations on AVX2 and FMA: `f32`.

use super::Avx2;
use crate::arch::{Kernel, Simd, pieces, transpose};
use std::arch::x86_64::*;

/// The mask of the first `len` lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn first(len: usize) -> __m256i {
    static WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the window starts at 0 to 8, so its 8 elements lie in the array.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - len.min(8)).cast()) }
}

/// The sum of all lanes, halves first.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(in crate::arch) unsafe fn sum(v: __m256) -> f32 {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
    }
}

/// The largest lane.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(in crate::arch) unsafe fn max(v: __m256) -> f32 {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)))
    }
}

impl Simd<f32> for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first_ptr(self, from: *const f32, len: usize) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm256_maskload_ps(from, first(len)) }
    }

    #[inline(always)]
    unsafe fn load_first_or_ptr(self, from: *const f32, len: usize, other: Self::V) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe {
            let mask = first(len);
            _mm256_blendv_ps(other, _mm256_maskload_ps(from, mask), _mm256_castsi256_ps(mask))
        }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::V, to: *mut f32) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first_ptr(self, v: Self::V, to: *mut f32, len: usize) {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm256_maskstore_ps(to, first(len), v) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_sqrt_ps(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_fnmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps());
            _mm256_and_ps(positive, v)
        }
    }

    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, v: Self::V, other: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_blendv_ps(other, v, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
    }

    #[inline(always)]
    fn any_equal(self, a: Self::V, b: Self::V) -> bool {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) != 0 }
    }

    #[inline(always)]
    fn round_small(self, x: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, x: Self::V, shifted: Self::V) -> Self::V {
        // The bits of 2^(n − 1), but no less than those of 2^−125, and of what is missing.
        // The first product is exact, so that the result is rounded once.
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
            let first = _mm256_max_epi32(power, _mm256_set1_epi32(2 << 23));
            let rest = _mm256_sub_epi32(power, first);
            let rest = _mm256_add_epi32(rest, _mm256_set1_epi32(128 << 23));
            let scaled = _mm256_mul_ps(x, _mm256_castsi256_ps(first));
            _mm256_mul_ps(scaled, _mm256_castsi256_ps(rest))
        }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let bits = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
            _mm256_castsi256_ps(bits)
        }
    }

    #[inline(always)]
    fn split_exponent(self, x: Self::V) -> (Self::V, Self::V) {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe {
            let sqrt_half = _mm256_set1_epi32(f32::to_bits(std::f32::consts::FRAC_1_SQRT_2) as i32);
            let shifted = _mm256_sub_epi32(_mm256_castps_si256(x), sqrt_half);
            let mask = _mm256_set1_epi32((1 << 23) - 1);
            let mantissa = _mm256_add_epi32(_mm256_and_si256(shifted, mask), sqrt_half);
            let exponent = _mm256_cvtepi32_ps(_mm256_srai_epi32::<23>(shifted));
            (_mm256_castsi256_ps(mantissa), exponent)
        }
    }

    #[inline(always)]
    fn reduce_add(self, v: Self::V) -> f32 {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { sum(v) }
    }

    #[inline(always)]
    fn reduce_max(self, v: Self::V) -> f32 {
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { max(v) }
    }

    #[inline(always)]
    unsafe fn transpose_ptr(
        self,
        from: *const f32,
        from_stride: usize,
        rows: usize,
        cols: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        let zero = <Self as Simd<f32>>::splat(self, 0.0);
        let mut block = [zero; 8];
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            for (r, v) in block.iter_mut().enumerate() {
                if r < rows && cols == 8 {
                    *v = self.load_ptr(from.add(r * from_stride));
                } else if r < rows {
                    *v = self.load_first_ptr(from.add(r * from_stride), cols);
                }
            }
            let block = transpose::f32x8(block);
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
        from: *const f32,
        stride: usize,
        rows: usize,
        (cols, readable): (usize, usize),
        to: *mut f32,
    ) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let block = pieces::load_avx2_f32(from, stride, rows, (cols, readable));
            for (c, v) in block.into_iter().enumerate() {
                self.store_ptr(v, to.add(c * <Self as Simd<f32>>::LANES));
            }
        }
    }

    #[inline(always)]
    unsafe fn store_columns_ptr(
        self,
        from: *const f32,
        to: *mut f32,
        stride: usize,
        rows: usize,
        cols: usize,
    ) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe {
            let mut columns = [<Self as Simd<f32>>::splat(self, 0.0); 4];
            for (c, v) in columns.iter_mut().enumerate() {
                *v = self.load_ptr(from.add(c * <Self as Simd<f32>>::LANES));
            }
            pieces::store_avx2_f32(columns, to, stride, rows, cols);
        }
    }

    #[inline(always)]
    unsafe fn sums_ptr(self, from: *const Self::V, count: usize, to: *mut f32) {
        for i in (0..count).step_by(8) {
            let mut block = [<Self as Simd<f32>>::splat(self, 0.0); 8];
            // SAFETY: the caller vouches for the memory, the token for the instructions.
            unsafe {
                for (j, v) in block.iter_mut().enumerate() {
                    if i + j < count {
                        *v = *from.add(i + j);
                    }
                }
                self.store_first_ptr(transpose::sums_f32x8(block), to.add(i), 8.min(count - i));
            }
        }
    }

    #[inline(always)]
    fn call<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        self.enter(kernel)
    }
}
