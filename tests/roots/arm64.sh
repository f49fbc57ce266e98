#!/usr/bin/env bash
# Builds the workspace for aarch64 in a Debian root, and runs there, under qemu, the unit tests of the kernels and of the
# core; prints what it checked. The root is made where it is not complete (make-root.sh).
#
#   arm64.sh ROOT              e.g. arm64.sh target/roots/arm64
#
#   SNARM_ARM64_TARGET    cargo's folder [target/arm64]
#   SNARM_ARM64_TESTS     part of the names of the tests to run [all]
#   CARGO_BUILD_JOBS      programs that compile at once [as many as the machine has processors]
#
# tests/tests/arm64.rs runs this. Crates that are not there yet are fetched. Ends with 77 where it cannot run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
root=${1:?root}

skip() { echo "skipped: $*" >&2; exit 77; }

[ "$(uname -m)" = x86_64 ] || skip "an x86-64 machine is needed, whose compilers build for another one"
[ "$(id -u)" = 0 ] || skip "root rights are needed to enter a root"
unshare --mount true 2>/dev/null || skip "no mounts of one's own here"
"$here/make-root.sh" trixie "$root" arm64 >&2
root=$(cd "$root" && pwd)
[ -x "$root/usr/bin/qemu-aarch64" ] || skip "no qemu-aarch64 in $root; make-root.sh with arm64 makes a root that has it"

target=${SNARM_ARM64_TARGET:-$repository/target/arm64}
crates=${CARGO_HOME:-$HOME/.cargo}/registry
cd "$repository"
cargo fetch --locked --target aarch64-unknown-linux-gnu >&2 || skip "crates are missing that cannot be fetched"

# The root sees the repository and the crates, and writes to neither. Nobody else sees the mounts, and they end with this.
mkdir -p "$target" "$root/srv/repository" "$root/srv/crates/registry" "$root/srv/target"
inside=(
    HOME=/srv PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 CARGO_HOME=/srv/crates CARGO_NET_OFFLINE=true
    CARGO_TARGET_DIR=/srv/target CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu CARGO_INCREMENTAL=0
    CARGO_BUILD_JOBS="${CARGO_BUILD_JOBS:-$(nproc)}"
    # What has to be fast under qemu is optimised by name (Cargo.toml).
    CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=0
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
    # What another machine leaves unused is unused code here.
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-D unused -D unfulfilled-lint-expectations'
    PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
    SNARM_ISA=portable TESTS="${SNARM_ARM64_TESTS:-}"
)
checks=$(cat <<'CHECKS'
cd /srv/repository
echo "with: $(rustc --version | cut -d ' ' -f 1-2), $(qemu-aarch64 --version | sed -n 's/ version / /; s/ (.*//; 1p')," \
    "GStreamer $(pkg-config --modversion gstreamer-1.0)"
# Tests of devices look for a driver of NVIDIA, which no emulated machine has.
unit_tests() {
    cargo test --locked -p "$1" --lib --no-run >&2
    local began=$SECONDS
    echo "tests of $1:"
    cargo test --locked -p "$1" --lib -- "$TESTS" --skip cuda
    echo "$1: $((SECONDS - began)) s"
}
unit_tests snarm-kernels
cargo build --locked --workspace >&2
built=$CARGO_TARGET_DIR/$CARGO_BUILD_TARGET/debug
for file in libgstsnarm.so snarm snarm-player; do
    machine=$(aarch64-linux-gnu-readelf -h "$built/$file" | sed -n 's/ *Machine: *//p')
    [ "$machine" = AArch64 ] || { echo "$file: expected AArch64, found $machine" >&2; exit 1; }
    echo "built: $file ($machine)"
done
echo "runs: $(qemu-aarch64 "$built/snarm" --version)"
unit_tests snarm-core
CHECKS
)
# shellcheck disable=SC2016
unshare --mount --propagation private bash -euc '
    root=$1 repository=$2 crates=$3 target=$4 checks=$5
    shift 5
    mount --bind "$repository" "$root/srv/repository"
    mount --bind "$crates" "$root/srv/crates/registry"
    mount -o remount,bind,ro "$root/srv/repository"
    mount -o remount,bind,ro "$root/srv/crates/registry"
    mount --bind "$target" "$root/srv/target"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    exec chroot "$root" env -i "$@" bash -euo pipefail -c "$checks"
' inside "$root" "$repository" "$crates" "$target" "$checks" "${inside[@]}"
