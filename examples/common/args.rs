//! The command line: which values are allowed, and one line for a bad one.

use super::{Failure, Refusal};
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, Parser};
use gradkern::isa;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;

/// The text that the user asked for.
#[derive(Debug)]
pub struct Help(pub String);

impl Error for Help {}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The arguments of this process, and an instruction set that is there.
pub fn from_command_line<A: Parser>() -> Result<A, Failure> {
    A::from_arg_matches(&parse(A::command())?).map_err(stop)
}

/// The arguments of this process as a command has them.
pub fn parse(command: Command) -> Result<ArgMatches, Failure> {
    let arguments = std::env::args_os().map(printable);
    let matches = command.try_get_matches_from(arguments).map_err(stop)?;
    isa::current().map_err(|error| Refusal(error.to_string()))?;
    Ok(matches)
}

/// An argument without line breaks, so that a message that quotes it stays on one line. No valid
/// value is changed.
fn printable(argument: OsString) -> OsString {
    argument.to_string_lossy().escape_debug().to_string().into()
}

fn stop(error: clap::Error) -> Failure {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelp {
        return Help(text).into();
    }
    let first = text.lines().next().unwrap_or_default();
    Refusal(first.trim_start_matches("error: ").to_owned()).into()
}

/// A whole number of a range.
pub fn whole<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (MIN..=MAX).contains(&n) => Ok(n),
        _ => Err(format!("expected a whole number from {MIN} to {MAX}")),
    }
}

/// A seed of a generator.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}
