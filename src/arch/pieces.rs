//! The first columns of several rows, one vector a column: what rows of few elements come down to.
//!
//! A piece is the 16 bytes at the start of a row. As many pieces as fit make a vector, `COLUMNS` rows
//! apart, so that what remains is a small transpose within each 16 bytes, for all of them at once.

use std::arch::x86_64::*;

/// The first `cols` of up to 4 elements, the others 0.
///
/// # Safety
/// `from` is valid for reads of `cols` elements.
#[inline(always)]
unsafe fn load_f32x4(from: *const f32, cols: usize) -> __m128 {
    // SAFETY: each arm reads what the caller vouches for; every x86-64 processor has SSE2.
    unsafe {
        match cols {
            1 => _mm_load_ss(from),
            2 => _mm_castpd_ps(_mm_load_sd(from.cast())),
            3 => {
                let two = _mm_castpd_ps(_mm_load_sd(from.cast()));
                _mm_movelh_ps(two, _mm_load_ss(from.add(2)))
            }
            _ => _mm_loadu_ps(from),
        }
    }
}

/// The first `cols` of up to 2 elements, the other 0.
///
/// # Safety
/// `from` is valid for reads of `cols` elements.
#[inline(always)]
unsafe fn load_f64x2(from: *const f64, cols: usize) -> __m128d {
    // SAFETY: each arm reads what the caller vouches for; every x86-64 processor has SSE2.
    unsafe { if cols == 1 { _mm_load_sd(from) } else { _mm_loadu_pd(from) } }
}

/// Writes the first `COLS` of 4 elements.
///
/// # Safety
/// `to` is valid for writes of `COLS` elements.
#[inline(always)]
unsafe fn store_f32x4<const COLS: usize>(v: __m128, to: *mut f32) {
    // SAFETY: each arm writes what the caller vouches for; every x86-64 processor has SSE2.
    unsafe {
        match COLS {
            1 => _mm_store_ss(to, v),
            2 => _mm_storel_pd(to.cast(), _mm_castps_pd(v)),
            3 => {
                _mm_storel_pd(to.cast(), _mm_castps_pd(v));
                _mm_store_ss(to.add(2), _mm_movehl_ps(v, v));
            }
            _ => _mm_storeu_ps(to, v),
        }
    }
}

/// Writes the first `COLS` of 2 elements.
///
/// # Safety
/// `to` is valid for writes of `COLS` elements.
#[inline(always)]
unsafe fn store_f64x2<const COLS: usize>(v: __m128d, to: *mut f64) {
    // SAFETY: each arm writes what the caller vouches for; every x86-64 processor has SSE2.
    unsafe { if COLS == 1 { _mm_storel_pd(to, v) } else { _mm_storeu_pd(to, v) } }
}

/// Functions for vectors of one instruction set and element type: moving columns, and the transpose
/// within every 16 bytes.
macro_rules! pieces {
    (
        $load:ident, $store:ident, $store_cols:ident, $element:ident, $vector:ident, $columns:literal, $pieces:literal,
        $load_piece:ident, $store_piece:ident, $zero:ident, $first:ident, $insert:ident,
        $extract:ident, $transpose:ident, [$($piece:literal),*]
    ) => {
        /// Columns of `rows` rows; see [`Simd::load_columns_ptr`](super::Simd::load_columns_ptr).
        ///
        /// # Safety
        /// As there; the processor has the instruction set.
        #[inline(always)]
        pub(super) unsafe fn $load(
            from: *const $element,
            stride: usize,
            rows: usize,
            (cols, readable): (usize, usize),
        ) -> [$vector; $columns] {
            // SAFETY: only rows below `rows` are read, for which the caller vouches, as for the
            // instructions.
            unsafe {
                let mut block = [$first($zero()); $columns];
                if rows == $columns * $pieces && readable >= $columns {
                    for (c, v) in block.iter_mut().enumerate() {
                        *v = $first($load_piece(from.add(c * stride), $columns));
                        $(
                            let at = from.add(($piece * $columns + c) * stride);
                            *v = $insert::<$piece>(*v, $load_piece(at, $columns));
                        )*
                    }
                } else {
                    let mut pieces = [$zero(); $columns * $pieces];
                    for (row, piece) in pieces.iter_mut().enumerate().take(rows) {
                        *piece = $load_piece(from.add(row * stride), cols);
                    }
                    for (c, v) in block.iter_mut().enumerate() {
                        *v = $first(pieces[c]);
                        $(*v = $insert::<$piece>(*v, pieces[$piece * $columns + c]);)*
                    }
                }
                $transpose(block)
            }
        }

        /// Writes columns; see [`Simd::store_columns_ptr`](super::Simd::store_columns_ptr).
        ///
        /// # Safety
        /// As there; the processor has the instruction set.
        #[inline(always)]
        pub(super) unsafe fn $store(
            columns: [$vector; $columns],
            to: *mut $element,
            stride: usize,
            rows: usize,
            cols: usize,
        ) {
            // SAFETY: `to` has `cols` columns, as the caller vouches.
            unsafe {
                match cols {
                    1 => $store_cols::<1>(columns, to, stride, rows),
                    2 => $store_cols::<2>(columns, to, stride, rows),
                    3 => $store_cols::<3>(columns, to, stride, rows),
                    _ => $store_cols::<4>(columns, to, stride, rows),
                }
            }
        }

        /// The same for a number of columns that is known.
        ///
        /// # Safety
        /// As above.
        #[inline(always)]
        unsafe fn $store_cols<const COLS: usize>(
            columns: [$vector; $columns],
            to: *mut $element,
            stride: usize,
            rows: usize,
        ) {
            // SAFETY: only rows below `rows` are written, for which the caller vouches, as for the
            // instructions.
            unsafe {
                let block = $transpose(columns);
                let whole = rows == $columns * $pieces;
                for (c, &v) in block.iter().enumerate() {
                    if whole || c < rows {
                        $store_piece::<COLS>($extract::<0>(v), to.add(c * stride));
                    }
                    $(
                        let row = $piece * $columns + c;
                        if whole || row < rows {
                            $store_piece::<COLS>($extract::<$piece>(v), to.add(row * stride));
                        }
                    )*
                }
            }
        }
    };
}

pieces!(
    load_avx2_f32,
    store_avx2_f32,
    store_cols_avx2_f32,
    f32,
    __m256,
    4,
    2,
    load_f32x4,
    store_f32x4,
    _mm_setzero_ps,
    _mm256_castps128_ps256,
    _mm256_insertf128_ps,
    _mm256_extractf128_ps,
    f32x8,
    [1]
);
pieces!(
    load_avx2_f64,
    store_avx2_f64,
    store_cols_avx2_f64,
    f64,
    __m256d,
    2,
    2,
    load_f64x2,
    store_f64x2,
    _mm_setzero_pd,
    _mm256_castpd128_pd256,
    _mm256_insertf128_pd,
    _mm256_extractf128_pd,
    f64x4,
    [1]
);
pieces!(
    load_avx512_f32,
    store_avx512_f32,
    store_cols_avx512_f32,
    f32,
    __m512,
    4,
    4,
    load_f32x4,
    store_f32x4,
    _mm_setzero_ps,
    _mm512_castps128_ps512,
    _mm512_insertf32x4,
    _mm512_extractf32x4_ps,
    f32x16,
    [1, 2, 3]
);
pieces!(
    load_avx512_f64,
    store_avx512_f64,
    store_cols_avx512_f64,
    f64,
    __m512d,
    2,
    4,
    load_f64x2,
    store_f64x2,
    _mm_setzero_pd,
    _mm512_castpd128_pd512,
    _mm512_insertf64x2,
    _mm512_extractf64x2_pd,
    f64x8,
    [1, 2, 3]
);

/// The transpose of 4 × 4 elements within every 16 bytes.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
unsafe fn f32x8(v: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let a = _mm256_castps_pd(_mm256_unpacklo_ps(v[0], v[1]));
        let b = _mm256_castps_pd(_mm256_unpackhi_ps(v[0], v[1]));
        let c = _mm256_castps_pd(_mm256_unpacklo_ps(v[2], v[3]));
        let d = _mm256_castps_pd(_mm256_unpackhi_ps(v[2], v[3]));
        [
            _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(a, c)),
            _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(b, d)),
        ]
    }
}

/// The transpose of 4 × 4 elements within every 16 bytes.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
unsafe fn f32x16(v: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let a = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
        let b = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
        let c = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
        let d = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
        [
            _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)),
            _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)),
        ]
    }
}

/// The transpose of 2 × 2 elements within every 16 bytes.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
unsafe fn f64x4(v: [__m256d; 2]) -> [__m256d; 2] {
    // SAFETY: the caller vouches for the instructions.
    unsafe { [_mm256_unpacklo_pd(v[0], v[1]), _mm256_unpackhi_pd(v[0], v[1])] }
}

/// The transpose of 2 × 2 elements within every 16 bytes.
///
/// # Safety
/// The processor has AVX-512 F.
#[inline(always)]
unsafe fn f64x8(v: [__m512d; 2]) -> [__m512d; 2] {
    // SAFETY: the caller vouches for the instructions.
    unsafe { [_mm512_unpacklo_pd(v[0], v[1]), _mm512_unpackhi_pd(v[0], v[1])] }
}
