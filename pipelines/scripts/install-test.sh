#!/usr/bin/env bash
# Installs what is built as a user, and below a prefix, into an empty home, and has GStreamer find the elements.
#
#   PROFILE_DIR   folder of cargo's profile [debug]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PROFILE_DIR=${PROFILE_DIR:-debug}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {
    GST_REGISTRY=$work/registry.bin gst-inspect-1.0 snarmdetect >/dev/null \
        || { echo "install-test: $1: GStreamer does not find snarmdetect" >&2; exit 1; }
}

env -u PREFIX -u DESTDIR HOME="$work/home" XDG_DATA_HOME= CARGO_HOME="$work/home/.cargo" "$here/install.sh" >/dev/null
HOME=$work/home XDG_DATA_HOME='' check "for a user"
"$work/home/.cargo/bin/snarm" launch videotestsrc num-buffers=1 ! fakesink

said=$(PREFIX=/opt/snarm DESTDIR=$work/stage "$here/install.sh")
folder=$(sed -n 's/.*GST_PLUGIN_PATH=//p' <<<"$said")
GST_PLUGIN_PATH=$work/stage$folder HOME=$work/none check "below a prefix"
"$work/stage/opt/snarm/bin/snarm" launch videotestsrc num-buffers=1 ! fakesink
echo "install-test: found as a user and below a prefix"
