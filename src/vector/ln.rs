//! tmp
use crate::arch::Simd;
use crate::float::Float;

#[inline(always)]
pub(crate) fn ln_1p<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let mut lanes = [T::ZERO; 16];
    s.store(x, &mut lanes);
    for lane in &mut lanes[..S::LANES] {
        *lane = lane.ln_1p();
    }
    s.load(&lanes)
}
