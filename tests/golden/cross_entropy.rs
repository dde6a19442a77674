//! `cross_entropy.safetensors`: the fused loss and its gradient, with every target and option.

use super::common::bounds::{self, Given, tiny, unit};
use super::common::golden::Golden;
use super::common::{assert_close, assert_matrix, every_par, to_type};
use super::{is_exact, view, view_mut};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, LossOptions, Par, Reduction, Upstream, softmax_cross_entropy};

/// A case of `cross_entropy.safetensors`.
struct LossCase<'a> {
    file: &'a Golden,
    name: &'a str,
    reduction: Reduction,
    logits: Matrix,
    loss: reference::Loss,
    /// As the kernel takes it: one number, or one a sample.
    upstream: &'a [f64],
}

impl<'a> LossCase<'a> {
    fn new(file: &'a Golden, case: &'a serde_json::Value) -> Self {
        let name = case["name"].as_str().expect("a name");
        let reduction = match case["reduction"].as_str() {
            Some("none") => Reduction::None,
            Some("mean") => Reduction::Mean,
            Some("sum") => Reduction::Sum,
            other => panic!("{name}: the reduction is {other:?}"),
        };
        let target = format!("{name}.target");
        let targets = match case["target"].as_str() {
            Some("index") => reference::Targets::Classes(file.classes(&target)),
            Some("probability") => reference::Targets::Probabilities(file.matrix(&target)),
            other => panic!("{name}: the target is {other:?}"),
        };
        let weights = case["weighted"].as_bool().expect("whether there are weights");
        let weights = weights.then(|| file.vector(&format!("{name}.weight")).to_vec());
        LossCase {
            file,
            name,
            reduction,
            logits: file.matrix(&format!("{name}.logits")),
            loss: reference::Loss {
                targets,
                reduction: match reduction {
                    Reduction::Mean => reference::Reduction::Mean,
                    Reduction::None | Reduction::Sum => reference::Reduction::Sum,
                },
                label_smoothing: case["label_smoothing"].as_f64().expect("a smoothing"),
                class_weights: weights,
                ignore_index: case["ignore_index"].as_i64(),
                clip: None,
            },
            upstream: file.vector(&format!("{name}.upstream")),
        }
    }

    /// What flows into each sample's loss.
    fn upstream_of_samples(&self) -> Vec<f64> {
        match self.reduction {
            Reduction::None => self.upstream.to_vec(),
            Reduction::Mean | Reduction::Sum => vec![self.upstream[0]; self.logits.rows],
        }
    }

    /// How far a kernel may be from the known values: of the losses and of the gradient.
    fn bounds<T: Float>(&self) -> (Vec<f64>, Matrix) {
        let upstream = self.upstream_of_samples();
        let (known_loss, known_gradient) = (self.known_loss(), self.known_gradient());
        let t = self.loss.weighted_targets(self.logits.rows, self.logits.cols);
        let (totals, p) = (t.row_sums(), reference::softmax(&self.logits));
        let largest = |row| self.logits.row(row).iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        let largest: Vec<f64> = (0..t.rows).map(largest).collect();
        // PyTorch's ln p = x − (max + ln Σ) is rounded where max and ln Σ ≥ 0 lie.
        let u = unit::<f64>();
        let known: Vec<f64> = (0..t.rows).map(|row| u * totals[row] * largest[row]).collect();
        let known_gradient_error = Matrix::from_fn(t.rows, t.cols, |row, col| {
            let (p, t) = (p.at(row, col) * totals[row], t.at(row, col));
            let scale = (upstream[row] / self.loss.denominator()).abs();
            u * scale * (p * largest[row] + p + t) + tiny::<f64>()
        });
        let known_reduced = known.iter().sum::<f64>() / self.loss.denominator();
        let known = if self.reduction == Reduction::None { known } else { vec![known_reduced] };

        if is_exact::<T>() {
            let near = |known: f64, error: f64| 1e-12 * known.abs() + error;
            let loss = known_loss.iter().zip(&known).map(|(&known, &error)| near(known, error));
            return (loss.collect(), known_gradient.zip(&known_gradient_error, near));
        }
        let given = Given {
            logits: largest.iter().map(|x| unit::<T>() * x).collect(),
            options_rounded: true,
        };
        let kernel =
            bounds::softmax_cross_entropy::<T>(&self.logits, &self.loss, &upstream, &given);
        let by_sample = self.reduction == Reduction::None;
        let loss = if by_sample { kernel.losses } else { vec![kernel.reduced] };
        let loss = loss.iter().zip(&known).map(|(a, b)| a + b).collect();
        (loss, kernel.gradient.zip(&known_gradient_error, |a, b| a + b))
    }

    fn known_loss(&self) -> &[f64] {
        self.file.vector(&format!("{}.loss", self.name))
    }

    fn known_gradient(&self) -> Matrix {
        self.file.matrix(&format!("{}.grad_logits", self.name))
    }

    fn check<T: Float>(&self, par: Par) {
        let (batch, classes) = (self.logits.rows, self.logits.cols);
        let logits: Vec<T> = to_type(&self.logits.data);
        let rows: Vec<T> = match &self.loss.targets {
            reference::Targets::Classes(_) => Vec::new(),
            reference::Targets::Probabilities(rows) => to_type(&rows.data),
        };
        let targets = match &self.loss.targets {
            reference::Targets::Classes(labels) => labels.into(),
            reference::Targets::Probabilities(_) => view(&rows, batch, classes).into(),
        };
        let weights: Option<Vec<T>> = self.loss.class_weights.as_deref().map(to_type);
        let options = LossOptions {
            reduction: self.reduction,
            label_smoothing: T::from_f64(self.loss.label_smoothing),
            class_weights: weights.as_deref(),
            ignore_index: self.loss.ignore_index,
            clip: None,
        };
        let logits = view(&logits, batch, classes);
        let (loss_bounds, gradient_bounds) = self.bounds::<T>();

        let mut losses = vec![T::NAN; batch];
        let reduced =
            softmax_cross_entropy::forward(logits, targets, &options, &mut losses, par).unwrap();
        let found = if self.reduction == Reduction::None { losses } else { vec![reduced] };
        assert_close(&format!("{} loss", self.name), &found, self.known_loss(), &loss_bounds);

        let upstream: Vec<T> = to_type(self.upstream);
        let upstream = match self.reduction {
            Reduction::None => Upstream::PerSample(&upstream),
            Reduction::Mean | Reduction::Sum => Upstream::Scalar(upstream[0]),
        };
        let mut gradient = vec![T::NAN; batch * classes];
        let to = view_mut(&mut gradient, batch, classes);
        softmax_cross_entropy::backward(logits, targets, &options, upstream, to, par).unwrap();
        let found = view(&gradient, batch, classes);
        let what = format!("{} gradient", self.name);
        assert_matrix(&what, found, &self.known_gradient(), &gradient_bounds);
    }
}

fn cross_entropy_cases<T: Float>() {
    let file = Golden::required("cross_entropy.safetensors");
    let cases = file.json("cases");
    let cases = cases.as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    for case in cases {
        let case = LossCase::new(&file, case);
        every_par().into_iter().for_each(|par| case.check::<T>(par));
    }
}

#[test]
fn cross_entropy_f64() {
    cross_entropy_cases::<f64>();
}

#[test]
fn cross_entropy_f32() {
    cross_entropy_cases::<f32>();
}
