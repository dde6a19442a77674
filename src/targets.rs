//! What a sample should have been: a class index, or a row of probabilities (one-hot or not).

use crate::error::{Error, Result, check_length, check_shape};
use crate::view::MatRef;

/// Class indices, one a sample, in the integer type the caller has them in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is named after its element type")]
pub enum Labels<'a> {
    U8(&'a [u8]),
    I32(&'a [i32]),
    U32(&'a [u32]),
    I64(&'a [i64]),
    Usize(&'a [usize]),
}

impl Labels<'_> {
    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Labels::U8(labels) => labels.len(),
            Labels::I32(labels) => labels.len(),
            Labels::U32(labels) => labels.len(),
            Labels::I64(labels) => labels.len(),
            Labels::Usize(labels) => labels.len(),
        }
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of a sample; panics where there is none.
    #[inline(always)]
    pub(crate) fn at(&self, sample: usize) -> i64 {
        match self {
            Labels::U8(labels) => labels[sample].value(),
            Labels::I32(labels) => labels[sample].value(),
            Labels::U32(labels) => labels[sample].value(),
            Labels::I64(labels) => labels[sample].value(),
            Labels::Usize(labels) => labels[sample].value(),
        }
    }

    /// The label of a sample, however large; panics where there is none.
    fn exact(&self, sample: usize) -> i128 {
        match self {
            Labels::Usize(labels) => labels[sample] as i128,
            _ => self.at(sample).into(),
        }
    }

    /// Reads the labels of samples from `first` on.
    #[inline(always)]
    pub(crate) fn read(&self, first: usize, to: &mut [i64]) {
        match self {
            Labels::U8(labels) => read(labels, first, to),
            Labels::I32(labels) => read(labels, first, to),
            Labels::U32(labels) => read(labels, first, to),
            Labels::I64(labels) => read(labels, first, to),
            Labels::Usize(labels) => read(labels, first, to),
        }
    }

    /// The first sample whose label is neither in `0..classes` nor ignored.
    fn first_bad(&self, classes: i64, ignore: Option<i64>) -> Option<usize> {
        match self {
            Labels::U8(labels) => first_bad(labels, classes, ignore),
            Labels::I32(labels) => first_bad(labels, classes, ignore),
            Labels::U32(labels) => first_bad(labels, classes, ignore),
            Labels::I64(labels) => first_bad(labels, classes, ignore),
            Labels::Usize(labels) => first_bad(labels, classes, ignore),
        }
    }
}

/// An integer that labels come in.
trait Label: Copy {
    /// Its value; what exceeds `i64` is its largest value, which is no class either.
    fn value(self) -> i64;
}

macro_rules! labels {
    ($($integer:ty)*) => {$(
        impl Label for $integer {
            #[inline(always)]
            fn value(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
    )*};
}

labels!(u8 i32 u32 i64 usize);

#[inline(always)]
fn read<L: Label>(labels: &[L], first: usize, to: &mut [i64]) {
    for (to, label) in to.iter_mut().zip(&labels[first..]) {
        *to = label.value();
    }
}

fn first_bad<L: Label>(labels: &[L], classes: i64, ignore: Option<i64>) -> Option<usize> {
    let bad = |label: i64| !(0..classes).contains(&label) && Some(label) != ignore;
    // Blocks without a bad label are passed over as a whole, which takes no branches.
    let blocks = labels.chunks(64).take_while(|block| {
        block.iter().fold(true, |good, label| good & (0..classes).contains(&label.value()))
    });
    let start = 64 * blocks.count();
    let rest = labels.get(start..)?;
    rest.iter().position(|label| bad(label.value())).map(|i| start + i)
}

/// The targets of a batch.
///
/// ```
/// use gradkern::{MatRef, Targets};
///
/// let labels: Targets<f32> = (&[2_u8, 0]).into();
/// let one_hot = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
/// let rows: Targets<f32> = MatRef::new(&one_hot, 2, 3)?.into();
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Targets<'a, T> {
    /// The index of each sample's class.
    Labels(Labels<'a>),
    /// A row of probabilities \[classes\] a sample; a one-hot row is one.
    Probabilities(MatRef<'a, T>),
}

macro_rules! from_labels {
    ($($integer:ty => $variant:ident),*) => {$(
        impl<'a> From<&'a [$integer]> for Labels<'a> {
            fn from(labels: &'a [$integer]) -> Self {
                Labels::$variant(labels)
            }
        }

        impl<'a, T> From<&'a [$integer]> for Targets<'a, T> {
            fn from(labels: &'a [$integer]) -> Self {
                Targets::Labels(labels.into())
            }
        }

        impl<'a, T, const N: usize> From<&'a [$integer; N]> for Targets<'a, T> {
            fn from(labels: &'a [$integer; N]) -> Self {
                Targets::Labels(labels.as_slice().into())
            }
        }

        impl<'a, T> From<&'a Vec<$integer>> for Targets<'a, T> {
            fn from(labels: &'a Vec<$integer>) -> Self {
                Targets::Labels(labels.as_slice().into())
            }
        }
    )*};
}

from_labels!(u8 => U8, i32 => I32, u32 => U32, i64 => I64, usize => Usize);

impl<'a, T> From<MatRef<'a, T>> for Targets<'a, T> {
    fn from(probabilities: MatRef<'a, T>) -> Self {
        Targets::Probabilities(probabilities)
    }
}

impl<T> Targets<'_, T> {
    /// `Err` unless there is a target a sample and every label, but for ignored ones, is a class.
    pub(crate) fn check(&self, batch: usize, classes: usize, ignore: Option<i64>) -> Result<()> {
        let labels = match self {
            Targets::Probabilities(rows) => {
                return check_shape("targets", (batch, classes), rows.shape());
            }
            Targets::Labels(labels) => labels,
        };
        check_length("targets", batch, labels.len())?;
        match labels.first_bad(classes.value(), ignore) {
            None => Ok(()),
            Some(row) => {
                let found = labels.exact(row);
                Err(Error::Label { argument: "targets", row, classes, found })
            }
        }
    }
}
