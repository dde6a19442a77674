//! C ← α·A·B + β·C for any shapes, strides, factors and bits.

#![no_main]

use gradkern::Par;
use gradkern::gemm::gemm;
use gradkern_fuzz::{Bits, Numbers, Result, Strided, Unstructured, expect, extents, fuzz_floats};

/// The most multiplications.
const MOST: usize = 4096;

fn check<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<()> {
    let [m, n, k] = extents(MOST, bytes)?;
    let numbers = &mut Numbers::decode(bytes)?;
    let (alpha, beta) = (factor::<T>(bytes)?, factor::<T>(bytes)?);
    let a = Strided::<T>::input(m, k, numbers, bytes)?;
    // One in sixteen does not fit.
    let b_rows = if bytes.ratio(1, 16)? { k + 1 } else { k };
    let b = Strided::<T>::input(b_rows, n, numbers, bytes)?;
    let mut c = Strided::<T>::output(m, n, numbers, bytes)?;

    let before = c.matrix();
    let done = gemm(alpha, a.view(), b.view(), beta, c.view_mut(), Par::Seq);
    assert_eq!(done.is_ok(), b_rows == k);
    if done.is_err() {
        c.assert_untouched();
        return Ok(());
    }
    let (alpha, beta) = (alpha.to_f64(), beta.to_f64());
    let expected = expect::gemm::<T>(alpha, &a.matrix(), &b.matrix(), beta, &before);
    expect::assert_expected("C", &c.result(), &expected);
    Ok(())
}

/// 0, 1, −1 or any bits.
fn factor<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<T> {
    Ok(match bytes.int_in_range(0..=5)? {
        0 => T::ZERO,
        1 | 2 => T::ONE,
        3 => -T::ONE,
        4 => T::from_f64(0.375),
        _ => T::any(bytes)?,
    })
}

fuzz_floats!(check);
