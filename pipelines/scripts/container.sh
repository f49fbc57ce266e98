#!/usr/bin/env bash
# Builds the image of a station from what is built already, and looks whether it runs there as nobody of the machine: with
# podman, buildah or docker, whichever there is first.
#
#   TAG       name of the image [snarm-station]
#   BASE      image of Debian to begin with [that of the Containerfile]
#   PROFILE   release, or dev for a test of the image alone, which asks for no daemon and removes it again [release]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
profile=${PROFILE:-release}
tag=${TAG:-snarm-station}
skip() {
    "$root/pipelines/scripts/skip.sh" container "container.sh: $1"
    exit
}

tools=(podman buildah docker)
[ "$profile" = dev ] && tools=(buildah podman)
tool=
for each in "${tools[@]}"; do
    [ -z "$tool" ] && command -v "$each" >/dev/null && tool=$each
done
if [ -z "$tool" ]; then
    [ "$profile" = dev ] && skip "no buildah and no podman on this machine"
    echo "container: expected podman, buildah or docker, found none" >&2
    exit 1
fi

# The files as they are installed, beside the Containerfile: all that the builder sees.
stage=$target/container
rm -rf "$stage"
mkdir -p "$stage"
folder=release
[ "$profile" = dev ] && folder=debug
PREFIX=/usr DESTDIR=$stage/files PROFILE_DIR=$folder "$root/pipelines/scripts/install.sh" >/dev/null
if [ "$profile" = dev ]; then
    tag=snarm-station-test
    strip --strip-debug "$stage"/files/usr/bin/snarm "$stage"/files/usr/libexec/snarm/snarm-player
fi
cp "$root/pipelines/container/Containerfile" "$stage/"

words=(--tag "$tag")
[ -z "${BASE:-}" ] || words+=(--build-arg "BASE=$BASE")
case "$tool" in
    # The format of OCI has no health check.
    podman) build=(podman build --format docker) ;;
    # Without a daemon, and without a namespace of its own.
    buildah) build=(buildah build --format docker --isolation chroot) ;;
    docker) build=(docker build) ;;
esac
if ! "${build[@]}" "${words[@]}" --file "$stage/Containerfile" "$stage" >"$stage/log" 2>&1; then
    # Tests need no network, and this one of all needs packages.
    if [ "$profile" = dev ] && grep -Eqi "resolve|connection|network|timeout|pinging|proxy|unshare|operation not permitted" "$stage/log"; then
        skip "no packages of Debian within reach, or no rights to build: $(tail -n 1 "$stage/log")"
    fi
    cat "$stage/log" >&2
    exit 1
fi

# run WORDS: in the image, as a station runs.
run() {
    case "$tool" in
        buildah)
            local made
            made=$(buildah from --quiet "$tag")
            buildah run --isolation chroot --user 8470:8470 "$made" -- "$@"
            buildah rm "$made" >/dev/null
            ;;
        *) "$tool" run --rm --read-only --tmpfs /tmp "$tag" "$@" ;;
    esac
}
[ "$(run id -u)" = 8470 ] || { echo "container: expected the user 8470, found $(run id -u)" >&2; exit 1; }
run snarm --version
run gst-inspect-1.0 snarmdetect >/dev/null || { echo "container: the element is not found" >&2; exit 1; }
run curl --version >/dev/null
if [ "$profile" = dev ]; then
    case "$tool" in buildah) buildah rmi "$tag" ;; *) "$tool" rmi "$tag" ;; esac >/dev/null
    echo "container: $tool builds it, and it runs as nobody of the machine"
else
    echo "$tag"
fi
