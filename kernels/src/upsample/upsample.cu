// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

/// The source cells of output `o` of `m` among `n`, and the weight of the second.
FORCED float tap(int o, int n, int m, int centres, int& low, int& high) {
    const int last = n - 1;
    float x = centres ? (m > 1 ? o * ((float)last / (m - 1)) : 0.0f) : fmaxf((o + 0.5f) * ((float)n / m) - 0.5f, 0.0f);
    low = min((int)x, last);
    high = min(low + 1, last);
    return x - low;
}

/// x (height, width, c), y (rows, columns, c). Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
upsample(const float* __restrict__ x, float* __restrict__ y, int height, int width, int c, int rows, int columns,
         int centres) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)rows * columns * c) return;
    const int channel = at % c;
    const size_t cell = at / c;
    int above, below, left, right;
    const float down = tap(cell / columns, height, rows, centres, above, below);
    const float across = tap(cell % columns, width, columns, centres, left, right);
    const float* first = x + (size_t)above * width * c + channel;
    const float* second = x + (size_t)below * width * c + channel;
    const float l = first[(size_t)left * c] * (1.0f - down) + second[(size_t)left * c] * down;
    const float r = first[(size_t)right * c] * (1.0f - down) + second[(size_t)right * c] * down;
    y[at] = l * (1.0f - across) + r * across;
}
KERNEL(upsample)
