#!/usr/bin/env bash
# Plants errors in the kernels, one at a time, and lists those that no test catches:
# `scripts/mutants.sh [options of cargo mutants]`, for instance `--list`, `--shard 1/100`,
# `--file src/loss.rs` or `--in-diff change.diff`. What it finds is left in `target/mutants.out`.
#
# Needs cargo-mutants (`cargo install cargo-mutants`). A mutant takes about as long as the crate takes
# to compile, and some ten seconds of tests; `scripts/mutants.py` compiles those of a file together.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_INCREMENTAL=0 CARGO_PROFILE_TEST_DEBUG=false
if [[ " $* " != *" --file "* ]]; then
    for file in 'src/vector/*.rs' 'src/gemm/*.rs' 'src/softmax_cross_entropy/*.rs' src/dense.rs \
        src/dense_cross_entropy.rs src/softmax.rs src/softmax_cross_entropy.rs src/cross_entropy.rs \
        src/loss.rs src/relu.rs src/metrics.rs src/optimizer.rs; do
        set -- "$@" --file "$file"
    done
fi
# Compiling takes longer than testing, so optimize a little. What prices the ways to compute a
# product, and what says how much work something is, changes nothing but the time it takes.
exec cargo mutants \
    --exclude 'src/**/tests.rs' --exclude src/gemm/plan.rs --exclude-re 'replace (work|tiles_price|dots_price) ' \
    --output target --timeout 600 --minimum-test-timeout 300 \
    --cargo-arg=--config=profile.test.package.gradkern.opt-level=1 \
    "$@" \
    -- --lib --test bad_input --test edge_values --test golden --test gradients --test prop_dense \
    --test prop_dense_cross_entropy --test prop_gemm --test prop_loss --test prop_metrics \
    --test prop_optimizer --test prop_relu --test prop_softmax --test threads
