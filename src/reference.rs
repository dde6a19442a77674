//! Every kernel once more, written to be right by reading: `f64`, row-major, one element after the
//! other, nothing blocked, fused, vectorized or shared out. The tests of the fast kernels compare
//! with these functions; they share no code with them, and arguments are trusted.

mod loss;
mod training;

pub use loss::{
    Loss, Reduction, Targets, accuracy, argmax, cross_entropy, cross_entropy_backward,
    softmax_cross_entropy, softmax_cross_entropy_backward,
};
pub use training::{Adam, Mlp, Momentum, sgd};

use crate::float::Float;
use crate::view::MatRef;

/// A row-major matrix of `f64`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// The elements, row by row.
    pub data: Vec<f64>,
}

impl Matrix {
    /// The matrix with `element(row, col)` at each place.
    pub fn from_fn(rows: usize, cols: usize, element: impl Fn(usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            data.extend((0..cols).map(|col| element(row, col)));
        }
        Matrix { rows, cols, data }
    }

    /// What a view shows.
    pub fn from_view<T: Float>(view: MatRef<'_, T>) -> Self {
        let element = |row, col| view.get(row, col).map_or(f64::NAN, T::to_f64);
        Self::from_fn(view.rows(), view.cols(), element)
    }

    /// The element at (`row`, `col`).
    #[inline]
    pub fn at(&self, row: usize, col: usize) -> f64 {
        self.data[row * self.cols + col]
    }

    /// A row.
    #[inline]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.cols..][..self.cols]
    }

    /// The transpose.
    pub fn t(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |row, col| self.at(col, row))
    }

    /// `f` of every element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::from_fn(self.rows, self.cols, |row, col| f(self.at(row, col)))
    }

    /// `f` of the elements of both in each place.
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self::from_fn(self.rows, self.cols, |row, col| f(self.at(row, col), other.at(row, col)))
    }

    /// The sum of each row.
    pub fn row_sums(&self) -> Vec<f64> {
        (0..self.rows).map(|row| self.row(row).iter().sum()).collect()
    }

    /// The sum of each column.
    pub fn column_sums(&self) -> Vec<f64> {
        (0..self.cols).map(|col| (0..self.rows).map(|row| self.at(row, col)).sum()).collect()
    }
}

/// |found − exact| in units in the last place of `exact` as an `f32`; 0 if both are NaN, or round to
/// the same infinity.
pub fn ulps(found: f32, exact: f64) -> f64 {
    if !found.is_finite() || !exact.is_finite() {
        let same = (found.is_nan() && exact.is_nan()) || found == exact as f32;
        return if same { 0.0 } else { f64::INFINITY };
    }
    // The exponent as it is stored, for `log2` rounds.
    let exponent = ((exact.to_bits() >> 52) & 0x7FF) as i32 - 1023;
    (f64::from(found) - exact).abs() / 2_f64.powi(exponent.max(-126) - 23)
}

/// α·A·B + β·C. With β = 0, `c` is not read; with α = 0, neither `a` nor `b`.
pub fn gemm(alpha: f64, a: &Matrix, b: &Matrix, beta: f64, c: &Matrix) -> Matrix {
    let b = b.t();
    Matrix::from_fn(c.rows, c.cols, |row, col| {
        let mut product = 0.0;
        if alpha != 0.0 {
            for (a, b) in a.row(row).iter().zip(b.row(col)) {
                product += a * b;
            }
            product *= alpha;
        }
        if beta == 0.0 { product } else { product + beta * c.at(row, col) }
    })
}

/// A·B.
pub fn product(a: &Matrix, b: &Matrix) -> Matrix {
    gemm(1.0, a, b, 0.0, &Matrix::from_fn(a.rows, b.cols, |_, _| f64::NAN))
}

/// inputs·weights + biases.
pub fn dense(inputs: &Matrix, weights: &Matrix, biases: &[f64]) -> Matrix {
    let product = product(inputs, weights);
    Matrix::from_fn(product.rows, product.cols, |row, col| product.at(row, col) + biases[col])
}

/// The gradients of a dense layer.
#[derive(Clone, Debug)]
pub struct DenseGradients {
    /// grad_output·weightsᵀ.
    pub inputs: Matrix,
    /// inputsᵀ·grad_output.
    pub weights: Matrix,
    /// The column sums of grad_output.
    pub biases: Vec<f64>,
}

/// The gradients of [`dense`].
pub fn dense_backward(inputs: &Matrix, weights: &Matrix, grad_output: &Matrix) -> DenseGradients {
    DenseGradients {
        inputs: product(grad_output, &weights.t()),
        weights: product(&inputs.t(), grad_output),
        biases: grad_output.column_sums(),
    }
}

/// max(0, x), NaN for NaN.
pub fn relu(inputs: &Matrix) -> Matrix {
    inputs.map(|x| if x < 0.0 { 0.0 } else { x })
}

/// The gradient where x > 0, else 0.
pub fn relu_backward(inputs: &Matrix, grad_output: &Matrix) -> Matrix {
    inputs.zip(grad_output, |x, gradient| if x > 0.0 { gradient } else { 0.0 })
}

/// A row's largest element, and Σ exp(x − max) over all others: one of the largest adds exactly 1
/// to the whole sum, and is left out so that small others keep their digits. `None` if an element is
/// NaN or +∞, or if all are −∞: the softmax is NaN then.
fn exponentials(row: &[f64]) -> Option<(f64, f64)> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if row.iter().any(|x| x.is_nan()) || largest.is_infinite() {
        return None;
    }
    let first = row.iter().position(|&x| x == largest);
    let others = row.iter().enumerate().filter(|&(i, _)| Some(i) != first);
    Some((largest, others.map(|(_, x)| (x - largest).exp()).sum()))
}

/// ln of the softmax of a row: x − max − ln Σ exp(x − max).
pub fn log_softmax_row(row: &[f64]) -> Vec<f64> {
    let Some((largest, others)) = exponentials(row) else { return vec![f64::NAN; row.len()] };
    row.iter().map(|x| (x - largest) - others.ln_1p()).collect()
}

/// [`log_softmax_row`] of every row.
pub fn log_softmax(logits: &Matrix) -> Matrix {
    let rows: Vec<_> = (0..logits.rows).map(|row| log_softmax_row(logits.row(row))).collect();
    Matrix::from_fn(logits.rows, logits.cols, |row, col| rows[row][col])
}

/// exp(x − max) / Σ exp(x − max), row by row.
pub fn softmax(logits: &Matrix) -> Matrix {
    let rows: Vec<_> = (0..logits.rows).map(|row| exponentials(logits.row(row))).collect();
    Matrix::from_fn(logits.rows, logits.cols, |row, col| match rows[row] {
        Some((largest, others)) => (logits.at(row, col) - largest).exp() / (1.0 + others),
        None => f64::NAN,
    })
}

/// pᵢ(gᵢ − Σⱼ gⱼpⱼ), row by row.
pub fn softmax_backward(probabilities: &Matrix, grad_output: &Matrix) -> Matrix {
    let dots = probabilities.zip(grad_output, |p, g| p * g).row_sums();
    Matrix::from_fn(probabilities.rows, probabilities.cols, |row, col| {
        probabilities.at(row, col) * (grad_output.at(row, col) - dots[row])
    })
}
