#!/usr/bin/env bash
# Whole-frame times for every encoder at hand: the built-in one, and weights files named in ENCODERS.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/release

for encoder in snarm-tiny ${ENCODERS:-}; do
    "$target/snarm" bench --encoder "$encoder" --size "${SIZE:-1920x1080}" --frames "${FRAMES:-50}" \
        --capacity "${CAPACITY:-10000}"
    echo
done
