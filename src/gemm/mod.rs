//! General matrix multiplication: C ← α·A·B + β·C.
//!
//! `A` is m × k, `B` is k × n, `C` is m × n; each may have any strides, so a transposed operand is
//! a view's [`t()`](crate::MatRef::t).

#[cfg(any(target_arch = "x86_64", test))]
mod ahead;
#[cfg(any(target_arch = "x86_64", test))]
mod columns;
#[cfg(any(target_arch = "x86_64", test))]
mod cut;
#[cfg(any(target_arch = "x86_64", test))]
mod dot;
#[cfg(any(target_arch = "x86_64", test))]
mod driver;
mod epilogue;
mod groups;
#[cfg(any(target_arch = "x86_64", test))]
mod microkernel;
#[cfg(any(target_arch = "x86_64", test))]
mod native;
#[cfg(any(target_arch = "x86_64", test))]
mod output;
#[cfg(any(target_arch = "x86_64", test))]
mod pack;
#[cfg(any(target_arch = "x86_64", test))]
mod params;
#[cfg(any(target_arch = "x86_64", test))]
mod plan;
mod portable;
mod product;
#[cfg(any(target_arch = "x86_64", test))]
mod run;
#[cfg(any(target_arch = "x86_64", test))]
mod short;
#[cfg(any(target_arch = "x86_64", test))]
mod stream;
#[cfg(any(target_arch = "x86_64", test))]
mod sums;
#[cfg(test)]
mod tests;
#[cfg(any(target_arch = "x86_64", test))]
mod tile;

pub(crate) use epilogue::Epilogue;
pub(crate) use product::{Gemm, Product};

use crate::error::{Result, check_length, check_shape};
use crate::float::Float;
use crate::par::Par;
use crate::view::{MatMut, MatRef};

/// C ← α·A·B + β·C.
///
/// With β = 0, `c` is written and never read, so NaN in it does not survive. With α = 0 or k = 0,
/// `a` and `b` are not read.
///
/// Each element's error is at most γ·(|α|·|A|·|B| + |β|·|C|) with γ = (k + 2)·ε, the bound of any
/// summation order (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.5); blocks of k
/// are summed apart, so that in practice it is far less. The same inputs give the same bits for any
/// number of threads.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless `b` has as many rows as `a` has columns and `c` is
/// rows of `a` × columns of `b`.
///
/// ```
/// use gradkern::{MatMut, MatRef, Par, gemm::gemm};
///
/// let a = [1.0, 2.0, 3.0, 4.0];
/// let b = [5.0, 6.0, 7.0, 8.0];
/// let mut c = [f64::NAN; 4];
/// let (a, b) = (MatRef::new(&a, 2, 2)?, MatRef::new(&b, 2, 2)?);
/// gemm(1.0, a, b.t(), 0.0, MatMut::new(&mut c, 2, 2)?, Par::Seq)?;
/// assert_eq!(c, [17.0, 23.0, 39.0, 53.0]);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn gemm<T: Float>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_product(a, b, c.as_ref())?;
    Product { alpha, a, b, beta, c, epilogue: Epilogue::None }.run(par)
}

/// Cᵢ ← α·Aᵢ·Bᵢ + β·Cᵢ for many independent products, whose shapes may differ.
///
/// Element by element as [`gemm`]; with [`Par::Rayon`](crate::Par), whole products are shared out.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) unless the three lists are equally long,
/// [`Error::Shape`](crate::Error::Shape) as [`gemm`], both before any product is computed.
pub fn gemm_batched<T: Float>(
    alpha: T,
    a: &[MatRef<'_, T>],
    b: &[MatRef<'_, T>],
    beta: T,
    c: &mut [MatMut<'_, T>],
    par: Par,
) -> Result<()> {
    check_length("b", a.len(), b.len())?;
    check_length("c", a.len(), c.len())?;
    let mut work = 0_usize;
    for ((a, b), c) in a.iter().zip(b).zip(c.iter()) {
        check_product(*a, *b, c.as_ref())?;
        work = work.saturating_add(multiply_adds(a.rows(), a.cols(), b.cols()));
    }
    crate::isa::current()?;
    let count = a.len();
    par.split_rows(c, count, 1, work, &|part: &mut [MatMut<'_, T>], first| {
        for (i, c) in part.iter_mut().enumerate() {
            let (a, b, c) = (a[first + i], b[first + i], c.reborrow());
            let product = Product { alpha, a, b, beta, c, epilogue: Epilogue::None };
            product.run(Par::Seq).expect("the instruction set was found above");
        }
    });
    Ok(())
}

fn check_product<T>(a: MatRef<'_, T>, b: MatRef<'_, T>, c: MatRef<'_, T>) -> Result<()> {
    check_shape("b", (a.cols(), b.cols()), b.shape())?;
    check_shape("c", (a.rows(), b.cols()), c.shape())
}

/// The number of multiply-adds of a product.
pub(crate) fn multiply_adds(m: usize, k: usize, n: usize) -> usize {
    m.saturating_mul(k).saturating_mul(n)
}
