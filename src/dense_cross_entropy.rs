//! A dense layer and the softmax-cross-entropy after it, for more classes than there is room for.
//!
//! With tens of thousands of classes the logits of a batch, and their gradient, outweigh everything
//! else: 4096 samples of 32000 classes are 500 MiB in `f32`. Here they are made and used up a chunk
//! of samples at a time, and only one chunk is ever held. Loss and gradients are those of the whole
//! batch. (The idea is that of Hsu et al., *Liger Kernel: Efficient Triton Kernels for LLM
//! Training*, 2024, arXiv 2410.10989, §3.2.)

use crate::aligned::Aligned;
use crate::dense::{self, Gradients};
use crate::error::{Error, Result, check_length, check_shape};
use crate::float::Float;
use crate::loss::{LossOptions, Objective, Upstream};
use crate::par::Par;
use crate::softmax_cross_entropy::rows;
use crate::targets::Targets;
use crate::view::{MatMut, MatRef};
use std::ops::Range;

/// The most bytes of a chunk's logits, unless one sample's take more.
const CHUNK_BYTES: usize = 48 << 20;
/// Chunks have a multiple of this many samples, so that products fill their tiles.
const TILE: usize = 16;

/// The logits of a chunk of samples: memory for a caller to keep from step to step.
///
/// It grows at first use to at most 48 MiB (or to 16 samples' logits, where these are more).
#[derive(Clone, Debug, Default)]
pub struct Workspace<T: Float> {
    logits: Aligned<T>,
}

impl<T: Float> Workspace<T> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Workspace { logits: Aligned::new() }
    }

    /// The bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.logits)
    }

    /// The samples of a chunk; there is room for their logits then. Chunks have like sizes, as
    /// products of few rows are slower.
    fn reserve(&mut self, batch: usize, classes: usize) -> Result<usize> {
        let row_bytes = classes.saturating_mul(size_of::<T>()).max(1);
        let most = (CHUNK_BYTES / row_bytes / TILE).max(1) * TILE;
        let chunks = batch.div_ceil(most).max(1);
        let rows = batch.div_ceil(chunks).next_multiple_of(TILE).min(batch);
        let too_large = Error::TooLarge { argument: "weights", extent: rows, found: classes };
        let len = rows.checked_mul(classes).ok_or(too_large.clone())?;
        self.logits.try_grow(len).map_err(|_| too_large)?;
        Ok(rows)
    }
}

/// The last layer of a network and its loss: logits are inputs·weights + biases.
///
/// ```
/// use gradkern::dense::{Grad, Gradients};
/// use gradkern::dense_cross_entropy::{Head, Workspace};
/// use gradkern::{LossOptions, MatMut, MatRef, Par};
///
/// let (inputs, weights) = ([1.0_f64, 2.0, -1.0, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
/// let head = Head {
///     inputs: MatRef::new(&inputs, 2, 2)?,
///     weights: MatRef::new(&weights, 2, 3)?,
///     biases: &[0.0; 3],
///     targets: (&[2_u8, 0]).into(),
///     options: LossOptions::default(),
/// };
/// let (mut losses, mut grad_inputs) = ([0.0; 2], [0.0; 4]);
/// let gradients = Gradients {
///     inputs: Grad::Write(MatMut::new(&mut grad_inputs, 2, 2)?),
///     ..Gradients::default()
/// };
/// let mut workspace = Workspace::new();
/// let mean = head.forward_backward(&mut losses, gradients, &mut workspace, Par::Seq)?;
/// assert_eq!(mean, head.forward(&mut losses, &mut workspace, Par::Seq)?);
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a, T> {
    /// \[batch × n_inputs\].
    pub inputs: MatRef<'a, T>,
    /// \[n_inputs × classes\].
    pub weights: MatRef<'a, T>,
    /// \[classes\].
    pub biases: &'a [T],
    /// A target for each sample.
    pub targets: Targets<'a, T>,
    /// The options of the loss.
    pub options: LossOptions<'a, T>,
}

impl<T: Float> Head<'_, T> {
    /// The loss of each sample, written to `losses` \[batch\], and, returned, the reduced loss.
    ///
    /// They are those of [`dense::forward`] followed by
    /// [`softmax_cross_entropy::forward`](crate::softmax_cross_entropy::forward).
    ///
    /// # Errors
    /// As those two; [`Error::TooLarge`] if there is no memory for a chunk of logits.
    pub fn forward(&self, losses: &mut [T], workspace: &mut Workspace<T>, par: Par) -> Result<T> {
        let objective = self.check(losses)?;
        for chunk in self.chunks(workspace)? {
            let (logits, losses) =
                (self.logits(workspace, &chunk, par)?, &mut losses[chunk.clone()]);
            rows::losses(&objective, logits.as_ref(), losses, chunk.start, par)?;
        }
        objective.reduce(losses)
    }

    /// [`forward`](Self::forward), and the gradients of the reduced loss with respect to the layer's
    /// inputs, weights and biases.
    ///
    /// They are those of [`softmax_cross_entropy::forward_backward`] followed by
    /// [`dense::backward`], up to rounding: weights' and biases' gradients are summed chunk by chunk.
    ///
    /// [`softmax_cross_entropy::forward_backward`]: crate::softmax_cross_entropy::forward_backward
    ///
    /// # Errors
    /// As those two; [`Error::TooLarge`] if there is no memory for a chunk of logits.
    pub fn forward_backward(
        &self,
        losses: &mut [T],
        mut gradients: Gradients<'_, T>,
        workspace: &mut Workspace<T>,
        par: Par,
    ) -> Result<T> {
        let objective = self.check(losses)?;
        dense::check_gradients(self.inputs, self.weights, &gradients)?;
        let upstream = Upstream::Scalar(T::ONE);
        for chunk in self.chunks(workspace)? {
            let mut logits = self.logits(workspace, &chunk, par)?;
            let (output, losses) = (logits.reborrow(), Some(&mut losses[chunk.clone()]));
            rows::gradients(&objective, upstream, None, output, losses, chunk.start, par)?;
            let inputs = self.inputs.row_range(chunk.clone())?;
            let part = part_of(&mut gradients, &chunk)?;
            dense::backward(inputs, self.weights, logits.as_ref(), part, par)?;
        }
        objective.reduce(losses)
    }

    /// Checks everything but the gradients.
    fn check(&self, losses: &[T]) -> Result<Objective<'_, T>> {
        let (batch, classes) = (self.inputs.rows(), self.weights.cols());
        check_shape("weights", (self.inputs.cols(), classes), self.weights.shape())?;
        check_length("biases", classes, self.biases.len())?;
        crate::isa::current()?;
        Objective::with_losses(self.targets, &self.options, (batch, classes), losses)
    }

    /// The chunks of samples; one without samples where there are none.
    fn chunks(
        &self,
        workspace: &mut Workspace<T>,
    ) -> Result<impl Iterator<Item = Range<usize>> + use<T>> {
        let batch = self.inputs.rows();
        let rows = workspace.reserve(batch, self.weights.cols())?.max(1);
        let starts = (0..batch.max(1)).step_by(rows);
        Ok(starts.map(move |start| start..(start + rows).min(batch)))
    }

    /// The logits of a chunk.
    fn logits<'w>(
        &self,
        workspace: &'w mut Workspace<T>,
        chunk: &Range<usize>,
        par: Par,
    ) -> Result<MatMut<'w, T>> {
        let (rows, classes) = (chunk.len(), self.weights.cols());
        let mut logits = MatMut::new(&mut workspace.logits[..rows * classes], rows, classes)?;
        let inputs = self.inputs.row_range(chunk.clone())?;
        dense::forward(inputs, self.weights, self.biases, logits.reborrow(), par)?;
        Ok(logits)
    }
}

/// The gradients that a chunk adds to. What is written is written by the first chunk.
fn part_of<'a, T: Float>(
    gradients: &'a mut Gradients<'_, T>,
    chunk: &Range<usize>,
) -> Result<Gradients<'a, T>> {
    let first = chunk.start == 0;
    Ok(Gradients {
        inputs: gradients.inputs.as_mut().try_map(|m| m.reborrow().row_range(chunk.clone()))?,
        weights: gradients.weights.as_mut().after(first).try_map(|m| Ok(m.reborrow()))?,
        biases: gradients.biases.as_mut().after(first).try_map(|biases| Ok(&mut **biases))?,
        inputs_are_relu: gradients.inputs_are_relu,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::dense::Grad;

    /// Loss and gradients \[inputs, weights, biases\] of 5 inputs into 30000 classes, in chunks of so
    /// many samples, and by the layer and the loss apart.
    fn both_ways(batch: usize, chunk: usize, par: Par) -> Result<[(f64, Vec<f64>); 2]> {
        let (n_inputs, classes) = (5, 30_000);
        let mut rng = Rng::new(7);
        let mut draw = |len: usize| (0..len).map(|_| rng.normal()).collect::<Vec<f64>>();
        let (inputs, weights) = (draw(batch * n_inputs), draw(n_inputs * classes));
        let biases = draw(classes);
        let labels: Vec<i64> =
            (0..batch as i64).map(|i| if i % 7 == 3 { -1 } else { i * 31 % 30_000 }).collect();
        let head = Head {
            inputs: MatRef::new(&inputs, batch, n_inputs)?,
            weights: MatRef::new(&weights, n_inputs, classes)?,
            biases: &biases,
            targets: (&labels).into(),
            options: LossOptions { ignore_index: Some(-1), ..LossOptions::default() },
        };
        let mut losses = vec![0.0; batch];
        let run = |fused: bool, losses: &mut [f64]| -> Result<(f64, Vec<f64>)> {
            let mut all = vec![f64::NAN; batch * n_inputs + n_inputs * classes + classes];
            let (grad_inputs, rest) = all.split_at_mut(batch * n_inputs);
            let (grad_weights, grad_biases) = rest.split_at_mut(n_inputs * classes);
            let gradients = Gradients {
                inputs: Grad::Write(MatMut::new(grad_inputs, batch, n_inputs)?),
                weights: Grad::Write(MatMut::new(grad_weights, n_inputs, classes)?),
                biases: Grad::Write(grad_biases),
                inputs_are_relu: true,
            };
            let loss = if fused {
                let mut workspace = Workspace::new();
                let loss = head.forward_backward(losses, gradients, &mut workspace, par)?;
                assert_eq!(workspace.bytes(), chunk * classes * size_of::<f64>());
                let alone = head.forward(losses, &mut workspace, par)?;
                assert_eq!(loss.to_bits(), alone.to_bits());
                loss
            } else {
                let mut logits = vec![0.0; batch * classes];
                let mut logits = MatMut::new(&mut logits, batch, classes)?;
                dense::forward(head.inputs, head.weights, head.biases, logits.reborrow(), par)?;
                let loss = crate::softmax_cross_entropy::forward_backward_in_place(
                    logits.reborrow(),
                    head.targets,
                    &head.options,
                    losses,
                    par,
                )?;
                dense::backward(head.inputs, head.weights, logits.as_ref(), gradients, par)?;
                loss
            };
            Ok((loss, all))
        };
        Ok([run(true, &mut losses)?, run(false, &mut losses)?])
    }

    #[test]
    fn chunks_give_what_the_whole_batch_does() -> Result<()> {
        // A chunk has 208 samples at most.
        for (batch, chunk) in [(0, 0), (1, 1), (208, 208), (209, 112), (450, 160)] {
            let [fused, apart] = both_ways(batch, chunk, Par::Seq)?;
            assert!(fused.0 == apart.0 || fused.0.is_nan() && apart.0.is_nan());
            // Each gradient sums at most 450 terms below 10 in magnitude, divided by the batch.
            let bound = 450.0 * f64::EPSILON * 10.0;
            for (i, (a, b)) in fused.1.iter().zip(&apart.1).enumerate() {
                assert!((a - b).abs() <= bound, "element {i} of batch {batch}: {a} and {b}");
            }
            let moved = fused.1.iter().filter(|&&x| x != 0.0).count();
            assert!(batch == 0 || moved > fused.1.len() / 2, "gradients are not all zero");
        }
        Ok(())
    }
}
