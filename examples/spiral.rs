//! The spirals of three classes learned by gradient descent: 2-64-3, full batch, by plain SGD, SGD
//! with momentum and Adam side by side, with learning rates that decay as 1 / (1 + decay · step).
//!
//! `cargo run --release --example spiral` trains 10,001 epochs each and draws the loss and, every
//! so many epochs, what the networks take each point of the plane for: `target/plots/spiral*.svg`.

mod common;

use clap::Parser;
use common::args::{seed, whole};
use common::plot::{self, Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, RGBColor, VERMILION};
use common::{Failure, book::Book, forward::Forward, regions, report::Report};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{Init, Mlp, datasets::Dataset};
use rayon::prelude::*;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train 2-64-3 on the spirals with three optimizers
#[derive(Parser)]
#[command(name = "spiral")]
struct Args {
    /// Epochs, each one step on all points, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = EPOCHS, value_parser = whole::<1, 100_000>, allow_negative_numbers = true)]
    epochs: usize,
    /// Epochs from one picture of the regions to the next, 100 to 100000
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = whole::<100, 100_000>, allow_negative_numbers = true)]
    every: usize,
    /// Start of the random numbers that fill the weights
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
}

/// As many as the book's.
const EPOCHS: usize = 10_001;

fn main() -> ExitCode {
    common::reporting(run)
}

/// Moves parameters by gradients, what it remembers, the learning rate and the step's number.
type Update = fn(&mut [f32], &[f32], &mut [Vec<f32>; 2], f32, u64) -> gradkern::Result<()>;

struct Method {
    name: &'static str,
    style: (RGBColor, Mark),
    learning_rate: f32,
    decay: f32,
    update: Update,
}

const METHODS: [Method; 3] = [
    Method {
        name: "SGD",
        style: (VERMILION, Mark::Dashes),
        learning_rate: 1.0,
        decay: 1e-4,
        update: |p, gradients, _, learning_rate, _| optimizer::sgd(p, gradients, learning_rate),
    },
    Method {
        name: "Momentum",
        style: (GREEN, Mark::Line),
        learning_rate: 0.3,
        decay: 1e-4,
        update: |p, gradients, [velocity, _], learning_rate, _| {
            Momentum { learning_rate, ..Momentum::default() }.update(p, gradients, velocity)
        },
    },
    Method {
        name: "Adam",
        style: (BLUE, Mark::Line),
        learning_rate: 0.05,
        decay: 1e-3,
        update: |p, gradients, [first, second], learning_rate, step| {
            Adam { learning_rate, ..Adam::default() }.update(p, gradients, first, second, step)
        },
    },
];

/// What became of a method.
#[derive(Default)]
struct Learned {
    /// The network before every so many epochs, and at the end.
    snapshots: Vec<(usize, Mlp<f32>)>,
    losses: Vec<f32>,
    time: Duration,
}

fn train(method: &Method, data: &Dataset<f32>, args: &Args) -> gradkern::Result<Learned> {
    let mut learned = Learned::default();
    let mut network = Mlp::new(&[2, 64, 3], Init::HeNormal, args.seed)?;
    let mut memory = [(); 2].map(|()| vec![0.0; network.parameters().len()]);
    for epoch in 0..args.epochs {
        if epoch.is_multiple_of(args.every) {
            learned.snapshots.push((epoch, network.clone()));
        }
        let start = Instant::now();
        let rate = method.learning_rate / (1.0 + method.decay * epoch as f32);
        learned.losses.push(network.loss_and_gradients(data.inputs(), (&data.labels).into())?);
        let (parameters, gradients) = network.parameters_and_gradients();
        (method.update)(parameters, gradients, &mut memory, rate, epoch as u64 + 1)?;
        learned.time += start.elapsed();
    }
    learned.snapshots.push((args.epochs, network));
    Ok(learned)
}

fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let data = Book::spiral()?.data()?;
    let learned = METHODS.par_iter().map(|method| train(method, &data, args));
    let learned = learned.collect::<gradkern::Result<Vec<_>>>()?;
    report.line(format_args!("{} epochs of 2-64-3 on the book's spirals", args.epochs));
    let (mut best, mut forward) = (0.0, Forward::default());
    for (Method { name, .. }, Learned { snapshots, time, .. }) in METHODS.iter().zip(&learned) {
        let network = &snapshots[snapshots.len() - 1].1;
        let (loss, seconds) = (forward.loss(network, &data)?, time.as_secs_f64());
        let accuracy = forward.accuracy(network, &data)?;
        best = f64::max(best, accuracy);
        report.line(format!("{name:<9} loss {loss:.4}, accuracy {accuracy:.4}, {seconds:.3} s"));
    }
    // Adam is there long before the others.
    if args.epochs > 2000 {
        report.holds("the best accuracy", "0.93 or more", format!("{best:.4}"), best >= 0.93);
    }
    pictures(report, &data, &learned)
}

fn pictures(report: &mut Report, data: &Dataset<f32>, all: &[Learned]) -> Result<(), Failure> {
    let learned: Vec<(&Method, &Learned)> = METHODS.iter().zip(all).collect();
    for (i, (epoch, _)) in all[0].snapshots.iter().enumerate() {
        report.picture(&format!("spiral_{epoch:05}.svg"), (1260, 460), |area| {
            plot::side_by_side(area, &learned, |(method, learned), area| {
                let title = format!("{}, epoch {epoch}", method.name);
                regions::draw(area, &title, data, Some(&learned.snapshots[i].1))
            })
        })?;
    }
    let end = all[0].losses.len();
    let curves = learned.iter().map(|(method, learned)| {
        let losses = learned.losses.iter().enumerate().step_by(end.div_ceil(500));
        let points = losses.map(|(epoch, &loss)| (epoch as f64, f64::from(loss).log10()));
        let (name, (color, mark), points) = (method.name, method.style, points.collect());
        Curve { name, color, mark, points }
    });
    let (x, y) = (Axis::linear("epoch", 0.0..end as f64), Axis::logarithmic("loss", -2.0..0.5));
    let legend = Some(Corner::LowerLeft);
    let chart = Chart { title: "Loss on the spirals", x, y, legend, curves: curves.collect() };
    report.picture("spiral.svg", (760, 480), |area| chart.draw(area))
}
