//! What an element of a result may be: near the reference where nothing can overflow, and otherwise
//! what IEEE 754 leaves open.

use crate::bounds;
use gradkern::Float;
use gradkern::reference::{self, Matrix};

/// What an element may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// The reference's number or class, within a bound.
    Near(f64, f64),
    /// NaN or an infinity, depending on the order of operations.
    NotFinite,
    /// Anything: a partial sum may overflow.
    Anything,
}

impl Expected {
    /// As it is after a ReLU.
    pub fn relu(self) -> Self {
        match self {
            Expected::Near(value, bound) if value < 0.0 => Expected::Near(0.0, bound),
            Expected::Near(..) => self,
            Expected::NotFinite | Expected::Anything => Expected::Anything,
        }
    }

    fn allows<T: Float>(self, found: T) -> bool {
        match self {
            Expected::Anything => true,
            Expected::NotFinite => !found.is_finite(),
            Expected::Near(value, _) if value.is_nan() => found.is_nan(),
            Expected::Near(value, _) if value.is_infinite() => found.to_f64() == value,
            Expected::Near(value, bound) => (found.to_f64() - value).abs() <= bound,
        }
    }
}

/// Asserts that each element is what it may be.
pub fn assert_expected<T: Float>(what: &str, found: &[T], expected: &[Expected]) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(expected.allows(found), "{what}[{i}]: found {found:?}, {expected:?}");
    }
}

/// Asserts that each element is within its bound of the reference's, or of the same class.
pub fn assert_near<T: Float>(what: &str, found: &[T], values: &[f64], bounds: &[f64]) {
    let near = values.iter().zip(bounds).map(|(&value, &bound)| Expected::Near(value, bound));
    assert_expected(what, found, &near.collect::<Vec<_>>());
}

/// A number of this size may have come from terms that overflow.
pub fn large<T: Float>() -> f64 {
    1.0 / T::MIN_POSITIVE.to_f64()
}

/// Each element of α·A·B + β·C.
pub fn gemm<T: Float>(alpha: f64, a: &Matrix, b: &Matrix, beta: f64, c: &Matrix) -> Vec<Expected> {
    // Without steps of k there is nothing that α could scale.
    let alpha = if a.cols == 0 { 0.0 } else { alpha };
    let value = reference::gemm(alpha, a, b, beta, c);
    let (finite_a, finite_b, finite_c) = (finite_size(a), finite_size(b), finite_size(c));
    let (finite_alpha, finite_beta) = (finite(alpha), finite(beta));
    // |A|·|B|, and |α|·|A|·|B| + |β|·|C|, of which the bound is a multiple.
    let product = reference::product(&finite_a, &finite_b);
    let size =
        product.zip(&finite_c, |product, c| scaled(finite_alpha, product) + scaled(finite_beta, c));
    let bad_rows: Vec<bool> = (0..a.rows).map(|row| !all_finite(a.row(row))).collect();
    let b = b.t();
    let bad_cols: Vec<bool> = (0..b.rows).map(|col| !all_finite(b.row(col))).collect();
    // What each of the k + 2 operations may lose to underflow.
    let units = bounds::gemm_units::<T>(a.cols);
    let lost = (a.cols as f64 + 2.0) * (1.0 + finite_alpha) * bounds::tiny::<T>();

    let element = |row: usize, col: usize| {
        let bad_scalar = !alpha.is_finite() || !beta.is_finite();
        let bad_operand = (alpha != 0.0 && (bad_rows[row] || bad_cols[col]))
            || (beta != 0.0 && !c.at(row, col).is_finite());
        let product = if alpha == 0.0 { 0.0 } else { product.at(row, col) };
        let size = size.at(row, col);
        let may_overflow = |size: f64| size.is_nan() || size >= large::<T>();
        let overflows = may_overflow(product) || may_overflow(size);
        match (bad_scalar, bad_operand, overflows) {
            (true, _, _) | (_, true, true) => Expected::NotFinite,
            (false, false, true) => Expected::Anything,
            (false, _, false) => Expected::Near(value.at(row, col), units * size + lost),
        }
    };
    let mut all = Vec::with_capacity(c.rows * c.cols);
    for row in 0..c.rows {
        all.extend((0..c.cols).map(|col| element(row, col)));
    }
    all
}

/// A factor of 0 leaves nothing, of an infinity either.
fn scaled(factor: f64, x: f64) -> f64 {
    if factor == 0.0 { 0.0 } else { factor * x }
}

fn finite(x: f64) -> f64 {
    if x.is_finite() { x.abs() } else { 0.0 }
}

fn finite_size(m: &Matrix) -> Matrix {
    m.map(finite)
}

fn all_finite(row: &[f64]) -> bool {
    row.iter().all(|x| x.is_finite())
}
