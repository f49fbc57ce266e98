// A warp a position of an order: it counts the marked tokens before.
#include "device.cuh"

#define HIGH 1
#define KEEP 0xffffffffu

/// Whether a token is marked; one outside of all is not.
FORCED bool is_marked(const u32* parts, u32 token, int n) { return token < (u32)n && parts[token] == HIGH; }

/// parts (n), orders (positions), rows (maps, marked), places (maps, n): `each` maps an order. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
mark(const u32* __restrict__ parts, const u32* __restrict__ orders, u32* __restrict__ rows, u32* __restrict__ places, int n,
     int positions, int each, int marked) {
    const int lane = threadIdx.x % 32, at = blockIdx.x * 8 + threadIdx.x / 32;
    if (at >= positions) return;
    const int turn = at / n, position = at % n;
    const u32* order = orders + turn * n;
    // Whole numbers, which floats hold up to 2^24.
    float before = 0.0f;
#pragma unroll 4
    for (int i = lane; i < position; i += 32) before += is_marked(parts, order[i], n) ? 1.0f : 0.0f;
    const int place = (int)warp_sum(before);
    const bool is_own = is_marked(parts, order[position], n) && place < marked;
    for (int i = lane; i < each; i += 32) {
        const int map = turn * each + i;
        places[(size_t)map * n + position] = is_own ? map * marked + place : KEEP;
        if (is_own) rows[(size_t)map * marked + place] = map * n + position;
    }
}
KERNEL(mark)
