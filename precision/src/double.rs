//! Many `f64`, against MPFR with 120 bits.

use crate::{Worst, report};
use gradkern::Rng;
use gradkern::functions::{Function, exp_scale};
use rayon::prelude::*;
use rug::Float;
use rug::float::Round;
use std::time::Instant;

const BITS: u32 = 120;
/// Numbers that a task looks at, from a seed of its own.
const BLOCK: u64 = 1 << 14;

/// The largest elements as in `single`; 2955·ln 2 is the farthest from 0.
const FUNCTIONS: [Function; 4] =
    [Function::Exp { max: 0.0 }, Function::Exp { max: 2047.0 }, Function::Ln, Function::Ln1p];

/// Whether every function keeps its promise on that many points, half of them for each of the
/// exponentials.
pub fn check(points: u64) -> bool {
    let mut kept = true;
    for function in FUNCTIONS {
        let start = Instant::now();
        let points = if matches!(function, Function::Exp { .. }) { points / 2 } else { points };
        let blocks = points.div_ceil(BLOCK);
        let worst = (0..blocks)
            .into_par_iter()
            .map(|seed| block(function, seed))
            .reduce(Worst::none, Worst::merge);
        kept &= report("f64", function, blocks * BLOCK, &worst);
        println!("  {:.1} s", start.elapsed().as_secs_f64());
    }
    kept
}

fn block(function: Function, seed: u64) -> Vec<Worst> {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..BLOCK).map(|_| argument(function, &mut rng)).collect();
    let mut worst = Worst::none();
    let mut all = vec![vec![0.0; x.len()]; worst.len()];
    for (worst, y) in worst.iter().zip(&mut all) {
        function.apply(worst.isa, &x, y).expect("an instruction set of this processor");
    }
    for (i, &x) in x.iter().enumerate() {
        let exact = value(function, x);
        for (worst, y) in worst.iter_mut().zip(&all) {
            let vanishes = matches!(function, Function::Exp { .. }) && exact < f64::MIN_POSITIVE;
            if y[i] != 0.0 || !vanishes {
                worst.add(ulps(y[i], &exact), x);
            }
        }
    }
    worst
}

/// Arguments of all magnitudes, and close ones where a function bends.
fn argument(function: Function, rng: &mut Rng) -> f64 {
    let of_any_magnitude = rng.below(2) == 0;
    match function {
        Function::Exp { max } if of_any_magnitude => max - 746.0 * rng.uniform(),
        Function::Exp { max } => max - 40.0 * rng.uniform(),
        // A positive number of any exponent, subnormal ones included.
        Function::Ln | Function::Ln1p if of_any_magnitude => {
            let exponent = rng.below(2046) as u64;
            let mantissa = (rng.uniform() * 2_f64.powi(52)) as u64;
            f64::from_bits(exponent << 52 | mantissa).max(f64::from_bits(1))
        }
        Function::Ln => 0.5 + 1.5 * rng.uniform(),
        Function::Ln1p => -1.0 + 3.0 * rng.uniform(),
    }
}

/// What is right, to 120 bits.
fn value(function: Function, x: f64) -> Float {
    let mut value = Float::with_val(BITS, x);
    match function {
        Function::Exp { max } => {
            value.exp_mut();
            value >>= (max * std::f64::consts::LOG2_E).round() as i32 - exp_scale::<f64>();
        }
        Function::Ln => value.ln_mut(),
        Function::Ln1p => value.ln_1p_mut(),
    }
    value
}

/// |found − exact| in units in the last place of `exact` as an `f64`.
fn ulps(found: f64, exact: &Float) -> f64 {
    if !found.is_finite() {
        return if exact.to_f64() == found { 0.0 } else { f64::INFINITY };
    }
    // MPFR's mantissas are in [½, 1).
    let exponent = exact.get_exp().map_or(-1022, |exponent| (exponent - 1).max(-1022));
    let mut error = Float::with_val(BITS, found - exact);
    error >>= exponent - 52;
    error.to_f64_round(Round::Up).abs()
}
