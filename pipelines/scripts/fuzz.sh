#!/usr/bin/env bash
# Searches for bytes that bring a parser down: cargo-fuzz, coverage-guided, with AddressSanitizer. Needs cargo-fuzz
# (`cargo install cargo-fuzz`) and a C++ compiler; RUSTC_BOOTSTRAP=1 lets a stable compiler build with a sanitizer.
#
#   TARGETS="bank pickle"   kinds of bytes, all of them by default
#   RUNS=1000000            executions of each; SECONDS_EACH=3600 ends each after so long, whichever comes first
#
# What was found to reach new code stays in tests/fuzz/corpus, an input that fails in tests/fuzz/artifacts. Such an input
# belongs into tests/data/fuzz/<kind> with the commit that mends it: `cargo test --test fuzz` runs it from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

all="bank decoder encoder pickle mask picture y4m visa results"
read -ra targets <<< "${TARGETS:-$all}"
runs=${RUNS:-1000000}
seconds=${SECONDS_EACH:-3600}

command -v cargo-fuzz > /dev/null || {
    echo "expected cargo-fuzz, found none: cargo install cargo-fuzz" >&2
    exit 1
}
# The same versions as everywhere, and what the fuzzer needs beside them.
cp Cargo.lock tests/fuzz/Cargo.lock
scratch=$(mktemp -d "$([ -d /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/snarm-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

export RUSTC_BOOTSTRAP=1 TMPDIR=$scratch
# Threads of a pool live as long as the process: what they hold is no leak.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:quarantine_size_mb=64}
cd tests/fuzz
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    # Of files of any length, but for pickles: the seeds above are banks whose conversion takes 45 s where each comparison is
    # traced. `cargo test --test fuzz` has them whole.
    longest=0
    [ "$target" = pickle ] && longest=20000
    case $target in
        mask) seeds=(../data/fuzz/picture) ;;
        pickle) seeds=(../data/fuzz/pickle ../data/pickles) ;;
        *) seeds=("../data/fuzz/$target") ;;
    esac
    # 1 GB, 5 s: what no file of a few kilobytes may ask for.
    cargo fuzz run --sanitizer "${SANITIZER:-address}" "$target" "corpus/$target" "${seeds[@]}" -- \
        -max_len=$longest -runs="$runs" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=1024 -timeout=5 \
        -print_final_stats=1
done
