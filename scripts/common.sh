# What the scripts share; sourced, with the repository's root as the working directory.

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# The instruction sets to check: the one that GRADKERN_ISA names, or those of this processor, from
# the most general to the fastest.
instruction_sets() {
    local flags
    if [ -n "${GRADKERN_ISA:-}" ]; then
        echo "$GRADKERN_ISA"
        return
    fi
    flags=" $(grep -m1 '^flags' /proc/cpuinfo || true) "
    echo portable
    [[ $flags == *" avx2 "* && $flags == *" fma "* ]] && echo avx2
    [[ $flags == *" avx512f "* && $flags == *" avx512bw "* ]] &&
        [[ $flags == *" avx512dq "* && $flags == *" avx512vl "* ]] && echo avx512
    return 0
}
