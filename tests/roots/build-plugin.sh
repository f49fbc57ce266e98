#!/usr/bin/env bash
# Builds the plugin with its `analytics` feature against the GStreamer of a Debian root (make-root.sh), in a folder of its
# own since the bindings are those of another GStreamer, and prints where the library is, or the program of its unit tests.
#
#   build-plugin.sh ROOT [tests]
#
#   SNARM_ANALYTICS_TARGET    cargo's folder [target/analytics]
#   SNARM_ANALYTICS_PROFILE   cargo's profile [dev]
#
# Ends with 77 where the root cannot be used.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
root=$(cd "${1:?root}" && pwd)
[ -e "$root/.complete" ] || { echo "skipped: no complete root in $root; make-root.sh makes one" >&2; exit 77; }
[ "$(id -u)" = 0 ] || { echo "skipped: root rights are needed to enter a root" >&2; exit 77; }
triplet=$(cd "$root/usr/lib" && ls -d ./*-linux-gnu | head -n 1)
libraries=$root/usr/lib/${triplet#./}

cd "$repository"
target=${SNARM_ANALYTICS_TARGET:-$repository/target/analytics}
profile=${SNARM_ANALYTICS_PROFILE:-dev}
export PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR=$libraries/pkgconfig:$root/usr/share/pkgconfig
options=(--locked -p gst-plugin-snarm --features analytics --target-dir "$target" --profile "$profile")
if [ "${2:-}" = tests ]; then
    cargo test "${options[@]}" --lib --no-run --message-format json |
        sed -n 's|.*"executable":"\([^"]*/gstsnarm-[^"]*\)".*|\1|p'
else
    cargo build "${options[@]}" >&2
    echo "$target/${profile/#dev/debug}/libgstsnarm.so"
fi
