//! Examples as their users run them, and the SVG they write.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The example that `cargo test` has built, beside this test. A run of this test alone does not
/// build it, and builds it here.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let example = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !example.exists() {
        build(name, profile);
    }
    assert!(example.exists(), "{} was not built", example.display());
    example
}

fn build(name: &str, profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name, "--profile"]);
    let profile = profile.file_name().expect("a directory");
    if profile == "debug" {
        cargo.arg("test")
    } else {
        cargo.arg(profile)
    };
    if !cfg!(feature = "rayon") {
        cargo.arg("--no-default-features");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "cargo could not build {name}");
}

/// Runs an example in a directory of its own, which is returned; `isa` is the instruction set that
/// it is told to use instead of this test's.
pub fn run_example(
    name: &str,
    directory: &str,
    arguments: &[&str],
    isa: Option<&str>,
) -> (Output, PathBuf) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(directory);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory for the plots");
    let mut command = Command::new(example(name));
    command.args(arguments).current_dir(&directory);
    if let Some(isa) = isa {
        command.env("GRADKERN_ISA", isa);
    }
    (command.output().expect("the example runs"), directory)
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The text between `>` and `</text>` of every text element.
pub fn labels(svg: &str) -> Vec<&str> {
    svg.split("</text>").filter_map(|part| part.rsplit('>').next()).map(str::trim).collect()
}

/// Panics unless tags are closed in the order in which they were opened, with one root.
pub fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut roots = 0;
    for tag in svg.split('<').skip(1) {
        let (tag, after) = tag.split_once('>').expect("`<` without `>`");
        assert!(!after.contains('>') && tag.matches('"').count() % 2 == 0, "<{tag}>{after}");
        let name = tag.split_whitespace().next().expect("a name");
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "<{tag}>");
        } else if !tag.ends_with('/') {
            roots += usize::from(open.is_empty());
            open.push(name);
        }
    }
    assert!(open.is_empty() && roots == 1, "{open:?} left open, {roots} roots");
}
