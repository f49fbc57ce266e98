// A block takes eight neighbouring channels, 32 bytes of a cell, its threads side by side along the cells: means first, then squares
// about the means, then one pass that writes.
#include "device.cuh"

#define CHANNELS 8
#define LINES 128  // cells that a block looks at together
#define WARPS (CHANNELS * LINES / 32)

/// The sum over all threads of a block that have the channel of this one, in all of them; `sums` is (WARPS, CHANNELS).
FORCED float channel_sum(float x, float* sums) {
    // Lanes that have one channel lie eight apart.
    x += __shfl_xor_sync(WHOLE_WARP, x, 8);
    x += __shfl_xor_sync(WHOLE_WARP, x, 16);
    __syncthreads();  // nobody reads the sums before any more
    if (threadIdx.x % 32 < CHANNELS) sums[threadIdx.x / 32 * CHANNELS + threadIdx.x % 32] = x;
    __syncthreads();  // sums of all warps are there
    float sum = 0.0f;
#pragma unroll 8
    for (int warp = 0; warp < WARPS; warp++) sum += sums[warp * CHANNELS + threadIdx.x % CHANNELS];
    return sum;
}

/// y (cells, c) in place; `silu` where v / (1 + exp(-v)) follows. Shared: WARPS x CHANNELS floats. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(CHANNELS * LINES)
instance_norm(float* __restrict__ y, int cells, int c, float eps, int silu) {
    float* sums = (float*)shared_memory();
    const int channel = blockIdx.x * CHANNELS + threadIdx.x % CHANNELS, line = threadIdx.x / CHANNELS;
    // Threads beside the last channel read what that one's do, and write nothing.
    const bool is_real = channel < c;
    y += min(channel, c - 1);
    float sum = 0.0f;
#pragma unroll 4
    for (int cell = line; cell < cells; cell += LINES) sum += y[(size_t)cell * c];
    const float mean = channel_sum(sum, sums) / cells;
    sum = 0.0f;
#pragma unroll 4
    for (int cell = line; cell < cells; cell += LINES) {
        const float apart = y[(size_t)cell * c] - mean;
        sum += apart * apart;
    }
    const float scale = 1.0f / sqrtf(channel_sum(sum, sums) / cells + eps);
    if (!is_real) return;
#pragma unroll 4
    for (int cell = line; cell < cells; cell += LINES) {
        const float unit = (y[(size_t)cell * c] - mean) * scale;
        y[(size_t)cell * c] = silu ? unit / (1.0f + expf(-unit)) : unit;
    }
}
KERNEL(instance_norm)
