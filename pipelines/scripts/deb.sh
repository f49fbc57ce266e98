#!/usr/bin/env bash
# Makes the Debian packages of the plugin and of the command with cargo-deb (cargo install cargo-deb), from what is
# built already, and checks their content. Beside each lies its bill of materials, by cargo-cyclonedx. Prints where they are.
#
#   PROFILE   release, or dev for a test of the package alone [release]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
profile=${PROFILE:-release}

if ! command -v cargo-deb >/dev/null; then
    [ "$profile" = dev ] && exec "$root/pipelines/scripts/skip.sh" cargo-deb "deb.sh: no cargo-deb on this machine"
    echo "deb: expected cargo-deb, found none: cargo install cargo-deb --locked" >&2
    exit 1
fi

cd "$root"
out=$target/debian
rm -rf "$out"
mkdir -p "$out"
deb() {
    # The profile keeps the line numbers of panics, with which the library is ten times as large.
    cargo deb --no-build --locked --quiet --strip --profile "$profile" --output "$out/" "$@" >/dev/null
}
deb -p gst-plugin-snarm --multiarch same
deb -p snarm-pipelines

# What both are made of, for who has to answer for it: all crates with versions, licences and digests (CycloneDX). The tool
# writes a file into the folder of every package of the workspace.
bills_of_materials() {
    local name=bill-of-materials package file components
    trap 'find "$root" -name "$name.json" -not -path "$target/*" -delete' RETURN
    cargo cyclonedx --quiet --format json --target all --override-filename $name
    for package in plugins:gstreamer1.0-snarm pipelines:snarm; do
        file=$out/${package#*:}.cdx.json
        mv "${package%:*}/$name.json" "$file"
        components=$(grep -c '"purl": "pkg:cargo/' "$file")
        [ "$components" -gt 100 ] || { echo "deb: expected more than 100 crates in $file, found $components" >&2; exit 1; }
        echo "$file"
    done
}
if command -v cargo-cyclonedx >/dev/null; then
    bills_of_materials
elif [ "$profile" = dev ]; then
    "$root/pipelines/scripts/skip.sh" cargo-cyclonedx "deb.sh: no cargo-cyclonedx on this machine"
else
    echo "deb: no bills of materials: expected cargo-cyclonedx, found none: cargo install cargo-cyclonedx --locked" >&2
fi

# has PACKAGE PATH...: files that a package must have, and what it must depend on.
has() {
    local package=$1 content
    shift
    content=$(dpkg-deb --contents "$package")
    for path in "$@"; do
        grep -q "\./$path$" <<<"$content" || { echo "deb: $package has no $path:"; echo "$content"; exit 1; } >&2
    done
    dpkg-deb --extract "$package" "$out/staged"
}
triple=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
doc=usr/share/doc/gstreamer1.0-snarm
plugin=$(echo "$out"/gstreamer1.0-snarm_*.deb)
command=$(echo "$out"/snarm_*.deb)
has "$plugin" "usr/lib/$triple/gstreamer-1.0/libgstsnarm.so" $doc/copyright $doc/examples/read_meta.py \
    $doc/docs/integrators.md $doc/docs/elements/snarmdetect.md
has "$command" usr/bin/snarm usr/libexec/snarm/snarm-player usr/lib/systemd/system/snarm@.service \
    usr/share/doc/snarm/copyright
depends=$(dpkg-deb --field "$plugin" Depends)
grep -q libgstreamer1.0-0 <<<"$depends" || { echo "deb: does not depend on GStreamer: $depends" >&2; exit 1; }

# Plugin and command run from the packages, without being installed.
GST_PLUGIN_PATH=$out/staged/usr/lib/$triple/gstreamer-1.0 GST_REGISTRY=$out/registry.bin \
    gst-inspect-1.0 snarmdetect >/dev/null || { echo "deb: the element of the package is not found" >&2; exit 1; }
"$out/staged/usr/bin/snarm" launch videotestsrc num-buffers=1 ! fakesink
echo "$plugin"
echo "$command"
