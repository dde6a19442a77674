//! Chapter 6: how far chance goes. Networks of 2-3-3 are drawn at random (a), or changed at random
//! and kept where that helps (b), on the book's vertical data and on its spirals.
//!
//! `cargo run --release --example ch06_random_search` tries 10,000 networks a search, several seeds
//! side by side on all cores, and draws `target/plots/ch06_*.svg`. `-- --iterations 1000000000`
//! goes on for long; Ctrl-C ends it and shows the best so far.

mod common;

use clap::Parser;
use common::args::{seed, whole};
use common::plot::{self, Axis, BLUE, Chart, Corner, Mark, VERMILION, stairs};
use common::{Failure, book::Book, forward::Forward, progress_bar, regions, report::Report};
use gradkern::{Init, Mlp, Rng, datasets::Dataset};
use plotters::style::RGBColor;
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
const STRATEGIES: [(&str, RGBColor, Mark); 2] = [
    ("(a) drawn anew", VERMILION, Mark::Dashes),
    ("(b) changed, kept if better", BLUE, Mark::Line),
];
/// Whether Ctrl-C was pressed.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    common::main(run)
}

struct Search<'a> {
    data: &'a Dataset<f32>,
    /// (b): the best network is changed. (a): a new one is drawn.
    change: bool,
    seed: u64,
    rng: Rng,
    network: Mlp<f32>,
    forward: Forward,
    best: Vec<f32>,
    tried: usize,
    /// The iterations that lowered the loss, and to what.
    history: Vec<(usize, f32)>,
    accuracy: f64,
}

impl<'a> Search<'a> {
    fn new(data: &'a Dataset<f32>, change: bool, seed: u64) -> gradkern::Result<Self> {
        let network = Mlp::new(&[2, 3, 3], Init::Book, seed)?;
        let (best, rng) = (network.parameters().to_vec(), Rng::new(!seed));
        let (forward, tried, history, accuracy) = (Forward::default(), 0, Vec::new(), 0.0);
        Ok(Search { data, change, seed, rng, network, forward, best, tried, history, accuracy })
    }

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
            let loss = self.forward.loss(&mut self.network, self.data)?;
            if loss < self.loss() {
                self.history.push((self.tried, loss));
                self.best.copy_from_slice(self.network.parameters());
            }
        }
        Ok(())
    }

    /// Goes back to the best network.
    fn settle(&mut self) -> gradkern::Result<()> {
        self.network.parameters_mut().copy_from_slice(&self.best);
        self.forward.loss(&mut self.network, self.data)?;
        self.accuracy = self.forward.accuracy(self.data)?;
        Ok(())
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let data = [("vertical data", Book::vertical()?.data()?), ("spirals", Book::spiral()?.data()?)];
    let mut searches = Vec::new();
    for (data, change) in data.iter().flat_map(|(_, data)| [(data, false), (data, true)]) {
        let seeds = (0..args.seeds as u64).map(|i| args.seed.wrapping_add(i));
        searches.extend(seeds.flat_map(|seed| Search::new(data, change, seed)));
    }
    ctrlc::set_handler(|| STOP.store(true, Relaxed))?;
    let (bar, start) = (progress_bar(args.iterations * searches.len())?, Instant::now());
    // In rounds, so that no search is far ahead of the others and the bar moves.
    for done in (0..args.iterations).step_by(2000).take_while(|_| !STOP.load(Relaxed)) {
        let round = (args.iterations - done).min(2000);
        searches.par_iter_mut().try_for_each(|search| search.run(round))?;
        bar.inc((round * searches.len()) as u64);
    }
    bar.finish_and_clear();
    let (seconds, mut report) = (start.elapsed().as_secs_f64(), Report::new());
    let tried: usize = searches.iter().map(|search| search.tried).sum();
    let (rate, threads) = (tried as f64 / seconds, rayon::current_num_threads());
    report.line(format_args!("{tried} iterations, {rate:.0} per second on {threads} threads"));

    for (i, searches) in searches.chunks_mut(args.seeds).enumerate() {
        report.heading(&format!("{} on {}", STRATEGIES[i % 2].0, data[i / 2].0));
        searches.sort_by(|a, b| a.loss().total_cmp(&b.loss()));
        for search in searches {
            search.settle()?;
            let (seed, loss, accuracy) = (search.seed, search.loss(), search.accuracy);
            report.line(format_args!("seed {seed}: loss {loss:.4}, accuracy {accuracy:.4}"));
        }
    }
    let best: Vec<&Search> = searches.iter().step_by(args.seeds).collect();
    if args.iterations == BOOK && !STOP.load(Relaxed) {
        report.heading("What the book finds, and the best of each");
        let [anew, changed, spiral] = [0, 1, 3].map(|i| best[i].loss());
        report.holds("(a) vertical: loss", "1.08 to 1.0986", anew, (1.08..1.0987).contains(&anew));
        report.holds("(b) vertical: loss", "under 0.18", changed, changed < 0.18);
        let accuracy = best[1].accuracy;
        report.holds("(b) vertical: accuracy", "0.92 or more", accuracy, accuracy >= 0.92);
        report.holds("(b) spirals: loss", "above 1.05", spiral, spiral > 1.05);
    }
    pictures(&mut report, data.each_ref().map(|data| data.0), &best)?;
    report.end()
}

fn pictures(report: &mut Report, names: [&str; 2], best: &[&Search]) -> Result<(), Failure> {
    let kinds: Vec<_> = names.into_iter().zip(best.chunks(2)).collect();
    for (file, with_regions) in [("ch06_data.svg", false), ("ch06_regions.svg", true)] {
        report.picture(file, (1080, 480), |area| {
            plot::side_by_side(area, &kinds, |(name, best), area| {
                let network = with_regions.then_some(&best[1].network);
                regions::draw(area, &format!("The book's {name}"), best[1].data, network)
            })
        })?;
    }
    report.picture("ch06_loss.svg", (1080, 480), |area| {
        plot::side_by_side(area, &kinds, |(title, best), area| {
            let curves = best.iter().zip(STRATEGIES).map(|(search, (name, color, mark))| {
                stairs(name, color, mark, &search.history, search.tried)
            });
            let end = (best[0].tried.max(10) as f64).log10();
            let (x, y) =
                (Axis::logarithmic("iteration", 0.0..end), Axis::linear("lowest loss", 0.0..1.2));
            let (legend, curves) = (Some(Corner::LowerLeft), curves.collect());
            Chart { title, x, y, legend, curves }.draw(area)
        })
    })
}
