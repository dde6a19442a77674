//! The chunked head of many classes against the reference: a dense layer and its loss.

mod common;

use common::bounds::{self, Given};
use common::losses::{Ignored, LossArguments, LossCase, TargetKind, loss_case};
use common::{
    Layout, Random, Strided, assert_close, assert_matrix, assert_number, cases, elements, extent,
    for_every_par, to_f64, to_type,
};
use gradkern::dense::{Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, Reduction};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    loss: LossCase,
    n_inputs: usize,
    /// Of inputs and weights.
    arguments: (Layout, Layout),
    /// Of grad_inputs and grad_weights.
    results: (Layout, Layout),
    adds: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let argument = || select(&Layout::INPUTS[..]);
    let result = || select(&Layout::OUTPUTS[..]);
    (
        loss_case(extent(), extent()),
        extent(),
        (argument(), argument()),
        (result(), result()),
        any::<bool>(),
    )
        .prop_map(|(loss, n_inputs, arguments, results, adds)| Case {
            loss,
            n_inputs,
            arguments,
            results,
            adds,
        })
}

/// What is expected of the loss and of a gradient, and how near.
struct Expected {
    losses: (Vec<f64>, Vec<f64>),
    reduced: (f64, f64),
    inputs: (Matrix, Matrix),
    weights: (Matrix, Matrix),
    biases: (Matrix, Matrix),
}

struct Layer<T> {
    inputs: Strided<T>,
    weights: Strided<T>,
    biases: Vec<T>,
    arguments: LossArguments<T>,
}

impl<T: Float> Layer<T> {
    fn new(case: &Case) -> Self {
        let mut random = Random::new(!case.loss.seed);
        let LossCase { batch, classes, .. } = case.loss;
        let inputs = random.matrix::<T>(batch, case.n_inputs, 1.0);
        let weights = random.matrix::<T>(case.n_inputs, classes, 1.0);
        Layer {
            inputs: Strided::of(&inputs, case.arguments.0),
            weights: Strided::of(&weights, case.arguments.1),
            biases: to_type(&random.numbers::<T>(classes, 1.0)),
            arguments: LossArguments::new(case.loss),
        }
    }

    /// A gradient a·b added to β times `start`, with b off by `b_error`, and its bound.
    fn gradient(a: &Matrix, b: (&Matrix, &Matrix), beta: f64, start: &Matrix) -> (Matrix, Matrix) {
        let size = |m: &Matrix| m.map(f64::abs);
        let expected = reference::gemm(1.0, a, b.0, beta, start);
        // A chunk at a time, sums are rounded once more for each chunk: 2 at most here.
        let computed = bounds::gemm::<T>(1.0, a, &size(b.0).zip(b.1, |b, e| b + e), beta, start);
        let moved = reference::product(&size(a), b.1);
        (expected, computed.zip(&moved, |x, y| 2.0 * x + y))
    }

    fn expected(&self, starts: &[Matrix; 3], beta: f64) -> Expected {
        let (x, w, biases) = (self.inputs.matrix(), self.weights.matrix(), to_f64(&self.biases));
        let loss = &self.arguments.reference;
        let logits = reference::dense(&x, &w, &biases);
        let errors = bounds::dense::<T>(&x, &w, &biases);
        let largest = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
        let given = Given {
            logits: (0..errors.rows).map(|row| largest(errors.row(row))).collect(),
            options_rounded: false,
        };
        let ones = vec![1.0; x.rows];
        let bounds = bounds::softmax_cross_entropy::<T>(&logits, loss, &ones, &given);
        let (losses, reduced) = reference::softmax_cross_entropy(&logits, loss);
        let g = reference::softmax_cross_entropy_backward(&logits, loss, &ones);
        let (gt, error_t) = (g.t(), bounds.gradient.t());
        let by_inputs = Self::gradient(&w, (&gt, &error_t), beta, &starts[0].t());
        let sum = Matrix::from_fn(1, x.rows, |_, _| 1.0);
        Expected {
            losses: (losses, bounds.losses),
            reduced: (reduced, bounds.reduced),
            inputs: (by_inputs.0.t(), by_inputs.1.t()),
            weights: Self::gradient(&x.t(), (&g, &bounds.gradient), beta, &starts[1]),
            biases: Self::gradient(&sum, (&g, &bounds.gradient), beta, &starts[2]),
        }
    }
}

fn check<T: Float>(case: &Case) {
    let layer = Layer::<T>::new(case);
    let LossCase { batch, classes, .. } = case.loss;
    let mut random = Random::new(case.loss.seed ^ 1);
    let starts = [(batch, case.n_inputs), (case.n_inputs, classes), (1, classes)]
        .map(|(rows, cols)| random.matrix::<T>(rows, cols, 1.0));
    let expected = layer.expected(&starts, if case.adds { 1.0 } else { 0.0 });
    let head = Head {
        inputs: layer.inputs.view(),
        weights: layer.weights.view(),
        biases: &layer.biases,
        targets: layer.arguments.targets(),
        options: layer.arguments.options(),
    };
    for_every_par("the head", |par| {
        let mut workspace = Workspace::new();
        let mut losses = vec![T::NAN; batch];
        let reduced = head.forward(&mut losses, &mut workspace, par).unwrap();
        assert_close("losses", &losses, &expected.losses.0, &expected.losses.1);
        assert_number("reduced loss", reduced, expected.reduced.0, expected.reduced.1);

        losses.fill(T::NAN);
        let destination = |start: &Matrix, layout| match case.adds {
            true => Strided::<T>::in_out(start, layout),
            false => Strided::output(start.rows, start.cols, layout),
        };
        let mut inputs = destination(&starts[0], case.results.0);
        let mut weights = destination(&starts[1], case.results.1);
        let mut biases = destination(&starts[2], Layout::Rows);
        let to_biases = biases.view_mut().into_slice().expect("a row");
        let gradients = if case.adds {
            Gradients {
                inputs: Grad::Add(inputs.view_mut()),
                weights: Grad::Add(weights.view_mut()),
                biases: Grad::Add(to_biases),
                inputs_are_relu: false,
            }
        } else {
            Gradients {
                inputs: Grad::Write(inputs.view_mut()),
                weights: Grad::Write(weights.view_mut()),
                biases: Grad::Write(to_biases),
                inputs_are_relu: false,
            }
        };
        let reduced = head.forward_backward(&mut losses, gradients, &mut workspace, par).unwrap();
        assert_close("losses", &losses, &expected.losses.0, &expected.losses.1);
        assert_number("reduced loss", reduced, expected.reduced.0, expected.reduced.1);
        assert_matrix("grad_inputs", inputs.result(), &expected.inputs.0, &expected.inputs.1);
        assert_matrix("grad_weights", weights.result(), &expected.weights.0, &expected.weights.1);
        assert_matrix("grad_biases", biases.result(), &expected.biases.0, &expected.biases.1);
        let found = [inputs.result(), weights.result(), biases.result()];
        [found.into_iter().flat_map(elements).collect(), losses].concat()
    });
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn heads_are_the_reference(case in case()) {
        check::<f32>(&case);
        check::<f64>(&case);
    }
}

/// 16 samples fill a chunk of 32 MiB.
#[test]
fn heads_of_more_than_one_chunk() {
    let loss = |classes| LossCase {
        batch: 17,
        classes,
        target: TargetKind::U32,
        layout: Layout::Rows,
        ignored: Ignored::Nothing,
        reduction: Reduction::Mean,
        smoothing: 0.0,
        weighted: false,
        clip: None,
        upstream_per_sample: false,
        seed: 4,
    };
    let arguments = (Layout::Rows, Layout::Rows);
    let case = |classes, adds| Case {
        loss: loss(classes),
        n_inputs: 2,
        arguments,
        results: arguments,
        adds,
    };
    check::<f32>(&case(270_000, false));
    check::<f64>(&case(135_000, true));
}
