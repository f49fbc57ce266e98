// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

/// x, y (maps, height, width, c). Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
mean3x3(const float* __restrict__ x, float* __restrict__ y, int maps, int height, int width, int c) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)maps * height * width * c) return;
    const int column = at / c % width, row = at / c / width % height;
    float sum = 0.0f;
    int cells = 0;
#pragma unroll
    for (int i = -1; i <= 1; i++) {
#pragma unroll
        for (int j = -1; j <= 1; j++) {
            if (row + i < 0 || row + i >= height || column + j < 0 || column + j >= width) continue;
            sum += x[(long long)at + ((long long)i * width + j) * c];
            cells++;
        }
    }
    y[at] = sum / cells;
}
KERNEL(mean3x3)
