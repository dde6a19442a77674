//! A random call of a cross-entropy: its targets and options, for the kernels and the reference.

use super::{Layout, Random, Strided, rounded, to_type};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, Labels, LossOptions, Reduction, Targets, Upstream};
use proptest::prelude::*;
use proptest::sample::select;

/// The types a target may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    U8,
    I32,
    U32,
    I64,
    Usize,
    OneHot,
    Probabilities,
}

impl TargetKind {
    pub const ALL: [TargetKind; 7] = [
        TargetKind::U8,
        TargetKind::I32,
        TargetKind::U32,
        TargetKind::I64,
        TargetKind::Usize,
        TargetKind::OneHot,
        TargetKind::Probabilities,
    ];

    pub fn is_label(self) -> bool {
        !matches!(self, TargetKind::OneHot | TargetKind::Probabilities)
    }

    /// A label that is no class and that the type can hold.
    fn outside(self) -> i64 {
        match self {
            TargetKind::U8 => 255,
            TargetKind::I32 | TargetKind::I64 => -100,
            _ => 1_000_000,
        }
    }
}

/// Which label is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    Nothing,
    /// A label that is a class.
    Class0,
    /// A label that is none.
    Outside,
}

/// All of a call but its matrix.
#[derive(Clone, Copy, Debug)]
pub struct LossCase {
    pub batch: usize,
    pub classes: usize,
    pub target: TargetKind,
    pub layout: Layout,
    pub ignored: Ignored,
    pub reduction: Reduction,
    pub smoothing: f64,
    pub weighted: bool,
    pub clip: Option<f64>,
    pub upstream_per_sample: bool,
    pub seed: u64,
}

/// Cases of `batch` × `classes` with every target and option.
pub fn loss_case(
    batch: impl Strategy<Value = usize>,
    classes: impl Strategy<Value = usize>,
) -> impl Strategy<Value = LossCase> {
    let options = (
        select(&TargetKind::ALL[..]),
        select(&Layout::OUTPUTS[..]),
        select(&[Ignored::Nothing, Ignored::Class0, Ignored::Outside][..]),
        select(&[Reduction::None, Reduction::Mean, Reduction::Sum][..]),
        select(&[0.0, 0.0, 0.1, 1.0][..]),
        any::<bool>(),
        select(&[None, Some(1e-7), Some(1e-3), Some(0.25)][..]),
        any::<bool>(),
    );
    (batch, classes, options, any::<u64>()).prop_map(|(batch, classes, options, seed)| {
        let (target, layout, ignored, reduction, smoothing, weighted, clip, per_sample) = options;
        let target = match target {
            // Without classes no label is one; an 8-bit label has no room for more.
            _ if classes == 0 => TargetKind::Probabilities,
            TargetKind::U8 if classes > 255 => TargetKind::I32,
            target => target,
        };
        let ignored = if target.is_label() { ignored } else { Ignored::Nothing };
        LossCase {
            batch,
            classes,
            target,
            layout,
            ignored,
            reduction,
            smoothing,
            weighted,
            clip,
            upstream_per_sample: per_sample,
            seed,
        }
    })
}

#[derive(Clone, Debug)]
enum OwnedTargets<T> {
    U8(Vec<u8>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    Usize(Vec<usize>),
    Rows(Strided<T>),
}

/// What a case's arguments refer to, and the same for the reference.
#[derive(Clone, Debug)]
pub struct LossArguments<T> {
    case: LossCase,
    targets: OwnedTargets<T>,
    class_weights: Option<Vec<T>>,
    upstream: Vec<T>,
    pub reference: reference::Loss,
}

impl<T: Float> LossArguments<T> {
    pub fn new(case: LossCase) -> Self {
        let mut random = Random::new(case.seed);
        let (batch, classes) = (case.batch, case.classes);
        let labels = random_labels(&case, &mut random);
        let rows = match case.target {
            TargetKind::OneHot => {
                Matrix::from_fn(batch, classes, |row, col| f64::from(labels[row] == col as i64))
            }
            _ => random.probabilities::<T>(batch, classes),
        };
        // One in eight classes counts for nothing.
        let weight = |random: &mut Random| {
            if random.below(8) == 0 { 0.0 } else { rounded::<T>(random.unit() + 0.1) }
        };
        let mut weights: Vec<f64> = (0..classes).map(|_| weight(&mut random)).collect();
        // A mean over samples that all count for nothing has no gradient.
        let counted = labels.iter().find(|&&label| Some(label) != ignore_index(&case));
        if let Some(weight) = counted.and_then(|&label| weights.get_mut(label as usize)) {
            *weight = 0.75;
        }
        let reference_targets = if case.target.is_label() {
            reference::Targets::Classes(labels.clone())
        } else {
            reference::Targets::Probabilities(rows.clone())
        };
        let upstream = random.numbers::<T>(batch, 2.0);
        LossArguments {
            targets: own(&case, &labels, &rows),
            class_weights: case.weighted.then(|| to_type(&weights)),
            upstream: to_type(&upstream),
            reference: reference::Loss {
                targets: reference_targets,
                reduction: match case.reduction {
                    Reduction::Mean => reference::Reduction::Mean,
                    Reduction::None | Reduction::Sum => reference::Reduction::Sum,
                },
                label_smoothing: rounded::<T>(case.smoothing),
                class_weights: case.weighted.then_some(weights),
                ignore_index: ignore_index(&case),
                clip: case.clip.map(rounded::<T>),
            },
            case,
        }
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
            reduction: self.case.reduction,
            label_smoothing: T::from_f64(self.case.smoothing),
            class_weights: self.class_weights.as_deref(),
            ignore_index: ignore_index(&self.case),
            clip: self.case.clip.map(T::from_f64),
        }
    }

    /// What flows into the loss.
    pub fn upstream(&self) -> Upstream<'_, T> {
        match self.upstream.first() {
            Some(&first) if !self.case.upstream_per_sample => Upstream::Scalar(first),
            _ => Upstream::PerSample(&self.upstream),
        }
    }

    /// The same, for each sample.
    pub fn reference_upstream(&self) -> Vec<f64> {
        let at = |row| if self.case.upstream_per_sample { row } else { 0 };
        (0..self.case.batch).map(|row| self.upstream[at(row)].to_f64()).collect()
    }
}

fn ignore_index(case: &LossCase) -> Option<i64> {
    match case.ignored {
        Ignored::Nothing => None,
        Ignored::Class0 => Some(0),
        Ignored::Outside => Some(case.target.outside()),
    }
}

/// Classes, a third of them the ignored one if there is one.
fn random_labels(case: &LossCase, random: &mut Random) -> Vec<i64> {
    let ignored = ignore_index(case);
    let label = |_| match ignored {
        Some(ignored) if random.below(3) == 0 => ignored,
        _ => random.below(case.classes.max(1)) as i64,
    };
    (0..case.batch).map(label).collect()
}

fn own<T: Float>(case: &LossCase, labels: &[i64], rows: &Matrix) -> OwnedTargets<T> {
    fn cast<L: TryFrom<i64, Error: std::fmt::Debug>>(labels: &[i64]) -> Vec<L> {
        labels.iter().map(|&label| label.try_into().expect("a label of this type")).collect()
    }
    match case.target {
        TargetKind::U8 => OwnedTargets::U8(cast(labels)),
        TargetKind::I32 => OwnedTargets::I32(cast(labels)),
        TargetKind::U32 => OwnedTargets::U32(cast(labels)),
        TargetKind::I64 => OwnedTargets::I64(cast(labels)),
        TargetKind::Usize => OwnedTargets::Usize(cast(labels)),
        TargetKind::OneHot | TargetKind::Probabilities => {
            OwnedTargets::Rows(Strided::of(rows, case.layout))
        }
    }
}
