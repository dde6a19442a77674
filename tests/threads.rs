//! The same inputs give the same bits: for 1, 2, 3 and 8 threads, sequentially, and wherever in the
//! caller's own pool a kernel is called. Work is large enough to be shared out (two million
//! elementary operations and more), and its extents leave a rest whatever they are divided by.

#![cfg(feature = "rayon")]

mod common;

use common::losses::{Ignored, LossArguments, LossCase, TargetKind};
use common::{Layout, Random, Strided, assert_same_bits, elements, in_pool, to_type};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Reduction, cross_entropy, relu, softmax,
    softmax_cross_entropy,
};
use rayon::prelude::*;

/// The sizes of the pools; the one that `GRADKERN_TEST_THREADS` names where each takes long.
fn threads() -> Vec<usize> {
    match std::env::var("GRADKERN_TEST_THREADS") {
        Ok(only) => vec![only.parse().expect("a number of threads")],
        Err(_) => vec![1, 2, 3, 8],
    }
}

/// Asserts that `f` returns the same bits sequentially and in pools of any size.
fn assert_same_for_any_threads<T: Float>(what: &str, f: impl Fn(Par) -> Vec<T> + Sync) {
    let expected = f(Par::Seq);
    assert!(!expected.is_empty() && expected.iter().any(|x| x.is_finite() && *x != T::ZERO));
    for threads in threads() {
        for par in [Par::Seq, Par::Rayon] {
            let found = in_pool(threads, || f(par));
            assert_same_bits(&format!("{what}, {threads} threads, {par:?}"), &found, &expected);
        }
    }
}

fn random<T: Float>(rows: usize, cols: usize, layout: Layout, seed: u64) -> Strided<T> {
    Strided::of(&Random::new(seed).matrix::<T>(rows, cols, 1.0), layout)
}

fn products<T: Float>() {
    let shapes = [
        (301, 203, 257),
        (2003, 67, 71),
        (71, 67, 2003),
        (1, 1999, 4001),
        (5, 1999, 1501),
        (8, 1999, 1501),
        (40_001, 31, 10),
        (67, 40_001, 10),
        (131, 5003, 19),
    ];
    let (plain, turned) = (Layout::Rows, Layout::Columns);
    for (m, k, n) in shapes {
        for (a, b) in [(plain, plain), (turned, plain), (plain, turned), (turned, turned)] {
            let (a, b) = (random::<T>(m, k, a, 1), random::<T>(k, n, b, 2));
            let c = random::<T>(m, n, Layout::PaddedRows, 3);
            assert_same_for_any_threads(&format!("gemm {m} × {k} × {n}"), |par| {
                let mut c = c.clone();
                let (alpha, beta) = (T::from_f64(0.75), T::from_f64(-0.5));
                gemm(alpha, a.view(), b.view(), beta, c.view_mut(), par).unwrap();
                elements(c.view())
            });
        }
    }
}

#[test]
fn gemm_f32() {
    products::<f32>();
}

#[test]
fn gemm_f64() {
    products::<f64>();
}

fn batches<T: Float>() {
    let shapes: Vec<_> = (0..23).map(|i| (50 + i, 61, 40 + 7 * i)).collect();
    let operand = |(i, (rows, cols))| random::<T>(rows, cols, Layout::Rows, i as u64);
    let a: Vec<_> = shapes.iter().map(|s| (s.0, s.1)).enumerate().map(operand).collect();
    let b: Vec<_> = shapes.iter().map(|s| (s.1, s.2)).enumerate().map(operand).collect();
    let (a, b): (Vec<MatRef<T>>, Vec<MatRef<T>>) =
        (a.iter().map(Strided::view).collect(), b.iter().map(Strided::view).collect());
    assert_same_for_any_threads("gemm_batched", |par| {
        let mut outputs: Vec<_> =
            shapes.iter().map(|s| Strided::<T>::output(s.0, s.2, Layout::Rows)).collect();
        let mut c: Vec<MatMut<T>> = outputs.iter_mut().map(Strided::view_mut).collect();
        gemm_batched(T::ONE, &a, &b, T::ZERO, &mut c, par).unwrap();
        outputs.iter().flat_map(|c| elements(c.view())).collect()
    });
}

#[test]
fn batched_products() {
    batches::<f32>();
    batches::<f64>();
}

fn layers<T: Float>() {
    for (batch, n_inputs, n_neurons) in [(1201, 67, 131), (40_003, 33, 10), (7, 2003, 1001)] {
        let inputs = random::<T>(batch, n_inputs, Layout::Rows, 1);
        let weights = random::<T>(n_inputs, n_neurons, Layout::Rows, 2);
        let grad_output = random::<T>(batch, n_neurons, Layout::Rows, 3);
        let (x, w, g) = (inputs.view(), weights.view(), grad_output.view());
        let biases: Vec<T> = to_type(&Random::new(4).numbers::<T>(n_neurons, 1.0));
        for forward in [dense::forward::<T>, dense::forward_relu::<T>] {
            assert_same_for_any_threads("dense forward", |par| {
                let mut output = Strided::output(batch, n_neurons, Layout::Rows);
                forward(x, w, &biases, output.view_mut(), par).unwrap();
                elements(output.view())
            });
        }
        assert_same_for_any_threads("dense backward", |par| {
            let mut grad_inputs = Strided::output(batch, n_inputs, Layout::Rows);
            let mut grad_weights = Strided::output(n_inputs, n_neurons, Layout::Rows);
            let mut grad_biases = biases.clone();
            let gradients = Gradients {
                inputs: Grad::Write(grad_inputs.view_mut()),
                weights: Grad::Write(grad_weights.view_mut()),
                biases: Grad::Add(&mut grad_biases),
                inputs_are_relu: true,
            };
            dense::backward(x, w, g, gradients, par).unwrap();
            [elements(grad_inputs.view()), elements(grad_weights.view()), grad_biases].concat()
        });
        assert_same_for_any_threads("sgd_step", |par| {
            let (mut weights, mut biases) = (weights.clone(), biases.clone());
            let learning_rate = T::from_f64(0.1);
            dense::sgd_step(x, g, learning_rate, weights.view_mut(), &mut biases, par).unwrap();
            [elements(weights.view()), biases].concat()
        });
    }
}

#[test]
fn dense_f32() {
    layers::<f32>();
}

#[test]
fn dense_f64() {
    layers::<f64>();
}

/// Few classes go several rows to a vector, many a row at a time.
const BATCHES: [(usize, usize); 4] = [(200_003, 3), (100_003, 10), (4001, 257), (4001, 1031)];

fn rows<T: Float>() {
    for (batch, classes) in BATCHES {
        let x = random::<T>(batch, classes, Layout::Rows, 1);
        let g = random::<T>(batch, classes, Layout::PaddedRows, 2);
        let run = |f: &dyn Fn(MatMut<T>)| {
            let mut output = Strided::output(batch, classes, Layout::Rows);
            f(output.view_mut());
            elements(output.view())
        };
        let (x, g) = (x.view(), g.view());
        assert_same_for_any_threads("relu", |par| run(&|to| relu::forward(x, to, par).unwrap()));
        assert_same_for_any_threads("relu backward", |par| {
            run(&|to| relu::backward(x, g, to, par).unwrap())
        });
        assert_same_for_any_threads("softmax", |par| {
            run(&|to| softmax::forward(x, to, par).unwrap())
        });
        assert_same_for_any_threads("softmax backward", |par| {
            run(&|to| softmax::backward(x, g, to, par).unwrap())
        });
    }
}

#[test]
fn relu_and_softmax() {
    rows::<f32>();
    rows::<f64>();
}

fn case(batch: usize, classes: usize, target: TargetKind) -> LossCase {
    let hard = target.is_label();
    LossCase {
        batch,
        classes,
        target,
        layout: Layout::Rows,
        ignored: if hard { Ignored::Class0 } else { Ignored::Nothing },
        reduction: Reduction::Mean,
        smoothing: if hard { 0.0 } else { 0.1 },
        weighted: true,
        clip: Some(1e-7),
        upstream_per_sample: true,
        seed: 9,
    }
}

fn losses<T: Float>() {
    let targets = [TargetKind::I64, TargetKind::Probabilities];
    let cases = BATCHES.iter().flat_map(|&(b, c)| targets.map(|target| case(b, c, target)));
    for case in cases {
        let LossCase { batch, classes, .. } = case;
        let arguments = LossArguments::<T>::new(case);
        let (targets, options) = (arguments.targets(), arguments.options());
        let logits = random::<T>(batch, classes, Layout::Rows, 5);
        let p: Vec<T> = elements(logits.view()).iter().map(|x| x.abs()).collect();
        let p = MatRef::new(&p, batch, classes).unwrap();
        assert_same_for_any_threads("softmax_cross_entropy", |par| {
            let mut losses = vec![T::NAN; batch];
            let from = logits.view();
            let alone =
                softmax_cross_entropy::forward(from, targets, &options, &mut losses, par).unwrap();
            let mut gradient = logits.clone();
            let over = gradient.view_mut();
            let reduced = softmax_cross_entropy::forward_backward_in_place(
                over,
                targets,
                &options,
                &mut losses,
                par,
            )
            .unwrap();
            [losses, elements(gradient.view()), vec![alone, reduced]].concat()
        });
        assert_same_for_any_threads("softmax_cross_entropy backward", |par| {
            let mut gradient = Strided::output(batch, classes, Layout::Rows);
            let (from, to, upstream) = (logits.view(), gradient.view_mut(), arguments.upstream());
            softmax_cross_entropy::backward(from, targets, &options, upstream, to, par).unwrap();
            elements(gradient.view())
        });
        assert_same_for_any_threads("cross_entropy", |par| {
            let mut losses = vec![T::NAN; batch];
            let reduced = cross_entropy::forward(p, targets, &options, &mut losses, par).unwrap();
            let mut gradient = Strided::output(batch, classes, Layout::Rows);
            let (to, upstream) = (gradient.view_mut(), arguments.upstream());
            cross_entropy::backward(p, targets, &options, upstream, to, par).unwrap();
            [losses, elements(gradient.view()), vec![reduced]].concat()
        });
    }
}

#[test]
fn losses_f32() {
    losses::<f32>();
}

#[test]
fn losses_f64() {
    losses::<f64>();
}

fn heads<T: Float>() {
    let (batch, n_inputs, classes) = (211, 37, 5003);
    let inputs = random::<T>(batch, n_inputs, Layout::Rows, 1);
    let weights = random::<T>(n_inputs, classes, Layout::Rows, 2);
    let biases: Vec<T> = to_type(&Random::new(4).numbers::<T>(classes, 1.0));
    let arguments = LossArguments::<T>::new(case(batch, classes, TargetKind::U32));
    let head = Head {
        inputs: inputs.view(),
        weights: weights.view(),
        biases: &biases,
        targets: arguments.targets(),
        options: arguments.options(),
    };
    assert_same_for_any_threads("dense_cross_entropy", |par| {
        let (mut losses, mut workspace) = (vec![T::NAN; batch], Workspace::new());
        let mut grad_inputs = Strided::output(batch, n_inputs, Layout::Rows);
        let mut grad_weights = Strided::output(n_inputs, classes, Layout::Rows);
        let mut grad_biases = vec![T::NAN; classes];
        let gradients = Gradients {
            inputs: Grad::Write(grad_inputs.view_mut()),
            weights: Grad::Write(grad_weights.view_mut()),
            biases: Grad::Write(&mut grad_biases),
            inputs_are_relu: false,
        };
        let loss = head.forward_backward(&mut losses, gradients, &mut workspace, par).unwrap();
        let gradients = [elements(grad_inputs.view()), elements(grad_weights.view()), grad_biases];
        [gradients.concat(), losses, vec![loss]].concat()
    });
}

#[test]
fn large_heads() {
    heads::<f32>();
    heads::<f64>();
}

/// Losses, parameters, gradients and predictions of some steps of training.
fn train<T: Float>(par: Par) -> Vec<T> {
    let (batch, classes) = (517, 10);
    let mut mlp = Mlp::<T>::new(&[65, 131, 66, classes], Init::HeNormal, 3).unwrap();
    mlp.set_par(par);
    mlp.set_loss(&LossOptions { label_smoothing: T::from_f64(0.05), ..LossOptions::default() })
        .unwrap();
    let inputs = random::<T>(batch, 65, Layout::Rows, 8);
    let labels: Vec<u8> = (0..batch).map(|i| (i * i % classes) as u8).collect();
    let mut all = Vec::new();
    for _ in 0..5 {
        let step = mlp.train_step(inputs.view(), (&labels).into(), T::from_f64(0.1));
        all.push(step.unwrap());
    }
    all.push(mlp.loss_and_gradients(inputs.view(), (&labels).into()).unwrap());
    let mut p = vec![T::NAN; batch * classes];
    mlp.predict(inputs.view(), MatMut::new(&mut p, batch, classes).unwrap()).unwrap();
    [all, mlp.parameters().to_vec(), mlp.gradients().to_vec(), p].concat()
}

#[test]
fn training() {
    assert_same_for_any_threads::<f32>("training", train);
    assert_same_for_any_threads::<f64>("training", train);
}

/// A caller that shares out work of its own, with kernels inside of it, on any pool.
#[test]
fn training_inside_the_callers_own_parallel_iterator() {
    let expected: Vec<f32> = train(Par::Seq);
    for threads in threads() {
        for par in [Par::Seq, Par::Rayon] {
            let all: Vec<Vec<f32>> =
                in_pool(threads, || (0..6).into_par_iter().map(|_| train(par)).collect());
            for found in all {
                assert_same_bits(&format!("{threads} threads, {par:?}"), &found, &expected);
            }
        }
    }
}

/// Kernels on both sides of a caller's join, sharing nothing but their inputs.
#[test]
fn products_on_both_sides_of_a_join() {
    let (a, b) = (random::<f64>(301, 203, Layout::Rows, 1), random(203, 257, Layout::Rows, 2));
    let multiply = |par| {
        let mut c = Strided::output(301, 257, Layout::Rows);
        gemm(1.0, a.view(), b.view(), 0.0, c.view_mut(), par).unwrap();
        elements(c.view())
    };
    let expected = multiply(Par::Seq);
    for threads in threads() {
        let (left, right) =
            in_pool(threads, || rayon::join(|| multiply(Par::Rayon), || multiply(Par::Rayon)));
        assert_same_bits("left", &left, &expected);
        assert_same_bits("right", &right, &expected);
    }
}

/// Outside of any pool of the caller's, rayon's global one is used.
#[test]
fn training_on_the_global_pool() {
    assert_same_bits::<f32>("training", &train(Par::Rayon), &train(Par::Seq));
}
