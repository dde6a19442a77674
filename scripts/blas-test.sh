#!/usr/bin/env bash
# netlib's BLAS testers, xblat3s and xblat3d, on this crate's kernel: `scripts/blas-test.sh`.
#
# Builds ffi/, which exports sgemm_ and dgemm_, and preloads it. All 17,496 calls of each must pass,
# and the error exits, on every instruction set of this processor (or the one GRADKERN_ISA names);
# first with the extents 0 to 9 that the testers come with, then with extents up to 65, which reach
# over tiles. Then an error of 4e-6, planted in one element of each product, must be found.
#
# Needs Debian's apt-get and dpkg (x86-64) with a network: it downloads libblas-test, libblas3,
# libgfortran5 and libquadmath0, once, and unpacks them in target/blas; nothing is installed.
# Takes a minute, most of it to compile.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
root=$PWD
dir=$root/target/blas
lib=$dir/usr/lib/x86_64-linux-gnu

if [ ! -x "$lib/blas/xblat3d" ]; then
    mkdir -p "$dir"
    (cd "$dir" && apt-get download libblas-test libblas3 libgfortran5 libquadmath0)
    for package in "$dir"/*.deb; do dpkg -x "$package" "$dir"; done
fi
cargo build --release --manifest-path ffi/Cargo.toml --target-dir target/ffi
preload=$root/target/ffi/release/libgradkern_blas.so

# Runs a tester (s or d) with these extents and prints its summary.
summary() {
    local letter=$1 extents=$2 input work
    work=$(mktemp -d)
    input=$lib/blas/${letter}blat3.in
    # Only GEMM is ours; the other routines are netlib's own.
    sed -e "/GEMM/!s/T PUT F/F PUT F/" -e "s/^[0-9 ]*VALUES OF N\$/$extents VALUES OF N/" \
        "$input" >"$work/in"
    (cd "$work" && LD_LIBRARY_PATH=$lib:$lib/blas LD_PRELOAD=$preload \
        "$lib/blas/xblat3$letter" <in && cat ./*.out)
    rm -r "$work"
}

for set in $(instruction_sets); do
    export GRADKERN_ISA=$set
    for letter in s d; do
        for extents in "0 1 2 3 5 9" "1 14 31 33 48 65"; do
            found=$(summary $letter "$extents")
            grep -q "GEMM  PASSED THE COMPUTATIONAL TESTS ( 17496 CALLS)" <<<"$found" ||
                fail "xblat3$letter with extents $extents on $set: $found"
            grep -q "GEMM  PASSED THE TESTS OF ERROR-EXITS" <<<"$found" ||
                fail "error exits of xblat3$letter on $set: $found"
            ! grep -qE "FAIL|SUSPECT|FATAL" <<<"$found" || fail "xblat3$letter on $set: $found"
            echo "xblat3$letter, extents $extents, $set: 17496 calls and the error exits pass"
        done
        found=$(GRADKERN_BLAS_ERROR=4e-6 summary $letter "0 1 2 3 5 9")
        how=$(grep -oE "MAXIMUM TEST RATIO .* - SUSPECT|GEMM +FAILED ON CALL NUMBER" <<<"$found") ||
            fail "xblat3$letter on $set does not find a planted error: $found"
        echo "xblat3$letter, $set: finds a planted error of 4e-6: $how"
    done
done
