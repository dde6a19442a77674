//! The cross-entropies, their options and gradients, and accuracy.

use super::{Matrix, log_softmax, softmax};

/// What a batch should have been.
#[derive(Clone, Debug)]
pub enum Targets {
    /// The class of each sample.
    Classes(Vec<i64>),
    /// The probability of each class, a row a sample.
    Probabilities(Matrix),
}

/// How the losses of a batch are put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// The sum, divided by the weight of the samples.
    Mean,
    /// The sum.
    Sum,
}

/// A cross-entropy: what it compares with, and its options.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What the batch should have been.
    pub targets: Targets,
    /// Mean or sum.
    pub reduction: Reduction,
    /// The share of each target that is spread over all classes.
    pub label_smoothing: f64,
    /// A weight for each class.
    pub class_weights: Option<Vec<f64>>,
    /// The class that stands for "no sample".
    pub ignore_index: Option<i64>,
    /// ε of clip(p, ε, 1 − ε).
    pub clip: Option<f64>,
}

impl Loss {
    /// The mean loss, without any option.
    pub fn new(targets: Targets) -> Self {
        let reduction = Reduction::Mean;
        let (label_smoothing, class_weights, ignore_index, clip) = (0.0, None, None, None);
        Loss { targets, reduction, label_smoothing, class_weights, ignore_index, clip }
    }

    fn class_weight(&self, class: usize) -> f64 {
        self.class_weights.as_ref().map_or(1.0, |weights| weights[class])
    }

    /// Whether a sample does not count.
    pub fn is_ignored(&self, row: usize) -> bool {
        match &self.targets {
            Targets::Classes(classes) => Some(classes[row]) == self.ignore_index,
            Targets::Probabilities(_) => false,
        }
    }

    /// t = w·((1 − s)·q + s/classes): what each ln p is multiplied with. 0 for ignored samples.
    pub fn weighted_targets(&self, rows: usize, classes: usize) -> Matrix {
        Matrix::from_fn(rows, classes, |row, col| {
            if self.is_ignored(row) {
                return 0.0;
            }
            let q = match &self.targets {
                Targets::Classes(labels) if labels[row] == col as i64 => 1.0,
                Targets::Classes(_) => 0.0,
                Targets::Probabilities(q) => q.at(row, col),
            };
            let s = self.label_smoothing;
            self.class_weight(col) * ((1.0 - s) * q + s / classes as f64)
        })
    }

    /// What the sum of the losses is divided by: for the mean, the class weights of the labels
    /// that are not ignored, or, for probability targets, the number of samples.
    pub fn denominator(&self) -> f64 {
        match (self.reduction, &self.targets) {
            (Reduction::Sum, _) => 1.0,
            (Reduction::Mean, Targets::Probabilities(q)) => q.rows as f64,
            (Reduction::Mean, Targets::Classes(labels)) => {
                let counted = labels.iter().filter(|&&label| Some(label) != self.ignore_index);
                counted.map(|&label| self.class_weight(label as usize)).sum()
            }
        }
    }

    /// −Σ t·ln p of each sample, over the classes with t ≠ 0.
    fn of_samples(&self, ln_p: &Matrix) -> Vec<f64> {
        let t = self.weighted_targets(ln_p.rows, ln_p.cols);
        t.zip(ln_p, |t, ln_p| if t == 0.0 { 0.0 } else { -t * ln_p }).row_sums()
    }

    fn reduce(&self, losses: Vec<f64>) -> (Vec<f64>, f64) {
        let reduced = losses.iter().sum::<f64>() / self.denominator();
        (losses, reduced)
    }
}

/// −Σ t·ln(clip(p, ε, 1 − ε)): the loss of each sample, and the reduced loss.
pub fn cross_entropy(probabilities: &Matrix, loss: &Loss) -> (Vec<f64>, f64) {
    let clip = |p: f64| loss.clip.map_or(p, |epsilon| p.clamp(epsilon, 1.0 - epsilon));
    loss.reduce(loss.of_samples(&probabilities.map(|p| clip(p).ln())))
}

/// The gradient of [`cross_entropy`], unclipped: −t/p, with p no smaller than `smallest`, and 0
/// where t = 0. `upstream` has the gradient that flows into each sample's loss.
pub fn cross_entropy_backward(
    probabilities: &Matrix,
    loss: &Loss,
    upstream: &[f64],
    smallest: f64,
) -> Matrix {
    let t = loss.weighted_targets(probabilities.rows, probabilities.cols);
    let denominator = loss.denominator();
    Matrix::from_fn(t.rows, t.cols, |row, col| {
        let p = probabilities.at(row, col);
        let p = if p < smallest { smallest } else { p };
        let gradient = -t.at(row, col) / p * upstream[row] / denominator;
        if t.at(row, col) == 0.0 { 0.0 } else { gradient }
    })
}

/// −Σ t·clip(ln softmax(logits)), clipped to [ln ε, ln(1 − ε)]: the loss of each sample, and the
/// reduced loss. NaN for a sample without a softmax, unless it is ignored.
pub fn softmax_cross_entropy(logits: &Matrix, loss: &Loss) -> (Vec<f64>, f64) {
    let clip =
        |ln_p: f64| loss.clip.map_or(ln_p, |epsilon| ln_p.clamp(epsilon.ln(), (-epsilon).ln_1p()));
    let ln_p = log_softmax(logits).map(clip);
    let mut losses = loss.of_samples(&ln_p);
    for (row, sample_loss) in losses.iter_mut().enumerate() {
        if ln_p.row(row).iter().any(|x| x.is_nan()) && !loss.is_ignored(row) {
            *sample_loss = f64::NAN;
        }
    }
    loss.reduce(losses)
}

/// The gradient of [`softmax_cross_entropy`], unclipped: p·Σt − t, row by row; 0 for ignored
/// samples. `upstream` has the gradient that flows into each sample's loss.
pub fn softmax_cross_entropy_backward(logits: &Matrix, loss: &Loss, upstream: &[f64]) -> Matrix {
    let (p, t) = (softmax(logits), loss.weighted_targets(logits.rows, logits.cols));
    let (totals, denominator) = (t.row_sums(), loss.denominator());
    Matrix::from_fn(t.rows, t.cols, |row, col| {
        let gradient = p.at(row, col) * totals[row] - t.at(row, col);
        if loss.is_ignored(row) { 0.0 } else { gradient * upstream[row] / denominator }
    })
}

/// The index of the first NaN, or else of the first of the largest elements; 0 of none.
pub fn argmax(row: &[f64]) -> usize {
    let mut best = 0;
    for i in 1..row.len() {
        let is_first_nan = row[i].is_nan() && !row[best].is_nan();
        if is_first_nan || row[i] > row[best] {
            best = i;
        }
    }
    best
}

/// The share of samples whose largest prediction is at the target; a row with NaN, or without
/// elements, is wrong.
pub fn accuracy(predictions: &Matrix, loss: &Loss) -> f64 {
    let right = |row: usize| {
        let target = match &loss.targets {
            Targets::Classes(classes) => classes[row] as usize,
            Targets::Probabilities(q) => argmax(q.row(row)),
        };
        let row = predictions.row(row);
        !row.is_empty() && !row.iter().any(|p| p.is_nan()) && argmax(row) == target
    };
    let counted: Vec<usize> = (0..predictions.rows).filter(|&r| !loss.is_ignored(r)).collect();
    counted.iter().filter(|&&row| right(row)).count() as f64 / counted.len() as f64
}
