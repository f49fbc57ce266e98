#!/usr/bin/env bash
# Times our overlay against upstream's in a Debian root (make-root.sh): tests/examples/overlay_vs_upstream.rs with a plugin
# that has the feature `analytics`.
#
#   overlay-times.sh ROOT [ROUNDS]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:?root}" && pwd)
library=$(SNARM_ANALYTICS_PROFILE=release "$here/build-plugin.sh" "$root")
cd "$here/../.."
cargo build --locked --release -p snarm-tests --example overlay_vs_upstream
inside=/srv/snarm-overlay
rm -rf "$root$inside"
mkdir -p "$root$inside"
cp "$library" "${CARGO_TARGET_DIR:-target}/release/examples/overlay_vs_upstream" "$root$inside/"
chroot "$root" env GST_PLUGIN_PATH=$inside GST_REGISTRY=$inside/registry.bin LC_ALL=C.UTF-8 HOME=$inside \
    "$inside/overlay_vs_upstream" "${2:-200}"
