//! A training step's last layer with many classes, in f32: the layer and its loss fused, which holds
//! a chunk of logits, and apart, which holds them all, with all gradients. One element of throughput
//! is one floating-point operation of the three products.

mod common;

use common::{Threads, flops, group, labels, normal};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::{LossOptions, MatMut, MatRef, Par, Result, softmax_cross_entropy};

const BATCH: usize = 1024;
const INPUTS: usize = 512;
const CLASSES: usize = 32_000;

/// Where gradients go.
struct Memory {
    inputs: Vec<f32>,
    weights: Vec<f32>,
    biases: Vec<f32>,
    losses: Vec<f32>,
}

impl Memory {
    fn gradients(&mut self) -> Result<(Gradients<'_, f32>, &mut [f32])> {
        let gradients = Gradients {
            inputs: Grad::Write(MatMut::new(&mut self.inputs, BATCH, INPUTS)?),
            weights: Grad::Write(MatMut::new(&mut self.weights, INPUTS, CLASSES)?),
            biases: Grad::Write(&mut self.biases),
            ..Gradients::default()
        };
        Ok((gradients, &mut self.losses))
    }
}

fn apart(head: &Head<'_, f32>, logits: &mut [f32], memory: &mut Memory, par: Par) -> Result<f32> {
    let mut logits = MatMut::new(logits, BATCH, CLASSES)?;
    let (gradients, losses) = memory.gradients()?;
    dense::forward(head.inputs, head.weights, head.biases, logits.reborrow(), par)?;
    let loss = softmax_cross_entropy::forward_backward_in_place(
        logits.reborrow(),
        head.targets,
        &head.options,
        losses,
        par,
    )?;
    dense::backward(head.inputs, head.weights, logits.as_ref(), gradients, par)?;
    Ok(loss)
}

fn fused(
    head: &Head<'_, f32>,
    workspace: &mut Workspace<f32>,
    memory: &mut Memory,
    par: Par,
) -> Result<f32> {
    let (gradients, losses) = memory.gradients()?;
    head.forward_backward(losses, gradients, workspace, par)
}

fn bench(criterion: &mut Criterion) {
    let mut group = group(criterion, "dense_cross_entropy");
    group.sample_size(10).throughput(Throughput::Elements(3 * flops(BATCH, CLASSES, INPUTS)));
    let inputs = normal(BATCH * INPUTS);
    // Logits of N(0, 1): with those of N(0, 512), gradients would be subnormal, and products take
    // processors a hundred times as long.
    let scale = (INPUTS as f32).sqrt().recip();
    let weights: Vec<f32> = normal(INPUTS * CLASSES).iter().map(|x| x * scale).collect();
    let (biases, labels) = (vec![0.0; CLASSES], labels(BATCH, CLASSES));
    let head = Head {
        inputs: MatRef::new(&inputs, BATCH, INPUTS).expect("whole rows"),
        weights: MatRef::new(&weights, INPUTS, CLASSES).expect("whole rows"),
        biases: &biases,
        targets: labels.as_slice().into(),
        options: LossOptions::default(),
    };
    let mut memory = Memory {
        inputs: vec![0.0; BATCH * INPUTS],
        weights: vec![0.0; INPUTS * CLASSES],
        biases: vec![0.0; CLASSES],
        losses: vec![0.0; BATCH],
    };
    let (mut workspace, mut logits) = (Workspace::new(), vec![0.0; BATCH * CLASSES]);
    for threads in Threads::choices(true) {
        let parameter = format!("batch{BATCH}_{INPUTS}x{CLASSES}");
        let id = |what: &str| BenchmarkId::new(format!("{what}-{}", threads.engine()), &parameter);
        group.bench_function(id("fused"), |bencher| {
            threads.measure(bencher, |par| {
                let loss = fused(&head, &mut workspace, &mut memory, par);
                std::hint::black_box(loss.expect("shapes that fit"));
            });
        });
        group.bench_function(id("apart"), |bencher| {
            threads.measure(bencher, |par| {
                let loss = apart(&head, &mut logits, &mut memory, par);
                std::hint::black_box(loss.expect("shapes that fit"));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
