//! The vector operations on AVX-512: `f64`.

use super::Avx512;
use crate::arch::avx2::double;
use crate::arch::{Kernel, Simd, pieces, transpose};
use crate::float::Float;
use std::arch::asm;
use std::arch::x86_64::*;

/// The mask of the first `len` lanes.
#[inline(always)]
fn first(len: usize) -> __mmask8 {
    ((1_u32 << len.min(8)) - 1) as __mmask8
}

impl Simd<f64> for Avx512 {
    type V = __m512d;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f64) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f64) -> Self::V {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm512_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn load_first_ptr(self, from: *const f64, len: usize) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm512_maskz_loadu_pd(first(len), from) }
    }

    #[inline(always)]
    unsafe fn load_first_or_ptr(self, from: *const f64, len: usize, other: Self::V) -> Self::V {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm512_mask_loadu_pd(other, first(len), from) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::V, to: *mut f64) {
        // SAFETY: the caller vouches for the memory, the token for the instructions.
        unsafe { _mm512_storeu_pd(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first_ptr(self, v: Self::V, to: *mut f64, len: usize) {
        // SAFETY: lanes that the mask leaves out are not accessed, the caller vouches for the others,
        // and the token for the instructions.
        unsafe { _mm512_mask_storeu_pd(to, first(len), v) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_add_pd(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_sub_pd(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_mul_pd(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_div_pd(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_sqrt_pd(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn mul_add_nth<const N: usize>(self, a: *const f64, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ, and the caller vouches for the element.
        unsafe { mul_add_nth::<N>(a, b, c) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_fnmadd_pd(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_max_pd(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_min_pd(a, b) }
    }

    #[inline(always)]
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe {
            let positive = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(x, _mm512_setzero_pd());
            _mm512_maskz_mov_pd(positive, v)
        }
    }

    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, v: Self::V, other: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b), other, v) }
    }

    #[inline(always)]
    fn any_equal(self, a: Self::V, b: Self::V) -> bool {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b) != 0 }
    }

    #[inline(always)]
    fn round_small(self, x: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, x: Self::V, shifted: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe { _mm512_scalef_pd(x, _mm512_sub_pd(shifted, _mm512_set1_pd(f64::SHIFT))) }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::V) -> Self::V {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe {
            let bits = _mm512_slli_epi64::<52>(_mm512_castpd_si512(shifted));
            _mm512_castsi512_pd(bits)
        }
    }

    #[inline(always)]
    fn split_exponent(self, x: Self::V) -> (Self::V, Self::V) {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe {
            let sqrt_half = _mm512_set1_epi64(f64::to_bits(std::f64::consts::FRAC_1_SQRT_2) as i64);
            let shifted = _mm512_sub_epi64(_mm512_castpd_si512(x), sqrt_half);
            let mask = _mm512_set1_epi64((1 << 52) - 1);
            let mantissa = _mm512_add_epi64(_mm512_and_si512(shifted, mask), sqrt_half);
            let exponent = _mm512_cvtepi64_pd(_mm512_srai_epi64::<52>(shifted));
            (_mm512_castsi512_pd(mantissa), exponent)
        }
    }

    #[inline(always)]
    fn reduce_add(self, v: Self::V) -> f64 {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe {
            double::sum(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v)))
        }
    }

    #[inline(always)]
    fn reduce_max(self, v: Self::V) -> f64 {
        // SAFETY: the token proves AVX-512 F and DQ.
        unsafe {
            double::max(_mm256_max_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v)))
        }
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
            let block = transpose::f64x8(block);
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
            let block = pieces::load_avx512_f64(from, stride, rows, (cols, readable));
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
            pieces::store_avx512_f64(columns, to, stride, rows, cols);
        }
    }

    #[inline(always)]
    unsafe fn sums_ptr(self, from: *const Self::V, count: usize, to: *mut f64) {
        for i in (0..count).step_by(8) {
            let mut block = [<Self as Simd<f64>>::splat(self, 0.0); 8];
            // SAFETY: the caller vouches for the memory, the token for the instructions.
            unsafe {
                for (j, v) in block.iter_mut().enumerate() {
                    if i + j < count {
                        *v = *from.add(i + j);
                    }
                }
                self.store_first_ptr(transpose::sums_f64x8(block), to.add(i), 8.min(count - i));
            }
        }
    }

    #[inline(always)]
    fn call<K: Kernel<f64>>(self, kernel: K) -> K::Output {
        self.enter(kernel)
    }
}

/// As [`Simd::mul_add_nth`], in one instruction, which a compiler makes only of an element that is used
/// once.
///
/// # Safety
/// `a` is valid for reads of N + 1 elements.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn mul_add_nth<const N: usize>(a: *const f64, b: __m512d, mut c: __m512d) -> __m512d {
    // SAFETY: it reads element N, which the caller vouches for, and changes nothing but `c` and the
    // flags of floating-point exceptions, which it does not promise to keep.
    unsafe {
        asm!(
            "vfmadd231pd {c}, {b}, qword ptr [{a} + {offset}]{{1to8}}",
            a = in(reg) a,
            b = in(zmm_reg) b,
            c = inout(zmm_reg) c,
            offset = const N * size_of::<f64>(),
            options(pure, readonly, nostack),
        );
    }
    c
}
