// A thread a token.
#include "device.cuh"

/// squared (n, k), distances (n). Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
mean_distances(const float* __restrict__ squared, float* __restrict__ distances, int n, int k) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= n) return;
    float sum = 0.0f;
    int found = 0;
#pragma unroll 1
    for (int i = 0; i < k; i++) {
        const float value = squared[(size_t)at * k + i];
        if (value == NEVER) continue;
        sum += sqrtf(value);
        found++;
    }
    distances[at] = found ? sum / found : 0.0f;
}
KERNEL(mean_distances)

/// distances, squared, scores (n). Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
hybrid_score(const float* __restrict__ distances, const float* __restrict__ squared, float* __restrict__ scores, int n) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= n) return;
    const float s = distances[at];
    scores[at] = sqrtf(sqrtf(s * s * s * sqrtf(squared[at])));
}
KERNEL(hybrid_score)
