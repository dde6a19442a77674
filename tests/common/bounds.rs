//! How far a kernel may be from the reference: first-order rounding-error analysis (Higham,
//! *Accuracy and Stability of Numerical Algorithms*, chapters 2 to 4), per element.
//!
//! Everything is in units u of rounding, relative to the magnitudes that enter an element, and for
//! any order of summation: a sum of n terms is off by at most (n − 1)·u·Σ|terms|, a product or
//! quotient by u, `exp` by 1.25 units in the last place and `ln` and `ln_1p` by 2, each of 2·u.

use gradkern::Float;
use gradkern::reference::{self, Loss, Matrix};

/// Half the distance from 1 to the next number of `T`, plus the reference's own.
pub fn unit<T: Float>() -> f64 {
    (T::EPSILON.to_f64() + f64::EPSILON) / 2.0
}

/// The smallest positive number of `T`: what a result that underflows may be off by.
pub fn tiny<T: Float>() -> f64 {
    // As a product in `T`, because an f64 cannot hold its own smallest number times anything.
    (T::MIN_POSITIVE * T::EPSILON).to_f64()
}

fn magnitude(m: &Matrix) -> Matrix {
    m.map(f64::abs)
}

/// Of α·A·B + β·C: k products, their sum, two scalings and one addition.
pub fn gemm<T: Float>(alpha: f64, a: &Matrix, b: &Matrix, beta: f64, c: &Matrix) -> Matrix {
    let all = reference::gemm(alpha.abs(), &magnitude(a), &magnitude(b), beta.abs(), &magnitude(c));
    all.map(|x| gemm_units::<T>(a.cols) * x)
}

/// Of a product of `k` steps, relative to |α|·|A|·|B| + |β|·|C|.
pub fn gemm_units<T: Float>(k: usize) -> f64 {
    (k as f64 + 3.0) * unit::<T>()
}

/// Of A·B.
pub fn product<T: Float>(a: &Matrix, b: &Matrix) -> Matrix {
    gemm::<T>(1.0, a, b, 0.0, &Matrix::from_fn(a.rows, b.cols, |_, _| 0.0))
}

/// Of inputs·weights + biases.
pub fn dense<T: Float>(inputs: &Matrix, weights: &Matrix, biases: &[f64]) -> Matrix {
    let repeated = Matrix::from_fn(inputs.rows, weights.cols, |_, col| biases[col]);
    gemm::<T>(1.0, inputs, weights, 1.0, &repeated)
}

/// Of the sum of each column.
pub fn column_sums<T: Float>(m: &Matrix) -> Vec<f64> {
    let sums = magnitude(m).column_sums();
    sums.iter().map(|sum| m.rows as f64 * unit::<T>() * sum).collect()
}

/// Of pᵢ(gᵢ − Σⱼ gⱼpⱼ).
pub fn softmax_backward<T: Float>(probabilities: &Matrix, grad_output: &Matrix) -> Matrix {
    let (p, g) = (magnitude(probabilities), magnitude(grad_output));
    let dots = p.zip(&g, |p, g| p * g).row_sums();
    Matrix::from_fn(p.rows, p.cols, |row, col| {
        let units = 2.0 * g.at(row, col) + (p.cols as f64 + 3.0) * dots[row];
        unit::<T>() * p.at(row, col) * units + 2.0 * tiny::<T>()
    })
}

/// The errors of a row's softmax and of its logarithm.
#[derive(Debug)]
pub struct SoftmaxRow {
    /// Of each probability.
    pub p: Vec<f64>,
    /// Of the logarithm of each probability.
    pub ln_p: Vec<f64>,
}

/// Exponentials are those of x itself, over a power of two: off by 2.5·u, however far x is from the
/// largest element. (The reference's are those of x − max, which it rounds, in f64.) `perturbation` is how far the kernel's logits may themselves be from these.
pub fn softmax_row<T: Float>(row: &[f64], perturbation: f64) -> SoftmaxRow {
    let (u, tiny) = (unit::<T>(), tiny::<T>());
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = row.iter().position(|&x| x == largest);
    let ln_p = reference::log_softmax_row(row);
    // Relative to the largest element's exponential, as everything here.
    let exp_error = |i: usize| match row[i] - largest {
        f64::NEG_INFINITY => 0.0,
        d if d < -1e4 => tiny,
        d => d.exp() * (2.5 * u + (f64::EPSILON / 2.0 * -d).exp_m1()) + tiny,
    };
    let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
    let sum_of_others = sum - 1.0;
    let others = (0..row.len()).filter(|&i| Some(i) != first);
    let exp_errors_of_others: f64 = others.map(exp_error).sum();
    // First-order terms; 1 % covers their products.
    let others_error = 1.01 * (exp_errors_of_others + row.len() as f64 * u * sum_of_others);
    let sum_error = others_error + 2.5 * u;
    // ln(1 + others / top), with top off by 2.5·u and a quotient.
    let ln_sum_error = (others_error + 3.6 * u * sum_of_others) / sum
        + 4.0 * u * sum_of_others.max(0.0).ln_1p()
        + tiny;
    let p_error = |i: usize| {
        let p = ln_p[i].exp();
        if p == 0.0 && row[i] == f64::NEG_INFINITY {
            return 0.0;
        }
        let p_error = (exp_error(i) + p * (sum_error + u * sum)) / sum + 2.0 * u * p + tiny;
        1.01 * p_error + p * (2.0 * perturbation).exp_m1()
    };
    let ln_p_error = |i: usize| {
        u * (row[i] - largest).abs() + ln_sum_error + u * ln_p[i].abs() + 2.0 * perturbation
    };
    SoftmaxRow {
        p: (0..row.len()).map(p_error).collect(),
        ln_p: (0..row.len()).map(ln_p_error).collect(),
    }
}

/// Of the probabilities of every row.
pub fn softmax<T: Float>(logits: &Matrix) -> Matrix {
    let rows: Vec<_> = (0..logits.rows).map(|row| softmax_row::<T>(logits.row(row), 0.0)).collect();
    Matrix::from_fn(logits.rows, logits.cols, |row, col| rows[row].p[col])
}

/// The errors of a cross-entropy and its gradient.
#[derive(Debug)]
pub struct LossBounds {
    /// Of each sample's loss.
    pub losses: Vec<f64>,
    /// Of the reduced loss.
    pub reduced: f64,
    /// Of the gradient.
    pub gradient: Matrix,
}

/// How far what a kernel is given may be from what the reference is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The logits' absolute error, by row; empty for none.
    pub logits: Vec<f64>,
    /// Whether targets, weights, smoothing and upstream were rounded, by u each.
    pub options_rounded: bool,
}

/// Of the fused loss. t = w·((1 − s)·q + s/classes) is off by 4·u.
pub fn softmax_cross_entropy<T: Float>(
    logits: &Matrix,
    loss: &Loss,
    upstream: &[f64],
    given: &Given,
) -> LossBounds {
    let u = unit::<T>();
    let perturbation = |row| given.logits.get(row).copied().unwrap_or(0.0);
    let rows: Vec<_> =
        (0..logits.rows).map(|row| softmax_row::<T>(logits.row(row), perturbation(row))).collect();
    let ln_p = reference::log_softmax(logits);
    let clipped = ln_p.map(|ln_p| match loss.clip {
        Some(epsilon) => ln_p.clamp(epsilon.ln(), (-epsilon).ln_1p()),
        None => ln_p,
    });
    let clipped_error = Matrix::from_fn(logits.rows, logits.cols, |row, col| {
        let (ln_p, error) = (ln_p.at(row, col), rows[row].ln_p[col]);
        let limit_error = 4.0 * u * clipped.at(row, col).abs();
        match loss.clip {
            None => error,
            Some(epsilon) if ln_p == f64::NEG_INFINITY || ln_p + error < epsilon.ln() => {
                limit_error
            }
            Some(epsilon) if ln_p - error > (-epsilon).ln_1p() => limit_error,
            Some(_) => error + limit_error,
        }
    });
    let (losses, reduced) = loss_errors::<T>(&clipped, &clipped_error, loss, given);

    let (p, t) = (reference::softmax(logits), loss.weighted_targets(logits.rows, logits.cols));
    let (n, totals, denominator) = (logits.cols as f64, t.row_sums(), loss.denominator());
    let gradient = Matrix::from_fn(t.rows, t.cols, |row, col| {
        let (p, t, all) = (p.at(row, col), t.at(row, col), totals[row]);
        let scale = (upstream[row] / denominator).abs();
        let scale_units = denominator_units(loss, logits.rows) + 3.0;
        let t_units = target_units(given);
        let sums = all * (rows[row].p[col] + p * (n + t_units + 1.0) * u) + t * (t_units + 1.0) * u;
        if loss.is_ignored(row) {
            0.0
        } else {
            scale * (sums + (p * all + t) * scale_units * u) + tiny::<T>()
        }
    });
    LossBounds { losses, reduced, gradient }
}

/// Of the loss on probabilities: ln p is off by 4·u, and so are the logarithms of the limits; the
/// reference rounds 1 − ε, which the logarithm does not diminish.
pub fn cross_entropy<T: Float>(p: &Matrix, loss: &Loss, upstream: &[f64]) -> LossBounds {
    let u = unit::<T>();
    let limits = loss.clip.map(|epsilon| (epsilon, 1.0 - epsilon));
    let clipped = p.map(|p| limits.map_or(p, |(low, high)| p.clamp(low, high)).ln());
    let error = p.zip(&clipped, |p, ln_p| {
        let reference_rounds = limits.is_some_and(|(_, high)| p >= high);
        4.0 * u * ln_p.abs() + if reference_rounds { f64::EPSILON } else { 0.0 }
    });
    let given = Given::default();
    let (losses, reduced) = loss_errors::<T>(&clipped, &error, loss, &given);
    let smallest = T::MIN_POSITIVE.to_f64();
    let gradient = reference::cross_entropy_backward(p, loss, upstream, smallest);
    let units = target_units(&given) + denominator_units(loss, p.rows) + 4.0;
    LossBounds { losses, reduced, gradient: gradient.map(|g| units * u * g.abs() + tiny::<T>()) }
}

fn target_units(given: &Given) -> f64 {
    if given.options_rounded { 7.0 } else { 4.0 }
}

/// A sum of class weights, or nothing.
fn denominator_units(loss: &Loss, batch: usize) -> f64 {
    let rounded_weights = 1.0;
    if loss.class_weights.is_some() { batch as f64 + rounded_weights } else { 1.0 }
}

/// Of −Σ t·ln p, and of their reduction, given the errors of ln p.
fn loss_errors<T: Float>(
    ln_p: &Matrix,
    ln_p_error: &Matrix,
    loss: &Loss,
    given: &Given,
) -> (Vec<f64>, f64) {
    let u = unit::<T>();
    let t = loss.weighted_targets(ln_p.rows, ln_p.cols);
    let units = ln_p.cols as f64 + target_units(given) + 1.0;
    let term = |row, col| {
        let (t, ln_p) = (t.at(row, col), ln_p.at(row, col));
        if t == 0.0 { 0.0 } else { t * (ln_p_error.at(row, col) + units * u * ln_p.abs()) }
    };
    let size = |row, col| {
        let (t, ln_p) = (t.at(row, col), ln_p.at(row, col));
        if t == 0.0 { 0.0 } else { (t * ln_p).abs() }
    };
    let by_row = |f: &dyn Fn(usize, usize) -> f64| Matrix::from_fn(t.rows, t.cols, f).row_sums();
    let losses: Vec<f64> = by_row(&term).iter().map(|error| error + tiny::<T>()).collect();
    let batch = ln_p.rows as f64;
    let sum: f64 = by_row(&size).iter().sum();
    let units = batch + denominator_units(loss, ln_p.rows) + 3.0;
    let reduced = (losses.iter().sum::<f64>() + units * u * sum) / loss.denominator();
    (losses, reduced + tiny::<T>())
}
