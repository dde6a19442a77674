//! `training_digits.safetensors`: a network of three layers, trained on the digits.

use super::common::golden::Golden;
use super::common::{assert_close, assert_matrix, assert_number, every_par, mlp_bounds, to_type};
use super::view;
use gradkern::reference::{self, Matrix};
use gradkern::{Float, Init, LossOptions, Mlp, Par};

/// A run of `training_digits.safetensors`.
struct Training {
    file: Golden,
    sizes: Vec<usize>,
    batch: usize,
    learning_rate: f64,
    images: Matrix,
    labels: Vec<i64>,
    order: Vec<i64>,
}

impl Training {
    fn new() -> Self {
        let file = Golden::required("training_digits.safetensors");
        let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.safetensors");
        let digits = Golden::read(digits.as_ref());
        let sizes = file.json("sizes");
        let sizes = sizes.as_array().expect("a list").iter();
        Training {
            sizes: sizes.map(|size| size.as_u64().expect("a size") as usize).collect(),
            batch: file.json("batch").as_u64().expect("a batch size") as usize,
            learning_rate: file.json("learning_rate").as_f64().expect("a learning rate"),
            images: digits.matrix("images").map(|pixel| pixel / 16.0),
            labels: digits.classes("labels"),
            order: file.classes("order"),
            file,
        }
    }

    fn parameters(&self, when: &str) -> Vec<f64> {
        let layers = 0..self.sizes.len() - 1;
        let parts =
            layers.flat_map(|i| [format!("{when}.weights{i}"), format!("{when}.biases{i}")]);
        parts.flat_map(|name| self.file.vector(&name).to_vec()).collect()
    }

    /// The images and labels of a step.
    fn samples(&self, step: usize) -> (Matrix, Vec<i64>) {
        let samples = &self.order[step * self.batch..][..self.batch];
        let image = |row, col| self.images.at(samples[row] as usize, col);
        let labels = samples.iter().map(|&sample| self.labels[sample as usize]).collect();
        (Matrix::from_fn(self.batch, self.images.cols, image), labels)
    }

    fn network<T: Float>(&self, parameters: &[f64], par: Par) -> Mlp<T> {
        let mut mlp = Mlp::new(&self.sizes, Init::Book, 0).unwrap();
        mlp.set_loss(&LossOptions { clip: None, ..LossOptions::default() }).unwrap();
        mlp.set_par(par);
        mlp.parameters_mut().copy_from_slice(&to_type::<T>(parameters));
        mlp
    }

    fn step<T: Float>(&self, mlp: &mut Mlp<T>, step: usize) -> T {
        let (images, labels) = self.samples(step);
        let images = to_type::<T>(&images.data);
        let images = view(&images, self.batch, self.sizes[0]);
        mlp.train_step(images, (&labels).into(), T::from_f64(self.learning_rate)).unwrap()
    }
}

/// All losses to 1e-10 of their value, and the parameters after the last step to 1e-10 of the
/// largest of their layer.
#[test]
fn training_on_digits_f64() {
    let training = Training::new();
    let losses = training.file.vector("losses");
    assert!(!losses.is_empty());
    assert_eq!(losses.len() * training.batch, training.order.len());
    for par in every_par() {
        let mut mlp = training.network::<f64>(&training.parameters("initial"), par);
        for (step, &known) in losses.iter().enumerate() {
            let loss = training.step(&mut mlp, step);
            assert_number(&format!("loss of step {step}"), loss, known, 1e-10 * known.abs());
        }
        for layer in 0..mlp.layers() {
            let weights = training.file.matrix(&format!("final.weights{layer}"));
            let largest = weights.data.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let bounds = weights.map(|_| 1e-10 * largest);
            let what = format!("weights of layer {layer}");
            assert_matrix(&what, mlp.weights(layer).unwrap(), &weights, &bounds);
            let biases = training.file.vector(&format!("final.biases{layer}"));
            let bounds = vec![1e-10 * largest; biases.len()];
            let what = format!("biases of layer {layer}");
            assert_close(&what, mlp.biases(layer).unwrap(), biases, &bounds);
        }
    }
}

/// Rounding errors grow with every step of a run, by factors that cannot be derived; so each of
/// the steps is done in f32 from where the known run stands before it, and its loss compared.
#[test]
fn training_on_digits_f32() {
    let training = Training::new();
    let losses = training.file.vector("losses");
    let mut known_run = training.network::<f64>(&training.parameters("initial"), Par::Seq);
    for (step, &known) in losses.iter().enumerate() {
        let (images, labels) = training.samples(step);
        let before = reference::Mlp::from_parameters(&training.sizes, known_run.parameters());
        let loss = reference::Loss::new(reference::Targets::Classes(labels));
        let bound = mlp_bounds::mlp::<f32>(&before, &images, &loss, true).loss;
        assert!(bound < 0.01 * known.abs(), "step {step}: a bound of {bound} tells nothing");
        let mut mlp = training.network::<f32>(known_run.parameters(), Par::Seq);
        let found = training.step(&mut mlp, step);
        assert_number(&format!("loss of step {step}"), found, known, bound + 1e-10 * known.abs());
        training.step(&mut known_run, step);
    }
}
