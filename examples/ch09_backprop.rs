//! Chapter 9: backpropagation, from one neuron to a network, with the crate's kernels.
//!
//! `cargo run --release --example ch09_backprop` compares with the numbers the book prints, times
//! the fused loss against its parts, and draws `target/plots/ch09_gradients.svg`.

mod common;

use common::arrays::{dense, dense_backward, fused, relu, relu_backward, separate};
use common::plot::{Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, PURPLE, VERMILION};
use common::{Failure, book::Book, report::Report};
use gradkern::gradcheck::{CheckOptions, Difference, check, gradient};
use gradkern::{Init, MatRef, Mlp, Rng, Targets, optimizer};
use std::{process::ExitCode, time::Instant};

fn main() -> ExitCode {
    common::chapter("ch09_backprop", |report| {
        neuron(report)?;
        layer(report)?;
        loss(report)?;
        network(report)
    })
}

/// x = [1, −2, 3], w = [−3, −1, 2], b = 1: figures 9.01 to 9.19, from the output back.
fn neuron(report: &mut Report) -> gradkern::Result<()> {
    report.heading("One neuron: y = ReLU(z), z = x0·w0 + x1·w1 + x2·w2 + b");
    let (x, mut w, mut b) = ([1.0, -2.0, 3.0], [-3.0, -1.0, 2.0], [1.0]);
    report.numbers("the products xw", "-3 2 6", &[0, 1, 2].map(|i| x[i] * w[i]));
    let z = dense(&x, &w, &b)?;
    report.numbers("z and y", "6 6", &[z[0], relu(&z)?[0]]);
    let dz = relu_backward(&z, &[1.0])?;
    report.numbers("dy/dz", "1", &dz);
    // The sum hands its gradient on to each product and to b: it is a layer whose weights are 1.
    let [dxw, ..] = dense_backward(&[-3.0, 2.0, 6.0], &[1.0; 3], 1, &dz)?;
    report.numbers("dy/dxw", "1 1 1", &dxw);
    let [dx, dw, db] = dense_backward(&x, &w, 1, &dz)?;
    report.numbers("dy/dx = w", "-3 -1 2", &dx);
    report.numbers("dy/dw = x", "1 -2 3", &dw);
    report.numbers("dy/db", "1", &db);
    optimizer::sgd(&mut w, &dw, 0.001)?;
    optimizer::sgd(&mut b, &db, 0.001)?;
    report.numbers("w after a step of 0.001", "-3.001 -0.998 1.997", &w);
    report.numbers("b after a step of 0.001", "0.999", &b);
    report.number("y then", "5.985", relu(&dense(&x, &w, &b)?)?[0]);
    Ok(())
}

/// A batch of three samples through a layer of three neurons.
fn layer(report: &mut Report) -> gradkern::Result<()> {
    report.heading("A batch through a layer, and ReLU");
    let inputs = [1.0, 2.0, 3.0, 2.5, 2.0, 5.0, -1.0, 2.0, -1.5, 2.7, 3.3, -0.8];
    let weights = [0.2, 0.5, -0.26, 0.8, -0.91, -0.27, -0.5, 0.26, 0.17, 1.0, -0.5, 0.87];
    let behind = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0];
    let [dinputs, dweights, dbiases] = dense_backward(&inputs, &weights, 3, &behind)?;
    let printed = "0.44 -0.38 -0.07 1.37 0.88 -0.76 -0.14 2.74 1.32 -1.14 -0.21 4.11";
    report.numbers("gradients on the inputs", printed, &dinputs);
    let printed = "0.5 0.5 0.5 20.1 20.1 20.1 10.9 10.9 10.9 4.1 4.1 4.1";
    report.numbers("gradients on the weights", printed, &dweights);
    report.numbers("gradients on the biases", "6 6 6", &dbiases);
    let z = [1.0, 2.0, -3.0, -4.0, 2.0, -7.0, -1.0, 3.0, -1.0, 2.0, 5.0, -1.0];
    let drelu = relu_backward(&z, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(f64::from))?;
    report.numbers("ReLU's gradients", "1 2 0 0 5 0 0 8 0 10 11 0", &drelu);
    Ok(())
}

/// Softmax and cross-entropy, one after the other and as one.
fn loss(report: &mut Report) -> gradkern::Result<()> {
    report.heading("Softmax and cross-entropy, separately and fused");
    let logits = [0.7_f64, 0.1, 0.2, 0.1, 0.5, 0.4, 0.02, 0.9, 0.08].map(f64::ln);
    let printed = "-0.1 0.03333333 0.06666667 0.03333333 -0.16666667 0.13333333 \
                   0.00666667 -0.03333333 0.02666667";
    let targets = Targets::from(&[0_u8, 1, 1]);
    report.numbers("separately", printed, &separate(&logits, 3, targets)?.1);
    report.numbers("fused", printed, &fused(&logits, 3, targets)?.1);
    for (batch, classes) in [(300, 3), (128, 10), (64, 100)] {
        let mut rng = Rng::new(0);
        let logits: Vec<f32> = (0..batch * classes).map(|_| rng.normal() as f32).collect();
        let labels: Vec<usize> = (0..batch).map(|_| rng.below(classes)).collect();
        let (one, time_of_one) = fastest(|| fused(&logits, classes, (&labels).into()))?;
        let (two, time_of_two) = fastest(|| separate(&logits, classes, (&labels).into()))?;
        let furthest = one.1.iter().zip(&two.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // A few roundings of gradients of at most 1 / batch.
        let bound = 8.0 * f32::EPSILON / batch as f32;
        let (what, most) = (format!("{batch} × {classes}: at most apart"), format!("{bound:.0e}"));
        report.holds(&what, &most, format!("{furthest:.0e}"), furthest <= bound);
        let (what, ratio) = ("    separately and fused, in µs", time_of_two / time_of_one);
        report.line(format!("{what}: {time_of_two:.1} and {time_of_one:.1}, {ratio:.1} to 1"));
    }
    Ok(())
}

/// A result, and the microseconds of the fastest of many calls for it.
fn fastest<V>(mut f: impl FnMut() -> gradkern::Result<V>) -> gradkern::Result<(V, f64)> {
    let mut fastest = f64::INFINITY;
    for _ in 0..200 {
        let start = Instant::now();
        std::hint::black_box(f()?);
        fastest = fastest.min(1e6 * start.elapsed().as_secs_f64());
    }
    Ok((f()?, fastest))
}

/// A network of 2-3-3 on the book's spirals, in f64 because differences need its digits.
fn network(report: &mut Report) -> Result<(), Failure> {
    let (book, data) = (Book::spiral()?, Book::spiral()?.data()?);
    let inputs: Vec<f64> = data.inputs.iter().map(|&x| x.into()).collect();
    let (inputs, labels) = (MatRef::new(&inputs, 300, 2)?, Targets::from(&data.labels));
    let mut mlp = Mlp::<f64>::new(&[2, 3, 3], Init::HeNormal, 1)?;
    let mut point = mlp.parameters().to_vec();
    let mut loss = |parameters: &[f64]| {
        mlp.parameters_mut().copy_from_slice(parameters);
        let loss = mlp.loss_and_gradients(inputs, labels).unwrap_or(f64::NAN);
        (loss, mlp.gradients().to_vec())
    };
    report.heading("The gradients of the book's network");
    let parameters: Vec<f64> = book.parameters()?.into_iter().map(f64::from).collect();
    let (value, gradients) = loss(&parameters);
    report.number("loss", "1.09861", value);
    // The digits that the book's f32 sums have in common with exact ones.
    let printed = "1.5766e-4 7.837e-5 4.732e-5 1.8161e-4 1.105e-5 -3.310e-5 -3.6055e-4 9.661e-5 \
                   -1.0367e-4 5.441e-5 1.0741e-4 -1.6182e-4 -4.079e-5 -7.168e-5 1.1247e-4 \
                   -5.301e-5 8.582e-5 -3.281e-5 -1.1e-5 -9e-6 2.0e-5";
    report.numbers("weights and biases of both layers", printed, &gradients);

    report.heading("Numerical gradients of a network with He's weights");
    let (analytical, mut numerical) = (loss(&point).1, vec![0.0; 21]);
    gradient(|p| loss(p).0, &mut point, Difference::central(), &mut numerical)?;
    // The spirals start at the origin, where every neuron is on its kink: δ decides what is seen.
    let options = CheckOptions { atol: 1e-6, ..CheckOptions::default() };
    report.gradcheck(&check(|p| loss(p).0, &mut point, &analytical, &options)?);
    let curves = [
        ("weights 1", 0..6, BLUE, Mark::Dot),
        ("biases 1", 6..9, VERMILION, Mark::Triangle),
        ("weights 2", 9..18, GREEN, Mark::Square),
        ("biases 2", 18..21, PURPLE, Mark::Star),
    ]
    .map(|(name, range, color, mark)| {
        let error = |i: usize| ((numerical[i] - analytical[i]) / analytical[i]).abs().max(1e-16);
        Curve { name, color, mark, points: range.map(|i| (i as f64, error(i).log10())).collect() }
    });
    let chart = Chart {
        title: "How far numerical gradients of 2-3-3 are off",
        x: Axis::linear("parameter", -1.0..21.0),
        y: Axis::logarithmic("relative error", -14.0..-4.0),
        legend: Some(Corner::UpperRight),
        curves: curves.into(),
    };
    report.picture("ch09_gradients.svg", (760, 480), |area| chart.draw(area))
}
