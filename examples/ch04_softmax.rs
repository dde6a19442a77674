//! Chapter 4: exponentials overflow, subtracting the maximum helps, and a first forward pass.
//!
//! `cargo run --release --example ch04_softmax` compares with the numbers the book prints and draws
//! `target/plots/ch04_softmax.svg`.

mod common;

use common::Failure;
use common::arrays::{dense, relu, softmax};
use common::book::Book;
use common::plot::{self, Area, Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, VERMILION};
use common::report::Report;
use std::process::ExitCode;

fn main() -> ExitCode {
    common::chapter("ch04_softmax", |report| {
        exponentials(report)?;
        shifted_and_scaled(report)?;
        forward_pass(report)?;
        report.line("");
        report.picture("ch04_softmax.svg", (1080, 420), draw)?;
        Ok(())
    })
}

/// Softmax as its formula is written, without the maximum subtracted.
fn naive(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    logits.iter().map(|x| x.exp() / sum).collect()
}

fn exponentials(report: &mut Report) -> gradkern::Result<()> {
    report.heading("Exponentials overflow");
    report.number("exp(1)", "2.718281828459045", 1_f64.exp());
    report.number("exp(10)", "22026.465794806718", 10_f64.exp());
    report.number("exp(100)", "2.6881171418161356e43", 100_f64.exp());
    report.number("exp(1000)", "inf", 1000_f64.exp());
    report.number("exp(-1000)", "0", (-1000_f64).exp());

    let large = [1000.0, 1001.0, 1002.0];
    report.line("\nThe maximum subtracted, the largest exponential is exp(0) = 1:");
    report.numbers("[1000, 1001, 1002], naive", "NaN NaN NaN", &naive(&large));
    let p = softmax(&large, 3)?;
    report.numbers("[1000, 1001, 1002], the kernel", "0.09003057 0.24472847 0.66524096", &p);
    let p = softmax(&large.map(|x| x as f32), 3)?;
    report.numbers("[1000, 1001, 1002], in f32", "0.09003057 0.24472847 0.66524096", &p);
    Ok(())
}

fn shifted_and_scaled(report: &mut Report) -> gradkern::Result<()> {
    report.heading("A shift changes nothing, a scale does");
    for (logits, expected) in [
        ([1.0, 2.0, 3.0], "0.09003057 0.24472847 0.66524096"),
        ([-2.0, -1.0, 0.0], "0.09003057 0.24472847 0.66524096"),
        ([0.5, 1.0, 1.5], "0.18632372 0.30719589 0.50648039"),
    ] {
        report.numbers(&format!("softmax of {logits:?}"), expected, &softmax::<f64>(&logits, 3)?);
    }
    Ok(())
}

/// The spirals through dense, ReLU, dense and softmax: 2-3-3.
fn forward_pass(report: &mut Report) -> Result<(), Failure> {
    let book = Book::spiral()?;
    let data = book.data()?;
    let (weights1, biases1) = (book.numbers("dense1.weights")?, book.numbers("dense1.biases")?);
    let (weights2, biases2) = (book.numbers("dense2.weights")?, book.numbers("dense2.biases")?);
    let hidden = relu(&dense(&data.inputs, &weights1, &biases1)?)?;
    let p = softmax(&dense(&hidden, &weights2, &biases2)?, 3)?;

    report.heading("The first five rows of the spirals through 2-3-3");
    let printed = [
        "0.33333334 0.33333334 0.33333334",
        "0.33333316 0.3333332 0.33333364",
        "0.33333287 0.3333329 0.33333418",
        "0.3333326 0.33333263 0.33333477",
        "0.33333233 0.3333324 0.33333528",
    ];
    for (i, (row, printed)) in p.chunks(3).zip(printed).enumerate() {
        report.numbers(&format!("row {i}"), printed, row);
    }
    let known = book.numbers("softmax.output")?;
    let furthest = known.iter().zip(&p).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let what = "all 300 rows: furthest from NumPy's";
    report.holds(what, "at most 2e-7", format!("{furthest:.1e}"), furthest <= 2e-7);
    Ok(())
}

fn draw(area: &Area) -> Result<(), Failure> {
    let scales = || (0..=100).map(|i| f64::from(i) / 20.0);
    let mut curves = Vec::new();
    let classes = [("logit 1·s", BLUE), ("logit 2·s", VERMILION), ("logit 3·s", GREEN)];
    for (class, (name, color)) in classes.into_iter().enumerate() {
        let at = |s: f64| Ok((s, softmax(&[s, 2.0 * s, 3.0 * s], 3)?[class]));
        let points = scales().map(at).collect::<gradkern::Result<_>>()?;
        curves.push(Curve { name, color, mark: Mark::Line, points });
        let points = vec![at(0.5)?, at(1.0)?];
        curves.push(Curve { name: "", color, mark: Mark::Dot, points });
    }
    let sharper = Chart {
        title: "Softmax of s · [1, 2, 3]",
        x: Axis::linear("scale s", 0.0..5.0),
        y: Axis::linear("probability", 0.0..1.0),
        legend: Some(Corner::MiddleRight),
        curves,
    };
    let end = |last: f64| (last, last * std::f64::consts::LOG10_E);
    let (f32_end, f64_end) = (end(f64::from(f32::MAX).ln()), end(f64::MAX.ln()));
    let overflow = Chart {
        title: "Where exp(x) overflows",
        x: Axis::linear("x", 0.0..1000.0),
        y: Axis::logarithmic("exp(x)", 0.0..350.0),
        legend: Some(Corner::LowerRight),
        curves: [
            ("exp(x)", BLUE, Mark::Line, vec![(0.0, 0.0), f64_end]),
            ("largest f32, x = 88.7", VERMILION, Mark::Square, vec![f32_end]),
            ("largest f64, x = 709.8", GREEN, Mark::Triangle, vec![f64_end]),
        ]
        .map(|(name, color, mark, points)| Curve { name, color, mark, points })
        .into(),
    };
    plot::side_by_side(area, &[sharper, overflow], Chart::draw)
}
