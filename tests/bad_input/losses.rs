//! Targets, options and shapes that the cross-entropies and the large head refuse.

use super::common::every_par;
use super::table::{Table, matrix, ones};
use gradkern::dense::{Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::{
    Float, LossOptions, MatMut, MatRef, Par, Result, Targets, Upstream, cross_entropy,
    softmax_cross_entropy as fused,
};

/// A function that takes targets and options for 2 samples of 3 classes, and writes 2 losses, if
/// any, and 6 gradients, if any, into the slice of 8.
type Call<T> = fn(Targets<'_, T>, &LossOptions<'_, T>, &mut [T], Par) -> Result<()>;

fn logits<T: Float>() -> [T; 6] {
    [T::ONE; 6]
}

fn apart<T: Float>(to: &mut [T]) -> (&mut [T], MatMut<'_, T>) {
    let (losses, gradient) = to.split_at_mut(2);
    (losses, matrix(gradient, 2, 3))
}

/// Every function of the two losses, and of the large head.
fn calls<T: Float>() -> [(&'static str, Call<T>); 8] {
    [
        ("softmax_cross_entropy::forward", |targets, options, to, par| {
            let (losses, _) = apart(to);
            fused::forward(ones(&logits(), 2, 3), targets, options, losses, par).map(drop)
        }),
        ("softmax_cross_entropy::forward_backward", |targets, options, to, par| {
            let (losses, gradient) = apart(to);
            let x = logits();
            fused::forward_backward(ones(&x, 2, 3), targets, options, losses, gradient, par)
                .map(drop)
        }),
        ("softmax_cross_entropy::forward_backward_in_place", |targets, options, to, par| {
            let (losses, gradient) = apart(to);
            fused::forward_backward_in_place(gradient, targets, options, losses, par).map(drop)
        }),
        ("softmax_cross_entropy::backward", |targets, options, to, par| {
            let (_, gradient) = apart(to);
            let (x, upstream) = (logits(), Upstream::Scalar(T::ONE));
            fused::backward(ones(&x, 2, 3), targets, options, upstream, gradient, par)
        }),
        ("cross_entropy::forward", |targets, options, to, par| {
            let (losses, _) = apart(to);
            cross_entropy::forward(ones(&logits(), 2, 3), targets, options, losses, par).map(drop)
        }),
        ("cross_entropy::backward", |targets, options, to, par| {
            let (_, gradient) = apart(to);
            let (x, upstream) = (logits(), Upstream::Scalar(T::ONE));
            cross_entropy::backward(ones(&x, 2, 3), targets, options, upstream, gradient, par)
        }),
        ("Head::forward", |targets, options, to, par| {
            let (losses, _) = apart(to);
            with_head(targets, options, |head| head.forward(losses, &mut Workspace::new(), par))
        }),
        ("Head::forward_backward", |targets, options, to, par| {
            let (losses, gradient) = apart(to);
            let gradients = Gradients { weights: Grad::Add(gradient), ..Gradients::default() };
            with_head(targets, options, |head| {
                head.forward_backward(losses, gradients, &mut Workspace::new(), par)
            })
        }),
    ]
}

/// A head of 2 samples with 2 inputs and 3 classes.
fn with_head<T: Float>(
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    f: impl FnOnce(Head<'_, T>) -> Result<T>,
) -> Result<()> {
    let data = logits();
    let (inputs, weights) = (ones(&data, 2, 2), ones(&data, 2, 3));
    f(Head { inputs, weights, biases: &data[..3], targets, options: *options }).map(drop)
}

/// Refused by every function of the losses, on every way to use threads.
#[track_caller]
fn refuse<T: Float>(
    t: &Table,
    message: &str,
    targets: Targets<'_, T>,
    options: LossOptions<'_, T>,
) {
    for (name, call) in calls::<T>() {
        for par in every_par() {
            t.refuse(name, message, 8, |to| call(targets, &options, to, par));
        }
    }
}

pub fn bad_targets<T: Float>(t: &Table) {
    let plain = LossOptions::default;
    refuse::<T>(t, "`targets`: expected 2 elements, found 3", (&[0_u8, 1, 2]).into(), plain());
    refuse::<T>(t, "`targets`: expected 2 elements, found 0", (&[] as &[u8; 0]).into(), plain());
    let label = |row: usize, found: &str| {
        format!("`targets`: expected a class index in 0..3 for sample {row}, found {found}")
    };
    refuse::<T>(t, &label(0, "3"), (&[3_u8, 0]).into(), plain());
    refuse::<T>(t, &label(1, "255"), (&[2_u8, 255]).into(), plain());
    refuse::<T>(t, &label(0, "-1"), (&[-1_i32, 7]).into(), plain());
    refuse::<T>(t, &label(1, "4294967295"), (&[2_u32, u32::MAX]).into(), plain());
    refuse::<T>(t, &label(1, "-100"), (&[2_i64, -100]).into(), plain());
    refuse::<T>(t, &label(0, "-9223372036854775808"), (&[i64::MIN, 0]).into(), plain());
    refuse::<T>(t, &label(1, "18446744073709551615"), (&[0, usize::MAX]).into(), plain());
    // Another label than the ignored one. A label of usize::MAX is not −1.
    let ignoring = |label| LossOptions { ignore_index: Some(label), ..plain() };
    refuse::<T>(t, &label(1, "-100"), (&[-1_i64, -100]).into(), ignoring(-1));
    refuse::<T>(t, &label(0, "18446744073709551615"), (&[usize::MAX, 0]).into(), ignoring(-1));

    let data = [T::ONE; 9];
    let shape = "`targets`: expected a 2 × 3 matrix, found 3 × 3";
    refuse(t, shape, ones(&data, 3, 3).into(), plain());
    let shape = "`targets`: expected a 2 × 3 matrix, found 2 × 4";
    refuse(t, shape, ones(&data, 2, 4).into(), plain());
}

pub fn bad_options<T: Float>(t: &Table) {
    let (labels, data) = ([0_u8, 1], [T::ONE; 6]);
    let targets = || Targets::from(&labels);
    let rows = || Targets::from(ones(&data, 2, 3));
    let plain = LossOptions::default;
    for (found, text) in [(-0.25, "-0.25"), (1.5, "1.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")]
    {
        let label_smoothing = T::from_f64(found);
        let message = format!("`label_smoothing`: expected a number in [0, 1], found {text}");
        refuse(t, &message, targets(), LossOptions { label_smoothing, ..plain() });
        refuse(t, &message, rows(), LossOptions { label_smoothing, ..plain() });
    }
    for (found, text) in [
        (0.0, "0"),
        (-0.25, "-0.25"),
        (0.5, "0.5"),
        (2.0, "2"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let message = format!("`clip`: expected a number in (0, 0.5), found {text}");
        let options = LossOptions { clip: Some(T::from_f64(found)), ..plain() };
        refuse(t, &message, targets(), options);
        refuse(t, &message, rows(), options);
    }
    for len in [0, 2, 4] {
        let message = format!("`class_weights`: expected 3 elements, found {len}");
        let options = LossOptions { class_weights: Some(&data[..len]), ..plain() };
        refuse(t, &message, targets(), options);
        refuse(t, &message, rows(), options);
    }
    let message =
        "`ignore_index`: expected None unless the targets are labels, found probability targets";
    refuse(t, message, rows(), LossOptions { ignore_index: Some(-100), ..plain() });
}

/// Losses, gradients and upstream of other sizes than the logits.
pub fn bad_shapes<T: Float>(t: &Table, par: Par) {
    let data = [T::ONE; 9];
    let x: MatRef<T> = ones(&data, 2, 3);
    let (labels, options) = ([0_u8, 1], LossOptions::default());
    let targets = Targets::from(&labels);
    let length = "`losses`: expected 2 elements, found 3";
    t.refuse("softmax_cross_entropy::forward", length, 3, |to| {
        fused::forward(x, targets, &options, to, par)
    });
    t.refuse("cross_entropy::forward", length, 3, |to| {
        cross_entropy::forward(x, targets, &options, to, par)
    });
    t.refuse("softmax_cross_entropy::forward_backward", length, 9, |to| {
        let (losses, gradient) = to.split_at_mut(3);
        fused::forward_backward(x, targets, &options, losses, matrix(gradient, 2, 3), par)
    });
    t.refuse("softmax_cross_entropy::forward_backward_in_place", length, 9, |to| {
        let (losses, gradient) = to.split_at_mut(3);
        fused::forward_backward_in_place(matrix(gradient, 2, 3), targets, &options, losses, par)
    });
    let shape = "`grad_logits`: expected a 2 × 3 matrix, found 3 × 2";
    t.refuse("softmax_cross_entropy::forward_backward", shape, 8, |to| {
        let (losses, gradient) = to.split_at_mut(2);
        fused::forward_backward(x, targets, &options, losses, matrix(gradient, 3, 2), par)
    });
    let one = Upstream::Scalar(T::ONE);
    t.refuse("softmax_cross_entropy::backward", shape, 6, |to| {
        fused::backward(x, targets, &options, one, matrix(to, 3, 2), par)
    });
    let shape = "`grad_probabilities`: expected a 2 × 3 matrix, found 3 × 2";
    t.refuse("cross_entropy::backward", shape, 6, |to| {
        cross_entropy::backward(x, targets, &options, one, matrix(to, 3, 2), par)
    });
    let upstream = Upstream::PerSample(&data[..3]);
    let message = "`upstream`: expected 2 elements, found 3";
    t.refuse("softmax_cross_entropy::backward", message, 6, |to| {
        fused::backward(x, targets, &options, upstream, matrix(to, 2, 3), par)
    });
    t.refuse("cross_entropy::backward", message, 6, |to| {
        cross_entropy::backward(x, targets, &options, upstream, matrix(to, 2, 3), par)
    });

    // One row of 2⁶² classes, all in one place.
    let endless = MatRef::with_strides(&data[..1], 1, 1 << 62, 0, 0).expect("a view");
    let (targets, message) = (
        Targets::from(&labels[..1]),
        "`classes`: expected as many as memory has room for, found 4611686018427388000",
    );
    t.refuse("softmax_cross_entropy::forward", message, 1, |to| {
        fused::forward(endless, targets, &options, to, par)
    });
    t.refuse("cross_entropy::forward", message, 1, |to| {
        cross_entropy::forward(endless, targets, &options, to, par)
    });
}

/// 2 samples with 2 inputs into 3 classes: the head's own arguments.
pub fn bad_heads<T: Float>(t: &Table, par: Par) {
    let (data, labels) = ([T::ONE; 9], [0_u8, 1]);
    let m = |rows, cols| ones(&data, rows, cols);
    let head = Head {
        inputs: m(2, 2),
        weights: m(2, 3),
        biases: &data[..3],
        targets: (&labels).into(),
        options: LossOptions::default(),
    };
    let refuse = |message: &str,
                  head: Head<T>,
                  losses: usize,
                  shapes: [(usize, usize); 2],
                  biases: usize| {
        t.refuse("Head::forward_backward", message, 17, |to| {
            let (to_losses, to) = to.split_at_mut(4);
            let (to_inputs, to) = to.split_at_mut(4);
            let (to_weights, to_biases) = to.split_at_mut(6);
            let gradients = Gradients {
                inputs: Grad::Write(matrix(to_inputs, shapes[0].0, shapes[0].1)),
                weights: Grad::Write(matrix(to_weights, shapes[1].0, shapes[1].1)),
                biases: Grad::Write(&mut to_biases[..biases]),
                inputs_are_relu: false,
            };
            let to_losses = &mut to_losses[..losses];
            head.forward_backward(to_losses, gradients, &mut Workspace::new(), par)
        });
    };
    let fit = [(2, 2), (2, 3)];
    let wrong = Head { weights: m(3, 3), ..head };
    refuse("`weights`: expected a 2 × 3 matrix, found 3 × 3", wrong, 2, fit, 3);
    let wrong = Head { biases: &data[..4], ..head };
    refuse("`biases`: expected 3 elements, found 4", wrong, 2, fit, 3);
    refuse("`losses`: expected 2 elements, found 4", head, 4, fit, 3);
    let shapes = [(1, 4), fit[1]];
    refuse("`gradients.inputs`: expected a 2 × 2 matrix, found 1 × 4", head, 2, shapes, 3);
    let shapes = [fit[0], (3, 2)];
    refuse("`gradients.weights`: expected a 2 × 3 matrix, found 3 × 2", head, 2, shapes, 3);
    refuse("`gradients.biases`: expected 3 elements, found 2", head, 2, fit, 2);
    t.refuse("Head::forward", "`losses`: expected 2 elements, found 1", 1, |to| {
        head.forward(to, &mut Workspace::new(), par)
    });
    let message = "`gradients.inputs_are_relu`: expected false unless the inputs' gradient is written, found Grad::Add";
    t.refuse("Head::forward_backward", message, 6, |to| {
        let (losses, gradient) = to.split_at_mut(2);
        let inputs = Grad::Add(matrix(gradient, 2, 2));
        let gradients = Gradients { inputs, inputs_are_relu: true, ..Gradients::default() };
        head.forward_backward(losses, gradients, &mut Workspace::new(), par)
    });
}
