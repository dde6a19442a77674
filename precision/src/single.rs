//! Every `f32`.

use crate::{Worst, report};
use gradkern::functions::{Function, exp_scale};
use gradkern::reference::ulps;
use rayon::prelude::*;
use std::time::Instant;

/// Numbers that a task looks at.
const BLOCK: usize = 1 << 20;
/// Numbers that a function is given at once: they and what is known about them stay in L1.
const CHUNK: usize = 1 << 10;

/// Rows whose largest element is 0, so that N is; one whose results are as if N were 0 up to the
/// largest exponential there is; and the one farthest from 0.
const EXPONENTIALS: [Function; 3] =
    [Function::Exp { max: 0.0 }, Function::Exp { max: 89.0 }, Function::Exp { max: 255.9 }];

/// Whether every function keeps its promise.
pub fn check() -> bool {
    // Each time numbers are left out for which the library is slow.
    let exp = |x: f64| match x {
        // Far below half of the smallest number, whatever the largest element.
        ..-130.0 => 0.0,
        // Above every largest element.
        256.0.. => f64::INFINITY,
        _ => x.exp(),
    };
    let ln = |x: f64| if x < 0.0 { f64::NAN } else { x.ln() };
    let ln_1p = |x: f64| if x < -1.0 { f64::NAN } else { x.ln_1p() };
    let all =
        [visit(&EXPONENTIALS, exp), visit(&[Function::Ln], ln), visit(&[Function::Ln1p], ln_1p)];
    all == [true; 3]
}

/// Whether functions keep their promise that are `value`, each times a power of two of its own.
fn visit(functions: &[Function], value: impl Fn(f64) -> f64 + Sync) -> bool {
    let start = Instant::now();
    let none =
        || functions.iter().map(|_| Found { points: 0, worst: Worst::none() }).collect::<Vec<_>>();
    let all = (0..=u32::MAX / BLOCK as u32)
        .into_par_iter()
        .fold(none, |mut all, i| {
            block(i * BLOCK as u32, &value, functions, &mut all);
            all
        })
        .reduce(none, |a, b| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect());
    let kept = functions.iter().zip(&all).fold(true, |kept, (&function, found)| {
        report("f32", function, found.points, &found.worst) & kept
    });
    println!("  {:.1} s", start.elapsed().as_secs_f64());
    kept
}

/// What is known about a function.
struct Found {
    points: u64,
    worst: Vec<Worst>,
}

impl Found {
    fn merge(self, other: Found) -> Found {
        let points = self.points + other.points;
        Found { points, worst: Worst::merge(self.worst, other.worst) }
    }
}

/// Looks at the numbers whose bits follow `first`.
fn block(first: u32, value: impl Fn(f64) -> f64, functions: &[Function], all: &mut [Found]) {
    let (mut x, mut y) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
    let (mut values, mut exact, mut scales) = ([0.0; CHUNK], [0.0; CHUNK], [0.0; CHUNK]);
    for first in (first..).step_by(CHUNK).take(BLOCK / CHUNK) {
        for (i, (x, value_of_x)) in (first..).zip(x.iter_mut().zip(&mut values)) {
            *x = f32::from_bits(i);
            *value_of_x = value(f64::from(*x));
        }
        for (&function, found) in functions.iter().zip(&mut *all) {
            let Some(taken) = taken(function, &x) else { continue };
            let (x, y, exact) =
                (&x[taken.clone()], &mut y[taken.clone()], &mut exact[taken.clone()]);
            let (scales, factor) = (&mut scales[taken.clone()], factor(function));
            for ((exact, scale), value) in exact.iter_mut().zip(&mut *scales).zip(&values[taken]) {
                *exact = value * factor;
                *scale = ulps_of(*exact);
            }
            found.points += x.len() as u64;
            for worst in &mut found.worst {
                function.apply(worst.isa, x, y).expect("an instruction set of this processor");
                // Half a unit is the least that can be hoped for.
                if some_may_be_worse(y, exact, scales, worst.ulps.max(0.5)) {
                    look_again(function, x, y, exact, worst);
                }
            }
        }
    }
}

/// The numbers of a chunk that a function takes: all but those at one of its ends.
fn taken(function: Function, x: &[f32]) -> Option<std::ops::Range<usize>> {
    let takes = |&x: &f32| !matches!(function, Function::Exp { max } if f64::from(x) > max);
    Some(x.iter().position(takes)?..x.iter().rposition(takes)? + 1)
}

/// What a function multiplies by.
fn factor(function: Function) -> f64 {
    match function {
        Function::Exp { max } => {
            let power = (max * std::f64::consts::LOG2_E).round() as i32;
            2_f64.powi(exp_scale::<f32>() - power)
        }
        Function::Ln | Function::Ln1p => 1.0,
    }
}

/// How many units in the last place there are in 1, for an `f32` near `exact`.
fn ulps_of(exact: f64) -> f64 {
    const EXPONENT: u64 = 0x7FF << 52;
    let power_of_two = f64::from_bits(exact.to_bits() & EXPONENT).max(f32::MIN_POSITIVE.into());
    // 2²³ over the power of two, by subtracting exponents.
    f64::from_bits(((2 * 1023 + 23) << 52) - power_of_two.to_bits())
}

/// Whether some y is worse than `worst` units off, or NaN where it should not be; or neither of them,
/// but 0 or infinite. Written so that it compiles to vectors: there are 56 billion to look at.
fn some_may_be_worse(y: &[f32], exact: &[f64], scales: &[f64], worst: f64) -> bool {
    let mut worse = 0_u64;
    for ((&y, &exact), &scale) in y.iter().zip(exact).zip(scales) {
        let error = (f64::from(y) - exact).abs() * scale;
        let both_nan = y.is_nan() & exact.is_nan();
        worse += u64::from(!(error <= worst) & !both_nan);
    }
    worse > 0
}

fn look_again(function: Function, x: &[f32], y: &[f32], exact: &[f64], worst: &mut Worst) {
    for ((&x, &y), &exact) in x.iter().zip(y).zip(exact) {
        let smallest = f64::from(f32::MIN_POSITIVE);
        let vanishes = matches!(function, Function::Exp { .. }) && exact < smallest;
        if y != 0.0 || !vanishes {
            worst.add(ulps(y, exact), x.into());
        }
    }
}
