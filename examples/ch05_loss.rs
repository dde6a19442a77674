//! Chapter 5: categorical cross-entropy, its clip, and accuracy.
//!
//! `cargo run --release --example ch05_loss` compares with the numbers the book prints and draws
//! `target/plots/ch05_loss.svg`.

mod common;

use common::Failure;
use common::arrays::{cross_entropy, dense, fused};
use common::book::Book;
use common::plot::{Axis, BLUE, Chart, Corner, Curve, Mark, VERMILION};
use common::report::Report;
use gradkern::{MatRef, Targets, metrics};
use std::process::ExitCode;

fn main() -> ExitCode {
    common::chapter("ch05_loss", |report| {
        three_samples(report)?;
        clipping(report)?;
        book_network(report)?;
        report.line("");
        let chart = picture()?;
        report.picture("ch05_loss.svg", (760, 480), |area| chart.draw(area))?;
        Ok(())
    })
}

fn three_samples(report: &mut Report) -> gradkern::Result<()> {
    report.heading("A dog, a cat and a cat");
    report.number("-ln 0.7", "0.35667494393873245", -0.7_f64.ln());
    report.number("-ln 0.5", "0.6931471805599453", -0.5_f64.ln());
    let p = [0.7, 0.1, 0.2, 0.1, 0.5, 0.4, 0.02, 0.9, 0.08];
    let one_hot = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    let one_hot = Targets::from(MatRef::new(&one_hot, 3, 3)?);
    for (kind, targets) in [("sparse", Targets::from(&[0_u8, 1, 1])), ("one-hot", one_hot)] {
        let (mean, losses) = cross_entropy::<f64>(&p, 3, targets)?;
        let printed = "0.35667494 0.69314718 0.10536052";
        report.numbers(&format!("losses, {kind} targets"), printed, &losses);
        report.number(&format!("mean loss, {kind} targets"), "0.38506088005216804", mean);
    }
    let p = [0.7, 0.2, 0.1, 0.5, 0.1, 0.4, 0.02, 0.9, 0.08];
    let p = MatRef::new(&p, 3, 3)?;
    for (kind, targets) in [("sparse", Targets::from(&[0_u8, 1, 1])), ("one-hot", one_hot)] {
        let accuracy = metrics::accuracy(p, targets, None)?;
        report.number(&format!("accuracy, {kind} targets"), "0.6666666666666666", accuracy);
    }
    Ok(())
}

fn clipping(report: &mut Report) -> gradkern::Result<()> {
    report.heading("ln 0, and the clip to [1e-7, 1 - 1e-7]");
    report.number("-ln 0", "inf", -0_f64.ln());
    let sure = [0.0, 1.0, 0.0];
    let (wrong, _) = cross_entropy::<f64>(&sure, 3, (&[0_u8]).into())?;
    report.number("loss of a probability of 0", "16.11809565095832", wrong);
    let (right, _) = cross_entropy::<f64>(&sure, 3, (&[1_u8]).into())?;
    report.number("loss of a probability of 1", "1.00000005e-7", right);
    report.line(
        "Clipped from below alone, as (p + 1e-7), a sure and right sample would be rewarded:",
    );
    report.number("-ln (1 + 1e-7)", "-9.999999505838704e-8", -(1.0_f64 + 1e-7).ln());
    let (mean, _) = cross_entropy::<f64>(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0], 3, (&[0_u8, 1]).into())?;
    report.number("one hopeless sample leaves the mean finite", "8.059048", mean);
    Ok(())
}

/// The book's network on its spirals: sparse and one-hot, from probabilities and from logits.
fn book_network(report: &mut Report) -> Result<(), Failure> {
    report.heading("The book's network, 2-3-3, on its spirals");
    let book = Book::spiral()?;
    let data = book.data()?;
    let (weights, biases) = (book.numbers("dense2.weights")?, book.numbers("dense2.biases")?);
    let logits = dense(&book.numbers("relu.output")?, &weights, &biases)?;
    let one_hot = data.labels.iter().flat_map(|&label| [0, 1, 2].map(|class| class == label));
    let one_hot: Vec<f32> = one_hot.map(|hot| f32::from(u8::from(hot))).collect();
    let one_hot = Targets::from(MatRef::new(&one_hot, data.samples(), 3)?);
    for (kind, targets) in [("sparse", Targets::from(&data.labels)), ("one-hot", one_hot)] {
        let (loss, _) = cross_entropy(&book.numbers("softmax.output")?, 3, targets)?;
        report.number(&format!("loss, {kind} targets"), "1.0986104", loss);
        let (loss, _) = fused(&logits, 3, targets)?;
        report.number(&format!("loss from logits, {kind} targets"), "1.0986104", loss);
        let logits = MatRef::new(&logits, data.samples(), 3)?;
        let accuracy = metrics::accuracy(logits, targets, None)?;
        report.number(&format!("accuracy, {kind} targets"), "0.34", accuracy);
    }
    Ok(())
}

/// The loss by the probability of the right class, with the clip and without.
fn picture() -> gradkern::Result<Chart<'static>> {
    let exponents = || (0..=10).map(|i| -f64::from(i));
    let clipped = |exponent: f64| {
        let p = 10_f64.powf(exponent);
        Ok((exponent, cross_entropy(&[p, 1.0 - p, 0.0], 3, (&[0_u8]).into())?.0))
    };
    let without = exponents().map(|x| (x, -x * std::f64::consts::LN_10)).collect();
    let with = exponents().map(clipped).collect::<gradkern::Result<_>>()?;
    Ok(Chart {
        title: "Cross-entropy by the probability of the right class",
        x: Axis::logarithmic("probability", -10.0..0.0),
        y: Axis::linear("loss", 0.0..24.0),
        legend: Some(Corner::UpperRight),
        curves: vec![
            Curve { name: "-ln p", color: VERMILION, mark: Mark::Dashes, points: without },
            Curve { name: "clipped to 1e-7", color: BLUE, mark: Mark::Line, points: with },
        ],
    })
}
