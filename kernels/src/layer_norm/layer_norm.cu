// A warp a row: the row is kept in shared memory, read once, and summed twice.
#include "device.cuh"

#define ROWS 8  // of a block

/// x (m, d) floats to y (m, d) floats, or bf16 where `half`. Shared: ROWS x d floats. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(32 * ROWS)
layer_norm(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias,
           void* __restrict__ y, int m, int d, float eps, int half) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, r = blockIdx.x * ROWS + warp;
    if (r >= m) return;
    float* row = (float*)shared_memory() + warp * d;
    x += (size_t)r * d;

    float sum = 0.0f;
    for (int i = lane; i < d; i += 32) sum += row[i] = x[i];
    const float mean = warp_sum(sum) / d;

    sum = 0.0f;
    for (int i = lane; i < d; i += 32) sum += (row[i] - mean) * (row[i] - mean);
    const float scale = 1.0f / sqrtf(warp_sum(sum) / d + eps);

    for (int i = lane; i < d; i += 32) {
        store(y, (size_t)r * d + i, half, (row[i] - mean) * scale * weight[i] + bias[i]);
    }
}
KERNEL(layer_norm)
