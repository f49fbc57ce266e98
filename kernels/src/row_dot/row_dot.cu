// A warp a row.
#include "device.cuh"

/// x (m, d), w (d), y (m). Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
row_dot(const float* __restrict__ x, const float* __restrict__ w, float bias, float* __restrict__ y, int m, int d) {
    const int lane = threadIdx.x % 32, row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= m) return;
    float sum = 0.0f;
#pragma unroll 1
    for (int i = lane; i < d; i += 32) sum += x[(size_t)row * d + i] * w[i];
    sum = warp_sum(sum);
    if (lane == 0) y[row] = sum + bias;
}
KERNEL(row_dot)
