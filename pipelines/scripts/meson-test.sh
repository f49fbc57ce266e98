#!/usr/bin/env bash
# Builds the plugin as a Meson subproject of the consumer in meson-compat/test, asks for its elements from the build
# folder and installs. What cargo has built already is used again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

for program in meson ninja; do
    command -v "$program" >/dev/null ||
        exec "$root/pipelines/scripts/skip.sh" meson "meson-test.sh: no $program on this machine"
done
cmp "$root/meson-compat/meson.options" "$root/meson-compat/meson_options.txt"

work=$target/meson
rm -rf "$work"
mkdir -p "$work"
cp -r "$root/meson-compat/test" "$work/consumer"
mkdir "$work/consumer/subprojects"
ln -s "$root/meson-compat" "$work/consumer/subprojects/gst-snarm"

# Of the plugin alone its crates would have other features, and all of them would be built once more: the whole workspace is
# what cargo has.
mkdir "$work/bin"
cat >"$work/bin/cargo" <<SHIM
#!/usr/bin/env bash
for word; do
    shift
    case \$word in
    --package) set -- "\$@" --workspace ;;
    gst-plugin-snarm) ;;
    *) set -- "\$@" "\$word" ;;
    esac
done
exec "$(command -v "${CARGO:-cargo}")" "\$@"
SHIM
chmod +x "$work/bin/cargo"
export PATH=$work/bin:$PATH

meson setup "$work/build" "$work/consumer" --buildtype=debug --prefix=/usr -Dgst-snarm:cargo_target_dir="$target"
meson compile -C "$work/build"
meson test -C "$work/build" --print-errorlogs
meson install -C "$work/build" --no-rebuild --destdir "$work/installed" >/dev/null
installed=$(find "$work/installed" -path '*/gstreamer-1.0/libgstsnarm.so')
[ -n "$installed" ] || { echo "meson-test: expected libgstsnarm.so in a folder gstreamer-1.0, found none" >&2; exit 1; }
echo "meson-test: $installed"
