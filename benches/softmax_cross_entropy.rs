//! The fused loss from logits in f32: alone, and with its gradient. One element of throughput is
//! one logit.

mod common;

use common::{Threads, group, labels, normal};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradkern::{LossOptions, MatMut, MatRef, Targets, softmax_cross_entropy};

/// batch, classes.
const SHAPES: [(usize, usize); 4] = [(300, 3), (128, 10), (1024, 1000), (256, 32000)];

fn bench(criterion: &mut Criterion) {
    let options = LossOptions::default();
    for gradient in [false, true] {
        let name = if gradient { "loss_and_gradient" } else { "loss" };
        let mut group = group(criterion, &format!("softmax_cross_entropy_{name}"));
        for (batch, classes) in SHAPES {
            let (logits, labels) = (normal(batch * classes), labels(batch, classes));
            let (mut losses, mut grad) = (vec![0.0; batch], vec![0.0; batch * classes]);
            group.throughput(Throughput::Elements((batch * classes) as u64));
            for threads in Threads::choices(batch * classes > 100_000) {
                let id =
                    BenchmarkId::new(threads.engine(), format!("batch{batch}_classes{classes}"));
                group.bench_function(id, |bencher| {
                    threads.measure(bencher, |par| {
                        let logits = MatRef::new(&logits, batch, classes).expect("whole rows");
                        let targets = Targets::from(labels.as_slice());
                        let loss = if gradient {
                            let grad = MatMut::new(&mut grad, batch, classes).expect("whole rows");
                            softmax_cross_entropy::forward_backward(
                                logits,
                                targets,
                                &options,
                                &mut losses,
                                grad,
                                par,
                            )
                        } else {
                            softmax_cross_entropy::forward(
                                logits,
                                targets,
                                &options,
                                &mut losses,
                                par,
                            )
                        };
                        std::hint::black_box(loss.expect("shapes that fit"));
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
