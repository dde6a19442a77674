//! The table of edge values: what the kernels do with NaN, infinities, huge numbers, nothing at all.
//!
//! Each row of the table that is a result is a test here; those that are an `Err` are in
//! `bad_input.rs`.

mod common;

use common::{assert_close, assert_number, assert_same_bits, every_par, to_f64, to_type};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::reference::{self, Matrix};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Reduction, Targets, Upstream,
    cross_entropy, metrics, relu, softmax, softmax_cross_entropy,
};

/// Few classes go several rows to a vector, many a row at a time; lengths with and without a tail.
const CLASSES: [usize; 7] = [1, 2, 3, 8, 10, 16, 37];
const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn view<T: Float>(data: &[T], cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, data.len() / cols, cols).expect("whole rows")
}

fn view_mut<T: Float>(data: &mut [T], cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, data.len() / cols, cols).expect("whole rows")
}

/// What every function of the fused loss, and softmax, make of some logits. All forms agree, or
/// this panics.
#[derive(Clone, Debug)]
struct Outcome<T> {
    probabilities: Vec<T>,
    losses: Vec<T>,
    reduced: T,
    gradient: Vec<T>,
}

fn run<T: Float>(
    logits: &[T],
    classes: usize,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    par: Par,
) -> Outcome<T> {
    let from = view(logits, classes);
    let batch = from.rows();
    let mut probabilities = vec![T::ONE; logits.len()];
    softmax::forward(from, view_mut(&mut probabilities, classes), par).unwrap();
    let mut in_place = logits.to_vec();
    softmax::forward_in_place(view_mut(&mut in_place, classes), par).unwrap();
    assert_same_bits("softmax in place", &in_place, &probabilities);

    let (mut losses, mut gradient) = (vec![T::ONE; batch], vec![T::ONE; logits.len()]);
    let to = view_mut(&mut gradient, classes);
    let reduced =
        softmax_cross_entropy::forward_backward(from, targets, options, &mut losses, to, par)
            .unwrap();
    let outcome = Outcome { probabilities, losses, reduced, gradient };

    let mut losses = vec![T::ONE; batch];
    let alone = softmax_cross_entropy::forward(from, targets, options, &mut losses, par).unwrap();
    let error = 16.0 * T::EPSILON.to_f64();
    let bounds: Vec<f64> = outcome.losses.iter().map(|x| error * x.to_f64().abs()).collect();
    assert_close("losses alone", &losses, &to_f64(&outcome.losses), &bounds);
    let bound = error * outcome.reduced.to_f64().abs();
    assert_number("loss alone", alone, outcome.reduced.to_f64(), bound);

    let mut in_place = logits.to_vec();
    let over = view_mut(&mut in_place, classes);
    softmax_cross_entropy::forward_backward_in_place(over, targets, options, &mut losses, par)
        .unwrap();
    assert_same_bits("gradient in place", &in_place, &outcome.gradient);
    let mut gradient = vec![T::ONE; logits.len()];
    let (to, upstream) = (view_mut(&mut gradient, classes), Upstream::Scalar(T::ONE));
    softmax_cross_entropy::backward(from, targets, options, upstream, to, par).unwrap();
    assert_same_bits("gradient alone", &gradient, &outcome.gradient);
    outcome
}

/// Logits of 11 rows, all of them ordinary.
fn ordinary<T: Float>(classes: usize) -> Vec<T> {
    (0..11 * classes).map(|i| T::from_f64((i * 7 % 13) as f64 / 4.0 - 1.0)).collect()
}

fn row_of<T>(values: &[T], row: usize, classes: usize) -> &[T] {
    &values[row * classes..][..classes]
}

/// All combinations of targets and clips that a row of the table does not tell apart.
fn for_all_options<T: Float>(
    classes: usize,
    check: impl Fn(Targets<'_, T>, &LossOptions<'_, T>, Par),
) {
    let labels: Vec<u32> = (0..11).map(|row| row % classes as u32).collect();
    let hot = |i: usize| if labels[i / classes] as usize == i % classes { T::ONE } else { T::ZERO };
    let one_hot: Vec<T> = (0..11 * classes).map(hot).collect();
    for par in every_par() {
        for clip in [None, Some(T::from_f64(1e-7))] {
            // With Sum, a row's gradient does not depend on the number of rows.
            let options = LossOptions { reduction: Reduction::Sum, clip, ..LossOptions::default() };
            check((&labels).into(), &options, par);
            check(view(&one_hot, classes).into(), &options, par);
            let options = LossOptions { label_smoothing: T::from_f64(0.1), ..options };
            check((&labels).into(), &options, par);
        }
    }
}

/// NaN in a row, +∞ in a row, a row of −∞ alone: that row is NaN, the others are what they were.
fn poisoned_rows<T: Float>() {
    for classes in CLASSES {
        let plain = ordinary::<T>(classes);
        for_all_options::<T>(classes, |targets, options, par| {
            let expected = run(&plain, classes, targets, options, par);
            for row in [0, 4, 10] {
                for col in 0..=classes {
                    // Past the last column, all of the row is −∞.
                    let poisons: &[f64] = if col < classes { &[NAN, INF] } else { &[-INF] };
                    for &poison in poisons {
                        let mut logits = plain.clone();
                        let from = if col < classes { col..col + 1 } else { 0..classes };
                        logits[row * classes..][from].fill(T::from_f64(poison));
                        let found = run(&logits, classes, targets, options, par);
                        assert_only_row_is_nan(&found, &expected, row, classes);
                    }
                }
            }
        });
    }
}

fn assert_only_row_is_nan<T: Float>(
    found: &Outcome<T>,
    expected: &Outcome<T>,
    row: usize,
    classes: usize,
) {
    assert!(found.reduced.is_nan());
    for other in 0..11 {
        let parts = |outcome: &Outcome<T>| {
            let probabilities = row_of(&outcome.probabilities, other, classes).to_vec();
            let gradient = row_of(&outcome.gradient, other, classes).to_vec();
            [probabilities, gradient, vec![outcome.losses[other]]].concat()
        };
        if other == row {
            assert!(parts(found).iter().all(|x| x.is_nan()), "{found:?}");
        } else {
            assert_same_bits("another row", &parts(found), &parts(expected));
        }
    }
}

#[test]
fn nan_or_infinity_makes_its_row_nan() {
    poisoned_rows::<f32>();
    poisoned_rows::<f64>();
}

/// −∞ at a class that is not the target: probability and gradient are exactly 0 there, and the rest
/// of the row is what it is without that class.
fn masked_class<T: Float>() {
    for classes in [2, 3, 8, 10, 16, 37] {
        let masked = classes / 2;
        let labels: Vec<i64> =
            (0..11).map(|row| (masked as i64 + 1 + row) % classes as i64).collect();
        let labels: Vec<i64> =
            labels.iter().map(|&l| if l == masked as i64 { 0 } else { l }).collect();
        let mut logits = ordinary::<T>(classes);
        (0..11).for_each(|row| logits[row * classes + masked] = T::NEG_INFINITY);
        let without = Matrix::from_fn(11, classes - 1, |row, col| {
            let col = if col < masked { col } else { col + 1 };
            logits[row * classes + col].to_f64()
        });
        let p = reference::softmax(&without);
        for par in every_par() {
            for clip in [None, Some(T::from_f64(1e-7))] {
                let options =
                    LossOptions { reduction: Reduction::Sum, clip, ..LossOptions::default() };
                let found = run(&logits, classes, (&labels).into(), &options, par);
                for row in 0..11 {
                    let at = row * classes + masked;
                    assert_eq!((found.probabilities[at], found.gradient[at]), (T::ZERO, T::ZERO));
                    let mut rest = row_of(&found.probabilities, row, classes).to_vec();
                    rest.remove(masked);
                    let bounds = vec![16.0 * T::EPSILON.to_f64(); classes - 1];
                    assert_close("the other classes", &rest, p.row(row), &bounds);
                    assert!(found.losses[row].is_finite());
                }
            }
        }
    }
}

#[test]
fn a_masked_class_has_probability_and_gradient_0() {
    masked_class::<f32>();
    masked_class::<f64>();
}

/// −∞ at the target: the loss is +∞, or −ln ε with a clip; the gradient is p − t all the same.
fn masked_target<T: Float>() {
    for classes in [2, 3, 8, 10, 16, 37] {
        let labels: Vec<u8> = (0..11).map(|row| row % classes as u8).collect();
        let mut logits = ordinary::<T>(classes);
        labels.iter().enumerate().for_each(|(row, &label)| {
            logits[row * classes + usize::from(label)] = T::NEG_INFINITY;
        });
        let p = reference::softmax(&Matrix::from_view(view(&logits, classes)));
        let gradient = Matrix::from_fn(11, classes, |row, col| {
            p.at(row, col) - f64::from(usize::from(labels[row]) == col)
        });
        let epsilon = T::from_f64(1e-7);
        for par in every_par() {
            for clip in [None, Some(epsilon)] {
                let options =
                    LossOptions { reduction: Reduction::Sum, clip, ..LossOptions::default() };
                let found = run(&logits, classes, (&labels).into(), &options, par);
                let expected = clip.map_or(INF, |epsilon| -epsilon.to_f64().ln());
                let bounds = [16.0 * T::EPSILON.to_f64() * 17.0; 11];
                assert_close("losses", &found.losses, &[expected; 11], &bounds);
                let bounds = vec![16.0 * T::EPSILON.to_f64(); gradient.data.len()];
                assert_close("gradient", &found.gradient, &gradient.data, &bounds);
            }
        }
    }
}

#[test]
fn a_masked_target_costs_infinity_or_the_clip_and_still_learns() {
    masked_target::<f32>();
    masked_target::<f64>();
}

/// Logits of ±1e38, in every arrangement over three and more classes.
fn huge_logits<T: Float>() {
    for classes in [2, 3, 10, 37] {
        let pattern = |i: usize| [1e38, -1e38, 0.0, 1e38, -1e38][i * 3 % 5];
        let logits: Vec<T> = (0..11 * classes).map(|i| T::from_f64(pattern(i))).collect();
        let expected = reference::softmax(&Matrix::from_view(view(&logits, classes)));
        for_all_options::<T>(classes, |targets, options, par| {
            // The sum of eleven such losses is beyond f32, their mean is not.
            let options = LossOptions { reduction: Reduction::Mean, ..*options };
            let found = run(&logits, classes, targets, &options, par);
            let bounds = vec![16.0 * T::EPSILON.to_f64(); expected.data.len()];
            assert_close("probabilities", &found.probabilities, &expected.data, &bounds);
            assert!(found.losses.iter().all(|x| x.is_finite()), "{:?}", found.losses);
            assert!(found.gradient.iter().all(|x| x.is_finite()), "{:?}", found.gradient);
            assert!(found.reduced.is_finite(), "{}", found.reduced);
        });
    }
}

#[test]
fn logits_of_1e38_are_finite_throughout() {
    huge_logits::<f32>();
    huge_logits::<f64>();
}

/// A gap to all other classes at which 1 + Σ rounds to 1: the loss is ln(1 + Σ), to rounding.
fn confident<T: Float>(gaps: &[f64]) {
    for classes in [2, 3, 8, 10, 16, 37] {
        for &gap in gaps {
            let logits: Vec<T> = (0..11 * classes)
                .map(|i| T::from_f64(if i % classes == 1 { 3.0 } else { 3.0 - gap }))
                .collect();
            let others = (classes - 1) as f64 * (-gap).exp();
            // The difference of 3 and 3 − gap is exact; e^−gap and its sum are not.
            let bound = (classes as f64 + 8.0) * T::EPSILON.to_f64() * others.ln_1p();
            assert!(others.ln_1p() > 0.0);
            for par in every_par() {
                let options = LossOptions { clip: None, ..LossOptions::default() };
                let found = run(&logits, classes, (&[1_i32; 11]).into(), &options, par);
                assert_close("losses", &found.losses, &[others.ln_1p(); 11], &[bound; 11]);
                let p = 1.0 / (1.0 + others);
                let gradient = row_of(&found.gradient, 0, classes)[1];
                let expected = -(others * p) / 11.0;
                let bound = (classes as f64 + 16.0) * T::EPSILON.to_f64() * expected.abs();
                assert_number("gradient at the target", gradient, expected, bound);
            }
        }
    }
}

#[test]
fn a_confident_right_sample_has_its_true_tiny_loss() {
    confident::<f32>(&[17.0, 20.0, 31.0, 48.0, 80.0]);
    confident::<f64>(&[17.0, 37.0, 48.0, 320.0, 700.0]);
}

/// An ignored row: loss and gradient are 0, whatever it holds, and the mean goes without it.
fn ignored_row<T: Float>() {
    for classes in CLASSES {
        let plain = ordinary::<T>(classes);
        let mut labels: Vec<i64> = (0..11).map(|row| row % classes as i64).collect();
        labels[3] = -100;
        labels[10] = -100;
        for par in every_par() {
            for content in [0.0, NAN, INF, -INF] {
                let mut logits = plain.clone();
                for row in [3, 10] {
                    logits[row * classes..][..classes].fill(T::from_f64(content));
                }
                for smoothing in [0.0, 0.1] {
                    let options = LossOptions {
                        ignore_index: Some(-100),
                        label_smoothing: T::from_f64(smoothing),
                        ..LossOptions::default()
                    };
                    let found = run(&logits, classes, (&labels).into(), &options, par);
                    for row in [3, 10] {
                        assert_eq!(found.losses[row], T::ZERO);
                        let gradient = row_of(&found.gradient, row, classes);
                        assert!(gradient.iter().all(|&x| x == T::ZERO), "{gradient:?}");
                    }
                    let sum: f64 = to_f64(&found.losses).iter().sum();
                    let bound = 16.0 * T::EPSILON.to_f64() * sum;
                    assert_number("mean", found.reduced, sum / 9.0, bound);
                }
            }
        }
    }
}

#[test]
fn an_ignored_row_counts_for_nothing() {
    ignored_row::<f32>();
    ignored_row::<f64>();
}

/// All samples ignored: no samples, so the mean is NaN; the sum is 0.
#[test]
fn a_batch_of_ignored_rows() {
    let options = LossOptions { ignore_index: Some(7), ..LossOptions::default() };
    let found = run(&[1.0_f32, 2.0, NAN as f32, 4.0], 2, (&[7_u8, 7]).into(), &options, Par::Seq);
    assert!(found.reduced.is_nan());
    assert_eq!((found.losses, found.gradient), (vec![0.0; 2], vec![0.0; 4]));
    let sum = LossOptions { reduction: Reduction::Sum, ..options };
    let found = run(&[1.0_f32, 2.0, 3.0, 4.0], 2, (&[7_u8, 7]).into(), &sum, Par::Seq);
    assert_eq!(found.reduced, 0.0);
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
