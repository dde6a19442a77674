//! C ← A·B in f32, beside the `matrixmultiply` crate on one thread. One element of throughput is
//! one floating-point operation.

mod common;

use common::{Threads, flops, group, normal};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradkern::gemm::gemm;
use gradkern::{MatMut, MatRef};

/// One product: what A is m × k and B k × n of, and which of them lies transposed in memory.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    layout: Layout,
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Plain,
    ATransposed,
    BTransposed,
}

const PLAIN: [(usize, usize, usize); 10] = [
    (300, 64, 2),
    (300, 3, 64),
    (1, 1024, 1024),
    (8, 1024, 1024),
    (32, 512, 784),
    (128, 512, 784),
    (128, 10, 512),
    (256, 1024, 1024),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
];

/// The gradients of a 784 × 512 and of a 512 × 10 layer at batch 128.
const TRANSPOSED: [(usize, usize, usize, Layout); 4] = [
    (784, 512, 128, Layout::ATransposed),
    (512, 10, 128, Layout::ATransposed),
    (128, 784, 512, Layout::BTransposed),
    (128, 512, 10, Layout::BTransposed),
];

fn cases() -> impl Iterator<Item = Case> {
    let plain = PLAIN.map(|(m, n, k)| (m, n, k, Layout::Plain));
    plain.into_iter().chain(TRANSPOSED).map(|(m, n, k, layout)| Case { m, n, k, layout })
}

impl Case {
    fn name(&self) -> String {
        let Case { m, n, k, layout } = self;
        let suffix = match layout {
            Layout::Plain => "",
            Layout::ATransposed => "_a_transposed",
            Layout::BTransposed => "_b_transposed",
        };
        format!("m{m}_n{n}_k{k}{suffix}")
    }

    fn a<'a>(&self, data: &'a [f32]) -> MatRef<'a, f32> {
        view(data, self.m, self.k, self.layout == Layout::ATransposed)
    }

    fn b<'a>(&self, data: &'a [f32]) -> MatRef<'a, f32> {
        view(data, self.k, self.n, self.layout == Layout::BTransposed)
    }
}

fn view(data: &[f32], rows: usize, cols: usize, transposed: bool) -> MatRef<'_, f32> {
    let view = if transposed {
        MatRef::new(data, cols, rows).map(MatRef::t)
    } else {
        MatRef::new(data, rows, cols)
    };
    view.expect("as many elements as the shape has")
}

fn bench(criterion: &mut Criterion) {
    let mut group = group(criterion, "gemm");
    for case in cases() {
        let (a, b) = (normal(case.m * case.k), normal(case.k * case.n));
        let mut c = vec![0.0; case.m * case.n];
        let operations = flops(case.m, case.n, case.k);
        group.throughput(Throughput::Elements(operations));
        for threads in Threads::choices(operations > 100_000_000) {
            group.bench_function(BenchmarkId::new(threads.engine(), case.name()), |bencher| {
                threads.measure(bencher, |par| {
                    let c = MatMut::new(&mut c, case.m, case.n).expect("m × n elements");
                    gemm(1.0, case.a(&a), case.b(&b), 0.0, c, par).expect("shapes that fit");
                });
            });
        }
        let id = BenchmarkId::new("matrixmultiply-1thread", case.name());
        group.bench_function(id, |bencher| bencher.iter(|| peer(&case, &a, &b, &mut c)));
    }
    group.finish();
}

/// The same product by `matrixmultiply`.
fn peer(case: &Case, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (m, n, k) = (case.m, case.n, case.k);
    let strides = |rows: usize, cols: usize, transposed: bool| {
        if transposed { (1, rows as isize) } else { (cols as isize, 1) }
    };
    let (rsa, csa) = strides(m, k, case.layout == Layout::ATransposed);
    let (rsb, csb) = strides(k, n, case.layout == Layout::BTransposed);
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // SAFETY: each matrix fills its slice, as asserted, and the strides are those of its shape,
    // row-major or column-major.
    unsafe {
        matrixmultiply::sgemm(m, k, n, 1.0, a, rsa, csa, b, rsb, csb, 0.0, c, n as isize, 1);
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
