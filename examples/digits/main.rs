//! Trains a network on handwritten digits and shows what it learned.
//!
//! `cargo run --release --example digits` trains 64-128-64-10 by plain SGD; `-- --help` says what
//! can be chosen. It writes two pictures under `target/plots` and ends with the test accuracy.

mod args;
#[path = "../common/mod.rs"]
mod common;
mod confusion;
mod curves;
mod data;
mod mistakes;
mod train;

use args::Args;
use common::{Failure, Refusal, write_plot};
use confusion::Confusion;
use data::{CLASSES, Digits};
use gradkern::{MatRef, Par, Rng, isa, metrics};
use std::io::{self, Write};
use std::process::ExitCode;
use train::Outcome;

fn main() -> ExitCode {
    common::main(run)
}

fn run(args: &Args) -> Result<(), Failure> {
    if args.threads > 1 && !cfg!(feature = "rayon") {
        let reason = "--threads above 1 needs the feature `rayon`";
        return Err(Refusal(reason.to_owned()).into());
    }
    let mut rng = Rng::new(args.seed);
    let (train, test) = Digits::load()?.split(&mut rng);
    let mut out = io::stdout();
    writeln!(out, "{}", heading(args, &train, &test)?)?;
    let outcome =
        with_threads(args.threads, |par| train::train(args, &mut rng, &train, &test, par))??;
    report(args, &train, &test, &outcome, &mut out)
}

fn heading(args: &Args, train: &Digits, test: &Digits) -> gradkern::Result<String> {
    let sizes = train::layer_sizes(args);
    let network: Vec<String> = sizes.iter().map(usize::to_string).collect();
    let threads =
        if args.threads == 1 { "1 thread".into() } else { format!("{} threads", args.threads) };
    Ok(format!(
        "{} on {} digits, {} kept for the test; {} epochs, batch {}, learning rate {}, seed {}; {}, {threads}",
        network.join("-"),
        train.len(),
        test.len(),
        args.epochs,
        args.batch,
        args.learning_rate,
        args.seed,
        isa::current()?.name(),
    ))
}

#[cfg(feature = "rayon")]
fn with_threads<R: Send>(threads: usize, f: impl FnOnce(Par) -> R + Send) -> Result<R, Failure> {
    if threads == 1 {
        return Ok(f(Par::Seq));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    Ok(pool.install(|| f(Par::Rayon)))
}

#[cfg(not(feature = "rayon"))]
fn with_threads<R: Send>(_: usize, f: impl FnOnce(Par) -> R + Send) -> Result<R, Failure> {
    Ok(f(Par::Seq))
}

fn report(
    args: &Args,
    train: &Digits,
    test: &Digits,
    outcome: &Outcome,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut answers = vec![0; test.len()];
    let probabilities = MatRef::new(&outcome.probabilities, test.len(), CLASSES)?;
    metrics::argmax(probabilities, &mut answers)?;
    writeln!(out, "\n{}", Confusion::new(&test.labels, &answers))?;

    let samples = train.len() * args.epochs;
    let seconds = outcome.training.as_secs_f64();
    let speed = samples as f64 / seconds;
    writeln!(out, "{speed:.0} samples per second: {samples} in {seconds:.3} s of training")?;

    let pictures = [
        ("digits.svg", curves::svg(&outcome.history)?),
        ("digits_mistakes.svg", mistakes::svg(test, &answers, probabilities)?),
    ];
    for (name, svg) in pictures {
        writeln!(out, "{}", write_plot(name, &svg)?)?;
    }
    let last = outcome.history.last().ok_or("no epoch was trained")?;
    writeln!(out, "test accuracy: {:.4}", last.test.accuracy)?;
    Ok(())
}
