//! `book_spiral.safetensors` and `book_vertical.safetensors`: the book's data, and its network with
//! every output on the way to the loss.

use super::common::bounds::{self, Given, unit};
use super::common::golden::Golden;
use super::common::{assert_close, assert_matrix, assert_number, mlp_bounds, to_type};
use super::{view, view_mut};
use gradkern::datasets::{self, Dataset};
use gradkern::reference::{self, Matrix};
use gradkern::{
    Float, LossOptions, Par, cross_entropy, dense, metrics, relu, softmax, softmax_cross_entropy,
};

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

    /// The network, and what it is to learn, for the reference.
    fn reference(&self) -> (reference::Mlp, reference::Loss) {
        let layer = |i: usize| {
            let weights = self.0.matrix(&format!("dense{i}.weights"));
            (weights, self.0.vector(&format!("dense{i}.biases")).to_vec())
        };
        let targets = reference::Targets::Classes(self.0.classes("y"));
        let loss = reference::Loss { clip: Some(1e-7), ..reference::Loss::new(targets) };
        (reference::Mlp { layers: vec![layer(1), layer(2)] }, loss)
    }

    /// The loss without rounding.
    fn exact_loss(&self) -> f64 {
        let (mlp, loss) = self.reference();
        mlp.loss_and_gradients(&self.0.matrix("x"), &loss).0
    }

    /// How far a loss computed in `T` may be from exact, by the errors on the way to it.
    ///
    /// 1. Logits. A layer's output is off by (k + 3)·u·(|x|·|w| + |b|), and by what its input was
    ///    off, times |w|. With k of 2 and 3, weights of about 0.01 and points within the unit circle
    ///    that is 1e-3·u: nothing.
    /// 2. A sample's loss, −ln p. In the fused form: three exponentials of about 1, 2.5·u off each,
    ///    their sum and its logarithm come to about 14·u; the clip and the product with the target
    ///    to 10·u more. On probabilities: p is 10·u off, its logarithm by as much, relative to 1
    ///    instead of to ln p, and by 4·u of its own; the rest alike.
    /// 3. The mean. The errors of the samples do not grow in a mean; and it is summed in f64, and
    ///    rounded once or twice.
    fn loss_bound<T: Float>(&self) -> f64 {
        let (mlp, loss) = self.reference();
        let x = self.0.matrix("x");
        let activations = mlp.activations(&x);
        let logits = &activations[2];
        let logit_errors = mlp_bounds::mlp::<T>(&mlp, &x, &loss, false).logits;
        let given = Given { logits: logit_errors.clone(), ..Given::default() };
        let ones = vec![1.0; x.rows];
        let fused = bounds::softmax_cross_entropy::<T>(logits, &loss, &ones, &given).losses;
        let p = reference::softmax(logits);
        let alone = bounds::cross_entropy::<T>(&p, &loss, &ones).losses;
        let labels = self.0.classes("y");
        let on_probabilities = (0..x.rows).map(|row| {
            let label = labels[row] as usize;
            let errors = bounds::softmax_row::<T>(logits.row(row), logit_errors[row]).p;
            alone[row] + errors[label] / p.at(row, label)
        });
        let mean = |bounds: &mut dyn Iterator<Item = f64>| bounds.sum::<f64>() / x.rows as f64;
        mean(&mut fused.into_iter()).max(mean(&mut on_probabilities.into_iter()))
            + 2.0 * unit::<T>() * self.exact_loss()
    }

    /// How far NumPy's f32 loss may be from exact: its exponential (2.52 units in the last place) and
    /// its logarithm (3.83) may be off by twice of what is allowed ours, and its mean is a pairwise
    /// sum in f32, in which a term of 300 goes through at most 24 additions: 8 accumulators of up to
    /// 80 terms, or 10 each, 3 to add them up, as many as 7 for terms left over, 2 for the pairs,
    /// and the division.
    fn numpy_bound(&self) -> f64 {
        2.0 * self.loss_bound::<f32>() + 24.0 * unit::<f32>() * self.exact_loss()
    }

    fn loss(&self) -> f64 {
        self.0.json("loss").as_f64().expect("a loss")
    }

    fn accuracy(&self) -> f64 {
        self.0.json("accuracy").as_f64().expect("an accuracy")
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
        let (exact, bound) = (self.exact_loss(), self.loss_bound::<T>());
        // Some roundings of the loss, not one of each of 300 samples.
        let roundings = bound / (unit::<T>() * exact);
        assert!(roundings < 40.0, "a bound of {roundings} roundings tells nothing");
        // The reference adds up one after the other.
        let bound = bound + labels.len() as f64 * unit::<f64>() * exact;
        assert_number("loss", on_probabilities, exact, bound);
        assert_number("fused loss", fused, exact, bound);
        let accuracy = metrics::accuracy(p, targets, None).unwrap();
        assert_number("accuracy", accuracy, self.accuracy(), 1e-12);
    }
}

#[test]
fn book_spiral_loss_and_accuracy() {
    let Some(spiral) = Spiral::new() else { return };
    spiral.check_loss::<f32>();
    spiral.check_loss::<f64>();
    assert_number("NumPy's loss", spiral.loss(), spiral.exact_loss(), spiral.numpy_bound());
    if std::env::var_os("GRADKERN_GOLDEN").is_none() {
        assert_eq!(spiral.accuracy(), 0.34);
        assert_eq!(format!("{:.7}", spiral.loss()), "1.0986104");
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

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / values.len() as f64).sqrt())
}

/// Asserts that values may be drawn from N(mean, deviation²): of n, the mean is within
/// 5·deviation/√n, and their deviation within 5/√(2n) of its value, but once in a million times.
#[track_caller]
fn assert_normal(what: &str, values: &[f64], mean: f64, deviation: f64) {
    let (found_mean, found_deviation) = moments(values);
    let n = values.len() as f64;
    assert_number(what, found_mean, mean, 5.0 * deviation / n.sqrt());
    assert_number(what, found_deviation, deviation, 5.0 * deviation / (2.0 * n).sqrt());
}

/// The points of a class, in their order.
fn points_of(x: &Matrix, labels: &[i64], class: i64) -> Vec<[f64; 2]> {
    let rows = (0..x.rows).filter(|&row| labels[row] == class);
    rows.map(|row| [x.at(row, 0), x.at(row, 1)]).collect()
}

/// What the crate draws, in the form of the book's files.
fn drawn(data: &Dataset<f64>) -> (Matrix, Vec<i64>) {
    (Matrix::from_view(data.inputs()), data.labels.iter().map(|&label| label.into()).collect())
}

/// Chapter 6's data, and what the crate draws like it: class c lies around (c/3, 0.5) with a
/// deviation of 0.1 in both directions.
#[test]
fn book_vertical_data() {
    let Some(file) = Golden::optional("book_vertical.safetensors") else {
        eprintln!("skipped: GRADKERN_GOLDEN has no book_vertical.safetensors");
        return;
    };
    let book = (file.matrix("x"), file.classes("y"));
    let ours = drawn(&datasets::vertical(1000, 3, 0).unwrap());
    for (x, labels) in [book, ours] {
        assert_eq!(x.rows, labels.len());
        for class in 0..3 {
            let points = points_of(&x, &labels, class);
            let along = |axis: usize| points.iter().map(|point| point[axis]).collect::<Vec<_>>();
            assert_normal("x", &along(0), class as f64 / 3.0, 0.1);
            assert_normal("y", &along(1), 0.5, 0.1);
        }
    }
}

/// Chapter 4's data, and what the crate draws like it: point i of n of class c is at the radius
/// i/(n − 1), and its angle, over 2.5, is 4(c + i/(n − 1)) with a deviation of 0.2.
#[test]
fn book_spiral_data() {
    let Some(Spiral(file)) = Spiral::new() else { return };
    let book = (file.matrix("x"), file.classes("y"));
    let ours = drawn(&datasets::spiral(1000, 3, 0).unwrap());
    for (x, labels) in [book, ours] {
        for class in 0..3 {
            let points = points_of(&x, &labels, class);
            let part = |i: usize| i as f64 / (points.len() - 1) as f64;
            let period = std::f64::consts::TAU / 2.5;
            // The first point, at radius 0, has no angle.
            let noise = points.iter().enumerate().skip(1).map(|(i, [x, y])| {
                assert_number("radius", x.hypot(*y), part(i), 4.0 * unit::<f32>());
                let off = x.atan2(*y) / 2.5 - 4.0 * (class as f64 + part(i));
                off - (off / period).round() * period
            });
            assert_normal("angle", &noise.collect::<Vec<_>>(), 0.0, 0.2);
        }
    }
}
