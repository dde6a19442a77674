//! The vector operations on AVX2.

use super::Kernel;
use crate::float::Float;

/// The witness that this processor has AVX2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this processor has AVX2.
    pub(crate) fn new() -> Option<Self> {
        None
    }

    /// Runs a kernel compiled for AVX2.
    pub(crate) fn enter<T: Float, K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.run(super::scalar::Scalar)
    }
}
