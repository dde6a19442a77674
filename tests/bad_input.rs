//! Bad input of views, products, layers and elementwise kernels: each kind is refused with a message
//! that names the argument, what was expected and what was found, before anything is written.

mod common;

use common::every_par;
use common::refusal::{assert_refused, matrix, ones};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::isa;
use gradkern::{Float, MatMut, MatRef, Par, metrics, relu, softmax};

/// 2⁶³ − 1 and a half of it, and what they make of messages.
const MAX: usize = isize::MAX as usize;
const HALF: usize = MAX / 2 + 1;

fn views<T: Float>() {
    let none = |f: &dyn Fn(&mut [T]) -> gradkern::Result<()>, len, message: &str| {
        assert_refused(message, len, f);
    };
    let length = "`data`: expected 6 elements, found 5";
    none(&|data| MatRef::new(data, 2, 3).map(drop), 5, length);
    none(&|data| MatMut::new(data, 2, 3).map(drop), 5, length);
    let length = "`data`: expected 0 elements, found 5";
    none(&|data| MatRef::new(data, 0, 3).map(drop), 5, length);
    none(&|data| MatMut::new(data, 3, 0).map(drop), 5, length);

    let too_large = |argument: &str, extent: usize, stride: usize| {
        format!(
            "`{argument}`: expected extent × stride of at most isize::MAX elements, found {extent} × {stride}"
        )
    };
    for (rows, cols, row_stride, col_stride, argument, extent, stride) in [
        (2, 3, HALF, 1, "row_stride", 2, HALF),
        (2, 3, usize::MAX, 1, "row_stride", 2, usize::MAX),
        (usize::MAX, 3, usize::MAX, 1, "row_stride", usize::MAX, usize::MAX),
        (2, 3, 1, usize::MAX, "col_stride", 3, usize::MAX),
        (2, HALF, 1, 2, "col_stride", HALF, 2),
        // Without elements, too: nothing may overflow later.
        (HALF, 0, 2, 1, "row_stride", HALF, 2),
    ] {
        let message = too_large(argument, extent, stride);
        let strides = |data: &mut [T]| {
            MatRef::with_strides(data, rows, cols, row_stride, col_stride).map(drop)
        };
        none(&strides, 9, &message);
        let strides = |data: &mut [T]| {
            MatMut::with_strides(data, rows, cols, row_stride, col_stride).map(drop)
        };
        none(&strides, 9, &message);
    }
    let message = too_large("row_stride", HALF, 2);
    none(&|data| MatRef::new(data, HALF, 2).map(drop), 9, &message);
    none(&|data| MatMut::new(data, HALF, 2).map(drop), 9, &message);

    let past = "`data`: expected a slice of at least 10 elements for this shape and these strides, found 9";
    none(&|data| MatRef::with_strides(data, 3, 2, 4, 1).map(drop), 9, past);
    none(&|data| MatMut::with_strides(data, 3, 2, 4, 1).map(drop), 9, past);
    none(&|data| MatMut::with_strides(data, 2, 3, 1, 4).map(drop), 9, past);

    for (rows, cols, row_stride, col_stride) in
        [(2, 3, 0, 1), (2, 3, 1, 0), (2, 3, 1, 1), (3, 3, 2, 1), (4, 4, 2, 3), (4, 3, 1, 2)]
    {
        let message = format!(
            "`data`: expected strides under which no two elements of a {rows} × {cols} matrix share a place, found row stride {row_stride} and column stride {col_stride}"
        );
        let strides = |data: &mut [T]| {
            MatMut::with_strides(data, rows, cols, row_stride, col_stride).map(drop)
        };
        none(&strides, 30, &message);
    }

    #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [0..4, 4..4, 3..2, usize::MAX..0, 2..usize::MAX] {
        let message = format!("`rows`: expected a range with start ≤ end ≤ 3, found {range:?}");
        none(&|data| ones(data, 3, 2).row_range(range.clone()).map(drop), 6, &message);
        none(&|data| matrix(data, 3, 2).row_range(range.clone()).map(drop), 6, &message);
    }
}

#[test]
fn shapes_and_strides() {
    views::<f32>();
    views::<f64>();
}

fn products<T: Float>(par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let one = T::ONE;
    let message = "`b`: expected a 3 × 4 matrix, found 2 × 4";
    assert_refused(message, 8, |c| gemm(one, m(2, 3), m(2, 4), one, matrix(c, 2, 4), par));
    let message = "`c`: expected a 2 × 4 matrix, found 4 × 2";
    assert_refused(message, 8, |c| gemm(one, m(2, 3), m(3, 4), one, matrix(c, 4, 2), par));
    let message = "`c`: expected a 2 × 0 matrix, found 2 × 4";
    assert_refused(message, 8, |c| gemm(one, m(2, 3), m(3, 0), one, matrix(c, 2, 4), par));

    let (a, b) = ([m(2, 3), m(1, 3)], [m(3, 4), m(3, 2)]);
    let batched = |message: &str, a: &[MatRef<T>], b: &[MatRef<T>], second: (usize, usize)| {
        assert_refused(message, 10, |c| {
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

fn layers<T: Float>(par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let biases = |len: usize| &data[..len];
    for forward in [dense::forward::<T>, dense::forward_relu::<T>] {
        let message = "`weights`: expected a 3 × 4 matrix, found 4 × 4";
        assert_refused(message, 8, |to| {
            forward(m(2, 3), m(4, 4), biases(4), matrix(to, 2, 4), par)
        });
        let message = "`biases`: expected 4 elements, found 3";
        assert_refused(message, 8, |to| {
            forward(m(2, 3), m(3, 4), biases(3), matrix(to, 2, 4), par)
        });
        let message = "`output`: expected a 2 × 4 matrix, found 4 × 2";
        assert_refused(message, 8, |to| {
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
        assert_refused(message, 22, |to| {
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
    assert_refused(message, 6, |to| {
        let inputs = Grad::Add(matrix(to, 2, 3));
        let gradients = Gradients { inputs, inputs_are_relu: true, ..Gradients::default() };
        dense::backward(m(2, 3), m(3, 4), m(2, 4), gradients, par)
    });
}

fn steps<T: Float>(par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let step = |message: &str, g: MatRef<T>, rate: f64, weights: (usize, usize), biases: usize| {
        assert_refused(message, 16, |to| {
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

fn elementwise<T: Float>(par: Par) {
    let data = [T::ONE; 30];
    let m = |rows, cols| ones(&data, rows, cols);
    let wrong = |argument: &str| format!("`{argument}`: expected a 2 × 3 matrix, found 3 × 2");
    assert_refused(&wrong("output"), 6, |to| relu::forward(m(2, 3), matrix(to, 3, 2), par));
    assert_refused(&wrong("probabilities"), 6, |to| {
        softmax::forward(m(2, 3), matrix(to, 3, 2), par)
    });
    type Backward<T> = fn(MatRef<'_, T>, MatRef<'_, T>, MatMut<'_, T>, Par) -> gradkern::Result<()>;
    let backward: [(Backward<T>, &str); 2] =
        [(relu::backward, "grad_inputs"), (softmax::backward, "grad_logits")];
    for (backward, written) in backward {
        assert_refused(&wrong("grad_output"), 6, |to| {
            backward(m(2, 3), m(3, 2), matrix(to, 2, 3), par)
        });
        assert_refused(&wrong(written), 6, |to| backward(m(2, 3), m(2, 3), matrix(to, 3, 2), par));
    }
    for in_place in [relu::backward_in_place::<T>, softmax::backward_in_place::<T>] {
        assert_refused(&wrong("grad"), 6, |to| in_place(m(2, 3), matrix(to, 3, 2), par));
    }
}

#[test]
fn kernels() {
    for par in every_par() {
        products::<f32>(par);
        products::<f64>(par);
        layers::<f32>(par);
        layers::<f64>(par);
        steps::<f32>(par);
        steps::<f64>(par);
        elementwise::<f32>(par);
        elementwise::<f64>(par);
    }
}

#[test]
fn argmax_has_an_index_for_each_row() {
    let mut indices = [7; 3];
    let error = metrics::argmax(ones(&[1.0_f32; 6], 2, 3), &mut indices).unwrap_err();
    assert_eq!(error.to_string(), "`indices`: expected 2 elements, found 3");
    assert_eq!(indices, [7; 3]);
}

/// With a `GRADKERN_ISA` that this processor has not, every kernel is refused. The variable is read
/// once a process, so the test runs itself again, as a process in which it is set.
#[test]
fn an_unknown_instruction_set() {
    const NAME: &str = "avx1024";
    if std::env::var("GRADKERN_ISA").as_deref() != Ok(NAME) {
        let program = std::env::current_exe().expect("this program");
        let child = std::process::Command::new(program)
            .args(["--exact", "an_unknown_instruction_set"])
            .env("GRADKERN_ISA", NAME)
            .output()
            .expect("the same program");
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let names: Vec<&str> = isa::available().map(isa::Isa::name).collect();
    let message = format!("`GRADKERN_ISA`: expected {}, found \"{NAME}\"", names.join(", "));
    refuse_everything::<f32>(&message);
    refuse_everything::<f64>(&message);
}

fn refuse_everything<T: Float>(message: &str) {
    use gradkern::{LossOptions, Mlp, Upstream, cross_entropy, optimizer, softmax_cross_entropy};
    let (data, one, seq) = ([T::ONE; 16], T::ONE, Par::Seq);
    let m = || ones(&data, 4, 4);
    let (options, targets) = (LossOptions::default(), (&[0_u8, 1, 2, 3]).into());
    type Call<'a, T> = &'a dyn Fn(&mut [T]) -> gradkern::Result<()>;
    let calls: [Call<'_, T>; 18] = [
        &|to| gemm(one, m(), m(), one, matrix(to, 4, 4), seq),
        &|to| gemm(one, ones(&data, 4, 0), ones(&data, 0, 4), one, matrix(to, 4, 4), seq),
        &|to| gemm_batched(one, &[m()], &[m()], one, &mut [matrix(to, 4, 4)], seq),
        &|to| dense::forward(m(), m(), &data[..4], matrix(to, 4, 4), seq),
        &|to| dense::sgd_step(m(), m(), one, matrix(to, 4, 4), &mut [one; 4], seq),
        &|to| {
            let biases = Grad::Write(&mut to[..4]);
            let gradients = Gradients { biases, ..Gradients::default() };
            dense::backward(m(), m(), m(), gradients, seq)
        },
        &|to| relu::forward(m(), matrix(to, 4, 4), seq),
        &|to| relu::backward_in_place(m(), matrix(to, 4, 4), seq),
        &|to| softmax::forward_in_place(matrix(to, 4, 4), seq),
        &|to| softmax::backward(m(), m(), matrix(to, 4, 4), seq),
        &|to| cross_entropy::forward(m(), targets, &options, &mut to[..4], seq).map(drop),
        &|to| {
            let (to, upstream) = (matrix(to, 4, 4), Upstream::Scalar(one));
            cross_entropy::backward(m(), targets, &options, upstream, to, seq)
        },
        &|to| softmax_cross_entropy::forward(m(), targets, &options, &mut to[..4], seq).map(drop),
        &|to| {
            let (to, upstream) = (matrix(to, 4, 4), Upstream::Scalar(one));
            softmax_cross_entropy::backward(m(), targets, &options, upstream, to, seq)
        },
        &|to| {
            let (to, losses) = (matrix(to, 4, 4), &mut [one; 4]);
            softmax_cross_entropy::forward_backward_in_place(to, targets, &options, losses, seq)
                .map(drop)
        },
        &|to| optimizer::sgd(to, &data, one),
        &|to| {
            let mut mlp = Mlp::<T>::new(&[4, 4], gradkern::Init::Book, 1)?;
            mlp.predict(m(), matrix(to, 4, 4))
        },
        &|_| {
            Mlp::<T>::new(&[4, 4], gradkern::Init::Book, 1)?.train_step(m(), targets, one).map(drop)
        },
    ];
    for call in calls {
        assert_refused(message, 16, call);
    }
}
