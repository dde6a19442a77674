#!/usr/bin/env bash
# The tests on another processor: `scripts/aarch64.sh [arguments of cargo test]`.
#
# Builds the tests for aarch64 Linux and runs them under qemu-user, where the portable engine does
# all the work: by default the library's unit tests and every test, each property on 24 cases.
#
# Left out are `example_book` and `example_digits`, `a_guard_page_stops_the_process` and
# `an_unknown_instruction_set`, which start programs of their own, as the kernel here cannot without
# being told how; and `large_head_memory` and `memory_growth`, which would measure the emulator.
#
# Needs an x86-64 Debian 12 with a network, any cargo, and 2 GB in target/debian: it downloads
# Debian's compiler (rustc-web) with its standard library for both processors, a linker and
# qemu-user-static, once, and unpacks them there; nothing is installed. Tests take
# tens of times as long as on the processor itself.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
debian_rustc libstd-rust-web-dev:arm64 qemu-user-static binutils-aarch64-linux-gnu \
    gcc-12-aarch64-linux-gnu cpp-12-aarch64-linux-gnu libgcc-12-dev-arm64-cross libgcc-s1-arm64-cross libc6-arm64-cross \
    libc6-dev-arm64-cross
# Makes a command in target/debian that starts a tool from where it and its libraries lie.
wrap() {
    cat >"target/debian/$1" <<EOF
#!/bin/sh
PATH=$root/usr/bin:\$PATH LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu exec $2 "\$@"
EOF
    chmod +x "target/debian/$1"
}
wrap aarch64-gcc "aarch64-linux-gnu-gcc-12 --sysroot=$root"
wrap aarch64-ar aarch64-linux-gnu-ar
# A dependency of the benchmarks' holds C.
export CC_aarch64_unknown_linux_gnu=$PWD/target/debian/aarch64-gcc
export AR_aarch64_unknown_linux_gnu=$PWD/target/debian/aarch64-ar
export RUSTC=$rustc CARGO_TARGET_DIR=target/aarch64 CARGO_INCREMENTAL=0
export CARGO_PROFILE_TEST_DEBUG=false CARGO_PROFILE_DEV_DEBUG=false
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$PWD/target/debian/aarch64-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$root/usr/bin/qemu-aarch64-static -L $root/usr/aarch64-linux-gnu"
unset GRADKERN_ISA RUSTFLAGS RUSTC_WRAPPER
export PROPTEST_CASES=${PROPTEST_CASES:-24}
if [ $# -eq 0 ]; then
    mapfile -t tests < <(all_tests_but example_book example_digits large_head_memory memory_growth)
    set -- --no-fail-fast --lib "${tests[@]}" -- --skip a_guard_page_stops_the_process \
        --skip an_unknown_instruction_set
fi
# Of the dependencies only the engine has to be fast.
cargo test --target aarch64-unknown-linux-gnu --config 'profile.test.package."*".opt-level=0' \
    --config 'profile.test.package.matrixmultiply.opt-level=2' "$@"
