//! Linking without the coverage counters of functions that a target does not have. rustc asks to
//! keep them, which is a quarter of a million for libFuzzer to clear and to read at each execution.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,start-stop-gc");
    }
}
