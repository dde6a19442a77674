//! Both cross-entropies against the reference: all targets, options and strides.

mod common;

use common::bounds::{self, Given, LossBounds};
use common::losses::{LossArguments, LossCase, loss_case};
use common::{
    Layout, Random, Strided, assert_close, assert_matrix, assert_number, cases, elements, extent,
    for_every_par, rounded,
};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, cross_entropy, softmax_cross_entropy};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    loss: LossCase,
    /// Of the logits or probabilities, and of their gradient.
    layouts: (Layout, Layout),
    scale: f64,
    /// Whether there are logits of −∞, and rows with NaN or +∞.
    special: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let classes = prop_oneof![8 => extent(), 1 => select(&[257_usize, 1000][..])];
    let layouts = (select(&Layout::INPUTS[..]), select(&Layout::OUTPUTS[..]));
    let scale = select(&[0.0, 1.0, 1.0, 30.0, 1e4][..]);
    (loss_case(extent(), classes), layouts, scale, prop::bool::weighted(0.3))
        .prop_map(|(loss, layouts, scale, special)| Case { loss, layouts, scale, special })
}

impl Case {
    fn logits<T: Float>(&self) -> Strided<T> {
        let mut random = Random::new(!self.loss.seed);
        let (batch, classes) = (self.loss.batch, self.loss.classes);
        let mut logits = random.matrix::<T>(batch, classes, self.scale);
        if self.special {
            let special = [f64::NAN, f64::INFINITY];
            for x in &mut logits.data {
                // Most rows hold −∞; few are NaN.
                match random.below(60) {
                    i if i < special.len() && random.below(8) == 0 => *x = special[i],
                    i if i < 12 => *x = f64::NEG_INFINITY,
                    _ => {}
                }
            }
        }
        Strided::of(&logits, self.layouts.0)
    }

    /// Probabilities from 0 to 1, both included, NaN as well; they need not sum to 1.
    fn probabilities<T: Float>(&self) -> Strided<T> {
        let mut random = Random::new(!self.loss.seed);
        let (batch, classes) = (self.loss.batch, self.loss.classes);
        let mut p = random.probabilities::<T>(batch, classes);
        if self.special {
            let special = [0.0, 1.0, 1e-30, 1e-39, 1.0 - 1e-6, 1.0 - 1e-9, f64::NAN];
            for x in &mut p.data {
                match random.below(20) {
                    // Rows of many classes would otherwise all be NaN.
                    6 if random.below(8) != 0 => {}
                    i if i < special.len() => *x = rounded::<T>(special[i]),
                    _ => {}
                }
            }
        }
        Strided::of(&p, self.layouts.0)
    }
}

/// What is expected of a call.
struct Expected {
    losses: Vec<f64>,
    reduced: f64,
    gradient: Matrix,
    bounds: LossBounds,
}

impl Expected {
    fn check_losses<T: Float>(&self, losses: &[T], reduced: T) {
        assert_close("losses", losses, &self.losses, &self.bounds.losses);
        assert_number("the reduced loss", reduced, self.reduced, self.bounds.reduced);
    }

    fn check_gradient<T: Float>(&self, found: &Strided<T>) {
        assert_matrix("gradient", found.result(), &self.gradient, &self.bounds.gradient);
    }
}

fn expect_fused<T: Float>(logits: &Matrix, loss: &reference::Loss, upstream: &[f64]) -> Expected {
    let (losses, reduced) = reference::softmax_cross_entropy(logits, loss);
    let gradient = reference::softmax_cross_entropy_backward(logits, loss, upstream);
    let bounds = bounds::softmax_cross_entropy::<T>(logits, loss, upstream, &Given::default());
    Expected { losses, reduced, gradient, bounds }
}

fn check_fused<T: Float>(case: &Case) {
    let arguments = LossArguments::<T>::new(case.loss);
    let (targets, options) = (arguments.targets(), arguments.options());
    let logits = case.logits::<T>();
    let (batch, classes) = (case.loss.batch, case.loss.classes);
    let ones = vec![1.0; batch];
    let expected = expect_fused::<T>(&logits.matrix(), &arguments.reference, &ones);
    for_every_par("forward", |par| {
        let mut losses = vec![T::NAN; batch];
        let reduced =
            softmax_cross_entropy::forward(logits.view(), targets, &options, &mut losses, par);
        expected.check_losses(&losses, reduced.unwrap());
        losses
    });
    for_every_par("forward_backward", |par| {
        let mut losses = vec![T::NAN; batch];
        let mut gradient = Strided::output(batch, classes, case.layouts.1);
        let to = gradient.view_mut();
        let from = logits.view();
        let reduced =
            softmax_cross_entropy::forward_backward(from, targets, &options, &mut losses, to, par)
                .unwrap();
        expected.check_losses(&losses, reduced);
        expected.check_gradient(&gradient);
        [elements(gradient.result()), losses, vec![reduced]].concat()
    });
    for_every_par("forward_backward_in_place", |par| {
        let mut losses = vec![T::NAN; batch];
        let mut gradient = Strided::in_out(&logits.matrix(), case.layouts.1);
        let over = gradient.view_mut();
        let reduced = softmax_cross_entropy::forward_backward_in_place(
            over,
            targets,
            &options,
            &mut losses,
            par,
        )
        .unwrap();
        expected.check_losses(&losses, reduced);
        expected.check_gradient(&gradient);
        [elements(gradient.result()), losses, vec![reduced]].concat()
    });
    let upstream = arguments.reference_upstream();
    let expected = expect_fused::<T>(&logits.matrix(), &arguments.reference, &upstream);
    for_every_par("backward", |par| {
        let mut gradient = Strided::output(batch, classes, case.layouts.1);
        let (from, to, upstream) = (logits.view(), gradient.view_mut(), arguments.upstream());
        softmax_cross_entropy::backward(from, targets, &options, upstream, to, par).unwrap();
        expected.check_gradient(&gradient);
        elements(gradient.result())
    });
}

fn check_on_probabilities<T: Float>(case: &Case) {
    let arguments = LossArguments::<T>::new(case.loss);
    let (targets, options) = (arguments.targets(), arguments.options());
    let (loss, upstream) = (&arguments.reference, arguments.reference_upstream());
    let p = case.probabilities::<T>();
    let smallest = T::MIN_POSITIVE.to_f64();
    let (losses, reduced) = reference::cross_entropy(&p.matrix(), loss);
    let expected = Expected {
        losses,
        reduced,
        gradient: reference::cross_entropy_backward(&p.matrix(), loss, &upstream, smallest),
        bounds: bounds::cross_entropy::<T>(&p.matrix(), loss, &upstream),
    };
    for_every_par("forward", |par| {
        let mut losses = vec![T::NAN; case.loss.batch];
        let reduced = cross_entropy::forward(p.view(), targets, &options, &mut losses, par);
        expected.check_losses(&losses, reduced.unwrap());
        losses
    });
    for_every_par("backward", |par| {
        let mut gradient = Strided::output(case.loss.batch, case.loss.classes, case.layouts.1);
        let (to, upstream) = (gradient.view_mut(), arguments.upstream());
        cross_entropy::backward(p.view(), targets, &options, upstream, to, par).unwrap();
        expected.check_gradient(&gradient);
        elements(gradient.result())
    });
}

/// No loss is negative, and none is NaN where every logit is a number.
fn check_sign<T: Float>(case: &Case) {
    let arguments = LossArguments::<T>::new(case.loss);
    let (targets, options) = (arguments.targets(), arguments.options());
    let logits = case.logits::<T>();
    let mut losses = vec![T::NAN; case.loss.batch];
    for par in common::every_par() {
        softmax_cross_entropy::forward(logits.view(), targets, &options, &mut losses, par).unwrap();
        assert!(losses.iter().all(|&loss| loss >= T::ZERO), "{losses:?}");
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn softmax_cross_entropy_is_the_reference(case in case()) {
        check_fused::<f32>(&case);
        check_fused::<f64>(&case);
    }

    #[test]
    fn cross_entropy_is_the_reference(case in case()) {
        check_on_probabilities::<f32>(&case);
        check_on_probabilities::<f64>(&case);
    }

    #[test]
    fn losses_are_not_negative(case in case()) {
        let case = Case { special: false, ..case };
        check_sign::<f32>(&case);
        check_sign::<f64>(&case);
    }
}
