// Products of rows on tensor cores: C = A B^T with A (m, k) and B (n, k) in bf16, sums in f32. A block of four warps makes a tile
// of 64 x 64, each warp 32 x 32 of it, from slices of 32 of k, three of which are on their way or in use. Where such tiles are too
// few to fill a device, a block of eight warps makes a tile of 32 x 32: each warp all of it from an eighth of k (NARROW).
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

/// As above, of the rows of B.
FORCED void load_column(const bf16* b, bf16* to, int column, int n, int at, int k, bool aligned) {
    load_eight(to, b, (size_t)column * k + at, column < n ? k - at : 0, aligned);
}

/// Whether rows of k can be copied eight values at a time.
FORCED bool is_aligned(int k) { return k % 8 == 0; }

/// What mma reads of 32 rows of A and 32 of B, of 16 values of k; rows lie APART values apart.
template <int APART>
FORCED void load_fragments(u32 (&fa)[2][4], u32 (&fb)[2][4], const bf16* of_a, const bf16* of_b) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        ldmatrix(fa[i], of_a + (i * 16 + lane % 16) * APART + lane / 16 * 8);
        ldmatrix(fb[i], of_b + (i * 16 + lane % 8 + lane / 16 * 8) * APART + lane / 8 % 2 * 8);
    }
}

/// Adds the product of 32 x 16 and 16 x 32 values.
FORCED void multiply_fragments(float (&sums)[2][4][4], const u32 (&fa)[2][4], const u32 (&fb)[2][4]) {
#pragma unroll
    for (int e = 0; e < 8; e++) {
        const int i = e / 4, j = e % 4;
        const u32 part[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
        mma(sums[i][j], fa[i], part);
    }
}

/// Slice `s` of both matrices: each thread four times eight values.
template <class A>
FORCED void load_slice(bf16* stage, const A& a, const bf16* b, int n, int k, int row0, int column0, int s) {
    const bool aligned = is_aligned(k);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int eight = threadIdx.x + i * TILE_THREADS, row = eight / 4, part = eight % 4 * 8, at = s * SLICE + part;
        load_row(a, stage + row * PITCH + part, row0 + row, at, k, aligned);
        load_column(b, stage + (TILE + row) * PITCH + part, column0 + row, n, at, k, aligned);
    }
}

/// The tile at (row0, column0). All threads of the block come here; the shared memory is free again after a barrier.
template <class A>
FORCED void multiply(Sums& sums, unsigned char* memory, const A& a, const bf16* b, int n, int k, int row0, int column0) {
    const int warp_row = threadIdx.x / 64 * 32, warp_column = threadIdx.x / 32 % 2 * 32;
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
            load_fragments<PITCH>(fa, fb, of_a + warp_row * PITCH + kk, of_b + warp_column * PITCH + kk);
            multiply_fragments(sums.of, fa, fb);
        }
    }
    copy_wait<0>();
}

#define NARROW 32
#define NARROW_WARPS 8
#define NARROW_THREADS 256
#define NARROW_SLICE (16 * NARROW_WARPS)
#define NARROW_STAGES 5
#define NARROW_PITCH (NARROW_SLICE + 8)
#define NARROW_STAGE_ROWS (2 * NARROW)
// Rows of a warp's sums are 8 banks apart.
#define PART_PITCH (NARROW + 8)
// In all so many stages as there are slices, at most NARROW_STAGES, x NARROW_STAGE_ROWS x NARROW_PITCH x 2 bytes of shared
// memory, and at least NARROW_WARPS x NARROW x PART_PITCH x 4, where the sums of the warps lie in the end.

/// Row of value `i` of the four that a thread has of a narrow tile, and their column.
FORCED int narrow_row(int i) { return threadIdx.x / 32 + i * NARROW_WARPS; }
FORCED int narrow_column() { return threadIdx.x % 32; }

/// Slice `s` of both matrices: each thread four times eight values.
template <class A>
FORCED void load_narrow_slice(bf16* stage, const A& a, const bf16* b, int n, int k, int row0, int column0, int s) {
    const bool aligned = is_aligned(k);
    const int part = threadIdx.x % 16 * 8, at = s * NARROW_SLICE + part;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int row = threadIdx.x / 16 + i * 16;
        load_row(a, stage + row * NARROW_PITCH + part, row0 + row, at, k, aligned);
        load_column(b, stage + (NARROW + row) * NARROW_PITCH + part, column0 + row, n, at, k, aligned);
    }
}

/// The narrow tile at (row0, column0): of each thread the values that `narrow_row` and `narrow_column` name. All threads of the
/// block come here. The sums of the warps are added up in the order of the warps.
template <class A>
FORCED void multiply_narrow(float (&values)[4], unsigned char* memory, const A& a, const bf16* b, int n, int k, int row0,
                            int column0) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, own = warp * 16;
    bf16* stages = (bf16*)memory;
    float sums[2][4][4];
#pragma unroll
    for (int e = 0; e < 32; e++) sums[e / 16][e / 4 % 4][e % 4] = 0.0f;

    const int slices = (k + NARROW_SLICE - 1) / NARROW_SLICE;
#pragma unroll 1
    for (int s = 0; s < NARROW_STAGES - 1; s++) {
        if (s < slices) load_narrow_slice(stages + s * NARROW_STAGE_ROWS * NARROW_PITCH, a, b, n, k, row0, column0, s);
        copy_commit();
    }
#pragma unroll 1
    for (int s = 0; s < slices; s++) {
        copy_wait<NARROW_STAGES - 2>();
        __syncthreads();  // a narrow slice is there for all, and nobody reads the one before any more
        const int next = s + NARROW_STAGES - 1;
        if (next < slices) {
            bf16* stage = stages + next % NARROW_STAGES * NARROW_STAGE_ROWS * NARROW_PITCH;
            load_narrow_slice(stage, a, b, n, k, row0, column0, next);
        }
        copy_commit();
        if (s * NARROW_SLICE + own >= k) continue;

        const bf16* of_a = stages + s % NARROW_STAGES * NARROW_STAGE_ROWS * NARROW_PITCH + own;
        const bf16* of_b = of_a + NARROW * NARROW_PITCH;
        u32 fa[2][4], fb[2][4];
        load_fragments<NARROW_PITCH>(fa, fb, of_a, of_b);
        multiply_fragments(sums, fa, fb);
    }
    copy_wait<0>();
    __syncthreads();  // nobody reads narrow slices any more
    float* parts = (float*)memory;
#pragma unroll
    for (int e = 0; e < 32; e++) {
        const int i = e / 16, j = e / 4 % 4, v = e % 4;
        const int row = i * 16 + v / 2 * 8 + lane / 4, column = j * 8 + lane % 4 * 2 + v % 2;
        parts[(warp * NARROW + row) * PART_PITCH + column] = sums[i][j][v];
    }
    __syncthreads();
    const int warps = min(NARROW_WARPS, (k + 15) / 16);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float* part = parts + narrow_row(i) * PART_PITCH + narrow_column();
        values[i] = 0.0f;
#pragma unroll
        for (int w = 0; w < NARROW_WARPS; w++) values[i] += w < warps ? part[w * NARROW * PART_PITCH] : 0.0f;
    }
}
