#!/usr/bin/env bash
# Runs the tests that use a GPU, with what they print. They skip themselves, and say so, where there is none.
set -euo pipefail

if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    nvidia-smi -L
else
    echo "gpu: no NVIDIA GPU found on this machine; tests that need one are skipped"
fi
cargo test --workspace --locked -- --nocapture cuda
