//! Dense layers against the reference: random shapes and strides, every choice of gradients.

mod common;

use common::{
    Layout, Random, Strided, assert_close, assert_matrix, bounds, cases, elements, extent,
    for_every_par, to_f64, to_type,
};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, MatMut, Par};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    n_inputs: usize,
    n_neurons: usize,
    /// Of inputs, weights and grad_output.
    arguments: (Layout, Layout, Layout),
    /// Of output (or grad_inputs) and grad_weights.
    results: (Layout, Layout),
    seed: u64,
}

fn case(shape: impl Strategy<Value = (usize, usize, usize)>) -> impl Strategy<Value = Case> {
    let argument = || select(&Layout::INPUTS[..]);
    let result = || select(&Layout::OUTPUTS[..]);
    let layouts = ((argument(), argument(), argument()), (result(), result()));
    (shape, layouts, any::<u64>()).prop_map(|(shape, (arguments, results), seed)| {
        let (batch, n_inputs, n_neurons) = shape;
        Case { batch, n_inputs, n_neurons, arguments, results, seed }
    })
}

fn small() -> impl Strategy<Value = (usize, usize, usize)> {
    (extent(), extent(), extent())
}

/// Larger than a panel of rows, a panel of columns, or a block of what is summed.
fn large() -> impl Strategy<Value = (usize, usize, usize)> {
    select(&[(1100, 3, 10), (3, 5, 1100), (2, 1200, 3), (530, 40, 33), (130, 300, 290)][..])
}

struct Layer<T> {
    inputs: Strided<T>,
    weights: Strided<T>,
    biases: Vec<T>,
    grad_output: Strided<T>,
    random: Random,
}

impl<T: Float> Layer<T> {
    fn new(case: &Case) -> Self {
        let mut random = Random::new(case.seed);
        let (inputs, weights, grad_output) = case.arguments;
        let Case { batch, n_inputs, n_neurons, .. } = *case;
        Layer {
            inputs: Strided::of(&random.matrix::<T>(batch, n_inputs, 1.0), inputs),
            weights: Strided::of(&random.matrix::<T>(n_inputs, n_neurons, 1.0), weights),
            biases: to_type(&random.numbers::<T>(n_neurons, 1.0)),
            grad_output: Strided::of(&random.matrix::<T>(batch, n_neurons, 1.0), grad_output),
            random,
        }
    }
}

fn check_forward<T: Float>(case: &Case) {
    let layer = Layer::<T>::new(case);
    let (inputs, weights) = (layer.inputs.matrix(), layer.weights.matrix());
    let biases = to_f64(&layer.biases);
    let expected = reference::dense(&inputs, &weights, &biases);
    let bounds = bounds::dense::<T>(&inputs, &weights, &biases);
    let kernels = [dense::forward::<T>, dense::forward_relu::<T>];
    // ReLU brings no two numbers further apart, so the same bound holds after it.
    for (kernel, expected) in
        kernels.into_iter().zip([expected.clone(), reference::relu(&expected)])
    {
        for_every_par("output", |par| {
            let mut output = Strided::output(case.batch, case.n_neurons, case.results.0);
            let (inputs, weights) = (layer.inputs.view(), layer.weights.view());
            kernel(inputs, weights, &layer.biases, output.view_mut(), par).unwrap();
            assert_matrix("output", output.result(), &expected, &bounds);
            elements(output.result())
        });
    }
}

/// What is done with a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    Skip,
    Write,
    Add,
}

fn want() -> impl Strategy<Value = Want> {
    select(&[Want::Skip, Want::Write, Want::Add][..])
}

impl Want {
    fn grad<V>(self, destination: V) -> Grad<V> {
        match self {
            Want::Skip => Grad::Skip,
            Want::Write => Grad::Write(destination),
            Want::Add => Grad::Add(destination),
        }
    }

    /// β of the product that yields the gradient.
    fn beta(self) -> f64 {
        if self == Want::Add { 1.0 } else { 0.0 }
    }

    /// A destination: NaN where it must not be read.
    fn destination<T: Float>(self, start: &Matrix, layout: Layout) -> Strided<T> {
        match self {
            Want::Write => Strided::output(start.rows, start.cols, layout),
            Want::Skip | Want::Add => Strided::in_out(start, layout),
        }
    }

    /// What a destination holds afterwards, and the bound, given the product's.
    fn outcome(self, start: &Matrix, product: Matrix, bounds: Matrix) -> (Matrix, Matrix) {
        match self {
            Want::Skip => (start.clone(), start.map(|_| 0.0)),
            Want::Write | Want::Add => (product, bounds),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    inputs: Want,
    weights: Want,
    biases: Want,
    inputs_are_relu: bool,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (want(), want(), want(), any::<bool>()).prop_map(|(inputs, weights, biases, relu)| Wanted {
        inputs,
        weights,
        biases,
        inputs_are_relu: relu && inputs != Want::Add,
    })
}

/// The three gradients, as matrices (the biases' as one row).
struct Outcome {
    inputs: (Matrix, Matrix),
    weights: (Matrix, Matrix),
    biases: (Matrix, Matrix),
}

struct Starts {
    inputs: Matrix,
    weights: Matrix,
    biases: Matrix,
}

fn expected_backward<T: Float>(layer: &Layer<T>, wanted: &Wanted, starts: &Starts) -> Outcome {
    let (x, w, g) = (layer.inputs.matrix(), layer.weights.matrix(), layer.grad_output.matrix());
    let ones = Matrix::from_fn(1, g.rows, |_, _| 1.0);
    let outcome = |want: Want, start: &Matrix, a: &Matrix, b: &Matrix| {
        let product = reference::gemm(1.0, a, b, want.beta(), start);
        want.outcome(start, product, bounds::gemm::<T>(1.0, a, b, want.beta(), start))
    };
    let mut inputs = outcome(wanted.inputs, &starts.inputs, &g, &w.t());
    if wanted.inputs_are_relu && wanted.inputs == Want::Write {
        inputs = (reference::relu_backward(&x, &inputs.0), reference::relu_backward(&x, &inputs.1));
    }
    Outcome {
        inputs,
        weights: outcome(wanted.weights, &starts.weights, &x.t(), &g),
        biases: outcome(wanted.biases, &starts.biases, &ones, &g),
    }
}

fn check_backward<T: Float>(case: &Case, wanted: &Wanted) {
    let mut layer = Layer::<T>::new(case);
    let starts = Starts {
        inputs: layer.random.matrix::<T>(case.batch, case.n_inputs, 1.0),
        weights: layer.random.matrix::<T>(case.n_inputs, case.n_neurons, 1.0),
        biases: layer.random.matrix::<T>(1, case.n_neurons, 1.0),
    };
    let expected = expected_backward(&layer, wanted, &starts);
    for_every_par("gradients", |par| {
        let mut grad_inputs = wanted.inputs.destination::<T>(&starts.inputs, case.results.0);
        let mut grad_weights = wanted.weights.destination::<T>(&starts.weights, case.results.1);
        let mut grad_biases = wanted.biases.destination::<T>(&starts.biases, Layout::Rows);
        let gradients = Gradients {
            inputs: wanted.inputs.grad(grad_inputs.view_mut()),
            weights: wanted.weights.grad(grad_weights.view_mut()),
            biases: wanted.biases.grad(slice(grad_biases.view_mut())),
            inputs_are_relu: wanted.inputs_are_relu,
        };
        let (inputs, weights) = (layer.inputs.view(), layer.weights.view());
        dense::backward(inputs, weights, layer.grad_output.view(), gradients, par).unwrap();
        let found = [grad_inputs.result(), grad_weights.result(), grad_biases.result()];
        let names = ["grad_inputs", "grad_weights", "grad_biases"];
        let expected = [&expected.inputs, &expected.weights, &expected.biases];
        for ((name, found), (expected, bounds)) in names.iter().zip(found).zip(expected) {
            assert_matrix(name, found, expected, bounds);
        }
        found.into_iter().flat_map(elements).collect()
    });
}

fn slice<T: Float>(row: MatMut<'_, T>) -> &mut [T] {
    row.into_slice().expect("one row")
}

fn check_sgd_step<T: Float>(case: &Case, learning_rate: f64) {
    let layer = Layer::<T>::new(case);
    let (x, w, g) = (layer.inputs.matrix(), layer.weights.matrix(), layer.grad_output.matrix());
    let biases = Matrix { rows: 1, cols: case.n_neurons, data: to_f64(&layer.biases) };
    let ones = Matrix::from_fn(1, g.rows, |_, _| 1.0);
    let step = |a: &Matrix, start: &Matrix| {
        let expected = reference::gemm(-learning_rate, a, &g, 1.0, start);
        (expected, bounds::gemm::<T>(-learning_rate, a, &g, 1.0, start))
    };
    let (weights, biases) = (step(&x.t(), &w), step(&ones, &biases));
    for_every_par("parameters", |par| {
        let mut found_weights = Strided::in_out(&w, case.results.1);
        let mut found_biases = layer.biases.clone();
        dense::sgd_step(
            layer.inputs.view(),
            layer.grad_output.view(),
            T::from_f64(learning_rate),
            found_weights.view_mut(),
            &mut found_biases,
            par,
        )
        .unwrap();
        assert_matrix("weights", found_weights.result(), &weights.0, &weights.1);
        assert_close("biases", &found_biases, &biases.0.data, &biases.1.data);
        [elements(found_weights.result()), found_biases].concat()
    });
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn forward(case in case(small())) {
        check_forward::<f32>(&case);
        check_forward::<f64>(&case);
    }

    #[test]
    fn backward(case in case(small()), wanted in wanted()) {
        check_backward::<f32>(&case, &wanted);
        check_backward::<f64>(&case, &wanted);
    }

    #[test]
    fn sgd_step(case in case(small()), learning_rate in select(&[0.0, 1.0, 0.5, 0.0625][..])) {
        check_sgd_step::<f32>(&case, learning_rate);
        check_sgd_step::<f64>(&case, learning_rate);
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn layers_larger_than_a_panel(case in case(large()), wanted in wanted()) {
        check_forward::<f32>(&case);
        check_forward::<f64>(&case);
        check_backward::<f32>(&case, &wanted);
        check_backward::<f64>(&case, &wanted);
        check_sgd_step::<f32>(&case, 0.5);
        check_sgd_step::<f64>(&case, 0.5);
    }
}

#[test]
fn without_a_wanted_gradient_nothing_is_done() {
    let layer = Layer::<f32>::new(&Case {
        batch: 3,
        n_inputs: 4,
        n_neurons: 2,
        arguments: (Layout::Rows, Layout::Rows, Layout::Rows),
        results: (Layout::Rows, Layout::Rows),
        seed: 1,
    });
    let (inputs, weights) = (layer.inputs.view(), layer.weights.view());
    let nothing = Gradients::default();
    dense::backward(inputs, weights, layer.grad_output.view(), nothing, Par::Seq).unwrap();
}
