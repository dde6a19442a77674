//! Updates of parameters against the reference: random lengths, options and steps.

mod common;

use common::{Random, assert_close, bounds, cases, rounded, to_f64, to_type};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{Float, reference};
use proptest::prelude::*;
use proptest::sample::select;

/// Parameters, gradients and what an optimizer remembers (the last not negative).
fn state<T: Float>(len: usize, seed: u64) -> [Vec<T>; 4] {
    let mut random = Random::new(seed);
    let mut state = [0; 4].map(|_| random.numbers::<T>(len, 2.0));
    state[3].iter_mut().for_each(|v| *v = v.abs());
    state.map(|numbers| to_type(&numbers))
}

fn check_sgd<T: Float>(len: usize, seed: u64, rate: f64) {
    let [mut p, g, ..] = state::<T>(len, seed);
    let (mut expected, gradients) = (to_f64(&p), to_f64(&g));
    // One product and one sum.
    let bounds: Vec<f64> = (0..len)
        .map(|i| 2.0 * bounds::unit::<T>() * (expected[i].abs() + (rate * gradients[i]).abs()))
        .collect();
    optimizer::sgd(&mut p, &g, T::from_f64(rate)).unwrap();
    reference::sgd(&mut expected, &gradients, rate);
    assert_close("parameters", &p, &expected, &bounds);
}

fn check_momentum<T: Float>(len: usize, seed: u64, options: reference::Momentum, is_first: bool) {
    let [mut p, g, mut v, _] = state::<T>(len, seed);
    let (before, gradients, velocity) = (to_f64(&p), to_f64(&g), to_f64(&v));
    let (mut expected, mut expected_velocity) = (before.clone(), velocity.clone());
    let kernel = Momentum {
        learning_rate: T::from_f64(options.learning_rate),
        momentum: T::from_f64(options.momentum),
        dampening: T::from_f64(options.dampening),
        weight_decay: T::from_f64(options.weight_decay),
        nesterov: options.nesterov,
    };
    if is_first {
        kernel.first_update(&mut p, &g, &mut v).unwrap();
    } else {
        kernel.update(&mut p, &g, &mut v).unwrap();
    }
    // Without momentum, the velocity is the gradient, dampened or not.
    let starts = is_first || options.momentum == 0.0;
    options.update(&mut expected, &gradients, &mut expected_velocity, starts);
    let u = bounds::unit::<T>();
    let (mut velocity_bounds, mut bounds) = (Vec::new(), Vec::new());
    for i in 0..len {
        // g and its decay: 2 roundings; each term of v: 3 more; each of the step: 4 more.
        let g = gradients[i].abs() + options.weight_decay * before[i].abs();
        let old = if starts { 0.0 } else { options.momentum * velocity[i].abs() };
        let v = old + (1.0 + options.dampening) * g;
        let step = if options.nesterov { g + options.momentum * v } else { v };
        velocity_bounds.push(5.0 * u * v);
        bounds.push(9.0 * u * options.learning_rate * step + u * before[i].abs());
    }
    assert_close("velocity", &v, &expected_velocity, &velocity_bounds);
    assert_close("parameters", &p, &expected, &bounds);
}

fn check_adam<T: Float>(len: usize, seed: u64, options: reference::Adam, step: i32) {
    let [mut p, g, mut m, mut v] = state::<T>(len, seed);
    let (before, gradients) = (to_f64(&p), to_f64(&g));
    let (first, second) = (to_f64(&m), to_f64(&v));
    let (mut expected, mut expected_first, mut expected_second) =
        (before.clone(), first.clone(), second.clone());
    let kernel = Adam {
        learning_rate: T::from_f64(options.learning_rate),
        beta1: T::from_f64(options.beta1),
        beta2: T::from_f64(options.beta2),
        epsilon: T::from_f64(options.epsilon),
        weight_decay: T::from_f64(options.weight_decay),
    };
    kernel.update(&mut p, &g, &mut m, &mut v, step as u64).unwrap();
    options.update(&mut expected, &gradients, &mut expected_first, &mut expected_second, step);
    let u = bounds::unit::<T>();
    let corrections = (1.0 - options.beta1.powi(step), 1.0 - options.beta2.powi(step));
    // βᵗ takes at most 8 products, in f64 in the kernel, too, and 1 − βᵗ magnifies their rounding.
    let powers = 8.0 * f64::EPSILON * (1.0 / corrections.0 + 1.0 / corrections.1);
    let (mut first_bounds, mut second_bounds, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..len {
        // g and its decay: 2 roundings, which the square doubles.
        let g = gradients[i].abs() + options.weight_decay * before[i].abs();
        let m = options.beta1 * first[i].abs() + (1.0 - options.beta1) * g;
        let v = options.beta2 * second[i] + (1.0 - options.beta2) * g * g;
        let (m_error, v_error) = (6.0 * u * m, 9.0 * u * v);
        first_bounds.push(m_error);
        second_bounds.push(v_error + bounds::tiny::<T>());
        // √v is off by half of v's relative error, where v does not cancel; it cannot, but for g.
        let root = (expected_second[i] / corrections.1).sqrt();
        let root_error = if expected_second[i] > 0.0 {
            root * (v_error / expected_second[i] + 4.0 * u)
        } else {
            0.0
        };
        let divisor = root + options.epsilon;
        let scale = options.learning_rate / corrections.0 / divisor;
        let relative = (root_error + 2.0 * u * divisor) / divisor + 6.0 * u + powers;
        let relative = relative / (1.0 - relative);
        let size = expected_first[i].abs() + m_error;
        bounds.push(scale * (m_error + size * relative) + u * (before[i].abs() + scale * size));
    }
    assert_close("first moment", &m, &expected_first, &first_bounds);
    assert_close("second moment", &v, &expected_second, &second_bounds);
    assert_close("parameters", &p, &expected, &bounds);
}

fn momentum<T: Float>() -> impl Strategy<Value = reference::Momentum> {
    let options = (
        select(&[0.0, 0.9, 0.5][..]),
        select(&[0.0, 0.25, 1.0][..]),
        select(&[0.0, 0.01][..]),
        any::<bool>(),
    );
    options.prop_map(|(momentum, dampening, weight_decay, nesterov)| {
        // Looking ahead needs a momentum, and no dampening.
        let nesterov = nesterov && momentum > 0.0;
        reference::Momentum {
            learning_rate: rounded::<T>(0.1),
            momentum: rounded::<T>(momentum),
            dampening: if nesterov { 0.0 } else { dampening },
            weight_decay: rounded::<T>(weight_decay),
            nesterov,
        }
    })
}

fn adam<T: Float>() -> impl Strategy<Value = reference::Adam> {
    let options = (
        select(&[0.0, 0.5, 0.9][..]),
        select(&[0.5, 0.999][..]),
        select(&[1e-8, 0.1][..]),
        select(&[0.0, 0.01][..]),
    );
    options.prop_map(|(beta1, beta2, epsilon, weight_decay)| reference::Adam {
        learning_rate: rounded::<T>(0.01),
        beta1: rounded::<T>(beta1),
        beta2: rounded::<T>(beta2),
        epsilon: rounded::<T>(epsilon),
        weight_decay: rounded::<T>(weight_decay),
    })
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn sgd(len in 0..200_usize, seed: u64, rate in select(&[0.0, 0.0625, 0.5, 3.0][..])) {
        check_sgd::<f32>(len, seed, rate);
        check_sgd::<f64>(len, seed, rate);
    }

    #[test]
    fn sgd_with_momentum(
        len in 0..200_usize,
        seed: u64,
        narrow in momentum::<f32>(),
        wide in momentum::<f64>(),
        is_first: bool
    ) {
        check_momentum::<f32>(len, seed, narrow, is_first);
        check_momentum::<f64>(len, seed, wide, is_first);
    }

    #[test]
    fn adaptive_moments(
        len in 0..200_usize,
        seed: u64,
        narrow in adam::<f32>(),
        wide in adam::<f64>(),
        step in 1..50_i32
    ) {
        check_adam::<f32>(len, seed, narrow, step);
        check_adam::<f64>(len, seed, wide, step);
    }
}
