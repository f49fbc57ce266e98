// A thread a value.
#include "device.cuh"

/// y (n) = max(0, y), floats, or bf16 where `half`. Registers: at most 24.
extern "C" __global__ void __launch_bounds__(256)
relu(void* __restrict__ y, int n, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    store(y, at, half, fmaxf(load(y, at, half), 0.0f));
}
KERNEL(relu)

/// y (n) = max(0, y + x). Registers: at most 24.
extern "C" __global__ void __launch_bounds__(256)
add_relu(const float* __restrict__ x, float* __restrict__ y, int n) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    y[at] = fmaxf(y[at] + x[at], 0.0f);
}
KERNEL(add_relu)
