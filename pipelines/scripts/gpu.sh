#!/usr/bin/env bash
# The tests that use a GPU.
#
#   gpu.sh           makes the bundle and checks this machine's GPU; says so where there is none
#   gpu.sh bundle    makes the bundle alone, in target/gpu: what a machine with a GPU needs that has neither Rust nor a network;
#                    there `target/gpu/check.sh OUT` checks it
#   gpu.sh fake      makes the bundle of a debug build and checks it on the driver over host memory
#
# Training on a GPU needs a build of its own, since candle's CUDA is compiled by nvcc.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cargo=${CARGO:-cargo}
cd "$root"

# bundle FOLDER PROFILE_FOLDER CARGO_OPTIONS...
bundle() {
    local out=$1 built=$2 tests
    shift 2
    "$cargo" build --locked "$@" -p snarm-pipelines
    tests=$("$cargo" test --locked "$@" -p snarm-kernels --lib --no-run --message-format json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    rm -rf "$out"
    mkdir -p "$out"
    cp "$tests" "$out/kernels-tests"
    cp "target/$built/snarm" pipelines/scripts/gpu-check.sh pipelines/scripts/gpu-peer.py \
        pipelines/torch/student.py "$out"
    mv "$out/gpu-check.sh" "$out/check.sh"
    strip --strip-debug "$out/kernels-tests" "$out/snarm"
    du -sh "$out"
}

case ${1:-} in
bundle)
    bundle target/gpu release --release
    ;;
fake)
    bundle target/gpu-fake debug
    tests/fake-cuda/build.sh target/fake-cuda/plain plain
    LD_LIBRARY_PATH=$root/target/fake-cuda/plain FAKE_CUDA_THREADS=2 SNARM_GPU_SMALL=1 \
        target/gpu-fake/check.sh target/gpu-fake/out
    ;;
"")
    missing=
    if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
        bundle target/gpu release --release
        target/gpu/check.sh target/gpu/out
    else
        missing="an NVIDIA GPU"
        echo "gpu: expected $missing, found none: only \`gpu.sh fake\` runs here"
    fi
    command -v nvcc >/dev/null || missing="${missing:+$missing and }the CUDA toolkit (nvcc in PATH)"
    if [ -n "$missing" ]; then
        echo "gpu: training on a GPU is not tested: expected $missing"
    else
        "$cargo" test --locked -p snarm-core --features cuda --lib -- --nocapture --test-threads 1 cuda
    fi
    ;;
*)
    echo "gpu.sh: expected bundle, fake or nothing, found $1" >&2
    exit 2
    ;;
esac
