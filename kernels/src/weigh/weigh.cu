// A thread a value.
#include "device.cuh"

/// probabilities, scores, y (n). Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
weigh(const float* __restrict__ probabilities, const float* __restrict__ scores, float level, float* __restrict__ y, int n) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= n) return;
    y[at] = probabilities[at] * sqrtf(scores[at] / level);
}
KERNEL(weigh)
