//! Softmax, the fused loss and its gradients, for any shapes, strides, targets, options and bits.

#![no_main]

use gradkern::reference::{self, Matrix};
use gradkern::{Par, softmax, softmax_cross_entropy as fused};
use gradkern_fuzz::bounds::{self, Given, LossBounds};
use gradkern_fuzz::expect::{assert_near, large};
use gradkern_fuzz::loss::Loss;
use gradkern_fuzz::matrix::assert_same;
use gradkern_fuzz::{Bits, Numbers, Result, Strided, Unstructured, extents, fuzz_floats};

/// The most logits.
const MOST: usize = 400;

fn check<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<()> {
    let [batch, classes] = extents(MOST, bytes)?;
    let pass = bytes.int_in_range(0..=4)?;
    let numbers = &mut Numbers::decode(bytes)?;
    let mut logits = Strided::<T>::output(batch, classes, numbers, bytes)?;
    let mut output = Strided::<T>::output(batch, classes, numbers, bytes)?;
    if pass == 0 {
        check_softmax(&mut logits, &mut output);
        return Ok(());
    }
    let call = Call { loss: Loss::decode(batch, classes, bytes)?, logits: logits.matrix() };
    let (targets, options) = (call.loss.targets(), call.loss.options());
    let mut losses = vec![T::NAN; batch];
    let mut ones = vec![1.0; batch];
    let done = match pass {
        1 => fused::forward(logits.view(), targets, &options, &mut losses, Par::Seq),
        2 => {
            let to = output.view_mut();
            fused::forward_backward(logits.view(), targets, &options, &mut losses, to, Par::Seq)
        }
        3 => {
            let place = logits.view_mut();
            fused::forward_backward_in_place(place, targets, &options, &mut losses, Par::Seq)
        }
        _ => {
            ones = call.loss.reference_upstream();
            let (upstream, to) = (call.loss.upstream(), output.view_mut());
            fused::backward(logits.view(), targets, &options, upstream, to, Par::Seq)
                .map(|()| T::ZERO)
        }
    };
    assert_eq!(done.is_ok(), call.loss.is_valid(), "{done:?}");
    let Ok(reduced) = done else {
        logits.assert_untouched();
        output.assert_untouched();
        assert_same("losses after an error", &losses, &vec![T::NAN; batch]);
        return Ok(());
    };
    let expected = call.expected(&ones);
    if pass != 4 {
        call.check_losses(&losses, reduced, &expected.bounds);
    }
    match pass {
        1 => {}
        3 => call.check_gradient(&logits.result(), &expected),
        _ => call.check_gradient(&output.result(), &expected),
    }
    Ok(())
}

fn check_softmax<T: Bits>(logits: &mut Strided<T>, output: &mut Strided<T>) {
    let matrix = logits.matrix();
    let (rows, cols) = (matrix.rows, matrix.cols);
    softmax::forward(logits.view(), output.view_mut(), Par::Seq).expect("shapes fit");
    let (found, expected) = (output.result(), reference::softmax(&matrix));
    let bounds = bounds::softmax::<T>(&matrix);
    assert_near("probabilities", &found, &expected.data, &bounds.data);
    let given = Matrix { rows, cols, data: found.iter().map(|p| p.to_f64()).collect() };
    softmax::forward_in_place(logits.view_mut(), Par::Seq).expect("shapes fit");
    assert_same("probabilities in place", &logits.result(), &found);
    // Back, with the probabilities as their own upstream gradient.
    let expected = reference::softmax_backward(&given, &given);
    let bounds = bounds::softmax_backward::<T>(&given, &given);
    softmax::backward_in_place(logits.view(), output.view_mut(), Par::Seq).expect("shapes fit");
    assert_near("gradient", &output.result(), &expected.data, &bounds.data);
}

/// A call of a loss, and what the reference makes of it.
struct Call<T> {
    loss: Loss<T>,
    logits: Matrix,
}

struct Expected {
    loss: reference::Loss,
    gradient: Matrix,
    bounds: LossBounds,
}

impl<T: Bits> Call<T> {
    fn expected(&self, upstream: &[f64]) -> Expected {
        let loss = self.loss.reference();
        let gradient = reference::softmax_cross_entropy_backward(&self.logits, &loss, upstream);
        let given = Given::default();
        let bounds = bounds::softmax_cross_entropy::<T>(&self.logits, &loss, upstream, &given);
        Expected { loss, gradient, bounds }
    }

    /// Whether the difference of two of a row's logits, or a sum of losses as large, may overflow,
    /// so that a loss that is finite becomes infinite.
    fn overflows(&self, row: usize) -> bool {
        let finite = self.logits.row(row).iter().copied().filter(|x| x.is_finite());
        let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
        high - low >= large::<T>() / 1024.0
    }

    fn check_losses(&self, losses: &[T], reduced: T, bounds: &LossBounds) {
        let loss = self.loss.reference();
        let (expected, expected_reduced) = reference::softmax_cross_entropy(&self.logits, &loss);
        let mut any_overflows = false;
        for (row, &found) in losses.iter().enumerate() {
            if self.overflows(row) {
                any_overflows = true;
                assert_eq!(found.is_nan(), expected[row].is_nan(), "the loss of row {row}");
            } else {
                let near = (&expected[row..=row], &bounds.losses[row..=row]);
                assert_near("a loss", &[found], near.0, near.1);
            }
        }
        if !any_overflows {
            assert_near("reduced loss", &[reduced], &[expected_reduced], &[bounds.reduced]);
        }
    }

    fn check_gradient(&self, found: &[T], expected: &Expected) {
        let classes = self.logits.cols;
        let weighs_nothing = expected.loss.denominator() == 0.0;
        for row in 0..self.logits.rows {
            let row_of = |all: &Matrix| all.row(row).to_vec();
            let (values, bounds) = (row_of(&expected.gradient), row_of(&expected.bounds.gradient));
            let found = &found[row * classes..][..classes];
            if expected.loss.is_ignored(row) {
                assert_same("an ignored row's gradient", found, &vec![T::ZERO; classes]);
            } else if !weighs_nothing {
                assert_near("gradient", found, &values, &bounds);
            }
        }
    }
}

fuzz_floats!(check);
