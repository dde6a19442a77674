//! The element types: `f32` and `f64`, behind one sealed trait.

use crate::arch::{Kernel, Token};
use crate::compiled::Compiled;
use crate::gemm::Gemm;
use crate::scratch::Scratch;
use crate::vector::exp::Exp;
use crate::vector::ln::Ln;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element of a matrix: `f32` or `f64`. Sealed; the operations are what the kernels need.
pub trait Float:
    sealed::Sealed
    + Copy
    + Debug
    + Default
    + Display
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + Compiled
    + Gemm
    + Scratch
    + Exp
    + Ln
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// +∞.
    const INFINITY: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// 1.5 · 2^(mantissa bits), plus the exponent's bias less 1. Adding it to a small number rounds
    /// that to an integer n, ties to even, and leaves n + bias − 1 in the last bits.
    #[doc(hidden)]
    const SHIFT: Self;
    /// 2ᵇ + 1, with b half of the mantissa's bits, rounded up: x·`SPLITTER` − (x·`SPLITTER` − x) is x
    /// rounded to the others.
    #[doc(hidden)]
    const SPLITTER: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// This value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The nearest value of this type to an integer below 2²⁴ in magnitude, which is exact.
    #[doc(hidden)]
    fn from_small(value: i64) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// Whether this is not a number.
    fn is_nan(self) -> bool;
    /// Whether this is neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// `self · a + b`; rounded once where the target has a fused multiply-add, twice elsewhere
    /// (the fused one is a slow library call there).
    #[doc(hidden)]
    fn multiply_add(self, a: Self, b: Self) -> Self;
    /// The nearest integer, ties to even. Only for |x| below 2²² (f32) or 2⁵¹ (f64).
    #[doc(hidden)]
    fn round_small(self) -> Self;
    /// `self · 2ⁿ` for an integral n of −251 to 128 (f32) or −2043 to 1024 (f64), of which
    /// n + [`SHIFT`](Self::SHIFT) is passed. Rounded once where |self| is in [½, 2).
    #[doc(hidden)]
    fn scale_by_power_of_two(self, shifted: Self) -> Self;
    /// The number whose exponent, as it is stored, is the last bits of `shifted`: 2^(n − bias) where
    /// the exponent n is 1 or more, and 0 where it is 0. NaN may become any number.
    #[doc(hidden)]
    fn power_of_two(shifted: Self) -> Self;
    /// Mantissa in [√½, √2) and integral exponent of a positive normal number.
    #[doc(hidden)]
    fn split_exponent(self) -> (Self, Self);
    /// Runs a kernel with the token of an instruction set.
    #[doc(hidden)]
    fn dispatch<K: Kernel<Self>>(token: Token, kernel: K) -> K::Output;
}

/// What `impl Float` holds that differs between the two types in a type's or a constant's name only.
macro_rules! float_impl {
    ($float:ident, $bits:ident, $mantissa_bits:expr, $exponent_bias:expr, $sqrt_half:expr, $rounder:expr) => {
        impl Float for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $float::EPSILON;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
            const INFINITY: Self = $float::INFINITY;
            const NEG_INFINITY: Self = $float::NEG_INFINITY;
            const NAN: Self = $float::NAN;
            const SHIFT: Self = $rounder + ($exponent_bias - 1) as $float;
            const SPLITTER: Self = ((1_u64 << $float::MANTISSA_DIGITS.div_ceil(2)) + 1) as $float;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }

            #[inline(always)]
            fn from_small(value: i64) -> Self {
                value as $float
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }

            #[inline]
            fn exp(self) -> Self {
                $float::exp(self)
            }

            #[inline]
            fn ln(self) -> Self {
                $float::ln(self)
            }

            #[inline]
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }

            #[inline(always)]
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }

            #[inline(always)]
            fn multiply_add(self, a: Self, b: Self) -> Self {
                if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                    $float::mul_add(self, a, b)
                } else {
                    self * a + b
                }
            }

            #[inline(always)]
            fn round_small(self) -> Self {
                // Adding 1.5 · 2^mantissa_bits leaves no bits for a fraction.
                (self + $rounder) - $rounder
            }

            #[inline(always)]
            fn scale_by_power_of_two(self, shifted: Self) -> Self {
                // Two factors, each with an exponent in range. The first product is exact, so
                // that a result which overflows or is subnormal is rounded once, by the second.
                const LOWEST: $float = 3.0 - $exponent_bias as $float;
                let power = |n: $float| {
                    let biased = n + ($rounder + $exponent_bias as $float);
                    $float::from_bits(biased.to_bits() << $mantissa_bits)
                };
                let n = shifted - Self::SHIFT;
                let first = if n > LOWEST { n } else { LOWEST };
                // Half of the largest power, which is out of range, and twice the rest.
                self * power(first - 1.0) * power(n - first + 1.0)
            }

            #[inline(always)]
            fn power_of_two(shifted: Self) -> Self {
                $float::from_bits(shifted.to_bits() << $mantissa_bits)
            }

            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                // Subtracting √½ as bits moves the boundary between exponents from 1 to √½.
                let sqrt_half: $bits = $float::to_bits($sqrt_half);
                let shifted = self.to_bits().wrapping_sub(sqrt_half);
                let exponent = ((shifted as <$float as Signed>::Int) >> $mantissa_bits) as $float;
                let mantissa_mask: $bits = (1 << $mantissa_bits) - 1;
                let mantissa = (shifted & mantissa_mask).wrapping_add(sqrt_half);
                ($float::from_bits(mantissa), exponent)
            }

            #[inline(always)]
            fn dispatch<K: Kernel<Self>>(token: Token, kernel: K) -> K::Output {
                match token {
                    Token::Scalar(token) => kernel.run(token),
                    #[cfg(target_arch = "x86_64")]
                    Token::Avx2(token) => token.enter(kernel),
                    #[cfg(target_arch = "x86_64")]
                    Token::Avx512(token) => token.enter(kernel),
                }
            }
        }
    };
}

/// The signed integer of a float's width, for an arithmetic shift of its bits.
trait Signed {
    type Int;
}

impl Signed for f32 {
    type Int = i32;
}

impl Signed for f64 {
    type Int = i64;
}

float_impl!(f32, u32, 23, 127, std::f32::consts::FRAC_1_SQRT_2, 12_582_912.0);
float_impl!(f64, u64, 52, 1023, std::f64::consts::FRAC_1_SQRT_2, 6_755_399_441_055_744.0);
