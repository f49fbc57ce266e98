// A thread a value of x.
#include "device.cuh"

/// x (n, c), y (n, width) floats, or bf16 where `half`, of which columns `first` to first + c are written.
/// Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
columns(const float* __restrict__ x, void* __restrict__ y, int n, int c, int width, int first, float scale, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n * c) return;
    store(y, at / c * width + first + at % c, half, scale * x[at]);
}
KERNEL(columns)
