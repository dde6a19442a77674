//! A stack of dense layers with ReLU between them, softmax-cross-entropy at its end, and its
//! training step.
//!
//! It is what the benchmarks of a training step run, and the example of how a framework composes
//! the kernels: one workspace kept from step to step, one entry into the thread pool, the loss's
//! gradient written over the logits, each layer's gradient with respect to its inputs taken before
//! its weights move, and the weights moved by the product that would have been their gradient.

mod workspace;

use crate::aligned::Aligned;
use crate::dense::{self, Grad, Gradients};
use crate::error::{Error, Result, check_length, check_shape};
use crate::float::Float;
use crate::init::Init;
use crate::loss::LossOptions;
use crate::metrics;
use crate::par::Par;
use crate::rng::Rng;
use crate::softmax;
use crate::softmax_cross_entropy;
use crate::targets::Targets;
use crate::view::{MatMut, MatRef};
use std::ops::Range;
use workspace::Workspace;

/// The samples that [`Mlp::predict`] takes at a time.
const PREDICT_ROWS: usize = 1024;

/// A network of dense layers with ReLU between them, for classification.
///
/// ```
/// use gradkern::{Init, MatRef, Mlp};
///
/// // Which of two numbers is larger?
/// let inputs = [1.0_f32, 0.0, 0.0, 1.0, 0.9, 0.3, 0.2, 0.8];
/// let inputs = MatRef::new(&inputs, 4, 2)?;
/// let labels = [0_u8, 1, 0, 1];
/// let mut mlp = Mlp::new(&[2, 8, 2], Init::HeNormal, 0)?;
/// let first = mlp.train_step(inputs, (&labels).into(), 0.5)?;
/// for _ in 0..100 {
///     mlp.train_step(inputs, (&labels).into(), 0.5)?;
/// }
/// let (loss, accuracy) = mlp.train_step_with_accuracy(inputs, (&labels).into(), 0.5)?;
/// assert!(loss < first && accuracy == 1.0);
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mlp<T: Float> {
    sizes: Vec<usize>,
    /// Weights (row-major) and biases of each layer, one after the other.
    parameters: Aligned<T>,
    /// As the parameters; empty until they are asked for.
    gradients: Aligned<T>,
    workspace: Workspace<T>,
    par: Par,
    options: LossOptions<'static, T>,
    class_weights: Option<Vec<T>>,
}

impl<T: Float> Mlp<T> {
    /// A network whose layers have `sizes[i]` inputs and `sizes[i + 1]` neurons, its weights drawn
    /// as `init` says from a generator seeded with `seed`, its biases 0.
    ///
    /// # Errors
    /// [`Error::Value`] for fewer than two sizes; [`Error::TooLarge`] for more parameters than
    /// memory can hold.
    pub fn new(sizes: &[usize], init: Init, seed: u64) -> Result<Self> {
        let mut mlp = Mlp {
            sizes: sizes.to_vec(),
            parameters: zeros(sizes, count_parameters::<T>(sizes)?)?,
            gradients: Aligned::new(),
            workspace: Workspace::default(),
            par: Par::Seq,
            options: LossOptions::default(),
            class_weights: None,
        };
        let mut rng = Rng::new(seed);
        for layer in 0..mlp.layers() {
            let (n_inputs, n_neurons) = mlp.layer_shape(layer);
            let weights = &mut mlp.parameters[parameter_ranges(sizes, layer).0];
            init.fill(MatMut::new(weights, n_inputs, n_neurons)?, &mut rng);
        }
        Ok(mlp)
    }

    /// Sets how the kernels may use threads; [`Par::Seq`] at first.
    pub fn set_par(&mut self, par: Par) {
        self.par = par;
    }

    /// Sets the options of the loss; those of [`LossOptions::default`] at first.
    ///
    /// # Errors
    /// [`Error::Length`] for class weights that are not as many as the classes. Other values are
    /// checked by each step, against its targets.
    pub fn set_loss(&mut self, options: &LossOptions<'_, T>) -> Result<()> {
        if let Some(weights) = options.class_weights {
            check_length("class_weights", self.classes(), weights.len())?;
        }
        self.class_weights = options.class_weights.map(<[T]>::to_vec);
        self.options = LossOptions { class_weights: None, ..*options };
        Ok(())
    }

    /// Makes the workspace large enough for batches of this size, which the first step does
    /// otherwise.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there is no memory for it.
    pub fn reserve(&mut self, batch: usize) -> Result<()> {
        self.workspace.reserve(&self.sizes, batch)
    }

    /// Inputs of the network, neurons of each layer; the last is the number of classes.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.sizes.len() - 1
    }

    /// All parameters: for each layer its weights, row-major \[n_inputs × n_neurons\], then its
    /// biases \[n_neurons\].
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// All parameters, to change.
    #[must_use]
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    /// The gradients that [`loss_and_gradients`](Self::loss_and_gradients) computed last, in the
    /// order of the parameters; empty before.
    #[must_use]
    pub fn gradients(&self) -> &[T] {
        &self.gradients
    }

    /// What an [`optimizer`](crate::optimizer) works on.
    #[must_use]
    pub fn parameters_and_gradients(&mut self) -> (&mut [T], &[T]) {
        (&mut self.parameters, &self.gradients)
    }

    /// A layer's weights \[n_inputs × n_neurons\].
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such layer.
    pub fn weights(&self, layer: usize) -> Result<MatRef<'_, T>> {
        self.check_layer(layer)?;
        let (rows, cols) = self.layer_shape(layer);
        MatRef::new(&self.parameters[parameter_ranges(&self.sizes, layer).0], rows, cols)
    }

    /// A layer's biases \[n_neurons\].
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such layer.
    pub fn biases(&self, layer: usize) -> Result<&[T]> {
        self.check_layer(layer)?;
        Ok(&self.parameters[parameter_ranges(&self.sizes, layer).1])
    }

    /// Sets a layer's weights \[n_inputs × n_neurons\] and biases \[n_neurons\].
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such layer, [`Error::Shape`] or [`Error::Length`] if they do
    /// not fit it.
    pub fn set_layer(&mut self, layer: usize, weights: MatRef<'_, T>, biases: &[T]) -> Result<()> {
        self.check_layer(layer)?;
        let (rows, cols) = self.layer_shape(layer);
        check_shape("weights", (rows, cols), weights.shape())?;
        check_length("biases", cols, biases.len())?;
        let (weights_range, biases_range) = parameter_ranges(&self.sizes, layer);
        let mut to = MatMut::new(&mut self.parameters[weights_range], rows, cols)?;
        to.copy_from(weights);
        self.parameters[biases_range].copy_from_slice(biases);
        Ok(())
    }

    /// A step of plain stochastic gradient descent on a batch; returns its loss before the step.
    ///
    /// `inputs` is \[batch × sizes\[0\]\]. After the first step with a batch of this size, or
    /// [`reserve`](Self::reserve), a sequential step allocates nothing of its own. (On the portable
    /// engine the `matrixmultiply` crate allocates a packing buffer for each 40 steps of a product, 12 in `f64`, or fewer.)
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs of another width, [`Error::Value`] for a learning rate that is
    /// not finite, and as [`softmax_cross_entropy::forward`] for the targets; the parameters are
    /// then unchanged.
    pub fn train_step(
        &mut self,
        inputs: MatRef<'_, T>,
        targets: Targets<'_, T>,
        learning_rate: T,
    ) -> Result<T> {
        Ok(self.step(inputs, targets, Update::Descend { learning_rate }, false)?.0)
    }

    /// [`train_step`](Self::train_step), and the accuracy of the predictions it started from.
    ///
    /// # Errors
    /// As [`train_step`](Self::train_step).
    pub fn train_step_with_accuracy(
        &mut self,
        inputs: MatRef<'_, T>,
        targets: Targets<'_, T>,
        learning_rate: T,
    ) -> Result<(T, f64)> {
        self.step(inputs, targets, Update::Descend { learning_rate }, true)
    }

    /// The loss of a batch, and its gradients, which [`gradients`](Self::gradients) then holds.
    ///
    /// # Errors
    /// As [`train_step`](Self::train_step).
    pub fn loss_and_gradients(
        &mut self,
        inputs: MatRef<'_, T>,
        targets: Targets<'_, T>,
    ) -> Result<T> {
        Ok(self.step(inputs, targets, Update::Store, false)?.0)
    }

    /// The probabilities of the classes for each sample: `inputs` is \[batch × sizes\[0\]\],
    /// `probabilities` \[batch × classes\].
    ///
    /// # Errors
    /// [`Error::Shape`] unless both have these shapes.
    pub fn predict(&mut self, inputs: MatRef<'_, T>, probabilities: MatMut<'_, T>) -> Result<()> {
        let batch = inputs.rows();
        check_shape("inputs", (batch, self.sizes[0]), inputs.shape())?;
        check_shape("probabilities", (batch, self.classes()), probabilities.shape())?;
        crate::isa::current()?;
        self.reserve(batch.min(PREDICT_ROWS))?;
        let par = self.par;
        par.enter(self.work(batch) / 3, |par| {
            let mut rest = probabilities;
            for start in (0..batch).step_by(PREDICT_ROWS) {
                let end = (start + PREDICT_ROWS).min(batch);
                let logits = rest.reborrow().row_range(start..end)?;
                self.forward(inputs.row_range(start..end)?, Some(logits), par)?;
                softmax::forward_in_place(rest.reborrow().row_range(start..end)?, par)?;
            }
            Ok(())
        })
    }

    fn classes(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    fn layer_shape(&self, layer: usize) -> (usize, usize) {
        (self.sizes[layer], self.sizes[layer + 1])
    }

    fn check_layer(&self, layer: usize) -> Result<()> {
        if layer < self.layers() {
            return Ok(());
        }
        let found = (layer, layer.saturating_add(1));
        Err(Error::Range { argument: "layer", expected: self.layers(), found })
    }

    /// The multiply-adds of a training step: three products a layer.
    fn work(&self, batch: usize) -> usize {
        self.parameters.len().saturating_mul(3).saturating_mul(batch)
    }

    fn step(
        &mut self,
        inputs: MatRef<'_, T>,
        targets: Targets<'_, T>,
        update: Update<T>,
        with_accuracy: bool,
    ) -> Result<(T, f64)> {
        let (batch, classes) = (inputs.rows(), self.classes());
        check_shape("inputs", (batch, self.sizes[0]), inputs.shape())?;
        if let Update::Descend { learning_rate } = update {
            dense::check_learning_rate(learning_rate)?;
        }
        targets.check(batch, classes, self.options.ignore_index)?;
        self.reserve(batch)?;
        // Kept only if nothing is refused after all.
        let gradients = match update {
            Update::Store if self.gradients.is_empty() => {
                Some(zeros(&self.sizes, self.parameters.len())?)
            }
            _ => None,
        };
        let par = self.par;
        par.enter(self.work(batch), |par| {
            self.forward(inputs, None, par)?;
            let class_weights = self.class_weights.as_deref();
            let options = LossOptions { class_weights, ..self.options };
            let (logits, losses) = self.workspace.logits(classes, batch)?;
            let accuracy = if with_accuracy {
                metrics::accuracy(logits.as_ref(), targets, self.options.ignore_index)?
            } else {
                f64::NAN
            };
            let loss = softmax_cross_entropy::forward_backward_in_place(
                logits, targets, &options, losses, par,
            )?;
            if let Some(gradients) = gradients {
                self.gradients = gradients;
            }
            self.backward(inputs, update, par)?;
            Ok((loss, accuracy))
        })
    }

    /// Computes every layer's output; the last one's goes to `logits` where that is given.
    fn forward(
        &mut self,
        inputs: MatRef<'_, T>,
        mut logits: Option<MatMut<'_, T>>,
        par: Par,
    ) -> Result<()> {
        let last = self.layers() - 1;
        for layer in 0..=last {
            let (weights, biases) = layer_parameters(&self.sizes, &self.parameters, layer)?;
            let batch = inputs.rows();
            let (below, output) = self.workspace.outputs(&self.sizes, layer, batch)?;
            let below = below.unwrap_or(inputs);
            match &mut logits {
                _ if layer < last => dense::forward_relu(below, weights, biases, output, par)?,
                Some(logits) => dense::forward(below, weights, biases, logits.reborrow(), par)?,
                None => dense::forward(below, weights, biases, output, par)?,
            }
        }
        Ok(())
    }

    /// From the gradient with respect to the logits, moves the parameters or stores the gradients.
    fn backward(&mut self, inputs: MatRef<'_, T>, update: Update<T>, par: Par) -> Result<()> {
        let batch = inputs.rows();
        for layer in (0..self.layers()).rev() {
            let work = self.workspace.gradients(&self.sizes, layer, batch)?;
            let below = work.inputs.unwrap_or(inputs);
            if let Some(grad_inputs) = work.grad_inputs {
                let (weights, _) = layer_parameters(&self.sizes, &self.parameters, layer)?;
                let gradients = Gradients {
                    inputs: Grad::Write(grad_inputs),
                    inputs_are_relu: true,
                    ..Gradients::default()
                };
                dense::backward(below, weights, work.grad_output, gradients, par)?;
            }
            match update {
                Update::Descend { learning_rate } => {
                    let (weights, biases) =
                        layer_parameters_mut(&self.sizes, &mut self.parameters, layer)?;
                    dense::sgd_step(below, work.grad_output, learning_rate, weights, biases, par)?;
                }
                Update::Store => {
                    let (weights, _) = layer_parameters(&self.sizes, &self.parameters, layer)?;
                    let (grad_weights, grad_biases) =
                        layer_parameters_mut(&self.sizes, &mut self.gradients, layer)?;
                    let gradients = Gradients {
                        weights: Grad::Write(grad_weights),
                        biases: Grad::Write(grad_biases),
                        ..Gradients::default()
                    };
                    dense::backward(below, weights, work.grad_output, gradients, par)?;
                }
            }
        }
        Ok(())
    }
}

/// What is done with the gradients of the parameters.
#[derive(Clone, Copy)]
enum Update<T> {
    Descend { learning_rate: T },
    Store,
}

/// The number of parameters of a network, if that many can be held in memory.
fn count_parameters<T>(sizes: &[usize]) -> Result<usize> {
    if sizes.len() < 2 {
        let (expected, found) = ("at least two sizes", sizes.len() as f64);
        return Err(Error::Value { argument: "sizes", expected, found });
    }
    let mut count = 0_usize;
    for pair in sizes.windows(2) {
        let too_large = Error::TooLarge { argument: "sizes", extent: pair[0], found: pair[1] };
        count = pair[0]
            .checked_add(1)
            .and_then(|rows| rows.checked_mul(pair[1]))
            .and_then(|layer| layer.checked_add(count))
            .filter(|&count| count <= isize::MAX as usize / size_of::<T>())
            .ok_or(too_large)?;
    }
    Ok(count)
}

/// As many zeros, if there is memory for them.
fn zeros<T: Float>(sizes: &[usize], count: usize) -> Result<Aligned<T>> {
    let (extent, found) = (sizes[0], sizes[1]);
    let mut zeros = Aligned::new();
    let room = zeros.try_grow(count);
    room.map_err(|_| Error::TooLarge { argument: "sizes", extent, found })?;
    Ok(zeros)
}

/// Where a layer's weights and biases lie among the parameters.
fn parameter_ranges(sizes: &[usize], layer: usize) -> (Range<usize>, Range<usize>) {
    let start = sizes.windows(2).take(layer).map(|pair| (pair[0] + 1) * pair[1]).sum();
    let biases = start + sizes[layer] * sizes[layer + 1];
    (start..biases, biases..biases + sizes[layer + 1])
}

fn layer_parameters<'a, T: Float>(
    sizes: &[usize],
    parameters: &'a [T],
    layer: usize,
) -> Result<(MatRef<'a, T>, &'a [T])> {
    let (weights, biases) = parameter_ranges(sizes, layer);
    let weights = MatRef::new(&parameters[weights], sizes[layer], sizes[layer + 1])?;
    Ok((weights, &parameters[biases]))
}

fn layer_parameters_mut<'a, T: Float>(
    sizes: &[usize],
    parameters: &'a mut [T],
    layer: usize,
) -> Result<(MatMut<'a, T>, &'a mut [T])> {
    let (weights, biases) = parameter_ranges(sizes, layer);
    let (weights, biases) = parameters[weights.start..biases.end].split_at_mut(weights.len());
    Ok((MatMut::new(weights, sizes[layer], sizes[layer + 1])?, biases))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_cannot_hold_is_an_error() -> Result<()> {
        let huge = Mlp::<f64>::new(&[1 << 30, 1 << 29], Init::Book, 0);
        assert!(matches!(huge, Err(Error::TooLarge { argument: "sizes", .. })));
        let mut mlp = Mlp::<f32>::new(&[2, 3, 2], Init::Book, 0)?;
        for batch in [usize::MAX, 1 << 60] {
            let refused = mlp.reserve(batch);
            assert!(
                matches!(refused, Err(Error::TooLarge { argument: "batch", .. })),
                "{refused:?}"
            );
        }
        let rows = MatRef::with_strides(&[1.0_f32; 2], 1 << 50, 2, 0, 1)?;
        let targets = MatRef::with_strides(&[0.5_f32; 2], 1 << 50, 2, 0, 1)?;
        let refused = mlp.train_step(rows, targets.into(), 0.1);
        assert!(matches!(refused, Err(Error::TooLarge { argument: "batch", .. })), "{refused:?}");
        mlp.train_step(rows.row_range(0..4)?, targets.row_range(0..4)?.into(), 0.1)?;
        Ok(())
    }
}
