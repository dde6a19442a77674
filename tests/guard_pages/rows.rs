//! The kernels that go row by row or element by element, for every length of row up to a few
//! vectors, and the parameters' updates.

use crate::region::{Place, Region, regions};
use gradkern::dense::{Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Targets, Upstream, cross_entropy, metrics,
    relu, softmax, softmax_cross_entropy as fused,
};

/// Numbers in (0, 1), which are probabilities and logits as well.
fn number<T: Float>(i: usize) -> T {
    T::from_f64(((i * 37 + 11) % 64) as f64 / 64.0 + 1.0 / 128.0)
}

fn numbers<T: Float>(region: &mut Region, len: usize, place: Place) -> &mut [T] {
    region.slice(len, place, number)
}

/// Every number of rows up to more than the lanes of a vector, and every length of a row up to more
/// than four vectors.
fn shapes<T>() -> impl Iterator<Item = (usize, usize)> {
    let lanes = 64 / size_of::<T>();
    (0..=lanes + 2).flat_map(move |rows| (1..=4 * lanes + 1).map(move |cols| (rows, cols)))
}

/// One matrix in, one out, or both the same; `mask` stands for what a backward pass has kept.
fn elementwise<T: Float>(place: Place) {
    let [mut x, mut y, mut z] = regions();
    for (rows, cols) in shapes::<T>() {
        let x = &*numbers::<T>(&mut x, rows * cols, place);
        let y = &*numbers::<T>(&mut y, rows * cols, place);
        let z = numbers::<T>(&mut z, rows * cols, place);
        for turned in [false, true] {
            let view = |data| match turned {
                true => MatRef::new(data, cols, rows).expect("as long").t(),
                false => MatRef::new(data, rows, cols).expect("as long"),
            };
            let mut write = |f: &dyn Fn(MatMut<'_, T>) -> gradkern::Result<()>| {
                let to = match turned {
                    true => MatMut::new(&mut *z, cols, rows).expect("as long").t(),
                    false => MatMut::new(&mut *z, rows, cols).expect("as long"),
                };
                f(to).expect("shapes fit");
            };
            let (x, y) = (view(x), view(y));
            write(&|to| relu::forward(x, to, Par::Seq));
            write(&|to| relu::forward_in_place(to, Par::Seq));
            write(&|to| relu::backward(x, y, to, Par::Seq));
            write(&|to| relu::backward_in_place(x, to, Par::Seq));
            write(&|to| softmax::forward(x, to, Par::Seq));
            write(&|to| softmax::forward_in_place(to, Par::Seq));
            write(&|to| softmax::backward(x, y, to, Par::Seq));
            write(&|to| softmax::backward_in_place(x, to, Par::Seq));
        }
    }
}

/// The regions of a loss: what goes in, the targets, what comes out.
struct Batch<'a, T> {
    rows: usize,
    cols: usize,
    x: &'a [T],
    targets: Targets<'a, T>,
    options: LossOptions<'a, T>,
    losses: &'a mut [T],
    output: &'a mut [T],
}

impl<T: Float> Batch<'_, T> {
    fn every_loss(self) {
        let Batch { rows, cols, x, targets, options, losses, output } = self;
        let x = MatRef::new(x, rows, cols).expect("as long");
        let one = Upstream::Scalar(T::ONE);
        fn to<T: Float>(output: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
            MatMut::new(output, rows, cols).expect("as long")
        }
        let (seq, options) = (Par::Seq, &options);
        fused::forward(x, targets, options, losses, seq).expect("valid");
        let gradient = to(output, rows, cols);
        fused::forward_backward(x, targets, options, losses, gradient, seq).expect("valid");
        fused::backward(x, targets, options, one, to(output, rows, cols), seq).expect("valid");
        let place = to(output, rows, cols);
        fused::forward_backward_in_place(place, targets, options, losses, seq).expect("valid");
        cross_entropy::forward(x, targets, options, losses, seq).expect("valid");
        let gradient = to(output, rows, cols);
        let upstream = Upstream::PerSample(losses);
        cross_entropy::backward(x, targets, options, upstream, gradient, seq).expect("valid");
        metrics::accuracy(x, targets, None).expect("valid");
    }
}

fn losses<T: Float>(place: Place) {
    let [mut x, mut q, mut weights, mut losses, mut output, mut indices] = regions();
    let mut labels: [Region; 5] = regions();
    for (rows, cols) in shapes::<T>() {
        let x = &*numbers::<T>(&mut x, rows * cols, place);
        let weights = &*numbers::<T>(&mut weights, cols, place);
        let losses = numbers::<T>(&mut losses, rows, place);
        let output = numbers::<T>(&mut output, rows * cols, place);
        let plain = LossOptions::default();
        let all = LossOptions {
            label_smoothing: T::from_f64(0.125),
            class_weights: Some(weights),
            ..LossOptions::default()
        };
        let mut check = |targets, options| {
            let (losses, output) = (&mut *losses, &mut *output);
            Batch { rows, cols, x, targets, options, losses, output }.every_loss();
        };
        let class = |i: usize| i * 7 % cols;
        let [bytes, ints, words, longs, sizes] = &mut labels;
        check((&*bytes.slice(rows, place, |i| class(i) as u8)).into(), plain);
        check((&*ints.slice(rows, place, |i| class(i) as i32)).into(), plain);
        check((&*words.slice(rows, place, |i| class(i) as u32)).into(), plain);
        check((&*longs.slice(rows, place, |i| class(i) as i64)).into(), plain);
        let sizes = &*sizes.slice(rows, place, class);
        check(sizes.into(), plain);
        check(sizes.into(), all);
        let q = MatRef::new(&*numbers::<T>(&mut q, rows * cols, place), rows, cols);
        let q = q.expect("as long").into();
        check(q, plain);
        check(q, all);
        let indices = indices.slice(rows, place, |i| i);
        metrics::argmax(MatRef::new(x, rows, cols).expect("as long"), indices).expect("valid");
    }
}

fn updates<T: Float>(place: Place) {
    let [mut p, mut g, mut m, mut v] = regions();
    for len in 0..=8 * 64 / size_of::<T>() + 1 {
        let p = numbers::<T>(&mut p, len, place);
        let g = &*numbers::<T>(&mut g, len, place);
        let m = numbers::<T>(&mut m, len, place);
        let v = numbers::<T>(&mut v, len, place);
        optimizer::sgd(p, g, T::from_f64(0.1)).expect("valid");
        for nesterov in [false, true] {
            let momentum =
                Momentum { nesterov, weight_decay: T::from_f64(0.1), ..Momentum::default() };
            momentum.first_update(p, g, m).expect("valid");
            momentum.update(p, g, m).expect("valid");
        }
        Adam::default().update(p, g, m, v, 3).expect("valid");
    }
}

/// A last layer with its loss, and a network, which keep memory of their own between.
fn networks<T: Float>(place: Place) {
    let [mut x, mut w, mut b, mut labels, mut losses] = regions();
    let [mut grad_x, mut grad_w, mut grad_b, mut probabilities] = regions();
    let mut workspace = Workspace::new();
    for (batch, inputs) in (0..=29).flat_map(|batch| [1, 3, 8, 17].map(|inputs| (batch, inputs))) {
        let classes = 1 + (batch * 5 + inputs) % 40;
        let x = MatRef::new(&*numbers::<T>(&mut x, batch * inputs, place), batch, inputs);
        let x = x.expect("as long");
        let labels = &*labels.slice(batch, place, |i| i % classes);
        let losses = numbers::<T>(&mut losses, batch, place);
        let w = &*numbers::<T>(&mut w, inputs * classes, place);
        let head = Head {
            inputs: x,
            weights: MatRef::new(w, inputs, classes).expect("as long"),
            biases: numbers::<T>(&mut b, classes, place),
            targets: labels.into(),
            options: LossOptions::default(),
        };
        let grad_x = numbers::<T>(&mut grad_x, batch * inputs, place);
        let grad_w = numbers::<T>(&mut grad_w, inputs * classes, place);
        let gradients = Gradients {
            inputs: Grad::Write(MatMut::new(grad_x, batch, inputs).expect("as long")),
            weights: Grad::Write(MatMut::new(grad_w, inputs, classes).expect("as long")),
            biases: Grad::Write(numbers::<T>(&mut grad_b, classes, place)),
            inputs_are_relu: false,
        };
        head.forward_backward(losses, gradients, &mut workspace, Par::Seq).expect("valid");
        head.forward(losses, &mut workspace, Par::Seq).expect("valid");

        let mut mlp = Mlp::<T>::new(&[inputs, 9, classes], Init::HeNormal, 1).expect("small");
        let targets = labels.into();
        mlp.train_step(x, targets, T::from_f64(0.1)).expect("valid");
        let to = numbers::<T>(&mut probabilities, batch * classes, place);
        mlp.predict(x, MatMut::new(to, batch, classes).expect("as long")).expect("valid");
    }
}

#[test]
fn activations() {
    Place::BOTH.into_iter().for_each(elementwise::<f32>);
    Place::BOTH.into_iter().for_each(elementwise::<f64>);
}

#[test]
fn losses_and_metrics() {
    Place::BOTH.into_iter().for_each(losses::<f32>);
    Place::BOTH.into_iter().for_each(losses::<f64>);
}

#[test]
fn optimizers() {
    Place::BOTH.into_iter().for_each(updates::<f32>);
    Place::BOTH.into_iter().for_each(updates::<f64>);
}

#[test]
fn heads_and_networks() {
    Place::BOTH.into_iter().for_each(networks::<f32>);
    Place::BOTH.into_iter().for_each(networks::<f64>);
}
