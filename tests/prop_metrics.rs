//! Accuracy and argmax against the reference, ties and NaN included.

mod common;

use common::losses::{LossArguments, LossCase, loss_case};
use common::{Layout, Random, Strided, assert_number, cases, extent};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, metrics};
use proptest::prelude::*;
use proptest::sample::select;

/// Few different values, so that there are ties, and some NaN.
fn predictions<T: Float>(case: &LossCase, layout: Layout) -> Strided<T> {
    let mut random = Random::new(!case.seed);
    let mut value = || if random.below(12) == 0 { f64::NAN } else { random.below(4) as f64 };
    let data = (0..case.batch * case.classes).map(|_| value()).collect();
    Strided::of(&Matrix { rows: case.batch, cols: case.classes, data }, layout)
}

fn check<T: Float>(case: &LossCase, layout: Layout) {
    let arguments = LossArguments::<T>::new(*case);
    let predictions = predictions::<T>(case, layout);
    let values = predictions.matrix();
    let ignore = arguments.options().ignore_index;
    let found = metrics::accuracy(predictions.view(), arguments.targets(), ignore).unwrap();
    let expected = reference::accuracy(&values, &arguments.reference);
    assert_number("accuracy", found, expected, 0.0);

    let mut indices = vec![usize::MAX; case.batch];
    metrics::argmax(predictions.view(), &mut indices).unwrap();
    let expected: Vec<usize> = (0..case.batch).map(|r| reference::argmax(values.row(r))).collect();
    assert_eq!(indices, expected);
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn accuracy_and_argmax(
        case in loss_case(extent(), extent()),
        layout in select(&Layout::INPUTS[..])
    ) {
        check::<f32>(&case, layout);
        check::<f64>(&case, layout);
    }
}
