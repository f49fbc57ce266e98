// A thread a value: one pass along an axis.
#include "device.cuh"

/// Index of the sample at position `i`, which may lie outside 0..n.
FORCED int reflect(int i, int n) {
    if (i < 0) i = -1 - i;
    if (i >= 2 * n) i %= 2 * n;
    return i < n ? i : 2 * n - 1 - i;
}

/// x, y (h, w), taps (radius + 1) from the centre outwards. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
blur(const float* __restrict__ x, float* __restrict__ y, const float* __restrict__ taps, int h, int w, int radius, int down) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= h * w) return;
    const int column = at % w, row = at / w;
    float sum = 0.0f;
    // The smallest weights first, which keeps the rounding small.
#pragma unroll 4
    for (int i = radius; i > 0; i--) {
        const float before = down ? x[reflect(row - i, h) * w + column] : x[row * w + reflect(column - i, w)];
        const float after = down ? x[reflect(row + i, h) * w + column] : x[row * w + reflect(column + i, w)];
        sum += taps[i] * (before + after);
    }
    y[at] = sum + taps[0] * x[at];
}
KERNEL(blur)
