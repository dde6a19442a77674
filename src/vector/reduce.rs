//! tmp
use crate::arch::Simd;
use crate::float::Float;

#[inline(always)]
pub(crate) fn sum<T: Float, S: Simd<T>>(_s: S, x: &[T]) -> T {
    x.iter().copied().sum()
}

#[inline(always)]
pub(crate) fn max<T: Float, S: Simd<T>>(_s: S, x: &[T]) -> T {
    x.iter().copied().fold(T::NEG_INFINITY, |a, b| if a > b { a } else { b })
}

#[inline(always)]
pub(crate) fn dot<T: Float, S: Simd<T>>(_s: S, x: &[T], y: &[T]) -> T {
    x.iter().zip(y).map(|(&a, &b)| a * b).sum()
}
