//! Targets and options of a cross-entropy, valid or not, for the kernels and for the reference.

use crate::{Bits, Numbers, Result, Strided, Unstructured};
use gradkern::reference;
use gradkern::{Labels, LossOptions, Reduction, Targets, Upstream};

/// Labels in one of the types they come in.
#[derive(Clone, Debug)]
enum OwnedTargets<T> {
    U8(Vec<u8>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    Usize(Vec<usize>),
    Rows(Strided<T>),
}

/// A call's arguments, but for its matrices.
#[derive(Clone, Debug)]
pub struct Loss<T> {
    targets: OwnedTargets<T>,
    reduction: Reduction,
    smoothing: T,
    weights: Option<Vec<T>>,
    ignore_index: Option<i64>,
    clip: Option<T>,
    upstream: Vec<T>,
    per_sample: bool,
    classes: usize,
}

impl<T: Bits> Loss<T> {
    pub fn decode(batch: usize, classes: usize, bytes: &mut Unstructured<'_>) -> Result<Self> {
        let numbers = &mut Numbers::tame(bytes)?;
        let targets = decode_targets(batch, classes, numbers, bytes)?;
        let magnitudes = |count, numbers: &mut Numbers, bytes: &mut _| -> Result<Vec<T>> {
            let numbers: Vec<T> = numbers.vec(count, bytes)?;
            Ok(numbers
                .into_iter()
                .map(|x| if x < T::from_f64(-0.8) { T::ZERO } else { x.abs() })
                .collect())
        };
        Ok(Loss {
            targets,
            reduction: *bytes.choose(&[Reduction::None, Reduction::Mean, Reduction::Sum])?,
            smoothing: match bytes.int_in_range(0..=5)? {
                0 => any_smoothing(bytes)?,
                1 => T::from_f64(0.1),
                2 => T::ONE,
                _ => T::ZERO,
            },
            weights: match bytes.arbitrary()? {
                true => Some(magnitudes(classes, numbers, bytes)?),
                false => None,
            },
            ignore_index: match bytes.int_in_range(0..=4)? {
                0 => Some(0),
                1 => Some(i64::from(bytes.arbitrary::<i8>()?)),
                _ => None,
            },
            clip: match bytes.int_in_range(0..=5)? {
                0 => Some(T::any(bytes)?),
                1 => Some(T::from_f64(1e-7)),
                2 => Some(T::from_f64(0.25)),
                _ => None,
            },
            upstream: numbers.vec(batch, bytes)?,
            per_sample: bytes.arbitrary()?,
            classes,
        })
    }

    pub fn targets(&self) -> Targets<'_, T> {
        match &self.targets {
            OwnedTargets::U8(labels) => labels.into(),
            OwnedTargets::I32(labels) => labels.into(),
            OwnedTargets::U32(labels) => Targets::Labels(Labels::U32(labels)),
            OwnedTargets::I64(labels) => labels.into(),
            OwnedTargets::Usize(labels) => labels.into(),
            OwnedTargets::Rows(rows) => rows.view().into(),
        }
    }

    pub fn options(&self) -> LossOptions<'_, T> {
        LossOptions {
            reduction: self.reduction,
            label_smoothing: self.smoothing,
            class_weights: self.weights.as_deref(),
            ignore_index: self.ignore_index,
            clip: self.clip,
        }
    }

    pub fn upstream(&self) -> Upstream<'_, T> {
        match self.upstream.first() {
            Some(&first) if !self.per_sample => Upstream::Scalar(first),
            _ => Upstream::PerSample(&self.upstream),
        }
    }

    /// The upstream gradient of each sample.
    pub fn reference_upstream(&self) -> Vec<f64> {
        let at = |row| if self.per_sample { row } else { 0 };
        (0..self.upstream.len()).map(|row| self.upstream[at(row)].to_f64()).collect()
    }

    /// The labels as integers; `None` for rows of probabilities.
    fn labels(&self) -> Option<Vec<i128>> {
        Some(match &self.targets {
            OwnedTargets::U8(labels) => labels.iter().map(|&label| label.into()).collect(),
            OwnedTargets::I32(labels) => labels.iter().map(|&label| label.into()).collect(),
            OwnedTargets::U32(labels) => labels.iter().map(|&label| label.into()).collect(),
            OwnedTargets::I64(labels) => labels.iter().map(|&label| label.into()).collect(),
            OwnedTargets::Usize(labels) => labels.iter().map(|&label| label as i128).collect(),
            OwnedTargets::Rows(_) => return None,
        })
    }

    /// Whether the documentation allows these targets and options.
    pub fn is_valid(&self) -> bool {
        let smoothing = self.smoothing.to_f64();
        let targets_are_valid = match self.labels() {
            None => self.ignore_index.is_none(),
            Some(labels) => labels.iter().all(|&label| {
                (0..self.classes as i128).contains(&label)
                    || self.ignore_index.is_some_and(|ignored| i128::from(ignored) == label)
            }),
        };
        let clip_is_valid = |clip: T| clip > T::ZERO && clip.to_f64() < 0.5;
        targets_are_valid && (0.0..=1.0).contains(&smoothing) && self.clip.is_none_or(clip_is_valid)
    }

    /// The same, if it is valid, for the reference.
    pub fn reference(&self) -> reference::Loss {
        let weights = |weights: &Vec<T>| weights.iter().map(|weight| weight.to_f64()).collect();
        reference::Loss {
            targets: match (&self.targets, self.labels()) {
                (OwnedTargets::Rows(rows), _) => reference::Targets::Probabilities(rows.matrix()),
                (_, labels) => {
                    let labels = labels.into_iter().flatten().map(|label| label as i64);
                    reference::Targets::Classes(labels.collect())
                }
            },
            reduction: match self.reduction {
                Reduction::Mean => reference::Reduction::Mean,
                _ => reference::Reduction::Sum,
            },
            label_smoothing: self.smoothing.to_f64(),
            class_weights: self.weights.as_ref().map(weights),
            ignore_index: self.ignore_index,
            clip: self.clip.map(T::to_f64),
        }
    }
}

/// Any bits, but for numbers so small that what the kernels make of a class's share of them may be
/// subnormal, and the reference's not.
fn any_smoothing<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<T> {
    let smoothing = T::any(bytes)?;
    let vanishes = smoothing > T::ZERO && smoothing < T::MIN_POSITIVE.sqrt();
    Ok(if vanishes { T::ZERO } else { smoothing })
}

fn decode_targets<T: Bits>(
    batch: usize,
    classes: usize,
    numbers: &mut Numbers,
    bytes: &mut Unstructured<'_>,
) -> Result<OwnedTargets<T>> {
    let kind = bytes.int_in_range(0..=6)?;
    if kind == 5 || classes == 0 {
        return Ok(OwnedTargets::Rows(Strided::probabilities(batch, classes, numbers, bytes)?));
    }
    let label = |_| -> Result<i64> {
        let byte: u8 = bytes.arbitrary()?;
        // Rarely one that may be no class.
        if byte >= 252 { bytes.arbitrary() } else { Ok(i64::from(byte) % classes as i64) }
    };
    let labels: Vec<i64> = (0..batch).map(label).collect::<Result<_>>()?;
    Ok(match kind {
        0 => OwnedTargets::U8(labels.iter().map(|&label| label as u8).collect()),
        1 => OwnedTargets::I32(labels.iter().map(|&label| label as i32).collect()),
        2 => OwnedTargets::U32(labels.iter().map(|&label| label as u32).collect()),
        3 => OwnedTargets::Usize(labels.iter().map(|&label| label as usize).collect()),
        _ => OwnedTargets::I64(labels),
    })
}
