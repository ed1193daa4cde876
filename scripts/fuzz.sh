#!/bin/sh
# Runs libFuzzer on one target of fuzz/, or on each in turn, and installs what that needs.
#   scripts/fuzz.sh [TARGET|all] [SECONDS]     SECONDS for each target, 600 unless told
# What it finds lies in fuzz/artifacts/TARGET; fuzz/README.md says what to do with it.
set -eu

cd "$(dirname "$0")/.."
target=${1:-all}
seconds=${2:-600}
build=${CARGO_TARGET_DIR:-target}
mkdir -p "$build"
build=$(cd "$build" && pwd)
PATH=$PATH:$build/tools/bin:$HOME/.cargo/bin
export PATH

all=$(ls fuzz/targets | sed 's/\.rs$//')
case $target in
all) targets=$all ;;
*)
    if [ ! -e "fuzz/targets/$target.rs" ]; then
        echo "fuzz.sh: no target '$target'. There are: $(echo $all)" >&2
        exit 64
    fi
    targets=$target
    ;;
esac
case $seconds in
'' | *[!0-9]*)
    echo "fuzz.sh: '$seconds' is not a number of seconds" >&2
    exit 64
    ;;
esac

scripts/install-tools.sh build
if ! cargo +nightly --version >/dev/null 2>&1; then
    if ! command -v rustup >/dev/null; then
        echo "fuzz.sh: libFuzzer needs a nightly compiler, and rustup, which installs one, is not here (https://rustup.rs)." >&2
        exit 1
    fi
    echo "installing: the nightly compiler"
    if ! rustup toolchain install nightly --profile minimal; then
        echo "fuzz.sh: rustup could not install the nightly compiler. libFuzzer needs it: its coverage is an unstable flag." >&2
        echo "Without it, 'cargo test --test fuzz' runs the same entries over the seeds." >&2
        exit 1
    fi
fi
if ! command -v cargo-fuzz >/dev/null; then
    echo "installing: cargo-fuzz"
    cargo install cargo-fuzz --locked --quiet --root "$build/tools"
fi

# Without a sanitizer: the code has no unsafe of its own, and runs twice as fast.
CARGO_TARGET_DIR=$build/fuzz
export CARGO_TARGET_DIR
cargo +nightly fuzz build --sanitizer none
failed=""
for name in $targets; do
    generated=fuzz/generated/$name
    mkdir -p "$generated" "fuzz/artifacts/$name"
    set -- "$generated" "fuzz/corpus/$name"
    if [ -d "fuzz/regressions/$name" ]; then set -- "$@" "fuzz/regressions/$name"; fi
    if [ "$name" = config ]; then set -- "$@" conf tests/config/valid tests/config/invalid; fi
    dictionary=""
    if [ -e "fuzz/dictionaries/$name" ]; then dictionary=-dict=fuzz/dictionaries/$name; fi
    echo "fuzzing: $name, $seconds s"
    if ! cargo +nightly fuzz run --sanitizer none "$name" "$@" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -print_final_stats=1 $dictionary; then
        failed="$failed $name"
    fi
done
if [ -n "$failed" ]; then
    echo "fuzz.sh: found something in:$failed. The inputs are in fuzz/artifacts; fuzz/README.md says what to do." >&2
    exit 1
fi
