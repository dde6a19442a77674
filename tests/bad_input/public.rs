//! The crate's public functions, as its sources declare them.

use std::path::Path;

/// A public function: `module::name`, or `Type::name` if it is a type's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    pub name: String,
    /// Whether it returns a `Result`.
    pub can_fail: bool,
}

/// What is public in name, but not reached from outside: private modules and those that are hidden
/// from the documentation.
const PRIVATE: [&str; 5] = ["arch", "vector", "reference", "compiled", "gradcheck/tests"];

/// All of them.
pub fn functions() -> Vec<Function> {
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    found.sort();
    assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "names are told apart: {found:#?}");
    found
}

fn visit(folder: &Path, inside: &str, found: &mut Vec<Function>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let module = format!("{inside}{stem}");
        if PRIVATE.contains(&module.as_str()) {
            continue;
        }
        if path.is_dir() {
            visit(&path, &format!("{module}/"), found);
        } else if stem != "tests" {
            let text = std::fs::read_to_string(&path).expect("a source");
            // `gemm/mod.rs` is the module `gemm`.
            let module = module.strip_suffix("/mod").unwrap_or(&module);
            scan(&text, module, found);
        }
    }
}

/// Adds the functions of a file. The sources are as `cargo fmt` leaves them: what is at the left
/// margin begins or ends an item, and a signature ends with the line that opens its body.
fn scan(text: &str, module: &str, found: &mut Vec<Function>) {
    let mut owner = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("mod tests {") {
            return;
        }
        if line.starts_with("impl") {
            owner = Some(implementor(&until_brace(line, &mut lines)));
        } else if line == "}" {
            owner = None;
        }
        let Some(rest) = line.trim_start().strip_prefix("pub fn ") else { continue };
        let name = rest.split(['(', '<']).next().expect("a name");
        let signature = until_brace(rest, &mut lines);
        let name = format!("{}::{name}", owner.as_deref().unwrap_or(module));
        found.push(Function { name, can_fail: signature.contains("-> Result<") });
    }
}

/// What begins with `line`, up to the brace that opens its body.
fn until_brace<'a>(line: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = line.to_owned();
    while !whole.ends_with(['{', '}']) {
        whole += lines.next().expect("the rest of it");
    }
    whole
}

/// The type of an `impl` line, without its parameters.
fn implementor(line: &str) -> String {
    let line = line.split(" for ").last().expect("at least one part");
    // Without `impl` and its parameters, which may have bounds, but no brackets within brackets.
    let line = line.trim_start_matches("impl");
    let line = line.strip_prefix('<').map_or(line, |rest| rest.split_once('>').expect("its end").1);
    line.trim().split([' ', '<', '{']).next().expect("a type").to_owned()
}
