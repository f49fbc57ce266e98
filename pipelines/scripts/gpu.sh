#!/usr/bin/env bash
# Runs the tests that use a GPU, with what they print. They skip themselves, and say so, where there is none. Those of
# training need a build of their own, since candle's CUDA is compiled by nvcc.
set -euo pipefail

missing=
if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    nvidia-smi -L
else
    echo "gpu: no NVIDIA GPU found on this machine; tests that need one are skipped"
    missing="an NVIDIA GPU"
fi
cargo test --workspace --locked -- --nocapture cuda

command -v nvcc >/dev/null || missing="${missing:+$missing and }the CUDA toolkit (nvcc in PATH)"
if [ -n "$missing" ]; then
    echo "gpu: training on a GPU is not tested: expected $missing"
else
    cargo test --locked -p snarm-core --features cuda --lib -- --nocapture --test-threads 1 cuda
fi
