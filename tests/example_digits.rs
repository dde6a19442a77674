//! The digits example as its user runs it: what it prints, what it writes, and how it refuses.

#[path = "common/example.rs"]
mod example;

use example::{assert_well_formed, labels, run_example, text};
use std::path::PathBuf;
use std::process::Output;

/// Runs the example in a directory of its own.
fn run(directory: &str, arguments: &[&str]) -> (Output, PathBuf) {
    run_example("digits", directory, arguments, None)
}

/// The number in `test accuracy: 0.1234`.
fn accuracy(stdout: &str) -> f64 {
    let last = stdout.lines().last().expect("some output");
    let number = last.strip_prefix("test accuracy: ").expect("the last line");
    assert_eq!(number.len(), 6, "{last}");
    number.parse().expect("a number")
}

#[test]
fn the_default_run_reads_97_of_100_digits() {
    let (output, directory) = run("digits-default", &[]);
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(accuracy(stdout) >= 0.97, "{stdout}");
    assert_eq!(text(&output.stderr), "", "no progress bar where there is no terminal");
    assert!(stdout.contains(" samples per second"), "{stdout}");

    let wrong = 360 - correct(stdout);
    assert_eq!(format!("{:.4}", 1.0 - wrong as f64 / 360.0), format!("{:.4}", accuracy(stdout)));
    let plot = |name: &str| {
        let path = ["target", "plots", name].iter().collect::<PathBuf>();
        assert!(stdout.lines().any(|line| line == path.display().to_string()), "{stdout}");
        let svg = std::fs::read_to_string(directory.join(path)).expect("the plot was written");
        assert_well_formed(&svg);
        svg
    };
    let curves = plot("digits.svg");
    for label in ["Loss", "Accuracy", "epoch", "training digits", "test digits"] {
        assert!(labels(&curves).contains(&label), "{label}: {:?}", labels(&curves));
    }
    let mistakes = plot("digits_mistakes.svg");
    let count = |start| labels(&mistakes).iter().filter(|label| label.starts_with(start)).count();
    assert_eq!((count("said "), count("is ")), (wrong, wrong));
}

/// The sum of the diagonal of the printed confusion matrix.
fn correct(stdout: &str) -> usize {
    let rows = stdout.lines().skip_while(|line| !line.starts_with("is \\ said")).skip(1).take(10);
    let diagonal = rows.enumerate().map(|(digit, row)| {
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!((cells[0], cells.len()), (digit.to_string().as_str(), 13), "{row}");
        cells[1 + digit].parse::<usize>().unwrap_or(0)
    });
    diagonal.sum()
}

#[test]
fn flags_are_obeyed_and_a_seed_repeats_its_run() {
    let flags = ["--epochs", "2", "--batch", "50", "--learning-rate", "0.05", "--hidden", "30"];
    let run = |more: &[&str], directory| {
        let (output, _) = run(directory, &[&flags, more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (first, rest) = text(&output.stdout).split_once('\n').expect("a heading");
        let (matrix, _) = rest.split_once("samples per second").expect("the speed");
        let (matrix, _) = matrix.rsplit_once('\n').expect("a line before the speed");
        (first.to_owned(), matrix.to_owned())
    };
    let (heading, first) = run(&["--seed", "3"], "digits-first");
    for part in ["64-30-10 ", "1437 ", "360 ", "2 epochs", "batch 50", "rate 0.05", "seed 3"] {
        assert!(heading.contains(part), "{heading}");
    }
    assert_eq!(run(&["--seed", "3"], "digits-again").1, first);
    assert_ne!(run(&["--seed", "4"], "digits-other").1, first);
    #[cfg(feature = "rayon")]
    {
        let (heading, matrix) = run(&["--seed", "3", "--threads", "2"], "digits-threads");
        assert!(heading.ends_with("2 threads"), "{heading}");
        assert_eq!(matrix, first);
    }
}

#[test]
fn one_bad_epoch_shows_all_its_mistakes() {
    let flags = ["--epochs", "1", "--learning-rate", "1e-6", "--batch", "1437"];
    let (output, directory) = run("digits-bad", &flags);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let wrong = 360 - correct(text(&output.stdout));
    assert!(wrong > 180, "a network that learned nothing had {wrong} digits wrong");
    let svg = std::fs::read_to_string(directory.join("target/plots/digits_mistakes.svg"));
    let svg = svg.expect("the plot was written");
    assert_well_formed(&svg);
    assert_eq!(labels(&svg).iter().filter(|label| label.starts_with("said ")).count(), wrong);
}

#[test]
fn help_names_every_flag() {
    let (output, _) = run("digits-help", &["--help"]);
    assert!(output.status.success());
    for flag in ["epochs", "batch", "learning-rate", "hidden", "seed", "threads", "help"] {
        assert!(text(&output.stdout).contains(&format!("--{flag}")), "{flag}");
    }
}

/// A mistake ends with status 2 and one line on stderr that names it, and nothing else.
fn assert_refused(arguments: &[&str], named: &str) {
    let (output, directory) = run("digits-refused", arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(stderr.ends_with('\n') && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    assert!(stderr.contains(named), "{arguments:?}: {stderr}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert!(!directory.join("target").exists(), "{arguments:?}");
}

#[test]
fn a_bad_value_gets_one_line_and_status_2() {
    let bad: [(&str, &[&str]); 6] = [
        ("--epochs", &["0", "-1", "1.5", "many", "", "10001", "99999999999999999999999"]),
        ("--batch", &["0", "-1", "1438", "x"]),
        ("--learning-rate", &["0", "-0.1", "NaN", "inf", "-inf", "1e30", "fast", "1e-60"]),
        ("--hidden", &["0", "64,0", "64,,32", "", "-64", "4097", "1,1,1,1,1,1,1,1,1", "a\n\nb"]),
        ("--seed", &["-1", "1.5", "18446744073709551616", "x"]),
        ("--threads", &["0", "-1", "257", "two"]),
    ];
    for (flag, values) in bad {
        for value in values {
            assert_refused(&[flag, value], flag);
            assert_refused(&[&format!("{flag}={value}")], flag);
        }
        assert_refused(&[flag], flag);
    }
    for unknown in ["--epoch", "-e", "digits"] {
        assert_refused(&[unknown], "unexpected argument");
    }
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused() {
    let (output, _) = run_example("digits", "digits-isa", &[], Some("abacus"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("GRADKERN_ISA") && output.stdout.is_empty());
}
