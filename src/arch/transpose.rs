//! Blocks of vectors transposed in registers, and their lanes summed: what packing a strided
//! operand of a product comes down to, and what a product of rows by columns ends with.
//!
//! The usual butterfly: neighbouring rows are interleaved by elements, then by pairs, then by
//! 128-bit quarters, so that a block of `LANES` × `LANES` elements takes log₂ `LANES` rounds of
//! `LANES` shuffles.

use std::arch::x86_64::*;

/// The transpose of a 16 × 16 block.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
pub(super) unsafe fn f32x16(r: [__m512; 16]) -> [__m512; 16] {
    let (mut t, mut u, mut out) = (r, r, r);
    // SAFETY: the caller vouches for the instructions; every index is a constant below 16.
    unsafe {
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for g in 0..4 {
            for h in 0..2 {
                let (x, y) = (_mm512_castps_pd(t[4 * g + h]), _mm512_castps_pd(t[4 * g + 2 + h]));
                u[4 * g + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
                u[4 * g + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
            }
        }
        // Quarter q of u[4g + c] now holds rows 4g to 4g + 3 of column 4q + c.
        for c in 0..4 {
            let even = _mm512_shuffle_f32x4::<0x88>(u[c], u[4 + c]);
            let odd = _mm512_shuffle_f32x4::<0xdd>(u[c], u[4 + c]);
            let even_below = _mm512_shuffle_f32x4::<0x88>(u[8 + c], u[12 + c]);
            let odd_below = _mm512_shuffle_f32x4::<0xdd>(u[8 + c], u[12 + c]);
            out[c] = _mm512_shuffle_f32x4::<0x88>(even, even_below);
            out[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd, odd_below);
            out[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even, even_below);
            out[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd, odd_below);
        }
    }
    out
}

/// The transpose of an 8 × 8 block.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
pub(super) unsafe fn f64x8(r: [__m512d; 8]) -> [__m512d; 8] {
    let (mut t, mut out) = (r, r);
    // SAFETY: the caller vouches for the instructions; every index is a constant below 8.
    unsafe {
        for i in 0..4 {
            t[2 * i] = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]);
        }
        // Quarter q of t[2g + c] now holds rows 2g and 2g + 1 of column 2q + c.
        for c in 0..2 {
            let even = _mm512_shuffle_f64x2::<0x88>(t[c], t[2 + c]);
            let odd = _mm512_shuffle_f64x2::<0xdd>(t[c], t[2 + c]);
            let even_below = _mm512_shuffle_f64x2::<0x88>(t[4 + c], t[6 + c]);
            let odd_below = _mm512_shuffle_f64x2::<0xdd>(t[4 + c], t[6 + c]);
            out[c] = _mm512_shuffle_f64x2::<0x88>(even, even_below);
            out[2 + c] = _mm512_shuffle_f64x2::<0x88>(odd, odd_below);
            out[4 + c] = _mm512_shuffle_f64x2::<0xdd>(even, even_below);
            out[6 + c] = _mm512_shuffle_f64x2::<0xdd>(odd, odd_below);
        }
    }
    out
}

/// The transpose of an 8 × 8 block.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn f32x8(r: [__m256; 8]) -> [__m256; 8] {
    let (mut t, mut u, mut out) = (r, r, r);
    // SAFETY: the caller vouches for the instructions; every index is a constant below 8.
    unsafe {
        for i in 0..4 {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for g in 0..2 {
            for h in 0..2 {
                let (x, y) = (_mm256_castps_pd(t[4 * g + h]), _mm256_castps_pd(t[4 * g + 2 + h]));
                u[4 * g + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(x, y));
                u[4 * g + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
            }
        }
        for c in 0..4 {
            out[c] = _mm256_permute2f128_ps::<0x20>(u[c], u[4 + c]);
            out[4 + c] = _mm256_permute2f128_ps::<0x31>(u[c], u[4 + c]);
        }
    }
    out
}

/// The transpose of a 4 × 4 block.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn f64x4(r: [__m256d; 4]) -> [__m256d; 4] {
    let (mut t, mut out) = (r, r);
    // SAFETY: the caller vouches for the instructions; every index is a constant below 4.
    unsafe {
        for i in 0..2 {
            t[2 * i] = _mm256_unpacklo_pd(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_pd(r[2 * i], r[2 * i + 1]);
        }
        for c in 0..2 {
            out[c] = _mm256_permute2f128_pd::<0x20>(t[c], t[2 + c]);
            out[2 + c] = _mm256_permute2f128_pd::<0x31>(t[c], t[2 + c]);
        }
    }
    out
}

/// The sums of the lanes of 16 vectors: the first halves of the transpose's rounds, with what two
/// vectors hold of the same vectors added.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
pub(super) unsafe fn sums_f32x16(r: [__m512; 16]) -> __m512 {
    // SAFETY: the caller vouches for the instructions; every index is a constant below 16.
    unsafe {
        let mut pairs = [_mm512_setzero_ps(); 8];
        for i in 0..8 {
            let low = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            pairs[i] = _mm512_add_ps(low, _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]));
        }
        let mut fours = [_mm512_setzero_ps(); 4];
        for i in 0..4 {
            let (x, y) = (_mm512_castps_pd(pairs[2 * i]), _mm512_castps_pd(pairs[2 * i + 1]));
            let low = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            fours[i] = _mm512_add_ps(low, _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
        }
        let quarters = |x, y| {
            let even = _mm512_shuffle_f32x4::<0x88>(x, y);
            _mm512_add_ps(even, _mm512_shuffle_f32x4::<0xdd>(x, y))
        };
        quarters(quarters(fours[0], fours[1]), quarters(fours[2], fours[3]))
    }
}

/// The sums of the lanes of 8 vectors.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
pub(super) unsafe fn sums_f64x8(r: [__m512d; 8]) -> __m512d {
    // SAFETY: the caller vouches for the instructions; every index is a constant below 8.
    unsafe {
        let mut pairs = [_mm512_setzero_pd(); 4];
        for i in 0..4 {
            let low = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
            pairs[i] = _mm512_add_pd(low, _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]));
        }
        let quarters = |x, y| {
            let even = _mm512_shuffle_f64x2::<0x88>(x, y);
            _mm512_add_pd(even, _mm512_shuffle_f64x2::<0xdd>(x, y))
        };
        quarters(quarters(pairs[0], pairs[1]), quarters(pairs[2], pairs[3]))
    }
}

/// The sums of the lanes of 8 vectors.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn sums_f32x8(r: [__m256; 8]) -> __m256 {
    // SAFETY: the caller vouches for the instructions; every index is a constant below 8.
    unsafe {
        let first = _mm256_hadd_ps(_mm256_hadd_ps(r[0], r[1]), _mm256_hadd_ps(r[2], r[3]));
        let second = _mm256_hadd_ps(_mm256_hadd_ps(r[4], r[5]), _mm256_hadd_ps(r[6], r[7]));
        let low = _mm256_permute2f128_ps::<0x20>(first, second);
        _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(first, second))
    }
}

/// The sums of the lanes of 4 vectors.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn sums_f64x4(r: [__m256d; 4]) -> __m256d {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (first, second) = (_mm256_hadd_pd(r[0], r[1]), _mm256_hadd_pd(r[2], r[3]));
        let low = _mm256_permute2f128_pd::<0x20>(first, second);
        _mm256_add_pd(low, _mm256_permute2f128_pd::<0x31>(first, second))
    }
}
