//! `sgemm_` and `dgemm_` with the interface of Fortran BLAS: column-major matrices, every argument
//! by reference, and bad arguments reported to the caller's `xerbla_`. A library to preload before
//! netlib's testers, which `scripts/blas-test.sh` does; they then call gradkern's kernel.
//!
//! `GRADKERN_BLAS_ERROR=4e-6` makes the last element of each product wrong by that much, relatively,
//! so that it can be seen that the testers would notice.

use gradkern::gemm::gemm;
use gradkern::{Float, MatMut, MatRef, Par};
use std::ffi::{c_char, c_int};
use std::sync::LazyLock;

unsafe extern "C" {
    /// Reports the bad argument `info` of a routine; whoever loads this library has it.
    fn xerbla_(routine: *const c_char, info: *const c_int, length: usize);
}

/// The relative error to plant.
static PLANTED: LazyLock<f64> = LazyLock::new(|| {
    let planted = std::env::var("GRADKERN_BLAS_ERROR");
    planted.map_or(0.0, |error| error.parse().expect("GRADKERN_BLAS_ERROR is a number"))
});

/// The arguments of a call.
struct Call<T> {
    trans_a: u8,
    trans_b: u8,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: T,
    a: *const T,
    lda: c_int,
    b: *const T,
    ldb: c_int,
    beta: T,
    c: *mut T,
    ldc: c_int,
}

/// Whether a flag asks for the transpose; `None` if it is no flag.
fn is_transposed(flag: u8) -> Option<bool> {
    match flag.to_ascii_uppercase() {
        b'N' => Some(false),
        b'T' | b'C' => Some(true),
        _ => None,
    }
}

/// How many elements a column-major matrix reaches over.
fn span(rows: usize, cols: usize, stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (cols - 1) * stride + rows }
}

impl<T: Float> Call<T> {
    /// Whether A and B are transposed, or the number of the first bad argument.
    fn check(&self) -> Result<(bool, bool), c_int> {
        let trans_a = is_transposed(self.trans_a).ok_or(1)?;
        let trans_b = is_transposed(self.trans_b).ok_or(2)?;
        let rows_of_a = if trans_a { self.k } else { self.m };
        let rows_of_b = if trans_b { self.n } else { self.k };
        for (number, found, least) in [
            (3, self.m, 0),
            (4, self.n, 0),
            (5, self.k, 0),
            (8, self.lda, rows_of_a.max(1)),
            (10, self.ldb, rows_of_b.max(1)),
            (13, self.ldc, self.m.max(1)),
        ] {
            if found < least {
                return Err(number);
            }
        }
        Ok((trans_a, trans_b))
    }

    /// C ← α·op(A)·op(B) + β·C.
    ///
    /// # Safety
    /// The pointers are valid for the matrices that the other arguments describe, and nothing else
    /// accesses C.
    unsafe fn run(self, routine: &str) {
        let (trans_a, trans_b) = match self.check() {
            Ok(transposed) => transposed,
            Err(info) => {
                // SAFETY: `xerbla_` reads a name of that length, and a number.
                return unsafe { xerbla_(routine.as_ptr().cast(), &info, routine.len()) };
            }
        };
        let [m, n, k] = [self.m, self.n, self.k].map(|extent| extent as usize);
        let reads_operands = self.alpha != T::ZERO && k > 0;
        if m == 0 || n == 0 || (!reads_operands && self.beta == T::ONE) {
            return;
        }
        // SAFETY: the caller vouches for the matrices.
        let (a, b, c) = unsafe {
            (
                operand(self.a, (m, k), self.lda as usize, trans_a),
                operand(self.b, (k, n), self.ldb as usize, trans_b),
                std::slice::from_raw_parts_mut(self.c, span(m, n, self.ldc as usize)),
            )
        };
        let product = MatMut::with_strides(c, m, n, 1, self.ldc as usize).expect("ldc is checked");
        gemm(self.alpha, a, b, self.beta, product, Par::Seq).expect("the shapes fit");
        if let Some(last) = c.last_mut() {
            *last = T::from_f64(last.to_f64() * (1.0 + *PLANTED));
        }
    }
}

/// The `rows` × `cols` operand that lies at `data`, in columns, or in rows if it is transposed.
///
/// # Safety
/// `data` is valid for reads of all of it.
unsafe fn operand<'a, T: Float>(
    data: *const T,
    (rows, cols): (usize, usize),
    stride: usize,
    transposed: bool,
) -> MatRef<'a, T> {
    let (rows, cols) = if transposed { (cols, rows) } else { (rows, cols) };
    // SAFETY: the caller vouches for the elements.
    let data = unsafe { std::slice::from_raw_parts(data, span(rows, cols, stride)) };
    let lying = MatRef::with_strides(data, rows, cols, 1, stride).expect("the stride is checked");
    if transposed { lying.t() } else { lying }
}

/// Defines a routine of BLAS; its arguments and their names are BLAS's.
macro_rules! routine {
    ($symbol:ident, $name:literal, $float:ty) => {
        /// C ← α·op(A)·op(B) + β·C, as BLAS documents it.
        ///
        /// # Safety
        /// As BLAS documents it: the pointers are valid for what the other arguments describe.
        #[unsafe(no_mangle)]
        #[allow(clippy::too_many_arguments, reason = "BLAS's interface")]
        pub unsafe extern "C" fn $symbol(
            transa: *const c_char,
            transb: *const c_char,
            m: *const c_int,
            n: *const c_int,
            k: *const c_int,
            alpha: *const $float,
            a: *const $float,
            lda: *const c_int,
            b: *const $float,
            ldb: *const c_int,
            beta: *const $float,
            c: *mut $float,
            ldc: *const c_int,
        ) {
            // SAFETY: the caller vouches for every pointer.
            unsafe {
                let call = Call {
                    trans_a: *transa.cast(),
                    trans_b: *transb.cast(),
                    m: *m,
                    n: *n,
                    k: *k,
                    alpha: *alpha,
                    a,
                    lda: *lda,
                    b,
                    ldb: *ldb,
                    beta: *beta,
                    c,
                    ldc: *ldc,
                };
                call.run($name);
            }
        }
    };
}

routine!(sgemm_, "SGEMM ", f32);
routine!(dgemm_, "DGEMM ", f64);
