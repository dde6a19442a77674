//! The worst errors of the kernels' exponential and logarithms, in units in the last place (ulp) of
//! exact results, on every instruction set that this processor has; and where they are.
//!
//! `cargo run --release -- f32` tries every one of the 2³² `f32`, against the standard library's
//! `f64` functions, whose own error is 1e-8 ulp of an `f32`. `cargo run --release -- f64 [POINTS]`
//! tries that many `f64` (10⁸ unless said otherwise) with each function, against MPFR.
//!
//! Fails where an error exceeds what `Function::promised_ulps` promises.

mod double;
mod single;

use gradkern::functions::Function;
use gradkern::isa::{self, Isa};
use std::process::ExitCode;

/// The worst error of a function on an instruction set so far, and its argument.
#[derive(Clone, Copy, Debug)]
struct Worst {
    isa: Isa,
    ulps: f64,
    x: f64,
}

impl Worst {
    /// One for each instruction set.
    fn none() -> Vec<Worst> {
        isa::available().map(|isa| Worst { isa, ulps: 0.0, x: f64::NAN }).collect()
    }

    fn add(&mut self, ulps: f64, x: f64) {
        if ulps > self.ulps {
            (self.ulps, self.x) = (ulps, x);
        }
    }

    /// The worse of each instruction set.
    fn merge(mut all: Vec<Worst>, others: Vec<Worst>) -> Vec<Worst> {
        for (worst, other) in all.iter_mut().zip(others) {
            worst.add(other.ulps, other.x);
        }
        all
    }
}

/// Prints what was found, and whether it keeps the promise.
fn report(what: &str, function: Function, points: u64, all: &[Worst]) -> bool {
    let mut kept = true;
    for worst in all {
        let promised = function.promised_ulps(worst.isa);
        let verdict = if worst.ulps <= promised { "kept" } else { "BROKEN" };
        kept &= worst.ulps <= promised;
        println!(
            "{what} {function:?} on {}: {:.4} ulp at {:e}, of {points} numbers; promised {promised}: {verdict}",
            worst.isa.name(),
            worst.ulps,
            worst.x,
        );
    }
    kept
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kept = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["f32"] => single::check(),
        ["f64"] => double::check(100_000_000),
        ["f64", points] if points.parse::<u64>().is_ok_and(|points| points > 0) => {
            double::check(points.parse().expect("a number"))
        }
        _ => {
            eprintln!("usage: precision f32 | f64 [POINTS]");
            return ExitCode::from(2);
        }
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
