//! Bad input of what trains: networks, optimizers and data sets. Each is refused with a message that
//! names the argument, and neither parameters nor gradients nor moments have changed.

#![allow(clippy::type_complexity, reason = "tables of functions, each written once")]

mod common;

use common::assert_same_bits;
use common::refusal::{assert_refused, matrix, ones};
use gradkern::datasets::{self, Dataset};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{Float, Init, LossOptions, MatRef, Mlp, Result, Targets};

fn sizes<T: Float>() {
    for (sizes, found) in [(&[][..], 0), (&[5], 1)] {
        let error = Mlp::<T>::new(sizes, Init::Book, 0).unwrap_err();
        let message = format!("`sizes`: expected at least two sizes, found {found}");
        assert_eq!(error.to_string(), message);
    }
    let too_large = |sizes: &[usize], extent: usize, found: usize| {
        let message = format!(
            "`sizes`: expected extent × stride of at most isize::MAX elements, found {extent} × {found}"
        );
        let error = Mlp::<T>::new(sizes, Init::Book, 0).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    too_large(&[usize::MAX, 2], usize::MAX, 2);
    too_large(&[3, usize::MAX], 3, usize::MAX);
    too_large(&[2, 3, 1 << 40, 1 << 40], 1 << 40, 1 << 40);
}

/// A network of 2 inputs, 4 neurons and 3 classes.
fn network<T: Float>() -> Mlp<T> {
    Mlp::new(&[2, 4, 3], Init::HeNormal, 1).unwrap()
}

fn layers<T: Float>() {
    let data = [T::ONE; 20];
    let m = |rows, cols| ones(&data, rows, cols);
    let mut mlp = network::<T>();
    let before = mlp.parameters().to_vec();
    let range = "`layer`: expected a range with start ≤ end ≤ 2, found 2..3";
    assert_eq!(mlp.weights(2).map(drop).unwrap_err().to_string(), range);
    assert_eq!(mlp.biases(2).unwrap_err().to_string(), range);
    let mut refuse = |message: &str, layer, weights: MatRef<T>, biases: usize| {
        let error = mlp.set_layer(layer, weights, &data[..biases]).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    refuse(range, 2, m(4, 3), 3);
    refuse("`weights`: expected a 2 × 4 matrix, found 4 × 2", 0, m(4, 2), 4);
    refuse("`biases`: expected 4 elements, found 3", 0, m(2, 4), 3);
    let weights = Some(&data[..2]);
    let options = LossOptions { class_weights: weights, ..LossOptions::default() };
    let error = mlp.set_loss(&options).unwrap_err();
    assert_eq!(error.to_string(), "`class_weights`: expected 3 elements, found 2");
    assert_same_bits("parameters", mlp.parameters(), &before);
}

/// Asserts that every kind of step is refused, and leaves parameters and gradients as they were.
#[track_caller]
fn refuse_step<T: Float>(
    message: &str,
    options: &LossOptions<'_, T>,
    inputs: MatRef<'_, T>,
    targets: Targets<'_, T>,
    learning_rate: f64,
) {
    let rate = T::from_f64(learning_rate);
    let steps: [fn(&mut Mlp<T>, MatRef<T>, Targets<T>, T) -> Result<()>; 3] = [
        |mlp, inputs, targets, rate| mlp.train_step(inputs, targets, rate).map(drop),
        |mlp, inputs, targets, rate| mlp.train_step_with_accuracy(inputs, targets, rate).map(drop),
        |mlp, inputs, targets, _| mlp.loss_and_gradients(inputs, targets).map(drop),
    ];
    // The last computes gradients, for which there is no learning rate to be wrong.
    let count = if learning_rate.is_finite() { 3 } else { 2 };
    for par in common::every_par() {
        for with_gradients in [false, true] {
            let mut mlp = network::<T>();
            mlp.set_par(par);
            if with_gradients {
                mlp.loss_and_gradients(ones(&[T::ONE; 2], 1, 2), (&[0_u8]).into()).unwrap();
            }
            mlp.set_loss(options).unwrap();
            let (parameters, gradients) = (mlp.parameters().to_vec(), mlp.gradients().to_vec());
            for step in &steps[..count] {
                let error = step(&mut mlp, inputs, targets, rate).unwrap_err();
                assert_eq!(error.to_string(), message);
                assert_same_bits("parameters", mlp.parameters(), &parameters);
                assert_same_bits("gradients", mlp.gradients(), &gradients);
            }
        }
    }
}

fn steps<T: Float>() {
    let data = [T::ONE; 20];
    let m = |rows, cols| ones(&data, rows, cols);
    let (labels, plain) = ([0_u8, 1], LossOptions::default());
    let targets = || Targets::from(&labels);
    let message = "`inputs`: expected a 2 × 2 matrix, found 2 × 3";
    refuse_step(message, &plain, m(2, 3), targets(), 0.1);
    let message = "`targets`: expected 3 elements, found 2";
    refuse_step(message, &plain, m(3, 2), targets(), 0.1);
    let message = "`targets`: expected a class index in 0..3 for sample 1, found 3";
    refuse_step(message, &plain, m(2, 2), (&[0_u8, 3]).into(), 0.1);
    let message = "`targets`: expected a 2 × 3 matrix, found 2 × 4";
    refuse_step(message, &plain, m(2, 2), m(2, 4).into(), 0.1);
    for (rate, found) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let message = format!("`learning_rate`: expected a finite number, found {found}");
        refuse_step(&message, &plain, m(2, 2), targets(), rate);
    }
    let options = LossOptions { label_smoothing: T::from_f64(1.5), ..plain };
    let message = "`label_smoothing`: expected a number in [0, 1], found 1.5";
    refuse_step(message, &options, m(2, 2), targets(), 0.1);
    let options = LossOptions { clip: Some(T::ZERO), ..plain };
    refuse_step(
        "`clip`: expected a number in (0, 0.5), found 0",
        &options,
        m(2, 2),
        targets(),
        0.1,
    );
    let options = LossOptions { ignore_index: Some(0), ..plain };
    let message =
        "`ignore_index`: expected None unless the targets are labels, found probability targets";
    refuse_step(message, &options, m(2, 2), m(2, 3).into(), 0.1);
}

fn predictions<T: Float>() {
    let (data, mut mlp) = ([T::ONE; 20], network::<T>());
    let message = "`inputs`: expected a 2 × 2 matrix, found 2 × 3";
    assert_refused(message, 6, |to| mlp.predict(ones(&data, 2, 3), matrix(to, 2, 3)));
    let message = "`probabilities`: expected a 2 × 3 matrix, found 3 × 2";
    assert_refused(message, 6, |to| mlp.predict(ones(&data, 2, 2), matrix(to, 3, 2)));
}

#[test]
fn networks() {
    sizes::<f32>();
    sizes::<f64>();
    layers::<f32>();
    layers::<f64>();
    steps::<f32>();
    steps::<f64>();
    predictions::<f32>();
    predictions::<f64>();
}

const NOT_NEGATIVE: [(f64, &str); 3] = [(-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")];

fn descent<T: Float>() {
    let g = [T::ONE; 5];
    let rate = T::from_f64(0.1);
    assert_refused("`gradients`: expected 4 elements, found 5", 4, |p| optimizer::sgd(p, &g, rate));
    for (rate, found) in NOT_NEGATIVE {
        let message =
            format!("`learning_rate`: expected a finite number of at least 0, found {found}");
        assert_refused(&message, 5, |p| optimizer::sgd(p, &g, T::from_f64(rate)));
    }

    let refuse = |message: &str, options: Momentum<T>, gradients: usize, velocity: usize| {
        for update in [Momentum::update, Momentum::first_update] {
            assert_refused(message, 4 + velocity, |to| {
                let (p, velocity) = to.split_at_mut(4);
                update(&options, p, &g[..gradients], velocity)
            });
        }
    };
    let plain = Momentum::default();
    refuse("`gradients`: expected 4 elements, found 3", plain, 3, 4);
    refuse("`velocity`: expected 4 elements, found 5", plain, 4, 5);
    for (value, found) in NOT_NEGATIVE {
        let message =
            |name: &str| format!("`{name}`: expected a finite number of at least 0, found {found}");
        let value = T::from_f64(value);
        refuse(&message("learning_rate"), Momentum { learning_rate: value, ..plain }, 4, 4);
        refuse(&message("momentum"), Momentum { momentum: value, ..plain }, 4, 4);
        refuse(&message("weight_decay"), Momentum { weight_decay: value, ..plain }, 4, 4);
    }
    let options = Momentum { dampening: T::NAN, ..plain };
    refuse("`dampening`: expected a finite number, found NaN", options, 4, 4);
    let nesterov = Momentum { nesterov: true, ..plain };
    let message =
        |found| format!("`nesterov`: expected a momentum above 0 and no dampening, found {found}");
    let options = Momentum { momentum: T::ZERO, ..nesterov };
    refuse(&message("a momentum of 0"), options, 4, 4);
    refuse(&message("dampening"), Momentum { dampening: rate, ..nesterov }, 4, 4);
}

fn adam<T: Float>() {
    let g = [T::ONE; 5];
    let refuse = |message: &str, options: Adam<T>, lengths: [usize; 3], step: u64| {
        assert_refused(message, 4 + lengths[1] + lengths[2], |to| {
            let (p, moments) = to.split_at_mut(4);
            let (first, second) = moments.split_at_mut(lengths[1]);
            options.update(p, &g[..lengths[0]], first, second, step)
        });
    };
    let plain = Adam::default();
    refuse("`gradients`: expected 4 elements, found 3", plain, [3, 4, 4], 1);
    refuse("`first_moment`: expected 4 elements, found 5", plain, [4, 5, 4], 1);
    refuse("`second_moment`: expected 4 elements, found 2", plain, [4, 4, 2], 1);
    refuse("`step`: expected a count of steps from 1, found 0", plain, [4; 3], 0);
    for (value, found) in NOT_NEGATIVE {
        let message =
            |name: &str| format!("`{name}`: expected a finite number of at least 0, found {found}");
        let value = T::from_f64(value);
        refuse(&message("learning_rate"), Adam { learning_rate: value, ..plain }, [4; 3], 1);
        refuse(&message("epsilon"), Adam { epsilon: value, ..plain }, [4; 3], 1);
        refuse(&message("weight_decay"), Adam { weight_decay: value, ..plain }, [4; 3], 1);
    }
    for (value, found) in [(-0.5, "-0.5"), (1.0, "1"), (f64::NAN, "NaN")] {
        let message = |name: &str| format!("`{name}`: expected a number in [0, 1), found {found}");
        let value = T::from_f64(value);
        refuse(&message("beta1"), Adam { beta1: value, ..plain }, [4; 3], 1);
        refuse(&message("beta2"), Adam { beta2: value, ..plain }, [4; 3], 1);
    }
}

#[test]
fn optimizers() {
    descent::<f32>();
    descent::<f64>();
    adam::<f32>();
    adam::<f64>();
}

fn points<T: Float>() {
    let draws: [fn(usize, usize, u64) -> Result<Dataset<T>>; 2] =
        [datasets::spiral, datasets::vertical];
    for draw in draws {
        let error = draw(2, 257, 0).unwrap_err();
        assert_eq!(error.to_string(), "`classes`: expected at most 256 classes, found 257");
        let error = draw(usize::MAX, 3, 0).unwrap_err();
        let message = "`samples`: expected as many points a class as memory has room for, found 18446744073709552000";
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn data_sets() {
    points::<f32>();
    points::<f64>();
}
