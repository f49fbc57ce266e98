// Products of rows on tensor cores: C = A B^T with A (m, k) and B (n, k) in bf16, sums in f32. A block of four warps makes a tile
// of 64 x 64, each warp 32 x 32 of it, from slices of 32 of k, three of which are on their way or in use.
#pragma once
#include "device.cuh"

#define TILE 64
#define TILE_THREADS 128
#define SLICE 32
#define STAGES 3
// Rows of a slice lie 80 bytes apart, not 64, so that the eight rows that ldmatrix reads at once lie in different banks.
#define PITCH (SLICE + 8)
#define STAGE_ROWS (2 * TILE)
// In all STAGES x STAGE_ROWS x PITCH x 2 bytes of shared memory.

/// The part of a tile that a thread has, as mma leaves it: see `tile_row` and `tile_column`.
struct Sums {
    float of[2][4][4];
};

/// Row and column in the tile of value `v` of part (i, j).
FORCED int tile_row(int i, int v) { return threadIdx.x / 64 * 32 + i * 16 + v / 2 * 8 + threadIdx.x % 32 / 4; }
FORCED int tile_column(int j, int v) { return threadIdx.x / 32 % 2 * 32 + j * 8 + threadIdx.x % 4 * 2 + v % 2; }

/// Eight values of a row from `from` on, of which `left` are in the matrix; the others are 0.
FORCED void load_eight(bf16* to, const bf16* values, size_t from, int left, bool aligned) {
    if (aligned) {
        copy_async(to, values + (left > 0 ? from : 0), left > 0);
    } else {
        for (int i = 0; i < 8; i++) to[i] = i < left ? values[from + i] : bf16{0};
    }
}

/// The rows of A as they lie in memory, (m, k).
struct Rows {
    const bf16* values;
    int m;
};

/// Eight values of row `row` of A, from `at` of k on. A kernel may have rows of its own.
FORCED void load_row(const Rows& a, bf16* to, int row, int at, int k, bool aligned) {
    load_eight(to, a.values, (size_t)row * k + at, row < a.m ? k - at : 0, aligned);
}

/// Slice `s` of both matrices: each thread four times eight values.
template <class A>
FORCED void load_slice(bf16* stage, const A& a, const bf16* b, int n, int k, int row0, int column0, int s) {
    const bool aligned = k % 8 == 0;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int eight = threadIdx.x + i * TILE_THREADS, row = eight / 4, part = eight % 4 * 8, at = s * SLICE + part;
        const int in_b = column0 + row < n ? k - at : 0;
        load_row(a, stage + row * PITCH + part, row0 + row, at, k, aligned);
        load_eight(stage + (TILE + row) * PITCH + part, b, (size_t)(column0 + row) * k + at, in_b, aligned);
    }
}

/// The tile at (row0, column0). All threads of the block come here; the shared memory is free again after a barrier.
template <class A>
FORCED void multiply(Sums& sums, unsigned char* memory, const A& a, const bf16* b, int n, int k, int row0, int column0) {
    const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 64 * 32, warp_column = threadIdx.x / 32 % 2 * 32;
    bf16* stages = (bf16*)memory;
#pragma unroll
    for (int e = 0; e < 32; e++) sums.of[e / 16][e / 4 % 4][e % 4] = 0.0f;

    const int slices = (k + SLICE - 1) / SLICE;
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < slices) load_slice(stages + s * STAGE_ROWS * PITCH, a, b, n, k, row0, column0, s);
        copy_commit();
    }
#pragma unroll 1
    for (int s = 0; s < slices; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads();  // slice s is there for all, and nobody reads slice s - 1 any more
        const int next = s + STAGES - 1;
        if (next < slices) load_slice(stages + next % STAGES * STAGE_ROWS * PITCH, a, b, n, k, row0, column0, next);
        copy_commit();

        const bf16* of_a = stages + s % STAGES * STAGE_ROWS * PITCH;
        const bf16* of_b = of_a + TILE * PITCH;
#pragma unroll
        for (int kk = 0; kk < SLICE; kk += 16) {
            u32 fa[2][4], fb[2][4];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                ldmatrix(fa[i], of_a + (warp_row + i * 16 + lane % 16) * PITCH + kk + lane / 16 * 8);
                ldmatrix(fb[i], of_b + (warp_column + i * 16 + lane % 8 + lane / 16 * 8) * PITCH + kk + lane / 8 % 2 * 8);
            }
#pragma unroll
            for (int e = 0; e < 8; e++) {
                const int i = e / 4, j = e % 4;
                const u32 part[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
                mma(sums.of[i][j], fa[i], part);
            }
        }
    }
    copy_wait<0>();
}
