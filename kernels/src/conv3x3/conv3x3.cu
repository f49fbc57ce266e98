// A convolution as a product of rows, see tile.cuh: the nine cells that an output looks at are a row of A, which is never made.
#include "tile.cuh"

#define SIDE 3

/// The rows of A for a map of rows x columns cells of c channels: k = 9 c, by tap and then channel.
struct Cells {
    const bf16* map;
    int rows, columns, c, dilation;
};

/// Where value `at` of k of the row of an output lies in the map; -1 where its cell lies outside.
FORCED int cell(const Cells& a, int output, int at) {
    const int tap = at / a.c;
    const int r = output / a.columns + (tap / SIDE - 1) * a.dilation;
    const int q = output % a.columns + (tap % SIDE - 1) * a.dilation;
    const bool inside = output < a.rows * a.columns && r >= 0 && r < a.rows && q >= 0 && q < a.columns;
    return inside ? (r * a.columns + q) * a.c + at % a.c : -1;
}

FORCED void load_row(const Cells& a, bf16* to, int output, int at, int k, bool aligned) {
    if (aligned) {
        // Channels are a multiple of eight: eight values are those of one tap.
        const int from = at < k ? cell(a, output, at) : -1;
        copy_async(to, a.map + max(from, 0), from >= 0);
    } else {
#pragma unroll 1
        for (int i = 0; i < 8; i++) {
            const int from = at + i < k ? cell(a, output, at + i) : -1;
            to[i] = from >= 0 ? a.map[from] : bf16{0};
        }
    }
}

/// The kernel that a map goes through.
FORCED int kernel_of(int map, int first, int kernels) { return (first + map) % kernels; }

/// x (maps, rows, columns, c_in) and taps (kernels, c_out, 9 c_in) in bf16, bias (kernels, c_out) floats, dilations (kernels),
/// y (maps, rows, columns, c_out) floats, or bf16 where `half`. Map i goes through kernel first + i. Grid: tiles of c_out, of
/// the cells, maps. Registers: at most 96.
extern "C" __global__ void __launch_bounds__(TILE_THREADS)
conv3x3(const bf16* __restrict__ x, const bf16* __restrict__ taps, const float* __restrict__ bias,
        const u32* __restrict__ dilations, void* y, int rows, int columns, int c_in, int c_out, int kernels, int first,
        int relu, int half) {
    Sums sums;
    const int cells = rows * columns, k = SIDE * SIDE * c_in, map = blockIdx.z, kernel = kernel_of(map, first, kernels);
    const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    const Cells a{x + (size_t)map * cells * c_in, rows, columns, c_in, (int)dilations[kernel]};
    multiply(sums, shared_memory(), a, taps + (size_t)kernel * c_out * k, c_out, k, row0, column0);
    bias += (size_t)kernel * c_out;
#pragma unroll
    for (int e = 0; e < 32; e++) {
        const int i = e / 16, j = e / 4 % 4, v = e % 4;
        const int row = row0 + tile_row(i, v), column = column0 + tile_column(j, v);
        if (row >= cells || column >= c_out) continue;
        const float value = sums.of[i][j][v] + bias[column];
        store(y, ((size_t)map * cells + row) * c_out + column, half, relu ? fmaxf(value, 0.0f) : value);
    }
}
KERNEL(conv3x3)

/// As above, in narrow tiles. Registers: at most 96.
extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
conv3x3_narrow(const bf16* __restrict__ x, const bf16* __restrict__ taps, const float* __restrict__ bias,
               const u32* __restrict__ dilations, void* y, int rows, int columns, int c_in, int c_out, int kernels, int first,
               int relu, int half) {
    float values[4];
    const int cells = rows * columns, k = SIDE * SIDE * c_in, map = blockIdx.z, kernel = kernel_of(map, first, kernels);
    const int row0 = blockIdx.y * NARROW, column0 = blockIdx.x * NARROW;
    const Cells a{x + (size_t)map * cells * c_in, rows, columns, c_in, (int)dilations[kernel]};
    multiply_narrow(values, shared_memory(), a, taps + (size_t)kernel * c_out * k, c_out, k, row0, column0);
    const int column = column0 + narrow_column();
    if (column >= c_out) return;
    const float offset = bias[(size_t)kernel * c_out + column];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = row0 + narrow_row(i);
        if (row >= cells) continue;
        const float value = values[i] + offset;
        store(y, ((size_t)map * cells + row) * c_out + column, half, relu ? fmaxf(value, 0.0f) : value);
    }
}
KERNEL(conv3x3_narrow)
