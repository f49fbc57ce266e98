// A thread a value.
#include "device.cuh"

/// y (n) += a x. Registers: at most 24.
extern "C" __global__ void __launch_bounds__(256)
add_scaled(const float* __restrict__ x, float* __restrict__ y, int n, float a) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    y[at] += x[at] * a;
}
KERNEL(add_scaled)
