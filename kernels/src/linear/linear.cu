// y = then(x W^T + bias): a block makes a tile of y, see tile.cuh. Layers of a stack take turns along z.
#include "tile.cuh"

#define GELU 1
#define RELU6 2
#define ADD 3

/// The layer whose turn it is.
FORCED int layer_of_block(int layers) { return blockIdx.z % layers; }

/// Finishes a value of x W^T + bias for element `at` of y.
FORCED void finish(void* y, size_t at, float value, int then, int half) {
    if (then == GELU) value = gelu(value);
    if (then == RELU6) value = fminf(fmaxf(value, 0.0f), 6.0f);
    if (then == ADD) value += load(y, at, half);
    store(y, at, half, value);
}

/// x (blocks, m, k) and w (layers, n, k) in bf16, bias (layers, n) floats, y (blocks, m, n) floats, or bf16 where `half`. Grid:
/// tiles of n, of m, blocks.
/// Registers: at most 128.
extern "C" __global__ void __launch_bounds__(TILE_THREADS)
linear(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ bias, void* y, int m, int n, int k,
       int layers, int then, int half) {
    Sums sums;
    const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE, layer = layer_of_block(layers);
    const Rows rows{x + (size_t)blockIdx.z * m * k, m};
    multiply(sums, shared_memory(), rows, w + (size_t)layer * n * k, n, k, row0, column0);
    bias += (size_t)layer * n;
#pragma unroll
    for (int e = 0; e < 32; e++) {
        const int i = e / 16, j = e / 4 % 4, v = e % 4;
        const int row = row0 + tile_row(i, v), column = column0 + tile_column(j, v);
        if (row >= m || column >= n) continue;
        const size_t at = ((size_t)blockIdx.z * m + row) * n + column;
        finish(y, at, sums.of[i][j][v] + bias[column], then, half);
    }
}
KERNEL(linear)

/// As above, in narrow tiles. Registers: at most 96.
extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
linear_narrow(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ bias, void* y, int m, int n,
              int k, int layers, int then, int half) {
    float values[4];
    const int row0 = blockIdx.y * NARROW, column0 = blockIdx.x * NARROW, layer = layer_of_block(layers);
    const Rows rows{x + (size_t)blockIdx.z * m * k, m};
    multiply_narrow(values, shared_memory(), rows, w + (size_t)layer * n * k, n, k, row0, column0);
    const int column = column0 + narrow_column();
    if (column >= n) return;
    const float offset = bias[(size_t)layer * n + column];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = row0 + narrow_row(i);
        if (row < m) finish(y, ((size_t)blockIdx.z * m + row) * n + column, values[i] + offset, then, half);
    }
}
KERNEL(linear_narrow)
