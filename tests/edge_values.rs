//! The table of edge values: what the kernels do with NaN, infinities, huge numbers, nothing at all.
//!
//! Each row of the table that is a result is a test here; those that are an `Err` are in
//! `bad_input.rs` and its neighbours.

#[path = "edge_values/arithmetic.rs"]
mod arithmetic;
mod common;
#[path = "edge_values/extents.rs"]
mod extents;
#[path = "edge_values/losses.rs"]
mod losses;

use gradkern::{Float, MatMut, MatRef};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn view<T: Float>(data: &[T], cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, data.len() / cols, cols).expect("whole rows")
}

fn view_mut<T: Float>(data: &mut [T], cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, data.len() / cols, cols).expect("whole rows")
}
