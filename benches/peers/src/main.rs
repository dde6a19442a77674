//! gradkern beside what its users would take instead: whole training steps, softmax-cross-entropy,
//! and products, in turn, in one run. Prints tables, writes `target/peers.json` and
//! `target/plots/peers.svg`.
//!
//! With `--errors`, how exact the products of those are that multiply slices.
//!
//! Each number of threads is measured in a process of its own, because most libraries ask for
//! theirs once, on as many processors (on Linux), and inside of rayon's global pool, as a program would be that trains in it.

mod data;
mod errors;
mod gemm;
#[path = "../../../tests/common/hard_products.rs"]
mod hard_products;
mod limits;
mod measure;
mod plot;
mod python;
mod report;
mod softmax_cross_entropy;
mod training;

use clap::Parser;
use limits::{Limits, Work};
use measure::{Contender, Effort, side_by_side};
use python::Python;
use report::{Measured, Report, Row};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures gradkern and its peers side by side.
#[derive(Parser)]
#[command(name = "cargo bench --bench peers --")]
struct Args {
    /// Only the rows whose table and name contain all of these words
    words: Vec<String>,
    /// A rough look: a fifth of the time
    #[arg(long)]
    quick: bool,
    /// Numbers of threads, each with tables of its own
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// A Python interpreter that has JAX or PyTorch, to measure them too (`benches/peers/python.py`
    /// sets one up)
    #[arg(long)]
    python: Option<PathBuf>,
    /// How exact products are, instead of how fast: the worst error on random and on hard data, in ε
    /// times the terms' magnitudes, of products in `f32` on one thread with α = 1 and β = 0, and where
    #[arg(long, conflicts_with_all = ["words", "quick", "threads", "python"])]
    errors: bool,
    /// Measure in this process, for one number of threads, and print JSON
    #[arg(long, hide = true)]
    worker: bool,
}

impl Args {
    fn effort(&self) -> Effort {
        let budget = Duration::from_millis(if self.quick { 500 } else { 2500 });
        let (least, most) = if self.quick { (3, 41) } else { (7, 301) };
        Effort { budget, least, most }
    }

    fn wants(&self, table: &str, name: &str) -> bool {
        let title = format!("{table} {name}");
        self.words.iter().all(|word| title.contains(word.as_str()))
    }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.errors {
        println!("{}", errors::table());
        return Ok(());
    }
    if args.worker {
        #[cfg(target_os = "linux")]
        keep_to_last_processors()?;
        let report = rayon::scope(|_| work(&args))?;
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    let instruction_set = gradkern::isa::current()?.name().to_string();
    let mut report = Report { processor: processor(), instruction_set, ..Report::default() };
    for &threads in &args.threads {
        let part = delegate(threads)?;
        report.limits.extend(part.limits);
        report.rows.extend(part.rows);
    }
    print!("{}", report.tables());
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::fs::create_dir_all(target.join("plots"))?;
    std::fs::write(target.join("peers.json"), serde_json::to_string_pretty(&report)?)?;
    std::fs::write(target.join("plots/peers.svg"), plot::svg(&report)?)?;
    println!("\nwritten: target/peers.json, target/plots/peers.svg");
    Ok(())
}

/// What a process of its own measures with a number of threads.
fn delegate(threads: usize) -> Result<Report, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--worker")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env("MATMUL_NUM_THREADS", threads.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("measuring with {threads} threads: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Lets this process, its threads and its children run on as many processors as it has threads, the last ones. On
/// a virtual machine one may be slower than the next, as its core's other thread works for somebody else: a
/// contender in another process must not get the faster one.
#[cfg(target_os = "linux")]
fn keep_to_last_processors() -> Result<(), Failure> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let threads: usize = std::env::var("RAYON_NUM_THREADS")?.parse()?;
    let allowed = sched_getaffinity(None)?;
    let mut kept = CpuSet::new();
    let processors = (0..CpuSet::MAX_CPU).rev().filter(|&i| allowed.is_set(i));
    processors.take(threads).for_each(|i| kept.set(i));
    Ok(sched_setaffinity(None, &kept)?)
}

/// Measures all rows that are wanted with the threads of the pool it is called in.
fn work(args: &Args) -> Result<Report, Failure> {
    let threads = rayon::current_num_threads();
    let python = args.python.as_ref().map(|path| Python::start(path, threads)).transpose()?;
    let mut report = Report { limits: vec![Limits::measure(threads)], ..Report::default() };
    let mut row = |table: &str, name: String, work, contenders: &mut dyn FnMut() -> Vec<_>| {
        if args.wants(table, &name) {
            let measured = measure(contenders(), work, threads, args.effort());
            let row = Row::new(table, name, threads, work, measured);
            eprintln!("{}", row.summary());
            report.rows.push(row);
        }
    };
    for network in training::NETWORKS {
        row(training::TABLE, network.name(), network.work(), &mut || {
            training::contenders(network, threads, python.as_ref())
        });
    }
    for case in softmax_cross_entropy::CASES {
        row(softmax_cross_entropy::TABLE, case.name(), case.work(), &mut || {
            softmax_cross_entropy::contenders(case, threads, python.as_ref())
        });
    }
    for case in gemm::cases() {
        row(case.table(), case.name(), case.work(), &mut || {
            gemm::contenders(case, threads, python.as_ref())
        });
    }
    Ok(report)
}

/// Measures contenders, gradkern first, and the limits with them.
fn measure(
    mut contenders: Vec<Contender<'_>>,
    work: Work,
    threads: usize,
    effort: Effort,
) -> Measured {
    let peers: Vec<_> = contenders.iter().skip(1).map(|peer| peer.name.clone()).collect();
    contenders.push(limits::burst(threads));
    contenders.push(limits::memcpy(work.bytes, threads));
    let mut seconds = side_by_side(&mut contenders, effort);
    let memcpy = seconds.pop().expect("the last contender").least;
    let flops = limits::burst_flops(threads);
    let burst = seconds.pop().expect("the last but one").least;
    let mut medians = seconds.into_iter().map(|seconds| seconds.median);
    Measured {
        gradkern: medians.next().expect("the first contender"),
        peers: peers.into_iter().zip(medians).collect(),
        arithmetic: work.flops * burst / flops,
        memcpy,
    }
}

/// The processor's name, where Linux tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown processor", |(_, name)| name.trim()).to_string()
}
