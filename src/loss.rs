//! What both forms of cross-entropy share: the options, and what they make of a sample's target.
//!
//! With PyTorch's `cross_entropy` semantics, a sample's loss is −Σ t·ln p over the classes c, where
//! t = w·((1 − s)·q + s / classes): q is the target's probability of c (1 for a label, 0 for the
//! other classes), s the label smoothing and w the weight of c.

use crate::arch::{Kernel, Simd};
use crate::error::{Error, Result, check_length};
use crate::float::Float;
use crate::isa;
use crate::targets::Targets;
use crate::vector::{ln::ln, softmax::loss_term};

/// How the losses of a batch become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// They do not: gradients are those of each sample's own loss. (Functions that return one
    /// number return the sum.)
    None,
    /// Their mean: for labels Σ loss / Σ w over the samples that are not ignored, where w is the
    /// weight of a sample's class; for probability rows Σ loss / batch. NaN over no samples.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// The options of a cross-entropy.
///
/// ```
/// use gradkern::{LossOptions, Reduction};
///
/// let options = LossOptions::<f32> {
///     reduction: Reduction::Sum,
///     label_smoothing: 0.1,
///     clip: None,
///     ..LossOptions::default()
/// };
/// assert_eq!(LossOptions::<f64>::default().clip, Some(1e-7));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions<'a, T> {
    /// How the losses of the samples are reduced.
    pub reduction: Reduction,
    /// The share s of every target that is spread evenly over the classes, in \[0, 1\].
    pub label_smoothing: T,
    /// A weight w for each class \[classes\]; 1 where there is none.
    pub class_weights: Option<&'a [T]>,
    /// The label of samples to leave out: their loss and gradient are 0, whatever they hold.
    /// Labels only.
    pub ignore_index: Option<i64>,
    /// ε in (0, ½): probabilities are clipped to \[ε, 1 − ε\] in the loss, never in the gradient.
    /// `None` leaves them as they are.
    pub clip: Option<T>,
}

impl<T: Float> Default for LossOptions<'_, T> {
    /// The mean, ε = 1e-7, and nothing else.
    fn default() -> Self {
        LossOptions {
            reduction: Reduction::Mean,
            label_smoothing: T::ZERO,
            class_weights: None,
            ignore_index: None,
            clip: Some(T::from_f64(1e-7)),
        }
    }
}

/// The gradient of whatever follows the loss, with respect to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Upstream<'a, T> {
    /// One number for the batch: 1 where nothing follows.
    Scalar(T),
    /// A number for each sample \[batch\].
    PerSample(&'a [T]),
}

impl<T: Float> Upstream<'_, T> {
    pub(crate) fn check(&self, batch: usize) -> Result<()> {
        match self {
            Upstream::Scalar(_) => Ok(()),
            Upstream::PerSample(values) => check_length("upstream", batch, values.len()),
        }
    }

    /// The numbers of `count` samples from `first` on.
    #[inline(always)]
    pub(crate) fn load<S: Simd<T>>(&self, simd: S, first: usize, count: usize) -> S::V {
        match self {
            Upstream::Scalar(value) => simd.splat(*value),
            Upstream::PerSample(values) => simd.load_first(&values[first..first + count]),
        }
    }

    #[inline(always)]
    pub(crate) fn at(&self, sample: usize) -> T {
        match self {
            Upstream::Scalar(value) => *value,
            Upstream::PerSample(values) => values[sample],
        }
    }
}

/// The options and targets of one call, checked.
#[derive(Clone, Copy)]
pub(crate) struct Objective<'a, T> {
    pub(crate) targets: Targets<'a, T>,
    pub(crate) class_weights: Option<&'a [T]>,
    /// 1 − s: what remains of a target.
    pub(crate) kept: T,
    /// s / classes: what every class has.
    pub(crate) spread: T,
    /// The logarithms of ε and 1 − ε, or of 0 and ∞.
    pub(crate) log_bounds: (T, T),
    ignore: Option<i64>,
    /// What the sum of losses is divided by.
    denominator: f64,
}

impl<'a, T: Float> Objective<'a, T> {
    pub(crate) fn new(
        targets: Targets<'a, T>,
        options: &LossOptions<'a, T>,
        batch: usize,
        classes: usize,
    ) -> Result<Self> {
        let ignore = options.ignore_index;
        let smoothing = options.label_smoothing;
        check_options(&targets, options, classes)?;
        targets.check(batch, classes, ignore)?;
        check_room::<T>(classes)?;
        let mut objective = Objective {
            targets,
            class_weights: options.class_weights,
            kept: T::ONE - smoothing,
            spread: smoothing / T::from_f64(classes as f64),
            log_bounds: options.clip.map_or((T::NEG_INFINITY, T::INFINITY), |epsilon| {
                let epsilon = epsilon.to_f64();
                (T::from_f64(epsilon.ln()), T::from_f64((-epsilon).ln_1p()))
            }),
            ignore,
            denominator: 1.0,
        };
        if options.reduction == Reduction::Mean {
            objective.denominator = objective.total_weight(batch);
        }
        Ok(objective)
    }

    /// The objective of a call that writes each sample's loss.
    pub(crate) fn with_losses(
        targets: Targets<'a, T>,
        options: &LossOptions<'a, T>,
        (batch, classes): (usize, usize),
        losses: &[T],
    ) -> Result<Self> {
        check_length("losses", batch, losses.len())?;
        Self::new(targets, options, batch, classes)
    }

    /// The objective of a call that writes a gradient, which something follows.
    pub(crate) fn with_upstream(
        targets: Targets<'a, T>,
        options: &LossOptions<'a, T>,
        (batch, classes): (usize, usize),
        upstream: Upstream<'_, T>,
    ) -> Result<Self> {
        upstream.check(batch)?;
        Self::new(targets, options, batch, classes)
    }

    /// Σ w over the samples that count.
    fn total_weight(&self, batch: usize) -> f64 {
        match (&self.targets, self.ignore, self.class_weights) {
            (Targets::Probabilities(_), ..) | (_, None, None) => batch as f64,
            (Targets::Labels(_), ..) => (0..batch)
                .filter_map(|sample| self.label(sample))
                .map(|label| self.class_weight(label).to_f64())
                .sum(),
        }
    }

    /// Whether all of a sample's target lies on one class.
    pub(crate) fn is_hard(&self) -> bool {
        matches!(self.targets, Targets::Labels(_)) && self.spread == T::ZERO
    }

    /// A sample's class; `None` where the sample is ignored, or its target is a row.
    #[inline(always)]
    pub(crate) fn label(&self, sample: usize) -> Option<usize> {
        match &self.targets {
            Targets::Labels(labels) => {
                let label = labels.at(sample);
                (self.ignore != Some(label)).then_some(label as usize)
            }
            Targets::Probabilities(_) => None,
        }
    }

    /// Reads the labels of samples from `first` on, −1 for those that are ignored. Returns a bit
    /// for each of these. For targets that are labels, at most 32 at a time.
    #[inline(always)]
    pub(crate) fn read_labels(&self, first: usize, labels: &mut [i64]) -> u32 {
        let Targets::Labels(from) = &self.targets else { return 0 };
        from.read(first, labels);
        let Some(ignore) = self.ignore else { return 0 };
        let mut ignored = 0;
        for (lane, label) in labels.iter_mut().enumerate().filter(|(_, label)| **label == ignore) {
            ignored |= 1 << lane;
            *label = -1;
        }
        ignored
    }

    /// Whether a sample is left out.
    #[inline(always)]
    pub(crate) fn ignores(&self, sample: usize) -> bool {
        match &self.targets {
            Targets::Labels(labels) => self.ignore == Some(labels.at(sample)),
            Targets::Probabilities(_) => false,
        }
    }

    #[inline(always)]
    pub(crate) fn class_weight(&self, class: usize) -> T {
        self.class_weights.map_or(T::ONE, |weights| weights[class])
    }

    /// Writes t for each class.
    #[inline(always)]
    pub(crate) fn fill_target(&self, sample: usize, target: &mut [T]) {
        match &self.targets {
            Targets::Labels(labels) => {
                target.fill(self.spread);
                target[labels.at(sample) as usize] += self.kept;
            }
            Targets::Probabilities(rows) => {
                rows.copy_row(sample, target);
                for q in target.iter_mut() {
                    *q = self.kept * *q + self.spread;
                }
            }
        }
        if let Some(weights) = self.class_weights {
            for (t, &weight) in target.iter_mut().zip(weights) {
                *t *= weight;
            }
        }
    }

    /// The classes of a sample that have a target, with t; all classes, unless its target is one
    /// class. None where the sample is ignored.
    pub(crate) fn targets_of(
        &self,
        sample: usize,
        classes: usize,
    ) -> impl Iterator<Item = (usize, T)> + '_ {
        let classes = match self.label(sample) {
            Some(label) if self.is_hard() => label..label + 1,
            _ if self.ignores(sample) => 0..0,
            _ => 0..classes,
        };
        classes.map(move |class| {
            let q = match &self.targets {
                Targets::Labels(labels) if labels.at(sample) == class as i64 => T::ONE,
                Targets::Labels(_) => T::ZERO,
                Targets::Probabilities(rows) => rows.at(sample, class),
            };
            (class, self.class_weight(class) * (self.kept * q + self.spread))
        })
    }

    /// What a gradient of the summed losses is multiplied by to be that of the reduced one.
    pub(crate) fn scale(&self) -> T {
        T::from_f64(1.0 / self.denominator)
    }

    /// −t·ln(clip(p)) of probabilities; 0 where t is 0, whatever p is.
    #[inline(always)]
    pub(crate) fn terms<S: Simd<T>>(&self, simd: S, t: S::V, p: S::V) -> S::V {
        let zero = simd.splat(T::ZERO);
        let clips = self.log_bounds.0 > T::NEG_INFINITY;
        // ln is NaN below 0, which a clip lifts to ε. In this operand order NaN stays NaN.
        let p = if clips { simd.max(zero, p) } else { p };
        let term = loss_term(simd, self.log_bounds, t, ln(simd, p));
        simd.where_equal(t, zero, zero, term)
    }

    /// The reduced loss, summed in `f64`.
    pub(crate) fn reduce(&self, losses: &[T]) -> Result<T> {
        Ok(T::from_f64(T::sum_in_f64(isa::token()?, Sum(losses)) / self.denominator))
    }
}

fn check_options<T: Float>(
    targets: &Targets<'_, T>,
    options: &LossOptions<'_, T>,
    classes: usize,
) -> Result<()> {
    let smoothing = options.label_smoothing.to_f64();
    if !(0.0..=1.0).contains(&smoothing) {
        let (argument, expected) = ("label_smoothing", "a number in [0, 1]");
        return Err(Error::Value { argument, expected, found: smoothing });
    }
    if let Some(epsilon) = options.clip.map(T::to_f64)
        && !(epsilon > 0.0 && epsilon < 0.5)
    {
        let (argument, expected) = ("clip", "a number in (0, 0.5)");
        return Err(Error::Value { argument, expected, found: epsilon });
    }
    if let Some(weights) = options.class_weights {
        check_length("class_weights", classes, weights.len())?;
    }
    if options.ignore_index.is_some() && matches!(targets, Targets::Probabilities(_)) {
        return Err(Error::Conflict {
            argument: "ignore_index",
            expected: "None unless the targets are labels",
            found: "probability targets",
        });
    }
    Ok(())
}

/// `Err` unless there is memory for the rows that a loss works on, which need not be there where
/// the stride between a view's columns is 0.
fn check_room<T: Float>(classes: usize) -> Result<()> {
    // So many are not worth asking for.
    const FEW: usize = 1 << 24;
    if classes <= FEW || Vec::<T>::new().try_reserve_exact(2 * classes).is_ok() {
        return Ok(());
    }
    let expected = "as many as memory has room for";
    Err(Error::Value { argument: "classes", expected, found: classes as f64 })
}

/// The sum of a slice in `f64`, in an order that depends on its length alone.
pub(crate) struct Sum<'a, T>(&'a [T]);

impl<T: Float> Kernel<T> for Sum<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> f64 {
        let mut sums = [0.0; 8];
        let (chunks, rest) = self.0.as_chunks::<8>();
        for losses in chunks {
            for (sum, loss) in sums.iter_mut().zip(losses) {
                *sum += loss.to_f64();
            }
        }
        let rest: f64 = rest.iter().map(|loss| loss.to_f64()).sum();
        rest + sums.iter().sum::<f64>()
    }
}
