#!/usr/bin/env bash
# The parallel paths under ThreadSanitizer: `scripts/tsan.sh [arguments of cargo test]`.
#
# By default the tests of threads (tests/threads.rs) in `f32`, in pools of 3, on the portable and the
# fastest instruction set or the one that GRADKERN_ISA names; the standard library is built with
# ThreadSanitizer, too, so that it sees every synchronization. Before that a program with a data race
# must be found out. Each access to memory becomes a call, so that everything takes tens of times as
# long. `f64` and AVX2 are left out because what shares out the work is generic over element type and
# vectors, and other pools because all that matters is that tasks run at the same time.
#
# Needs an x86-64 Debian 12 with a network, a toolchain of rustup's, whose ThreadSanitizer runtime is
# linked, and 2 GB in target/debian: the standard library's source is Debian's (rust-web-src), so the
# compiler is Debian's, too (rustc-web). Both are downloaded, once, and unpacked there; nothing is
# installed. Compiling takes several times as long as for `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

host=x86_64-unknown-linux-gnu
runtime=$(echo "$(rustc --print sysroot)/lib/rustlib/$host/lib"/librustc-*_rt.tsan.a)
debian_rustc rust-web-src
export RUSTC=$rustc RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=target/tsan
export CARGO_PROFILE_TEST_DEBUG=false CARGO_PROFILE_DEV_DEBUG=false
# The runtime goes first, as a compiler that brings its own would have it.
export RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Zpre-link-arg=-Wl,--whole-archive \
    -Zpre-link-arg=$runtime -Zpre-link-arg=-Wl,--no-whole-archive"
# Only the code that is tested needs to be fast.
tested() {
    cargo test -q -Zbuild-std --target $host --config 'profile.test.package."*".opt-level=1' \
        --config 'profile.test.opt-level=1' "$@"
}

planted=target/tsan/planted
mkdir -p $planted/src
cat >$planted/Cargo.toml <<EOF
[package]
name = "planted"
edition = "2024"
[workspace]
EOF
# What they meet by puts nothing of one thread before anything of the other.
cat >$planted/src/main.rs <<'EOF'
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
static STARTED: AtomicU32 = AtomicU32::new(0);
static mut COUNT: u64 = 0;
fn main() {
    let count = || {
        STARTED.fetch_add(1, Relaxed);
        while STARTED.load(Relaxed) < 2 {
            std::thread::yield_now();
        }
        unsafe { (&raw mut COUNT).write((&raw const COUNT).read() + 1) };
    };
    std::thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
    });
}
EOF
! cargo run -q -Zbuild-std --target $host --manifest-path $planted/Cargo.toml 2>$planted/log ||
    fail "ThreadSanitizer overlooks a data race"
grep -q "WARNING: ThreadSanitizer: data race" $planted/log ||
    fail "ThreadSanitizer did not start: $(cat $planted/log)"
echo "ThreadSanitizer finds a planted data race"

export GRADKERN_TEST_THREADS=${GRADKERN_TEST_THREADS:-3}
[ $# -gt 0 ] || set -- --test threads -- --skip _f64
for set in $(instruction_sets | sed -n '1p;1!{$p}'); do
    echo "==> ThreadSanitizer, $set"
    GRADKERN_ISA=$set tested "$@"
done
