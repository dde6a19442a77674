//! A training step's last layer with many classes, in f32, with all gradients: the layer and its loss
//! fused, which holds a chunk of logits; apart, which holds them all and their gradient; and apart in
//! place, where the gradient is written over the logits. One element of throughput is one
//! floating-point operation of the three products.

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

/// The layer and the loss apart, with memory for the gradient of the logits or over them.
fn apart(
    head: &Head<'_, f32>,
    (logits, grad_logits): (&mut [f32], Option<&mut [f32]>),
    memory: &mut Memory,
    par: Par,
) -> Result<f32> {
    let mut logits = MatMut::new(logits, BATCH, CLASSES)?;
    let (gradients, losses) = memory.gradients()?;
    let Head { inputs, weights, biases, targets, options } = *head;
    dense::forward(inputs, weights, biases, logits.reborrow(), par)?;
    let loss = match grad_logits {
        Some(grad) => {
            let mut grad = MatMut::new(grad, BATCH, CLASSES)?;
            let output = grad.reborrow();
            let loss = softmax_cross_entropy::forward_backward(
                logits.as_ref(),
                targets,
                &options,
                losses,
                output,
                par,
            )?;
            dense::backward(inputs, weights, grad.as_ref(), gradients, par)?;
            loss
        }
        None => {
            let output = logits.reborrow();
            let loss = softmax_cross_entropy::forward_backward_in_place(
                output, targets, &options, losses, par,
            )?;
            dense::backward(inputs, weights, logits.as_ref(), gradients, par)?;
            loss
        }
    };
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
    let mut workspace = Workspace::new();
    let (mut logits, mut grad_logits) = (vec![0.0; BATCH * CLASSES], vec![0.0; BATCH * CLASSES]);
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
                let held = (&mut logits[..], Some(&mut grad_logits[..]));
                std::hint::black_box(
                    apart(&head, held, &mut memory, par).expect("shapes that fit"),
                );
            });
        });
        group.bench_function(id("apart_in_place"), |bencher| {
            threads.measure(bencher, |par| {
                let held = (&mut logits[..], None);
                std::hint::black_box(
                    apart(&head, held, &mut memory, par).expect("shapes that fit"),
                );
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
