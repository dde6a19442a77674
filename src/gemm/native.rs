//! The crate's own engine for x86-64: which way a product is computed, and how it is shared out.
//!
//! An element's sum is taken in one order, whatever tile and part it falls in, so parts may be made
//! to suit the number of threads without changing a bit.

use super::cut::parts;
use super::dot::DotPart;
use super::driver::{Job, Part};
use super::output::{Matrix, Output};
use super::params::Processor;
use super::plan::{BestWay, Way};
use super::stream::StreamPart;
use super::{Epilogue, Product};
use crate::arch::Token;
use crate::float::Float;
use crate::par::Par;
use crate::view::MatRef;

/// Computes a product whose C is not empty, with k > 0 and α ≠ 0.
pub(super) fn run<T: Float>(product: &mut Product<'_, T>, token: Token, par: Par) {
    run_as(product, token, par, Processor::this(), None);
}

/// As [`run`], with blocks, tiles and, of few rows, streams for `processor`, which change no bit of the
/// result, and in the way `wanted`, if it can be gone.
pub(super) fn run_as<T: Float>(
    product: &mut Product<'_, T>,
    token: Token,
    par: Par,
    processor: Processor,
    wanted: Option<Way>,
) {
    let mut job = Job::new(product);
    let wanted = wanted.filter(|&way| job.can_go(way));
    let way = wanted.unwrap_or_else(|| token.run(BestWay(&job, processor)));
    let work = job.work(processor.second_level);
    if way == Way::Rows {
        job = job.turned();
    }
    let compute = move |job: &Job<T>, rows, cols| match way {
        Way::Columns | Way::Rows => token.run(Part { job, rows, cols, processor }),
        Way::Dots => token.run(DotPart { job, rows, cols }),
        Way::Stream => token.run(StreamPart { job, cols }),
    };
    let threads = par.threads_worth(work);
    if threads == 1 {
        return compute(&job, 0..job.rows, 0..job.cols);
    }
    let size = (job.rows, job.cols, job.k);
    let (part_rows, part_cols) = parts(way, size, threads, par.tasks(work));
    let across = job.cols.div_ceil(part_cols);
    let count = job.rows.div_ceil(part_rows) * across;
    if count == 1 {
        return compute(&job, 0..job.rows, 0..job.cols);
    }
    let job = Job { output: Output { shared: true, ..job.output }, ..job };
    let shared = Shared(job);
    let shared = &shared;
    par.for_each_index(count, work, &move |i| {
        let job = &shared.0;
        let range = |i: usize, part: usize, end: usize| i * part..((i + 1) * part).min(end);
        compute(
            job,
            range(i / across, part_rows, job.rows),
            range(i % across, part_cols, job.cols),
        );
    });
}

/// A job that tasks share.
struct Shared<T>(Job<T>);

// SAFETY: tasks write disjoint parts of C, which is borrowed mutably while they run; A, B, biases and
// mask are borrowed as long, and only read.
unsafe impl<T: Sync> Sync for Shared<T> {}

fn matrix<T: Float>(view: MatRef<'_, T>) -> Matrix<T> {
    Matrix { data: view.as_ptr(), row_stride: view.row_stride(), col_stride: view.col_stride() }
}

impl<T: Float> Job<T> {
    fn new(product: &mut Product<'_, T>) -> Self {
        let &mut Product { alpha, a, b, beta, ref mut c, epilogue } = product;
        let output = Output {
            alpha,
            beta,
            c: c.as_mut_ptr(),
            row_stride: c.row_stride(),
            col_stride: c.col_stride(),
            shared: false,
            transposed: false,
            biases: None,
            relu: false,
            mask: None,
        };
        let (rows, cols, k) = (a.rows(), b.cols(), a.cols());
        let job = Job { rows, cols, k, a: matrix(a), b: matrix(b), output: output.with(epilogue) };
        let by_columns = c.row_stride() == 1 && c.col_stride() != 1;
        if by_columns && matches!(epilogue, Epilogue::None) {
            // A column-major C is a row-major Cᵀ ← α·Bᵀ·Aᵀ + β·Cᵀ.
            let (row_stride, col_stride) = (output.col_stride, output.row_stride);
            return Job { output: Output { row_stride, col_stride, ..output }, ..job.exchanged() };
        }
        job
    }

    /// Bᵀ·Aᵀ, with the output as it was.
    fn exchanged(self) -> Self {
        let Job { rows, cols, a, b, .. } = self;
        Job { rows: cols, cols: rows, a: b.transposed(), b: a.transposed(), ..self }
    }

    /// The same product with C's rows in the lanes.
    pub(super) fn turned(self) -> Self {
        let turned = self.exchanged();
        Job { output: Output { transposed: true, ..turned.output }, ..turned }
    }
}
