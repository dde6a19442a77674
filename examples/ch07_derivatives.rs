//! Chapter 7: slopes, numerical derivatives and how far they err, and the derivatives found by rule.
//!
//! `cargo run --release --example ch07_derivatives` compares with the numbers the book prints and
//! draws `target/plots/ch07_tangents.svg` and `target/plots/ch07_errors.svg`.

mod common;

use common::Failure;
use common::plot::{Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, PURPLE, SKY, VERMILION};
use common::report::Report;
use gradkern::gradcheck::{CheckOptions, Difference, check, derivative};
use plotters::style::{BLACK, RGBColor};
use std::process::ExitCode;

fn main() -> ExitCode {
    common::chapter("ch07_derivatives", |report| {
        slopes(report);
        tangents(report)?;
        errors(report)?;
        analytical(report)
    })
}

/// 2x², whose tangents the book draws.
fn parabola(x: f64) -> f64 {
    2.0 * x * x
}

fn slopes(report: &mut Report) {
    report.heading("The slope between two points");
    let slope = |f: fn(f64) -> f64, a: f64, b: f64| (f(b) - f(a)) / (b - a);
    report.number("2x, from 0 to 1", "2.0", slope(|x| 2.0 * x, 0.0, 1.0));
    report.number("2x, from 2 to 3", "2.0", slope(|x| 2.0 * x, 2.0, 3.0));
    report.number("2x², from 0 to 1", "2.0", slope(parabola, 0.0, 1.0));
    report.number("2x², from 2 to 3", "10.0", slope(parabola, 2.0, 3.0));
}

/// The numerical derivatives of 2x² at 0 to 4, and the tangents through them.
fn tangents(report: &mut Report) -> Result<(), Failure> {
    report.heading("Numerical derivatives of 2x², δ = 0.0001, and tangents y = slope · x + b");
    let points = (0..=500).map(|i| f64::from(i) / 100.0).map(|x| (x, parabola(x))).collect();
    let mut curves = vec![Curve { name: "2x²", color: BLACK, mark: Mark::Line, points }];
    let printed = [
        ("0.00019999999999999998", "0.0"),
        ("4.0001999999987845", "-2.0002"),
        ("8.000199999998785", "-8.0004"),
        ("12.000199999998785", "-18.0006"),
        ("16.000200000016548", "-32.0008"),
    ];
    let colors: [RGBColor; 5] = [BLUE, VERMILION, GREEN, PURPLE, SKY];
    let names = ["tangent at 0", "tangent at 1", "tangent at 2", "tangent at 3", "tangent at 4"];
    for (i, (slope_printed, b_printed)) in printed.into_iter().enumerate() {
        let x = i as f64;
        let slope = derivative(parabola, x, Difference::forward());
        report.number(&format!("slope at {x}"), slope_printed, slope);
        // As in the book, the tangent goes through the second of the two points.
        let second = x + 1e-4;
        let b = parabola(second) - slope * second;
        report.number(&format!("b at {x}"), b_printed, b);
        let ends = [x - 0.9, x + 0.9].map(|x| (x, slope * x + b));
        let (name, color) = (names[i], colors[i]);
        curves.push(Curve { name, color, mark: Mark::Line, points: ends.to_vec() });
        curves.push(Curve { name: "", color, mark: Mark::Dot, points: vec![(x, parabola(x))] });
    }
    let chart = Chart {
        title: "2x² and its tangents",
        x: Axis::linear("x", -1.0..5.0),
        y: Axis::linear("y", -5.0..50.0),
        legend: Some(Corner::UpperLeft),
        curves,
    };
    report.picture("ch07_tangents.svg", (760, 520), |area| chart.draw(area))
}

/// How far forward and central differences err, by δ: curvature where it is large, rounding where it
/// is small. Over many x, because rounding at one of them may happen to be nothing.
fn errors(report: &mut Report) -> Result<(), Failure> {
    report.heading("The relative error of the derivative of 5x⁵ + 4x³ − 5, mean over 1 ≤ x < 2");
    let f = |x: f64| 5.0 * x.powi(5) + 4.0 * x.powi(3) - 5.0;
    let error = |difference| {
        let relative =
            |x: f64| derivative(f, x, difference) / (25.0 * x.powi(4) + 12.0 * x * x) - 1.0;
        (0..200).map(|i| relative(1.0 + f64::from(i) / 200.0).abs()).sum::<f64>() / 200.0
    };
    let mut curves = Vec::new();
    let forward: fn(f64) -> Difference<f64> = |delta| Difference::Forward { delta };
    for (name, starred, color, make, low, high) in [
        ("forward", "the best δ, forward", VERMILION, forward, -10.0, -6.5),
        ("central", "the best δ, central", BLUE, |delta| Difference::Central { delta }, -7.5, -4.0),
    ] {
        let exponents = (4..=60).map(|i| -0.25 * f64::from(i));
        let errors: Vec<(f64, f64)> =
            exponents.map(|x| (x, error(make(10_f64.powf(x))).log10())).collect();
        for (x, error) in errors.iter().step_by(4) {
            let (delta, error) = (10_f64.powf(*x), 10_f64.powf(*error));
            report.line(format_args!("{name}, δ = {delta:.0e}: relative error {error:.1e}"));
        }
        let best = errors.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let (near, expected) = ((low..=high).contains(&best.0), format!("10^{low} to 10^{high}"));
        report.holds(starred, &expected, format!("{:.1e}", 10_f64.powf(best.0)), near);
        curves.push(Curve { name, color, mark: Mark::Line, points: errors });
        curves.push(Curve { name: starred, color, mark: Mark::Star, points: vec![best] });
    }
    let chart = Chart {
        title: "Error of a numerical derivative",
        x: Axis::logarithmic("δ", -15.5..-0.5),
        y: Axis::logarithmic("relative error", -14.0..1.0),
        legend: Some(Corner::LowerLeft),
        curves,
    };
    report.picture("ch07_errors.svg", (760, 520), |area| chart.draw(area))
}

/// The chapter's derivatives by rule, each beside the numerical ones at some points.
fn analytical(report: &mut Report) -> Result<(), Failure> {
    report.heading("Derivatives by rule, checked at −2, −0.5, 1 and 3");
    type Function = fn(f64) -> f64;
    let derivatives: [(&str, Function, Function); 6] = [
        ("1 → 0", |_| 1.0, |_| 0.0),
        ("3x → 3", |x| 3.0 * x, |_| 3.0),
        ("3x² → 6x", |x| 3.0 * x * x, |x| 6.0 * x),
        ("3x² + 5x → 6x + 5", |x| 3.0 * x * x + 5.0 * x, |x| 6.0 * x + 5.0),
        (
            "5x⁵ + 4x³ − 5 → 25x⁴ + 12x²",
            |x| 5.0 * x.powi(5) + 4.0 * x.powi(3) - 5.0,
            |x| 25.0 * x.powi(4) + 12.0 * x * x,
        ),
        (
            "x³ + 2x² − 5x + 7 → 3x² + 4x − 5",
            |x| x.powi(3) + 2.0 * x * x - 5.0 * x + 7.0,
            |x| 3.0 * x * x + 4.0 * x - 5.0,
        ),
    ];
    for (name, f, by_rule) in derivatives {
        let points = [-2.0, -0.5, 1.0, 3.0];
        let analytical = points.map(by_rule);
        let numerical = points.map(|x| derivative(f, x, Difference::central()));
        report.same(name, &analytical, &numerical, 4);
        // The slope of a sum with respect to each of its arguments is the function's there.
        let sum = |xs: &[f64]| xs.iter().map(|&x| f(x)).sum();
        report.gradcheck(&check(sum, &mut points.clone(), &analytical, &CheckOptions::default())?);
    }
    Ok(())
}
