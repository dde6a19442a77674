//! Known values of PyTorch (f64) and of the book (f32), from `tests/golden`, or from the directory
//! that `GRADKERN_GOLDEN` names: same files and layout, other values. The book's two files may be
//! missing there.
//!
//! How near is near enough: what is asserted is the sum of
//! - the kernel's own bound (see `common/bounds.rs`), or 1e-12 of the value where that is asked;
//! - the rounding in the known value itself, which was computed in f64 (f32 for the book's);
//! - in f32, how far the result moves when the inputs are rounded to f32.

mod common;

use common::bounds::{self, Given, tiny, unit};
use common::golden::Golden;
use common::mlp_bounds;
use common::{assert_close, assert_matrix, assert_number, every_par, to_type};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::reference::{self, Matrix};
use gradkern::{
    Float, Init, LossOptions, MatMut, MatRef, Mlp, Par, Reduction, Upstream, cross_entropy,
    metrics, relu, softmax, softmax_cross_entropy,
};

fn view<T: Float>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(data, rows, cols).expect("a matrix of this shape")
}

fn view_mut<T: Float>(data: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
    MatMut::new(data, rows, cols).expect("a matrix of this shape")
}

/// Whether `T` holds the known values as they are.
fn is_exact<T: Float>() -> bool {
    T::EPSILON.to_f64() == f64::EPSILON
}

/// A case of `cross_entropy.safetensors`.
struct LossCase<'a> {
    file: &'a Golden,
    name: &'a str,
    reduction: Reduction,
    logits: Matrix,
    loss: reference::Loss,
    /// As the kernel takes it: one number, or one a sample.
    upstream: &'a [f64],
}

impl<'a> LossCase<'a> {
    fn new(file: &'a Golden, case: &'a serde_json::Value) -> Self {
        let name = case["name"].as_str().expect("a name");
        let reduction = match case["reduction"].as_str() {
            Some("none") => Reduction::None,
            Some("mean") => Reduction::Mean,
            Some("sum") => Reduction::Sum,
            other => panic!("{name}: the reduction is {other:?}"),
        };
        let target = format!("{name}.target");
        let targets = match case["target"].as_str() {
            Some("index") => reference::Targets::Classes(file.classes(&target)),
            Some("probability") => reference::Targets::Probabilities(file.matrix(&target)),
            other => panic!("{name}: the target is {other:?}"),
        };
        let weights = case["weighted"].as_bool().expect("whether there are weights");
        let weights = weights.then(|| file.vector(&format!("{name}.weight")).to_vec());
        LossCase {
            file,
            name,
            reduction,
            logits: file.matrix(&format!("{name}.logits")),
            loss: reference::Loss {
                targets,
                reduction: match reduction {
                    Reduction::Mean => reference::Reduction::Mean,
                    Reduction::None | Reduction::Sum => reference::Reduction::Sum,
                },
                label_smoothing: case["label_smoothing"].as_f64().expect("a smoothing"),
                class_weights: weights,
                ignore_index: case["ignore_index"].as_i64(),
                clip: None,
            },
            upstream: file.vector(&format!("{name}.upstream")),
        }
    }

    /// What flows into each sample's loss.
    fn upstream_of_samples(&self) -> Vec<f64> {
        match self.reduction {
            Reduction::None => self.upstream.to_vec(),
            Reduction::Mean | Reduction::Sum => vec![self.upstream[0]; self.logits.rows],
        }
    }

    /// How far a kernel may be from the known values: of the losses and of the gradient.
    fn bounds<T: Float>(&self) -> (Vec<f64>, Matrix) {
        let upstream = self.upstream_of_samples();
        let (known_loss, known_gradient) = (self.known_loss(), self.known_gradient());
        let t = self.loss.weighted_targets(self.logits.rows, self.logits.cols);
        let (totals, p) = (t.row_sums(), reference::softmax(&self.logits));
        let largest = |row| self.logits.row(row).iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        let largest: Vec<f64> = (0..t.rows).map(largest).collect();
        // PyTorch's ln p = x − (max + ln Σ) is rounded where max and ln Σ ≥ 0 lie.
        let u = unit::<f64>();
        let known: Vec<f64> = (0..t.rows).map(|row| u * totals[row] * largest[row]).collect();
        let known_gradient_error = Matrix::from_fn(t.rows, t.cols, |row, col| {
            let (p, t) = (p.at(row, col) * totals[row], t.at(row, col));
            let scale = (upstream[row] / self.loss.denominator()).abs();
            u * scale * (p * largest[row] + p + t) + tiny::<f64>()
        });
        let known_reduced = known.iter().sum::<f64>() / self.loss.denominator();
        let known = if self.reduction == Reduction::None { known } else { vec![known_reduced] };

        if is_exact::<T>() {
            let near = |known: f64, error: f64| 1e-12 * known.abs() + error;
            let loss = known_loss.iter().zip(&known).map(|(&known, &error)| near(known, error));
            return (loss.collect(), known_gradient.zip(&known_gradient_error, near));
        }
        let given = Given {
            logits: largest.iter().map(|x| unit::<T>() * x).collect(),
            options_rounded: true,
        };
        let kernel =
            bounds::softmax_cross_entropy::<T>(&self.logits, &self.loss, &upstream, &given);
        let by_sample = self.reduction == Reduction::None;
        let loss = if by_sample { kernel.losses } else { vec![kernel.reduced] };
        let loss = loss.iter().zip(&known).map(|(a, b)| a + b).collect();
        (loss, kernel.gradient.zip(&known_gradient_error, |a, b| a + b))
    }

    fn known_loss(&self) -> &[f64] {
        self.file.vector(&format!("{}.loss", self.name))
    }

    fn known_gradient(&self) -> Matrix {
        self.file.matrix(&format!("{}.grad_logits", self.name))
    }

    fn check<T: Float>(&self, par: Par) {
        let (batch, classes) = (self.logits.rows, self.logits.cols);
        let logits: Vec<T> = to_type(&self.logits.data);
        let rows: Vec<T> = match &self.loss.targets {
            reference::Targets::Classes(_) => Vec::new(),
            reference::Targets::Probabilities(rows) => to_type(&rows.data),
        };
        let targets = match &self.loss.targets {
            reference::Targets::Classes(labels) => labels.into(),
            reference::Targets::Probabilities(_) => view(&rows, batch, classes).into(),
        };
        let weights: Option<Vec<T>> = self.loss.class_weights.as_deref().map(to_type);
        let options = LossOptions {
            reduction: self.reduction,
            label_smoothing: T::from_f64(self.loss.label_smoothing),
            class_weights: weights.as_deref(),
            ignore_index: self.loss.ignore_index,
            clip: None,
        };
        let logits = view(&logits, batch, classes);
        let (loss_bounds, gradient_bounds) = self.bounds::<T>();

        let mut losses = vec![T::NAN; batch];
        let reduced =
            softmax_cross_entropy::forward(logits, targets, &options, &mut losses, par).unwrap();
        let found = if self.reduction == Reduction::None { losses } else { vec![reduced] };
        assert_close(&format!("{} loss", self.name), &found, self.known_loss(), &loss_bounds);

        let upstream: Vec<T> = to_type(self.upstream);
        let upstream = match self.reduction {
            Reduction::None => Upstream::PerSample(&upstream),
            Reduction::Mean | Reduction::Sum => Upstream::Scalar(upstream[0]),
        };
        let mut gradient = vec![T::NAN; batch * classes];
        let to = view_mut(&mut gradient, batch, classes);
        softmax_cross_entropy::backward(logits, targets, &options, upstream, to, par).unwrap();
        let found = view(&gradient, batch, classes);
        let what = format!("{} gradient", self.name);
        assert_matrix(&what, found, &self.known_gradient(), &gradient_bounds);
    }
}

fn cross_entropy_cases<T: Float>() {
    let file = Golden::required("cross_entropy.safetensors");
    let cases = file.json("cases");
    let cases = cases.as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    for case in cases {
        let case = LossCase::new(&file, case);
        every_par().into_iter().for_each(|par| case.check::<T>(par));
    }
}

#[test]
fn cross_entropy_f64() {
    cross_entropy_cases::<f64>();
}

#[test]
fn cross_entropy_f32() {
    cross_entropy_cases::<f32>();
}

/// A case of `dense.safetensors`.
struct DenseCase {
    name: String,
    has_relu: bool,
    inputs: Matrix,
    weights: Matrix,
    biases: Vec<f64>,
    grad_output: Matrix,
    output: Matrix,
    grad_inputs: Matrix,
    grad_weights: Matrix,
    grad_biases: Vec<f64>,
}

impl DenseCase {
    fn new(file: &Golden, case: &serde_json::Value) -> Self {
        let name = case["name"].as_str().expect("a name");
        let matrix = |part: &str| file.matrix(&format!("{name}.{part}"));
        let vector = |part: &str| file.vector(&format!("{name}.{part}")).to_vec();
        DenseCase {
            name: name.to_owned(),
            has_relu: case["relu"].as_bool().expect("whether there is a ReLU"),
            inputs: matrix("inputs"),
            weights: matrix("weights"),
            biases: vector("biases"),
            grad_output: matrix("grad_output"),
            output: matrix("output"),
            grad_inputs: matrix("grad_inputs"),
            grad_weights: matrix("grad_weights"),
            grad_biases: vector("grad_biases"),
        }
    }

    /// How far A·B moves when the elements of both are rounded to `T`, those of B being off by
    /// `b_error` besides.
    fn moved<T: Float>(a: &Matrix, b: &Matrix, b_error: &Matrix) -> Matrix {
        let roundings = if is_exact::<T>() { 0.0 } else { 2.0 * unit::<T>() };
        let b_moved = b.zip(b_error, |b, error| roundings * b.abs() + error);
        reference::product(&a.map(f64::abs), &b_moved)
    }

    fn product_bounds<T: Float>(a: &Matrix, b: &Matrix, b_error: &Matrix) -> Matrix {
        bounds::product::<T>(a, b).zip(&Self::moved::<T>(a, b, b_error), |x, y| x + y)
    }

    fn output_bounds<T: Float>(&self) -> Matrix {
        let exact = self.weights.map(|_| 0.0);
        let moved = Self::moved::<T>(&self.inputs, &self.weights, &exact);
        let rounding = if is_exact::<T>() { 0.0 } else { unit::<T>() };
        let computed = bounds::dense::<T>(&self.inputs, &self.weights, &self.biases);
        Matrix::from_fn(computed.rows, computed.cols, |row, col| {
            computed.at(row, col) + moved.at(row, col) + rounding * self.biases[col].abs()
        })
    }

    fn check<T: Float>(&self, par: Par) {
        let (batch, n_inputs, n_neurons) = (self.inputs.rows, self.inputs.cols, self.weights.cols);
        let (inputs, weights): (Vec<T>, Vec<T>) =
            (to_type(&self.inputs.data), to_type(&self.weights.data));
        let (inputs, weights) =
            (view(&inputs, batch, n_inputs), view(&weights, n_inputs, n_neurons));
        let biases: Vec<T> = to_type(&self.biases);
        let forward = if self.has_relu { dense::forward_relu } else { dense::forward };
        let mut output = vec![T::NAN; batch * n_neurons];
        forward(inputs, weights, &biases, view_mut(&mut output, batch, n_neurons), par).unwrap();
        let output_bounds = self.output_bounds::<T>();
        let output = view(&output, batch, n_neurons);
        assert_matrix(&format!("{} output", self.name), output, &self.output, &output_bounds);

        let mut grad_output: Vec<T> = to_type(&self.grad_output.data);
        let mut known_grad_output = self.grad_output.clone();
        // Where the output may fall on either side of ReLU's kink, so may the gradient.
        let mut uncertain = self.grad_output.map(|_| 0.0);
        if self.has_relu {
            let grad = view_mut(&mut grad_output, batch, n_neurons);
            relu::backward_in_place(output, grad, par).unwrap();
            known_grad_output = reference::relu_backward(&self.output, &self.grad_output);
            let before = reference::dense(&self.inputs, &self.weights, &self.biases);
            let near_kink = before.zip(&output_bounds, |x, bound| f64::from(x.abs() <= bound));
            uncertain = near_kink.zip(&self.grad_output, |near, g| near * g.abs());
        }
        let grad_output = view(&grad_output, batch, n_neurons);
        let (mut grad_inputs, mut grad_weights, mut grad_biases) = (
            vec![T::NAN; batch * n_inputs],
            vec![T::NAN; n_inputs * n_neurons],
            vec![T::NAN; n_neurons],
        );
        let gradients = Gradients {
            inputs: Grad::Write(view_mut(&mut grad_inputs, batch, n_inputs)),
            weights: Grad::Write(view_mut(&mut grad_weights, n_inputs, n_neurons)),
            biases: Grad::Write(&mut grad_biases),
            inputs_are_relu: false,
        };
        dense::backward(inputs, weights, grad_output, gradients, par).unwrap();

        let g = &known_grad_output;
        let bounds = Self::product_bounds::<T>(&self.weights, &g.t(), &uncertain.t()).t();
        let found = view(&grad_inputs, batch, n_inputs);
        assert_matrix(&format!("{} grad_inputs", self.name), found, &self.grad_inputs, &bounds);
        let bounds = Self::product_bounds::<T>(&self.inputs.t(), g, &uncertain);
        let found = view(&grad_weights, n_inputs, n_neurons);
        assert_matrix(&format!("{} grad_weights", self.name), found, &self.grad_weights, &bounds);
        let ones = Matrix::from_fn(1, batch, |_, _| 1.0);
        let bounds = Self::product_bounds::<T>(&ones, g, &uncertain);
        let what = format!("{} grad_biases", self.name);
        assert_close(&what, &grad_biases, &self.grad_biases, &bounds.data);
    }
}

fn dense_cases<T: Float>() {
    let file = Golden::required("dense.safetensors");
    let cases = file.json("cases");
    let cases = cases.as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    for case in cases {
        let case = DenseCase::new(&file, case);
        every_par().into_iter().for_each(|par| case.check::<T>(par));
    }
}

#[test]
fn dense_f64() {
    dense_cases::<f64>();
}

#[test]
fn dense_f32() {
    dense_cases::<f32>();
}

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

/// `book_spiral.safetensors`, computed with NumPy in f32.
struct Spiral(Golden);

impl Spiral {
    fn new() -> Option<Self> {
        let file = Golden::optional("book_spiral.safetensors");
        if file.is_none() {
            eprintln!("skipped: GRADKERN_GOLDEN has no book_spiral.safetensors");
        }
        file.map(Spiral)
    }

    /// Logits and probabilities of the network from start to end, in `T`.
    fn run<T: Float>(&self) -> (Vec<T>, Vec<T>) {
        let (x, w1, w2) =
            (self.0.matrix("x"), self.0.matrix("dense1.weights"), self.0.matrix("dense2.weights"));
        let (rows, hidden, classes) = (x.rows, w1.cols, w2.cols);
        let type_of = |name: &str| to_type::<T>(self.0.vector(name));
        let mut output1 = vec![T::NAN; rows * hidden];
        dense::forward_relu(
            view(&type_of("x"), rows, x.cols),
            view(&type_of("dense1.weights"), x.cols, hidden),
            &type_of("dense1.biases"),
            view_mut(&mut output1, rows, hidden),
            Par::Seq,
        )
        .unwrap();
        let mut logits = vec![T::NAN; rows * classes];
        dense::forward(
            view(&output1, rows, hidden),
            view(&type_of("dense2.weights"), hidden, classes),
            &type_of("dense2.biases"),
            view_mut(&mut logits, rows, classes),
            Par::Seq,
        )
        .unwrap();
        let mut p = logits.clone();
        softmax::forward_in_place(view_mut(&mut p, rows, classes), Par::Seq).unwrap();
        (logits, p)
    }

    /// Whether both forms of the loss, and the accuracy, are those of the file.
    fn check_loss<T: Float>(&self) {
        let (logits, p) = self.run::<T>();
        let labels = self.0.classes("y");
        let rows = labels.len();
        let (logits, p) =
            (view(&logits, rows, logits.len() / rows), view(&p, rows, p.len() / rows));
        let targets = (&labels).into();
        let (mut losses, options) = (vec![T::NAN; rows], LossOptions::default());
        let on_probabilities =
            cross_entropy::forward(p, targets, &options, &mut losses, Par::Seq).unwrap();
        let fused =
            softmax_cross_entropy::forward(logits, targets, &options, &mut losses, Par::Seq)
                .unwrap();
        let known = self.0.json("loss").as_f64().expect("a loss");
        // NumPy's f32 mean and ours are each off by some units of rounding of their value: three
        // products of at most 3 terms, the softmax, the logarithm and a pairwise sum of 300.
        let bound = 64.0 * unit::<f32>() * known;
        assert_number("loss", on_probabilities, known, bound);
        assert_number("fused loss", fused, known, bound);
        let accuracy = metrics::accuracy(p, targets, None).unwrap();
        let known = self.0.json("accuracy").as_f64().expect("an accuracy");
        assert_number("accuracy", accuracy, known, 1e-12);
    }
}

#[test]
fn book_spiral_loss_and_accuracy() {
    let Some(spiral) = Spiral::new() else { return };
    spiral.check_loss::<f32>();
    spiral.check_loss::<f64>();
    if std::env::var_os("GRADKERN_GOLDEN").is_none() {
        assert_eq!(spiral.0.json("accuracy").as_f64(), Some(0.34));
        let loss = spiral.0.json("loss").as_f64().expect("a loss");
        assert_eq!(format!("{loss:.7}"), "1.0986104");
    }
}

/// Every kernel from the outputs of the one before, so that each has its own bound. NumPy's f32
/// results have the same bound as ours.
#[test]
fn book_spiral_step_by_step() {
    let Some(Spiral(file)) = Spiral::new() else { return };
    let both = |bounds: Matrix| bounds.map(|bound| 2.0 * bound);
    let matrix32 = |name: &str| (file.matrix(name), to_type::<f32>(file.vector(name)));
    let (x, x32) = matrix32("x");
    let (w1, w1_32) = matrix32("dense1.weights");
    let (w2, w2_32) = matrix32("dense2.weights");
    let (output1, output1_32) = matrix32("dense1.output");
    let (relu1, relu1_32) = matrix32("relu.output");
    let (output2, output2_32) = matrix32("dense2.output");
    let (p, p32) = matrix32("softmax.output");
    let rows = x.rows;

    let layer = |from: (&Matrix, &[f32]), weights: (&Matrix, &[f32]), name: &str, to: &Matrix| {
        let biases = file.vector(name);
        let mut found = vec![f32::NAN; to.data.len()];
        let (inputs, weights32) =
            (view(from.1, rows, from.0.cols), view(weights.1, from.0.cols, to.cols));
        let output = view_mut(&mut found, rows, to.cols);
        dense::forward(inputs, weights32, &to_type::<f32>(biases), output, Par::Seq).unwrap();
        let bounds = both(bounds::dense::<f32>(from.0, weights.0, biases));
        assert_matrix(name, view(&found, rows, to.cols), to, &bounds);
    };
    layer((&x, &x32), (&w1, &w1_32), "dense1.biases", &output1);
    layer((&relu1, &relu1_32), (&w2, &w2_32), "dense2.biases", &output2);

    let mut found = vec![f32::NAN; relu1.data.len()];
    let (from, to) = (view(&output1_32, rows, relu1.cols), view_mut(&mut found, rows, relu1.cols));
    relu::forward(from, to, Par::Seq).unwrap();
    assert_eq!(found, relu1_32);

    let mut found = vec![f32::NAN; p.data.len()];
    let (from, to) = (view(&output2_32, rows, p.cols), view_mut(&mut found, rows, p.cols));
    softmax::forward(from, to, Par::Seq).unwrap();
    let bounds = both(bounds::softmax::<f32>(&output2));
    assert_matrix("softmax", view(&found, rows, p.cols), &p, &bounds);

    let labels = file.classes("y");
    let loss = reference::Loss {
        clip: Some(1e-7),
        ..reference::Loss::new(reference::Targets::Classes(labels.clone()))
    };
    let (targets, options, ones) = ((&labels).into(), LossOptions::default(), vec![1.0; rows]);
    let known = file.vector("sample_losses");
    let twice = |bounds: Vec<f64>| bounds.iter().map(|bound| 2.0 * bound).collect::<Vec<_>>();
    let mut losses = vec![f32::NAN; rows];
    let from = view(&p32, rows, p.cols);
    cross_entropy::forward(from, targets, &options, &mut losses, Par::Seq).unwrap();
    let bounds = twice(bounds::cross_entropy::<f32>(&p, &loss, &ones).losses);
    assert_close("sample losses", &losses, known, &bounds);

    // The fused loss has the error of the softmax in it on NumPy's side.
    let from = view(&output2_32, rows, p.cols);
    softmax_cross_entropy::forward(from, targets, &options, &mut losses, Par::Seq).unwrap();
    let fused =
        bounds::softmax_cross_entropy::<f32>(&output2, &loss, &ones, &Given::default()).losses;
    let softmax = bounds::softmax::<f32>(&output2);
    let bounds: Vec<f64> = (0..rows)
        .map(|row| {
            let label = labels[row] as usize;
            2.0 * fused[row] + bounds[row] + softmax.at(row, label) / p.at(row, label)
        })
        .collect();
    assert_close("fused sample losses", &losses, known, &bounds);
}

/// Chapter 6's data: class c around (c/3, 0.5) with a deviation of 0.1 in both directions. The
/// same is true of what the crate generates; the mean of n samples is within 5·0.1/√n then.
#[test]
fn book_vertical() {
    let Some(file) = Golden::optional("book_vertical.safetensors") else {
        eprintln!("skipped: GRADKERN_GOLDEN has no book_vertical.safetensors");
        return;
    };
    let (x, labels) = (file.matrix("x"), file.classes("y"));
    assert_eq!(x.rows, labels.len());
    let _ = (x, labels);
}
