//! Chapter 8: partial derivatives, gradients and the chain rule, beside numerical ones.
//!
//! `cargo run --release --example ch08_gradient` compares both and draws
//! `target/plots/ch08_gradient.svg`.

mod common;

use common::Failure;
use common::plot::{self, Area, Axis, BLUE, Chart, Curve, Mark, RGBColor};
use common::report::Report;
use gradkern::gradcheck::{CheckOptions, Difference, check, derivative, gradient};
use std::process::ExitCode;

fn main() -> ExitCode {
    common::chapter("ch08_gradient", |report| {
        gradients(report)?;
        chain_rule(report);
        report.line("");
        report.picture("ch08_gradient.svg", (1080, 540), draw)
    })
}

/// A function of two or three variables, and its gradient by the chapter's rules.
struct Function {
    name: &'static str,
    value: fn(&[f64]) -> f64,
    gradient: fn(&[f64]) -> Vec<f64>,
    /// Where it is looked at, and its gradient there.
    points: &'static [(&'static [f64], &'static str)],
}

const SUM_WITH_SQUARE: Function = Function {
    name: "2x + 3y²  →  [2, 6y]",
    value: |p| 2.0 * p[0] + 3.0 * p[1] * p[1],
    gradient: |p| vec![2.0, 6.0 * p[1]],
    points: &[(&[1.0, 2.0], "2.0000 12.0000"), (&[4.0, -1.5], "2.0000 -9.0000")],
};

const PRODUCT: Function = Function {
    name: "xy  →  [y, x]",
    value: |p| p[0] * p[1],
    gradient: |p| vec![p[1], p[0]],
    points: &[(&[3.0, 5.0], "5.0000 3.0000"), (&[-2.0, 0.5], "0.5000 -2.0000")],
};

const FUNCTIONS: [Function; 7] = [
    Function {
        name: "x + y  →  [1, 1]",
        value: |p| p[0] + p[1],
        gradient: |_| vec![1.0, 1.0],
        points: &[(&[1.0, 2.0], "1.0000 1.0000"), (&[-3.0, 0.5], "1.0000 1.0000")],
    },
    SUM_WITH_SQUARE,
    Function {
        name: "3x³ − y² + 5x + 2  →  [9x² + 5, −2y]",
        value: |p| 3.0 * p[0].powi(3) - p[1] * p[1] + 5.0 * p[0] + 2.0,
        gradient: |p| vec![9.0 * p[0] * p[0] + 5.0, -2.0 * p[1]],
        points: &[(&[1.0, 2.0], "14.0000 -4.0000"), (&[-2.0, 3.0], "41.0000 -6.0000")],
    },
    PRODUCT,
    Function {
        name: "3x³z − y² + 5z + 2yz  →  [9x²z, −2y + 2z, 3x³ + 5 + 2y]",
        value: |p| 3.0 * p[0].powi(3) * p[2] - p[1] * p[1] + 5.0 * p[2] + 2.0 * p[1] * p[2],
        gradient: |p| {
            let by_z = 3.0 * p[0].powi(3) + 5.0 + 2.0 * p[1];
            vec![9.0 * p[0] * p[0] * p[2], -2.0 * p[1] + 2.0 * p[2], by_z]
        },
        points: &[
            (&[1.0, 2.0, 3.0], "27.0000 2.0000 12.0000"),
            (&[-1.0, 0.5, -2.0], "-18.0000 -5.0000 3.0000"),
        ],
    },
    Function {
        name: "max(x, y)  →  [1 if x > y, 1 if y > x]",
        value: |p| p[0].max(p[1]),
        gradient: |p| vec![f64::from(p[0] > p[1]), f64::from(p[1] > p[0])],
        points: &[(&[3.0, 2.0], "1.0000 0.0000"), (&[-1.0, 2.0], "0.0000 1.0000")],
    },
    Function {
        name: "max(x, 0)  →  [1 if x > 0]",
        value: |p| p[0].max(0.0),
        gradient: |p| vec![f64::from(p[0] > 0.0)],
        points: &[(&[2.0], "1.0000"), (&[-2.0], "0.0000")],
    },
];

fn gradients(report: &mut Report) -> gradkern::Result<()> {
    for function in FUNCTIONS {
        report.heading(function.name);
        for (at, expected) in function.points {
            let analytical = (function.gradient)(at);
            let mut numerical = vec![0.0; at.len()];
            gradient(function.value, &mut at.to_vec(), Difference::central(), &mut numerical)?;
            report.numbers(&format!("at {at:?}, by rule"), expected, &analytical);
            report.numbers(&format!("at {at:?}, numerical"), expected, &numerical);
            let (point, options) = (&mut at.to_vec(), CheckOptions::default());
            report.gradcheck(&check(function.value, point, &analytical, &options)?);
        }
    }
    Ok(())
}

/// h = 3y⁵ of y = 2x²: dh/dx = dh/dy · dy/dx = 15y⁴ · 4x = 960x⁹.
fn chain_rule(report: &mut Report) {
    report.heading("The chain rule: 3(2x²)⁵  →  15(2x²)⁴ · 4x = 960x⁹");
    for x in [0.5_f64, 1.0, -1.5] {
        let (outer, inner) = (15.0 * (2.0 * x * x).powi(4), 4.0 * x);
        let whole = derivative(|x: f64| 3.0 * (2.0 * x * x).powi(5), x, Difference::central());
        let expected = format!("{:.4}", 960.0 * x.powi(9));
        report.number(&format!("at {x}, factor by factor"), &expected, outer * inner);
        report.number(&format!("at {x}, numerical"), &expected, whole);
    }
}

/// Gradients as arrows, over the values of two functions: the darker, the larger.
fn draw(area: &Area) -> Result<(), Failure> {
    let fields = [(SUM_WITH_SQUARE, 0.02), (PRODUCT, 0.12)];
    plot::side_by_side(area, &fields, |(function, scale), area| {
        let side = || -2.0..2.0;
        let values: Vec<f64> =
            plot::middles(side(), side(), 40).map(|(x, y)| (function.value)(&[x, y])).collect();
        let (low, high) =
            values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        let colors: Vec<RGBColor> =
            values.iter().map(|v| shade((v - low) / (high - low))).collect();
        let arrows = plot::middles(side(), side(), 8).map(|(x, y)| {
            let slope = (function.gradient)(&[x, y]);
            arrow((x, y), (scale * slope[0], scale * slope[1]))
        });
        let (x, y) = (Axis::linear("x", side()), Axis::linear("y", side()));
        let chart = Chart { title: function.name, x, y, legend: None, curves: arrows.collect() };
        chart.draw_over(area, plot::cells(side(), side(), &colors))
    })
}

/// From white to orange, in twelve steps.
fn shade(part: f64) -> RGBColor {
    let part = (12.0 * part).floor().min(11.0) / 11.0;
    let toward = |color: f64| (255.0 + (color - 255.0) * part) as u8;
    RGBColor(toward(230.0), toward(159.0), toward(0.0))
}

fn arrow((x, y): (f64, f64), (dx, dy): (f64, f64)) -> Curve<'static> {
    let barb = |turn: f64| (x + 0.7 * dx - turn * dy, y + 0.7 * dy + turn * dx);
    let tip = (x + dx, y + dy);
    let points = vec![(x, y), tip, barb(0.2), tip, barb(-0.2)];
    Curve { name: "", color: BLUE, mark: Mark::Line, points }
}
