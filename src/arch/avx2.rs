//! The token of AVX2 and FMA.

pub(super) mod double;
pub(super) mod single;

use super::{Kernel, Simd};
use crate::float::Float;

/// The witness that this processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this processor has AVX2 and FMA.
    pub(crate) fn new() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }

    /// Runs a kernel compiled for AVX2 and FMA.
    #[inline]
    pub(crate) fn enter<T: Float, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma")]
        fn compiled<T: Float, K: Kernel<T>>(token: Avx2, kernel: K) -> K::Output
        where
            Avx2: Simd<T>,
        {
            kernel.run(token)
        }
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { compiled(self, kernel) }
    }
}
