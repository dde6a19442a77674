//! Two data sets to learn on, as *Neural Networks from Scratch* draws them: points of the plane in
//! classes, arms of a spiral or columns side by side.
//!
//! The shapes are the book's; the noise is drawn from this crate's generator, so the points are not
//! those of NumPy for the same seed.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::rng::Rng;
use crate::view::MatRef;

/// The most classes a data set may have: their labels are bytes.
const MAX_CLASSES: usize = 256;

/// Points of the plane, each with its class. The points of class 0 come first, then those of 1, …
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<T> {
    /// The points, x and y in turn: [samples × 2], row-major.
    pub inputs: Vec<T>,
    /// The class of each point; `&dataset.labels[..]` makes targets.
    pub labels: Vec<u8>,
}

impl<T: Float> Dataset<T> {
    /// The points as a matrix [samples × 2].
    #[must_use]
    pub fn inputs(&self) -> MatRef<'_, T> {
        let rows = self.inputs.len() / 2;
        MatRef::with_strides(&self.inputs, rows, 2, 2, 1).expect("half as many rows as elements")
    }

    /// The number of points of all classes.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.labels.len()
    }

    /// Draws class by class, `samples` points each.
    fn draw(
        samples: usize,
        classes: usize,
        mut point: impl FnMut(usize, usize) -> [f64; 2],
    ) -> Result<Self> {
        let mut dataset = Self::with_room_for(samples, classes)?;
        for class in 0..classes {
            for i in 0..samples {
                dataset.inputs.extend(point(class, i).map(T::from_f64));
                dataset.labels.push(class as u8);
            }
        }
        Ok(dataset)
    }

    fn with_room_for(samples: usize, classes: usize) -> Result<Self> {
        if classes > MAX_CLASSES {
            let expected = "at most 256 classes";
            return Err(Error::Value { argument: "classes", expected, found: classes as f64 });
        }
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        let values = samples.checked_mul(2 * classes);
        let room = values.is_some_and(|values| {
            inputs.try_reserve_exact(values).is_ok() && labels.try_reserve_exact(values / 2).is_ok()
        });
        if !room {
            let expected = "as many points a class as memory has room for";
            return Err(Error::Value { argument: "samples", expected, found: samples as f64 });
        }
        Ok(Dataset { inputs, labels })
    }
}

/// Arms of a spiral, `samples` points in each of `classes` arms.
///
/// Along the arm of class c the radius r goes from 0 to 1 and the angle t from 4c to 4(c + 1), both
/// ends included, plus 0.2 · N(0, 1) each; the point is (r · sin 2.5t, r · cos 2.5t). One normal
/// value is drawn a point, in the points' order. `f32` points are the `f64` ones, rounded.
///
/// ```
/// let data = gradkern::datasets::spiral::<f32>(100, 3, 0)?;
/// assert_eq!(data.inputs().shape(), (300, 2));
/// assert_eq!(data.inputs().row(100), Some(&[0.0, 0.0][..]));
/// assert_eq!(data.labels[299], 2);
/// # Ok::<(), gradkern::Error>(())
/// ```
///
/// # Errors
/// [`Error::Value`] for more than 256 classes, or more points than memory has room for.
pub fn spiral<T: Float>(samples: usize, classes: usize, seed: u64) -> Result<Dataset<T>> {
    let mut rng = Rng::new(seed);
    Dataset::draw(samples, classes, |class, i| {
        let start = 4.0 * class as f64;
        let radius = linspace(0.0, 1.0, samples, i);
        let angle = 2.5 * (linspace(start, start + 4.0, samples, i) + 0.2 * rng.normal());
        [radius * angle.sin(), radius * angle.cos()]
    })
}

/// Columns side by side, `samples` points in each of `classes` columns.
///
/// A point of class c is (c / 3 + 0.1 · N(0, 1), 0.5 + 0.1 · N(0, 1)). Two normal values are drawn
/// a point, x first, in the points' order. `f32` points are the `f64` ones, rounded.
///
/// ```
/// let data = gradkern::datasets::vertical::<f64>(100, 3, 0)?;
/// assert_eq!(data.inputs().shape(), (300, 2));
/// assert_eq!(data.labels[100], 1);
/// # Ok::<(), gradkern::Error>(())
/// ```
///
/// # Errors
/// [`Error::Value`] for more than 256 classes, or more points than memory has room for.
pub fn vertical<T: Float>(samples: usize, classes: usize, seed: u64) -> Result<Dataset<T>> {
    let mut rng = Rng::new(seed);
    Dataset::draw(samples, classes, |class, _| {
        [class as f64 / 3.0 + 0.1 * rng.normal(), 0.5 + 0.1 * rng.normal()]
    })
}

/// The i-th of `count` evenly spaced numbers from `start` to `end`, both included; a single one is
/// `start`. As NumPy's `linspace`.
fn linspace(start: f64, end: f64, count: usize, i: usize) -> f64 {
    if i > 0 && i + 1 == count {
        return end;
    }
    start + i as f64 * ((end - start) / (count.max(2) - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.linspace` of NumPy 2.4.6.
    #[test]
    fn linspace_is_numpys() {
        let all = |start, end, count| -> Vec<f64> {
            (0..count).map(|i| linspace(start, end, count, i)).collect()
        };
        assert!(all(0.0, 1.0, 0).is_empty());
        assert_eq!(all(4.0, 8.0, 1), [4.0]);
        assert_eq!(all(4.0, 8.0, 2), [4.0, 8.0]);
        let sevenths = [
            0.0,
            0.16666666666666666,
            0.3333333333333333,
            0.5,
            0.6666666666666666,
            0.8333333333333333,
            1.0,
        ];
        assert_eq!(all(0.0, 1.0, 7), sevenths);
        let tenths = [8.0, 8.4, 8.8, 9.2, 9.6, 10.0, 10.4, 10.8, 11.2, 11.6, 12.0];
        assert_eq!(all(8.0, 12.0, 11), tenths);
    }

    #[test]
    fn spiral_is_the_books() {
        for (samples, classes) in [(100, 3), (1, 4), (2, 2), (7, 1)] {
            let data = spiral::<f64>(samples, classes, 5).unwrap();
            let mut rng = Rng::new(5);
            assert_eq!(data.samples(), samples * classes);
            for row in 0..data.samples() {
                let (class, i) = (row / samples, row % samples);
                let part = if samples == 1 { 0.0 } else { i as f64 / (samples - 1) as f64 };
                let t = 4.0 * (class as f64 + part) + rng.normal() * 0.2;
                let (x, y) = (part * (t * 2.5).sin(), part * (t * 2.5).cos());
                let point = data.inputs().row(row).unwrap();
                // The angle errs by a few units in the last place of at most 4 · 4 · 2.5 + 3.
                assert!((point[0] - x).abs() <= 2e-14 && (point[1] - y).abs() <= 2e-14, "{row}");
                assert_eq!(usize::from(data.labels[row]), class);
            }
        }
    }

    #[test]
    fn vertical_is_the_books() {
        let data = vertical::<f64>(50, 4, 6).unwrap();
        let mut rng = Rng::new(6);
        for row in 0..200 {
            let class = row / 50;
            let expected = [rng.normal() * 0.1 + class as f64 / 3.0, rng.normal() * 0.1 + 0.5];
            assert_eq!(data.inputs().row(row).unwrap(), expected);
            assert_eq!(usize::from(data.labels[row]), class);
        }
    }

    #[test]
    fn f32_points_are_the_f64_ones_rounded() {
        let rounded =
            |data: Dataset<f64>| -> Vec<f32> { data.inputs.iter().map(|&x| x as f32).collect() };
        assert_eq!(spiral::<f32>(30, 3, 1).unwrap().inputs, rounded(spiral(30, 3, 1).unwrap()));
        assert_eq!(vertical::<f32>(30, 3, 1).unwrap().inputs, rounded(vertical(30, 3, 1).unwrap()));
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(spiral::<f32>(10, 3, 1), spiral(10, 3, 1));
        assert_ne!(spiral::<f32>(10, 3, 1), spiral(10, 3, 2));
        assert_ne!(vertical::<f32>(10, 3, 1), vertical(10, 3, 2));
    }

    #[test]
    fn no_samples_or_no_classes_make_no_points() {
        for (samples, classes) in [(0, 3), (5, 0), (0, 0), (usize::MAX, 0)] {
            for data in [spiral::<f32>(samples, classes, 0), vertical(samples, classes, 0)] {
                assert_eq!(data.unwrap().inputs().shape(), (0, 2));
            }
        }
    }

    #[test]
    fn as_many_classes_as_a_label_can_name() {
        assert_eq!(spiral::<f32>(2, 256, 0).unwrap().labels[511], 255);
        for error in [spiral::<f32>(2, 257, 0), vertical(2, 257, 0)].map(Result::unwrap_err) {
            assert_eq!(error.to_string(), "`classes`: expected at most 256 classes, found 257");
        }
    }

    #[test]
    fn more_points_than_memory_has_room_for_are_refused() {
        for samples in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 16] {
            for error in [spiral::<f64>(samples, 3, 0), vertical(samples, 3, 0)] {
                let error = error.unwrap_err().to_string();
                assert!(error.starts_with("`samples`: expected as many points"), "{error}");
            }
        }
    }
}
