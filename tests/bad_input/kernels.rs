//! Products, layers and elementwise kernels whose arguments do not fit together.

use super::table::{Table, matrix, ones};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::{Float, MatMut, MatRef, Par, Targets, metrics, relu, softmax};

pub fn products<T: Float>(t: &Table, par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let one = T::ONE;
    let message = "`b`: expected a 3 × 4 matrix, found 2 × 4";
    t.refuse("gemm::gemm", message, 8, |c| gemm(one, m(2, 3), m(2, 4), one, matrix(c, 2, 4), par));
    let message = "`c`: expected a 2 × 4 matrix, found 4 × 2";
    t.refuse("gemm::gemm", message, 8, |c| gemm(one, m(2, 3), m(3, 4), one, matrix(c, 4, 2), par));
    let message = "`c`: expected a 2 × 0 matrix, found 2 × 4";
    t.refuse("gemm::gemm", message, 8, |c| gemm(one, m(2, 3), m(3, 0), one, matrix(c, 2, 4), par));

    let (a, b) = ([m(2, 3), m(1, 3)], [m(3, 4), m(3, 2)]);
    let batched = |message: &str, a: &[MatRef<T>], b: &[MatRef<T>], second: (usize, usize)| {
        t.refuse("gemm::gemm_batched", message, 10, |c| {
            let (first, rest) = c.split_at_mut(8);
            let mut c = [matrix(first, 2, 4), matrix(rest, second.0, second.1)];
            gemm_batched(one, a, b, one, &mut c, par)
        });
    };
    batched("`b`: expected 2 elements, found 1", &a, &b[..1], (1, 2));
    batched("`c`: expected 1 elements, found 2", &a[..1], &b[..1], (1, 2));
    let wrong = [b[0], m(2, 2)];
    batched("`b`: expected a 3 × 2 matrix, found 2 × 2", &a, &wrong, (1, 2));
    batched("`c`: expected a 1 × 2 matrix, found 2 × 1", &a, &b, (2, 1));
}

pub fn layers<T: Float>(t: &Table, par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let biases = |len: usize| &data[..len];
    type Forward<T> =
        fn(MatRef<'_, T>, MatRef<'_, T>, &[T], MatMut<'_, T>, Par) -> gradkern::Result<()>;
    let both: [(&str, Forward<T>); 2] =
        [("dense::forward", dense::forward), ("dense::forward_relu", dense::forward_relu)];
    for (name, forward) in both {
        let message = "`weights`: expected a 3 × 4 matrix, found 4 × 4";
        t.refuse(name, message, 8, |to| {
            forward(m(2, 3), m(4, 4), biases(4), matrix(to, 2, 4), par)
        });
        let message = "`biases`: expected 4 elements, found 3";
        t.refuse(name, message, 8, |to| {
            forward(m(2, 3), m(3, 4), biases(3), matrix(to, 2, 4), par)
        });
        let message = "`output`: expected a 2 × 4 matrix, found 4 × 2";
        t.refuse(name, message, 8, |to| {
            forward(m(2, 3), m(3, 4), biases(4), matrix(to, 4, 2), par)
        });
    }
    // inputs 2 × 3, weights 3 × 4: 6, 12 and 4 gradients.
    let (inputs, weights, output) = ((2, 3), (3, 4), (2, 4));
    let backward = |message: &str,
                    w: (usize, usize),
                    g: (usize, usize),
                    shapes: [(usize, usize); 2],
                    biases: usize| {
        t.refuse("dense::backward", message, 22, |to| {
            let (to_inputs, to) = to.split_at_mut(6);
            let (to_weights, to_biases) = to.split_at_mut(12);
            let gradients = Gradients {
                inputs: Grad::Write(matrix(to_inputs, shapes[0].0, shapes[0].1)),
                weights: Grad::Write(matrix(to_weights, shapes[1].0, shapes[1].1)),
                biases: Grad::Add(&mut to_biases[..biases]),
                inputs_are_relu: true,
            };
            dense::backward(m(2, 3), m(w.0, w.1), m(g.0, g.1), gradients, par)
        });
    };
    let fit = [inputs, weights];
    backward("`weights`: expected a 3 × 4 matrix, found 2 × 4", (2, 4), output, fit, 4);
    backward("`grad_output`: expected a 2 × 4 matrix, found 2 × 5", weights, (2, 5), fit, 4);
    backward("`grad_output`: expected a 2 × 4 matrix, found 3 × 4", weights, (3, 4), fit, 4);
    let shapes = [(3, 2), weights];
    let message = "`gradients.inputs`: expected a 2 × 3 matrix, found 3 × 2";
    backward(message, weights, output, shapes, 4);
    let shapes = [inputs, (4, 3)];
    let message = "`gradients.weights`: expected a 3 × 4 matrix, found 4 × 3";
    backward(message, weights, output, shapes, 4);
    backward("`gradients.biases`: expected 4 elements, found 3", weights, output, fit, 3);
    let message = "`gradients.inputs_are_relu`: expected false unless the inputs' gradient is written, found Grad::Add";
    t.refuse("dense::backward", message, 6, |to| {
        let inputs = Grad::Add(matrix(to, 2, 3));
        let gradients = Gradients { inputs, inputs_are_relu: true, ..Gradients::default() };
        dense::backward(m(2, 3), m(3, 4), m(2, 4), gradients, par)
    });
}

pub fn steps<T: Float>(t: &Table, par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let step = |message: &str, g: MatRef<T>, rate: f64, weights: (usize, usize), biases: usize| {
        t.refuse("dense::sgd_step", message, 16, |to| {
            let (to_weights, to_biases) = to.split_at_mut(12);
            let to_weights = matrix(to_weights, weights.0, weights.1);
            let rate = T::from_f64(rate);
            dense::sgd_step(m(2, 3), g, rate, to_weights, &mut to_biases[..biases], par)
        });
    };
    let message = "`grad_output`: expected a 2 × 4 matrix, found 3 × 4";
    step(message, m(3, 4), 0.1, (3, 4), 4);
    step("`weights`: expected a 3 × 4 matrix, found 4 × 3", m(2, 4), 0.1, (4, 3), 4);
    step("`biases`: expected 4 elements, found 2", m(2, 4), 0.1, (3, 4), 2);
    for (rate, found) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let message = format!("`learning_rate`: expected a finite number, found {found}");
        step(&message, m(2, 4), rate, (3, 4), 4);
    }
}

pub fn elementwise<T: Float>(t: &Table, par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let wrong = |argument: &str| format!("`{argument}`: expected a 2 × 3 matrix, found 3 × 2");
    t.refuse("relu::forward", &wrong("output"), 6, |to| {
        relu::forward(m(2, 3), matrix(to, 3, 2), par)
    });
    t.refuse("softmax::forward", &wrong("probabilities"), 6, |to| {
        softmax::forward(m(2, 3), matrix(to, 3, 2), par)
    });
    type Backward<T> = fn(MatRef<'_, T>, MatRef<'_, T>, MatMut<'_, T>, Par) -> gradkern::Result<()>;
    let backward: [(&str, Backward<T>, &str); 2] = [
        ("relu::backward", relu::backward, "grad_inputs"),
        ("softmax::backward", softmax::backward, "grad_logits"),
    ];
    for (name, backward, written) in backward {
        t.refuse(name, &wrong("grad_output"), 6, |to| {
            backward(m(2, 3), m(3, 2), matrix(to, 2, 3), par)
        });
        t.refuse(name, &wrong(written), 6, |to| backward(m(2, 3), m(2, 3), matrix(to, 3, 2), par));
    }
    type InPlace<T> = fn(MatRef<'_, T>, MatMut<'_, T>, Par) -> gradkern::Result<()>;
    let in_place: [(&str, InPlace<T>); 2] = [
        ("relu::backward_in_place", relu::backward_in_place),
        ("softmax::backward_in_place", softmax::backward_in_place),
    ];
    for (name, in_place) in in_place {
        t.refuse(name, &wrong("grad"), 6, |to| in_place(m(2, 3), matrix(to, 3, 2), par));
    }
}

/// Predictions and targets that do not fit, and a place too few.
pub fn metrics<T: Float>(t: &Table) {
    let data = [T::ONE; 9];
    let refuse = |message: &str, targets: Targets<T>, ignore| {
        let found = metrics::accuracy(ones(&data, 2, 3), targets, ignore);
        t.refuse_value("metrics::accuracy", message, found);
    };
    refuse("`targets`: expected 2 elements, found 1", (&[0_u8]).into(), None);
    let message = "`targets`: expected a class index in 0..3 for sample 1, found 9";
    refuse(message, (&[0_u8, 9]).into(), Some(8));
    let message = "`targets`: expected a 2 × 3 matrix, found 3 × 3";
    refuse(message, ones(&data, 3, 3).into(), None);

    let mut indices = [7; 3];
    let found = metrics::argmax(ones(&data, 2, 3), &mut indices);
    t.refuse_value("metrics::argmax", "`indices`: expected 2 elements, found 3", found);
    assert_eq!(indices, [7; 3]);
}
