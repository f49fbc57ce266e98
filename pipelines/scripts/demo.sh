#!/usr/bin/env bash
# Learns from good frames, inspects a clip with the elements, and leaves in OUT: annotated.mkv, results.jsonl with
# one line a frame, worst/*.png and part.bank.
#
#   INPUT     any clip; without one, a simulated inspection line
#   GOOD      stretches of INPUT that show good parts alone [0-10s]
#   OUT       folder for the results [demo-out]
#   ENCODER   encoder of the bank [snarm-tiny]
#   CAPACITY  descriptors kept in the bank [10000]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/release
export PATH=$target:$PATH GST_PLUGIN_PATH=$target${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}

input=${INPUT:-}
good=${GOOD:-0-10s}
out=${OUT:-demo-out}
encoder=${ENCODER:-${SNARM_ENCODER:-${GST_SNARM_ENCODER:-snarm-tiny}}}
capacity=${CAPACITY:-10000}

mkdir -p "$out"
rm -rf "$out/worst" "$out/annotated.mkv" "$out/results.jsonl"

if gst-inspect-1.0 --exists x264enc; then
    video="x264enc speed-preset=veryfast pass=quant quantizer=20 ! h264parse"
else
    video="jpegenc quality=90"
fi

if [ -z "$input" ]; then
    # The line learns and inspects as it would with a camera: both through the elements.
    snarm simulate --out "$out/simulated" --as clip
    input=$out/simulated/line.mkv
    report=(--truth "$out/simulated/truth.jsonl")
    snarm launch learn source="filesrc location=$out/simulated/good.mkv ! decodebin" bank="$out/part.bank" \
        capacity="$capacity" encoder="$encoder" interval=2 >"$out/learn.log"
else
    [ -f "$input" ] || { echo "demo: expected a clip, found no file of that name: $input" >&2; exit 1; }
    report=(--exclude "$good")
    snarm bank "$input" --range "$good" --interval 2 --capacity "$capacity" --encoder "$encoder" \
        --out "$out/part.bank"
fi

snarm launch filesrc location="$input" ! decodebin ! videoconvert \
    ! snarmdetect bank-location="$out/part.bank" results-location="$out/results.jsonl" \
    results-mode=overwrite \
    ! snarmoverlay ! videoconvert ! $video ! matroskamux ! filesink location="$out/annotated.mkv"

found=$(snarm worst --video "$out/annotated.mkv" --results "$out/results.jsonl" --out "$out/worst" "${report[@]}")
echo "$out: $found"
