//! Numerical against analytical gradients, for this crate's kernels and for its users' code.
//!
//! [`derivative`] and [`gradient`] measure the slope of any closure by differences; [`check`]
//! compares a gradient that was derived by hand with them, and says which elements are wrong. Where
//! the function has a kink (ReLU at 0), a difference across it is not the slope on either side: such
//! elements are looked at again, closer, and reported apart ([`Report::kinks`]).
//!
//! ```
//! use gradkern::gradcheck::{check, CheckOptions};
//!
//! // f(x, y) = x²y + max(0, y), and its gradient (2xy, x² + 1) at (3, 1).
//! let f = |p: &[f64]| p[0] * p[0] * p[1] + p[1].max(0.0);
//! let report = check(f, &mut [3.0, 1.0], &[6.0, 10.0], &CheckOptions::default())?;
//! assert!(report.passed(), "{report}");
//!
//! let report = check(f, &mut [3.0, 1.0], &[6.0, 9.0], &CheckOptions::default())?;
//! assert_eq!(report.wrong, [1]);
//! # Ok::<(), gradkern::Error>(())
//! ```

mod closer;
mod report;

pub use report::{Report, Worst};

use crate::error::{Error, Result, check_length};
use crate::float::Float;
use closer::{Line, Suspect, Verdict};

/// Which two points a slope is measured between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference<T> {
    /// (f(x + δ) − f(x)) / δ, which errs by about δ/2 · |f″|.
    Forward {
        /// δ, finite and above 0.
        delta: T,
    },
    /// (f(x + δ) − f(x − δ)) / 2δ, which errs by about δ²/6 · |f‴|.
    Central {
        /// δ, finite and above 0.
        delta: T,
    },
}

impl<T: Float> Difference<T> {
    /// Forward with δ = 1e-4, as in *Neural Networks from Scratch*.
    #[must_use]
    pub fn forward() -> Self {
        Difference::Forward { delta: T::from_f64(1e-4) }
    }

    /// Central with δ = 1e-5, near the best for `f64`: rounding errs by about 1e-11 · |f| and
    /// curvature by as little. `f32` needs a larger δ, about 1e-2.
    #[must_use]
    pub fn central() -> Self {
        Difference::Central { delta: T::from_f64(1e-5) }
    }

    fn delta(self) -> T {
        let (Difference::Forward { delta } | Difference::Central { delta }) = self;
        delta
    }

    /// The two points around `x`.
    fn ends(self, x: T) -> [T; 2] {
        match self {
            Difference::Forward { delta } => [x, x + delta],
            Difference::Central { delta } => [x - delta, x + delta],
        }
    }

    fn check(self) -> Result<()> {
        if self.delta().is_finite() && self.delta() > T::ZERO {
            return Ok(());
        }
        let found = self.delta().to_f64();
        Err(Error::Value { argument: "delta", expected: "a finite number above 0", found })
    }
}

/// The slope of `f` at `x`: the difference of its values at two points, divided by the difference
/// of the points as they were rounded.
///
/// NaN where δ is 0, or so small beside `x` that both points are one.
///
/// ```
/// use gradkern::gradcheck::{derivative, Difference};
///
/// let slope = derivative(|x: f64| 2.0 * x * x, 1.0, Difference::forward());
/// assert_eq!(slope, 4.0001999999987845);
/// ```
pub fn derivative<T: Float>(mut f: impl FnMut(T) -> T, x: T, difference: Difference<T>) -> T {
    slope(difference.ends(x), &mut f)
}

fn slope<T: Float>([start, end]: [T; 2], f: &mut (impl FnMut(T) -> T + ?Sized)) -> T {
    let (first, second) = (f(start), f(end));
    (second - first) / (end - start)
}

/// The gradient of `f` at `point`: the [`derivative`] along each element in turn, the others
/// staying as they are.
///
/// `f` is called with `point` itself, one element of it moved; afterwards `point` is what it was.
/// Takes n + 1 calls of `f` for forward and 2n for central differences.
///
/// ```
/// use gradkern::gradcheck::{gradient, Difference};
///
/// let mut slopes = [0.0; 2];
/// gradient(|p| p[0] * p[1], &mut [3.0, 5.0], Difference::central(), &mut slopes)?;
/// assert!((slopes[0] - 5.0_f64).abs() < 1e-9 && (slopes[1] - 3.0).abs() < 1e-9);
/// # Ok::<(), gradkern::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] unless `gradient` is as long as `point`; [`Error::Value`] unless δ is finite
/// and above 0.
pub fn gradient<T: Float>(
    f: impl FnMut(&[T]) -> T,
    point: &mut [T],
    difference: Difference<T>,
    gradient: &mut [T],
) -> Result<()> {
    check_length("gradient", point.len(), gradient.len())?;
    difference.check()?;
    let mut along = Along::new(f, point);
    for (i, element) in gradient.iter_mut().enumerate() {
        *element = along.slope(i, difference);
    }
    Ok(())
}

/// A function seen along one element of its point at a time.
struct Along<'a, T, F> {
    f: F,
    point: &'a mut [T],
    /// f(point), once it was needed.
    value: Option<T>,
}

impl<'a, T: Float, F: FnMut(&[T]) -> T> Along<'a, T, F> {
    fn new(f: F, point: &'a mut [T]) -> Self {
        Along { f, point, value: None }
    }

    /// f(point) with element `i` replaced by `x`.
    fn at(&mut self, i: usize, x: T) -> T {
        if x == self.point[i] {
            return *self.value.get_or_insert_with(|| (self.f)(self.point));
        }
        let original = std::mem::replace(&mut self.point[i], x);
        let value = (self.f)(self.point);
        self.point[i] = original;
        value
    }

    fn slope(&mut self, i: usize, difference: Difference<T>) -> T {
        slope(difference.ends(self.point[i]), &mut |x| self.at(i, x))
    }
}

/// How [`check`] measures, and how close is close enough.
///
/// An element agrees if |analytical − numerical| ≤ atol + rtol · max(|analytical|, |numerical|).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// How slopes are measured. Default: central, δ = 1e-5. A forward difference needs `rtol` and
    /// `atol` of about δ.
    pub difference: Difference<f64>,
    /// The tolerance relative to the larger value; finite, at least 0. Default 1e-7.
    pub rtol: f64,
    /// The absolute tolerance; finite, at least 0. Default 1e-9. Rounding within `f` that errs by
    /// more than atol · δ is mistaken for a wrong gradient.
    pub atol: f64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions { difference: Difference::central(), rtol: 1e-7, atol: 1e-9 }
    }
}

impl CheckOptions {
    fn check(&self) -> Result<()> {
        self.difference.check()?;
        for (argument, found) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(found.is_finite() && found >= 0.0) {
                let expected = "a finite number of at least 0";
                return Err(Error::Value { argument, expected, found });
            }
        }
        Ok(())
    }
}

/// Compares the gradient of `f` at `point` that was derived analytically with a numerical one.
///
/// In `f64` alone: differences lose half of a type's digits, and `f32` has too few. To check a
/// kernel in `f32`, compare it with the same kernel in `f64`.
///
/// An element that does not agree is measured again with smaller steps, its slopes to the left and
/// to the right apart. It is not wrong
/// - if these slopes differ and the analytical value is between them or one of them: the point is
///   on a kink, where any value between is a subgradient;
/// - if they are one and agree with the analytical value: the first difference was misled by a kink
///   within δ, or by strong curvature.
///
/// In both cases of a kink its index is in [`Report::kinks`]. A kink closer than rounding within
/// `f` lets it look, about 1e-8 where `f` is about 1, counts as at the point. Where even that
/// cannot be told, the element is wrong, and so is one with a value that is NaN or infinite.
///
/// `point` is moved during the call, and afterwards what it was. Takes about 2 calls of `f` an
/// element that agrees, 50 an element that does not, and more where kinks obscure each other.
///
/// # Errors
/// [`Error::Length`] unless `analytical` is as long as `point`; [`Error::Value`] for an option
/// outside its values.
pub fn check(
    f: impl FnMut(&[f64]) -> f64,
    point: &mut [f64],
    analytical: &[f64],
    options: &CheckOptions,
) -> Result<Report> {
    check_length("analytical", point.len(), analytical.len())?;
    options.check()?;
    let mut along = Along::new(f, point);
    let mut report = Report::default();
    for (i, &analytical) in analytical.iter().enumerate() {
        let numerical = along.slope(i, options.difference);
        let suspect = Suspect::new(i, analytical, numerical, options);
        let verdict = if suspect.agrees() {
            Verdict::Right(numerical)
        } else {
            let line = Line { x: along.point[i], value: &mut |x| along.at(i, x) };
            suspect.look_closer(line)
        };
        report.add(&suspect, verdict);
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
