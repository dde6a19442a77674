//! How weights start. Biases start at zero.

use crate::float::Float;
use crate::rng::Rng;
use crate::view::MatMut;

/// The distribution that weights are drawn from before training.
///
/// ```
/// use gradkern::{Init, MatMut, Rng};
///
/// let mut weights = vec![0.0_f32; 64 * 128];
/// Init::HeNormal.fill(MatMut::new(&mut weights, 64, 128)?, &mut Rng::new(0));
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Init {
    /// 0.01 · N(0, 1), as in *Neural Networks from Scratch*.
    Book,
    /// N(0, 2 / n_inputs), for layers followed by ReLU (He et al., *Delving Deep into Rectifiers*,
    /// 2015). PyTorch's `kaiming_normal_` with `nonlinearity="relu"`.
    HeNormal,
    /// Uniform in ±√(6 / n_inputs), which has the variance of [`HeNormal`](Self::HeNormal).
    /// PyTorch's `kaiming_uniform_` with `nonlinearity="relu"`.
    HeUniform,
    /// N(0, 2 / (n_inputs + n_neurons)) (Glorot and Bengio, *Understanding the Difficulty of
    /// Training Deep Feedforward Neural Networks*, 2010). PyTorch's `xavier_normal_`.
    GlorotNormal,
    /// Uniform in ±√(6 / (n_inputs + n_neurons)), which has the variance of
    /// [`GlorotNormal`](Self::GlorotNormal). PyTorch's `xavier_uniform_`.
    GlorotUniform,
}

impl Init {
    /// Fills weights [n_inputs × n_neurons], one draw an element, row by row whatever the strides.
    ///
    /// Draws are made in `f64`: the same seed gives `f32` weights that are the `f64` ones, rounded.
    pub fn fill<T: Float>(self, weights: MatMut<'_, T>, rng: &mut Rng) {
        let fan_in = weights.rows() as f64;
        let fan_sum = fan_in + weights.cols() as f64;
        match self {
            Init::Book => fill_normal(weights, 0.01, rng),
            Init::HeNormal => fill_normal(weights, (2.0 / fan_in).sqrt(), rng),
            Init::HeUniform => fill_uniform(weights, (6.0 / fan_in).sqrt(), rng),
            Init::GlorotNormal => fill_normal(weights, (2.0 / fan_sum).sqrt(), rng),
            Init::GlorotUniform => fill_uniform(weights, (6.0 / fan_sum).sqrt(), rng),
        }
    }
}

fn fill_normal<T: Float>(weights: MatMut<'_, T>, standard_deviation: f64, rng: &mut Rng) {
    fill_with(weights, || standard_deviation * rng.normal());
}

fn fill_uniform<T: Float>(weights: MatMut<'_, T>, bound: f64, rng: &mut Rng) {
    fill_with(weights, || bound * (2.0 * rng.uniform() - 1.0));
}

fn fill_with<T: Float>(mut weights: MatMut<'_, T>, mut draw: impl FnMut() -> f64) {
    if weights.is_empty() {
        return;
    }
    for row in 0..weights.rows() {
        for col in 0..weights.cols() {
            if let Some(weight) = weights.get_mut(row, col) {
                *weight = T::from_f64(draw());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Init; 5] =
        [Init::Book, Init::HeNormal, Init::HeUniform, Init::GlorotNormal, Init::GlorotUniform];

    fn filled<T: Float>(init: Init, rows: usize, cols: usize, seed: u64) -> Vec<T> {
        let mut weights = vec![T::ZERO; rows * cols];
        init.fill(MatMut::new(&mut weights, rows, cols).unwrap(), &mut Rng::new(seed));
        weights
    }

    /// The fourth moment, in units of σ⁴, is 3 for the normal and 9/5 for the uniform distribution;
    /// the sample's variance has a variance of (that − 1)·σ⁴/n.
    #[test]
    fn variances_are_those_of_the_papers() {
        let (rows, cols) = (300, 200);
        let n = (rows * cols) as f64;
        for (init, variance, kurtosis) in [
            (Init::Book, 1e-4, 3.0),
            (Init::HeNormal, 2.0 / 300.0, 3.0),
            (Init::HeUniform, 2.0 / 300.0, 1.8),
            (Init::GlorotNormal, 2.0 / 500.0, 3.0),
            (Init::GlorotUniform, 2.0 / 500.0, 1.8),
        ] {
            let weights = filled::<f64>(init, rows, cols, 11);
            let moment = |k: i32| weights.iter().map(|w| w.powi(k)).sum::<f64>() / n;
            let off = |found: f64, expected: f64, sigma: f64| (found - expected).abs() / sigma;
            assert!(off(moment(1), 0.0, (variance / n).sqrt()) <= 5.0, "{init:?} mean");
            let sigma: f64 = variance * ((kurtosis - 1.0) / n).sqrt();
            assert!(off(moment(2), variance, sigma) <= 5.0, "{init:?} {}", moment(2));
            // The eighth moments are 105 and 9, so the fourth power's variance is 96σ⁸ or 5.76σ⁸.
            let spread: f64 = if kurtosis == 3.0 { 96.0 } else { 9.0 - 1.8 * 1.8 };
            let sigma = variance * variance * (spread / n).sqrt();
            assert!(off(moment(4), kurtosis * variance * variance, sigma) <= 5.0, "{init:?} 4th");
        }
    }

    #[test]
    fn uniform_draws_reach_their_bound_and_no_further() {
        for (init, bound) in [
            (Init::HeUniform, (6.0_f64 / 30.0).sqrt()),
            (Init::GlorotUniform, (6.0_f64 / 430.0).sqrt()),
        ] {
            let weights = filled::<f64>(init, 30, 400, 1);
            let largest = weights.iter().fold(0.0, |max: f64, w| max.max(w.abs()));
            // That none of 12000 draws lies in the outer 0.2 % has a probability of 4e-11.
            assert!(largest <= bound && largest >= 0.998 * bound, "{init:?}: {largest} of {bound}");
        }
    }

    #[test]
    fn draws_are_row_by_row_for_any_strides() {
        for init in ALL {
            let expected = filled::<f64>(init, 3, 4, 2);
            let mut data = vec![f64::NAN; 60];
            let strided = MatMut::with_strides(&mut data, 3, 4, 2, 17).unwrap();
            init.fill(strided, &mut Rng::new(2));
            let mut transposed = vec![0.0; 12];
            for (i, &x) in expected.iter().enumerate() {
                assert_eq!(data[i / 4 * 2 + i % 4 * 17], x);
            }
            assert_eq!(data.iter().filter(|x| !x.is_nan()).count(), 12);
            init.fill(MatMut::new(&mut transposed, 4, 3).unwrap().t(), &mut Rng::new(2));
            assert!((0..12).all(|i| transposed[i % 4 * 3 + i / 4] == expected[i]));
        }
    }

    #[test]
    fn f32_weights_are_the_f64_ones_rounded() {
        for init in ALL {
            let rounded: Vec<f32> =
                filled::<f64>(init, 5, 7, 3).iter().map(|&w| w as f32).collect();
            assert_eq!(filled::<f32>(init, 5, 7, 3), rounded);
        }
    }

    #[test]
    fn nothing_to_fill_draws_nothing() {
        for (rows, cols) in [(0, 0), (0, 3), (3, 0), (usize::MAX, 0)] {
            for init in ALL {
                let mut rng = Rng::new(4);
                init.fill(MatMut::<f32>::new(&mut [], rows, cols).unwrap(), &mut rng);
                assert_eq!(rng, Rng::new(4));
            }
        }
    }

    /// A failure here means that seeds no longer reproduce the networks of earlier releases.
    #[test]
    fn a_seed_starts_a_layer_as_it_always_did() {
        for (init, first) in [
            (Init::Book, [-0.0029280329860470818, -0.0071312061681443155]),
            (Init::HeNormal, [-0.29280329860470816, -0.7131206168144315]),
            (Init::HeUniform, [-0.6076890973475118, -0.40793504315367024]),
            (Init::GlorotNormal, [-0.18518506600025597, -0.45101707911155436]),
            (Init::GlorotUniform, [-0.3843363313739848, -0.25800077475293504]),
        ] {
            assert_eq!(filled::<f64>(init, 2, 3, 0)[..2], first, "{init:?}");
        }
    }
}
