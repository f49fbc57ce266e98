#!/usr/bin/env bash
# check.sh OUT: checks the CUDA path on the driver that the loader finds, from the bundle that this script lies in, within eight
# minutes. Every part has a limit of its own; the table of all comes last and is in OUT/table. Fails where a part fails that
# needs nothing but the driver.
#
#   SNARM_GPU_SMALL=1   as little as shows that every part works
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
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck synccheck; do
        part "$tool" 60 env SNARM_FAKE_CUDA=real compute-sanitizer --tool "$tool" --error-exitcode 9 "${tests[@]}" ||
            failed=1
    done
else
    lacks sanitizer compute-sanitizer
fi

# Verdicts of frames, on both.
frames=$([ "$small" ] && echo 1 || echo 12)
encoder=snarm-tiny$([ "$small" ] && echo -1@24)
must frames 60 "$here/snarm" simulate --out line --as frames --good-frames 6 --frames "$frames" --width 320 --height 240
must bank 60 "$here/snarm" bank line/train/good --out line.bank --capacity 600 --encoder "$encoder"
for device in cpu cuda; do
    must "detect-$device" 60 "$here/snarm" detect line/test --bank line.bank --out "$device" --pictures none \
        --model none --device "$device" --max-frames "$frames"
done
must verdicts 20 python3 - <<'PYTHON'
import json
cpu, cuda = ([json.loads(line) for line in open(f"{d}/results.jsonl")] for d in ("cpu", "cuda"))
assert len(cpu) == len(cuda) > 0, (len(cpu), len(cuda))
apart = [abs(a["score"] - b["score"]) for a, b in zip(cpu, cuda)]
turned = sum(a["anomalous"] != b["anomalous"] and abs(a["score"] - a["threshold"]) > 0.01 for a, b in zip(cpu, cuda))
print(f"{len(cpu)} frames, scores at most {max(apart):.4f} apart, {turned} verdicts turned")
assert max(apart) < 0.01 and turned == 0
PYTHON

# Times.
if [ "$small" ]; then
    must bench 300 "$here/snarm" bench --device cuda --frames 1 --good-frames 3 --size 192x128 --capacity 100 \
        --encoder "$encoder" --reduction random --model none --json
else
    for device in cpu cuda; do
        part "bench-$device" 60 "$here/snarm" bench --device "$device" --frames 300 --model none --json
    done
    part "bench-cuda-long" 60 "$here/snarm" bench --device cuda --frames 10000 --model none --json
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
echo
cat "$out/table"
exit $failed
