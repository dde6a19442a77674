//! Numbers decoded from the fuzzer's bytes: any bits, or mostly ordinary ones.

use crate::{Result, Unstructured};
use gradkern::Float;

/// A number type whose numbers can be made from any bits.
pub trait Bits: Float {
    /// A number of any bits: NaN, infinities and subnormal numbers among them.
    fn any(bytes: &mut Unstructured<'_>) -> Result<Self>;
}

impl Bits for f32 {
    fn any(bytes: &mut Unstructured<'_>) -> Result<f32> {
        Ok(f32::from_bits(bytes.arbitrary()?))
    }
}

impl Bits for f64 {
    fn any(bytes: &mut Unstructured<'_>) -> Result<f64> {
        Ok(f64::from_bits(bytes.arbitrary()?))
    }
}

/// Where the numbers of a matrix come from.
#[derive(Clone, Copy, Debug)]
pub enum Numbers {
    /// Any bits, from the fuzzer's bytes.
    Any,
    /// From a byte each: a special number, or a small one.
    Special,
    /// In [−1, 1), from a seed, so that few bytes make a large matrix.
    Seeded(u64),
}

impl Numbers {
    /// Ordinary numbers in two of four cases.
    pub fn decode(bytes: &mut Unstructured<'_>) -> Result<Self> {
        match bytes.int_in_range(0..=3)? {
            0 => Ok(Numbers::Any),
            1 => Ok(Numbers::Special),
            _ => Self::tame(bytes),
        }
    }

    /// Ordinary numbers.
    pub fn tame(bytes: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Numbers::Seeded(bytes.arbitrary::<u16>()?.into()))
    }

    /// The next one. After the fuzzer's last byte they are all 0.
    pub fn next<T: Bits>(&mut self, bytes: &mut Unstructured<'_>) -> Result<T> {
        match self {
            Numbers::Any => T::any(bytes),
            Numbers::Special => Ok(special(bytes.arbitrary()?)),
            Numbers::Seeded(state) => Ok(T::from_f64(seeded(state))),
        }
    }

    /// Some of them.
    pub fn vec<T: Bits>(&mut self, len: usize, bytes: &mut Unstructured<'_>) -> Result<Vec<T>> {
        (0..len).map(|_| self.next(bytes)).collect()
    }
}

fn special<T: Float>(byte: u8) -> T {
    let smallest = T::MIN_POSITIVE * T::EPSILON;
    let largest = (T::ONE - T::EPSILON / T::from_f64(2.0)) / T::MIN_POSITIVE * T::from_f64(4.0);
    let positive = match byte % 128 {
        0 => T::ZERO,
        1 => T::NAN,
        2 => T::INFINITY,
        3 => largest,
        4 => largest.sqrt(),
        5 => T::MIN_POSITIVE,
        6 => T::MIN_POSITIVE - smallest,
        7 => smallest,
        8 => T::MIN_POSITIVE.sqrt(),
        9 => T::ONE,
        10 => T::ONE + T::EPSILON,
        11 => T::EPSILON,
        small => T::from_f64((f64::from(small) - 64.0) / 4.0),
    };
    if byte < 128 { positive } else { -positive }
}

/// SplitMix64, as a number in [−1, 1).
fn seeded(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as i64 as f64 / (1_u64 << 63) as f64
}
