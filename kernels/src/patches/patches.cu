// A thread a value of the rows.
#include "device.cuh"

/// image (c, height, width) to rows (height / p * width / p, c, p, p); bf16 where `half`. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
patches(const float* __restrict__ image, void* __restrict__ rows, int c, int height, int width, int p, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)c * height * width) return;
    const int across = width / p, x = at % p, y = at / p % p, plane = at / p / p % c;
    const size_t patch = at / p / p / c;
    const int row = patch / across * p + y, column = patch % across * p + x;
    store(rows, at, half, image[((size_t)plane * height + row) * width + column]);
}
KERNEL(patches)

/// cells (height, width, c) to rows (height / 2 * width / 2, 2, 2, c); bf16 where `half`. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
merge(const float* __restrict__ cells, void* __restrict__ rows, int height, int width, int c, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)height * width * c) return;
    const int channel = at % c, x = at / c % 2, y = at / c / 2 % 2;
    const size_t square = at / c / 4;
    const int row = square / (width / 2) * 2 + y, column = square % (width / 2) * 2 + x;
    store(rows, at, half, cells[((size_t)row * width + column) * c + channel]);
}
KERNEL(merge)
