//! The mathematical functions against `f64`'s of the standard library, on every token.

use super::{exp::Divisor, ln::ln, ln::ln_1p};
use crate::arch::{Kernel, Simd, Token};
use crate::float::Float;
use crate::isa::{self, Isa};

#[derive(Clone, Copy, Debug)]
enum Function {
    Ln,
    Ln1p,
}

impl Function {
    fn exact(self, x: f64) -> f64 {
        match self {
            Function::Ln => x.ln(),
            Function::Ln1p => x.ln_1p(),
        }
    }
}

/// The promised error of both logarithms in units in the last place.
const LN_BOUND: f64 = 0.85;

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
        let bound = LN_BOUND + allowance;
        Token::new(isa).unwrap().run(Apply { function, x, y: &mut y });
        for ((x, &y), &exact) in x.iter().zip(&y).zip(&exact) {
            let error = error(y, exact);
            assert!(error <= bound, "{function:?}({x:?}) = {y}, not {exact}: {error} on {isa:?}");
        }
    }
}

/// Exponentials divided as those of rows with some maxima.
struct Exponentials<'a, T> {
    max: &'a [T],
    x: &'a [T],
    /// What was subtracted from each x, the power of two that its exponential was divided by, and
    /// the exponential.
    found: &'a mut [Vec<T>; 3],
}

impl<T: Float> Kernel<T> for Exponentials<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for start in (0..self.x.len()).step_by(S::LANES) {
            let range = start..self.x.len().min(start + S::LANES);
            let divisor = Divisor::new(s, s.load_first(&self.max[range.clone()]));
            let e = divisor.exp(s, s.load_first(&self.x[range.clone()]));
            let k = s.sub(s.splat(T::EXP.shift), divisor.shift);
            for (found, v) in self.found.iter_mut().zip([divisor.offset, k, e]) {
                s.store_first(v, &mut found[range.clone()]);
            }
        }
    }
}

/// As [`check`], of e^x in rows with maxima a little and far above x. Results so small that they
/// become 0 are left out.
fn check_exp<T: Float>(x: &[T], error: fn(T, f64) -> f64, allowance: f64) {
    let ln2_high = 0.693_147_180_369_123_8;
    let ln2_low = 1.908_214_929_270_587_7e-10;
    // The exponent of 1 is in the bits of `SHIFT`, too.
    let scale = (T::EXP.shift - T::SHIFT).to_f64() - 1.0;
    for gap in [0.0, 0.3, 40.0] {
        let max: Vec<T> = x.iter().map(|&x| x + T::from_f64(gap)).collect();
        for isa in isa::available() {
            let fused =
                isa != Isa::Portable || cfg!(any(target_feature = "fma", target_arch = "aarch64"));
            let bound = if fused { 0.91 } else { 1.2 } + allowance;
            let mut found = [(); 3].map(|()| vec![T::ZERO; x.len()]);
            Token::new(isa).unwrap().run(Exponentials { max: &max, x, found: &mut found });
            let [offsets, powers, exponentials] = found;
            for (i, &found) in exponentials.iter().enumerate() {
                let (x, k) = ((x[i] - offsets[i]).to_f64(), powers[i].to_f64());
                // eˣ/2ᵏ without the error of k·ln 2.
                let n = (x * std::f64::consts::LOG2_E).round();
                let r = (x - n * ln2_high) - n * ln2_low;
                let exact = r.exp() * 2_f64.powi((n - k + scale) as i32);
                let error = error(found, exact);
                assert!(error <= bound, "e^{x} / 2^{k} = {found}, not {exact}: {error} on {isa:?}");
            }
        }
    }
}

const FUNCTIONS: [Function; 2] = [Function::Ln, Function::Ln1p];

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
        check_exp(&x, error_f32, 0.0);
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
    check_exp(&x, error_f64, 1.0);
    check_exp(&grid(-3000.0, 3000.0).collect::<Vec<_>>(), error_f64, 1.0);
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
    check_exp(&x, error, allowance);
}

#[test]
fn the_ends_are_within_the_bound() {
    check_ends::<f32>(error_f32, 0.0);
    check_ends::<f64>(error_f64, 1.0);
}
