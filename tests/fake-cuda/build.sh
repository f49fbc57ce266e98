#!/usr/bin/env bash
# build.sh OUT [plain|asan|tsan] [SOURCES]: OUT/libcuda.so.1, the driver over host memory, with all kernels below SOURCES in it
# (kernels/src of this repository unless given). What is newer than its sources stays as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1 mode=${2:-plain} sources=${3:-$here/../../kernels/src}
sanitizer="" engine=""
case $mode in
plain) kernels="-O2" ;;
asan) sanitizer="-fsanitize=address,undefined" kernels="-O1 -g1 -fno-sanitize-recover=undefined" engine="-DGPU_ASAN" ;;
tsan) sanitizer="-fsanitize=thread" kernels="-O1 -g1" engine="-DGPU_TSAN" ;;
*) echo "build.sh: expected plain, asan or tsan, found $mode" >&2; exit 2 ;;
esac
mkdir -p "$out"
common="-std=c++20 -fPIC -fno-strict-aliasing -ftls-model=initial-exec -Wall -Wextra -I$here"
device="$sanitizer -Wno-unknown-pragmas -Wno-unused-function -I$sources/device/cuda -include $here/host.h -x c++"

# The headers that a kernel or a header includes, and what those include.
headers() { # SOURCE
    local name
    sed -n 's/^#include "\(.*\.cuh\)"$/\1/p' "$1" | while read -r name; do
        echo "$sources/device/cuda/$name"
        headers "$sources/device/cuda/$name"
    done
}

# Prints the compiler's command for an object that is older than what it is made of.
stale() { # OBJECT SOURCE FLAGS...
    local object=$1 source=$2 newer
    shift 2
    newer=$(find "$source" $(headers "$source") "$here"/*.h "$here/build.sh" -newer "$object" 2>/dev/null || echo new)
    [ -z "$newer" ] && [ -e "$object" ] || echo "$common $* -c $source -o $object"
}
{
    for cu in "$sources"/*/*.cu; do
        stale "$out/$(basename "$cu" .cu).o" "$cu" $kernels $device
    done
    # The engine and the driver are no kernels: their accesses are nobody's races.
    stale "$out/engine.o" "$here/engine.cpp" -O3 -march=native $engine
    stale "$out/driver.o" "$here/driver.cpp" -O1 $engine
} | xargs -r -P 2 -L 1 g++

# Whether a library is there and none of its parts is newer. One that is as it should be is not put there again: a process that has
# opened it would open another one beside it, by its other name, and each would know half of what that process does.
current() { # LIBRARY PARTS...
    local library=$1
    shift
    [ -e "$library" ] && [ -z "$(find "$@" -newer "$library")" ]
}
if ! current "$out/libcuda.so.1" "$out"/*.o "$here/libcuda.map" "$here/build.sh"; then
    g++ -shared $sanitizer -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--version-script="$here/libcuda.map" \
        -Wl,-soname,libcuda.so.1 -o "$out/libcuda.part" "$out"/*.o -lpthread
    ln -sf libcuda.so.1 "$out/libcuda.so"
    mv "$out/libcuda.part" "$out/libcuda.so.1"
fi
if ! current "$out/libnvcuvid.so.1" "$here/nvcuvid.c" "$here/build.sh"; then
    gcc -shared -fPIC -Wl,-soname,libnvcuvid.so.1 -o "$out/libnvcuvid.part" "$here/nvcuvid.c"
    mv "$out/libnvcuvid.part" "$out/libnvcuvid.so.1"
fi
