// Flash attention for heads of 64 channels: keys and values come by in tiles of 64, and the matrix of scores is never made. A warp
// has sixteen queries; their largest score and the sum of exponentials so far stay in registers.
#include "device.cuh"

#define HEAD 64
#define QUERIES 64  // of a block
#define KEYS 64     // of a tile
// Rows lie 144 bytes apart, so that the eight rows that ldmatrix reads at once lie in different banks.
#define PITCH (HEAD + 8)

/// Rows `first` to `first + 64` of `n`, zeros for those that are not there.
FORCED void load_rows(bf16* to, const bf16* rows, size_t stride, int first, int n) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int eight = threadIdx.x + i * 128, row = eight / 8, part = eight % 8 * 8;
        const bool valid = first + row < n;
        copy_async(to + row * PITCH + part, rows + (valid ? (first + row) * stride + part : 0), valid);
    }
}

/// The same rows as columns.
FORCED void load_columns(bf16* to, const bf16* rows, size_t stride, int first, int n) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int eight = threadIdx.x + i * 128, row = eight % 64, part = eight / 64 * 8;
        const u64* from = (const u64*)(rows + (size_t)(first + row) * stride + part);
        const bool valid = first + row < n;
        const u64 low = valid ? from[0] : 0, high = valid ? from[1] : 0;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            to[(part + j) * PITCH + row] = bf16{(unsigned short)((j < 4 ? low : high) >> j % 4 * 16)};
        }
    }
}

/// qkv (n, 3, heads, 64) in bf16; y (n, heads, 64), floats, or bf16 where `half`. Grid: tiles of queries, heads. Shared: three
/// tiles of 64 rows. Registers: at most 184.
extern "C" __global__ void __launch_bounds__(128)
attention(const bf16* __restrict__ qkv, void* __restrict__ y, int n, int heads, int half) {
    bf16* queries = (bf16*)shared_memory();
    bf16 *keys = queries + QUERIES * PITCH, *values = keys + KEYS * PITCH;
    const int lane = threadIdx.x % 32, mine = threadIdx.x / 32 * 16, first = blockIdx.x * QUERIES;
    const size_t width = (size_t)heads * HEAD, stride = 3 * width;
    qkv += blockIdx.y * HEAD;

    load_rows(queries, qkv, stride, first, n);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    u32 q[4][4];
#pragma unroll
    for (int k = 0; k < 4; k++) ldmatrix(q[k], queries + (mine + lane % 16) * PITCH + k * 16 + lane / 16 * 8);

    float out[8][4], most[2] = {-NEVER, -NEVER}, sum[2] = {0.0f, 0.0f};
#pragma unroll
    for (int e = 0; e < 32; e++) out[e / 4][e % 4] = 0.0f;

#pragma unroll 1
    for (int key0 = 0; key0 < n; key0 += KEYS) {
        __syncthreads();  // nobody reads the tile before any more
        load_rows(keys, qkv + width, stride, key0, n);
        copy_commit();
        load_columns(values, qkv + 2 * width, stride, key0, n);
        copy_wait<0>();
        __syncthreads();

        float s[8][4];
#pragma unroll
        for (int e = 0; e < 32; e++) s[e / 4][e % 4] = 0.0f;
#pragma unroll
        for (int e = 0; e < 16; e++) {
            const int k = e / 4, j = e % 4;
            u32 b[4];
            ldmatrix(b, keys + (j * 16 + lane % 8 + lane / 16 * 8) * PITCH + k * 16 + lane / 8 % 2 * 8);
            const u32 left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
            mma(s[2 * j], q[k], left);
            mma(s[2 * j + 1], q[k], right);
        }

        float top[2] = {most[0], most[1]};
#pragma unroll
        for (int e = 0; e < 32; e++) {
            const int j = e / 4, v = e % 4, key = key0 + j * 8 + lane % 4 * 2 + v % 2;
            s[j][v] = key < n ? s[j][v] * 0.125f : -NEVER;  // 1 / sqrt(64)
            top[v / 2] = fmaxf(top[v / 2], s[j][v]);
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            // Four lanes have a query's keys. The first key is there for all, so `top` is a number.
            top[r] = fmaxf(top[r], __shfl_xor_sync(WHOLE_WARP, top[r], 1));
            top[r] = fmaxf(top[r], __shfl_xor_sync(WHOLE_WARP, top[r], 2));
            const float shrink = expf(most[r] - top[r]);
            most[r] = top[r];
            sum[r] *= shrink;
#pragma unroll
            for (int j = 0; j < 8; j++) {
                out[j][2 * r] *= shrink;
                out[j][2 * r + 1] *= shrink;
                s[j][2 * r] = expf(s[j][2 * r] - top[r]);
                s[j][2 * r + 1] = expf(s[j][2 * r + 1] - top[r]);
                sum[r] += s[j][2 * r] + s[j][2 * r + 1];
            }
        }

        // What mma leaves of scores is what it takes of weights.
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const u32 p[4] = {pack_bf16(s[2 * k][0], s[2 * k][1]), pack_bf16(s[2 * k][2], s[2 * k][3]),
                              pack_bf16(s[2 * k + 1][0], s[2 * k + 1][1]), pack_bf16(s[2 * k + 1][2], s[2 * k + 1][3])};
#pragma unroll
            for (int j = 0; j < 4; j++) {
                u32 b[4];
                ldmatrix(b, values + (j * 16 + lane % 8 + lane / 16 * 8) * PITCH + k * 16 + lane / 8 % 2 * 8);
                const u32 left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
                mma(out[2 * j], p, left);
                mma(out[2 * j + 1], p, right);
            }
        }
    }

#pragma unroll
    for (int r = 0; r < 2; r++) {
        sum[r] += __shfl_xor_sync(WHOLE_WARP, sum[r], 1);
        sum[r] += __shfl_xor_sync(WHOLE_WARP, sum[r], 2);
        const int query = first + mine + lane / 4 + r * 8;
        if (query >= n) continue;
        const size_t at = query * width + blockIdx.y * HEAD + lane % 4 * 2;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            store(y, at + j * 8, half, out[j][2 * r] / sum[r]);
            store(y, at + j * 8 + 1, half, out[j][2 * r + 1] / sum[r]);
        }
    }
}
KERNEL(attention)
