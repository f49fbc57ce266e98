#!/usr/bin/env bash
# Installs the plugin and the command. Without PREFIX, for this user: the plugin where GStreamer looks for it, the
# command where cargo keeps its own. With PREFIX, below that folder; DESTDIR stages for packagers.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/${PROFILE_DIR:-release}

if [ -n "${PREFIX:-}" ]; then
    # Debian keeps libraries by architecture, and its GStreamer looks there alone.
    triple=$(gcc -dumpmachine 2>/dev/null || true)
    lib=$PREFIX/lib
    [ -n "$triple" ] && [ -d "/usr/lib/$triple/gstreamer-1.0" ] && lib=$PREFIX/lib/$triple
    plugins=$lib/gstreamer-1.0
    bin=$PREFIX/bin
    libexec=$PREFIX/libexec/snarm
else
    plugins=${XDG_DATA_HOME:-$HOME/.local/share}/gstreamer-1.0/plugins
    bin=${CARGO_HOME:-$HOME/.cargo}/bin
    libexec=$bin
fi

install -d "${DESTDIR:-}$plugins" "${DESTDIR:-}$bin" "${DESTDIR:-}$libexec"
install -m 0755 "$target/libgstsnarm.so" "${DESTDIR:-}$plugins/libgstsnarm.so"
install -m 0755 "$target/snarm" "${DESTDIR:-}$bin/snarm"
install -m 0755 "$target/snarm-player" "${DESTDIR:-}$libexec/snarm-player"
echo "${DESTDIR:-}$plugins/libgstsnarm.so"
echo "${DESTDIR:-}$bin/snarm"
echo "${DESTDIR:-}$libexec/snarm-player"
case ${PREFIX:-} in
    "" | /usr) ;;
    *) echo "GStreamer looks there when told to: export GST_PLUGIN_PATH=$plugins" ;;
esac
