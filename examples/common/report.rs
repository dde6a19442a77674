//! What an example prints: what is expected beside what was got. It remembers whether they differ.

use super::plot::{self, Area};
use super::{Failure, write_plot};
use gradkern::{Float, gradcheck};
use std::fmt::Display;
use std::io::{self, Write};

/// Longer values have a line of their own.
const COLUMN: usize = 26;

/// A report on stdout.
pub struct Report {
    out: io::Stdout,
    compared: usize,
    differing: usize,
    /// The first line that could not be written.
    error: Option<io::Error>,
}

impl Report {
    /// Runs what reports, and fails where something was not as expected or could not be written.
    pub fn of(run: impl FnOnce(&mut Self) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut report = Report { out: io::stdout(), compared: 0, differing: 0, error: None };
        run(&mut report)?;
        report.end()
    }

    /// Any line.
    pub fn line(&mut self, text: impl Display) {
        if let (None, Err(error)) = (&self.error, writeln!(self.out, "{text}")) {
            self.error = Some(error);
        }
    }

    /// What follows, underlined.
    pub fn heading(&mut self, text: &str) {
        self.line(format_args!("\n{text}\n{}", "-".repeat(text.chars().count())));
    }

    /// Compares numbers with those that are known, as text with the digits that are known: half a
    /// unit of the last one, and two roundings of `T`, are no difference.
    pub fn numbers<T: Float>(&mut self, what: &str, expected: &str, got: &[T]) {
        let known: Vec<&str> = expected.split_whitespace().collect();
        let alike = |(known, got): (&&str, &T)| is_printed_as(known, *got);
        let same = known.len() == got.len() && known.iter().zip(got).all(alike);
        let digits = |(i, got): (usize, &T)| as_precisely(known.get(i).unwrap_or(&""), *got);
        let got: Vec<String> = got.iter().enumerate().map(digits).collect();
        self.compare(what, &known.join(" "), &got.join(" "), same);
    }

    /// [`numbers`](Self::numbers) for one.
    pub fn number<T: Float>(&mut self, what: &str, expected: &str, got: T) {
        self.numbers(what, expected, &[got]);
    }

    /// Compares two computations of the same numbers, to some decimals.
    pub fn same(&mut self, what: &str, expected: &[f64], got: &[f64], decimals: usize) {
        let text: Vec<String> = expected.iter().map(|x| format!("{x:.decimals$}")).collect();
        self.numbers(what, &text.join(" "), got);
    }

    /// Something that must hold.
    pub fn holds(&mut self, what: &str, expected: &str, got: impl Display, holds: bool) {
        self.compare(what, expected, &got.to_string(), holds);
    }

    /// A gradient that must have passed its check.
    pub fn gradcheck(&mut self, checked: &gradcheck::Report) {
        let (right, all) = (checked.elements - checked.wrong.len(), checked.elements);
        let got = format!("{right} of {all}");
        self.holds(
            "    elements that gradcheck finds right",
            &format!("{all} of {all}"),
            got,
            checked.passed(),
        );
    }

    fn compare(&mut self, what: &str, expected: &str, got: &str, same: bool) {
        self.compared += 1;
        self.differing += usize::from(!same);
        let verdict = if same { "" } else { "   <-- differs" };
        if expected.len().max(got.len()) <= COLUMN && what.chars().count() <= 48 {
            self.line(format_args!("{what:<48} expected {expected:<COLUMN$} got {got}{verdict}"));
        } else {
            self.line(format_args!("{what}"));
            self.line(format_args!("    expected {expected}"));
            self.line(format_args!("    got      {got}{verdict}"));
        }
    }

    /// Draws a picture, writes it and says where it is.
    pub fn picture(
        &mut self,
        name: &str,
        size: (u32, u32),
        draw: impl FnOnce(&Area) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = write_plot(name, &plot::svg(size, draw)?)?;
        self.line(path);
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        let (compared, differing) = (self.compared, self.differing);
        if differing == 0 && compared > 0 {
            self.line(format_args!("\n{compared} of {compared} comparisons are as expected"));
        }
        match self.error {
            Some(error) => Err(error.into()),
            None if differing == 0 => Ok(()),
            None => Err(format!("{differing} of {compared} comparisons differ").into()),
        }
    }
}

/// The decimals of a number in text, and its power of ten if it has one.
fn digits(text: &str) -> (usize, Option<i32>) {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()),
        None => (text, None),
    };
    (mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len()), exponent)
}

fn is_printed_as<T: Float>(text: &str, got: T) -> bool {
    let Ok(expected) = text.parse::<f64>() else { return false };
    let got = got.to_f64();
    if !expected.is_finite() {
        return got == expected || got.is_nan() && expected.is_nan();
    }
    let (decimals, exponent) = digits(text);
    let half_a_unit = 0.5 * 10_f64.powi(exponent.unwrap_or(0) - decimals as i32);
    (got - expected).abs() <= half_a_unit + 2.0 * T::EPSILON.to_f64() * expected.abs()
}

/// A number with as many digits as `text` has.
fn as_precisely<T: Float>(text: &str, got: T) -> String {
    let got = got.to_f64();
    match digits(text) {
        (decimals, Some(_)) => format!("{got:.decimals$e}"),
        (decimals, None) => format!("{got:.decimals$}"),
    }
}
