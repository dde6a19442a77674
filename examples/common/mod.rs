//! What the examples share: a program with flags and an exit status, a report that compares what is
//! expected with what was got, charts, and the book's own data.

#![allow(dead_code, reason = "each example uses a part of it")]

pub mod args;
pub mod arrays;
pub mod book;
pub mod forward;
pub mod plot;
pub mod regions;
pub mod report;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Whatever ends an example early.
pub type Failure = Box<dyn Error + Send + Sync>;

const PLOTS: &str = "target/plots";

/// A flag whose value cannot be used; ends the program with status 2.
#[derive(Debug)]
pub struct Refusal(pub String);

impl Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the flags, runs the example, and turns what became of it into an exit status: 2 for what
/// its user can mend, 1 for what went wrong, each with a line on stderr.
pub fn main<A: Parser>(run: impl FnOnce(&A) -> Result<(), Failure>) -> ExitCode {
    let name = A::command().get_name().to_owned();
    ended(&name, args::from_command_line().and_then(|args| run(&args)))
}

/// The exit status of a result.
fn ended(name: &str, result: Result<(), Failure>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Whoever closed our output, as `| head` does, has seen enough.
    let pipe_closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(pipe_closed) {
        return ExitCode::SUCCESS;
    }
    if let Some(args::Help(text)) = error.downcast_ref() {
        let _ = write!(io::stdout(), "{text}");
        return ExitCode::SUCCESS;
    }
    // Nobody is left to tell if that fails.
    let _ = writeln!(io::stderr(), "{name}: {error}");
    if error.is::<Refusal>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// [`main`] with a report, which fails where something in it is not as expected.
pub fn reporting<A: Parser>(run: impl FnOnce(&A, &mut Report) -> Result<(), Failure>) -> ExitCode {
    main(|args| Report::of(|report| run(args, report)))
}

/// An example without flags, with a report.
pub fn chapter(
    name: &'static str,
    run: impl FnOnce(&mut Report) -> Result<(), Failure>,
) -> ExitCode {
    let command = clap::Command::new(name).about("An experiment of the book; takes no flags");
    ended(name, args::parse(command).and_then(|_| Report::of(run)))
}

/// A bar for many steps, with their rate and the time left, on stderr; nothing is drawn where that is
/// not a terminal.
pub fn progress_bar(steps: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("[{bar:30}] {percent} %, {per_sec}, {eta} left")?;
    Ok(ProgressBar::new(steps as u64).with_style(style.progress_chars("=> ")))
}

/// Writes a picture and returns its path.
pub fn write_plot(name: &str, svg: &str) -> Result<String, Failure> {
    let path = Path::new(PLOTS).join(name);
    let result = std::fs::create_dir_all(PLOTS).and_then(|()| std::fs::write(&path, svg));
    result.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path.display().to_string())
}
