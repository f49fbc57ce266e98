// A thread a value of the rows.
#include "device.cuh"

/// image (c, side, side) to rows (n * n, c, p, p) with n = side / p; bf16 where `half`. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
patches(const float* __restrict__ image, void* __restrict__ rows, int c, int side, int p, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)c * side * side) return;
    const int n = side / p, x = at % p, y = at / p % p, plane = at / p / p % c;
    const size_t patch = at / p / p / c;
    const int row = patch / n * p + y, column = patch % n * p + x;
    store(rows, at, half, image[((size_t)plane * side + row) * side + column]);
}
KERNEL(patches)

/// cells (side, side, c) to rows (side / 2 * side / 2, 2, 2, c); bf16 where `half`. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
merge(const float* __restrict__ cells, void* __restrict__ rows, int side, int c, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)side * side * c) return;
    const int channel = at % c, x = at / c % 2, y = at / c / 2 % 2;
    const size_t square = at / c / 4;
    const int row = square / (side / 2) * 2 + y, column = square % (side / 2) * 2 + x;
    store(rows, at, half, cells[((size_t)row * side + column) * c + channel]);
}
KERNEL(merge)
