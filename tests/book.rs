//! The numbers that *Neural Networks from Scratch* prints, to the digits it prints.

#![allow(clippy::approx_constant, reason = "ln 2 as the book prints it")]

use gradkern::{Float, LossOptions, MatMut, MatRef, Par, Targets, cross_entropy, metrics, softmax};

/// Half a unit in the last of `digits` decimals, and what f32 rounds besides.
fn assert_printed<T: Float>(what: &str, found: T, printed: f64, digits: i32) {
    let bound = 0.5 * 10_f64.powi(-digits) + 4.0 * T::EPSILON.to_f64() * printed.abs();
    let found = found.to_f64();
    assert!((found - printed).abs() <= bound, "{what}: found {found}, the book prints {printed}");
}

fn numbers<T: Float>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::from_f64(x)).collect()
}

/// Chapter 4: [1, 2, 3] and its copy shifted by −2 have the same probabilities, its halves
/// others.
fn probabilities<T: Float>() {
    let cases = [
        ([1.0, 2.0, 3.0], [0.09003057, 0.24472847, 0.66524096]),
        ([-1.0, 0.0, 1.0], [0.09003057, 0.24472847, 0.66524096]),
        ([0.5, 1.0, 1.5], [0.18632372, 0.30719589, 0.50648039]),
    ];
    for (logits, printed) in cases {
        let logits = numbers::<T>(&logits);
        let mut found = numbers::<T>(&[f64::NAN; 3]);
        let to = MatMut::new(&mut found, 1, 3).unwrap();
        softmax::forward(MatRef::new(&logits, 1, 3).unwrap(), to, Par::Seq).unwrap();
        for (found, printed) in found.iter().zip(printed) {
            assert_printed("softmax", *found, printed, 8);
        }
    }
}

/// Chapter 5's three samples: a dog, a cat and a cat.
const SAMPLES: [f64; 9] = [0.7, 0.1, 0.2, 0.1, 0.5, 0.4, 0.02, 0.9, 0.08];

fn losses<T: Float>() {
    let p = numbers::<T>(&SAMPLES);
    let one_hot = numbers::<T>(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let one_hot = MatRef::new(&one_hot, 3, 3).unwrap();
    for targets in [Targets::from(&[0_u8, 1, 1]), Targets::from(one_hot)] {
        let p = MatRef::new(&p, 3, 3).unwrap();
        let mut losses = numbers::<T>(&[f64::NAN; 3]);
        let options = LossOptions::default();
        let mean = cross_entropy::forward(p, targets, &options, &mut losses, Par::Seq).unwrap();
        for (found, printed) in losses.iter().zip([0.35667494, 0.69314718, 0.10536052]) {
            assert_printed("loss", *found, printed, 8);
        }
        assert_printed("mean loss", mean, 0.38506088, 8);
    }
}

/// A probability of 0 at the target costs −ln 1e-7, by the default clip.
fn clipped<T: Float>() {
    let p = numbers::<T>(&[0.0, 1.0]);
    let mut losses = [T::NAN];
    let loss = cross_entropy::forward(
        MatRef::new(&p, 1, 2).unwrap(),
        (&[0_i32]).into(),
        &LossOptions::default(),
        &mut losses,
        Par::Seq,
    )
    .unwrap();
    assert_printed("clipped loss", loss, 16.11809565, 8);
}

fn accuracy<T: Float>() {
    let p = numbers::<T>(&[0.7, 0.2, 0.1, 0.5, 0.1, 0.4, 0.02, 0.9, 0.08]);
    let one_hot = numbers::<T>(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let one_hot = MatRef::new(&one_hot, 3, 3).unwrap();
    for targets in [Targets::from(&[0_usize, 1, 1]), Targets::from(one_hot)] {
        let p = MatRef::new(&p, 3, 3).unwrap();
        let accuracy = metrics::accuracy(p, targets, None).unwrap();
        assert_eq!(format!("{accuracy:.4}"), "0.6667");
    }
}

#[test]
fn softmax_of_1_2_3() {
    probabilities::<f32>();
    probabilities::<f64>();
}

#[test]
fn losses_of_three_samples() {
    losses::<f32>();
    losses::<f64>();
}

#[test]
fn loss_of_a_probability_of_0() {
    clipped::<f32>();
    clipped::<f64>();
}

#[test]
fn accuracy_of_three_samples() {
    accuracy::<f32>();
    accuracy::<f64>();
}
