//! Loops over whole slices, element by element.
//!
//! They are plain loops: inlined into a kernel, they are compiled for its instruction set, and what
//! the compiler makes of them measures as well as the same written with the token's vectors (better
//! on rows of ten, where masked stores stall the loads that follow). Slices that a function takes
//! together have one length.

use crate::arch::Simd;
use crate::float::Float;

/// max(0, x) that keeps NaN, and −0.
#[inline(always)]
pub(crate) fn relu_element<T: Float>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x }
}

/// v where x > 0, else 0 (also where x is NaN).
#[inline(always)]
pub(crate) fn where_positive_element<T: Float>(x: T, v: T) -> T {
    if x > T::ZERO { v } else { T::ZERO }
}

/// output = max(0, inputs); NaN stays NaN.
#[inline(always)]
pub(crate) fn relu<T: Float>(inputs: &[T], output: &mut [T]) {
    debug_assert_eq!(inputs.len(), output.len());
    for (y, &x) in output.iter_mut().zip(inputs) {
        *y = relu_element(x);
    }
}

/// values = max(0, values); NaN stays NaN.
#[inline(always)]
pub(crate) fn relu_in_place<T: Float>(values: &mut [T]) {
    for x in values {
        *x = relu_element(*x);
    }
}

/// output = grad where x > 0, else 0 (also where x is NaN).
#[inline(always)]
pub(crate) fn where_positive<T: Float>(x: &[T], grad: &[T], output: &mut [T]) {
    debug_assert!(x.len() == output.len() && grad.len() == output.len());
    for ((y, &x), &g) in output.iter_mut().zip(x).zip(grad) {
        *y = where_positive_element(x, g);
    }
}

/// grad = grad where x > 0, else 0 (also where x is NaN).
///
/// Not a plain loop, of which AVX2 code with masked stores is made that takes seven times as long.
#[inline(always)]
pub(crate) fn where_positive_in_place<T: Float, S: Simd<T>>(s: S, x: &[T], grad: &mut [T]) {
    debug_assert_eq!(x.len(), grad.len());
    let mut x_vectors = x.chunks_exact(S::LANES);
    let mut grad_vectors = grad.chunks_exact_mut(S::LANES);
    for (x, grad) in (&mut x_vectors).zip(&mut grad_vectors) {
        s.store(s.where_positive(s.load(x), s.load(grad)), grad);
    }
    for (grad, &x) in grad_vectors.into_remainder().iter_mut().zip(x_vectors.remainder()) {
        *grad = where_positive_element(x, *grad);
    }
}

/// y += x.
#[inline(always)]
pub(crate) fn add<T: Float>(x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// y += a·x, rounded twice.
#[inline(always)]
pub(crate) fn axpy<T: Float>(a: T, x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// values = a·values.
#[inline(always)]
pub(crate) fn scale<T: Float>(a: T, values: &mut [T]) {
    for x in values {
        *x *= a;
    }
}
