//! The examples of the book's chapters as their users run them: that they find everything as
//! expected, the numbers they are about, and the pictures they draw.

#[path = "../examples/common/mod.rs"]
#[allow(missing_docs)]
mod common;
#[path = "common/example.rs"]
mod example;

use common::report::Report;
use example::{assert_well_formed, labels, run_example, text};

/// Runs an example that must end well; returns what it printed. Each of `numbers` must be in there
/// twice, expected and got, and each picture must be written and have the labels.
#[track_caller]
fn assert_runs(
    name: &str,
    arguments: &[&str],
    numbers: &[&str],
    pictures: &[(&str, &[&str])],
) -> String {
    let (output, directory) = run_example(name, name, arguments, None);
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{}{stdout}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no progress bar where there is no terminal");
    assert!(stdout.contains(" comparisons are as expected") || numbers.is_empty(), "{stdout}");
    for number in numbers {
        assert!(stdout.matches(number).count() >= 2, "{number}: {stdout}");
    }
    for (picture, expected) in pictures {
        let path = directory.join("target/plots").join(picture);
        let svg = std::fs::read_to_string(&path).expect("the picture was written");
        assert_well_formed(&svg);
        let found = labels(&svg);
        for label in *expected {
            assert!(found.contains(label), "{picture}: no {label} among {found:?}");
        }
        assert!(stdout.contains(picture), "{picture} is not named: {stdout}");
    }
    stdout.to_owned()
}

#[test]
fn ch04_softmax() {
    let numbers = [
        "22026.465794806718",
        "NaN NaN NaN",
        "0.09003057 0.24472847 0.66524096",
        "0.18632372 0.30719589 0.50648039",
    ];
    let labels: &[&str] = &["scale s", "probability", "Where exp(x) overflows"];
    assert_runs("ch04_softmax", &[], &numbers, &[("ch04_softmax.svg", labels)]);
}

#[test]
fn ch05_loss() {
    let numbers = ["0.38506088", "16.11809565", "1.00000005e-7", "1.0986104", "0.34"];
    let labels: &[&str] = &["-ln p", "clipped to 1e-7", "probability", "loss"];
    assert_runs("ch05_loss", &[], &numbers, &[("ch05_loss.svg", labels)]);
}

#[test]
fn ch06_random_search() {
    let classes: &[&str] = &["class 0", "class 1", "class 2", "Vertical data", "Spirals"];
    let curves: &[&str] =
        &["iteration", "lowest loss", "(a) drawn anew", "(b) changed, kept if better"];
    let pictures =
        [("ch06_data.svg", classes), ("ch06_regions.svg", classes), ("ch06_loss.svg", curves)];
    let stdout = assert_runs("ch06_random_search", &["--seeds", "1"], &[], &pictures);
    assert!(stdout.contains("4 of 4 comparisons are as expected"), "{stdout}");
    assert!(stdout.contains("\n40000 iterations, "), "{stdout}");
}

/// Ctrl-C ends a search that would take hours, with what it has found.
#[test]
#[cfg(unix)]
fn ctrl_c_shows_the_best_so_far() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let (output, directory) = run_example("ch06_random_search", "ch06-help", &["--help"], None);
    assert!(output.status.success());
    let mut search = Command::new(example::example("ch06_random_search"))
        .args(["--iterations", "1000000000", "--seeds", "1"])
        .current_dir(&directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut stdout = BufReader::new(search.stdout.take().expect("a pipe"));
    let mut printed = String::new();
    stdout.read_line(&mut printed).expect("the first line");
    assert!(printed.contains("Ctrl-C shows the best so far"), "{printed}");
    let kill = Command::new("kill").args(["-INT", &search.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    stdout.read_to_string(&mut printed).expect("the rest");
    assert!(search.wait().expect("it ends").success(), "{printed}");
    assert_eq!(printed.matches("\nloss ").count(), 4, "{printed}");
    assert!(directory.join("target/plots/ch06_loss.svg").exists());
}

#[test]
fn ch07_derivatives() {
    let numbers = ["4.0001999999987845", "16.000200000016548", "448.0000 4.5625 37.0000 2133.0000"];
    let tangents: &[&str] = &["2x² and its tangents", "tangent at 0", "tangent at 4"];
    let errors: &[&str] = &["forward", "central", "the best δ, forward", "the best δ, central"];
    let pictures = [("ch07_tangents.svg", tangents), ("ch07_errors.svg", errors)];
    assert_runs("ch07_derivatives", &[], &numbers, &pictures);
}

#[test]
fn ch08_gradient() {
    let numbers = ["27.0000 2.0000 12.0000", "-36905.6250"];
    assert_runs("ch08_gradient", &[], &numbers, &[("ch08_gradient.svg", &["x", "y"])]);
}

#[test]
fn ch09_backprop() {
    let numbers = [
        "-3.001 -0.998 1.997",
        "5.985",
        "20.1 20.1 20.1",
        "0.03333333 -0.16666667 0.13333333",
        "1.5766e-4 7.837e-5",
        "21 of 21",
    ];
    let labels: &[&str] = &["weights 1", "biases 2", "relative error", "parameter"];
    assert_runs("ch09_backprop", &[], &numbers, &[("ch09_gradients.svg", labels)]);
}

#[test]
fn spiral() {
    let regions: &[&str] = &["SGD, epoch 2001", "Adam, epoch 2001", "class 2"];
    let loss: &[&str] = &["SGD", "Momentum", "Adam", "epoch", "loss"];
    let pictures = [("spiral_02001.svg", regions), ("spiral.svg", loss)];
    let stdout = assert_runs("spiral", &["--epochs", "2001", "--every", "1000"], &[], &pictures);
    assert!(stdout.contains("1 of 1 comparisons are as expected"), "{stdout}");
    for picture in ["spiral_00000.svg", "spiral_01000.svg", "spiral_02000.svg"] {
        assert!(stdout.contains(picture), "{stdout}");
    }
}

#[test]
fn flags_that_are_no_good_are_refused() {
    for (name, arguments) in [
        ("ch04_softmax", ["--epochs", "3"]),
        ("ch06_random_search", ["--iterations", "0"]),
        ("ch06_random_search", ["--iterations", "1000000001"]),
        ("ch06_random_search", ["--seeds", "many"]),
        ("spiral", ["--every", "-1"]),
    ] {
        let (output, directory) = run_example(name, "book-refused", &arguments, None);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(arguments[0]) && stderr.lines().count() == 1, "{stderr}");
        assert!(!directory.join("target").exists());
    }
}

/// What is expected of a number, and whether it passes.
#[test]
fn a_report_fails_where_a_printed_digit_differs() {
    let passes = |printed: &str, got: f64| {
        Report::of(|report| {
            report.number("a number", printed, got);
            Ok(())
        })
        .is_ok()
    };
    assert!(passes("0.38506088", 0.385_060_880_05));
    assert!(passes("0.38506088", 0.385_060_884_9) && !passes("0.38506088", 0.385_060_885_1));
    assert!(passes("1.00000005e-7", 1.000_000_049_47e-7));
    assert!(!passes("1.0000005e-7", 1.000_000_049_47e-7));
    assert!(passes("4.0001999999987845", 4.000_199_999_998_784_5));
    assert!(!passes("4.0001999999987845", 4.000_199_999_998_344));
    assert!(passes("inf", f64::INFINITY) && !passes("inf", f64::NEG_INFINITY));
    assert!(passes("NaN", f64::NAN) && !passes("NaN", 0.0) && !passes("0", f64::NAN));
    assert!(!passes("", 1.0) && !passes("six", 6.0));
    let two = |got: &[f32]| {
        Report::of(|report| {
            report.numbers("two numbers", "1 2", got);
            report.holds("that holds", "yes", "yes", true);
            Ok(())
        })
    };
    assert!(two(&[1.0, 2.0]).is_ok() && two(&[1.0]).is_err() && two(&[1.0, 2.0, 3.0]).is_err());
    let error = two(&[1.0, 3.0]).map_err(|error| error.to_string());
    assert_eq!(error, Err("1 of 2 comparisons differ".to_owned()));
}
