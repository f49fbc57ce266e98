// A warp a row.
#include "device.cuh"

#define ROWS 8  // of a block

/// x (m, d), in place. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(32 * ROWS)
unit_rows(float* __restrict__ x, int m, int d) {
    const int lane = threadIdx.x % 32, r = blockIdx.x * ROWS + threadIdx.x / 32;
    if (r >= m) return;
    x += (size_t)r * d;
    float sum = 0.0f;
    for (int i = lane; i < d; i += 32) sum += x[i] * x[i];
    const float mean = warp_sum(sum) / d;
    if (mean <= 0.0f) return;
    const float scale = 1.0f / sqrtf(mean);
    for (int i = lane; i < d; i += 32) x[i] *= scale;
}
KERNEL(unit_rows)
