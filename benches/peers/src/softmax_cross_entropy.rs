//! The mean softmax-cross-entropy of a batch of logits, and its gradient.

use crate::data::{Buffer, labels, matrix, matrix_mut};
use crate::limits::Work;
use crate::measure::Contender;
use crate::python::Python;
use candle_core::{Device, Tensor, Var};
use gradkern::{LossOptions, Par, Targets, softmax_cross_entropy};
use serde::Serialize;
use std::hint::black_box;

pub const TABLE: &str = "softmax-cross-entropy, loss and gradient";

/// Vector operations that a logit costs at least, each counted as a multiply-add: the maximum, the
/// difference to it, an exponential to one unit in the last place (scale, round, reduce, a
/// polynomial of degree 5, the power of two), the sum, the scaling of the probability.
const OPERATIONS: usize = 14;

#[derive(Clone, Copy, Serialize)]
pub struct Case {
    pub batch: usize,
    pub classes: usize,
}

pub const CASES: [Case; 4] = [
    Case { batch: 300, classes: 3 },
    Case { batch: 128, classes: 10 },
    Case { batch: 1024, classes: 1000 },
    Case { batch: 256, classes: 32000 },
];

impl Case {
    pub fn name(&self) -> String {
        format!("{} × {}", self.batch, self.classes)
    }

    pub fn work(&self) -> Work {
        let logits = self.batch * self.classes;
        Work { flops: (2 * OPERATIONS * logits) as f64, bytes: 8 * logits }
    }
}

/// All who compute it; gradkern is the first.
pub fn contenders<'a>(case: Case, threads: usize, python: Option<&Python>) -> Vec<Contender<'a>> {
    let mut contenders =
        vec![gradkern(case, threads), candle(case).expect("a loss and its gradient by candle")];
    contenders
        .extend(python.iter().flat_map(|python| python.contenders("softmax_cross_entropy", &case)));
    contenders
}

fn gradkern<'a>(case: Case, threads: usize) -> Contender<'a> {
    let Case { batch, classes } = case;
    let (logits, labels) = (Buffer::normal(batch * classes), labels(batch, classes));
    let (mut losses, mut grad) = (vec![0.0; batch], Buffer::zeros(batch * classes));
    let par = if threads == 1 { Par::Seq } else { Par::Rayon };
    Contender::new("gradkern", move || {
        let loss = softmax_cross_entropy::forward_backward(
            matrix(&logits, batch, classes),
            Targets::from(labels.as_slice()),
            &LossOptions::default(),
            &mut losses,
            matrix_mut(&mut grad, batch, classes),
            par,
        );
        black_box(loss.expect("shapes that fit"));
    })
}

fn candle<'a>(case: Case) -> candle_core::Result<Contender<'a>> {
    let Case { batch, classes } = case;
    let logits =
        Tensor::from_slice(&Buffer::normal(batch * classes), (batch, classes), &Device::Cpu)?;
    let logits = Var::from_tensor(&logits)?;
    let labels = Tensor::from_vec(labels(batch, classes), batch, &Device::Cpu)?;
    Ok(Contender::new("candle", move || {
        let loss = candle_nn::loss::cross_entropy(&logits, &labels).expect("shapes that fit");
        let gradients = loss.backward().expect("a loss with a gradient");
        black_box(gradients.get(&logits).expect("the gradient of the logits"));
    }))
}
