//! The training: epochs of shuffled batches, a progress bar for each, and what was learned.

use crate::args::Args;
use crate::data::{CLASSES, Digits, PIXELS};
use gradkern::cross_entropy;
use gradkern::init::Init;
use gradkern::loss::LossOptions;
use gradkern::metrics;
use gradkern::mlp::Mlp;
use gradkern::rng::Rng;
use gradkern::targets::Targets;
use gradkern::{MatMut, MatRef, Par};
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::time::{Duration, Instant};

/// Mean loss and share of right answers on a set of digits.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    pub loss: f32,
    pub accuracy: f64,
}

/// Both scores after an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    pub train: Score,
    pub test: Score,
}

/// What the training came to.
pub struct Outcome {
    pub history: Vec<Epoch>,
    /// A row of probabilities for each test digit.
    pub probabilities: Vec<f32>,
    /// Time spent in training steps and in fetching their batches.
    pub training: Duration,
}

/// The sizes of the layers, inputs first.
pub fn layer_sizes(args: &Args) -> Vec<usize> {
    [&[PIXELS], args.hidden.0.as_slice(), &[CLASSES]].concat()
}

/// Trains on `train` and tests on `test` after each epoch.
pub fn train(
    args: &Args,
    rng: &mut Rng,
    train: &Digits,
    test: &Digits,
    par: Par,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let mut mlp = Mlp::<f32>::new(&layer_sizes(args), Init::HeNormal, args.seed)?;
    mlp.set_par(par);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut batch = Digits::default();
    let mut history = Vec::with_capacity(args.epochs);
    let mut training = Duration::ZERO;
    let mut probabilities = Vec::new();
    for number in 1..=args.epochs {
        let bar = progress_bar(number, args.epochs, train.len().div_ceil(args.batch))?;
        let start = Instant::now();
        rng.shuffle(&mut order);
        for indices in order.chunks(args.batch) {
            batch.gather(train, indices);
            let targets = Targets::from(batch.labels.as_slice());
            let loss = mlp.train_step(batch.inputs()?, targets, args.learning_rate)?;
            bar.set_message(format!("loss {loss:.4}"));
            bar.inc(1);
        }
        training += start.elapsed();
        let epoch = Epoch {
            train: score(&mut mlp, train, &mut probabilities)?,
            test: score(&mut mlp, test, &mut probabilities)?,
        };
        bar.finish_with_message(format!(
            "loss {:.4}, on the test digits {:.4}",
            epoch.train.loss, epoch.test.loss
        ));
        if !(epoch.train.loss.is_finite() && epoch.test.loss.is_finite()) {
            let loss = epoch.train.loss;
            return Err(format!(
                "the loss became {loss} in epoch {number}; try a smaller --learning-rate than {}",
                args.learning_rate
            )
            .into());
        }
        history.push(epoch);
    }
    Ok(Outcome { history, probabilities, training })
}

/// Asks the network about all of `digits`; leaves its answers in `probabilities`.
fn score(
    mlp: &mut Mlp<f32>,
    digits: &Digits,
    probabilities: &mut Vec<f32>,
) -> gradkern::Result<Score> {
    let mut losses = vec![0.0; digits.len()];
    probabilities.resize(digits.len() * CLASSES, 0.0);
    mlp.predict(digits.inputs()?, MatMut::new(probabilities, digits.len(), CLASSES)?)?;
    let answers = MatRef::new(probabilities, digits.len(), CLASSES)?;
    let targets = Targets::from(digits.labels.as_slice());
    let options = LossOptions::default();
    let loss = cross_entropy::forward(answers, targets, &options, &mut losses, Par::Seq)?;
    Ok(Score { loss, accuracy: metrics::accuracy(answers, targets, None)? })
}

/// The bar of one epoch, on stderr; nothing is drawn where that is not a terminal.
fn progress_bar(
    number: usize,
    of: usize,
    steps: usize,
) -> Result<ProgressBar, Box<dyn Error + Send + Sync>> {
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}")?.progress_chars("=> ");
    let width = of.to_string().len();
    let prefix = format!("epoch {number:>width$}/{of}");
    Ok(ProgressBar::new(steps as u64).with_style(style).with_prefix(prefix))
}
