//! ln x and ln(1 + x) of a vector.
//!
//! x = 2ᵉ·m with m in [√½, √2). With f = m − 1 and s = f/(2 + f), ln m = ln((1 + s)/(1 − s)) =
//! 2s + s·R(s²), which is summed as f − (f²/2 − s·(f²/2 + R)), so that near 1 the leading term f is
//! exact: the scheme of FreeBSD's msun (`e_log.c`). R is a polynomial of least error after it is
//! weighted with what it contributes to ln m, by Remez's exchange.
//!
//! The error is at most 0.85 units in the last place with fused multiply-adds, and 0.87 without:
//! measured on every `f32`, and on 10⁸ `f64` for ln x (0.841 and 0.860).

use super::polynomial;
use crate::arch::Simd;
use crate::float::Float;

/// The constants of the logarithm for one element type.
pub struct Constants<T: 'static> {
    /// The first bits of ln 2.
    ln2_high: T,
    /// The rest of ln 2.
    ln2_low: T,
    /// The exponent by which subnormal numbers are made normal.
    lift: T,
    /// 2 to that power.
    lift_factor: T,
    /// R(z)/z as a polynomial in z = s².
    coefficients: &'static [T],
}

/// A type that has the constants of the logarithm.
pub trait Ln: Sized + 'static {
    /// The constants.
    #[doc(hidden)]
    const LN: Constants<Self>;
}

impl Ln for f32 {
    /// The polynomial adds an error of 2⁻³⁰ to ln m / (2s).
    const LN: Constants<f32> = Constants {
        ln2_high: 355.0 / 512.0,
        ln2_low: -2.121_944_4e-4,
        lift: 24.0,
        lift_factor: 16_777_216.0,
        coefficients: &[0.666_667_76, 0.399_775_36, 0.298_718_66],
    };
}

impl Ln for f64 {
    /// The polynomial adds an error of 2⁻⁵⁹ to ln m / (2s).
    const LN: Constants<f64> = Constants {
        ln2_high: 0.693_147_180_369_123_8,
        ln2_low: 1.908_214_929_270_587_7e-10,
        lift: 54.0,
        lift_factor: 18_014_398_509_481_984.0,
        coefficients: &[
            0.666_666_666_666_673_4,
            0.399_999_999_994_143_15,
            0.285_714_287_424_753_85,
            0.222_221_985_634_492_9,
            0.181_835_648_679_547_55,
            0.153_140_358_163_243_24,
            0.147_961_055_559_574_76,
        ],
    };
}

/// ln x; −∞ at 0, NaN below.
#[inline(always)]
pub(crate) fn ln<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let constants = T::LN;
    let one = s.splat(T::ONE);
    // Where x is subnormal: the factor and exponent that make it normal, else 1 and 0.
    let subnormal = s.sub(s.splat(T::MIN_POSITIVE), x);
    let factor = s.add(one, s.where_positive(subnormal, s.splat(constants.lift_factor - T::ONE)));
    let lifted = s.where_positive(subnormal, s.splat(constants.lift));
    let (mantissa, exponent) = s.split_exponent(s.mul(x, factor));
    let exponent = s.sub(exponent, lifted);
    let positive = ln_split(s, s.sub(mantissa, one), exponent, s.splat(T::ZERO));
    at_the_ends(s, x, x, positive)
}

/// ln(1 + x), with no error from the sum where x is small; −∞ at −1, NaN below.
#[inline(always)]
pub(crate) fn ln_1p<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let one = s.splat(T::ONE);
    let sum = s.add(one, x);
    // What rounding took from the sum, exactly (Knuth's TwoSum).
    let x_part = s.sub(sum, one);
    let lost = s.add(s.sub(one, s.sub(sum, x_part)), s.sub(x, x_part));
    let (mantissa, exponent) = s.split_exponent(sum);
    // 1 + x = 2ᵉ·(m + lost·2⁻ᵉ).
    let power = s.scale_by_power_of_two(one, s.sub(s.splat(T::SHIFT), exponent));
    let lost = s.mul(lost, power);
    let excess = s.sub(mantissa, one);
    let f = s.add(excess, lost);
    // Where that sum rounds, which it does not while e = 0, the rest is added by its differential.
    let rest = s.sub(lost, s.sub(f, excess));
    let positive = ln_split(s, f, exponent, s.div(rest, mantissa));
    at_the_ends(s, x, sum, positive)
}

/// ln(2ᵉ·(1 + f)) + a small number, for √½ ≤ 1 + f < √2.
#[inline(always)]
fn ln_split<T: Float, S: Simd<T>>(s: S, f: S::V, exponent: S::V, small: S::V) -> S::V {
    let constants = T::LN;
    let ratio = s.div(f, s.add(s.splat(T::ONE + T::ONE), f));
    let z = s.mul(ratio, ratio);
    let r = s.mul(z, polynomial(s, z, constants.coefficients));
    let half_square = s.mul(s.mul(s.splat(T::ONE / (T::ONE + T::ONE)), f), f);
    let low = s.mul_add(exponent, s.splat(constants.ln2_low), small);
    let correction = s.mul_add(ratio, s.add(half_square, r), low);
    let mantissa_part = s.sub(f, s.sub(half_square, correction));
    s.mul_add(exponent, s.splat(constants.ln2_high), mantissa_part)
}

/// The logarithm of `argument`: `positive` where that is positive and finite.
#[inline(always)]
fn at_the_ends<T: Float, S: Simd<T>>(s: S, x: S::V, argument: S::V, positive: S::V) -> S::V {
    let infinity = s.splat(T::INFINITY);
    let not_positive =
        s.where_equal(argument, s.splat(T::ZERO), s.splat(T::NEG_INFINITY), s.splat(T::NAN));
    let one = s.splat(T::ONE);
    let is_positive = s.where_positive(argument, one);
    let value = s.where_equal(is_positive, one, positive, not_positive);
    s.where_equal(x, infinity, infinity, value)
}
