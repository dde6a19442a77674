//! A dense layer's forward and backward passes and its SGD step, for any shapes, strides and bits.

#![no_main]

use gradkern::Par;
use gradkern::dense::{self, Grad, Gradients};
use gradkern::reference::Matrix;
use gradkern_fuzz::expect::{self, Expected, assert_expected};
use gradkern_fuzz::{Bits, Numbers, Result, Strided, Unstructured, extents, fuzz_floats};

/// The most multiplications of a product.
const MOST: usize = 2048;

/// A layer and the gradient that reaches it.
struct Layer<T> {
    inputs: Strided<T>,
    weights: Strided<T>,
    biases: Vec<T>,
    /// Batch × neurons: the output, or the gradient with respect to it.
    output: Strided<T>,
    numbers: Numbers,
}

impl<T: Bits> Layer<T> {
    fn decode(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let [batch, neurons, n_inputs] = extents(MOST, bytes)?;
        let mut numbers = Numbers::decode(bytes)?;
        Ok(Layer {
            inputs: Strided::input(batch, n_inputs, &mut numbers, bytes)?,
            weights: Strided::output(n_inputs, neurons, &mut numbers, bytes)?,
            biases: numbers.vec(neurons, bytes)?,
            output: Strided::output(batch, neurons, &mut numbers, bytes)?,
            numbers,
        })
    }

    fn forward(mut self, relu: bool) {
        let (inputs, weights) = (self.inputs.view(), self.weights.view());
        let (biases, output) = (&self.biases[..], self.output.view_mut());
        let forward = if relu { dense::forward_relu } else { dense::forward };
        forward(inputs, weights, biases, output, Par::Seq).expect("shapes fit");
        let biases: Vec<f64> = self.biases.iter().map(|b| b.to_f64()).collect();
        let (inputs, weights) = (self.inputs.matrix(), self.weights.matrix());
        let repeated = Matrix::from_fn(inputs.rows, weights.cols, |_, col| biases[col]);
        let mut expected = expect::gemm::<T>(1.0, &inputs, &weights, 1.0, &repeated);
        if relu {
            expected.iter_mut().for_each(|element| *element = element.relu());
        }
        assert_expected("output", &self.output.result(), &expected);
    }

    fn backward(mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let (x, w, g) = (self.inputs.matrix(), self.weights.matrix(), self.output.matrix());
        let numbers = &mut self.numbers;
        let mut grad_inputs = Strided::<T>::output(x.rows, x.cols, numbers, bytes)?;
        let mut grad_weights = Strided::<T>::output(w.rows, w.cols, numbers, bytes)?;
        let mut grad_biases: Vec<T> = numbers.vec(w.cols, bytes)?;
        let before = (grad_inputs.matrix(), grad_weights.matrix(), column(&grad_biases));
        let [first, second, third] = [mode(bytes)?, mode(bytes)?, mode(bytes)?];
        let masked: bool = bytes.arbitrary()?;
        let gradients = Gradients {
            inputs: first.grad(grad_inputs.view_mut()),
            weights: second.grad(grad_weights.view_mut()),
            biases: third.grad(&mut grad_biases[..]),
            inputs_are_relu: masked,
        };
        let (inputs, weights, output) =
            (self.inputs.view(), self.weights.view(), self.output.view());
        let done = dense::backward(inputs, weights, output, gradients, Par::Seq);
        assert_eq!(done.is_err(), masked && first == Mode::Add);
        if done.is_err() {
            grad_inputs.assert_untouched();
            grad_weights.assert_untouched();
            return Ok(());
        }
        let mut expected = first.expected::<T>(&g, &w.t(), &before.0);
        if masked && first == Mode::Write {
            for (element, &x) in expected.iter_mut().zip(&x.data) {
                if x.is_nan() || x <= 0.0 {
                    *element = Expected::Near(0.0, 0.0);
                }
            }
        }
        assert_expected("grad_inputs", &grad_inputs.result(), &expected);
        let expected = second.expected::<T>(&x.t(), &g, &before.1);
        assert_expected("grad_weights", &grad_weights.result(), &expected);
        let expected = third.expected::<T>(&g.t(), &ones(g.rows), &before.2);
        assert_expected("grad_biases", &grad_biases, &expected);
        Ok(())
    }

    fn sgd_step(mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let rate = if bytes.arbitrary()? { T::from_f64(0.25) } else { T::any(bytes)? };
        let (x, g) = (self.inputs.matrix(), self.output.matrix());
        let (weights, biases) = (self.weights.matrix(), column(&self.biases));
        let (inputs, grad_output) = (self.inputs.view(), self.output.view());
        let to = self.weights.view_mut();
        let done = dense::sgd_step(inputs, grad_output, rate, to, &mut self.biases, Par::Seq);
        assert_eq!(done.is_ok(), rate.is_finite());
        if done.is_err() {
            self.weights.assert_untouched();
            return Ok(());
        }
        let factor = -rate.to_f64();
        let expected = expect::gemm::<T>(factor, &x.t(), &g, 1.0, &weights);
        assert_expected("weights", &self.weights.result(), &expected);
        let expected = expect::gemm::<T>(factor, &g.t(), &ones(g.rows), 1.0, &biases);
        assert_expected("biases", &self.biases, &expected);
        Ok(())
    }
}

/// What is done with a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Skip,
    Write,
    Add,
}

impl Mode {
    fn grad<V>(self, to: V) -> Grad<V> {
        match self {
            Mode::Skip => Grad::Skip,
            Mode::Write => Grad::Write(to),
            Mode::Add => Grad::Add(to),
        }
    }

    /// What becomes of `before` when A·B is its gradient.
    fn expected<T: Bits>(self, a: &Matrix, b: &Matrix, before: &Matrix) -> Vec<Expected> {
        match self {
            Mode::Skip => before.data.iter().map(|&x| Expected::Near(x, 0.0)).collect(),
            Mode::Write => expect::gemm::<T>(1.0, a, b, 0.0, before),
            Mode::Add => expect::gemm::<T>(1.0, a, b, 1.0, before),
        }
    }
}

fn mode(bytes: &mut Unstructured<'_>) -> Result<Mode> {
    bytes.choose(&[Mode::Skip, Mode::Write, Mode::Add]).copied()
}

fn column<T: Bits>(numbers: &[T]) -> Matrix {
    Matrix { rows: numbers.len(), cols: 1, data: numbers.iter().map(|x| x.to_f64()).collect() }
}

fn ones(rows: usize) -> Matrix {
    Matrix::from_fn(rows, 1, |_, _| 1.0)
}

fn check<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<()> {
    let pass = bytes.int_in_range(0..=3)?;
    let layer = Layer::<T>::decode(bytes)?;
    match pass {
        0 => layer.forward(false),
        1 => layer.forward(true),
        2 => layer.backward(bytes)?,
        _ => layer.sgd_step(bytes)?,
    }
    Ok(())
}

fuzz_floats!(check);
