//! The mathematical functions against `f64`'s of the standard library, on every token.

use super::{exp::exp, ln::ln, ln::ln_1p};
use crate::arch::{Kernel, Simd, Token};
use crate::float::Float;
use crate::isa::{self, Isa};

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Ln,
    Ln1p,
}

impl Function {
    fn exact(self, x: f64) -> f64 {
        match self {
            Function::Exp => x.exp(),
            Function::Ln => x.ln(),
            Function::Ln1p => x.ln_1p(),
        }
    }

    /// The promised error in units in the last place.
    fn bound(self, isa: Isa) -> f64 {
        let fused =
            isa != Isa::Portable || cfg!(any(target_feature = "fma", target_arch = "aarch64"));
        match self {
            Function::Exp if fused => 0.91,
            Function::Exp => 1.2,
            Function::Ln | Function::Ln1p => 0.85,
        }
    }
}

struct Apply<'a, T> {
    function: Function,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Float> Kernel<T> for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for (x, y) in self.x.chunks(S::LANES).zip(self.y.chunks_mut(S::LANES)) {
            let x = s.load_first(x);
            let value = match self.function {
                Function::Exp => exp(s, x),
                Function::Ln => ln(s, x),
                Function::Ln1p => ln_1p(s, x),
            };
            s.store_first(value, y);
        }
    }
}

/// |found − exact| in units in the last place; 0 if both are NaN, or round to the same infinity.
fn error_f32(found: f32, exact: f64) -> f64 {
    if found.is_nan() || found.is_infinite() || exact.is_infinite() {
        let same = (found.is_nan() && exact.is_nan()) || found == exact as f32;
        return if same { 0.0 } else { f64::INFINITY };
    }
    // The exponent as it is stored, for `log2` rounds.
    let exponent = ((exact.to_bits() >> 52) & 0x7FF) as i32 - 1023;
    (f64::from(found) - exact).abs() / 2_f64.powi(exponent.max(-126) - 23)
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

/// Every token's error on every element of `x` is at most the promised one plus `allowance`.
fn check<T: Float>(function: Function, x: &[T], error: fn(T, f64) -> f64, allowance: f64) {
    let exact: Vec<f64> = x.iter().map(|x| function.exact(x.to_f64())).collect();
    let mut y = vec![T::ZERO; x.len()];
    for isa in isa::available() {
        let bound = function.bound(isa) + allowance;
        Token::new(isa).unwrap().run(Apply { function, x, y: &mut y });
        for ((x, &y), &exact) in x.iter().zip(&y).zip(&exact) {
            let error = error(y, exact);
            assert!(error <= bound, "{function:?}({x:?}) = {y}, not {exact}: {error} on {isa:?}");
        }
    }
}

const FUNCTIONS: [Function; 3] = [Function::Exp, Function::Ln, Function::Ln1p];

/// Checks `f32`s at a distance of `step` in their bits, NaN and infinities included.
fn check_f32(step: usize) {
    let mut all = (0..=u32::MAX).step_by(step).map(f32::from_bits);
    loop {
        let x: Vec<f32> = all.by_ref().take(4096).collect();
        if x.is_empty() {
            return;
        }
        for function in FUNCTIONS {
            check(function, &x, error_f32, 0.0);
        }
    }
}

#[test]
fn every_997th_f32_is_within_the_bound() {
    check_f32(997);
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn every_f32_is_within_the_bound() {
    check_f32(1);
}

/// Evenly spaced numbers from `start` to `end`.
fn grid(start: f64, end: f64) -> impl Iterator<Item = f64> {
    const STEPS: u32 = 200_000;
    (0..=STEPS).map(move |i| start + (end - start) * (f64::from(i) / f64::from(STEPS)))
}

/// The standard library's functions may be a step off themselves.
#[test]
fn f64_is_within_the_bound() {
    let x: Vec<f64> = grid(-746.0, 711.0).chain(grid(-40.0, 40.0)).chain(grid(-1.0, 1.0)).collect();
    check(Function::Exp, &x, error_f64, 1.0);
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
    check_ends::<f32>(error_f32, 0.0);
    check_ends::<f64>(error_f64, 1.0);
}
