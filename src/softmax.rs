//! Softmax over the rows of a matrix, and its backward pass.

use crate::arch::{Kernel, Simd, Token};
use crate::error::{Result, check_shape};
use crate::float::Float;
use crate::isa;
use crate::par::Par;
use crate::rows::RowsMut;
use crate::vector::{self, narrow};
use crate::view::{MatMut, MatRef};

/// Elementary operations an element costs, in the units of [`Par`].
pub(crate) const WORK_PER_ELEMENT: usize = 16;

/// Softmax of each row: pᵢ = e^(xᵢ − m) / Σⱼ e^(xⱼ − m), with m the row's maximum.
///
/// `logits` and `probabilities` are \[batch × classes\]. Dividing all exponentials by the largest
/// changes nothing but that none overflows (*Neural Networks from Scratch*, chapter 4). Here they
/// are divided by the power of two nearest to it, which spares the rounding of xᵢ − m. A masked
/// class (−∞) has probability exactly 0. A row that holds NaN or +∞, or nothing above −∞, becomes NaN;
/// the other rows do not.
///
/// Each probability's error is at most 4.2 units in the last place with fused multiply-adds and 6
/// without, however far the logits lie apart and however many there are: twice that of an
/// exponential, which counts twice where the quotient's leading bits are smaller, and the rounding
/// of the quotient. The sum is kept to more bits than it has as a number of its type.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless both have the same shape.
///
/// ```
/// use gradkern::{MatMut, MatRef, Par, softmax};
///
/// let logits = [1.0, 2.0, 3.0];
/// let mut p = [0.0; 3];
/// softmax::forward(MatRef::new(&logits, 1, 3)?, MatMut::new(&mut p, 1, 3)?, Par::Seq)?;
/// assert!((p[2] - 0.66524096_f64).abs() < 1e-8);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn forward<T: Float>(
    logits: MatRef<'_, T>,
    probabilities: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("probabilities", logits.shape(), probabilities.shape())?;
    run_forward(Some(logits), probabilities, par)
}

/// [`forward`], with the probabilities written over the logits.
///
/// # Errors
/// None of its own.
pub fn forward_in_place<T: Float>(logits: MatMut<'_, T>, par: Par) -> Result<()> {
    run_forward(None, logits, par)
}

/// The gradient with respect to the logits, from the probabilities p that [`forward`] returned and
/// the gradient g with respect to them: pᵢ(gᵢ − Σⱼ gⱼpⱼ) in each row.
///
/// All three are \[batch × classes\].
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless all have the same shape.
pub fn backward<T: Float>(
    probabilities: MatRef<'_, T>,
    grad_output: MatRef<'_, T>,
    grad_logits: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("grad_output", probabilities.shape(), grad_output.shape())?;
    check_shape("grad_logits", probabilities.shape(), grad_logits.shape())?;
    run_backward(probabilities, Some(grad_output), grad_logits, par)
}

/// [`backward`], with the gradient with respect to the logits written over the one with respect to
/// the probabilities.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless both have the same shape.
pub fn backward_in_place<T: Float>(
    probabilities: MatRef<'_, T>,
    grad: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("grad", probabilities.shape(), grad.shape())?;
    run_backward(probabilities, None, grad, par)
}

fn run_forward<T: Float>(
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    let token = isa::token()?;
    for_row_parts(source, output, par, &|source, output, _| {
        T::with_scratch(narrow::SCRATCH + RowsMut::scratch_len(&output), |scratch| {
            let (scratch, row_scratch) = scratch.split_at_mut(narrow::SCRATCH);
            let rows = RowsMut::new(output, source, row_scratch);
            T::softmax_forward(token, ForwardRows { rows, scratch });
        });
    });
    Ok(())
}

fn run_backward<T: Float>(
    probabilities: MatRef<'_, T>,
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    let token = isa::token()?;
    for_row_parts(source, output, par, &|source, output, first| {
        let below = probabilities.split_at_row(first).1;
        backward_part(token, below, source, output);
    });
    Ok(())
}

fn backward_part<T: Float>(
    token: Token,
    probabilities: MatRef<'_, T>,
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
) {
    let (classes, row_len) = (output.cols(), RowsMut::scratch_len(&output));
    T::with_scratch(classes + row_len, |scratch| {
        let (gathered, row) = scratch.split_at_mut(classes);
        let rows = RowsMut::new(output, source, row);
        T::softmax_backward(token, BackwardRows { probabilities, gathered, rows });
    });
}

/// Shares out the rows of a matrix and of its source; `f` is given parts of both and the index of
/// their first row. Nothing is called where there is nothing to do.
pub(crate) fn for_row_parts<T: Float>(
    source: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    par: Par,
    f: &(impl Fn(Option<MatRef<'_, T>>, MatMut<'_, T>, usize) + Sync),
) {
    if output.is_empty() {
        return;
    }
    let rows = output.rows();
    let work = rows * output.cols() * WORK_PER_ELEMENT;
    par.split_rows((source, output), rows, 1, work, &|(source, output), first| {
        f(source, output, first);
    });
}

pub(crate) struct ForwardRows<'a, T> {
    rows: RowsMut<'a, T>,
    /// Room for blocks of narrow rows.
    scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for ForwardRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let ForwardRows { mut rows, scratch } = self;
        if rows.source().cols() <= narrow::MAX_CLASSES {
            return forward_narrow(simd, rows, scratch);
        }
        for i in 0..rows.rows() {
            let mut row = rows.row(i);
            let sum = row.all_exponentials(simd);
            vector::softmax::divide(simd, row.output(), sum);
            rows.close(i);
        }
    }
}

/// [`ForwardRows`] for few classes.
#[inline(always)]
fn forward_narrow<T: Float, S: Simd<T>>(simd: S, mut rows: RowsMut<'_, T>, scratch: &mut [T]) {
    let mut blocks = narrow::blocks(simd, rows.source().cols(), scratch);
    let mut largest = [simd.splat(T::ZERO); narrow::GROUP];
    for first in (0..rows.rows()).step_by(blocks.count * S::LANES) {
        let end = rows.rows().min(first + blocks.count * S::LANES);
        for (i, row) in (first..end).step_by(S::LANES).enumerate() {
            let mut block = blocks.get(i);
            block.read(simd, &rows.source(), row);
            largest[i] = block.max(simd);
        }
        for (i, row) in (first..end).step_by(S::LANES).enumerate() {
            let mut block = blocks.get(i);
            let sum = block.all_exponentials(simd, largest[i]);
            block.divide(simd, sum);
            block.write(simd, rows.output(), row, S::LANES.min(end - row));
        }
    }
}

pub(crate) struct BackwardRows<'a, T> {
    probabilities: MatRef<'a, T>,
    /// Holds a row of probabilities that are not adjacent.
    gathered: &'a mut [T],
    rows: RowsMut<'a, T>,
}

impl<T: Float> Kernel<T> for BackwardRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let BackwardRows { probabilities, gathered, mut rows } = self;
        for i in 0..rows.rows() {
            let p = match probabilities.row(i) {
                Some(row) => row,
                None => {
                    probabilities.copy_row(i, gathered);
                    &*gathered
                }
            };
            vector::softmax::backward(simd, p, rows.open(i));
            rows.close(i);
        }
    }
}
