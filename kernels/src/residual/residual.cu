// A thread a pair of neighbouring residuals.
#include "device.cuh"

/// r, y (m, d). Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
residual(const float* __restrict__ r, float* __restrict__ y, int m, int d) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int half = d / 2;
    if (at >= (size_t)m * half) return;
    const size_t row = at / half * d, pair = at % half;
    const float a = r[row + 2 * pair], b = r[row + 2 * pair + 1];
    y[row + pair] = (fabsf(a) + fabsf(b)) * 0.5f;
    y[row + half + pair] = (a * a + b * b) * 0.5f;
}
KERNEL(residual)
