//! Numbers at their limits elsewhere: factors of 0, ReLU of NaN, ties, probabilities of 0,
//! infinite weights.

use super::common::{assert_close, assert_number, assert_same_bits, every_par, to_type};
use super::{INF, NAN, view, view_mut};
use gradkern::gemm::gemm;
use gradkern::{
    Float, LossOptions, Par, Reduction, Targets, Upstream, cross_entropy, dense, metrics, relu,
    softmax_cross_entropy,
};

/// β = 0: C is written, never read. α = 0: neither are A and B.
fn unread<T: Float>() {
    for (m, k, n) in [(1, 1, 1), (1, 5, 40), (2, 3, 4), (70, 20, 33), (17, 300, 65)] {
        let (a, b) = (vec![T::ONE; m * k], vec![T::ONE; k * n]);
        let spoiled = (vec![T::NAN; m * k], vec![T::INFINITY; k * n]);
        for par in every_par() {
            let mut c = vec![T::NAN; m * n];
            let to = view_mut(&mut c, n);
            gemm(T::ONE, view(&a, k), view(&b, n), T::ZERO, to, par).unwrap();
            assert!(c.iter().all(|&x| x == T::from_f64(k as f64)), "{c:?}");

            let (a, b) = (view(&spoiled.0, k), view(&spoiled.1, n));
            gemm(T::ZERO, a, b, T::from_f64(0.5), view_mut(&mut c, n), par).unwrap();
            assert!(c.iter().all(|&x| x == T::from_f64(k as f64 / 2.0)), "{c:?}");
            c.fill(T::NAN);
            gemm(T::ZERO, a, b, T::ZERO, view_mut(&mut c, n), par).unwrap();
            assert!(c.iter().all(|&x| x == T::ZERO), "{c:?}");
        }
    }
}

#[test]
fn what_is_multiplied_by_0_is_not_read() {
    unread::<f32>();
    unread::<f64>();
}

/// A step of length 0 moves neither weights nor biases, whatever the gradient.
fn step_of_0<T: Float>() {
    let largest = T::ONE / T::MIN_POSITIVE;
    for g in [T::NAN, T::INFINITY, largest] {
        let (inputs, grad_output) = (vec![T::ONE; 9 * 2], vec![g; 9 * 3]);
        let (mut weights, mut biases) = ([T::ONE; 6], [T::ONE; 3]);
        for par in every_par() {
            let (x, g) = (view(&inputs, 2), view(&grad_output, 3));
            let to = view_mut(&mut weights, 3);
            dense::sgd_step(x, g, T::ZERO, to, &mut biases, par).unwrap();
            assert_eq!((weights, biases), ([T::ONE; 6], [T::ONE; 3]));
        }
    }
}

#[test]
fn a_step_of_0_moves_nothing() {
    step_of_0::<f32>();
    step_of_0::<f64>();
}

/// NaN stays NaN through ReLU, fused or not; its gradient passes only where x > 0.
fn relu_of_nan<T: Float>() {
    let x: Vec<T> = to_type(&[NAN, -INF, INF, 0.0, -0.0, -1.0, 2.0]);
    let g: Vec<T> = to_type(&[NAN, 1.0, 2.0, 3.0, NAN, NAN, 7.0]);
    for par in every_par() {
        let mut output = x.clone();
        relu::forward_in_place(view_mut(&mut output, 7), par).unwrap();
        let exact = [0.0; 7];
        assert_close("output", &output, &[NAN, 0.0, INF, 0.0, 0.0, 0.0, 2.0], &exact);
        for kept in [&x, &output] {
            let mut grad = vec![T::NAN; 7];
            let to = view_mut(&mut grad, 7);
            relu::backward(view(kept, 7), view(&g, 7), to, par).unwrap();
            assert_close("gradient", &grad, &[0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 7.0], &exact);
        }
        // NaN comes through a layer, in every column of every width of tile.
        for n in [1, 5, 16, 33, 64, 70] {
            for col in 0..n {
                let mut weights = vec![T::ONE; n];
                weights[col] = T::NAN;
                let (inputs, biases) = ([T::ONE; 9], vec![T::from_f64(-3.0); n]);
                let mut output = vec![T::ONE; 9 * n];
                let to = view_mut(&mut output, n);
                dense::forward_relu(view(&inputs, 1), view(&weights, n), &biases, to, par).unwrap();
                for (i, &x) in output.iter().enumerate() {
                    assert!(if i % n == col { x.is_nan() } else { x == T::ZERO }, "{i}: {x}");
                }
            }
        }
    }
}

#[test]
fn relu_keeps_nan() {
    relu_of_nan::<f32>();
    relu_of_nan::<f64>();
}

/// Of equal maxima the first counts; predictions with NaN are wrong.
fn ties<T: Float>() {
    let p: Vec<T> = to_type(&[2.0, 2.0, 1.0, 0.0, 5.0, 5.0, 1.0, NAN, 9.0, -INF, -INF, -INF]);
    let mut indices = [9; 4];
    metrics::argmax(view(&p, 3), &mut indices).unwrap();
    assert_eq!(indices, [0, 1, 1, 0]);
    let accuracy = |labels: [u8; 4], ignore| {
        metrics::accuracy(view(&p, 3), Targets::from(&labels), ignore).unwrap()
    };
    assert_eq!(accuracy([0, 1, 1, 0], None), 0.75);
    assert_eq!(accuracy([1, 2, 2, 1], None), 0.0);
    assert_eq!(accuracy([0, 1, 1, 0], Some(1)), 1.0);
    assert!(accuracy([7; 4], Some(7)).is_nan());
    let one_hot: Vec<T> = to_type(&[1., 0., 0., 0., 0.5, 0.5, 1., 0., 0., 1., 0., 0.]);
    assert_eq!(metrics::accuracy(view(&p, 3), view(&one_hot, 3).into(), None).unwrap(), 0.75);
}

#[test]
fn accuracy_takes_the_first_of_equal_maxima() {
    ties::<f32>();
    ties::<f64>();
}

/// Probabilities of 0: the loss is +∞ unless clipped; the gradient is finite, and 0 where there is
/// no target.
fn vanished_probability<T: Float>() {
    let p: Vec<T> = to_type(&[0.0, 1.0, 0.0, 0.5, 0.5, 0.0]);
    let (labels, mut losses, mut gradient) = ([0_u8, 1], [T::NAN; 2], [T::NAN; 6]);
    let targets = Targets::from(&labels);
    for par in every_par() {
        for (clip, first) in [(None, INF), (Some(T::from_f64(1e-7)), 1e7_f64.ln())] {
            let options = LossOptions { reduction: Reduction::Sum, clip, ..LossOptions::default() };
            let sum =
                cross_entropy::forward(view(&p, 3), targets, &options, &mut losses, par).unwrap();
            let error = 64.0 * T::EPSILON.to_f64();
            assert_close("losses", &losses, &[first, 2_f64.ln()], &[error; 2]);
            assert_number("sum", sum, first + 2_f64.ln(), error);
            let (to, upstream) = (view_mut(&mut gradient, 3), Upstream::Scalar(T::ONE));
            cross_entropy::backward(view(&p, 3), targets, &options, upstream, to, par).unwrap();
            assert!(gradient[0] < T::ZERO && gradient[0].is_finite(), "{gradient:?}");
            let rest = [0.0, 0.0, 0.0, -2.0, 0.0];
            assert_close("gradient", &gradient[1..], &rest, &[0.0; 5]);
        }
    }
}

#[test]
fn a_probability_of_0_at_the_target() {
    vanished_probability::<f32>();
    vanished_probability::<f64>();
}

/// Below 0, where rounding may have left a probability, a clip lifts it to ε; without one its
/// logarithm, and so the loss, is NaN.
fn negative_probability<T: Float>() {
    let p: Vec<T> = to_type(&[-1e-3, 0.5, 0.501]);
    let one_hot: Vec<T> = to_type(&[1.0, 0.0, 0.0]);
    for targets in [Targets::from(&[0_u8]), view(&one_hot, 3).into()] {
        for (clip, expected) in [(None, NAN), (Some(T::from_f64(1e-7)), 1e7_f64.ln())] {
            let options = LossOptions { clip, ..LossOptions::default() };
            let mut losses = [T::ZERO];
            for par in every_par() {
                cross_entropy::forward(view(&p, 3), targets, &options, &mut losses, par).unwrap();
                // ε and its logarithm are each rounded once.
                let error = T::EPSILON.to_f64() * (1.0 + 1e7_f64.ln());
                assert_close("loss", &losses, &[expected], &[error]);
            }
        }
    }
}

#[test]
fn a_probability_below_0_at_the_target() {
    negative_probability::<f32>();
    negative_probability::<f64>();
}

/// Losses and gradients of both cross-entropies, of samples whose class is 0.
fn of_class_0<T: Float>(weights: &[T], par: Par) -> Vec<T> {
    let (classes, batch) = (weights.len(), 5);
    let options = LossOptions { class_weights: Some(weights), ..LossOptions::default() };
    let (targets, upstream) = (Targets::from(&[0_u8; 5]), Upstream::Scalar(T::ONE));
    let rows = vec![T::from_f64(1.0 / classes as f64); batch * classes];
    let rows = view(&rows, classes);
    let mut all = vec![T::NAN; 2 * batch * (classes + 1)];
    let (losses, gradients) = all.split_at_mut(2 * batch);
    let (hard, fused) = losses.split_at_mut(batch);
    cross_entropy::forward(rows, targets, &options, hard, par).unwrap();
    let (gradient, fused_gradient) = gradients.split_at_mut(batch * classes);
    let to = view_mut(gradient, classes);
    cross_entropy::backward(rows, targets, &options, upstream, to, par).unwrap();
    let to = view_mut(fused_gradient, classes);
    softmax_cross_entropy::forward_backward(rows, targets, &options, fused, to, par).unwrap();
    all
}

/// An infinite weight of a class that no sample has changes nothing.
fn infinite_weight<T: Float>() {
    for classes in [3, 37] {
        let mut weights = vec![T::ONE; classes];
        for par in every_par() {
            let expected = of_class_0(&weights, par);
            assert!(expected.iter().all(|x| x.is_finite()));
            weights[2] = T::INFINITY;
            assert_same_bits("with an infinite weight", &of_class_0(&weights, par), &expected);
            weights[2] = T::ONE;
        }
    }
}

#[test]
fn an_infinite_weight_of_an_absent_class() {
    infinite_weight::<f32>();
    infinite_weight::<f64>();
}
