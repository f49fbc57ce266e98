// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

/// x (height, width, c), y (rows, columns, c). Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
max_pool(const float* __restrict__ x, float* __restrict__ y, int height, int width, int c, int side, int step, int border,
         int rows, int columns) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * columns * c) return;
    const int channel = at % c, window = at / c;
    const int top = window / columns * step - border, left = window % columns * step - border;
    float most = -NEVER;
#pragma unroll 1
    for (int r = max(top, 0); r < min(top + side, height); r++) {
#pragma unroll 4
        for (int q = max(left, 0); q < min(left + side, width); q++) {
            most = fmaxf(most, x[((size_t)r * width + q) * c + channel]);
        }
    }
    y[at] = most;
}
KERNEL(max_pool)
