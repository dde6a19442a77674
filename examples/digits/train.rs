//! The training: epochs of shuffled batches, a progress bar for each, and what was learned.

use crate::args::Args;
use crate::common::{Failure, Refusal};
use crate::data::{CLASSES, Digits, PIXELS};
use gradkern::{Init, LossOptions, MatMut, MatRef, Mlp, Par, Rng, Targets, cross_entropy, metrics};
use indicatif::{ProgressBar, ProgressStyle};
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
#[derive(Default)]
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
) -> Result<Outcome, Failure> {
    let mut mlp = Mlp::<f32>::new(&layer_sizes(args), Init::HeNormal, args.seed)?;
    mlp.set_par(par);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut outcome = Outcome::default();
    for epoch in 1..=args.epochs {
        let bar = progress_bar(epoch, args.epochs, train.len().div_ceil(args.batch))?;
        let start = Instant::now();
        rng.shuffle(&mut order);
        train_epoch(&mut mlp, train, &order, args, &bar)?;
        outcome.training += start.elapsed();

        let scores = Epoch {
            train: score(&mut mlp, train, &mut outcome.probabilities)?,
            test: score(&mut mlp, test, &mut outcome.probabilities)?,
        };
        let (loss, test_loss) = (scores.train.loss, scores.test.loss);
        bar.finish_with_message(format!("loss {loss:.4}, on the test digits {test_loss:.4}"));
        if !(loss.is_finite() && test_loss.is_finite()) {
            let reason =
                format!("the loss of epoch {epoch} is {loss}; try a smaller --learning-rate");
            return Err(Refusal(reason).into());
        }
        outcome.history.push(scores);
    }
    Ok(outcome)
}

/// Goes through the digits once, a batch at a time.
fn train_epoch(
    mlp: &mut Mlp<f32>,
    digits: &Digits,
    order: &[usize],
    args: &Args,
    bar: &ProgressBar,
) -> gradkern::Result<()> {
    let mut batch = Digits::default();
    for indices in order.chunks(args.batch) {
        batch.gather(digits, indices);
        let targets = Targets::from(batch.labels.as_slice());
        let loss = mlp.train_step(batch.inputs()?, targets, args.learning_rate)?;
        bar.set_message(format!("loss {loss:.4}"));
        bar.inc(1);
    }
    Ok(())
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
fn progress_bar(number: usize, of: usize, steps: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}")?.progress_chars("=> ");
    let width = of.to_string().len();
    let prefix = format!("epoch {number:>width$}/{of}");
    Ok(ProgressBar::new(steps as u64).with_style(style).with_prefix(prefix))
}
