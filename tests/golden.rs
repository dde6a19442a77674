//! Known values of PyTorch (f64) and of the book (f32), from `tests/golden`, or from the directory
//! that `GRADKERN_GOLDEN` names: same files and layout, other values. The book's two files may be
//! missing there.
//!
//! How near is near enough: what is asserted is the sum of
//! - the kernel's own bound (see `common/bounds.rs`), or 1e-12 of the value where that is asked;
//! - the rounding in the known value itself, which was computed in f64 (f32 for the book's);
//! - in f32, how far the result moves when the inputs are rounded to f32.

#[path = "golden/book.rs"]
mod book;
mod common;
#[path = "golden/cross_entropy.rs"]
mod cross_entropy;
#[path = "golden/dense.rs"]
mod dense;
#[path = "golden/training.rs"]
mod training;

use gradkern::{Float, MatMut, MatRef};

fn view<T: Float>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, rows, cols).expect("a matrix of this shape")
}

fn view_mut<T: Float>(data: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, rows, cols).expect("a matrix of this shape")
}

/// Whether `T` holds the known values as they are.
fn is_exact<T: Float>() -> bool {
    T::EPSILON.to_f64() == f64::EPSILON
}
