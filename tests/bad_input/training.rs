//! What trains: networks, optimizers, data sets and gradient checks. Neither parameters nor gradients
//! nor moments have changed after a refusal.

#![allow(clippy::type_complexity, reason = "tables of functions, each written once")]

use super::common::{assert_same_bits, every_par};
use super::table::{Table, matrix, ones};
use gradkern::datasets::{self, Dataset};
use gradkern::gradcheck::{CheckOptions, Difference, check, gradient};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{Float, Init, LossOptions, MatMut, MatRef, Mlp, Result, Targets};

pub fn sizes<T: Float>(t: &Table) {
    for (sizes, found) in [(&[][..], 0), (&[5], 1)] {
        let message = format!("`sizes`: expected at least two sizes, found {found}");
        t.refuse_value("Mlp::new", &message, Mlp::<T>::new(sizes, Init::Book, 0));
    }
    let too_large = |sizes: &[usize], extent: usize, found: usize| {
        let message = format!(
            "`sizes`: expected extent × stride of at most isize::MAX elements, found {extent} × {found}"
        );
        t.refuse_value("Mlp::new", &message, Mlp::<T>::new(sizes, Init::Book, 0));
    };
    too_large(&[usize::MAX, 2], usize::MAX, 2);
    too_large(&[3, usize::MAX], 3, usize::MAX);
    too_large(&[2, 3, 1 << 40, 1 << 40], 1 << 40, 1 << 40);
    // As many elements as may be, but no memory for them.
    too_large(&[1 << 30, 1 << 28], 1 << 30, 1 << 28);
}

/// A network of 2 inputs, 4 neurons and 3 classes.
fn network<T: Float>() -> Mlp<T> {
    Mlp::new(&[2, 4, 3], Init::HeNormal, 1).unwrap()
}

pub fn layers<T: Float>(t: &Table) {
    let data = [T::ONE; 20];
    let m = |rows, cols| ones(&data, rows, cols);
    let mut mlp = network::<T>();
    let before = mlp.parameters().to_vec();
    let range = "`layer`: expected a range with start ≤ end ≤ 2, found 2..3";
    t.refuse_value("Mlp::weights", range, mlp.weights(2));
    t.refuse_value("Mlp::biases", range, mlp.biases(2));
    let last =
        format!("`layer`: expected a range with start ≤ end ≤ 2, found {0}..{0}", usize::MAX);
    t.refuse_value("Mlp::weights", &last, mlp.weights(usize::MAX));
    t.refuse_value("Mlp::biases", &last, mlp.biases(usize::MAX));
    let mut refuse = |message: &str, layer, weights: MatRef<T>, biases: usize| {
        t.refuse_value("Mlp::set_layer", message, mlp.set_layer(layer, weights, &data[..biases]));
    };
    refuse(range, 2, m(4, 3), 3);
    refuse("`weights`: expected a 2 × 4 matrix, found 4 × 2", 0, m(4, 2), 4);
    refuse("`biases`: expected 4 elements, found 3", 0, m(2, 4), 3);
    let weights = Some(&data[..2]);
    let options = LossOptions { class_weights: weights, ..LossOptions::default() };
    let message = "`class_weights`: expected 3 elements, found 2";
    t.refuse_value("Mlp::set_loss", message, mlp.set_loss(&options));
    mlp.reserve(4).unwrap();
    for (batch, found) in [(usize::MAX, 4), (1 << 60, 4)] {
        let message = format!(
            "`batch`: expected extent × stride of at most isize::MAX elements, found {batch} × {found}"
        );
        t.refuse_value("Mlp::reserve", &message, mlp.reserve(batch));
    }
    // What was reserved before is still there.
    let mut probabilities = [T::NAN; 12];
    mlp.predict(m(4, 2), MatMut::new(&mut probabilities, 4, 3).unwrap()).unwrap();
    assert_same_bits("parameters", mlp.parameters(), &before);
}

/// Asserts that every kind of step is refused, and leaves parameters and gradients as they were.
#[track_caller]
fn refuse_step<T: Float>(
    t: &Table,
    message: &str,
    options: &LossOptions<'_, T>,
    inputs: MatRef<'_, T>,
    targets: Targets<'_, T>,
    learning_rate: f64,
) {
    let rate = T::from_f64(learning_rate);
    type Step<T> = fn(&mut Mlp<T>, MatRef<T>, Targets<T>, T) -> Result<()>;
    let steps: [(&str, Step<T>); 3] = [
        ("Mlp::train_step", |mlp, inputs, targets, rate| {
            mlp.train_step(inputs, targets, rate).map(drop)
        }),
        ("Mlp::train_step_with_accuracy", |mlp, inputs, targets, rate| {
            mlp.train_step_with_accuracy(inputs, targets, rate).map(drop)
        }),
        ("Mlp::loss_and_gradients", |mlp, inputs, targets, _| {
            mlp.loss_and_gradients(inputs, targets).map(drop)
        }),
    ];
    // The last computes gradients, for which there is no learning rate to be wrong.
    let count = if learning_rate.is_finite() { 3 } else { 2 };
    for par in every_par() {
        for with_gradients in [false, true] {
            let mut mlp = network::<T>();
            mlp.set_par(par);
            if with_gradients {
                mlp.loss_and_gradients(ones(&[T::ONE; 2], 1, 2), (&[0_u8]).into()).unwrap();
            }
            mlp.set_loss(options).unwrap();
            let (parameters, gradients) = (mlp.parameters().to_vec(), mlp.gradients().to_vec());
            for (name, step) in &steps[..count] {
                t.refuse_value(name, message, step(&mut mlp, inputs, targets, rate));
                assert_same_bits("parameters", mlp.parameters(), &parameters);
                assert_same_bits("gradients", mlp.gradients(), &gradients);
            }
        }
    }
}

pub fn steps<T: Float>(t: &Table) {
    let data = [T::ONE; 20];
    let m = |rows, cols| ones(&data, rows, cols);
    let (labels, plain) = ([0_u8, 1], LossOptions::default());
    let targets = || Targets::from(&labels);
    let message = "`inputs`: expected a 2 × 2 matrix, found 2 × 3";
    refuse_step(t, message, &plain, m(2, 3), targets(), 0.1);
    let message = "`targets`: expected 3 elements, found 2";
    refuse_step(t, message, &plain, m(3, 2), targets(), 0.1);
    let message = "`targets`: expected a class index in 0..3 for sample 1, found 3";
    refuse_step(t, message, &plain, m(2, 2), (&[0_u8, 3]).into(), 0.1);
    let message = "`targets`: expected a 2 × 3 matrix, found 2 × 4";
    refuse_step(t, message, &plain, m(2, 2), m(2, 4).into(), 0.1);
    for (rate, found) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let message = format!("`learning_rate`: expected a finite number, found {found}");
        refuse_step(t, &message, &plain, m(2, 2), targets(), rate);
    }
    let options = LossOptions { label_smoothing: T::from_f64(1.5), ..plain };
    let message = "`label_smoothing`: expected a number in [0, 1], found 1.5";
    refuse_step(t, message, &options, m(2, 2), targets(), 0.1);
    let options = LossOptions { clip: Some(T::ZERO), ..plain };
    refuse_step(
        t,
        "`clip`: expected a number in (0, 0.5), found 0",
        &options,
        m(2, 2),
        targets(),
        0.1,
    );
    let options = LossOptions { ignore_index: Some(0), ..plain };
    let message =
        "`ignore_index`: expected None unless the targets are labels, found probability targets";
    refuse_step(t, message, &options, m(2, 2), m(2, 3).into(), 0.1);

    // 2⁵⁰ samples, all in one place.
    let (endless, rows) = (repeated(&data, 1 << 50, 2), repeated(&data, 1 << 50, 3));
    let message = "`batch`: expected extent × stride of at most isize::MAX elements, found 1125899906842624 × 4";
    refuse_step(t, message, &plain, endless, rows.into(), 0.1);
}

/// One row, again and again.
fn repeated<T: Float>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::with_strides(data, rows, cols, 0, 1).expect("a row that is there")
}

pub fn predictions<T: Float>(t: &Table) {
    let (data, mut mlp) = ([T::ONE; 20], network::<T>());
    let message = "`inputs`: expected a 2 × 2 matrix, found 2 × 3";
    t.refuse("Mlp::predict", message, 6, |to| mlp.predict(ones(&data, 2, 3), matrix(to, 2, 3)));
    let message = "`probabilities`: expected a 2 × 3 matrix, found 3 × 2";
    t.refuse("Mlp::predict", message, 6, |to| mlp.predict(ones(&data, 2, 2), matrix(to, 3, 2)));
}

const NOT_NEGATIVE: [(f64, &str); 3] = [(-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")];

pub fn descent<T: Float>(t: &Table) {
    let g = [T::ONE; 5];
    let rate = T::from_f64(0.1);
    let message = "`gradients`: expected 4 elements, found 5";
    t.refuse("optimizer::sgd", message, 4, |p| optimizer::sgd(p, &g, rate));
    for (rate, found) in NOT_NEGATIVE {
        let message =
            format!("`learning_rate`: expected a finite number of at least 0, found {found}");
        t.refuse("optimizer::sgd", &message, 5, |p| optimizer::sgd(p, &g, T::from_f64(rate)));
    }

    let refuse = |message: &str, options: Momentum<T>, gradients: usize, velocity: usize| {
        type Update<T> = fn(&Momentum<T>, &mut [T], &[T], &mut [T]) -> Result<()>;
        let both: [(&str, Update<T>); 2] = [
            ("Momentum::update", Momentum::update),
            ("Momentum::first_update", Momentum::first_update),
        ];
        for (name, update) in both {
            t.refuse(name, message, 4 + velocity, |to| {
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

pub fn adam<T: Float>(t: &Table) {
    let g = [T::ONE; 5];
    let refuse = |message: &str, options: Adam<T>, lengths: [usize; 3], step: u64| {
        t.refuse("Adam::update", message, 4 + lengths[1] + lengths[2], |to| {
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

pub fn points<T: Float>(t: &Table) {
    let draws: [(&str, fn(usize, usize, u64) -> Result<Dataset<T>>); 2] =
        [("datasets::spiral", datasets::spiral), ("datasets::vertical", datasets::vertical)];
    for (name, draw) in draws {
        let message = "`classes`: expected at most 256 classes, found 257";
        t.refuse_value(name, message, draw(2, 257, 0));
        let message =
            format!("`classes`: expected at most 256 classes, found {}", usize::MAX as f64);
        t.refuse_value(name, &message, draw(2, usize::MAX, 0));
        for samples in [usize::MAX, isize::MAX as usize / 3] {
            let message = format!(
                "`samples`: expected as many points a class as memory has room for, found {}",
                samples as f64
            );
            t.refuse_value(name, &message, draw(samples, 3, 0));
        }
    }
}

/// Gradient checks: no call of the function, and neither the point nor the gradient touched.
pub fn gradient_checks(t: &Table) {
    let never = |_: &[f64]| -> f64 { panic!("called") };
    let numerical = |message: &str, difference, len: usize| {
        t.refuse("gradcheck::gradient", message, 2 + len, |to: &mut [f64]| {
            let (point, slopes) = to.split_at_mut(2);
            gradient(never, point, difference, slopes)
        });
    };
    let compared = |message: &str, analytical: &[f64], options: CheckOptions| {
        t.refuse("gradcheck::check", message, 2, |point: &mut [f64]| {
            check(never, point, analytical, &options)
        });
    };
    let options = CheckOptions::default();
    numerical("`gradient`: expected 2 elements, found 3", Difference::forward(), 3);
    compared("`analytical`: expected 2 elements, found 1", &[1.0], options);
    for bad in [0.0, -1e-5, f64::NAN, f64::INFINITY] {
        for difference in [Difference::Forward { delta: bad }, Difference::Central { delta: bad }] {
            let message = format!("`delta`: expected a finite number above 0, found {bad}");
            numerical(&message, difference, 2);
            compared(&message, &[1.0; 2], CheckOptions { difference, ..options });
        }
    }
    for bad in [-1e-9, f64::NAN, f64::INFINITY] {
        let message =
            |name| format!("`{name}`: expected a finite number of at least 0, found {bad}");
        compared(&message("rtol"), &[1.0; 2], CheckOptions { rtol: bad, ..options });
        compared(&message("atol"), &[1.0; 2], CheckOptions { atol: bad, ..options });
    }
}
