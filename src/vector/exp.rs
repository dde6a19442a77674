//! eˣ of a vector.
//!
//! By Cody and Waite's reduction (*Software Manual for the Elementary Functions*, 1980, chapter 6):
//! x = n·ln 2 + r with n the integer nearest x / ln 2, so that eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2. ln 2 is
//! subtracted in two parts, the first so short that n times it is exact. eʳ is a polynomial of least
//! relative error with the constant and linear coefficients held at 1, fitted by Lawson's iteration,
//! one coefficient rounded at a time.
//!
//! The error is at most 0.91 units in the last place with fused multiply-adds, and 1.2 without (the
//! portable instruction set on targets whose baseline lacks them): measured on every `f32`, and on
//! 150 000 `f64` in ±750 (0.85 and 1.1). Subnormal results are rounded like all others; overflow is
//! +∞; e^NaN is NaN.

use super::polynomial;
use crate::arch::Simd;
use crate::float::Float;

/// The constants of eˣ for one element type.
pub struct Constants<T: 'static> {
    /// Below this, eˣ rounds to 0; it is what smaller arguments become.
    lowest: T,
    /// Above the logarithm of the largest number; it is what larger arguments become.
    highest: T,
    /// 1 / ln 2.
    log2_e: T,
    /// The first bits of ln 2.
    ln2_high: T,
    /// The rest of ln 2.
    ln2_low: T,
    /// eʳ as a polynomial.
    coefficients: &'static [T],
}

/// A type that has the constants of eˣ.
pub trait Exp: Sized + 'static {
    /// The constants.
    #[doc(hidden)]
    const EXP: Constants<Self>;
}

impl Exp for f32 {
    /// The polynomial's error is 3.1e-9, 0.05 units in the last place.
    const EXP: Constants<f32> = Constants {
        lowest: -105.0,
        highest: 89.0,
        log2_e: std::f32::consts::LOG2_E,
        ln2_high: 355.0 / 512.0,
        ln2_low: -2.121_944_4e-4,
        coefficients: &[
            1.0,
            1.0,
            0.499_999_94,
            0.166_665_21,
            0.041_668_266,
            0.008_368_677,
            0.001_382_070_8,
        ],
    };
}

impl Exp for f64 {
    /// The polynomial's error is 3.7e-18, 0.03 units in the last place.
    const EXP: Constants<f64> = Constants {
        lowest: -746.0,
        highest: 710.0,
        log2_e: std::f64::consts::LOG2_E,
        ln2_high: 0.693_147_180_369_123_8,
        ln2_low: 1.908_214_929_270_587_7e-10,
        coefficients: &[
            1.0,
            1.0,
            0.500_000_000_000_001_1,
            0.166_666_666_666_664_4,
            0.041_666_666_666_527_054,
            0.008_333_333_333_477_837,
            0.001_388_888_894_432_587_3,
            0.000_198_412_695_403_625_17,
            2.480_149_245_211_281e-5,
            2.755_755_756_825_369e-6,
            2.763_046_183_295_095e-7,
            2.500_886_971_102_490_4e-8,
        ],
    };
}

/// eˣ.
#[inline(always)]
pub(crate) fn exp<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let constants = T::EXP;
    // In this operand order NaN passes both.
    let x = s.min(s.splat(constants.highest), s.max(s.splat(constants.lowest), x));
    let shift = s.splat(T::SHIFT);
    let shifted = s.mul_add(x, s.splat(constants.log2_e), shift);
    let n = s.sub(shifted, shift);
    let r = s.neg_mul_add(n, s.splat(constants.ln2_high), x);
    let r = s.neg_mul_add(n, s.splat(constants.ln2_low), r);
    s.scale_by_power_of_two(polynomial(s, r, constants.coefficients), shifted)
}
