#!/usr/bin/env bash
# Makes a Debian system in a folder: with a newer GStreamer, for the `analytics` feature and to run the plugin there, or
# with what builds for aarch64 and runs such programs.
#
#   make-root.sh SUITE FOLDER          e.g. make-root.sh forky target/roots/forky
#   make-root.sh SUITE FOLDER arm64    e.g. make-root.sh trixie target/roots/arm64 arm64
#
# SUITE: trixie (GStreamer 1.26) or forky (1.28, with segmentationoverlay). Needs root rights, mmdebstrap and a Debian
# mirror; about 3 minutes and 2.2 GB, 3.2 GB for aarch64. Ends with 77 where that is not to be had, and at once where the
# folder is complete.
set -euo pipefail

suite=${1:?suite} root=${2:?folder} kind=${3:-}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

skip() { echo "skipped: $*" >&2; exit 77; }

[ -e "$root/.complete" ] && exit 0
[ "$(id -u)" = 0 ] || skip "root rights are needed to make a Debian root"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
command -v curl >/dev/null && ! curl -fsSI --max-time 20 "$mirror/dists/$suite/InRelease" >/dev/null &&
    skip "$mirror has no $suite, or there is no network"

options=()
case $kind in
'')
    packages=(
        gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
        gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x gstreamer1.0-gl libgl1-mesa-dri
        libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
    )
    ;;
arm64)
    # Compilers of this machine, libraries of the other one. Only the compiler that Debian keeps for browsers is new enough.
    options=(--architectures=amd64,arm64)
    packages=(
        rustc-web cargo-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu gcc libc6-dev
        pkg-config qemu-user libgstreamer1.0-dev:arm64 libgstreamer-plugins-base1.0-dev:arm64
        libgstreamer-plugins-bad1.0-dev:arm64
    )
    ;;
*)
    echo "make-root.sh: expected arm64 or nothing behind the folder, found $kind" >&2
    exit 2
    ;;
esac
rm -rf "$root"
mkdir -p "$(dirname "$root")"
# Suites in development are re-signed at intervals; a mirror that lags is good enough for a test.
mmdebstrap --variant=apt --mode=root "${options[@]}" --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$root" "$mirror"
touch "$root/.complete"
