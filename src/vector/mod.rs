//! Mathematical functions of a vector and loops over whole slices, written once over a token.
//!
//! Everything here is always inlined into a kernel, so that it is compiled for the instruction set
//! the kernel was dispatched to.

pub(crate) mod columns;
pub(crate) mod elementwise;
pub(crate) mod exp;
pub mod functions;
pub(crate) mod ln;
pub(crate) mod narrow;
pub(crate) mod reduce;
pub(crate) mod softmax;
mod sums;

#[cfg(test)]
mod tests;

use crate::arch::Simd;
use crate::float::Float;

/// c₀ + c₁x + c₂x² + … by Horner's rule.
#[inline(always)]
fn polynomial<T: Float, S: Simd<T>>(s: S, x: S::V, coefficients: &[T]) -> S::V {
    let mut sum = s.splat(T::ZERO);
    for (i, &c) in coefficients.iter().rev().enumerate() {
        sum = if i == 0 { s.splat(c) } else { s.mul_add(sum, x, s.splat(c)) };
    }
    sum
}
