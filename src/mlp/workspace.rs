//! The memory of a training step: every layer's output, two gradients under way, the losses.

use crate::aligned::Aligned;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::view::{MatMut, MatRef};

/// Buffers for the largest batch so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace<T: Float> {
    batch: usize,
    /// Each layer's output \[batch × n_neurons\]; the last one's are the logits, then their
    /// gradient.
    outputs: Vec<Aligned<T>>,
    /// Gradients with respect to the outputs of hidden layers, taking turns.
    gradients: [Aligned<T>; 2],
    losses: Aligned<T>,
}

/// What a layer's backward pass reads and writes.
pub(super) struct LayerGradients<'a, T> {
    /// The output of the layer below; `None` for the first layer.
    pub(super) inputs: Option<MatRef<'a, T>>,
    pub(super) grad_output: MatRef<'a, T>,
    /// `None` for the first layer.
    pub(super) grad_inputs: Option<MatMut<'a, T>>,
}

impl<T: Float> Workspace<T> {
    /// Makes room for a batch, or says that there is none.
    pub(super) fn reserve(&mut self, sizes: &[usize], batch: usize) -> Result<()> {
        if batch <= self.batch && !self.outputs.is_empty() {
            return Ok(());
        }
        self.outputs.resize_with(sizes.len() - 1, Aligned::new);
        for (output, &size) in self.outputs.iter_mut().zip(&sizes[1..]) {
            grow(output, batch, size)?;
        }
        let widest = sizes[1..sizes.len() - 1].iter().copied().max().unwrap_or(0);
        for gradient in &mut self.gradients {
            grow(gradient, batch, widest)?;
        }
        grow(&mut self.losses, batch, 1)?;
        self.batch = batch;
        Ok(())
    }

    /// The output of the layer below, if there is one, and that of this layer.
    pub(super) fn outputs(
        &mut self,
        sizes: &[usize],
        layer: usize,
        batch: usize,
    ) -> Result<(Option<MatRef<'_, T>>, MatMut<'_, T>)> {
        let (below, above) = self.outputs.split_at_mut(layer);
        let below = below.last().map(|output| matrix(output, batch, sizes[layer])).transpose()?;
        Ok((below, matrix_mut(&mut above[0], batch, sizes[layer + 1])?))
    }

    /// The logits, and a place for each sample's loss.
    pub(super) fn logits(
        &mut self,
        classes: usize,
        batch: usize,
    ) -> Result<(MatMut<'_, T>, &mut [T])> {
        let last = self.outputs.len() - 1;
        let logits = matrix_mut(&mut self.outputs[last], batch, classes)?;
        Ok((logits, &mut self.losses[..batch]))
    }

    /// What a layer's backward pass works on. The layers above have been done.
    pub(super) fn gradients(
        &mut self,
        sizes: &[usize],
        layer: usize,
        batch: usize,
    ) -> Result<LayerGradients<'_, T>> {
        let [even, odd] = &mut self.gradients;
        let (above, below) = if layer.is_multiple_of(2) { (even, odd) } else { (odd, even) };
        let last = layer + 1 == self.outputs.len();
        let grad_output = if last { &self.outputs[layer] } else { &*above };
        let grad_output = matrix(grad_output, batch, sizes[layer + 1])?;
        if layer == 0 {
            return Ok(LayerGradients { inputs: None, grad_output, grad_inputs: None });
        }
        let inputs = Some(matrix(&self.outputs[layer - 1], batch, sizes[layer])?);
        let grad_inputs = Some(matrix_mut(below, batch, sizes[layer])?);
        Ok(LayerGradients { inputs, grad_output, grad_inputs })
    }
}

/// Makes room for `rows` × `cols` elements.
fn grow<T: Float>(buffer: &mut Aligned<T>, rows: usize, cols: usize) -> Result<()> {
    let too_large = Error::TooLarge { argument: "batch", extent: rows, found: cols };
    let len = rows.checked_mul(cols).ok_or(too_large.clone())?;
    buffer.try_grow(len).map_err(|_| too_large)
}

fn matrix<T: Float>(buffer: &[T], rows: usize, cols: usize) -> Result<MatRef<'_, T>> {
    MatRef::new(&buffer[..rows * cols], rows, cols)
}

fn matrix_mut<T: Float>(buffer: &mut [T], rows: usize, cols: usize) -> Result<MatMut<'_, T>> {
    MatMut::new(&mut buffer[..rows * cols], rows, cols)
}
