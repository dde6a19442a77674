#!/usr/bin/env bash
# Fuzzing: `scripts/fuzz.sh [-s SECONDS] [-m] [TARGET...]`.
#
# Builds the targets of fuzz/ (all of them, or those named) under AddressSanitizer with libFuzzer's
# coverage, and runs each for some seconds (-s, 10 by default) on every instruction set of this
# processor, or the one that GRADKERN_ISA names, from the corpus in fuzz/corpus. What is found on
# the way is kept in target/fuzz/corpus; -m then merges it into fuzz/corpus, as few inputs as have
# the coverage of all. An input that fails is written to fuzz/artifacts, and ends the script.
#
# Needs a C++ compiler, for libFuzzer. `cargo fuzz run -O TARGET` (cargo-fuzz from crates.io, with
# RUSTC_BOOTSTRAP=1) does the same and is not needed. Building takes five minutes of one processor.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

seconds=10 merge=
while getopts s:m option; do
    case $option in
    s) seconds=$OPTARG ;;
    m) merge=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
targets=("$@")
[ $# -gt 0 ] || targets=(gemm dense softmax_cross_entropy mlp_step views)

host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes. A target given by name keeps the flags from build scripts.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing" cargo build --release --manifest-path fuzz/Cargo.toml \
    --target-dir target/fuzz --target "$host" --bins

for target in "${targets[@]}"; do
    program=target/fuzz/$host/release/$target
    found=target/fuzz/corpus/$target
    mkdir -p "$found" "fuzz/corpus/$target" "fuzz/artifacts/$target"
    for set in $(instruction_sets); do
        echo "==> $target on $set for $seconds s"
        GRADKERN_ISA=$set "$program" "$found" "fuzz/corpus/$target" -max_total_time="$seconds" \
            -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 -timeout=10 \
            2>&1 | grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)' ||
            fail "$target on $set"
    done
    if [ -n "$merge" ]; then
        rm -rf "target/fuzz/merged" && mkdir "target/fuzz/merged"
        "$program" -merge=1 target/fuzz/merged "fuzz/corpus/$target" "$found" 2>/dev/null
        rm -r "fuzz/corpus/$target" && mv target/fuzz/merged "fuzz/corpus/$target"
    fi
done
