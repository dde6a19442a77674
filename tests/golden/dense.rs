//! `dense.safetensors`: layers with ReLU and without, and their three gradients.

use super::common::bounds::{self, unit};
use super::common::golden::Golden;
use super::common::{assert_close, assert_matrix, every_par, to_type};
use super::{is_exact, view, view_mut};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, Par, relu};

/// A case of `dense.safetensors`.
struct DenseCase {
    name: String,
    has_relu: bool,
    inputs: Matrix,
    weights: Matrix,
    biases: Vec<f64>,
    grad_output: Matrix,
    output: Matrix,
    grad_inputs: Matrix,
    grad_weights: Matrix,
    grad_biases: Vec<f64>,
}

impl DenseCase {
    fn new(file: &Golden, case: &serde_json::Value) -> Self {
        let name = case["name"].as_str().expect("a name");
        let matrix = |part: &str| file.matrix(&format!("{name}.{part}"));
        let vector = |part: &str| file.vector(&format!("{name}.{part}")).to_vec();
        DenseCase {
            name: name.to_owned(),
            has_relu: case["relu"].as_bool().expect("whether there is a ReLU"),
            inputs: matrix("inputs"),
            weights: matrix("weights"),
            biases: vector("biases"),
            grad_output: matrix("grad_output"),
            output: matrix("output"),
            grad_inputs: matrix("grad_inputs"),
            grad_weights: matrix("grad_weights"),
            grad_biases: vector("grad_biases"),
        }
    }

    /// How far A·B moves when the elements of both are rounded to `T`, those of B being off by
    /// `b_error` besides.
    fn moved<T: Float>(a: &Matrix, b: &Matrix, b_error: &Matrix) -> Matrix {
        let roundings = if is_exact::<T>() { 0.0 } else { 2.0 * unit::<T>() };
        let b_moved = b.zip(b_error, |b, error| roundings * b.abs() + error);
        reference::product(&a.map(f64::abs), &b_moved)
    }

    fn product_bounds<T: Float>(a: &Matrix, b: &Matrix, b_error: &Matrix) -> Matrix {
        bounds::product::<T>(a, b).zip(&Self::moved::<T>(a, b, b_error), |x, y| x + y)
    }

    fn output_bounds<T: Float>(&self) -> Matrix {
        let exact = self.weights.map(|_| 0.0);
        let moved = Self::moved::<T>(&self.inputs, &self.weights, &exact);
        let rounding = if is_exact::<T>() { 0.0 } else { unit::<T>() };
        let computed = bounds::dense::<T>(&self.inputs, &self.weights, &self.biases);
        Matrix::from_fn(computed.rows, computed.cols, |row, col| {
            computed.at(row, col) + moved.at(row, col) + rounding * self.biases[col].abs()
        })
    }

    fn check<T: Float>(&self, par: Par) {
        let (batch, n_inputs, n_neurons) = (self.inputs.rows, self.inputs.cols, self.weights.cols);
        let (inputs, weights): (Vec<T>, Vec<T>) =
            (to_type(&self.inputs.data), to_type(&self.weights.data));
        let (inputs, weights) =
            (view(&inputs, batch, n_inputs), view(&weights, n_inputs, n_neurons));
        let biases: Vec<T> = to_type(&self.biases);
        let forward = if self.has_relu { dense::forward_relu } else { dense::forward };
        let mut output = vec![T::NAN; batch * n_neurons];
        forward(inputs, weights, &biases, view_mut(&mut output, batch, n_neurons), par).unwrap();
        let output_bounds = self.output_bounds::<T>();
        let output = view(&output, batch, n_neurons);
        assert_matrix(&format!("{} output", self.name), output, &self.output, &output_bounds);

        let mut grad_output: Vec<T> = to_type(&self.grad_output.data);
        let mut known_grad_output = self.grad_output.clone();
        // Where the output may fall on either side of ReLU's kink, so may the gradient.
        let mut uncertain = self.grad_output.map(|_| 0.0);
        if self.has_relu {
            let grad = view_mut(&mut grad_output, batch, n_neurons);
            relu::backward_in_place(output, grad, par).unwrap();
            known_grad_output = reference::relu_backward(&self.output, &self.grad_output);
            let before = reference::dense(&self.inputs, &self.weights, &self.biases);
            let near_kink = before.zip(&output_bounds, |x, bound| f64::from(x.abs() <= bound));
            uncertain = near_kink.zip(&self.grad_output, |near, g| near * g.abs());
        }
        let grad_output = view(&grad_output, batch, n_neurons);
        let (mut grad_inputs, mut grad_weights, mut grad_biases) = (
            vec![T::NAN; batch * n_inputs],
            vec![T::NAN; n_inputs * n_neurons],
            vec![T::NAN; n_neurons],
        );
        let gradients = Gradients {
            inputs: Grad::Write(view_mut(&mut grad_inputs, batch, n_inputs)),
            weights: Grad::Write(view_mut(&mut grad_weights, n_inputs, n_neurons)),
            biases: Grad::Write(&mut grad_biases),
            inputs_are_relu: false,
        };
        dense::backward(inputs, weights, grad_output, gradients, par).unwrap();

        let g = &known_grad_output;
        let bounds = Self::product_bounds::<T>(&self.weights, &g.t(), &uncertain.t()).t();
        let found = view(&grad_inputs, batch, n_inputs);
        assert_matrix(&format!("{} grad_inputs", self.name), found, &self.grad_inputs, &bounds);
        let bounds = Self::product_bounds::<T>(&self.inputs.t(), g, &uncertain);
        let found = view(&grad_weights, n_inputs, n_neurons);
        assert_matrix(&format!("{} grad_weights", self.name), found, &self.grad_weights, &bounds);
        let ones = Matrix::from_fn(1, batch, |_, _| 1.0);
        let bounds = Self::product_bounds::<T>(&ones, g, &uncertain);
        let what = format!("{} grad_biases", self.name);
        assert_close(&what, &grad_biases, &self.grad_biases, &bounds.data);
    }
}

fn dense_cases<T: Float>() {
    let file = Golden::required("dense.safetensors");
    let cases = file.json("cases");
    let cases = cases.as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    for case in cases {
        let case = DenseCase::new(&file, case);
        every_par().into_iter().for_each(|par| case.check::<T>(par));
    }
}

#[test]
fn dense_f64() {
    dense_cases::<f64>();
}

#[test]
fn dense_f32() {
    dense_cases::<f32>();
}
