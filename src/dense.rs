//! Dense layers: inputs·weights + biases, and the three gradients.
//!
//! `inputs` is \[batch × n_inputs\], `weights` \[n_inputs × n_neurons\], `biases` \[n_neurons\],
//! `output` \[batch × n_neurons\]; each matrix may have any strides. Each product has the error
//! bound of [`gemm`](crate::gemm::gemm), and the same inputs give the same bits for any number of
//! threads.

use crate::arch::{Kernel, Simd};
use crate::error::{Error, Result, check_length, check_shape};
use crate::float::Float;
use crate::gemm::{Epilogue, Product};
use crate::isa;
use crate::par::Par;
use crate::vector::columns::{add_column_sums, scratch_len};
use crate::view::{MatMut, MatRef};

/// output ← inputs·weights + biases.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Length`] unless the shapes fit, as the module says.
///
/// ```
/// use gradkern::{MatMut, MatRef, Par, dense};
///
/// let inputs = MatRef::new(&[1.0, -2.0, 3.0], 1, 3)?;
/// let weights = MatRef::new(&[-3.0, -1.0, 2.0], 3, 1)?;
/// let mut output = [0.0_f32];
/// dense::forward(inputs, weights, &[1.0], MatMut::new(&mut output, 1, 1)?, Par::Seq)?;
/// assert_eq!(output, [6.0]);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn forward<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    biases: &[T],
    output: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_layer(inputs, weights, biases, &output)?;
    multiply(T::ONE, inputs, weights, T::ZERO, output, Epilogue::Bias(biases), par)
}

/// output ← max(0, inputs·weights + biases), the ReLU applied while the product is in cache; NaN
/// stays NaN.
///
/// # Errors
/// As [`forward`].
pub fn forward_relu<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    biases: &[T],
    output: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    check_layer(inputs, weights, biases, &output)?;
    multiply(T::ONE, inputs, weights, T::ZERO, output, Epilogue::BiasRelu(biases), par)
}

/// Where a gradient goes, if it is wanted.
#[derive(Debug, Default)]
pub enum Grad<V> {
    /// It is not computed.
    #[default]
    Skip,
    /// It replaces what is there.
    Write(V),
    /// It is added to what is there.
    Add(V),
}

impl<V> Grad<V> {
    fn destination(&self) -> Option<&V> {
        match self {
            Grad::Skip => None,
            Grad::Write(v) | Grad::Add(v) => Some(v),
        }
    }

    /// The same, borrowed.
    pub(crate) fn as_mut(&mut self) -> Grad<&mut V> {
        match self {
            Grad::Skip => Grad::Skip,
            Grad::Write(v) => Grad::Write(v),
            Grad::Add(v) => Grad::Add(v),
        }
    }

    /// The same with another destination.
    pub(crate) fn try_map<W>(self, f: impl FnOnce(V) -> Result<W>) -> Result<Grad<W>> {
        Ok(match self {
            Grad::Skip => Grad::Skip,
            Grad::Write(v) => Grad::Write(f(v)?),
            Grad::Add(v) => Grad::Add(f(v)?),
        })
    }

    /// For a gradient computed in parts: all but the first are added.
    pub(crate) fn after(self, first: bool) -> Self {
        match self {
            Grad::Write(v) if !first => Grad::Add(v),
            other => other,
        }
    }
}

/// The gradients that [`backward`] computes; by default none.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// grad_output·weightsᵀ \[batch × n_inputs\]; a network's first layer needs none.
    pub inputs: Grad<MatMut<'a, T>>,
    /// inputsᵀ·grad_output \[n_inputs × n_neurons\].
    pub weights: Grad<MatMut<'a, T>>,
    /// Column sums of grad_output \[n_neurons\].
    pub biases: Grad<&'a mut [T]>,
    /// Whether `inputs` came out of a ReLU whose backward pass is to be done too: grad_inputs is
    /// then 0 where `inputs` is not positive. Not with [`Grad::Add`].
    pub inputs_are_relu: bool,
}

impl<T> Default for Gradients<'_, T> {
    fn default() -> Self {
        Gradients {
            inputs: Grad::Skip,
            weights: Grad::Skip,
            biases: Grad::Skip,
            inputs_are_relu: false,
        }
    }
}

/// The gradients of a layer, from the gradient with respect to its output.
///
/// `grad_output` is \[batch × n_neurons\]. For a layer with ReLU it is the gradient after
/// [`relu::backward`](crate::relu::backward).
///
/// # Errors
/// [`Error::Shape`] or [`Error::Length`] unless the shapes fit; [`Error::Conflict`] for
/// `inputs_are_relu` together with [`Grad::Add`] of the inputs' gradient.
///
/// ```
/// use gradkern::dense::{self, Grad, Gradients};
/// use gradkern::{MatMut, MatRef, Par};
///
/// let inputs = MatRef::new(&[1.0, -2.0, 3.0], 1, 3)?;
/// let weights = MatRef::new(&[-3.0, -1.0, 2.0], 3, 1)?;
/// let grad_output = MatRef::new(&[1.0_f64], 1, 1)?;
/// let (mut grad_weights, mut grad_biases) = ([0.0; 3], [0.0]);
/// let gradients = Gradients {
///     weights: Grad::Write(MatMut::new(&mut grad_weights, 3, 1)?),
///     biases: Grad::Write(&mut grad_biases),
///     ..Gradients::default()
/// };
/// dense::backward(inputs, weights, grad_output, gradients, Par::Seq)?;
/// assert_eq!((grad_weights, grad_biases), ([1.0, -2.0, 3.0], [1.0]));
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn backward<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    grad_output: MatRef<'_, T>,
    gradients: Gradients<'_, T>,
    par: Par,
) -> Result<()> {
    check_backward(inputs, weights, grad_output, &gradients)?;
    isa::current()?;
    let epilogue =
        if gradients.inputs_are_relu { Epilogue::ReluMask(inputs) } else { Epilogue::None };
    let (one, zero) = (T::ONE, T::ZERO);
    match gradients.inputs {
        Grad::Skip => {}
        Grad::Write(c) => multiply(one, grad_output, weights.t(), zero, c, epilogue, par)?,
        Grad::Add(c) => multiply(one, grad_output, weights.t(), one, c, epilogue, par)?,
    }
    match gradients.weights {
        Grad::Skip => {}
        Grad::Write(c) => multiply(one, inputs.t(), grad_output, zero, c, Epilogue::None, par)?,
        Grad::Add(c) => multiply(one, inputs.t(), grad_output, one, c, Epilogue::None, par)?,
    }
    match gradients.biases {
        Grad::Skip => Ok(()),
        Grad::Write(biases) => {
            biases.fill(zero);
            sum_columns(one, grad_output, biases)
        }
        Grad::Add(biases) => sum_columns(one, grad_output, biases),
    }
}

/// A step of plain stochastic gradient descent, with no gradient stored: weights are moved by
/// −learning_rate · inputsᵀ·grad_output, biases by −learning_rate · the column sums of grad_output.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Length`] unless the shapes fit; [`Error::Value`] for a learning
/// rate that is not finite.
pub fn sgd_step<T: Float>(
    inputs: MatRef<'_, T>,
    grad_output: MatRef<'_, T>,
    learning_rate: T,
    weights: MatMut<'_, T>,
    biases: &mut [T],
    par: Par,
) -> Result<()> {
    check_shape("grad_output", (inputs.rows(), grad_output.cols()), grad_output.shape())?;
    check_shape("weights", (inputs.cols(), grad_output.cols()), weights.shape())?;
    check_length("biases", grad_output.cols(), biases.len())?;
    check_learning_rate(learning_rate)?;
    multiply(-learning_rate, inputs.t(), grad_output, T::ONE, weights, Epilogue::None, par)?;
    sum_columns(-learning_rate, grad_output, biases)
}

/// `Err` unless a learning rate is finite.
pub(crate) fn check_learning_rate<T: Float>(learning_rate: T) -> Result<()> {
    if learning_rate.is_finite() {
        return Ok(());
    }
    let found = learning_rate.to_f64();
    Err(Error::Value { argument: "learning_rate", expected: "a finite number", found })
}

fn check_layer<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    biases: &[T],
    output: &MatMut<'_, T>,
) -> Result<()> {
    check_shape("weights", (inputs.cols(), weights.cols()), weights.shape())?;
    check_length("biases", weights.cols(), biases.len())?;
    check_shape("output", (inputs.rows(), weights.cols()), output.shape())
}

fn check_backward<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    grad_output: MatRef<'_, T>,
    gradients: &Gradients<'_, T>,
) -> Result<()> {
    check_shape("weights", (inputs.cols(), weights.cols()), weights.shape())?;
    check_shape("grad_output", (inputs.rows(), weights.cols()), grad_output.shape())?;
    check_gradients(inputs, weights, gradients)
}

/// `Err` unless the gradients fit a layer.
pub(crate) fn check_gradients<T: Float>(
    inputs: MatRef<'_, T>,
    weights: MatRef<'_, T>,
    gradients: &Gradients<'_, T>,
) -> Result<()> {
    if let Some(grad) = gradients.inputs.destination() {
        check_shape("gradients.inputs", inputs.shape(), grad.shape())?;
    }
    if let Some(grad) = gradients.weights.destination() {
        check_shape("gradients.weights", weights.shape(), grad.shape())?;
    }
    if let Some(grad) = gradients.biases.destination() {
        check_length("gradients.biases", weights.cols(), grad.len())?;
    }
    if gradients.inputs_are_relu && matches!(gradients.inputs, Grad::Add(_)) {
        return Err(Error::Conflict {
            argument: "gradients.inputs_are_relu",
            expected: "false unless the inputs' gradient is written",
            found: "Grad::Add",
        });
    }
    Ok(())
}

fn multiply<T: Float>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: MatMut<'_, T>,
    epilogue: Epilogue<'_, T>,
    par: Par,
) -> Result<()> {
    Product { alpha, a, b, beta, c, epilogue }.run(par)
}

/// Adds α times the column sums of a matrix to `sums`; with α = 0, as in a product, none is read.
fn sum_columns<T: Float>(alpha: T, matrix: MatRef<'_, T>, sums: &mut [T]) -> Result<()> {
    if alpha == T::ZERO || matrix.is_empty() {
        return Ok(());
    }
    let token = isa::token()?;
    T::with_scratch(scratch_len(sums.len()), |partial| {
        T::column_sums(token, ColumnSums { alpha, matrix, sums, partial });
    });
    Ok(())
}

pub(crate) struct ColumnSums<'a, T> {
    alpha: T,
    matrix: MatRef<'a, T>,
    sums: &'a mut [T],
    partial: &'a mut [T],
}

impl<T: Float> Kernel<T> for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        add_column_sums(simd, self.alpha, &self.matrix, self.sums, self.partial);
    }
}
