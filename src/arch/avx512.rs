//! The vector operations on AVX-512.

use super::Kernel;
use crate::float::Float;

/// The witness that this processor has AVX-512.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this processor has AVX-512.
    pub(crate) fn new() -> Option<Self> {
        None
    }

    /// Runs a kernel compiled for AVX-512.
    pub(crate) fn enter<T: Float, K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.run(super::scalar::Scalar)
    }
}
