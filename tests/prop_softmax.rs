//! Softmax and its backward pass against the reference, and what any softmax satisfies.

mod common;

use common::{
    Layout, Random, Strided, assert_close, assert_matrix, bounds, cases, elements, extent,
    for_every_par, rounded, to_type,
};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, Par, softmax};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    classes: usize,
    arguments: (Layout, Layout),
    result: Layout,
    scale: f64,
    /// Whether rows may hold −∞, and some NaN or +∞ or nothing but −∞.
    special: bool,
    seed: u64,
}

fn case(special: impl Strategy<Value = bool>) -> impl Strategy<Value = Case> {
    let argument = || select(&Layout::INPUTS[..]);
    let layouts = (argument(), argument(), select(&Layout::OUTPUTS[..]));
    let classes = prop_oneof![8 => extent(), 1 => select(&[257_usize, 1000, 1031][..])];
    let scale = select(&[0.0, 1.0, 30.0, 1e4][..]);
    (extent(), classes, layouts, scale, special, any::<u64>()).prop_map(
        |(batch, classes, layouts, scale, special, seed)| Case {
            batch,
            classes,
            arguments: (layouts.0, layouts.1),
            result: layouts.2,
            scale,
            special,
            seed,
        },
    )
}

impl Case {
    fn logits<T: Float>(&self, random: &mut Random) -> Matrix {
        let logits = random.matrix::<T>(self.batch, self.classes, self.scale);
        if !self.special {
            return logits;
        }
        let poison = [f64::NAN, f64::INFINITY];
        let rows: Vec<usize> = (0..self.batch).map(|_| random.below(6)).collect();
        let places: Vec<usize> = logits.data.iter().map(|_| random.below(5)).collect();
        let poisoned = random.below(self.classes.max(1));
        Matrix::from_fn(self.batch, self.classes, |row, col| match rows[row] {
            i if i < poison.len() && col == poisoned => poison[i],
            2 => f64::NEG_INFINITY,
            _ if places[row * self.classes + col] == 0 => f64::NEG_INFINITY,
            _ => logits.at(row, col),
        })
    }
}

fn check_forward<T: Float>(case: &Case) {
    let mut random = Random::new(case.seed);
    let logits = Strided::<T>::of(&case.logits::<T>(&mut random), case.arguments.0);
    let x = logits.matrix();
    let (expected, bounds) = (reference::softmax(&x), bounds::softmax::<T>(&x));
    for_every_par("probabilities", |par| {
        let mut found = Strided::output(case.batch, case.classes, case.result);
        softmax::forward(logits.view(), found.view_mut(), par).unwrap();
        assert_matrix("probabilities", found.result(), &expected, &bounds);
        let mut in_place = Strided::<T>::in_out(&x, case.result);
        softmax::forward_in_place(in_place.view_mut(), par).unwrap();
        assert_matrix("in place", in_place.result(), &expected, &bounds);
        elements(found.result())
    });
}

fn check_backward<T: Float>(case: &Case) {
    let mut random = Random::new(case.seed);
    let p = reference::softmax(&case.logits::<T>(&mut random));
    let p = Strided::<T>::of(&p, case.arguments.0);
    let g = random.matrix::<T>(case.batch, case.classes, 3.0);
    let g = Strided::<T>::of(&g, case.arguments.1);
    let expected = reference::softmax_backward(&p.matrix(), &g.matrix());
    let bounds = bounds::softmax_backward::<T>(&p.matrix(), &g.matrix());
    for_every_par("grad_logits", |par| {
        let mut found = Strided::output(case.batch, case.classes, case.result);
        softmax::backward(p.view(), g.view(), found.view_mut(), par).unwrap();
        assert_matrix("grad_logits", found.result(), &expected, &bounds);
        let mut in_place = Strided::<T>::in_out(&g.matrix(), case.result);
        softmax::backward_in_place(p.view(), in_place.view_mut(), par).unwrap();
        assert_matrix("in place", in_place.result(), &expected, &bounds);
        elements(found.result())
    });
}

/// The probabilities of some logits.
fn probabilities<T: Float>(logits: &Matrix) -> Matrix {
    let mut found = Strided::<T>::in_out(logits, Layout::Rows);
    softmax::forward_in_place(found.view_mut(), Par::Seq).unwrap();
    found.matrix()
}

/// Rows sum to 1, and no element leaves [0, 1].
fn check_sums<T: Float>(case: &Case) {
    let logits = case.logits::<T>(&mut Random::new(case.seed));
    let p = probabilities::<T>(&logits);
    let largest = 1.0 + 4.0 * bounds::unit::<T>();
    assert!(p.data.iter().all(|p| (0.0..=largest).contains(p)), "{p:?}");
    let sums = p.row_sums();
    let ones = vec![if case.classes == 0 { 0.0 } else { 1.0 }; case.batch];
    // Σ p is off by Σ of the errors of p, and its own f64 sum by classes · u.
    let bounds = bounds::softmax::<T>(&logits).row_sums();
    let bounds: Vec<f64> =
        bounds.iter().map(|bound| bound + case.classes as f64 * f64::EPSILON).collect();
    assert_close("sum of a row", &sums, &ones, &bounds);
}

/// A shift that adds exactly to every logit changes nothing but rounding.
fn check_shift<T: Float>(case: &Case, shift: f64) {
    let mut random = Random::new(case.seed);
    let whole = random.matrix::<T>(case.batch, case.classes, case.scale).map(f64::round);
    let shifted = whole.map(|x| rounded::<T>(x + shift));
    assert_eq!(shifted.map(|x| x - shift), whole, "the shift is exact");
    let found = to_type::<T>(&probabilities::<T>(&shifted).data);
    let (expected, bounds) = (reference::softmax(&whole), bounds::softmax::<T>(&whole));
    assert_close("shifted", &found, &expected.data, &bounds.data);
}

proptest! {
    #![proptest_config(cases(700))]

    #[test]
    fn forward(case in case(any::<bool>())) {
        check_forward::<f32>(&case);
        check_forward::<f64>(&case);
    }

    #[test]
    fn backward(case in case(any::<bool>())) {
        check_backward::<f32>(&case);
        check_backward::<f64>(&case);
    }

    #[test]
    fn rows_sum_to_1(case in case(Just(false))) {
        check_sums::<f32>(&case);
        check_sums::<f64>(&case);
    }

    #[test]
    fn a_shift_changes_nothing(
        case in case(Just(false)),
        shift in select(&[-4096.0, -1.0, 3.0, 100.0, 10000.0][..])
    ) {
        check_shift::<f32>(&case, shift);
        check_shift::<f64>(&case, shift);
    }
}

/// One class has nearly all of the sum; the others are small beside it, and many.
fn one_class_has_nearly_all<T: Float>() {
    let row = |_, col| if col == 0 { 0.0 } else { -15.75 };
    let logits = Matrix::from_fn(3, 133, row);
    let expected = reference::softmax(&logits);
    let ln_p = reference::log_softmax(&logits);
    let bounds = bounds::softmax::<T>(&logits);
    // Two ways to the same number, of which only one divides.
    let other_way: Vec<f64> = ln_p.data.iter().map(|ln_p| ln_p.exp()).collect();
    assert_close::<f64>("reference", &other_way, &expected.data, &bounds.data);
    let logits = Strided::<T>::of(&logits, Layout::Rows);
    let mut found = Strided::<T>::output(3, 133, Layout::Rows);
    softmax::forward(logits.view(), found.view_mut(), Par::Seq).unwrap();
    assert_matrix("probabilities", found.result(), &expected, &bounds);
}

#[test]
fn one_class_with_nearly_all_of_the_sum() {
    one_class_has_nearly_all::<f32>();
    one_class_has_nearly_all::<f64>();
}
