//! Chapter 6: how far chance goes. Networks of 2-3-3 are drawn at random (a), or changed at random
//! and kept where that helps (b), on the book's vertical data and on its spirals.
//!
//! `cargo run --release --example ch06_random_search` tries 10,000 networks a search, several seeds
//! side by side on all cores, and draws `target/plots/ch06_*.svg`; `--help` says what may be chosen.

mod common;

use clap::Parser;
use common::args::{seed, whole};
use common::plot::{self, Area, Axis, BLUE, Chart, Corner, Mark, RGBColor, VERMILION, stairs};
use common::{Failure, book::Book, forward::Forward, progress_bar, regions, report::Report};
use gradkern::{Init, Mlp, Rng, datasets::Dataset};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{process::ExitCode, time::Instant};

/// Chapter 6: random search for the weights of a network
#[derive(Parser)]
#[command(name = "ch06_random_search")]
struct Args {
    /// Networks that each search tries, 1 to 1000000000
    #[arg(long, value_name = "N", default_value_t = BOOK, value_parser = whole::<1, 1_000_000_000>, allow_negative_numbers = true)]
    iterations: usize,
    /// Searches of each kind, each with a seed of its own, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole::<1, 256>, allow_negative_numbers = true)]
    seeds: usize,
    /// The first of the seeds
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
}

/// The book's number of iterations, for which its findings hold.
const BOOK: usize = 10_000;
const TITLES: [&str; 2] = ["Vertical data", "Spirals"];
const STRATEGIES: [(&str, RGBColor, Mark); 2] = [
    ("(a) drawn anew", VERMILION, Mark::Dashes),
    ("(b) changed, kept if better", BLUE, Mark::Line),
];
/// Whether Ctrl-C was pressed.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    common::reporting(run)
}

struct Search<'a> {
    data: &'a Dataset<f32>,
    /// (b): the best network is changed. (a): a new one is drawn.
    change: bool,
    rng: Rng,
    network: Mlp<f32>,
    forward: Forward,
    best: Vec<f32>,
    tried: usize,
    /// The iterations that lowered the loss, and to what.
    history: Vec<(usize, f32)>,
}

impl Search<'_> {
    fn loss(&self) -> f32 {
        self.history.last().map_or(f32::INFINITY, |step| step.1)
    }

    /// Tries `count` more networks, or fewer if told to stop.
    fn run(&mut self, count: usize) -> gradkern::Result<()> {
        for _ in (0..count).take_while(|_| !STOP.load(Relaxed)) {
            self.tried += 1;
            for (parameter, best) in self.network.parameters_mut().iter_mut().zip(&self.best) {
                let from = if self.change { *best } else { 0.0 };
                *parameter = from + 0.05 * self.rng.normal() as f32;
            }
            let loss = self.forward.loss(&self.network, self.data)?;
            if loss < self.loss() {
                self.history.push((self.tried, loss));
                self.best.copy_from_slice(self.network.parameters());
            }
        }
        Ok(())
    }
}

fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let (data, mut searches) = ([Book::vertical()?.data()?, Book::spiral()?.data()?], Vec::new());
    for (data, change) in data.iter().flat_map(|data| [(data, false), (data, true)]) {
        for seed in (0..args.seeds as u64).map(|i| args.seed.wrapping_add(i)) {
            let (rng, network) = (Rng::new(!seed), Mlp::new(&[2, 3, 3], Init::Book, seed)?);
            let (forward, best) = (Forward::default(), network.parameters().to_vec());
            let (tried, history) = (0, Vec::new());
            searches.push(Search { data, change, rng, network, forward, best, tried, history });
        }
    }
    ctrlc::set_handler(|| STOP.store(true, Relaxed))?;
    let (count, threads) = (searches.len(), rayon::current_num_threads());
    report.line(format!("{count} searches on {threads} threads; Ctrl-C shows the best so far"));
    let (bar, start) = (progress_bar(args.iterations * count)?, Instant::now());
    // In rounds, so that no search is far ahead of the others and the bar moves.
    for done in (0..args.iterations).step_by(2000).take_while(|_| !STOP.load(Relaxed)) {
        let round = (args.iterations - done).min(2000);
        searches.par_iter_mut().try_for_each(|search| search.run(round))?;
        bar.inc((round * count) as u64);
    }
    bar.finish_and_clear();
    let tried: usize = searches.iter().map(|search| search.tried).sum();
    let rate = tried as f64 / start.elapsed().as_secs_f64();
    report.line(format_args!("{tried} iterations, {rate:.0} per second"));

    let mut best = Vec::new();
    for (i, searches) in searches.chunks_mut(args.seeds).enumerate() {
        report.heading(&format!("{}: {}", TITLES[i / 2], STRATEGIES[i % 2].0));
        for Search { network, best, forward, data, .. } in &mut *searches {
            network.parameters_mut().copy_from_slice(best);
            let (loss, accuracy) = (forward.loss(network, data)?, forward.accuracy(network, data)?);
            report.line(format_args!("loss {loss:.4}, accuracy {accuracy:.4}"));
        }
        best.extend(searches.iter().min_by(|a, b| a.loss().total_cmp(&b.loss())));
    }
    if args.iterations == BOOK && !STOP.load(Relaxed) {
        let [anew, change, spiral] = [0, 1, 3].map(|i: usize| best[i].loss());
        report.heading("What the book finds");
        report.holds("(a) vertical: loss", "1.08 to 1.0986", anew, (1.08..1.0987).contains(&anew));
        report.holds("(b) vertical: loss", "under 0.18", change, change < 0.18);
        let accuracy = Forward::default().accuracy(&best[1].network, best[1].data)?;
        report.holds("(b) vertical: accuracy", "0.92 or more", accuracy, accuracy >= 0.92);
        report.holds("(b) spirals: loss", "above 1.05", spiral, spiral > 1.05);
    }
    pictures(report, &best)
}

fn pictures(report: &mut Report, best: &[&Search]) -> Result<(), Failure> {
    let kinds: Vec<_> = TITLES.into_iter().zip(best.chunks(2)).collect();
    type Kind<'a> = (&'a str, &'a [&'a Search<'a>]);
    for (file, with_regions) in [("ch06_data.svg", false), ("ch06_regions.svg", true)] {
        let draw = |&(title, best): &Kind, area: &Area| {
            let network = with_regions.then_some(&best[1].network);
            regions::draw(area, title, best[1].data, network)
        };
        report.picture(file, (1080, 480), |area| plot::side_by_side(area, &kinds, draw))?;
    }
    let draw = |&(title, best): &Kind, area: &Area| {
        let curves = best.iter().zip(STRATEGIES).map(|(search, (name, color, mark))| {
            stairs(name, color, mark, &search.history, search.tried)
        });
        let (legend, curves) = (Some(Corner::LowerLeft), curves.collect());
        let x = Axis::logarithmic("iteration", 0.0..f64::log10(best[0].tried.max(10) as f64));
        Chart { title, x, y: Axis::linear("lowest loss", 0.0..1.2), legend, curves }.draw(area)
    };
    report.picture("ch06_loss.svg", (1080, 480), |area| plot::side_by_side(area, &kinds, draw))
}
