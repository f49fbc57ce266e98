// A thread a window, and a thread a value for the peak; the best of all by the order of their bits.
#include "device.cuh"

/// Orders as the float does.
FORCED u32 ordered(float x) {
    const u32 bits = __float_as_uint(x);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}
FORCED float of_ordered(u32 bits) { return __uint_as_float(bits ^ (bits >> 31 ? 0x80000000u : 0xffffffffu)); }

/// The highest of all lanes, in all of them.
FORCED u32 warp_max(u32 x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        const u32 other = __shfl_xor_sync(WHOLE_WARP, x, step);
        x = other > x ? other : x;
    }
    return x;
}

/// x (h, w); best[0] is the highest window mean, best[1] the peak, as ordered bits; both begin at 0. Threads beyond the values
/// and windows take part, since warps are whole. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
pooled_max(const float* __restrict__ x, u32* best, int h, int w, int window_h, int window_w, int stride) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    const int columns = (w - window_w) / stride + 1, rows = (h - window_h) / stride + 1;
    u32 mean = 0, peak = ordered(0.0f);
    if (at < rows * columns) {
        const float* first = x + (at / columns * stride) * w + at % columns * stride;
        float sum = 0.0f;
#pragma unroll 1
        for (int i = 0; i < window_h; i++) {
            float line = 0.0f;
#pragma unroll 8
            for (int j = 0; j < window_w; j++) line += first[i * w + j];
            sum += line;
        }
        mean = ordered(sum / (window_h * window_w));
    }
    if (at < h * w) peak = ordered(fmaxf(x[at], 0.0f));
    mean = warp_max(mean);
    peak = warp_max(peak);
    if (threadIdx.x % 32 == 0) {
        atomicMax(&best[0], mean);
        atomicMax(&best[1], peak);
    }
}
KERNEL(pooled_max)

/// The ordered bits as floats. Registers: at most 16.
extern "C" __global__ void __launch_bounds__(256)
pooled_max_finish(const u32* __restrict__ best, float* __restrict__ found) {
    if (threadIdx.x < 2) found[threadIdx.x] = of_ordered(best[threadIdx.x]);
}
KERNEL(pooled_max_finish)

/// Before the first window. Registers: at most 16.
extern "C" __global__ void __launch_bounds__(256)
pooled_max_begin(u32* best) {
    if (threadIdx.x < 2) best[threadIdx.x] = 0;
}
KERNEL(pooled_max_begin)
