//! A network's answers without training it: probabilities, loss, accuracy.

use gradkern::datasets::Dataset;
use gradkern::{LossOptions, MatMut, MatRef, Mlp, Par, Result, cross_entropy, metrics};

/// What a network says of some points, kept from call to call.
#[derive(Default)]
pub struct Forward {
    probabilities: Vec<f32>,
    losses: Vec<f32>,
}

impl Forward {
    /// The mean loss as the book has it: softmax, and the cross-entropy of its probabilities.
    pub fn loss(&mut self, network: &mut Mlp<f32>, data: &Dataset<f32>) -> Result<f32> {
        self.losses.resize(data.samples(), 0.0);
        self.predict(network, data.inputs())?;
        let p = view(&self.probabilities, data.samples())?;
        let options = LossOptions::default();
        cross_entropy::forward(p, (&data.labels).into(), &options, &mut self.losses, Par::Seq)
    }

    /// The share of the points of the last call that it has right.
    pub fn accuracy(&self, data: &Dataset<f32>) -> Result<f64> {
        let p = view(&self.probabilities, data.samples())?;
        metrics::accuracy(p, (&data.labels).into(), None)
    }

    /// The class of each point, x and y in turn.
    pub fn classes(&mut self, network: &mut Mlp<f32>, points: &[f32]) -> Result<Vec<usize>> {
        let mut classes = vec![0; points.len() / 2];
        self.predict(network, MatRef::new(points, classes.len(), 2)?)?;
        metrics::argmax(view(&self.probabilities, classes.len())?, &mut classes)?;
        Ok(classes)
    }

    fn predict(&mut self, network: &mut Mlp<f32>, inputs: MatRef<'_, f32>) -> Result<()> {
        let classes = network.sizes()[network.layers()];
        self.probabilities.resize(inputs.rows() * classes, 0.0);
        network.predict(inputs, MatMut::new(&mut self.probabilities, inputs.rows(), classes)?)
    }
}

fn view(probabilities: &[f32], rows: usize) -> Result<MatRef<'_, f32>> {
    MatRef::new(probabilities, rows, probabilities.len() / rows.max(1))
}
