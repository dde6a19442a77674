//! The dense layer in f32: forward with ReLU, backward with all three gradients, and the step that
//! moves the weights without storing their gradient. One element of throughput is one
//! floating-point operation.

mod common;

use common::{Threads, flops, group, normal};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main, measurement::WallTime};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::{MatMut, MatRef};

/// batch, n_inputs, n_neurons.
type Shape = (usize, usize, usize);

const SHAPES: [Shape; 5] =
    [(300, 2, 64), (32, 64, 32), (64, 784, 128), (128, 784, 512), (256, 1024, 4096)];
/// So small that the weights stay as they were drawn.
const LEARNING_RATE: f32 = 1e-9;

fn name((batch, n_inputs, n_neurons): Shape) -> String {
    format!("batch{batch}_{n_inputs}x{n_neurons}")
}

fn threads((batch, n_inputs, n_neurons): Shape) -> Vec<Threads> {
    Threads::choices(flops(batch, n_inputs, n_neurons) > 100_000_000)
}

fn read(data: &[f32], rows: usize, cols: usize) -> MatRef<'_, f32> {
    MatRef::new(data, rows, cols).expect("as many elements as the shape has")
}

fn write(data: &mut [f32], rows: usize, cols: usize) -> MatMut<'_, f32> {
    MatMut::new(data, rows, cols).expect("as many elements as the shape has")
}

fn forward_relu(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let (batch, n_inputs, n_neurons) = shape;
    let (inputs, weights) = (normal(batch * n_inputs), normal(n_inputs * n_neurons));
    let (biases, mut output) = (normal(n_neurons), vec![0.0; batch * n_neurons]);
    group.throughput(Throughput::Elements(flops(batch, n_inputs, n_neurons)));
    for threads in threads(shape) {
        group.bench_function(BenchmarkId::new(threads.engine(), name(shape)), |bencher| {
            threads.measure(bencher, |par| {
                let inputs = read(&inputs, batch, n_inputs);
                let weights = read(&weights, n_inputs, n_neurons);
                let output = write(&mut output, batch, n_neurons);
                dense::forward_relu(inputs, weights, &biases, output, par)
                    .expect("shapes that fit");
            });
        });
    }
}

fn backward(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let (batch, n_inputs, n_neurons) = shape;
    let (inputs, weights) = (normal(batch * n_inputs), normal(n_inputs * n_neurons));
    let grad_output = normal(batch * n_neurons);
    let mut grad_inputs = vec![0.0; inputs.len()];
    let mut grad_weights = vec![0.0; weights.len()];
    let mut grad_biases = vec![0.0; n_neurons];
    group.throughput(Throughput::Elements(2 * flops(batch, n_inputs, n_neurons)));
    for threads in threads(shape) {
        group.bench_function(BenchmarkId::new(threads.engine(), name(shape)), |bencher| {
            threads.measure(bencher, |par| {
                let inputs = read(&inputs, batch, n_inputs);
                let weights = read(&weights, n_inputs, n_neurons);
                let grad_output = read(&grad_output, batch, n_neurons);
                let gradients = Gradients {
                    inputs: Grad::Write(write(&mut grad_inputs, batch, n_inputs)),
                    weights: Grad::Write(write(&mut grad_weights, n_inputs, n_neurons)),
                    biases: Grad::Write(&mut grad_biases),
                    ..Gradients::default()
                };
                dense::backward(inputs, weights, grad_output, gradients, par)
                    .expect("shapes that fit");
            });
        });
    }
}

fn sgd_step(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let (batch, n_inputs, n_neurons) = shape;
    let (inputs, grad_output) = (normal(batch * n_inputs), normal(batch * n_neurons));
    let (mut weights, mut biases) = (normal(n_inputs * n_neurons), normal(n_neurons));
    group.throughput(Throughput::Elements(flops(batch, n_inputs, n_neurons)));
    for threads in threads(shape) {
        group.bench_function(BenchmarkId::new(threads.engine(), name(shape)), |bencher| {
            threads.measure(bencher, |par| {
                let inputs = read(&inputs, batch, n_inputs);
                let grad_output = read(&grad_output, batch, n_neurons);
                let weights = write(&mut weights, n_inputs, n_neurons);
                dense::sgd_step(inputs, grad_output, LEARNING_RATE, weights, &mut biases, par)
                    .expect("shapes that fit");
            });
        });
    }
}

fn bench(criterion: &mut Criterion) {
    for (name, run) in [
        ("dense_forward_relu", forward_relu as fn(&mut BenchmarkGroup<'_, WallTime>, Shape)),
        ("dense_backward", backward),
        ("dense_sgd_step", sgd_step),
    ] {
        let mut group = group(criterion, name);
        SHAPES.into_iter().for_each(|shape| run(&mut group, shape));
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
