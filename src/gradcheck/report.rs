//! What a gradient check found, as values and in words.

use super::closer::{Suspect, Verdict};
use std::fmt;

/// What [`check`](super::check) found. It displays as a sentence or two.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Report {
    /// The number of elements compared.
    pub elements: usize,
    /// The element that is furthest off, measured by what it may be off; those near a kink are not
    /// counted. `None` if there are no others.
    pub worst: Option<Worst>,
    /// The indices of elements whose analytical value is wrong.
    pub wrong: Vec<usize>,
    /// The indices of elements where the function has a kink at the point or within δ of it, and the
    /// analytical value is right or a subgradient.
    pub kinks: Vec<usize>,
    /// How far the worst element is off, in tolerances.
    excess: f64,
}

/// The element of a gradient that is furthest off.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Worst {
    /// Its index.
    pub index: usize,
    /// The value that was passed.
    pub analytical: f64,
    /// The value that was measured.
    pub numerical: f64,
    /// |analytical − numerical|.
    pub absolute_error: f64,
    /// The absolute error over the larger of |analytical| and |numerical|; 0 where both are 0.
    pub relative_error: f64,
}

impl Report {
    /// Whether no element is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(super) fn add(&mut self, suspect: &Suspect, verdict: Verdict) {
        self.elements += 1;
        let numerical = match verdict {
            Verdict::Kink => return self.kinks.push(suspect.index),
            Verdict::Right(numerical) => numerical,
            Verdict::Wrong(numerical) => {
                self.wrong.push(suspect.index);
                numerical
            }
        };
        let excess = suspect.excess(numerical);
        if self.worst.is_none() || excess > self.excess {
            self.excess = excess;
            self.worst = Some(Worst::new(suspect.index, suspect.analytical, numerical));
        }
    }
}

impl Worst {
    fn new(index: usize, analytical: f64, numerical: f64) -> Self {
        let absolute_error = (analytical - numerical).abs();
        let relative_error = match analytical.abs().max(numerical.abs()) {
            0.0 => absolute_error,
            larger => absolute_error / larger,
        };
        Worst { index, analytical, numerical, absolute_error, relative_error }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            write!(f, "the gradient is right in all of its {} elements", self.elements)?;
        } else {
            let (wrong, elements) = (self.wrong.len(), self.elements);
            write!(f, "the gradient is wrong in {wrong} of its {elements} elements ")?;
            write!(f, "({})", List(&self.wrong))?;
        }
        if !self.kinks.is_empty() {
            write!(f, "; {} are near a kink ({})", self.kinks.len(), List(&self.kinks))?;
        }
        let Some(worst) = &self.worst else { return Ok(()) };
        write!(
            f,
            "; the worst is element {}: analytical {:e}, numerical {:e}, absolute error {:.2e}, relative error {:.2e}",
            worst.index,
            worst.analytical,
            worst.numerical,
            worst.absolute_error,
            worst.relative_error
        )
    }
}

/// Indices in words, the first few of many.
struct List<'a>(&'a [usize]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        for (i, index) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{index}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
