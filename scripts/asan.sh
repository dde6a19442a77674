#!/usr/bin/env bash
# The tests under AddressSanitizer: `scripts/asan.sh [arguments of cargo test]`.
#
# By default the library's unit tests, which go through the instruction sets themselves, and then
# every test on every instruction set of this processor or the one that GRADKERN_ISA names, each
# property on 64 cases (the fuzz targets try millions under AddressSanitizer). Before that a program
# that reads beyond an allocation must be stopped.
#
# Left out are `example_book` and `example_digits`, whose programs are not instrumented, and
# `large_head_memory` and `memory_growth`, which measure what the process holds: AddressSanitizer
# holds back what is freed, and remembers what is allowed.
#
# Needs nothing but the Rust toolchain, whose unstable flags RUSTC_BOOTSTRAP allows, and x86-64 or
# aarch64 Linux. Compiling takes several times as long as for `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_INCREMENTAL=0
export CARGO_TARGET_DIR=target/asan CARGO_PROFILE_TEST_DEBUG=false CARGO_PROFILE_DEV_DEBUG=false
# Instrumented kernels take long to compile; what debug assertions find, `cargo test` finds.
export CARGO_PROFILE_TEST_OPT_LEVEL=1 CARGO_PROFILE_TEST_DEBUG_ASSERTIONS=false
export PROPTEST_CASES=${PROPTEST_CASES:-64}
# Some test counts what is allocated; what rayon's threads and test threads leave is no leak.
# The tests of guard pages die of the signal itself, and others ask for more memory than there is.
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:allocator_may_return_null=1

mkdir -p "$CARGO_TARGET_DIR"
planted=$CARGO_TARGET_DIR/planted
echo 'fn main() {
    let v = vec![1_u8; std::env::args().count() + 6];
    println!("{}", unsafe { v.as_ptr().add(7).read_volatile() });
}' | rustc --crate-name planted -O -Zsanitizer=address --target "$host" -o "$planted" -
! "$planted" >/dev/null 2>"$planted.log" || fail "AddressSanitizer overlooks an access beyond a vector"
grep -q heap-buffer-overflow "$planted.log" || fail "AddressSanitizer did not start: $(cat "$planted.log")"
echo "AddressSanitizer finds a planted access beyond a vector"

tested() {
    cargo test --target "$host" --config 'profile.test.package."*".opt-level=0' \
        --config 'profile.test.package.matrixmultiply.opt-level=2' "$@"
}

if [ $# -eq 0 ]; then
    echo "==> AddressSanitizer, unit tests"
    tested --lib
    mapfile -t tests < <(all_tests_but example_book example_digits large_head_memory memory_growth)
    set -- --no-fail-fast "${tests[@]}"
fi
for set in $(instruction_sets); do
    echo "==> AddressSanitizer, $set"
    GRADKERN_ISA=$set tested "$@"
done
