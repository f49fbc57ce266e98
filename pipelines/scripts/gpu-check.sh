#!/usr/bin/env bash
# check.sh OUT: checks the CUDA path on the driver that the loader finds, from the bundle that this script lies in, within eight
# minutes. Every part has a limit of its own; the table of all comes last and is in OUT/table. Fails where a part fails that
# needs nothing but the driver.
#
#   SNARM_GPU_SMALL=1     as little as shows that every part works
#   SNARM_GPU_SKIP="..."  parts that are left out
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?expected a folder for what is measured}
mkdir -p "$out"
out=$(cd "$out" && pwd)
: >"$out/table"
failed=0
small=${SNARM_GPU_SMALL:-}

row() { printf '%-28s %s\n' "$1" "$2" | tee -a "$out/table"; }

# part NAME SECONDS COMMAND...: the last line of what it says stands in the table.
part() {
    local name=$1 limit=$2 start=$SECONDS code
    shift 2
    # On the fake driver a busy machine may take its time.
    [ -z "$small" ] || limit=$((limit * 5))
    case " ${SNARM_GPU_SKIP:-} " in *" $name "*) row "$name" "left out" && return ;; esac
    (cd "$out" && timeout "$limit" "$@") >"$out/$name.log" 2>&1
    code=$?
    row "$name" "code $code, $((SECONDS - start)) s: $(grep -aE '[^[:space:]]' "$out/$name.log" | tail -1 | cut -c1-150)"
    return $code
}
must() { part "$@" || failed=1; }
lacks() { row "$1" "not run: expected $2, found none"; }

if command -v nvidia-smi >/dev/null; then
    part card 20 nvidia-smi --query-gpu=name,driver_version,clocks.sm,memory.total --format=csv,noheader
else
    lacks card nvidia-smi
fi
# Without GStreamer it ends in a complaint, which is of no account here.
part doctor 30 "$here/snarm" doctor
# Tests that bring a driver of their own, and those of the host, are left out.
tests=("$here/kernels-tests" cuda_ --test-threads 1 --skip planted --skip cuda_that_)
must operations 90 env SNARM_FAKE_CUDA=real "${tests[@]}"

# Verdicts of frames, on both.
frames=$([ "$small" ] && echo 1 || echo 12)
encoder=snarm-tiny$([ "$small" ] && echo -1@24)
must frames 60 "$here/snarm" simulate --out line --as frames --good-frames 6 --frames "$frames" --width 320 --height 240
must bank 60 "$here/snarm" bank line/train/good --out line.bank --capacity 600 --encoder "$encoder"
for device in cpu cuda; do
    must "detect-$device" 60 "$here/snarm" detect line/test --bank line.bank --out "$device" --pictures none \
        --model none --device "$device" --max-frames "$frames"
done
must verdicts 20 python3 "$here/verdicts.py" cpu/results.jsonl cuda/results.jsonl

# The elements, with frames that stay in CUDA memory from the first of them on.
gst=$here/gstreamer/gst-launch
# Flat frames have next to no residuals, of which bf16 is a large part: these have texture.
source="videotestsrc pattern=zone-plate kx2=20 ky2=20 kt=1"
size=$([ "$small" ] && echo 192,height=128 || echo 640,height=360)
caps="video/x-raw,format=NV12,width=$size"
upload="cudaupload ! video/x-raw(memory:CUDAMemory)"
must elements-bank 60 "$gst" -q $source num-buffers=8 ! "$caps" ! $upload ! snarmbank location=elements.bank encoder=$encoder \
    bank-capacity=600 ! fakesink
part elements-cpu 60 "$gst" -q $source num-buffers="$frames" ! "$caps" ! snarmdetect bank-location=elements.bank device=cpu \
    results-location=elements-cpu.jsonl ! fakesink
must elements-cuda 60 "$gst" -q $source num-buffers="$frames" ! "$caps" ! $upload ! snarmdetect bank-location=elements.bank \
    device=cuda results-location=elements-cuda.jsonl ! snarmoverlay ! cudadownload ! filesink location=frames.nv12
must elements-verdicts 20 python3 "$here/verdicts.py" elements-cpu.jsonl elements-cuda.jsonl

# Times.
if [ "$small" ]; then
    must bench 300 "$here/snarm" bench --device cuda --frames 1 --good-frames 3 --size 192x128 --capacity 100 \
        --encoder "$encoder" --reduction random --model none --json
else
    for device in cpu cuda; do
        part "bench-$device" 60 "$here/snarm" bench --device "$device" --frames 300 --model none --json
    done
    # Another kind of network, its bank made on the processor.
    part bench-vit-b 60 "$here/snarm" bench --device cuda --encoder seeded:base --frames 300 --good-frames 4 --model none --json
    # One frame in CUDA memory, again and again, of one stream and of four.
    stream="$source num-buffers=1 ! video/x-raw,format=NV12,width=1920,height=1080 ! $upload !
        imagefreeze num-buffers=600 ! snarmdetect bank-location=elements.bank device=cuda ! fakesink sync=false"
    timed='"$@" | grep Execution'
    part elements-1080p 60 sh -c "$timed" sh "$gst" $stream
    part elements-1080p-of-4 60 sh -c "$timed" sh "$gst" $stream $stream $stream $stream
    part bench-cuda-long 60 "$here/snarm" bench --device cuda --frames 10000 --model none --json
fi
if python3 -c 'import torch' 2>/dev/null; then
    part peer 90 python3 "$here/gpu-peer.py" ${small:+--small}
else
    lacks peer PyTorch
fi
if [ ! "$small" ] && command -v ncu >/dev/null; then
    part profile 60 ncu --clock-control none --launch-count 60 --csv \
        --metrics gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed \
        "$here/snarm" bench --device cuda --frames 1 --good-frames 3 --model none
fi
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck synccheck; do
        part "$tool" 60 env SNARM_FAKE_CUDA=real compute-sanitizer --tool "$tool" --error-exitcode 9 "${tests[@]}" ||
            failed=1
    done
else
    lacks sanitizer compute-sanitizer
fi

echo
cat "$out/table"
exit $failed
