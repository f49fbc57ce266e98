#!/usr/bin/env bash
# Installs the Debian packages that building and running need, those alone that are missing; with the argument
# `tests`, also what tests meet as clients (they skip themselves where it is missing, or fail with SNARM_NO_SKIP=1). Nothing is done when all are
# there. Set SNARM_NO_INSTALL=1 to be told instead.
set -euo pipefail

packages=(
    gcc libc6-dev pkg-config
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav
    python3-gst-1.0 gir1.2-gst-plugins-base-1.0
)
tests=(
    g++
    gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp
    libaravis-0.8-0 gir1.2-aravis-0.8
    python3-opencv
    gstreamer1.0-gl libgl1-mesa-dri
    meson ninja-build
    mosquitto mosquitto-clients
    nats-server
    curl openssl
)
case "${1:-}" in
    "") ;;
    tests) packages+=("${tests[@]}") ;;
    *) echo "install-deps: expected no argument or tests, found $1" >&2; exit 1 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "install-deps: not a Debian system; expected GStreamer 1.22 or newer with its -base development files," \
        "the -good, -bad, -ugly and libav plugins, pkg-config and a C compiler" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ -n "${SNARM_NO_INSTALL:-}" ]; then
    echo "install-deps: missing packages: ${missing[*]}" >&2
    exit 1
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: expected root or sudo to install: ${missing[*]}" >&2
        exit 1
    fi
    sudo=(sudo)
fi

echo "install-deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
