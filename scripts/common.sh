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

# The arguments of cargo test for all tests but those named.
all_tests_but() {
    local test
    for test in tests/*.rs; do
        test=$(basename "$test" .rs)
        [[ " $* " == *" $test "* ]] || echo "--test=$test"
    done
}

# Unpacks Debian's compiler (rustc-web), and the packages named, in target/debian/root, once;
# nothing is installed, and apt's own state stays as it is. Sets $root to where they lie, and $rustc
# to a command that starts the compiler from there.
debian_rustc() {
    local dir=$PWD/target/debian std llvm base=() missing=() package
    root=$dir/root rustc=$dir/rustc
    mkdir -p "$dir"/{lists,archives}/partial "$root"
    cat >"$dir/apt.conf" <<EOF
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/archives";
EOF
    for package in rustc-web "$@"; do
        [ -e "$dir/${package/:/_}" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    (
        export APT_CONFIG=$dir/apt.conf
        apt-get -qq update
        if [[ " ${missing[*]} " == *" rustc-web "* ]]; then
            std=$(apt-cache depends libstd-rust-web-dev:amd64 | grep -o 'libstd-rust-web-[0-9].*')
            llvm=$(apt-cache depends "$std:amd64" | grep -o 'libllvm[0-9]*')
            base=(libstd-rust-web-dev "$std" "$llvm")
        fi
        cd "$dir/archives"
        apt-get -qq download "${base[@]}" "${missing[@]}"
    )
    for package in "$dir"/archives/*.deb; do
        dpkg -x "$package" "$root"
        rm "$package"
    done
    for package in "${missing[@]}"; do touch "$dir/${package/:/_}"; done
    cat >"$rustc" <<EOF
#!/bin/sh
LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu exec $root/usr/bin/rustc --sysroot $root/usr "\$@"
EOF
    chmod +x "$rustc"
}
