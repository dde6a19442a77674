//! gradkern beside what its users would take instead: builds and runs `benches/peers`, a crate of its
//! own, so that the peers weigh on nothing else. `cargo bench` leaves it out unless it is named.

use std::path::Path;
use std::process::{Command, exit};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--release", "--locked", "--manifest-path"])
        .arg(root.join("benches/peers/Cargo.toml"))
        .arg("--target-dir")
        .arg(root.join("target/peers"))
        .arg("--")
        .args(std::env::args_os().skip(1).filter(|argument| argument != "--bench"))
        .status()?;
    exit(status.code().unwrap_or(1));
}
