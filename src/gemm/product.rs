//! A product as a value, and the engine that computes it.

#[cfg(target_arch = "x86_64")]
use super::native;
use super::{Epilogue, portable};
use crate::arch::Token;
use crate::error::Result;
use crate::float::Float;
use crate::isa;
use crate::par::Par;
use crate::view::{MatMut, MatRef};

/// A product to compute and what to do with it. Shapes have been checked.
pub struct Product<'a, T> {
    pub(crate) alpha: T,
    pub(crate) a: MatRef<'a, T>,
    pub(crate) b: MatRef<'a, T>,
    pub(crate) beta: T,
    pub(crate) c: MatMut<'a, T>,
    /// Applied to α·A·B + β·C as it is written.
    pub(crate) epilogue: Epilogue<'a, T>,
}

impl<T: Float> Product<'_, T> {
    /// Computes it.
    pub(crate) fn run(mut self, par: Par) -> Result<()> {
        let token = isa::token()?;
        if !self.c.is_empty() {
            T::compute(&mut self, token, par);
        }
        Ok(())
    }

    /// Computes it, if C has elements, with the engine for an instruction set.
    pub(super) fn run_with(&mut self, token: Token, par: Par) {
        match token {
            Token::Scalar(_) => portable::run(self, par),
            // There is nothing to multiply.
            #[cfg(target_arch = "x86_64")]
            _ if self.alpha == T::ZERO || self.a.cols() == 0 => portable::run(self, par),
            #[cfg(target_arch = "x86_64")]
            _ => native::run(self, token, par),
        }
    }
}

/// `matrixmultiply`'s signature: m, k, n, α, then pointer, row stride and column stride of A and of
/// B, β, and those of C.
type MatrixMultiply<T> = unsafe fn(
    usize,
    usize,
    usize,
    T,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    *mut T,
    isize,
    isize,
);

/// What products of an element type need.
pub trait Gemm: Sized {
    /// `matrixmultiply`'s function for the type.
    #[doc(hidden)]
    const MATRIXMULTIPLY: MatrixMultiply<Self>;

    /// [`Product::run_with`] as a function that is not generic, so that the engines are compiled
    /// with this crate, once, and not again with every crate that calls a kernel.
    #[doc(hidden)]
    fn compute(product: &mut Product<'_, Self>, token: Token, par: Par);
}

impl Gemm for f32 {
    const MATRIXMULTIPLY: MatrixMultiply<f32> = matrixmultiply::sgemm;

    fn compute(product: &mut Product<'_, f32>, token: Token, par: Par) {
        product.run_with(token, par);
    }
}

impl Gemm for f64 {
    const MATRIXMULTIPLY: MatrixMultiply<f64> = matrixmultiply::dgemm;

    fn compute(product: &mut Product<'_, f64>, token: Token, par: Par) {
        product.run_with(token, par);
    }
}
