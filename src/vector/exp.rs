//! eˣ of a vector, for the rows of a softmax.
//!
//! By Cody and Waite's reduction (*Software Manual for the Elementary Functions*, 1980, chapter 6):
//! x = n·ln 2 + r with n the integer nearest x / ln 2, so that eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2. ln 2 is
//! subtracted in two parts, the first so short that n times it is exact. eʳ is a polynomial of least
//! relative error with the constant and linear coefficients held at 1, fitted by Lawson's iteration,
//! one coefficient rounded at a time.
//!
//! A softmax divides by the largest exponential lest the others overflow. Subtracting the maximum m
//! from each x rounds, and e^(x − m) has that error |x − m| times. Here eˣ is divided by 2ᵏ instead,
//! k being the integer nearest m / ln 2: that changes n alone, and costs nothing. Where |m| is so
//! large that n would lose bits, m is subtracted, which is exact then: all x that count lie between
//! m/2 and 2m (Sterbenz's lemma).
//!
//! Everything is scaled up by [`exp_scale`](super::functions::exp_scale) powers of two, so that exponentials whose
//! share in their sum is a subnormal number are normal themselves, and 2ⁿ is one shift.
//!
//! The error is at most 0.91 units in the last place with fused multiply-adds, and 1.22 without (the
//! portable instruction set on targets whose baseline lacks them): measured on every `f32`, and on
//! 10⁸ `f64` (0.880 and 1.168). e^NaN is NaN.

use super::polynomial;
use crate::arch::Simd;
use crate::float::Float;

/// The constants of eˣ for one element type.
pub struct Constants<T: 'static> {
    /// 1.5 · 2^(mantissa bits), plus the exponent that 1 is stored with, plus the scale. Adding it
    /// to a small number rounds that to an integer n, ties to even, and leaves the exponent that
    /// 2^(n + scale) is stored with in the last bits.
    pub(super) shift: T,
    /// The exponent that 2^scale is stored with: as many powers of two below the largest
    /// exponential, they become 0.
    depth: T,
    /// From here on, maxima are subtracted.
    far: T,
    /// 1 / ln 2.
    log2_e: T,
    /// ln 2.
    ln2: T,
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
        shift: 12_582_912.0 + 127.0 + 25.0,
        depth: 127.0 + 25.0,
        far: 256.0,
        log2_e: std::f32::consts::LOG2_E,
        ln2: std::f32::consts::LN_2,
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
        shift: 6_755_399_441_055_744.0 + 1023.0 + 54.0,
        depth: 1023.0 + 54.0,
        far: 2048.0,
        log2_e: std::f64::consts::LOG2_E,
        ln2: std::f64::consts::LN_2,
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

/// e^−60 is below half a unit in the last place of 1, and its inverse far below the largest number.
const FLOOR: f64 = 60.0;

/// What the exponentials of a row with a given maximum are divided by, in every lane the same, or
/// a row a lane.
#[derive(Clone, Copy)]
pub(crate) struct Divisor<V> {
    /// Subtracted from x first: the maximum if that is large, else 0.
    offset: V,
    /// What x less the offset is raised to: far enough below the maximum to become 0.
    lowest: V,
    /// [`Constants::shift`] less k.
    shift: V,
}

impl<V: Copy> Divisor<V> {
    /// For rows with these maxima. Where one is NaN or infinite, all exponentials of its row that
    /// are not 0 will be NaN, and those of infinities.
    #[inline(always)]
    pub(crate) fn new<T: Float, S: Simd<T, V = V>>(s: S, max: V) -> Self {
        let (constants, zero) = (T::EXP, s.splat(T::ZERO));
        // NaN where the maximum is NaN, which is not near.
        let size = s.max(max, s.sub(zero, max));
        let is_near = s.sub(s.splat(constants.far), size);
        let near = s.where_positive(is_near, max);
        let offset = s.sub(max, near);
        let shift = s.splat(constants.shift);
        let k = s.sub(s.mul_add(near, s.splat(constants.log2_e), shift), shift);
        let lowest = s.mul(s.sub(k, s.splat(constants.depth)), s.splat(constants.ln2));
        Divisor { offset, lowest, shift: s.sub(shift, k) }
    }

    /// eˣ, divided and scaled; exactly 0 at −∞. x is at most the maximum.
    #[inline(always)]
    pub(crate) fn exp<T: Float, S: Simd<T, V = V>>(&self, s: S, x: V) -> V {
        self.exp_of_offset(s, s.sub(x, self.offset))
    }

    /// eˣ, divided and scaled, but at least that of [`FLOOR`] below the maximum; and by how much x
    /// was raised for that. In proportion to a sum that contains the maximum's, what was added to
    /// the exponential is below rounding.
    #[inline(always)]
    pub(crate) fn exp_above_floor<T: Float, S: Simd<T, V = V>>(
        &self,
        s: S,
        x: V,
        max: V,
    ) -> (V, V) {
        let x = s.sub(x, self.offset);
        let floor = s.sub(s.sub(max, self.offset), s.splat(T::from_f64(FLOOR)));
        // In this operand order NaN passes.
        let raised = s.max(floor, x);
        (self.exp_of_offset(s, raised), s.sub(raised, x))
    }

    /// The same of an x that the offset was subtracted from.
    #[inline(always)]
    fn exp_of_offset<T: Float, S: Simd<T, V = V>>(&self, s: S, x: V) -> V {
        let constants = T::EXP;
        // In this operand order NaN passes.
        let x = s.max(self.lowest, x);
        let shifted = s.mul_add(x, s.splat(constants.log2_e), self.shift);
        let n = s.sub(shifted, self.shift);
        let r = s.neg_mul_add(n, s.splat(constants.ln2_high), x);
        let r = s.neg_mul_add(n, s.splat(constants.ln2_low), r);
        s.mul(polynomial(s, r, constants.coefficients), s.power_of_two(shifted))
    }
}
