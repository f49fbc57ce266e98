// A thread a value of r.
#include "device.cuh"

/// x, r (m, d), rows (t, d), matches (m, k). A match outside the rows counts as none. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
matched_residual(const float* __restrict__ x, const float* __restrict__ rows, const u32* __restrict__ matches,
                 float* __restrict__ r, int m, int d, int t, int k) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)m * d) return;
    const int token = at / d, channel = at % d;
    float sum = 0.0f;
    int found = 0;
#pragma unroll 1
    for (int i = 0; i < k; i++) {
        const u32 match = matches[(size_t)token * k + i];
        if (match >= (u32)t) continue;
        sum += rows[(size_t)match * d + channel];
        found++;
    }
    r[at] = (found ? sum / found : 0.0f) - x[at];
}
KERNEL(matched_residual)
