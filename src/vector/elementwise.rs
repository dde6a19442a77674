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

/// values = a·values.
#[inline(always)]
pub(crate) fn scale<T: Float>(a: T, values: &mut [T]) {
    for x in values {
        *x *= a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Kernel, Token};
    use crate::isa;

    const SAMPLE: [f32; 7] = [-2.5, f32::NAN, 0.0, 1.5, f32::INFINITY, -0.0, f32::NEG_INFINITY];
    const A: f32 = 0.375;

    /// What `All` writes, one output for each function.
    const FUNCTIONS: usize = 5;

    /// Runs every function, each on an output of its own that starts as `y`.
    struct All<'a>(&'a [f32], &'a mut [Vec<f32>; FUNCTIONS]);

    impl Kernel<f32> for All<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) {
            let x = self.0;
            let [y0, y1, y2, y3, y4] = self.1;
            relu(x, y0);
            relu_in_place(y1);
            let grad = y2.clone();
            where_positive(x, &grad, y2);
            where_positive_in_place(s, x, y3);
            scale(A, y4);
        }
    }

    /// The same for one element.
    fn right(x: f32, y: f32) -> [f32; FUNCTIONS] {
        let relu = |x: f32| if x < 0.0 { 0.0 } else { x };
        let masked = if x > 0.0 { y } else { 0.0 };
        [relu(x), relu(y), masked, masked, A * y]
    }

    #[test]
    fn every_element_is_that_of_the_formula_at_every_length() {
        for token in isa::available().filter_map(Token::new) {
            for len in 0..70 {
                let x: Vec<f32> = (0..len).map(|i| SAMPLE[i % 7]).collect();
                let y: Vec<f32> = (0..len).map(|i| SAMPLE[(i * 3 + i / 7) % 7]).collect();
                let mut found = [(); FUNCTIONS].map(|()| y.clone());
                token.run(All(&x, &mut found));
                for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
                    for (function, right) in right(x, y).into_iter().enumerate() {
                        let found = found[function][i];
                        let same = if right.is_nan() {
                            found.is_nan()
                        } else {
                            found.to_bits() == right.to_bits()
                        };
                        assert!(same, "{function}({x}, {y}) = {found}, not {right}, {token:?}");
                    }
                }
            }
        }
    }
}
