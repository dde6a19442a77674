//! The token of AVX-512.

mod double;
mod single;

use super::{Kernel, Simd};
use crate::float::Float;

/// The witness that this processor has AVX-512 F, BW, DQ and VL, and AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this processor has AVX-512 F, BW, DQ and VL, and AVX2 and FMA.
    pub(crate) fn new() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }

    /// Runs a kernel compiled for AVX-512.
    #[inline]
    pub(crate) fn enter<T: Float, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled<T: Float, K: Kernel<T>>(token: Avx512, kernel: K) -> K::Output
        where
            Avx512: Simd<T>,
        {
            kernel.run(token)
        }
        // SAFETY: the token proves all of these.
        unsafe { compiled(self, kernel) }
    }
}
