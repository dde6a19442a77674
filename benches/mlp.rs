//! A whole training step in f32: forward, softmax-cross-entropy, backward, and plain SGD. One
//! element of throughput is one sample.

mod common;

use common::{Threads, group, labels, normal};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradkern::{Init, MatRef, Mlp, Targets};

/// The sizes of the layers, inputs first, and the batch.
const NETWORKS: [(&[usize], usize); 5] = [
    (&[2, 64, 3], 300),
    (&[64, 32, 10], 32),
    (&[784, 128, 10], 64),
    (&[784, 512, 512, 10], 128),
    (&[1024, 4096, 1024, 1000], 256),
];
/// So small that the network stays as it was drawn.
const LEARNING_RATE: f32 = 1e-9;

fn bench(criterion: &mut Criterion) {
    let mut group = group(criterion, "mlp_train_step");
    for (sizes, batch) in NETWORKS {
        let classes = sizes[sizes.len() - 1];
        let (inputs, labels) = (normal(batch * sizes[0]), labels(batch, classes));
        let mut mlp = Mlp::new(sizes, Init::HeNormal, 0).expect("a network");
        mlp.reserve(batch).expect("memory for a batch");
        let layers: Vec<String> = sizes.iter().map(usize::to_string).collect();
        let name = format!("{}_batch{batch}", layers.join("-"));
        group.throughput(Throughput::Elements(batch as u64));
        for threads in Threads::choices(mlp.parameters().len() * batch > 1_000_000) {
            group.bench_function(BenchmarkId::new(threads.engine(), &name), |bencher| {
                threads.measure(bencher, |par| {
                    mlp.set_par(par);
                    let inputs = MatRef::new(&inputs, batch, sizes[0]).expect("whole rows");
                    let targets = Targets::from(labels.as_slice());
                    let loss = mlp.train_step(inputs, targets, LEARNING_RATE);
                    std::hint::black_box(loss.expect("shapes that fit"));
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
