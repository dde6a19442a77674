//! Matrices with any strides over memory that ends with their last element, so that
//! AddressSanitizer sees every access beyond it.

use crate::{Bits, Numbers, Result, Unstructured};
use gradkern::reference::Matrix;
use gradkern::{Float, MatMut, MatRef};

/// A matrix that owns its memory, and remembers what that held.
#[derive(Clone, Debug)]
pub struct Strided<T> {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    memory: Vec<T>,
    before: Vec<T>,
}

impl<T: Bits> Strided<T> {
    /// An argument to read: any strides, 0 among them.
    pub fn input(
        rows: usize,
        cols: usize,
        numbers: &mut Numbers,
        bytes: &mut Unstructured<'_>,
    ) -> Result<Self> {
        let strides = match bytes.int_in_range(0..=7)? {
            0 => (0, 1),
            1 => (1, 0),
            2 => (bytes.int_in_range(0..=3)?, bytes.int_in_range(0..=3)?),
            _ => apart(rows, cols, bytes)?,
        };
        Self::decode((rows, cols), strides, numbers, bytes)
    }

    /// A result, which may be read as well: strides under which no two elements share a place.
    pub fn output(
        rows: usize,
        cols: usize,
        numbers: &mut Numbers,
        bytes: &mut Unstructured<'_>,
    ) -> Result<Self> {
        let strides = apart(rows, cols, bytes)?;
        Self::decode((rows, cols), strides, numbers, bytes)
    }

    /// Rows of numbers in [0, 1], as targets are; some of them 0.
    pub fn probabilities(
        rows: usize,
        cols: usize,
        numbers: &mut Numbers,
        bytes: &mut Unstructured<'_>,
    ) -> Result<Self> {
        let mut matrix = Self::input(rows, cols, numbers, bytes)?;
        for x in &mut matrix.memory {
            *x = if *x < T::from_f64(-0.5) { T::ZERO } else { x.abs() };
        }
        matrix.before.clone_from(&matrix.memory);
        Ok(matrix)
    }

    /// Between the elements lies NaN.
    fn decode(
        (rows, cols): (usize, usize),
        (row_stride, col_stride): (usize, usize),
        numbers: &mut Numbers,
        bytes: &mut Unstructured<'_>,
    ) -> Result<Self> {
        let span = match (rows, cols) {
            (0, _) | (_, 0) => 0,
            _ => (rows - 1) * row_stride + (cols - 1) * col_stride + 1,
        };
        let mut memory = vec![T::NAN; span];
        for row in 0..rows {
            for col in 0..cols {
                memory[row * row_stride + col * col_stride] = numbers.next(bytes)?;
            }
        }
        let before = memory.clone();
        Ok(Strided { rows, cols, row_stride, col_stride, memory, before })
    }

    pub fn view(&self) -> MatRef<'_, T> {
        let Strided { rows, cols, row_stride, col_stride, .. } = *self;
        MatRef::with_strides(&self.memory, rows, cols, row_stride, col_stride).expect("a view")
    }

    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        let Strided { rows, cols, row_stride, col_stride, .. } = *self;
        MatMut::with_strides(&mut self.memory, rows, cols, row_stride, col_stride).expect("a view")
    }

    /// What is in it, as the reference sees it.
    pub fn matrix(&self) -> Matrix {
        Matrix::from_view(self.view())
    }

    /// What is in it, row by row, after checking that nothing was written between the elements.
    pub fn result(&self) -> Vec<T> {
        let mut is_element = vec![false; self.memory.len()];
        let mut elements = Vec::with_capacity(self.rows * self.cols);
        for row in 0..self.rows {
            for col in 0..self.cols {
                let place = row * self.row_stride + col * self.col_stride;
                is_element[place] = true;
                elements.push(self.memory[place]);
            }
        }
        for (place, is_element) in is_element.into_iter().enumerate() {
            let gap = self.memory[place];
            assert!(is_element || gap.is_nan(), "{gap} was written between elements, at {place}");
        }
        elements
    }

    /// Asserts that nothing was written at all.
    pub fn assert_untouched(&self) {
        assert_same("what a refused call left", &self.memory, &self.before);
    }
}

/// Strides that keep the elements apart: rows or columns one after the other, and gaps.
fn apart(rows: usize, cols: usize, bytes: &mut Unstructured<'_>) -> Result<(usize, usize)> {
    let kind: u8 = bytes.arbitrary()?;
    let (step, gap) = match kind % 4 {
        0 => (1, 0),
        1 => (1, usize::from(kind / 8 % 8)),
        _ => (1 + usize::from(kind / 64), usize::from(kind / 8 % 8)),
    };
    let (inner, outer) = if kind & 4 == 0 { (cols, false) } else { (rows, true) };
    let strides = (inner * step + gap, step);
    Ok(if outer { (strides.1, strides.0) } else { strides })
}

/// Asserts that two slices hold the same numbers, zeros' signs included, or NaN in the same places.
pub fn assert_same<T: Float>(what: &str, found: &[T], expected: &[T]) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_f64().to_bits() == expected.to_f64().to_bits();
        assert!(same || (found.is_nan() && expected.is_nan()), "{what}[{i}]: {found}, {expected}");
    }
}
