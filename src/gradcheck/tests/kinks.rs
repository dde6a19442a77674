//! Kinks, curvature and noise, told apart from wrong gradients.

use super::*;
use crate::rng::Rng;

#[test]
fn relu_at_0_has_subgradients_from_0_to_1() {
    for right in [0.0, 1e-6, 0.1, 0.3, 0.7, 1.0] {
        let report = checked_at(relu, 0.0, right);
        assert!(is_kink(&report) && report.worst.is_none(), "{right}: {report}");
    }
    // The central difference itself is 1/2.
    assert!(is_right(&checked_at(relu, 0.0, 0.5)));
    for wrong in [-1.0, -0.01, -1e-5, 1.00001, 1.01, 2.0, 1e9] {
        let report = checked_at(relu, 0.0, wrong);
        assert!(is_wrong(&report), "{wrong}: {report}");
    }
}

#[test]
fn the_absolute_value_at_0() {
    for right in [-1.0, -0.5, 0.5, 1.0] {
        assert!(is_kink(&checked_at(f64::abs, 0.0, right)), "{right}");
    }
    assert!(is_right(&checked_at(f64::abs, 0.0, 0.0)));
    for wrong in [-1.01, 1.01] {
        assert!(is_wrong(&checked_at(f64::abs, 0.0, wrong)), "{wrong}");
    }
}

#[test]
fn the_maximum_of_equals() {
    for (a, b) in [(1.0, 0.0), (0.0, 1.0), (0.3, 0.7)] {
        let report = checked(|p| p[0].max(p[1]), &[0.4, 0.4], &[a, b]);
        assert!(report.passed() && report.kinks == [0, 1], "{report}");
    }
    let report = checked(|p| p[0].max(p[1]), &[0.4, 0.4], &[1.2, -0.2]);
    assert_eq!(report.wrong, [0, 1]);
}

/// From 1e-8 on, a right slope can be told from a wrong one on a kink's other side; closer, they
/// are taken for its two slopes.
#[test]
fn relu_near_0() {
    for k in 0..60 {
        let distance = 9.9e-6 / 10_f64.powf(f64::from(k) / 10.0);
        for (x, right, wrong) in [(distance, 1.0, 0.0), (-distance, 0.0, 1.0)] {
            let report = checked_at(relu, x, right);
            assert!(is_kink(&report), "{x}: {report}");
            for off in [-0.01, 1.01] {
                let report = checked_at(relu, x, off);
                assert!(is_wrong(&report), "{off} at {x}: {report}");
            }
            if distance > 1e-7 {
                let report = checked_at(relu, x, wrong);
                assert!(is_wrong(&report), "{wrong} at {x}: {report}");
            }
        }
    }
    // Beyond δ there is nothing to tell apart.
    for (x, right) in [(1.01e-5, 1.0), (-1.01e-5, 0.0)] {
        assert!(is_right(&checked_at(relu, x, right)));
        assert!(is_wrong(&checked_at(relu, x, 1.0 - right)));
    }
}

/// A random smooth function, with its derivative; from gently to strongly curved.
struct Smooth {
    kind: usize,
    amplitude: f64,
    rate: f64,
    phase: f64,
    slope: f64,
}

impl Smooth {
    fn random(rng: &mut Rng, steepest: f64) -> Self {
        Smooth {
            kind: rng.below(6),
            amplitude: 10_f64.powf(2.0 * rng.uniform() - 1.0),
            rate: steepest.powf(rng.uniform()),
            phase: 6.3 * rng.uniform(),
            slope: rng.normal(),
        }
    }

    fn value_and_slope(&self, x: f64) -> (f64, f64) {
        let (a, k) = (self.amplitude, self.rate);
        let t = k * x + self.phase;
        let (value, slope) = match self.kind {
            0 => (t.sin(), t.cos()),
            1 => ((k * x).exp(), (k * x).exp()),
            2 => (t.tanh(), 1.0 - t.tanh() * t.tanh()),
            3 => (t * t * t - t, 3.0 * t * t - 1.0),
            4 => ((1.0 + t * t).ln(), 2.0 * t / (1.0 + t * t)),
            _ => (1.0 / (1.0 + t * t), -2.0 * t / ((1.0 + t * t) * (1.0 + t * t))),
        };
        (a * value + self.slope * x, a * k * slope + self.slope)
    }

    fn value(&self, x: f64) -> f64 {
        self.value_and_slope(x).0
    }
}

/// The main promise: a gradient that is off by more than the tolerance is never excused as a kink
/// or as curvature, however small its error and however strong the curvature.
#[test]
fn wrong_gradients_of_smooth_functions_are_wrong() {
    let mut rng = Rng::new(1);
    for case in 0..20_000 {
        let f = Smooth::random(&mut rng, 1e4);
        let x = 0.01 * rng.normal();
        let (_, right) = f.value_and_slope(x);
        let tolerance = 1e-9 + 1e-7 * right.abs();
        let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
        let error = sign * 2.0 * tolerance * 10_f64.powf(7.0 * rng.uniform());
        let report = checked_at(|x| f.value(x), x, right + error);
        assert!(report.kinks.is_empty(), "{case}: {right} + {error}: {report}");
        // Curvature may take the difference off to where the wrong value is.
        let numerical = derivative(|x| f.value(x), x, Difference::central());
        if (numerical - right - error).abs() > tolerance + 1e-7 * error.abs() {
            assert!(is_wrong(&report), "{case}: {right} + {error}: {report}");
        }
    }
}

#[test]
fn right_gradients_of_smooth_functions_are_right() {
    let mut rng = Rng::new(2);
    let mut compared = 0;
    for case in 0..20_000 {
        let f = Smooth::random(&mut rng, 3e2);
        let x = 0.01 * rng.normal();
        let (value, right) = f.value_and_slope(x);
        // Where rounding, over δ, is well below the tolerance, there is enough to see.
        if 100.0 * f64::EPSILON * value.abs() / 1e-5 <= 1e-9 + 1e-7 * right.abs() {
            compared += 1;
            let report = checked_at(|x| f.value(x), x, right);
            assert!(is_right(&report), "{case}: {report}");
        }
    }
    assert!(compared > 18_000, "{compared}");
}

/// A smooth function with a ReLU added whose kink is at the point or at a random distance below δ.
struct Kinked {
    smooth: Smooth,
    jump: f64,
    kink: f64,
}

impl Kinked {
    fn random(rng: &mut Rng) -> Self {
        let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
        Kinked {
            smooth: Smooth::random(rng, 30.0),
            jump: sign * 10_f64.powf(3.0 * rng.uniform() - 2.0),
            kink: rng.normal(),
        }
    }

    fn value(&self, x: f64) -> f64 {
        self.smooth.value(x - self.kink) + self.jump * relu(x - self.kink)
    }

    /// The slopes on both sides of the kink.
    fn slopes(&self) -> [f64; 2] {
        let slope = self.smooth.value_and_slope(0.0).1;
        [slope, slope + self.jump]
    }

    /// How far off a wrong gradient is: some tolerances or more.
    fn off(&self, rng: &mut Rng) -> f64 {
        let least = 3.0 * (1e-9 + 1e-7 * (self.slopes()[0].abs() + self.jump.abs()));
        least * (1.0 + self.jump.abs() / least).powf(rng.uniform())
    }

    fn slope(&self, x: f64) -> f64 {
        self.smooth.value_and_slope(x - self.kink).1 + if x > self.kink { self.jump } else { 0.0 }
    }
}

#[test]
fn gradients_on_a_kink_may_be_what_lies_between_its_slopes() {
    let mut rng = Rng::new(3);
    let (cases, mut kinks) = (5_000, 0);
    for case in 0..cases {
        let f = Kinked::random(&mut rng);
        let [left, right] = f.slopes();
        let between = left + (right - left) * [0.0, 1.0, 0.4 * rng.uniform()][rng.below(3)];
        kinks += checked_at(|x| f.value(x), f.kink, between).kinks.len();

        let off = f.off(&mut rng) * f.jump.signum();
        for wrong in [left - off, right + off] {
            let report = checked_at(|x| f.value(x), f.kink, wrong);
            assert!(is_wrong(&report), "{case}: {wrong} not in {left} to {right}: {report}");
        }
    }
    // Of the others some agree at once, where the jump is small beside the slope's tolerance; a few
    // cannot be told from wrong ones for noise and curvature.
    assert!(kinks >= cases * 999 / 1000, "{kinks}");
}

#[test]
fn gradients_near_a_kink_are_right_or_wrong() {
    let mut rng = Rng::new(4);
    let (cases, mut kinks, mut right) = (5_000, 0, 0);
    for case in 0..cases {
        let f = Kinked::random(&mut rng);
        let distance = 10_f64.powf(-5.05 - 5.0 * rng.uniform());
        let x = f.kink + if rng.below(2) == 0 { distance } else { -distance };
        let slope = f.slope(x);
        let report = checked_at(|x| f.value(x), x, slope);
        kinks += report.kinks.len();
        right += usize::from(report.passed());

        let off = f.off(&mut rng);
        for wrong in [slope - off, slope + off] {
            let tolerance = 1e-9 + 1e-7 * slope.abs().max(wrong.abs());
            // Across the kink, the difference may by chance be what the wrong value is.
            let numerical = derivative(|x| f.value(x), x, Difference::central());
            let agrees = (numerical - wrong).abs() <= tolerance;
            // From closer than noise lets it look, a point is on the kink.
            let [one, other] = f.slopes();
            let between = (wrong - one.midpoint(other)).abs() < f.jump.abs() / 2.0 + tolerance;
            if !agrees && (distance > 2e-7 || !between) {
                let report = checked_at(|x| f.value(x), x, wrong);
                assert!(is_wrong(&report), "{case} {distance}: {wrong} for {slope}: {report}");
            }
        }
    }
    assert!(right >= cases * 999 / 1000 && kinks >= cases * 98 / 100, "{right}, {kinks}");
}

/// As where neurons of a whole layer are near their kinks, for several samples: no one distance
/// shows a straight line on either side.
#[test]
fn many_kinks_on_both_sides() {
    let mut rng = Rng::new(8);
    let (cases, mut called_wrong) = (5_000, 0);
    for case in 0..cases {
        let smooth = Smooth { amplitude: 0.3, ..Smooth::random(&mut rng, 3.0) };
        let x = rng.normal();
        let mut kink = || {
            let distance = 3e-6 + 6.9e-6 * rng.uniform();
            (x + if rng.below(2) == 0 { distance } else { -distance }, rng.normal())
        };
        let kinks: Vec<(f64, f64)> = (0..1 << (case % 8)).map(|_| kink()).collect();
        let f = |x: f64| smooth.value(x) + kinks.iter().map(|&(k, j)| j * relu(x - k)).sum::<f64>();
        let slopes_at_left = kinks.iter().filter(|&&(k, _)| x > k).map(|&(_, j)| j).sum::<f64>();
        let right = smooth.value_and_slope(x).1 + slopes_at_left;
        called_wrong += usize::from(!checked_at(f, x, right).passed());
        // Beyond all slopes that there are.
        let off = 1e-3 + 2.0 * kinks.iter().map(|&(_, j)| j.abs()).sum::<f64>();
        for wrong in [right - off, right + off] {
            let report = checked_at(f, x, wrong);
            assert!(is_wrong(&report), "{case}: {wrong} for {right}: {report}");
        }
    }
    // Where noise does not let it look close enough: a fifth of what one look from δ/8 calls wrong.
    assert!(called_wrong <= cases * 7 / 1000, "{called_wrong}");
}

/// Much cancellation in a function is noise in its values, neither a kink nor curvature.
#[test]
fn noise_is_not_taken_for_a_kink() {
    let mut rng = Rng::new(5);
    let mut kinks = 0;
    for case in 0..20_000 {
        let f = Smooth::random(&mut rng, 1e3);
        let magnitude = 10_f64.powf(9.0 * rng.uniform());
        let noisy = |x: f64| (f.value(x) + magnitude) - magnitude;
        let x = 0.01 * rng.normal();
        let right = f.value_and_slope(x).1;
        let off = (1e-2 + right.abs()) * 10_f64.powf(-6.0 * rng.uniform());
        kinks += checked_at(noisy, x, right).kinks.len();
        for wrong in [right - off, right + off] {
            let report = checked_at(noisy, x, wrong);
            let tolerance = 1e-9 + 1e-7 * right.abs().max(wrong.abs());
            // Curvature or noise may take the difference off to where the wrong value is.
            let numerical = derivative(noisy, x, Difference::central());
            let agrees = (numerical - wrong).abs() <= tolerance;
            let detected = agrees || off < 2.0 * tolerance || is_wrong(&report);
            assert!(report.kinks.is_empty() && detected, "{case}: {wrong} for {right}: {report}");
        }
    }
    assert!(kinks <= 20, "{kinks}");
}

/// Where δ is far too large for it.
#[test]
fn strong_curvature_is_seldom_taken_for_a_kink() {
    let mut rng = Rng::new(7);
    let (cases, mut right, mut kinks) = (20_000, 0, 0);
    for _ in 0..cases {
        let f = Smooth { rate: 1e3 * 10_f64.powf(rng.uniform()), ..Smooth::random(&mut rng, 1.0) };
        let x = 0.01 * rng.normal();
        let report = checked_at(|x| f.value(x), x, f.value_and_slope(x).1);
        right += usize::from(report.passed());
        kinks += report.kinks.len();
    }
    assert!(right >= cases * 99 / 100 && kinks <= cases / 500, "{right}, {kinks}");
}

/// A hidden layer of ReLUs and a squared error, with its gradient by hand.
fn network(parameters: &[f64], inputs: &[[f64; 2]]) -> (f64, Vec<f64>) {
    let (hidden, output) = parameters.split_at(12);
    let (mut loss, mut gradient) = (0.0, vec![0.0; 16]);
    for input in inputs {
        let z: Vec<f64> =
            hidden.chunks(3).map(|n| n[0] * input[0] + n[1] * input[1] + n[2]).collect();
        let y: f64 = z.iter().zip(output).map(|(&z, w)| relu(z) * w).sum();
        loss += 0.5 * (y - 1.0) * (y - 1.0);
        for (j, &z) in z.iter().enumerate() {
            gradient[12 + j] += (y - 1.0) * relu(z);
            if z > 0.0 {
                let grad_z = (y - 1.0) * output[j];
                gradient[3 * j] += grad_z * input[0];
                gradient[3 * j + 1] += grad_z * input[1];
                gradient[3 * j + 2] += grad_z;
            }
        }
    }
    (loss, gradient)
}

#[test]
fn a_network_with_neurons_at_and_near_their_kinks() {
    let mut rng = Rng::new(6);
    for case in 0..500 {
        let inputs: Vec<[f64; 2]> = (0..8).map(|_| [rng.normal(), rng.normal()]).collect();
        let mut parameters: Vec<f64> = (0..16).map(|_| rng.normal()).collect();
        // The first neuron is at its kink for the first sample, the second near it for another.
        parameters[2] = -(parameters[0] * inputs[0][0] + parameters[1] * inputs[0][1]);
        let distance = 4e-6 * (2.0 * rng.uniform() - 1.0);
        parameters[5] = distance - (parameters[3] * inputs[1][0] + parameters[4] * inputs[1][1]);
        let gradient = network(&parameters, &inputs).1;
        let report = checked(|p| network(p, &inputs).0, &parameters, &gradient);
        assert!(report.passed(), "{case}: {report}");
        assert!(report.kinks.contains(&2) && report.kinks.contains(&5), "{case}: {report}");
        assert!(report.kinks.iter().all(|&i| i < 6), "{case}: {report}");

        let mut wrong = gradient.clone();
        let i = rng.below(16);
        // On a kink, far off all that lies between its slopes.
        let off = if i < 6 { 1e3 } else { 1e-5 } * (1.0 + wrong[i].abs());
        wrong[i] += if rng.below(2) == 0 { off } else { -off };
        let report = checked(|p| network(p, &inputs).0, &parameters, &wrong);
        assert_eq!(report.wrong, [i], "{case}: {report}");
    }
}
