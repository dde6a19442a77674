#!/usr/bin/env bash
# Fuzzing: `scripts/fuzz.sh [-s SECONDS | -n EXECUTIONS] [-m] [TARGET...]`.
#
# Builds the targets of fuzz/ (all of them, or those named) under AddressSanitizer with libFuzzer's
# coverage, and runs each for some seconds (-s, 10 by default) or executions (-n) on every
# instruction set of this processor, or the one that GRADKERN_ISA names, from the corpus in
# fuzz/corpus. What is found on the way is kept in target/fuzz/corpus; -m then merges it into
# fuzz/corpus, as few inputs as take every edge that all of them take on these sets. An input that
# fails is written to fuzz/artifacts, and ends the script.
#
# Needs a C++ compiler, for libFuzzer. `cargo fuzz run -O TARGET` (cargo-fuzz from crates.io, with
# RUSTC_BOOTSTRAP=1) does the same and is not needed. Building takes five minutes of one processor.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

limit=-max_total_time=10 merge=
while getopts s:n:m option; do
    case $option in
    s) limit=-max_total_time=$OPTARG ;;
    n) limit=-runs=$OPTARG ;;
    m) merge=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
targets=("$@")
[ $# -gt 0 ] || targets=(gemm dense softmax_cross_entropy mlp_step views)

host=$(rustc -vV | sed -n 's/^host: //p')
# As cargo-fuzz does, but for what makes an execution slow and finds nothing here: no calls at each
# comparison, for no branch waits for a certain number; and in the kernels a counter for each
# function, not for each edge of each unrolled tile, of which there are a quarter of a million. A
# target given by name keeps the flags from build scripts.
coverage() { echo "profile.release.$1rustflags=['-Cllvm-args=-sanitizer-coverage-level=$2']"; }
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    --cfg fuzzing" cargo build --release --manifest-path fuzz/Cargo.toml -Zprofile-rustflags \
    --config "$(coverage '' 3)" --config "$(coverage 'package."*".' 1)" \
    --target-dir target/fuzz --target "$host" --bins

# Memory that was freed is kept from use for 1 MiB, not 256, which would be in no cache; no stack is
# recorded at each allocation (to see them in a report, run the program on the artifact); and
# functions' variables are not moved to the heap.
export ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=256
ASAN_OPTIONS+=:malloc_context_size=0:detect_stack_use_after_return=0

# Choosing inputs by entropy takes libFuzzer as long as an execution takes.
options=(-entropic=0 -detect_leaks=0 -reload=0 -timeout=10 -print_final_stats=1)
for target in "${targets[@]}"; do
    program=target/fuzz/$host/release/$target
    found=target/fuzz/corpus/$target
    mkdir -p "$found" "fuzz/corpus/$target" "fuzz/artifacts/$target"
    for set in $(instruction_sets); do
        echo "==> $target on $set with $limit"
        GRADKERN_ISA=$set "$program" "$found" "fuzz/corpus/$target" "$limit" "${options[@]}" \
            -artifact_prefix="fuzz/artifacts/$target/" 2>&1 |
            grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)' ||
            fail "$target on $set"
    done
    if [ -n "$merge" ]; then
        rm -rf "target/fuzz/merged" && mkdir "target/fuzz/merged"
        for set in $(instruction_sets); do
            GRADKERN_ISA=$set "$program" -set_cover_merge=1 -use_counters=0 -detect_leaks=0 \
                target/fuzz/merged "fuzz/corpus/$target" "$found" 2>/dev/null
        done
        rm -r "fuzz/corpus/$target" && mv target/fuzz/merged "fuzz/corpus/$target"
    fi
done
