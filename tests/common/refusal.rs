//! Calls that must be refused: with which message, and with nothing written.

use super::assert_same_bits;
use gradkern::{Float, MatMut, MatRef, Result};
use std::fmt::Debug;

/// Asserts that `f`, given `len` elements to write to, returns an error that says `message`, and
/// leaves the elements as they were.
#[track_caller]
pub fn assert_refused<T: Float, V: Debug>(
    message: &str,
    len: usize,
    f: impl FnOnce(&mut [T]) -> Result<V>,
) {
    let before: Vec<T> = (0..len).map(|i| T::from_f64(i as f64 - 0.5)).collect();
    let mut output = before.clone();
    match f(&mut output) {
        Ok(value) => panic!("accepted, with {value:?}; expected: {message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
    assert_same_bits(message, &output, &before);
}

/// All of a slice as a matrix.
pub fn matrix<T: Float>(data: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, rows, cols).expect("as many elements as the matrix has")
}

/// A matrix of ones; `data` has that many elements or more.
pub fn ones<T: Float>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(&data[..rows * cols], rows, cols).expect("enough elements")
}
