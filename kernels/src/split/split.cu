// A warp a place: it counts the places before its own, by value and then by place.
#include "device.cuh"

#define LOW 0
#define HIGH 1
#define LEFT_OUT 2

/// Orders as the float does, -0 before 0.
FORCED u32 order(float value) {
    const u32 bits = __float_as_uint(value);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

/// values (n), left_out (n) or null, parts (n): `count` places of the lowest values are LOW. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
split_parts(const float* __restrict__ values, const unsigned char* __restrict__ left_out, u32* __restrict__ parts, int n,
            int count) {
    const int lane = threadIdx.x % 32, place = blockIdx.x * 8 + threadIdx.x / 32;
    if (place >= n) return;
    const u32 own = order(values[place]);
    // Whole numbers, which floats hold up to 2^24.
    float before = 0.0f;
#pragma unroll 4
    for (int i = lane; i < n; i += 32) {
        const u32 other = order(values[i]);
        const bool is_before = other < own || (other == own && i < place);
        before += is_before && !(left_out && left_out[i]) ? 1.0f : 0.0f;
    }
    before = warp_sum(before);
    if (lane == 0) parts[place] = left_out && left_out[place] ? LEFT_OUT : before < count ? LOW : HIGH;
}
KERNEL(split_parts)

/// parts (n), low (count): the places of that part, ascending. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
split_low(const u32* __restrict__ parts, u32* __restrict__ low, int n, int count) {
    const int lane = threadIdx.x % 32, place = blockIdx.x * 8 + threadIdx.x / 32;
    if (place >= n || parts[place] != LOW) return;
    float before = 0.0f;
#pragma unroll 4
    for (int i = lane; i < place; i += 32) before += parts[i] == LOW ? 1.0f : 0.0f;
    const int at = (int)warp_sum(before);
    if (lane == 0 && at < count) low[at] = place;
}
KERNEL(split_low)
