//! Every `f32`.

use crate::{Worst, report};
use gradkern::functions::{Function, exp_scale};
use gradkern::reference::ulps;
use rayon::prelude::*;
use std::time::Instant;

/// Numbers that a task looks at.
const BLOCK: usize = 1 << 20;
/// Numbers that a function is given at once.
const CHUNK: usize = 1 << 12;

/// Rows whose largest element is 0, so that N is; one whose results are as if N were 0 up to the
/// largest exponential there is; and the one farthest from 0.
const FUNCTIONS: [Function; 5] = [
    Function::Exp { max: 0.0 },
    Function::Exp { max: 89.0 },
    Function::Exp { max: 255.9 },
    Function::Ln,
    Function::Ln1p,
];

/// Whether every function keeps its promise.
pub fn check() -> bool {
    let mut kept = true;
    for function in FUNCTIONS {
        let start = Instant::now();
        let blocks = (0..=u32::MAX / BLOCK as u32).into_par_iter();
        let (points, worst) = blocks
            .map(|i| block(function, i * BLOCK as u32))
            .reduce(|| (0, Worst::none()), |a, b| (a.0 + b.0, Worst::merge(a.1, b.1)));
        kept &= report("f32", function, points, &worst, start);
    }
    kept
}

/// The worst errors on the numbers whose bits follow `first`, and how many there were.
fn block(function: Function, first: u32) -> (u64, Vec<Worst>) {
    let mut worst = Worst::none();
    let mut points = 0;
    let (mut x, mut y) = (Vec::with_capacity(CHUNK), [0.0_f32; CHUNK]);
    let (mut exact, mut scales) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    for first in (first..).step_by(CHUNK).take(BLOCK / CHUNK) {
        x.clear();
        x.extend((first..=first + (CHUNK as u32 - 1)).map(f32::from_bits));
        if let Function::Exp { max } = function {
            x.retain(|&x| !(f64::from(x) > max));
        }
        exact.clear();
        exact.extend(x.iter().map(|&x| value(function, x.into())));
        scales.clear();
        scales.extend(exact.iter().map(|&exact| ulps_of(exact)));
        points += x.len() as u64;
        for worst in &mut worst {
            let y = &mut y[..x.len()];
            function.apply(worst.isa, &x, y).expect("an instruction set of this processor");
            for (i, &y) in y.iter().enumerate() {
                // Worse than the worst so far, or not a number: rare enough to be looked at again.
                let error = (f64::from(y) - exact[i]).abs() * scales[i];
                if !(error <= worst.ulps) && (y != 0.0 || !vanishes(function, exact[i])) {
                    worst.add(ulps(y, exact[i]), x[i].into());
                }
            }
        }
    }
    (points, worst)
}

/// How many units in the last place there are in 1, for an `f32` near `exact`.
fn ulps_of(exact: f64) -> f64 {
    let exponent = ((exact.to_bits() >> 52) & 0x7FF) as i64 - 1023;
    f64::from_bits(((1023 + 23 - exponent.max(-126)) as u64) << 52)
}

/// Whether an exponential may be 0.
fn vanishes(function: Function, exact: f64) -> bool {
    matches!(function, Function::Exp { .. }) && exact < f64::from(f32::MIN_POSITIVE)
}

/// What is right.
fn value(function: Function, x: f64) -> f64 {
    match function {
        // Far below half of the smallest number: spares the library a slow path.
        Function::Exp { max } if x < max - 130.0 => 0.0,
        Function::Exp { max } => {
            let power = (max * std::f64::consts::LOG2_E).round() as i32;
            x.exp() * 2_f64.powi(exp_scale::<f32>() - power)
        }
        Function::Ln => x.ln(),
        Function::Ln1p => x.ln_1p(),
    }
}
