#!/usr/bin/env bash
# Lets upstream's overlays and ours draw, in a Debian root (make-root.sh), what the plugin attaches with its `analytics`
# feature; prints their names.
#
#   analytics.sh ROOT OUT      pictures and results land in the folder OUT
#
# tests/tests/analytics.rs runs this and looks at the pictures. Ends with 77 where it cannot run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:?root}" && pwd) out=${2:?out}
library=$("$here/build-plugin.sh" "$root")

inside=/srv/snarm
rm -rf "$root$inside"
mkdir -p "$root$inside" "$out"
cp "$library" "$root$inside/"
play() {
    chroot "$root" env GST_PLUGIN_PATH=$inside GST_REGISTRY=$inside/registry.bin LC_ALL=C.UTF-8 HOME=$inside \
        "$@" >&2
}
source="video/x-raw,format=RGB,width=320,height=240,framerate=25/1"
# Learned from one pattern; what is inspected begins with another one, so that good frames follow bad ones. The region of
# interest shows that masks and boxes land where they belong.
play gst-launch-1.0 -q videotestsrc num-buffers=12 pattern=pinwheel ! "$source" \
    ! snarmbank location=$inside/part.bank roi=0.25,0.5,0.5,0.25 ! fakesink
# inspect NAME ATTACH ELEMENTS: pictures NAME-00.png and on of three bad and three good frames behind the elements.
inspect() {
    local name=$1 attach=$2
    shift 2
    play gst-launch-1.0 -q concat name=c \
        ! snarmdetect bank-location=$inside/part.bank attach="$attach" results-location=$inside/results.jsonl \
        ! "$@" ! videoconvert ! video/x-raw,format=RGB ! pngenc ! multifilesink location=$inside/"$name"-%02d.png \
        videotestsrc num-buffers=3 pattern=circular ! "$source" ! c. \
        videotestsrc num-buffers=3 pattern=pinwheel ! "$source" ! c.
}
inspect identity analytics identity
for overlay in segmentationoverlay objectdetectionoverlay; do
    if chroot "$root" gst-inspect-1.0 --exists "$overlay"; then
        inspect "$overlay" analytics "$overlay"
        echo "$overlay"
    fi
done
# Ours draws what is left of the relation meta behind a scaler, and nothing where there is only another meta.
scale=(videoscale ! video/x-raw,width=480,height=360)
inspect scaled analytics "${scale[@]}"
ours=(snarmoverlay source=analytics draw=heatmap+contours)
inspect snarmoverlay analytics "${scale[@]}" ! "${ours[@]}"
echo snarmoverlay
inspect snarmoverlay-unmarked meta+roi "${scale[@]}" ! "${ours[@]}"
echo snarmoverlay-unmarked
cp "$root$inside"/*.png "$root$inside"/results.jsonl "$out"
