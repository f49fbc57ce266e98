// A thread a value of y.
#include "device.cuh"

/// x (n, d), from (m), y (m, d) floats, or bf16 where `half`. A place outside x leaves the row of y as it is.
/// Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
gather(const float* __restrict__ x, const u32* __restrict__ from, void* __restrict__ y, int n, int m, int d, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)m * d) return;
    const u32 place = from[at / d];
    if (place < (u32)n) store(y, at, half, x[(size_t)place * d + at % d]);
}
KERNEL(gather)
