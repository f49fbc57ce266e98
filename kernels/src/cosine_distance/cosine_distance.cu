// A warp a row.
#include "device.cuh"

#define ROWS 8  // of a block

/// a, b (n, c), y (n). Registers: at most 40.
extern "C" __global__ void __launch_bounds__(32 * ROWS)
cosine_distance(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, int n, int c, float least) {
    const int lane = threadIdx.x % 32, r = blockIdx.x * ROWS + threadIdx.x / 32;
    if (r >= n) return;
    a += (size_t)r * c;
    b += (size_t)r * c;
    float both = 0.0f, left = 0.0f, right = 0.0f;
    for (int i = lane; i < c; i += 32) {
        both += a[i] * b[i];
        left += a[i] * a[i];
        right += b[i] * b[i];
    }
    both = warp_sum(both);
    const float length = sqrtf(warp_sum(left)) * sqrtf(warp_sum(right));
    if (lane == 0) y[r] = 1.0f - both / fmaxf(length, least);
}
KERNEL(cosine_distance)
