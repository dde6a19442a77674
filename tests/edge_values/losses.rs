//! Rows of logits: poisoned, masked, huge, confident, ignored.

use super::common::{assert_close, assert_number, assert_same_bits, every_par, to_f64};
use super::{INF, NAN, view, view_mut};
use gradkern::reference::{self, Matrix};
use gradkern::{
    Float, LossOptions, Par, Reduction, Targets, Upstream, softmax, softmax_cross_entropy,
};

/// Few classes go several rows to a vector, many a row at a time; lengths with and without a tail.
const CLASSES: [usize; 7] = [1, 2, 3, 8, 10, 16, 37];

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

/// A label smoothing so small that a class's share of it, divided by a row's sum of exponentials on
/// the way, would be subnormal: the gradient keeps its digits.
#[test]
fn a_tiny_label_smoothing() {
    let classes = 12;
    let mut weights = vec![1.0_f32; classes];
    // The label's own term counts for nothing, so that what is left is the smoothing's.
    weights[11] = 0.0;
    let label_smoothing = 1.7e-33;
    let options = LossOptions {
        label_smoothing,
        class_weights: Some(&weights),
        reduction: Reduction::Sum,
        ..LossOptions::default()
    };
    let share = f64::from(label_smoothing) / classes as f64;
    for shift in [-200.0, -87.0, 0.0, 60.0, 88.0, 150.0, 250.0, 300.0, 1000.0] {
        let logit = |class: usize| (class as f32 * 0.37).sin() * 3.0 + shift;
        let logits: Vec<f32> = (0..classes).map(logit).collect();
        let found = run(&logits, classes, (&[11_u8]).into(), &options, Par::Seq);
        let exp = |x: f32| (f64::from(x) - f64::from(shift)).exp();
        let sum: f64 = logits.iter().map(|&x| exp(x)).sum();
        for (class, &gradient) in found.gradient.iter().enumerate() {
            let p = exp(logits[class]) / sum;
            let want = share * (11.0 * p - f64::from(weights[class]));
            // Σt and p to 8 roundings each, and a difference of them.
            let bound = 16.0 * f64::from(f32::EPSILON) * share * (11.0 * p + 1.0);
            assert_number("gradient", gradient, want, bound);
        }
    }
}
