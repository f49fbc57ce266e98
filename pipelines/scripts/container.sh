#!/usr/bin/env bash
# Builds the image of a station from what is built already, and looks whether it runs there as nobody of the machine: with
# podman, buildah or docker, whichever there is first.
#
#   TAG       name of the image [snarm-station]
#   BASE      image of Debian to begin with [that of the Containerfile]
#   PROFILE   release, or dev for a test of the image alone, which asks for no daemon and removes it again [release]
#   MIRROR    where Debian's packages are, for that test to look whether they are within reach [http://deb.debian.org/debian]
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

# answers ADDRESS CODES: whether a server is within reach that answers with one of these codes.
answers() {
    local code
    code=$(curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' "$1" || true)
    [[ " $2 " == *" $code "* ]]
}
# has_image NAME: whether the image is on this machine already.
has_image() {
    case "$tool" in
        buildah) buildah inspect --type image "$1" ;;
        *) "$tool" image inspect "$1" ;;
    esac >/dev/null 2>&1
}
# Tests need no network, and this one of all needs an image and packages of Debian.
if [ "$profile" = dev ]; then
    command -v curl >/dev/null || skip "no curl on this machine, to look for packages of Debian"
    base=${BASE:-$(sed -n 's/^ARG BASE=//p' "$stage/Containerfile")}
    registry=${base%%/*}
    [ "$registry" != docker.io ] || registry=registry-1.docker.io
    # Whoever is not known to it is told 401.
    has_image "$base" || answers "https://$registry/v2/" "200 401" || skip "no registry $registry within reach"
    mirror=${MIRROR:-http://deb.debian.org/debian}
    answers "$mirror/dists/stable/InRelease" 200 || skip "no packages of Debian within reach at $mirror"
fi

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
    if [ "$profile" = dev ] && grep -Eqi "unshare|operation not permitted" "$stage/log"; then
        skip "no rights to build: $(tail -n 1 "$stage/log")"
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
