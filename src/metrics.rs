//! What a network got right.

use crate::arch::{Kernel, Simd};
use crate::error::{Result, check_length};
use crate::float::Float;
use crate::isa;
use crate::targets::Targets;
use crate::vector::reduce;
use crate::view::MatRef;

/// The share of samples whose largest prediction is at the class of their target.
///
/// `predictions` \[batch × classes\] are logits or probabilities. A label is the class itself; a
/// row's class is its largest element, as in one-hot rows. Of equal maxima the first counts. A
/// sample whose predictions hold NaN is wrong. Samples whose label is `ignore_index` are left out;
/// over no samples the accuracy is NaN.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length), [`Error::Shape`](crate::Error::Shape) or
/// [`Error::Label`](crate::Error::Label) for targets that do not fit.
///
/// ```
/// use gradkern::{MatRef, metrics};
///
/// let p = [0.7_f32, 0.2, 0.1, 0.5, 0.1, 0.4, 0.02, 0.9, 0.08];
/// let accuracy = metrics::accuracy(MatRef::new(&p, 3, 3)?, (&[0_u8, 1, 1]).into(), None)?;
/// assert_eq!(accuracy, 2.0 / 3.0);
/// # Ok::<(), gradkern::Error>(())
/// ```
pub fn accuracy<T: Float>(
    predictions: MatRef<'_, T>,
    targets: Targets<'_, T>,
    ignore_index: Option<i64>,
) -> Result<f64> {
    targets.check(predictions.rows(), predictions.cols(), ignore_index)?;
    let (right, counted) =
        T::count_right(isa::token()?, Count { predictions, targets, ignore_index });
    Ok(right as f64 / counted as f64)
}

/// The column of each row's largest element: the first of equal ones, and the first NaN where
/// there is any, as in NumPy and PyTorch. 0 for rows without elements.
///
/// `values` is \[rows × cols\], `indices` \[rows\].
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) unless `indices` has an element for each row.
pub fn argmax<T: Float>(values: MatRef<'_, T>, indices: &mut [usize]) -> Result<()> {
    check_length("indices", values.rows(), indices.len())?;
    T::argmax(isa::token()?, Argmax { values, indices });
    Ok(())
}

/// How many samples are right, and how many count.
pub(crate) struct Count<'a, T> {
    predictions: MatRef<'a, T>,
    targets: Targets<'a, T>,
    ignore_index: Option<i64>,
}

impl<T: Float> Kernel<T> for Count<'_, T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> (usize, usize) {
        let Count { predictions, targets, ignore_index } = self;
        let (mut right, mut counted) = (0, 0);
        for sample in 0..predictions.rows() {
            let class = match &targets {
                Targets::Labels(labels) if ignore_index == Some(labels.at(sample)) => continue,
                Targets::Labels(labels) => labels.at(sample) as usize,
                Targets::Probabilities(rows) => argmax_of_row(simd, rows, sample),
            };
            counted += 1;
            let predicted = argmax_of_row(simd, &predictions, sample);
            let is_number = predictions.get(sample, predicted).is_some_and(|x| !x.is_nan());
            right += usize::from(predicted == class && is_number);
        }
        (right, counted)
    }
}

pub(crate) struct Argmax<'a, T> {
    values: MatRef<'a, T>,
    indices: &'a mut [usize],
}

impl<T: Float> Kernel<T> for Argmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        for (row, index) in self.indices.iter_mut().enumerate() {
            *index = argmax_of_row(simd, &self.values, row);
        }
    }
}

#[inline(always)]
fn argmax_of_row<T: Float, S: Simd<T>>(simd: S, values: &MatRef<'_, T>, row: usize) -> usize {
    if let Some(row) = values.row(row).filter(|row| row.len() > S::LANES) {
        return reduce::argmax(simd, row).unwrap_or(0);
    }
    let mut best = 0;
    for col in 0..values.cols() {
        let (x, largest) = (values.at(row, col), values.at(row, best));
        if x.is_nan() {
            return col;
        }
        if x > largest {
            best = col;
        }
    }
    best
}
