#!/usr/bin/env bash
# The tests that use a GPU.
#
#   gpu.sh           makes the bundle and checks this machine's GPU; says so where there is none
#   gpu.sh bundle    makes the bundle alone, in target/gpu: what a machine with a GPU needs that has neither Rust nor a network;
#                    there `target/gpu/check.sh OUT` checks it
#   gpu.sh fake      makes the bundle of a debug build and checks it on the driver over host memory
#
# Training on a GPU needs a build of its own, since candle's CUDA is compiled by nvcc.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cargo=${CARGO:-cargo}
cd "$root"

# bundle FOLDER PROFILE_FOLDER CARGO_OPTIONS...
bundle() {
    local out=$1 built=$2 tests packages=(-p snarm-pipelines -p gst-plugin-snarm) tested=(-p snarm-kernels --lib)
    shift 2
    if [ "$built" = debug ]; then
        # As `make test` builds them: nothing is built twice.
        packages=(--workspace) tested=(--workspace)
    fi
    "$cargo" build --locked "$@" "${packages[@]}"
    tests=$("$cargo" test --locked "$@" "${tested[@]}" --no-run --message-format json |
        sed -n '/"name":"snarm_kernels"/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    rm -rf "$out"
    mkdir -p "$out"
    cp "$tests" "$out/kernels-tests"
    cp "target/$built/snarm" pipelines/scripts/gpu-check.sh pipelines/scripts/gpu-peer.py \
        pipelines/torch/student.py "$out"
    cp pipelines/scripts/gpu-verdicts.py "$out/verdicts.py"
    mv "$out/gpu-check.sh" "$out/check.sh"
    gstreamer "$out" "target/$built"
    strip --strip-debug "$out/kernels-tests" "$out/snarm" "$out/gstreamer/plugins/libgstsnarm.so"
    du -sh "$out"
}

# gstreamer OUT BUILT: gst-launch-1.0, the plugin, and what both need of this machine's GStreamer, for a machine that has none.
gstreamer() {
    local out=$1/gstreamer plugins name
    plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
    mkdir -p "$out/plugins" "$out/lib"
    for name in coreelements videotestsrc videoconvertscale imagefreeze nvcodec; do
        cp "$plugins/libgst$name.so" "$out/plugins"
    done
    cp "$2/libgstsnarm.so" "$out/plugins"
    cp "$(command -v gst-launch-1.0)" "$out/run"
    # All but the C library, which has to be that of the machine's own loader.
    ldd "$out/run" "$out"/plugins/*.so | awk '$2 == "=>" { print $3 }' | sort -u |
        grep -vE '/lib(c|m|dl|rt|pthread|resolv)\.so' | xargs cp -L -t "$out/lib"
    cat >"$out/gst-launch" <<'SCRIPT'
#!/usr/bin/env bash
here=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} GST_PLUGIN_SYSTEM_PATH_1_0= \
    GST_PLUGIN_PATH_1_0=$here/plugins GST_REGISTRY=$here/registry GST_REGISTRY_FORK=no
exec "$here/run" "$@"
SCRIPT
    chmod +x "$out/gst-launch"
}

case ${1:-} in
bundle)
    bundle target/gpu release --release
    ;;
fake)
    bundle target/gpu-fake debug
    tests/fake-cuda/build.sh target/fake-cuda/plain plain
    LD_LIBRARY_PATH=$root/target/fake-cuda/plain FAKE_CUDA_THREADS=2 SNARM_GPU_SMALL=1 \
        target/gpu-fake/check.sh target/gpu-fake/out
    ;;
"")
    missing=
    if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
        bundle target/gpu release --release
        target/gpu/check.sh target/gpu/out
    else
        missing="an NVIDIA GPU"
        echo "gpu: expected $missing, found none: only \`gpu.sh fake\` runs here"
    fi
    command -v nvcc >/dev/null || missing="${missing:+$missing and }the CUDA toolkit (nvcc in PATH)"
    if [ -n "$missing" ]; then
        echo "gpu: training on a GPU is not tested: expected $missing"
    else
        "$cargo" test --locked -p snarm-core --features cuda --lib -- --nocapture --test-threads 1 cuda
    fi
    ;;
*)
    echo "gpu.sh: expected bundle, fake or nothing, found $1" >&2
    exit 2
    ;;
esac
