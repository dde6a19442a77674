//! The spirals of three classes learned by gradient descent: 2-64-3, full batch, by plain SGD, SGD
//! with momentum and Adam side by side, with learning rates that decay as 1 / (1 + decay · step).
//!
//! `cargo run --release --example spiral` trains 10,001 epochs each and draws the loss and, every
//! so many epochs, what the networks take each point of the plane for: `target/plots/spiral*.svg`.

mod common;

use clap::Parser;
use common::args::{seed, whole};
use common::plot::{self, Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, VERMILION};
use common::{Failure, book::Book, forward::Forward, regions, report::Report};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{Init, Mlp, datasets::Dataset};
use plotters::style::RGBColor;
use rayon::prelude::*;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train 2-64-3 on the spirals with three optimizers
#[derive(Parser)]
#[command(name = "spiral")]
struct Args {
    /// Epochs, each one step on all points, 1 to 10000000
    #[arg(long, value_name = "N", default_value_t = EPOCHS, value_parser = whole::<1, 10_000_000>, allow_negative_numbers = true)]
    epochs: usize,
    /// Epochs from one picture of the regions to the next, 1 to 10000000
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = whole::<1, 10_000_000>, allow_negative_numbers = true)]
    every: usize,
    /// Start of the random numbers that fill the weights
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
}

/// The book's number of epochs.
const EPOCHS: usize = 10_001;

fn main() -> ExitCode {
    common::main(run)
}

/// How the parameters move, and how the learning rate decays.
enum Method {
    Sgd,
    Momentum(Momentum<f32>),
    Adam(Adam<f32>),
}

/// A network, how it learns and what became of it.
struct Learner {
    name: &'static str,
    style: (RGBColor, Mark),
    method: Method,
    learning_rate: f32,
    decay: f32,
    network: Mlp<f32>,
    /// What the method remembers, in the order of the parameters.
    memory: [Vec<f32>; 2],
    /// The network before every so many epochs, and at the end.
    snapshots: Vec<(usize, Mlp<f32>)>,
    losses: Vec<f32>,
    time: Duration,
}

impl Learner {
    fn new(method: Method, seed: u64) -> gradkern::Result<Self> {
        let (name, style, learning_rate, decay) = match method {
            Method::Sgd => ("SGD", (VERMILION, Mark::Dashes), 1.0, 1e-4),
            Method::Momentum(_) => ("SGD with momentum", (GREEN, Mark::Line), 0.3, 1e-3),
            Method::Adam(_) => ("Adam", (BLUE, Mark::Line), 0.05, 1e-3),
        };
        let network = Mlp::new(&[2, 64, 3], Init::HeNormal, seed)?;
        let memory = [(); 2].map(|()| vec![0.0; network.parameters().len()]);
        let (snapshots, losses, time) = (Vec::new(), Vec::new(), Duration::ZERO);
        Ok(Learner {
            name,
            style,
            method,
            learning_rate,
            decay,
            network,
            memory,
            snapshots,
            losses,
            time,
        })
    }

    fn train(&mut self, data: &Dataset<f32>, args: &Args) -> gradkern::Result<()> {
        for epoch in 0..args.epochs {
            if epoch.is_multiple_of(args.every) {
                self.snapshots.push((epoch, self.network.clone()));
            }
            let start = Instant::now();
            let loss = self.step(data, epoch)?;
            self.time += start.elapsed();
            self.losses.push(loss);
        }
        self.snapshots.push((args.epochs, self.network.clone()));
        Ok(())
    }

    fn step(&mut self, data: &Dataset<f32>, step: usize) -> gradkern::Result<f32> {
        let learning_rate = self.learning_rate / (1.0 + self.decay * step as f32);
        let (inputs, targets) = (data.inputs(), (&data.labels).into());
        if let Method::Sgd = self.method {
            return self.network.train_step(inputs, targets, learning_rate);
        }
        let loss = self.network.loss_and_gradients(inputs, targets)?;
        let (parameters, gradients) = self.network.parameters_and_gradients();
        let [first, second] = &mut self.memory;
        match self.method {
            Method::Sgd => optimizer::sgd(parameters, gradients, learning_rate)?,
            Method::Momentum(options) => {
                Momentum { learning_rate, ..options }.update(parameters, gradients, first)?;
            }
            Method::Adam(options) => {
                let adam = Adam { learning_rate, ..options };
                adam.update(parameters, gradients, first, second, step as u64 + 1)?;
            }
        }
        Ok(loss)
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let data = Book::spiral()?.data()?;
    let methods =
        [Method::Sgd, Method::Momentum(Momentum::default()), Method::Adam(Adam::default())];
    let learners = methods.into_iter().map(|method| Learner::new(method, args.seed));
    let mut learners = learners.collect::<gradkern::Result<Vec<_>>>()?;
    learners.par_iter_mut().try_for_each(|learner| learner.train(&data, args))?;

    let (mut report, mut best) = (Report::new(), 0.0);
    report.heading(&format!("{} epochs of 2-64-3 on the book's spirals", args.epochs));
    for learner in &mut learners {
        let mut forward = Forward::default();
        let loss = forward.loss(&mut learner.network, &data)?;
        let accuracy = forward.accuracy(&data)?;
        best = f64::max(best, accuracy);
        let (name, time) = (learner.name, learner.time.as_secs_f64());
        report.line(format_args!(
            "{name:<18} loss {loss:.4}  accuracy {accuracy:.4}  {time:.3} s of computing"
        ));
    }
    if args.epochs >= EPOCHS {
        report.holds("the best accuracy", "0.93 or more", format!("{best:.4}"), best >= 0.93);
    }
    report.line("");
    pictures(&mut report, &data, &learners)?;
    report.end()
}

fn pictures(report: &mut Report, data: &Dataset<f32>, learners: &[Learner]) -> Result<(), Failure> {
    for (i, (epoch, _)) in learners[0].snapshots.iter().enumerate() {
        report.picture(&format!("spiral_{epoch:05}.svg"), (1260, 440), |area| {
            plot::side_by_side(area, learners, |learner, area| {
                let title = format!("{}, epoch {epoch}", learner.name);
                regions::draw(area, &title, data, Some(&learner.snapshots[i].1))
            })
        })?;
    }
    let curves = learners.iter().map(|learner| {
        let stride = learner.losses.len().div_ceil(500);
        let losses = learner.losses.iter().enumerate().step_by(stride);
        let points = losses.map(|(epoch, &loss)| (epoch as f64, f64::from(loss).log10())).collect();
        let (name, (color, mark)) = (learner.name, learner.style);
        Curve { name, color, mark, points }
    });
    let chart = Chart {
        title: "Loss on the spirals",
        x: Axis::linear("epoch", 0.0..learners[0].losses.len() as f64),
        y: Axis::logarithmic("loss", -2.0..0.5),
        legend: Some(Corner::UpperRight),
        curves: curves.collect(),
    };
    report.picture("spiral.svg", (760, 480), |area| chart.draw(area))
}
