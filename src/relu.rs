//! ReLU, max(0, x), and its backward pass.

use crate::arch::{Kernel, Simd};
use crate::error::{Result, check_shape};
use crate::float::Float;
use crate::isa;
use crate::par::Par;
use crate::softmax::for_row_parts;
use crate::vector::elementwise::{self, relu_element, where_positive_element};
use crate::view::{MatMut, MatRef};

/// max(0, x) of each element; NaN stays NaN. Exact.
///
/// `inputs` and `output` have the same shape, \[batch × n_neurons\].
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless they have.
///
/// ```
/// use gradkern::{MatMut, MatRef, Par, relu};
///
/// let mut output = [0.0_f32; 4];
/// let inputs = MatRef::new(&[-1.5, 0.0, 2.0, f32::NAN], 2, 2)?;
/// relu::forward(inputs, MatMut::new(&mut output, 2, 2)?, Par::Seq)?;
/// assert_eq!(output[..3], [0.0, 0.0, 2.0]);
/// assert!(output[3].is_nan());
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn forward<T: Float>(inputs: MatRef<'_, T>, output: MatMut<'_, T>, par: Par) -> Result<()> {
    check_shape("output", inputs.shape(), output.shape())?;
    run(Some(inputs), None, output, par)
}

/// [`forward`], with the output written over the inputs.
///
/// # Errors
/// None of its own.
pub fn forward_in_place<T: Float>(inputs: MatMut<'_, T>, par: Par) -> Result<()> {
    run(None, None, inputs, par)
}

/// The gradient with respect to the inputs: that with respect to the output where x > 0, else 0
/// (at x = 0 and where x is NaN, too). Exact.
///
/// x is the inputs or the output of [`forward`], whichever the caller has kept: they are positive
/// in the same places. All three have the same shape, \[batch × n_neurons\].
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless they have.
pub fn backward<T: Float>(
    inputs_or_output: MatRef<'_, T>,
    grad_output: MatRef<'_, T>,
    grad_inputs: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("grad_output", inputs_or_output.shape(), grad_output.shape())?;
    check_shape("grad_inputs", inputs_or_output.shape(), grad_inputs.shape())?;
    run(Some(grad_output), Some(inputs_or_output), grad_inputs, par)
}

/// [`backward`], with the gradient with respect to the inputs written over the one with respect to
/// the output.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless both have the same shape.
pub fn backward_in_place<T: Float>(
    inputs_or_output: MatRef<'_, T>,
    grad: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_shape("grad", inputs_or_output.shape(), grad.shape())?;
    run(None, Some(inputs_or_output), grad, par)
}

/// `output` ← the source, or itself, where the mask, or itself, is positive.
fn run<T: Float>(
    source: Option<MatRef<'_, T>>,
    mask: Option<MatRef<'_, T>>,
    output: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    let token = isa::token()?;
    // Elements do not depend on each other: go down the columns where they are what is adjacent.
    if !output.rows_are_slices() && output.row_stride() == 1 {
        return run(source.map(MatRef::t), mask.map(MatRef::t), output.t(), par);
    }
    for_row_parts(source, output, par, &|source, output, first| {
        let mask = mask.map(|mask| mask.split_at_row(first).1);
        T::relu(token, Elements { source, mask, output });
    });
    Ok(())
}

pub(crate) struct Elements<'a, T> {
    source: Option<MatRef<'a, T>>,
    mask: Option<MatRef<'a, T>>,
    output: MatMut<'a, T>,
}

impl<T: Float> Elements<'_, T> {
    /// All rows as one, where they are adjacent in every matrix: short rows cost as much as long.
    #[inline(always)]
    fn flattened(self) -> Self {
        let Elements { source, mask, output } = self;
        let adjacent = |m: Option<MatRef<'_, T>>| m.is_none_or(|m| m.as_slice().is_some());
        if adjacent(source) && adjacent(mask) && adjacent(Some(output.as_ref())) {
            let (source, mask) = (source.map(MatRef::flattened), mask.map(MatRef::flattened));
            return Elements { source, mask, output: output.flattened() };
        }
        Elements { source, mask, output }
    }
}

impl<T: Float> Kernel<T> for Elements<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Elements { source, mask, mut output } = self.flattened();
        for i in 0..output.rows() {
            let rows = (source.map(|m| m.row(i)), mask.map(|m| m.row(i)), output.row_mut(i));
            match rows {
                (None, None, Some(out)) => elementwise::relu_in_place(out),
                (Some(Some(from)), None, Some(out)) => elementwise::relu(from, out),
                (None, Some(Some(mask)), Some(out)) => {
                    elementwise::where_positive_in_place(simd, mask, out);
                }
                (Some(Some(from)), Some(Some(mask)), Some(out)) => {
                    elementwise::where_positive(mask, from, out);
                }
                _ => strided_row(source, mask, &mut output, i),
            }
        }
    }
}

/// A row whose elements are not adjacent in one of the matrices.
fn strided_row<T: Float>(
    source: Option<MatRef<'_, T>>,
    mask: Option<MatRef<'_, T>>,
    output: &mut MatMut<'_, T>,
    row: usize,
) {
    for col in 0..output.cols() {
        let x = source.map_or_else(|| output.as_ref().at(row, col), |m| m.at(row, col));
        let x = mask.map_or_else(|| relu_element(x), |m| where_positive_element(m.at(row, col), x));
        output.set(row, col, x);
    }
}
