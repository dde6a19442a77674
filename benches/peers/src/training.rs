//! A whole training step: forward, softmax-cross-entropy, backward, plain SGD.

use crate::data::{Buffer, labels, matrix};
use crate::limits::Work;
use crate::measure::Contender;
use crate::python::Python;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, Optimizer, SGD, Sequential, VarBuilder, VarMap, linear, seq};
use gradkern::{Init, Mlp, Par, Targets};
use serde::Serialize;
use std::hint::black_box;

pub const TABLE: &str = "training step";

/// So small that the network stays as it was drawn.
const LEARNING_RATE: f32 = 1e-9;

/// The sizes of the layers, inputs first, and the batch.
#[derive(Clone, Copy, Serialize)]
pub struct Network {
    pub sizes: &'static [usize],
    pub batch: usize,
}

pub const NETWORKS: [Network; 5] = [
    Network { sizes: &[2, 64, 3], batch: 300 },
    Network { sizes: &[64, 32, 10], batch: 32 },
    Network { sizes: &[784, 128, 10], batch: 64 },
    Network { sizes: &[784, 512, 512, 10], batch: 128 },
    Network { sizes: &[1024, 4096, 1024, 1000], batch: 256 },
];

impl Network {
    pub fn name(&self) -> String {
        let sizes: Vec<_> = self.sizes.iter().map(usize::to_string).collect();
        format!("{}, batch {}", sizes.join("-"), self.batch)
    }

    /// Inputs and neurons of each layer.
    pub fn layers(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        self.sizes.windows(2).map(|pair| (pair[0], pair[1]))
    }

    fn classes(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Three products a layer, two in the first, whose inputs need no gradient. Weights and biases
    /// are read and written, the inputs are read.
    pub fn work(&self) -> Work {
        let weights: usize = self.layers().map(|(n_inputs, n_neurons)| n_inputs * n_neurons).sum();
        let biases: usize = self.layers().map(|(_, n_neurons)| n_neurons).sum();
        let first = self.sizes[0] * self.sizes[1];
        let flops = 2 * self.batch * (3 * weights - first);
        let bytes = 4 * (2 * (weights + biases) + self.batch * self.sizes[0]);
        Work { flops: flops as f64, bytes }
    }
}

/// All who take the step; gradkern is the first.
pub fn contenders<'a>(
    network: Network,
    threads: usize,
    python: Option<&Python>,
) -> Vec<Contender<'a>> {
    let mut contenders =
        vec![gradkern(network, threads), candle(network).expect("a training step by candle")];
    contenders.extend(python.iter().flat_map(|python| python.contenders("training", &network)));
    contenders
}

fn gradkern<'a>(network: Network, threads: usize) -> Contender<'a> {
    let Network { sizes, batch } = network;
    let (inputs, labels) = (Buffer::normal(batch * sizes[0]), labels(batch, network.classes()));
    let mut mlp = Mlp::new(sizes, Init::HeNormal, 0).expect("a network");
    mlp.set_par(if threads == 1 { Par::Seq } else { Par::Rayon });
    Contender::new("gradkern", move || {
        let inputs = matrix(&inputs, batch, sizes[0]);
        let loss = mlp.train_step(inputs, Targets::from(labels.as_slice()), LEARNING_RATE);
        black_box(loss.expect("shapes that fit"));
    })
}

fn candle<'a>(network: Network) -> candle_core::Result<Contender<'a>> {
    let Network { sizes, batch } = network;
    let device = Device::Cpu;
    let inputs = Tensor::from_slice(&Buffer::normal(batch * sizes[0]), (batch, sizes[0]), &device)?;
    let labels = Tensor::from_vec(labels(batch, network.classes()), batch, &device)?;
    let parameters = VarMap::new();
    let model = candle_model(&network, VarBuilder::from_varmap(&parameters, DType::F32, &device))?;
    let mut sgd = SGD::new(parameters.all_vars(), f64::from(LEARNING_RATE))?;
    let mut step = move || -> candle_core::Result<f32> {
        let loss = candle_nn::loss::cross_entropy(&model.forward(&inputs)?, &labels)?;
        sgd.backward_step(&loss)?;
        loss.to_scalar()
    };
    Ok(Contender::new("candle", move || {
        black_box(step().expect("shapes that fit"));
    }))
}

fn candle_model(network: &Network, parameters: VarBuilder<'_>) -> candle_core::Result<Sequential> {
    let mut model = seq();
    for (i, (n_inputs, n_neurons)) in network.layers().enumerate() {
        if i > 0 {
            model = model.add_fn(Tensor::relu);
        }
        model = model.add(linear(n_inputs, n_neurons, parameters.pp(i))?);
    }
    Ok(model)
}
