// A thread a value of y.
#include "device.cuh"

/// a, b (m, d), y (m, out). For each output three numbers in `taps` (out, 3): its first channel, counted over both groups, its
/// first weight, and how many there are. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
channel_pool(const float* __restrict__ a, const float* __restrict__ b, const u32* __restrict__ taps,
             const float* __restrict__ weights, float* __restrict__ y, int m, int d, int out) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)m * out) return;
    const size_t row = at / out;
    const u32* own = taps + at % out * 3;
    const int first = own[0], count = own[2];
    weights += own[1];
    float sum = 0.0f;
#pragma unroll 4
    for (int i = 0; i < count; i++) {
        const int channel = first + i;
        sum += weights[i] * (channel < d ? a[row * d + channel] : b[row * d + channel - d]);
    }
    y[at] = sum;
}
KERNEL(channel_pool)
