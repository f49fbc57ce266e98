// A thread a value.
#include "device.cuh"

/// y (n) = silu(y). Registers: at most 24.
extern "C" __global__ void __launch_bounds__(256)
silu(float* __restrict__ y, int n) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    y[at] = y[at] / (1.0f + expf(-y[at]));
}
KERNEL(silu)

/// y (n) floats, or bf16 where `half`, times silu(z). Registers: at most 24.
extern "C" __global__ void __launch_bounds__(256)
gate(const float* __restrict__ z, void* __restrict__ y, int n, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    store(y, at, half, load(y, at, half) * (z[at] / (1.0f + expf(-z[at]))));
}
KERNEL(gate)
