//! Exponentials of a row's elements, of which none overflows: eˣ / 2ᴺ, where 2ᴺ is about e to the
//! row's largest element m.
//!
//! Softmax is the same whatever its exponentials are divided by. Dividing by eᵐ, as e^(x − m), is
//! as wrong as x − m is rounded: by up to |x − m| units in the last place, 20 or 40 of them where
//! logits spread as far. A power of two is taken from the exponent that eˣ gets anyway, exactly.
//!
//! By Cody and Waite's reduction (*Software Manual for the Elementary Functions*, 1980, chapter 6):
//! x = n·ln 2 + r with n the integer nearest x / ln 2, so that eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2. ln 2 is
//! subtracted in two parts, the first so short that n times it is exact. eʳ is a polynomial of least
//! relative error with the constant and linear coefficients held at 1, fitted by Lawson's iteration,
//! one coefficient rounded at a time.
//!
//! The error is at most 0.91 units in the last place with fused multiply-adds, and 1.2 without (the
//! portable instruction set on targets whose baseline lacks them). Subnormal results are rounded
//! like all others; e^NaN is NaN.

use super::polynomial;
use crate::arch::Simd;
use crate::float::Float;

/// The constants of eˣ for one element type.
pub struct Constants<T: 'static> {
    /// Below this, eˣ rounds to 0; it is what smaller arguments become where N is 0.
    lowest: T,
    /// The largest |m| with which n·ln 2 is as exact as the rest needs. Beyond, the elements that
    /// do not vanish lie within a factor of 2 of m, so that x − m is exact.
    farthest: T,
    /// ln 2.
    ln_2: T,
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
        farthest: 256.0,
        ln_2: std::f32::consts::LN_2,
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
        farthest: 2048.0,
        ln_2: std::f64::consts::LN_2,
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

/// What the exponentials of a row are divided by; the same for a whole vector, or a row a lane.
#[derive(Clone, Copy)]
pub(crate) struct Base<V> {
    /// Subtracted first, exactly: m where that is far from 0, else 0.
    offset: V,
    /// N.
    power: V,
    /// What smaller elements become, less the offset.
    lowest: V,
}

impl<V: Copy> Base<V> {
    /// The base of rows with these largest elements. Where one is infinite, all is NaN.
    #[inline(always)]
    pub(crate) fn new<T: Float, S: Simd<T, V = V>>(s: S, max: V) -> Self {
        let constants = T::EXP;
        let magnitude = s.max(max, s.sub(s.splat(T::ZERO), max));
        let offset = s.where_positive(s.sub(magnitude, s.splat(constants.farthest)), max);
        let power = s.round_small(s.mul(s.sub(max, offset), s.splat(constants.log2_e)));
        let lowest = s.mul_add(power, s.splat(constants.ln_2), s.splat(constants.lowest));
        Base { offset, power, lowest }
    }

    /// e^(x − offset) / 2ᴺ, for x that is not above the largest element.
    #[inline(always)]
    pub(crate) fn exp<T: Float, S: Simd<T, V = V>>(self, s: S, x: V) -> V {
        let constants = T::EXP;
        // In this operand order NaN passes.
        let x = s.max(self.lowest, s.sub(x, self.offset));
        let shift = s.splat(T::SHIFT);
        let shifted = s.mul_add(x, s.splat(constants.log2_e), shift);
        let n = s.sub(shifted, shift);
        let r = s.neg_mul_add(n, s.splat(constants.ln2_high), x);
        let r = s.neg_mul_add(n, s.splat(constants.ln2_low), r);
        let mantissa = polynomial(s, r, constants.coefficients);
        s.scale_by_power_of_two(mantissa, s.sub(shifted, self.power))
    }
}
