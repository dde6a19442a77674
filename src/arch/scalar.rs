//! The vector operations in plain Rust, four elements at a time: what compilers turn into the
//! target's own vectors (SSE2, NEON, …) without being told to.

use super::{Kernel, Simd};
use crate::float::Float;

const LANES: usize = 4;

/// The token of the portable instruction set, which every processor has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalar;

#[inline(always)]
fn map<T: Float>(a: [T; LANES], f: impl Fn(T) -> T) -> [T; LANES] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip<T: Float>(a: [T; LANES], b: [T; LANES], f: impl Fn(T, T) -> T) -> [T; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl<T: Float> Simd<T> for Scalar {
    type V = [T; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    fn splat(self, x: T) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const T) -> Self::V {
        // SAFETY: the caller vouches for LANES elements; an array is aligned as its elements are.
        unsafe { from.cast::<Self::V>().read() }
    }

    #[inline(always)]
    unsafe fn load_first_ptr(self, from: *const T, len: usize) -> Self::V {
        // SAFETY: as the caller vouches.
        unsafe { self.load_first_or_ptr(from, len, [T::ZERO; LANES]) }
    }

    #[inline(always)]
    unsafe fn load_first_or_ptr(self, from: *const T, len: usize, other: Self::V) -> Self::V {
        // SAFETY: the caller vouches for `len` elements, and i < len.
        let lane = |i| if i < len { unsafe { from.add(i).read() } } else { other[i] };
        [lane(0), lane(1), lane(2), lane(3)]
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::V, to: *mut T) {
        // SAFETY: the caller vouches for LANES elements; an array is aligned as its elements are.
        unsafe { to.cast::<Self::V>().write(v) }
    }

    #[inline(always)]
    unsafe fn store_first_ptr(self, v: Self::V, to: *mut T, len: usize) {
        for (i, lane) in v.into_iter().enumerate() {
            if i < len {
                // SAFETY: the caller vouches for `len` elements, and i < len.
                unsafe { to.add(i).write(lane) }
            }
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        map(a, T::sqrt)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i].multiply_add(b[i], c[i]))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| (-a[i]).multiply_add(b[i], c[i]))
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn where_positive(self, x: Self::V, v: Self::V) -> Self::V {
        zip(x, v, |x, v| if x > T::ZERO { v } else { T::ZERO })
    }

    #[inline(always)]
    fn where_equal(self, a: Self::V, b: Self::V, v: Self::V, other: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] == b[i] { v[i] } else { other[i] })
    }

    #[inline(always)]
    fn any_equal(self, a: Self::V, b: Self::V) -> bool {
        (0..LANES).any(|i| a[i] == b[i])
    }

    #[inline(always)]
    fn round_small(self, x: Self::V) -> Self::V {
        map(x, T::round_small)
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, x: Self::V, shifted: Self::V) -> Self::V {
        zip(x, shifted, T::scale_by_power_of_two)
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::V) -> Self::V {
        map(shifted, T::power_of_two)
    }

    #[inline(always)]
    fn split_exponent(self, x: Self::V) -> (Self::V, Self::V) {
        (map(x, |x| x.split_exponent().0), map(x, |x| x.split_exponent().1))
    }

    #[inline(always)]
    fn reduce_add(self, v: Self::V) -> T {
        (v[0] + v[2]) + (v[1] + v[3])
    }

    #[inline(always)]
    fn reduce_max(self, v: Self::V) -> T {
        let max = |a: T, b: T| if a > b { a } else { b };
        max(max(v[0], v[2]), max(v[1], v[3]))
    }

    #[inline]
    fn call<K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
