//! The crate's own engine for x86-64: how a product is turned, and shared out.
//!
//! An element's sum runs over k in one order, whatever tile and part it falls in, so parts may be
//! made to suit the number of threads without changing a bit.

use super::driver::{Job, Part};
use super::output::{Matrix, Output};
use super::{Epilogue, Product, multiply_adds};
use crate::arch::Token;
use crate::float::Float;
use crate::par::Par;
use crate::view::MatRef;

/// A pointer that tasks share.
struct Shared<T>(Job<T>);

// SAFETY: tasks write disjoint parts of C, which is borrowed mutably while they run, and otherwise
// read only.
unsafe impl<T: Sync> Sync for Shared<T> {}

fn matrix<T: Float>(view: MatRef<'_, T>) -> Matrix<T> {
    Matrix { data: view.as_ptr(), row_stride: view.row_stride(), col_stride: view.col_stride() }
}

/// Computes a product whose C is not empty, with k > 0 and α ≠ 0.
pub(super) fn run<T: Float>(product: Product<'_, T>, token: Token, par: Par) {
    let Product { alpha, a, b, beta, mut c, epilogue } = product;
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let output = Output {
        alpha,
        beta,
        c: c.as_mut_ptr(),
        row_stride: c.row_stride(),
        col_stride: c.col_stride(),
        transposed: false,
        biases: None,
        relu: false,
        mask: None,
    }
    .with(epilogue);
    let mut job = Job { k, a: matrix(a), b: matrix(b), output };
    let (mut rows, mut cols) = (m, n);
    if c.row_stride() == 1 && c.col_stride() != 1 && matches!(epilogue, Epilogue::None) {
        job = job.of_transposes();
        (rows, cols) = (n, m);
    }
    let shared = Shared(job);
    let work = multiply_adds(m, k, n);
    let parts = par.parts(work);
    let by_rows = rows >= cols;
    let extent = if by_rows { rows } else { cols };
    let part = extent.div_ceil(parts).next_multiple_of(if by_rows { 2 } else { 32 });
    let shared = &shared;
    par.for_each_index(extent.div_ceil(part), work, &move |i| {
        let range = i * part..((i + 1) * part).min(extent);
        let job = &shared.0;
        token.run(match by_rows {
            true => Part { job, rows: range, cols: 0..cols },
            false => Part { job, rows: 0..rows, cols: range },
        });
    });
}

impl<T: Float> Job<T> {
    /// Cᵀ ← α·Bᵀ·Aᵀ + β·Cᵀ, the same product, for a column-major C without an epilogue.
    fn of_transposes(self) -> Self {
        let Job { k, a, b, output } = self;
        let output =
            Output { row_stride: output.col_stride, col_stride: output.row_stride, ..output };
        Job { k, a: b.transposed(), b: a.transposed(), output }
    }
}
