//! Every backward pass against the slope of its forward pass: f64, central differences at 1e-5, to
//! rtol 1e-7 and atol 1e-9.
//!
//! What is differentiated is Σ r·f(x) over the elements of a kernel's result, with r random; the
//! backward pass is given r. Sizes are small, so that rounding in the sum stays below what is
//! allowed.

mod common;

use common::losses::{Ignored, LossArguments, LossCase, TargetKind};
use common::{Layout, Random};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::gemm::gemm;
use gradkern::gradcheck::{CheckOptions, Difference, Report, check};
use gradkern::{
    Init, LossOptions, MatMut, MatRef, Mlp, Par, Reduction, Upstream, cross_entropy, relu, softmax,
    softmax_cross_entropy,
};

const SEQ: Par = Par::Seq;

fn view(data: &[f64], cols: usize) -> MatRef<'_, f64> {
    MatRef::new(data, data.len() / cols, cols).expect("whole rows")
}

fn view_mut(data: &mut [f64], cols: usize) -> MatMut<'_, f64> {
    MatMut::new(data, data.len() / cols, cols).expect("whole rows")
}

/// Numbers in [−1, 1).
fn random(len: usize, seed: u64) -> Vec<f64> {
    Random::new(seed).numbers::<f64>(len, 1.0)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn options() -> CheckOptions {
    CheckOptions { difference: Difference::Central { delta: 1e-5 }, rtol: 1e-7, atol: 1e-9 }
}

/// Asserts that `analytical` is the gradient of `f` at `point`, in every element, none of which is
/// zero throughout or on a kink.
#[track_caller]
fn assert_gradient(what: &str, f: impl Fn(&[f64]) -> f64, point: &[f64], analytical: &[f64]) {
    let report = check(f, &mut point.to_vec(), analytical, &options()).unwrap();
    assert!(report.passed(), "{what}: {report}");
    assert_eq!((report.elements, report.kinks.len()), (point.len(), 0), "{what}: {report}");
    assert!(analytical.iter().any(|g| g.abs() > 1e-3), "{what}: there is no slope");
}

#[test]
fn gemm_by_its_operands() {
    let (m, k, n, alpha) = (5, 4, 7, -0.75);
    let (a, b, c, r) = (random(m * k, 1), random(k * n, 2), random(m * n, 3), random(m * n, 4));
    let f = |a: &[f64], b: &[f64], c: &[f64]| {
        let mut c = c.to_vec();
        gemm(alpha, view(a, k), view(b, n), 0.5, view_mut(&mut c, n), SEQ).unwrap();
        dot(&r, &c)
    };
    let mut grad = vec![f64::NAN; m * k];
    let to = view_mut(&mut grad, k);
    gemm(alpha, view(&r, n), view(&b, n).t(), 0.0, to, SEQ).unwrap();
    assert_gradient("A", |a| f(a, &b, &c), &a, &grad);
    let mut grad = vec![f64::NAN; k * n];
    let to = view_mut(&mut grad, n);
    gemm(alpha, view(&a, k).t(), view(&r, n), 0.0, to, SEQ).unwrap();
    assert_gradient("B", |b| f(&a, b, &c), &b, &grad);
    let half: Vec<f64> = r.iter().map(|r| r / 2.0).collect();
    assert_gradient("C", |c| f(&a, &b, c), &c, &half);
}

#[test]
fn dense_by_inputs_weights_and_biases() {
    let (batch, n_inputs, n_neurons) = (6, 5, 4);
    let (x, w) = (random(batch * n_inputs, 1), random(n_inputs * n_neurons, 2));
    let (biases, r) = (random(n_neurons, 3), random(batch * n_neurons, 4));
    for has_relu in [false, true] {
        let forward = if has_relu { dense::forward_relu::<f64> } else { dense::forward };
        let output = |x: &[f64], w: &[f64], biases: &[f64]| {
            let mut output = vec![f64::NAN; batch * n_neurons];
            let to = view_mut(&mut output, n_neurons);
            forward(view(x, n_inputs), view(w, n_neurons), biases, to, SEQ).unwrap();
            output
        };
        let mut g = r.clone();
        if has_relu {
            let output = output(&x, &w, &biases);
            let (kept, g) = (view(&output, n_neurons), view_mut(&mut g, n_neurons));
            relu::backward_in_place(kept, g, SEQ).unwrap();
        }
        let (mut gx, mut gw, mut gb) = (x.clone(), w.clone(), biases.clone());
        let gradients = Gradients {
            inputs: Grad::Write(view_mut(&mut gx, n_inputs)),
            weights: Grad::Write(view_mut(&mut gw, n_neurons)),
            biases: Grad::Write(&mut gb),
            inputs_are_relu: false,
        };
        let g = view(&g, n_neurons);
        dense::backward(view(&x, n_inputs), view(&w, n_neurons), g, gradients, SEQ).unwrap();
        assert_gradient("inputs", |x| dot(&r, &output(x, &w, &biases)), &x, &gx);
        assert_gradient("weights", |w| dot(&r, &output(&x, w, &biases)), &w, &gw);
        assert_gradient("biases", |biases| dot(&r, &output(&x, &w, biases)), &biases, &gb);
    }
}

/// Through a ReLU below the layer, whose mask the layer's backward pass applies.
#[test]
fn dense_after_relu_by_what_goes_into_the_relu() {
    let (batch, n_inputs, n_neurons) = (6, 5, 4);
    let (before, w) = (random(batch * n_inputs, 5), random(n_inputs * n_neurons, 6));
    let (biases, r) = (random(n_neurons, 7), random(batch * n_neurons, 8));
    let rectified = |before: &[f64]| {
        let mut x = before.to_vec();
        relu::forward_in_place(view_mut(&mut x, n_inputs), SEQ).unwrap();
        x
    };
    let f = |before: &[f64]| {
        let mut output = vec![f64::NAN; batch * n_neurons];
        let (x, to) = (rectified(before), view_mut(&mut output, n_neurons));
        dense::forward(view(&x, n_inputs), view(&w, n_neurons), &biases, to, SEQ).unwrap();
        dot(&r, &output)
    };
    let (x, mut grad) = (rectified(&before), vec![f64::NAN; before.len()]);
    let gradients = Gradients {
        inputs: Grad::Write(view_mut(&mut grad, n_inputs)),
        inputs_are_relu: true,
        ..Gradients::default()
    };
    let (w, r) = (view(&w, n_neurons), view(&r, n_neurons));
    dense::backward(view(&x, n_inputs), w, r, gradients, SEQ).unwrap();
    assert_gradient("the ReLU's inputs", f, &before, &grad);
}

#[test]
fn relu_by_its_inputs() {
    let (x, r) = (random(30, 1), random(30, 2));
    let f = |x: &[f64]| {
        let mut output = vec![f64::NAN; 30];
        relu::forward(view(x, 5), view_mut(&mut output, 5), SEQ).unwrap();
        dot(&r, &output)
    };
    let mut grad = vec![f64::NAN; 30];
    relu::backward(view(&x, 5), view(&r, 5), view_mut(&mut grad, 5), SEQ).unwrap();
    assert_gradient("inputs", f, &x, &grad);
}

/// At 0 the slope of ReLU is 1 on one side; the gradient 0 is right there, and told apart.
#[test]
fn relu_at_its_kink() {
    let point = [0.5, 0.0, -0.5];
    let f = |x: &[f64]| {
        let mut output = [f64::NAN; 3];
        relu::forward(view(x, 3), view_mut(&mut output, 3), SEQ).unwrap();
        output.iter().sum::<f64>()
    };
    let mut grad = [f64::NAN; 3];
    relu::backward(view(&point, 3), view(&[1.0; 3], 3), view_mut(&mut grad, 3), SEQ).unwrap();
    let report = check(f, &mut point.clone(), &grad, &options()).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.kinks, [1]);
}

#[test]
fn softmax_by_its_logits() {
    for classes in [1, 3, 10, 37] {
        let (x, r) = (random(3 * classes, 1), random(3 * classes, 2));
        let probabilities = |x: &[f64]| {
            let mut p = x.to_vec();
            softmax::forward_in_place(view_mut(&mut p, classes), SEQ).unwrap();
            p
        };
        let (p, mut grad) = (probabilities(&x), vec![f64::NAN; 3 * classes]);
        let to = view_mut(&mut grad, classes);
        softmax::backward(view(&p, classes), view(&r, classes), to, SEQ).unwrap();
        let f = |x: &[f64]| dot(&r, &probabilities(x));
        if classes == 1 {
            // The only probability is 1, whatever the logit.
            let report = check(f, &mut x.clone(), &grad, &options()).unwrap();
            assert!(report.passed() && grad == [0.0; 3], "{report}");
        } else {
            assert_gradient("logits", f, &x, &grad);
        }
    }
}

/// Every target with every option.
fn cases(classes: usize) -> impl Iterator<Item = LossCase> {
    let reductions = [Reduction::None, Reduction::Mean, Reduction::Sum];
    let options = (0..2 * 2 * 3 * 2)
        .map(move |i| (i % 2 == 1, i / 2 % 2 == 1, reductions[i / 4 % 3], i / 12 == 1));
    options.flat_map(move |(weighted, smooth, reduction, upstream_per_sample)| {
        [TargetKind::I64, TargetKind::OneHot, TargetKind::Probabilities].map(|target| LossCase {
            batch: 4,
            classes,
            target,
            layout: Layout::Rows,
            ignored: if target.is_label() { Ignored::Outside } else { Ignored::Nothing },
            reduction,
            smoothing: if smooth { 0.2 } else { 0.0 },
            weighted,
            // The gradient is that of the loss before clipping.
            clip: None,
            upstream_per_sample,
            seed: 17,
        })
    })
}

/// The sum of the losses, or their reduction, times what flows into it.
fn objective(arguments: &LossArguments<f64>, losses: &[f64], reduced: f64) -> f64 {
    match (arguments.options().reduction, arguments.upstream()) {
        (Reduction::None, _) => dot(losses, &arguments.reference_upstream()),
        (_, Upstream::Scalar(upstream)) => upstream * reduced,
        (_, Upstream::PerSample(upstream)) => {
            dot(losses, upstream) / arguments.reference.denominator()
        }
    }
}

#[test]
fn softmax_cross_entropy_by_its_logits() {
    for case in [3, 10, 37].into_iter().flat_map(cases) {
        let classes = case.classes;
        let arguments = LossArguments::<f64>::new(case);
        let (targets, options) = (arguments.targets(), arguments.options());
        let x = random(case.batch * classes, 1);
        let f = |x: &[f64]| {
            let mut losses = vec![f64::NAN; case.batch];
            let x = view(x, classes);
            let reduced =
                softmax_cross_entropy::forward(x, targets, &options, &mut losses, SEQ).unwrap();
            objective(&arguments, &losses, reduced)
        };
        let mut grad = vec![f64::NAN; x.len()];
        let (from, to) = (view(&x, classes), view_mut(&mut grad, classes));
        let upstream = arguments.upstream();
        softmax_cross_entropy::backward(from, targets, &options, upstream, to, SEQ).unwrap();
        assert_gradient(&format!("{case:?}"), f, &x, &grad);

        // In one pass with the loss, and in place: of the reduced loss itself.
        let mut losses = vec![f64::NAN; case.batch];
        let reduced = |x: &[f64]| {
            let (x, mut losses) = (view(x, classes), vec![f64::NAN; case.batch]);
            softmax_cross_entropy::forward(x, targets, &options, &mut losses, SEQ).unwrap()
        };
        let (from, to) = (view(&x, classes), view_mut(&mut grad, classes));
        softmax_cross_entropy::forward_backward(from, targets, &options, &mut losses, to, SEQ)
            .unwrap();
        assert_gradient(&format!("in one pass, {case:?}"), reduced, &x, &grad);
        let mut grad = x.clone();
        let over = view_mut(&mut grad, classes);
        softmax_cross_entropy::forward_backward_in_place(over, targets, &options, &mut losses, SEQ)
            .unwrap();
        assert_gradient(&format!("in place, {case:?}"), reduced, &x, &grad);
    }
}

#[test]
fn cross_entropy_by_its_probabilities() {
    for case in cases(3).chain(cases(10)) {
        let classes = case.classes;
        let arguments = LossArguments::<f64>::new(case);
        let (targets, options) = (arguments.targets(), arguments.options());
        // Far from 0, where −ln p is too curved for a difference at 1e-5.
        let p: Vec<f64> = random(case.batch * classes, 1).iter().map(|x| 0.6 + 0.2 * x).collect();
        let f = |p: &[f64]| {
            let (p, mut losses) = (view(p, classes), vec![f64::NAN; case.batch]);
            let reduced = cross_entropy::forward(p, targets, &options, &mut losses, SEQ).unwrap();
            objective(&arguments, &losses, reduced)
        };
        let mut grad = vec![f64::NAN; p.len()];
        let (from, to) = (view(&p, classes), view_mut(&mut grad, classes));
        let upstream = arguments.upstream();
        cross_entropy::backward(from, targets, &options, upstream, to, SEQ).unwrap();
        assert_gradient(&format!("{case:?}"), f, &p, &grad);
    }
}

#[test]
fn large_heads_by_inputs_weights_and_biases() {
    let (n_inputs, classes) = (5, 7);
    for case in cases(classes) {
        let arguments = LossArguments::<f64>::new(case);
        let (x, w) = (random(case.batch * n_inputs, 1), random(n_inputs * classes, 2));
        let biases = random(classes, 3);
        let head = |x: &[f64], w: &[f64], biases: &[f64], gradients: Gradients<f64>| {
            let head = Head {
                inputs: view(x, n_inputs),
                weights: view(w, classes),
                biases,
                targets: arguments.targets(),
                options: arguments.options(),
            };
            let mut losses = vec![f64::NAN; case.batch];
            head.forward_backward(&mut losses, gradients, &mut Workspace::new(), SEQ).unwrap()
        };
        let (mut gx, mut gw, mut gb) = (x.clone(), w.clone(), biases.clone());
        let gradients = Gradients {
            inputs: Grad::Write(view_mut(&mut gx, n_inputs)),
            weights: Grad::Write(view_mut(&mut gw, classes)),
            biases: Grad::Write(&mut gb),
            inputs_are_relu: false,
        };
        head(&x, &w, &biases, gradients);
        let none = Gradients::default;
        assert_gradient("inputs", |x| head(x, &w, &biases, none()), &x, &gx);
        assert_gradient("weights", |w| head(&x, w, &biases, none()), &w, &gw);
        assert_gradient("biases", |biases| head(&x, &w, biases, none()), &biases, &gb);
    }
}

/// All parameters of a network, and its inputs' batch, with the loss's options.
fn network() -> (Mlp<f64>, Vec<f64>, Vec<u8>) {
    let mut mlp = Mlp::new(&[6, 9, 8, 4], Init::HeNormal, 2).unwrap();
    for layer in 0..mlp.layers() {
        let weights: Vec<f64> = common::elements(mlp.weights(layer).unwrap());
        let neurons = mlp.sizes()[layer + 1];
        let biases = random(neurons, layer as u64);
        mlp.set_layer(layer, view(&weights, neurons), &biases).unwrap();
    }
    let options = LossOptions {
        label_smoothing: 0.1,
        class_weights: Some(&[0.5, 1.0, 2.0, 0.25]),
        ignore_index: Some(3),
        ..LossOptions::default()
    };
    mlp.set_loss(&options).unwrap();
    (mlp, random(11 * 6, 9), (0..11).map(|i| i * i % 4).collect())
}

fn check_network(analytical: &[f64], mlp: &Mlp<f64>, inputs: &[f64], labels: &[u8]) -> Report {
    let mut probe = mlp.clone();
    let loss = |parameters: &[f64]| {
        probe.parameters_mut().copy_from_slice(parameters);
        probe.loss_and_gradients(view(inputs, 6), labels.into()).unwrap()
    };
    check(loss, &mut mlp.parameters().to_vec(), analytical, &options()).unwrap()
}

#[test]
fn a_whole_network_by_its_parameters() {
    let (mut mlp, inputs, labels) = network();
    mlp.loss_and_gradients(view(&inputs, 6), (&labels).into()).unwrap();
    let gradients = mlp.gradients().to_vec();
    let report = check_network(&gradients, &mlp, &inputs, &labels);
    assert!(report.passed(), "{report}");
    assert_eq!((report.elements, report.kinks.len()), (mlp.parameters().len(), 0), "{report}");
    assert!(gradients.iter().filter(|g| g.abs() > 1e-3).count() > gradients.len() / 2);
    // A step of descent moves the parameters by these gradients.
    let mut stepped = mlp.clone();
    stepped.train_step(view(&inputs, 6), (&labels).into(), 0.25).unwrap();
    let moved: Vec<f64> = mlp
        .parameters()
        .iter()
        .zip(stepped.parameters())
        .map(|(before, after)| (before - after) / 0.25)
        .collect();
    let report = check_network(&moved, &mlp, &inputs, &labels);
    assert!(report.passed(), "{report}");
}

/// The check fails where it should: at the one element that is off by a ten-thousandth.
#[test]
fn a_wrong_gradient_of_a_network_is_found() {
    let (mut mlp, inputs, labels) = network();
    mlp.loss_and_gradients(view(&inputs, 6), (&labels).into()).unwrap();
    let mut gradients = mlp.gradients().to_vec();
    let largest =
        (0..gradients.len()).max_by(|&a, &b| gradients[a].abs().total_cmp(&gradients[b].abs()));
    let largest = largest.expect("a gradient");
    gradients[largest] *= 1.0001;
    let report = check_network(&gradients, &mlp, &inputs, &labels);
    assert_eq!(report.wrong, [largest], "{report}");
    let worst = report.worst.expect("a worst element");
    assert_eq!((worst.index, worst.analytical), (largest, gradients[largest]));
    assert!((worst.relative_error - 1e-4).abs() < 1e-6, "{report}");
}
