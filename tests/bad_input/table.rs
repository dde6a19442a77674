//! The calls that must be refused, as they are made: with which message, and with nothing written.

use super::common::assert_same_bits;
use gradkern::{Float, MatMut, MatRef, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// How many bad calls of each function were refused.
#[derive(Debug, Default)]
pub struct Table(RefCell<BTreeMap<&'static str, usize>>);

impl Table {
    /// Asserts that `f`, a call of `function` that is given `len` elements to write to, returns an
    /// error that says `message`, and leaves the elements as they were.
    #[track_caller]
    pub fn refuse<T: Float, V: Debug>(
        &self,
        function: &'static str,
        message: &str,
        len: usize,
        f: impl FnOnce(&mut [T]) -> Result<V>,
    ) {
        let before: Vec<T> = (0..len).map(|i| T::from_f64(i as f64 - 0.5)).collect();
        let mut output = before.clone();
        self.refuse_value(function, message, f(&mut output));
        assert_same_bits(message, &output, &before);
    }

    /// Asserts that what a call of `function` returned is an error that says `message`.
    #[track_caller]
    pub fn refuse_value<V: Debug>(&self, function: &'static str, message: &str, found: Result<V>) {
        match found {
            Ok(value) => panic!("{function} returned {value:?}; expected: {message}"),
            Err(error) => assert_eq!(error.to_string(), message, "{function}"),
        }
        *self.0.borrow_mut().entry(function).or_default() += 1;
    }

    /// The functions that were called.
    pub fn functions(&self) -> Vec<&'static str> {
        self.0.borrow().keys().copied().collect()
    }

    /// The number of calls.
    pub fn cases(&self) -> usize {
        self.0.borrow().values().sum()
    }
}

/// All of a slice as a matrix.
pub fn matrix<T: Float>(data: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, rows, cols).expect("as many elements as the matrix has")
}

/// A matrix of ones; `data` has that many elements or more.
pub fn ones<T: Float>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(&data[..rows * cols], rows, cols).expect("enough elements")
}
