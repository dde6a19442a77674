//! Extents of 0: no samples, nothing to sum, nothing to write. And one that is huge.

use super::common::{assert_number, assert_same_bits, every_par, to_f64, to_type};
use super::{NAN, view, view_mut};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Reduction, Targets, Upstream,
    cross_entropy, metrics, relu, softmax, softmax_cross_entropy,
};

/// Batch 0: nothing to do, no error; the mean over no samples is NaN, and other sums are 0.
fn no_samples<T: Float>() {
    let none: [T; 0] = [];
    let empty = || MatRef::new(&none, 0, 3).unwrap();
    let mut nothing: [T; 0] = [];
    let labels: [u8; 0] = [];
    for par in every_par() {
        for (reduction, expected) in
            [(Reduction::Mean, NAN), (Reduction::Sum, 0.0), (Reduction::None, 0.0)]
        {
            let options = LossOptions { reduction, ..LossOptions::default() };
            for targets in [Targets::from(&labels), Targets::from(empty())] {
                let to = || MatMut::<T>::new(&mut [], 0, 3).unwrap();
                let one = Upstream::Scalar(T::ONE);
                let losses = &mut nothing;
                for loss in [
                    softmax_cross_entropy::forward(empty(), targets, &options, losses, par),
                    softmax_cross_entropy::forward_backward(
                        empty(),
                        targets,
                        &options,
                        losses,
                        to(),
                        par,
                    ),
                    softmax_cross_entropy::forward_backward_in_place(
                        to(),
                        targets,
                        &options,
                        losses,
                        par,
                    ),
                    cross_entropy::forward(empty(), targets, &options, losses, par),
                ] {
                    assert_number("loss", loss.unwrap(), expected, 0.0);
                }
                softmax_cross_entropy::backward(empty(), targets, &options, one, to(), par)
                    .unwrap();
                cross_entropy::backward(empty(), targets, &options, one, to(), par).unwrap();
                assert!(metrics::accuracy(empty(), targets, None).unwrap().is_nan());
            }
        }
        let to = || MatMut::<T>::new(&mut [], 0, 3).unwrap();
        softmax::forward(empty(), to(), par).unwrap();
        softmax::forward_in_place(to(), par).unwrap();
        softmax::backward(empty(), empty(), to(), par).unwrap();
        softmax::backward_in_place(empty(), to(), par).unwrap();
        relu::forward(empty(), to(), par).unwrap();
        relu::forward_in_place(to(), par).unwrap();
        relu::backward(empty(), empty(), to(), par).unwrap();
        relu::backward_in_place(empty(), to(), par).unwrap();
        metrics::argmax(empty(), &mut []).unwrap();

        let (weights, inputs) = ([T::ONE; 6], MatRef::new(&none, 0, 2).unwrap());
        let weights = view(&weights, 3);
        let biases = [T::ONE; 3];
        dense::forward(inputs, weights, &biases, to(), par).unwrap();
        dense::forward_relu(inputs, weights, &biases, to(), par).unwrap();
        // The gradients of no samples are 0.
        let (mut grad_weights, mut grad_biases) = ([T::NAN; 6], [T::NAN; 3]);
        let gradients = Gradients {
            inputs: Grad::Write(MatMut::new(&mut [], 0, 2).unwrap()),
            weights: Grad::Write(view_mut(&mut grad_weights, 3)),
            biases: Grad::Write(&mut grad_biases),
            inputs_are_relu: true,
        };
        dense::backward(inputs, weights, empty(), gradients, par).unwrap();
        assert_eq!((grad_weights, grad_biases), ([T::ZERO; 6], [T::ZERO; 3]));
        let (mut moved, mut moved_biases) = ([T::ONE; 6], [T::ONE; 3]);
        let learning_rate = T::from_f64(0.5);
        let to = view_mut(&mut moved, 3);
        dense::sgd_step(inputs, empty(), learning_rate, to, &mut moved_biases, par).unwrap();
        assert_eq!((moved, moved_biases), ([T::ONE; 6], [T::ONE; 3]));

        let mut mlp = Mlp::<T>::new(&[2, 4, 3], Init::HeNormal, 1).unwrap();
        mlp.set_par(par);
        let before = mlp.parameters().to_vec();
        let targets = Targets::from(&labels);
        assert!(mlp.train_step(inputs, targets, learning_rate).unwrap().is_nan());
        assert_same_bits("parameters", mlp.parameters(), &before);
        assert!(mlp.loss_and_gradients(inputs, targets).unwrap().is_nan());
        assert!(mlp.gradients().iter().all(|&gradient| gradient == T::ZERO));
        mlp.predict(inputs, MatMut::new(&mut [], 0, 3).unwrap()).unwrap();
    }
}

#[test]
fn a_batch_of_no_samples() {
    no_samples::<f32>();
    no_samples::<f64>();
}

/// k = 0: the product is 0, so C ← β·C; without inputs a layer's output is its biases.
fn nothing_to_sum<T: Float>() {
    let none: [T; 0] = [];
    let (a, b) = (MatRef::new(&none, 2, 0).unwrap(), MatRef::new(&none, 0, 3).unwrap());
    for par in every_par() {
        let mut c = [T::ONE; 6];
        gemm(T::ONE, a, b, T::from_f64(-0.5), view_mut(&mut c, 3), par).unwrap();
        assert_eq!(c, [T::from_f64(-0.5); 6]);
        let mut c = [T::NAN; 6];
        gemm(T::ONE, a, b, T::ZERO, view_mut(&mut c, 3), par).unwrap();
        assert_eq!(c, [T::ZERO; 6]);
        gemm_batched(T::ONE, &[a], &[b], T::ZERO, &mut [view_mut(&mut c, 3)], par).unwrap();
        assert_eq!(c, [T::ZERO; 6]);
        let biases: Vec<T> = to_type(&[1.0, -2.0, 3.0]);
        dense::forward(a, b, &biases, view_mut(&mut c, 3), par).unwrap();
        assert_eq!(to_f64(&c), [1.0, -2.0, 3.0, 1.0, -2.0, 3.0]);
        dense::forward_relu(a, b, &biases, view_mut(&mut c, 3), par).unwrap();
        assert_eq!(to_f64(&c), [1.0, 0.0, 3.0, 1.0, 0.0, 3.0]);
    }
}

/// n = 0, and m = 0: there is nothing to write.
fn nothing_to_write<T: Float>() {
    let (a, none) = ([T::ONE; 6], [T::ONE; 0]);
    let (a, b) = (view(&a, 3), MatRef::new(&none, 3, 0).unwrap());
    for par in every_par() {
        let c = || MatMut::<T>::new(&mut [], 2, 0).unwrap();
        gemm(T::ONE, a, b, T::ZERO, c(), par).unwrap();
        gemm(T::ONE, b.t(), a.t(), T::ONE, c().t(), par).unwrap();
        dense::forward(a, b, &[], c(), par).unwrap();
        dense::forward_relu(a, b, &[], c(), par).unwrap();
        // Two samples, no classes: each loss is a sum of nothing.
        let (logits, mut losses) = (MatRef::new(&none, 2, 0).unwrap(), [T::NAN; 2]);
        let (targets, options) = (Targets::from(logits), LossOptions::default());
        softmax::forward(logits, c(), par).unwrap();
        relu::forward(logits, c(), par).unwrap();
        let mean =
            softmax_cross_entropy::forward(logits, targets, &options, &mut losses, par).unwrap();
        assert_eq!((mean, losses), (T::ZERO, [T::ZERO; 2]));
        softmax_cross_entropy::forward_backward(logits, targets, &options, &mut losses, c(), par)
            .unwrap();
        cross_entropy::forward(logits, targets, &options, &mut losses, par).unwrap();
        assert_eq!(losses, [T::ZERO; 2]);
        let mut indices = [9; 2];
        metrics::argmax(logits, &mut indices).unwrap();
        assert_eq!(indices, [0; 2]);
    }
}

#[test]
fn extents_of_0() {
    nothing_to_sum::<f32>();
    nothing_to_sum::<f64>();
    nothing_to_write::<f32>();
    nothing_to_write::<f64>();
}

/// More classes than are taken for granted, where there is memory for their rows: nobody is refused.
/// The view's columns are one number.
#[test]
fn as_many_classes_as_there_is_memory_for() {
    let classes = (1 << 24) + 1;
    let p = MatRef::with_strides(&[0.5_f32], 1, classes, 0, 0).unwrap();
    let (labels, mut losses) = ([classes as i64 - 1], [0.0]);
    let options = LossOptions::default();
    let targets = Targets::from(&labels);
    let mean = cross_entropy::forward(p, targets, &options, &mut losses, Par::Seq).unwrap();
    // One logarithm, which is within an ulp.
    assert_number("loss", mean, 2_f64.ln(), f64::from(f32::EPSILON));
}
