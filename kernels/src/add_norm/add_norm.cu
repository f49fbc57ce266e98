// A warp a row: the row is kept in shared memory, read once, and summed once or twice.
#include "device.cuh"

#define ROWS 8  // of a block

/// h (m, d) or nothing, u (m, d), weight (layers, d), bias (layers, d) or nothing, which makes it an RMS norm, y (m, d) floats, or
/// bf16 where `half`. Layers take turns in blocks of `len` rows. Shared: ROWS x d floats. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(32 * ROWS)
add_norm(const float* __restrict__ h, float* __restrict__ u, const float* __restrict__ weight,
         const float* __restrict__ bias, void* __restrict__ y, int m, int d, int len, int layers, float eps, int half) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, r = blockIdx.x * ROWS + warp;
    if (r >= m) return;
    float* row = (float*)shared_memory() + warp * d;
    const size_t first = (size_t)r * d, layer = (size_t)(r / len % layers) * d;

    float sum = 0.0f;
    for (int i = lane; i < d; i += 32) {
        float value = u[first + i];
        if (h) u[first + i] = value += h[first + i];
        row[i] = value;
        sum += value;
    }
    const float mean = bias ? warp_sum(sum) / d : 0.0f;

    sum = 0.0f;
    for (int i = lane; i < d; i += 32) sum += (row[i] - mean) * (row[i] - mean);
    const float scale = 1.0f / sqrtf(warp_sum(sum) / d + eps);

    for (int i = lane; i < d; i += 32) {
        const float value = (row[i] - mean) * scale * weight[layer + i];
        store(y, first + i, half, bias ? value + bias[layer + i] : value);
    }
}
KERNEL(add_norm)
