//! Products and dense layers, for every number of rows and columns up to two tiles: 14 rows, and 2
//! vectors of columns, or 4 or 8 where there are few rows; some with as many rows as half tiles have.

use crate::region::{Place, Region, regions};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::{Float, MatMut, MatRef, Par};

/// Small numbers, a quarter of them 0 or less.
fn number<T: Float>(i: usize) -> T {
    T::from_f64(((i * 37 + 11) % 64) as f64 / 64.0 - 0.25)
}

fn numbers<T: Float>(region: &mut Region, len: usize, place: Place) -> &mut [T] {
    region.slice(len, place, number)
}

/// A view of `rows` × `cols`, turned or not.
fn view<T: Float>(data: &[T], (rows, cols): (usize, usize), turned: bool) -> MatRef<'_, T> {
    if turned {
        MatRef::new(data, cols, rows).expect("as long").t()
    } else {
        MatRef::new(data, rows, cols).expect("as long")
    }
}

fn view_mut<T: Float>(data: &mut [T], (rows, cols): (usize, usize), turned: bool) -> MatMut<'_, T> {
    if turned {
        MatMut::new(data, cols, rows).expect("as long").t()
    } else {
        MatMut::new(data, rows, cols).expect("as long")
    }
}

/// The shape of a product: m, k and n.
type Shape = (usize, usize, usize);

/// Every m and n up to two tiles, with some k; more columns where a tile has more, and long k,
/// which other kernels take, where C is small; and few rows with a large B.
fn shapes<T: Float>() -> impl Iterator<Item = Shape> {
    let lanes = 64 / size_of::<T>();
    let cols = move |m| match m {
        0..=2 => 16 * lanes + 1,
        3..=6 => 8 * lanes + 1,
        _ => 4 * lanes + 1,
    };
    let short = (0..=29).flat_map(move |m| (0..=cols(m)).map(move |n| (m, n)));
    let short = short.flat_map(|(m, n)| [1, 2 + (m + n) % 17, 33].map(|k| (m, k, n)));
    let long = (1..=13).flat_map(|m| (1..=33).flat_map(move |n| [129, 400 + n].map(|k| (m, k, n))));
    let tall =
        (28..=45).chain(57..=60).flat_map(|m| [31, 32, 33, 64, 65].map(|n| (m, 100 + 9 * n, n)));
    // A B too large for L2 is read many rows at a time.
    let large = [3, 6, 8].map(|m| (m, 599, 901));
    short.chain(long).chain(tall).chain((0..=40).map(|k| (5, k, 7))).chain(large)
}

/// Calls `f` for every transpose of A, B and C.
fn for_transposes(f: &mut dyn FnMut([bool; 3])) {
    for bits in 0..8 {
        f([bits & 1 != 0, bits & 2 != 0, bits & 4 != 0]);
    }
}

fn every_gemm<T: Float>(place: Place) {
    let [mut a, mut b, mut c] = regions();
    for (m, k, n) in shapes::<T>() {
        let a = &*numbers::<T>(&mut a, m * k, place);
        let b = &*numbers::<T>(&mut b, k * n, place);
        let c = numbers::<T>(&mut c, m * n, place);
        for_transposes(&mut |[turn_a, turn_b, turn_c]| {
            let (a, b) = (view(a, (m, k), turn_a), view(b, (k, n), turn_b));
            for beta in [T::ZERO, T::ONE] {
                let c = view_mut(c, (m, n), turn_c);
                gemm(T::from_f64(0.5), a, b, beta, c, Par::Seq).expect("shapes fit");
            }
        });
        let (a, b) = (view(a, (m, k), false), view(b, (k, n), false));
        let mut c = [view_mut(c, (m, n), false)];
        gemm_batched(T::ONE, &[a], &[b], T::ZERO, &mut c, Par::Seq).expect("shapes fit");
    }
}

#[test]
fn products_of_f32() {
    Place::BOTH.into_iter().for_each(every_gemm::<f32>);
}

#[test]
fn products_of_f64() {
    Place::BOTH.into_iter().for_each(every_gemm::<f64>);
}

/// A layer and all that its passes write.
fn every_pass<T: Float>((batch, inputs, neurons): Shape, regions: &mut [Region; 6], place: Place) {
    let [x, w, b, y, grad_x, grad_w] = regions;
    let (x_shape, w_shape, y_shape) = ((batch, inputs), (inputs, neurons), (batch, neurons));
    let x = &*numbers::<T>(x, batch * inputs, place);
    let w = numbers::<T>(w, inputs * neurons, place);
    let b = numbers::<T>(b, neurons, place);
    let y = numbers::<T>(y, batch * neurons, place);
    let grad_x = numbers::<T>(grad_x, batch * inputs, place);
    let grad_w = numbers::<T>(grad_w, inputs * neurons, place);
    for_transposes(&mut |[turn_x, turn_w, turn_y]| {
        let x = view(x, x_shape, turn_x);
        for forward in [dense::forward, dense::forward_relu] {
            let (weights, output) = (view(w, w_shape, turn_w), view_mut(y, y_shape, turn_y));
            forward(x, weights, b, output, Par::Seq).expect("shapes fit");
        }
        let grad_output = view(y, y_shape, turn_y);
        let gradients = Gradients {
            inputs: Grad::Write(view_mut(grad_x, x_shape, turn_x)),
            weights: Grad::Add(view_mut(grad_w, w_shape, turn_w)),
            biases: Grad::Write(&mut *b),
            inputs_are_relu: true,
        };
        let weights = view(w, w_shape, turn_w);
        dense::backward(x, weights, grad_output, gradients, Par::Seq).expect("shapes fit");
        let to = view_mut(w, w_shape, turn_w);
        dense::sgd_step(x, grad_output, T::from_f64(0.5), to, b, Par::Seq).expect("shapes fit");
    });
}

fn every_layer<T: Float>(place: Place) {
    let mut regions = regions();
    for (batch, inputs, neurons) in shapes::<T>().filter(|(m, _, n)| (m + n) % 3 == 0) {
        every_pass::<T>((batch, inputs, neurons), &mut regions, place);
    }
}

#[test]
fn layers_of_f32() {
    Place::BOTH.into_iter().for_each(every_layer::<f32>);
}

#[test]
fn layers_of_f64() {
    Place::BOTH.into_iter().for_each(every_layer::<f64>);
}

/// Products so large that the pool's threads share them.
#[cfg(feature = "rayon")]
#[test]
fn shared_products() {
    fn check<T: Float>(place: Place) {
        let [mut a, mut b, mut c] = regions();
        for (m, k, n) in [(257, 200, 131), (9, 130, 999), (999, 130, 9)] {
            let a = &*numbers::<T>(&mut a, m * k, place);
            let b = &*numbers::<T>(&mut b, k * n, place);
            let c = numbers::<T>(&mut c, m * n, place);
            for_transposes(&mut |[turn_a, turn_b, turn_c]| {
                let (a, b) = (view(a, (m, k), turn_a), view(b, (k, n), turn_b));
                let c = view_mut(c, (m, n), turn_c);
                gemm(T::ONE, a, b, T::ZERO, c, Par::Rayon).expect("shapes fit");
            });
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
    pool.install(|| {
        Place::BOTH.into_iter().for_each(check::<f32>);
        Place::BOTH.into_iter().for_each(check::<f64>);
    });
}
