//! Cross-entropy on probabilities, clipped, as *Neural Networks from Scratch* has it in chapter 5;
//! its gradient as in chapter 9.
//!
//! From logits, [`softmax_cross_entropy`](crate::softmax_cross_entropy) is faster and more
//! accurate.

use crate::arch::{Kernel, MAX_LANES, Simd};
use crate::error::{Result, check_shape};
use crate::float::Float;
use crate::isa;
use crate::loss::{LossOptions, Objective, Upstream};
use crate::par::Par;
use crate::targets::Targets;
use crate::view::{MatMut, MatRef};

/// Elementary operations a sample's logarithm costs, in the units of [`Par`].
const WORK_PER_ELEMENT: usize = 32;

/// The loss of each sample, and, returned, the reduced loss.
///
/// `probabilities` is \[batch × classes\]; `losses` \[batch\] is written with
/// −Σ t·ln(clip(p, ε, 1 − ε)) for each sample, where t is its target, weighted and smoothed as
/// [`LossOptions`] say. A class without a target adds nothing, whatever its probability; a
/// probability of NaN at a target makes the loss NaN.
///
/// # Errors
/// As [`softmax_cross_entropy::forward`](crate::softmax_cross_entropy::forward).
///
/// ```
/// use gradkern::{LossOptions, MatRef, Par, cross_entropy};
///
/// // The three samples of the book: dog, cat, cat.
/// let probabilities = [0.7, 0.1, 0.2, 0.1, 0.5, 0.4, 0.02, 0.9, 0.08];
/// let mut losses = [0.0_f64; 3];
/// let mean = cross_entropy::forward(
///     MatRef::new(&probabilities, 3, 3)?,
///     (&[0_u8, 1, 1]).into(),
///     &LossOptions::default(),
///     &mut losses,
///     Par::Seq,
/// )?;
/// assert!((mean - 0.38506088).abs() < 1e-8);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn forward<T: Float>(
    probabilities: MatRef<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    losses: &mut [T],
    par: Par,
) -> Result<T> {
    let (batch, classes) = probabilities.shape();
    let objective = Objective::with_losses(targets, options, (batch, classes), losses)?;
    let token = isa::token()?;
    let work = batch.saturating_mul(classes).saturating_mul(WORK_PER_ELEMENT);
    par.split_rows(&mut *losses, batch, 1, work, &|losses: &mut [T], first| {
        T::with_scratch(2 * classes, |scratch| {
            let objective = &objective;
            let losses = Losses { objective, probabilities, losses, first, scratch };
            T::cross_entropy(token, losses);
        });
    });
    objective.reduce(losses)
}

/// The gradient of the reduced loss with respect to the probabilities, times that of whatever
/// follows it.
///
/// `grad_probabilities` \[batch × classes\] is written with −t / p, divided by what the mean is
/// divided by; 0 where t is. It is the gradient of the loss before clipping. A probability below
/// the smallest normal number counts as that number, so that the gradient is finite at 0.
///
/// # Errors
/// As [`forward`], and for `upstream` and `grad_probabilities` that do not fit.
pub fn backward<T: Float>(
    probabilities: MatRef<'_, T>,
    targets: Targets<'_, T>,
    options: &LossOptions<'_, T>,
    upstream: Upstream<'_, T>,
    grad_probabilities: MatMut<'_, T>,
    par: Par,
) -> Result<()> {
    let (batch, classes) = probabilities.shape();
    check_shape("grad_probabilities", (batch, classes), grad_probabilities.shape())?;
    let objective = Objective::with_upstream(targets, options, (batch, classes), upstream)?;
    isa::current()?;
    if grad_probabilities.is_empty() {
        return Ok(());
    }
    par.split_rows(grad_probabilities, batch, 1, batch * classes, &|mut part, first| {
        part.fill(T::ZERO);
        for i in 0..part.rows() {
            let sample = first + i;
            let factor = objective.scale() * upstream.at(sample);
            for (class, t) in objective.targets_of(sample, classes) {
                if t != T::ZERO {
                    let p = probabilities.at(sample, class);
                    // False for NaN, so that it passes through.
                    let p = if p < T::MIN_POSITIVE { T::MIN_POSITIVE } else { p };
                    part.set(i, class, -(t * factor) / p);
                }
            }
        }
    });
    Ok(())
}

pub(crate) struct Losses<'a, T> {
    objective: &'a Objective<'a, T>,
    probabilities: MatRef<'a, T>,
    losses: &'a mut [T],
    /// The first loss's sample.
    first: usize,
    /// A row of probabilities and one of targets.
    scratch: &'a mut [T],
}

impl<T: Float> Kernel<T> for Losses<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        if self.objective.is_hard() {
            self.of_labels(simd);
        } else {
            self.of_rows(simd);
        }
    }
}

impl<T: Float> Losses<'_, T> {
    /// Where all of a target lies on one class: a sample a lane.
    #[inline(always)]
    fn of_labels<S: Simd<T>>(self, simd: S) {
        let Losses { objective, probabilities, losses, mut first, .. } = self;
        for losses in losses.chunks_mut(S::LANES) {
            let (mut p, mut weights) = ([T::ONE; MAX_LANES], [T::ZERO; MAX_LANES]);
            for lane in 0..losses.len() {
                if let Some(label) = objective.label(first + lane) {
                    p[lane] = probabilities.at(first + lane, label);
                    weights[lane] = objective.class_weight(label);
                }
            }
            first += losses.len();
            let terms = objective.terms(simd, simd.load(&weights), simd.load(&p));
            simd.store_first(terms, losses);
        }
    }

    /// Where a target is a row: a class a lane.
    #[inline(always)]
    fn of_rows<S: Simd<T>>(self, simd: S) {
        let Losses { objective, probabilities, losses, first, scratch } = self;
        let (row, target) = scratch.split_at_mut(probabilities.cols());
        for (i, loss) in losses.iter_mut().enumerate() {
            if objective.ignores(first + i) {
                *loss = T::ZERO;
                continue;
            }
            objective.fill_target(first + i, target);
            probabilities.copy_row(first + i, row);
            let mut total = simd.splat(T::ZERO);
            for (p, t) in row.chunks(S::LANES).zip(target.chunks(S::LANES)) {
                total =
                    simd.add(total, objective.terms(simd, simd.load_first(t), simd.load_first(p)));
            }
            *loss = simd.reduce_add(total);
        }
    }
}
