// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

/// x (maps, height, width, c), taps (side * side, c), bias (c), y (maps, rows, columns, c); `above` and `left` zeros lie before
/// a map. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
depthwise(const float* __restrict__ x, const float* __restrict__ taps, const float* __restrict__ bias, float* __restrict__ y,
          int maps, int height, int width, int c, int side, int step, int rows, int columns, int above, int left,
          int relu6) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)maps * rows * columns * c) return;
    const int channel = at % c;
    const size_t cell = at / c;
    const int column = cell % columns, row = cell / columns % rows, map = cell / columns / rows;
    x += (size_t)map * height * width * c + channel;
    taps += channel;
    float sum = bias[channel];
#pragma unroll 1
    for (int i = 0; i < side; i++) {
        const int r = row * step + i - above;
        if (r < 0 || r >= height) continue;
#pragma unroll 1
        for (int j = 0; j < side; j++) {
            const int q = column * step + j - left;
            if (q < 0 || q >= width) continue;
            sum += x[((size_t)r * width + q) * c] * taps[(i * side + j) * c];
        }
    }
    y[at] = relu6 ? fminf(fmaxf(sum, 0.0f), 6.0f) : sum;
}
KERNEL(depthwise)
