//! ReLU against the reference: exact, over random shapes and strides, zeros and NaN included.

mod common;

use common::{Layout, Random, Strided, assert_matrix, cases, elements, extent, for_every_par};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, relu};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    rows: usize,
    cols: usize,
    arguments: (Layout, Layout),
    result: Layout,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let argument = || select(&Layout::INPUTS[..]);
    let layouts = (argument(), argument(), select(&Layout::OUTPUTS[..]));
    (extent(), extent(), layouts, any::<u64>()).prop_map(|(rows, cols, layouts, seed)| {
        let arguments = (layouts.0, layouts.1);
        Case { rows, cols, arguments, result: layouts.2, seed }
    })
}

/// Numbers of both signs, with the special ones among them.
fn numbers(random: &mut Random, rows: usize, cols: usize) -> Matrix {
    let special = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-40, -1e-40];
    let mut number = || match random.below(16) {
        i if i < special.len() => special[i],
        _ => random.symmetric(2.0),
    };
    Matrix { rows, cols, data: (0..rows * cols).map(|_| number()).collect() }
}

fn check<T: Float>(case: &Case) {
    let mut random = Random::new(case.seed);
    let Case { rows, cols, result, .. } = *case;
    let inputs = Strided::<T>::of(&numbers(&mut random, rows, cols), case.arguments.0);
    let grad_output = Strided::<T>::of(&numbers(&mut random, rows, cols), case.arguments.1);
    let (x, g) = (inputs.matrix(), grad_output.matrix());
    let (output, grad_inputs) = (reference::relu(&x), reference::relu_backward(&x, &g));
    let exact = x.map(|_| 0.0);
    for_every_par("forward", |par| {
        let mut found = Strided::output(rows, cols, result);
        relu::forward(inputs.view(), found.view_mut(), par).unwrap();
        assert_matrix("forward", found.result(), &output, &exact);
        let mut in_place = Strided::<T>::in_out(&x, result);
        relu::forward_in_place(in_place.view_mut(), par).unwrap();
        assert_matrix("forward_in_place", in_place.result(), &output, &exact);
        elements(found.result())
    });
    // The backward pass may be given the inputs or the output.
    let output = Strided::<T>::of(&output, case.arguments.0);
    for_every_par("backward", |par| {
        let mut found = Strided::output(rows, cols, result);
        for kept in [&inputs, &output] {
            found = Strided::output(rows, cols, result);
            relu::backward(kept.view(), grad_output.view(), found.view_mut(), par).unwrap();
            assert_matrix("backward", found.result(), &grad_inputs, &exact);
            let mut in_place = Strided::<T>::in_out(&g, result);
            relu::backward_in_place(kept.view(), in_place.view_mut(), par).unwrap();
            assert_matrix("backward_in_place", in_place.result(), &grad_inputs, &exact);
        }
        elements(found.result())
    });
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn relu_is_the_reference(case in case()) {
        check::<f32>(&case);
        check::<f64>(&case);
    }
}
