//! The mathematical functions against `f64`'s of the standard library, on every token.

use super::functions::{Function, exp_scale};
use crate::float::Float;
use crate::isa;
use crate::reference::ulps;

/// What is right, to the last digit or two of an `f64`.
fn exact<T: Float>(function: Function, x: f64) -> f64 {
    match function {
        // Rows whose largest element is far from 0 are the business of `precision/`.
        Function::Exp { max } => {
            let power = (max * std::f64::consts::LOG2_E).round() as i32;
            x.exp() * 2_f64.powi(exp_scale::<T>() - power)
        }
        Function::Ln => x.ln(),
        Function::Ln1p => x.ln_1p(),
    }
}

/// The number of steps between neighbours from `exact`, which is rounded itself, to `found`.
fn error_f64(found: f64, exact: f64) -> f64 {
    let place = |x: f64| {
        let magnitude = (x.to_bits() & !(1 << 63)).cast_signed();
        if x.is_sign_negative() { -magnitude } else { magnitude }
    };
    if found.is_nan() || exact.is_nan() {
        return if found.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    (place(found) - place(exact)).abs() as f64
}

/// Every instruction set's error on every element of `x` that the function takes is at most the
/// promised one plus `allowance`.
fn check<T: Float>(function: Function, x: &[T], error: fn(T, f64) -> f64, allowance: f64) {
    let is_exp = matches!(function, Function::Exp { .. });
    let takes = |x: &&T| !matches!(function, Function::Exp { max } if x.to_f64() > max);
    let x: Vec<T> = x.iter().filter(takes).copied().collect();
    let exact: Vec<f64> = x.iter().map(|x| exact::<T>(function, x.to_f64())).collect();
    let mut y = vec![T::ZERO; x.len()];
    for isa in isa::available() {
        let bound = function.promised_ulps(isa) + allowance;
        function.apply(isa, &x, &mut y).unwrap();
        for ((x, &y), &exact) in x.iter().zip(&y).zip(&exact) {
            let vanishes = is_exp && y == T::ZERO && exact < T::MIN_POSITIVE.to_f64();
            let error = if vanishes { 0.0 } else { error(y, exact) };
            assert!(error <= bound, "{function:?}({x:?}) = {y}, not {exact}: {error} on {isa:?}");
        }
    }
}

const FUNCTIONS: [Function; 4] =
    [Function::Exp { max: 0.0 }, Function::Exp { max: 89.0 }, Function::Ln, Function::Ln1p];

/// `precision/` checks every one.
#[test]
fn every_997th_f32_is_within_the_bound() {
    let mut all = (0..=u32::MAX).step_by(997).map(f32::from_bits);
    loop {
        let x: Vec<f32> = all.by_ref().take(4096).collect();
        if x.is_empty() {
            return;
        }
        for function in FUNCTIONS {
            check(function, &x, ulps, 0.0);
        }
    }
}

/// Evenly spaced numbers from `start` to `end`.
fn grid(start: f64, end: f64) -> impl Iterator<Item = f64> {
    const STEPS: u32 = 200_000;
    (0..=STEPS).map(move |i| start + (end - start) * (f64::from(i) / f64::from(STEPS)))
}

/// The standard library's functions may be a step off themselves.
#[test]
fn f64_is_within_the_bound() {
    let x: Vec<f64> = grid(-708.0, 711.0).chain(grid(-40.0, 40.0)).chain(grid(-1.0, 1.0)).collect();
    check(Function::Exp { max: 0.0 }, &x, error_f64, 1.0);
    check(Function::Exp { max: 709.0 }, &x, error_f64, 1.0);
    // Grids of the exponent, too: from the smallest subnormal number to the largest number.
    let bits = |range: std::ops::Range<u64>| range.step_by(1 << 45).map(f64::from_bits);
    let all = || bits(0..0x7FF0_0000_0000_0000);
    let x: Vec<f64> = all().chain(grid(0.5, 2.0)).chain(grid(0.999, 1.001)).collect();
    check(Function::Ln, &x, error_f64, 1.0);
    let x: Vec<f64> = all().chain(grid(-1.0, 2.0)).chain(grid(-1e-9, 1e-9)).collect();
    check(Function::Ln1p, &x, error_f64, 1.0);
}

/// Checks zeros, the smallest and largest numbers, infinities and NaN.
fn check_ends<T: Float>(error: fn(T, f64) -> f64, allowance: f64) {
    let tiny = T::MIN_POSITIVE * T::EPSILON;
    let largest = (T::ONE - T::EPSILON / (T::ONE + T::ONE)) / T::MIN_POSITIVE;
    let largest = largest * T::from_f64(4.0) * T::from_f64(0.999);
    let positive = [T::ZERO, tiny, T::MIN_POSITIVE, T::ONE, largest, T::INFINITY];
    let mut x: Vec<T> = positive.into_iter().chain(positive.map(|x| -x)).collect();
    x.push(T::NAN);
    for function in FUNCTIONS {
        check(function, &x, error, allowance);
    }
}

#[test]
fn the_ends_are_within_the_bound() {
    check_ends::<f32>(ulps, 0.0);
    check_ends::<f64>(error_f64, 1.0);
}
