//! Where a tile goes: C ← α·tile + β·C, with the epilogue.
//!
//! A tile that lies along C's rows is finished in its registers by the microkernel.
//! What is here is the rest: a C with strides, and tiles computed as their own transpose.
//! They go through a buffer in L1, and from there row by row of C, turned ones a block of as many rows as vectors have
//! lanes at a time.

use super::Epilogue;
use crate::arch::{Kernel, Simd};
use crate::float::Float;

/// An operand as pointer and strides, out of a view that outlives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<T> {
    pub(super) data: *const T,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl<T> Matrix<T> {
    /// The address of the element at (`row`, `col`), which need not exist.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, col: usize) -> *const T {
        let (rows, cols) = (row.wrapping_mul(self.row_stride), col.wrapping_mul(self.col_stride));
        self.data.wrapping_add(rows.wrapping_add(cols))
    }

    pub(super) fn transposed(self) -> Self {
        Matrix { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// C, and what is done to a tile of A·B on its way there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output<T> {
    pub(super) alpha: T,
    /// With 0, C is not read.
    pub(super) beta: T,
    pub(super) c: *mut T,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
    /// Whether threads share C: then one's part may be in another's caches from before, and they may share
    /// cores. It changes no bit.
    pub(super) shared: bool,
    /// Whether a tile's rows are C's columns.
    pub(super) transposed: bool,
    /// Added, one for each column of C.
    pub(super) biases: Option<*const T>,
    /// Whether negative results become 0.
    pub(super) relu: bool,
    /// Results become 0 where this, of C's shape, is not positive.
    pub(super) mask: Option<Matrix<T>>,
}

impl<T: Float> Output<T> {
    /// The output of one block of k among several: β and the biases belong to the first, ReLU and
    /// mask to the last.
    pub(super) fn of_block(&self, first: bool, last: bool) -> Self {
        Output {
            beta: if first { self.beta } else { T::ONE },
            biases: self.biases.filter(|_| first),
            relu: self.relu && last,
            mask: self.mask.filter(|_| last),
            ..*self
        }
    }

    /// With an epilogue.
    pub(super) fn with(mut self, epilogue: Epilogue<'_, T>) -> Self {
        match epilogue {
            Epilogue::None => {}
            Epilogue::Bias(biases) => self.biases = Some(biases.as_ptr()),
            Epilogue::BiasRelu(biases) => {
                self.biases = Some(biases.as_ptr());
                self.relu = true;
            }
            Epilogue::ReluMask(mask) => {
                self.mask = Some(Matrix {
                    data: mask.as_ptr(),
                    row_stride: mask.row_stride(),
                    col_stride: mask.col_stride(),
                });
            }
        }
        self
    }

    /// Whether a tile's rows can be read from and written to C, and the mask, as vectors.
    #[inline(always)]
    pub(super) fn is_direct(&self) -> bool {
        self.col_stride == 1
            && !self.transposed
            && self.mask.is_none_or(|mask| mask.col_stride == 1)
    }

    /// Whether C's rows of `cols` elements, and the mask's, lie one after the other.
    #[inline(always)]
    pub(super) fn is_one_row(&self, cols: usize) -> bool {
        let mask_is = self.mask.is_none_or(|mask| mask.row_stride == cols);
        self.is_direct() && self.row_stride == cols && mask_is
    }

    /// From `row` on as a single row, if it [is one](Self::is_one_row); its biases are those of the
    /// rows, repeated.
    #[inline(always)]
    pub(super) fn as_one_row(&self, row: usize, biases: Option<*const T>) -> Self {
        let mask = self.mask.map(|mask| Matrix { data: mask.at(row, 0), ..mask });
        Output { c: self.at(row, 0), biases, mask, ..*self }
    }

    #[inline(always)]
    pub(super) fn at(&self, row: usize, col: usize) -> *mut T {
        self.c.wrapping_add(row * self.row_stride + col * self.col_stride)
    }
}

/// The most elements of a block that is transposed: as many vectors as one has lanes.
const BUFFER: usize = 16 * 16;

/// A buffer for a transposed block, aligned to a cache line.
#[repr(C, align(64))]
struct TileBuffer<T>([T; BUFFER]);

impl<T: Float> TileBuffer<T> {
    fn new() -> std::mem::MaybeUninit<Self> {
        std::mem::MaybeUninit::uninit()
    }
}

/// Writes a tile from a buffer: `rows` × `cols` elements, rows `stride` apart, for the tile of C
/// at (`row`, `col`), all as the microkernel sees them.
pub(super) struct WriteTile<'a, T> {
    pub(super) tile: *const T,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) output: &'a Output<T>,
}

impl<T: Float> Kernel<T> for WriteTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let WriteTile { tile, stride, rows, cols, row, col, output } = self;
        // SAFETY: who made this vouches for the tile, and for C, biases and mask at its place.
        // A transposed block has at most 16 vectors of at most 16 lanes.
        unsafe {
            if !output.transposed {
                for r in 0..rows {
                    write_row(simd, output, tile.add(r * stride), row + r, col, cols);
                }
                return;
            }
            let mut buffer = TileBuffer::<T>::new();
            let turned = buffer.as_mut_ptr().cast::<T>();
            for r in (0..rows).step_by(S::LANES) {
                for c in (0..cols).step_by(S::LANES) {
                    let (height, width) = (S::LANES.min(rows - r), S::LANES.min(cols - c));
                    let from = tile.add(r * stride + c);
                    simd.transpose_ptr(from, stride, height, width, turned, S::LANES);
                    write_rows(simd, output, turned, (col + c, width), row + r, height);
                }
            }
        }
    }
}

/// Finishes `len` elements of C's row `row` from column `col` on.
///
/// # Safety
/// `x` is valid for reads of `len` elements; they lie in C, biases and mask.
#[inline(always)]
unsafe fn write_row<T: Float, S: Simd<T>>(
    simd: S,
    output: &Output<T>,
    x: *const T,
    row: usize,
    col: usize,
    len: usize,
) {
    for i in (0..len).step_by(S::LANES) {
        let width = S::LANES.min(len - i);
        // SAFETY: the caller vouches for all `len` elements.
        unsafe {
            let x = simd.load_first_ptr(x.add(i), width);
            write_vector(simd, output, x, row, col + i, width);
        }
    }
}

/// Finishes the first `len ≤ LANES` elements of `count` vectors, which belong to as many rows of C, from `row`
/// on, at its column `col`.
///
/// # Safety
/// `x` is valid for reads of the vectors; the elements lie in C, biases and mask.
#[inline(always)]
unsafe fn write_rows<T: Float, S: Simd<T>>(
    simd: S,
    output: &Output<T>,
    x: *const T,
    (row, count): (usize, usize),
    col: usize,
    len: usize,
) {
    // A copy, which nothing that is written can change.
    let output = *output;
    // SAFETY: the caller vouches for the vectors, and for the elements of C, biases and mask.
    unsafe {
        let base = load_biases(simd, &output, col, len);
        for i in 0..count {
            let x = simd.load_ptr(x.add(i * S::LANES));
            finish(simd, &output, x, base, (row + i, col), len);
        }
    }
}

/// Finishes the `len ≤ LANES` elements of C at (`row`, `col`).
///
/// # Safety
/// They lie in C, biases and mask.
#[inline(always)]
pub(super) unsafe fn write_vector<T: Float, S: Simd<T>>(
    simd: S,
    output: &Output<T>,
    x: S::V,
    row: usize,
    col: usize,
    len: usize,
) {
    // SAFETY: the caller vouches for the elements of C, biases and mask.
    unsafe {
        let base = load_biases(simd, output, col, len);
        finish(simd, output, x, base, (row, col), len);
    }
}

/// `len ≤ LANES` biases from column `col` on, or zeros if there are none.
///
/// # Safety
/// They lie in the biases.
#[inline(always)]
unsafe fn load_biases<T: Float, S: Simd<T>>(
    simd: S,
    output: &Output<T>,
    col: usize,
    len: usize,
) -> S::V {
    match output.biases {
        // SAFETY: the caller vouches for the elements.
        Some(biases) => unsafe { simd.load_first_ptr(biases.add(col), len) },
        None => simd.splat(T::ZERO),
    }
}

/// As [`write_vector`], with the biases in `base`.
///
/// # Safety
/// As [`write_vector`].
#[inline(always)]
unsafe fn finish<T: Float, S: Simd<T>>(
    simd: S,
    output: &Output<T>,
    x: S::V,
    mut base: S::V,
    (row, col): (usize, usize),
    len: usize,
) {
    let c = output.at(row, col);
    // SAFETY: the caller vouches for the elements of C and mask.
    unsafe {
        if output.beta != T::ZERO {
            let old = gather(simd, c, output.col_stride, len);
            base = simd.mul_add(simd.splat(output.beta), old, base);
        }
        let mut x = simd.mul_add(simd.splat(output.alpha), x, base);
        if output.relu {
            x = simd.max(simd.splat(T::ZERO), x);
        }
        if let Some(mask) = &output.mask {
            x = simd.where_positive(gather(simd, mask.at(row, col), mask.col_stride, len), x);
        }
        scatter(simd, x, c, output.col_stride, len);
    }
}

/// Reads `len ≤ LANES` elements, `stride` apart.
///
/// # Safety
/// `from` is valid for that.
#[inline(always)]
unsafe fn gather<T: Float, S: Simd<T>>(simd: S, from: *const T, stride: usize, len: usize) -> S::V {
    // SAFETY: the caller vouches for the elements; no vector has more than 16 lanes.
    unsafe {
        if stride == 1 {
            return simd.load_first_ptr(from, len);
        }
        let mut lanes = [T::ZERO; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(len) {
            *lane = *from.add(i * stride);
        }
        simd.load(&lanes)
    }
}

/// Writes `len ≤ LANES` elements, `stride` apart.
///
/// # Safety
/// `to` is valid for that.
#[inline(always)]
unsafe fn scatter<T: Float, S: Simd<T>>(simd: S, x: S::V, to: *mut T, stride: usize, len: usize) {
    // SAFETY: the caller vouches for the elements; no vector has more than 16 lanes.
    unsafe {
        if stride == 1 {
            return simd.store_first_ptr(x, to, len);
        }
        let mut lanes = [T::ZERO; 16];
        simd.store(x, &mut lanes);
        for (i, lane) in lanes.iter().enumerate().take(len) {
            *to.add(i * stride) = *lane;
        }
    }
}
