// A thread a value of y; neighbouring threads have neighbouring channels. Values and taps of a row of cells are read before the
// first of them is used, so that reads wait beside each other.
#include "device.cuh"

/// Taps of a row that are read at once.
#define AT_ONCE 7

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
        for (int first = 0; first < side; first += AT_ONCE) {
            float values[AT_ONCE], weights[AT_ONCE];
#pragma unroll
            for (int k = 0; k < AT_ONCE; k++) {
                const int j = first + k, q = column * step + j - left;
                // Read in any case, somewhere inside: no read waits for a branch.
                const float value = x[((size_t)r * width + min(max(q, 0), width - 1)) * c];
                values[k] = j >= side || q < 0 || q >= width ? 0.0f : value;
                weights[k] = taps[(i * side + min(j, side - 1)) * c];
            }
#pragma unroll
            for (int k = 0; k < AT_ONCE; k++) sum += values[k] * weights[k];
        }
    }
    y[at] = relu6 ? fminf(fmaxf(sum, 0.0f), 6.0f) : sum;
}
KERNEL(depthwise)
