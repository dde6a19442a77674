//! With a `GRADKERN_ISA` that this processor has not, every kernel is refused. The variable is read
//! once a process, so the test runs itself again, as a process in which it is set.

use super::table::{Table, matrix, ones};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Result, Targets, Upstream, cross_entropy,
    isa, metrics, relu, softmax, softmax_cross_entropy as fused,
};

const NAME: &str = "avx1024";

#[test]
fn an_unknown_instruction_set() {
    if std::env::var("GRADKERN_ISA").as_deref() != Ok(NAME) {
        let program = std::env::current_exe().expect("this program");
        let child = std::process::Command::new(program)
            .args(["--exact", "instruction_set::an_unknown_instruction_set", "--nocapture"])
            .env("GRADKERN_ISA", NAME)
            .output()
            .expect("the same program");
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && text.contains("1 passed"), "{text}");
        print!("{}", text.lines().filter(|line| line.contains("refused")).collect::<String>());
        return;
    }
    let names: Vec<&str> = isa::available().map(isa::Isa::name).collect();
    let message = format!("`GRADKERN_ISA`: expected {}, found \"{NAME}\"", names.join(", "));
    let table = Table::default();
    for (function, call) in calls::<f32>() {
        table.refuse(function, &message, 24, call);
    }
    for (function, call) in calls::<f64>() {
        table.refuse(function, &message, 24, call);
    }
    println!("refused without an instruction set: {} calls", table.cases());
}

/// A call, given 24 elements to write to.
type Call<T> = fn(&mut [T]) -> Result<()>;

/// A matrix of 4 × 4 ones, which is never freed.
fn m<T: Float>() -> MatRef<'static, T> {
    ones(vec![T::ONE; 16].leak(), 4, 4)
}

/// The first 16 elements, as a matrix.
fn square<T: Float>(to: &mut [T]) -> MatMut<'_, T> {
    matrix(&mut to[..16], 4, 4)
}

const SEQ: Par = Par::Seq;
const LABELS: [u8; 4] = [0, 1, 2, 3];

fn targets<T>() -> Targets<'static, T> {
    (&LABELS).into()
}

/// A good call of every function that computes something.
pub fn calls<T: Float>() -> Vec<(&'static str, Call<T>)> {
    let mut all: Vec<(&'static str, Call<T>)> = vec![
        ("isa::current", |_| isa::current().map(drop)),
        ("gemm::gemm", |to| gemm(T::ONE, m(), m(), T::ONE, square(to), SEQ)),
        ("gemm::gemm", |to| {
            let (a, b) = (ones(&[], 4, 0), ones(&[], 0, 4));
            gemm(T::ONE, a, b, T::ONE, square(to), SEQ)
        }),
        ("gemm::gemm_batched", |to| {
            let c = &mut [square(to)];
            gemm_batched(T::ONE, &[m()], &[m()], T::ONE, c, SEQ)
        }),
        ("dense::forward", |to| dense::forward(m(), m(), &[T::ONE; 4], square(to), SEQ)),
        ("dense::forward_relu", |to| dense::forward_relu(m(), m(), &[T::ONE; 4], square(to), SEQ)),
        ("dense::backward", |to| {
            let biases = Grad::Write(&mut to[..4]);
            let gradients = Gradients { biases, ..Gradients::default() };
            dense::backward(m(), m(), m(), gradients, SEQ)
        }),
        ("dense::sgd_step", |to| {
            let (weights, biases) = to.split_at_mut(16);
            dense::sgd_step(m(), m(), T::ONE, square(weights), &mut biases[..4], SEQ)
        }),
        ("relu::forward", |to| relu::forward(m(), square(to), SEQ)),
        ("relu::forward_in_place", |to| relu::forward_in_place(square(to), SEQ)),
        ("relu::backward", |to| relu::backward(m(), m(), square(to), SEQ)),
        ("relu::backward_in_place", |to| relu::backward_in_place(m(), square(to), SEQ)),
        ("softmax::forward", |to| softmax::forward(m(), square(to), SEQ)),
        ("softmax::forward_in_place", |to| softmax::forward_in_place(square(to), SEQ)),
        ("softmax::backward", |to| softmax::backward(m(), m(), square(to), SEQ)),
        ("softmax::backward_in_place", |to| softmax::backward_in_place(m(), square(to), SEQ)),
        ("metrics::accuracy", |_| metrics::accuracy::<T>(m(), targets(), None).map(drop)),
        ("metrics::argmax", |_| metrics::argmax::<T>(m(), &mut [0; 4])),
    ];
    all.extend(loss_calls());
    all.extend(training_calls());
    all
}

fn loss_calls<T: Float>() -> [(&'static str, Call<T>); 8] {
    fn head<T: Float, V>(f: impl FnOnce(Head<'_, T>) -> Result<V>) -> Result<()> {
        let (inputs, weights, options) = (m(), m(), LossOptions::default());
        f(Head { inputs, weights, biases: &[T::ONE; 4], targets: targets(), options }).map(drop)
    }
    [
        ("cross_entropy::forward", |to| {
            let options = LossOptions::default();
            cross_entropy::forward(m(), targets(), &options, &mut to[..4], SEQ).map(drop)
        }),
        ("cross_entropy::backward", |to| {
            let (to, upstream) = (square(to), Upstream::Scalar(T::ONE));
            cross_entropy::backward(m(), targets(), &LossOptions::default(), upstream, to, SEQ)
        }),
        ("softmax_cross_entropy::forward", |to| {
            let options = LossOptions::default();
            fused::forward(m(), targets(), &options, &mut to[..4], SEQ).map(drop)
        }),
        ("softmax_cross_entropy::backward", |to| {
            let (to, upstream) = (square(to), Upstream::Scalar(T::ONE));
            fused::backward(m(), targets(), &LossOptions::default(), upstream, to, SEQ)
        }),
        ("softmax_cross_entropy::forward_backward", |to| {
            let (gradient, losses) = to.split_at_mut(16);
            let (to, options) = (square(gradient), LossOptions::default());
            fused::forward_backward(m(), targets(), &options, &mut losses[..4], to, SEQ).map(drop)
        }),
        ("softmax_cross_entropy::forward_backward_in_place", |to| {
            let (gradient, losses) = to.split_at_mut(16);
            let (to, options) = (square(gradient), LossOptions::default());
            fused::forward_backward_in_place(to, targets(), &options, &mut losses[..4], SEQ)
                .map(drop)
        }),
        ("Head::forward", |to| head(|head| head.forward(&mut to[..4], &mut Workspace::new(), SEQ))),
        ("Head::forward_backward", |to| {
            let (losses, gradient) = to.split_at_mut(4);
            let inputs = Grad::Add(square(gradient));
            let gradients = Gradients { inputs, ..Gradients::default() };
            head(|head| {
                head.forward_backward(&mut losses[..4], gradients, &mut Workspace::new(), SEQ)
            })
        }),
    ]
}

fn training_calls<T: Float>() -> [(&'static str, Call<T>); 8] {
    fn mlp<T: Float, V>(f: impl FnOnce(&mut Mlp<T>) -> Result<V>) -> Result<()> {
        let mut mlp = Mlp::new(&[4, 4], Init::Book, 1)?;
        let before = mlp.parameters().to_vec();
        let result = f(&mut mlp).map(drop);
        assert!(mlp.parameters() == before && mlp.gradients().iter().all(|&g| g == T::ZERO));
        result
    }
    [
        ("optimizer::sgd", |to| optimizer::sgd(to, &[T::ONE; 24], T::ONE)),
        ("Momentum::update", |to| {
            let (p, v) = to.split_at_mut(12);
            Momentum::default().update(p, &[T::ONE; 12], v)
        }),
        ("Momentum::first_update", |to| {
            let (p, v) = to.split_at_mut(12);
            Momentum::default().first_update(p, &[T::ONE; 12], v)
        }),
        ("Adam::update", |to| {
            let (p, moments) = to.split_at_mut(8);
            let (first, second) = moments.split_at_mut(8);
            Adam::default().update(p, &[T::ONE; 8], first, second, 1)
        }),
        ("Mlp::predict", |to| mlp(|mlp| mlp.predict(m(), square(to)))),
        ("Mlp::train_step", |_| mlp::<T, _>(|mlp| mlp.train_step(m(), targets(), T::ONE))),
        ("Mlp::train_step_with_accuracy", |_| {
            mlp::<T, _>(|mlp| mlp.train_step_with_accuracy(m(), targets(), T::ONE))
        }),
        ("Mlp::loss_and_gradients", |_| mlp::<T, _>(|mlp| mlp.loss_and_gradients(m(), targets()))),
    ]
}
