// The nearest rows of a table for each query. Tensor cores make |b|^2 - 2 q.b of rows that are rounded to bf16; each thread keeps
// the few best of its columns; then the best of all are measured again in f32, by direct differences.
#include "tile.cuh"

#define KEEP 8      // of each thread
#define MEASURED 16 // of each query
#define MOST 4      // that are asked for
#define TOGETHER 4  // that are measured side by side

/// Orders as distance, then index: small negative distances come first, too.
FORCED u64 key(float distance, u32 index) {
    const u32 bits = __float_as_uint(distance);
    return (u64)(bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u)) << 32 | index;
}
FORCED float distance_of(u64 key) {
    const u32 bits = (u32)(key >> 32);
    return __uint_as_float(bits ^ (bits >> 31 ? 0x80000000u : 0xffffffffu));
}
#define NO_KEY (~0ull)

template <int N>
FORCED void insert(u64 (&best)[N], u64 found) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        const u64 low = found < best[i] ? found : best[i];
        found = found < best[i] ? best[i] : found;
        best[i] = low;
    }
}

/// Rows x (n, d), or those of them that `from` (n) names among `of` rows: copied to `copies` where that is not null, rounded to
/// `halves`, and the squared lengths of what was rounded. A warp a row. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
nearest_prepare(const float* __restrict__ x, const u32* __restrict__ from, float* __restrict__ copies,
                bf16* __restrict__ halves, float* __restrict__ norms, int n, int d, int of) {
    const int lane = threadIdx.x % 32, row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= n) return;
    const u32 source = from ? from[row] : row;
    float sum = 0.0f;
#pragma unroll 1
    for (int i = lane; i < d; i += 32) {
        const float value = source < (u32)of ? x[(size_t)source * d + i] : 0.0f;
        const bf16 half = to_bf16(value);
        if (copies) copies[(size_t)row * d + i] = value;
        halves[(size_t)row * d + i] = half;
        sum += to_f32(half) * to_f32(half);
    }
    sum = warp_sum(sum);
    if (lane == 0 && norms) norms[row] = sum;
}
KERNEL(nearest_prepare)

/// queries (m, d) and rows (t, d) in bf16, norms (t); labels, or null; places of queries (m) and bits of the places of rows
/// (t, words), or null; candidates (m, parts, 2, KEEP). Grid: tiles of m, parts of the rows. Shared: that of a tile.
/// Registers: at most 128.
extern "C" __global__ void __launch_bounds__(TILE_THREADS)
nearest_search(const bf16* __restrict__ queries, const bf16* __restrict__ rows, const float* __restrict__ norms,
               const u32* __restrict__ query_labels, const u32* __restrict__ row_labels,
               const u32* __restrict__ query_places, const u32* __restrict__ row_places, u64* __restrict__ candidates, int m,
               int t, int d, int words) {
    // Scores lie over the slices, which are used up by then. Rows are one bank apart.
    float* scores = (float*)shared_memory();
    const int row0 = blockIdx.x * TILE, parts = gridDim.y;
    // Two threads a query: the one looks at the even columns, the other at the odd ones.
    const int query = threadIdx.x / 2, side = threadIdx.x % 2;
    const u32 label = query_labels && row0 + query < m ? query_labels[row0 + query] : 0;
    // A place that rows have no bit for is that of no row.
    const u32 place = query_places && row0 + query < m ? min(query_places[row0 + query], 32u * words) : 0;
    u64 best[KEEP];
#pragma unroll
    for (int i = 0; i < KEEP; i++) best[i] = NO_KEY;

#pragma unroll 1
    for (int column0 = blockIdx.y * TILE; column0 < t; column0 += parts * TILE) {
        Sums sums;
        multiply(sums, shared_memory(), Rows{queries, m}, rows, t, d, row0, column0);
        __syncthreads();  // nobody reads slices any more
#pragma unroll
        for (int e = 0; e < 32; e++) {
            const int i = e / 16, j = e / 4 % 4, v = e % 4, row = tile_row(i, v), column = tile_column(j, v);
            scores[row * (TILE + 1) + column] = column0 + column < t ? norms[column0 + column] - 2.0f * sums.of[i][j][v] : NEVER;
        }
        __syncthreads();
#pragma unroll 1
        for (int column = side; column < TILE && column0 + column < t; column += 2) {
            const u64 found = key(scores[query * (TILE + 1) + column], column0 + column);
            if (found >= best[KEEP - 1] || (row_labels && row_labels[column0 + column] == label)) continue;
            if (row_places) {
                const u32 word = place / 32;
                if (word >= (u32)words || !(row_places[(size_t)(column0 + column) * words + word] >> place % 32 & 1)) continue;
            }
            insert(best, found);
        }
        __syncthreads();  // the next slices lie where scores are
    }
    if (row0 + query >= m) return;
    u64* out = candidates + (((size_t)(row0 + query) * parts + blockIdx.y) * 2 + side) * KEEP;
#pragma unroll
    for (int i = 0; i < KEEP; i++) out[i] = best[i];
}
KERNEL(nearest_search)

/// queries (m, d) and rows (t, d) in f32; candidates as above, `lists` lists a query; indices and distances (m, k). A warp a
/// query, which picks the best candidates, and then measures some of them at once. Registers: at most 80.
extern "C" __global__ void __launch_bounds__(256)
nearest_settle(const float* __restrict__ queries, const float* __restrict__ rows, const u64* __restrict__ candidates,
               u32* __restrict__ indices, float* __restrict__ distances, int m, int d, int lists, int k) {
    const int lane = threadIdx.x % 32, query = blockIdx.x * 8 + threadIdx.x / 32;
    if (query >= m) return;
    candidates += (size_t)query * lists * KEEP;
    queries += (size_t)query * d;
    u64 mine[KEEP], top[MOST];
#pragma unroll
    for (int i = 0; i < KEEP; i++) mine[i] = NO_KEY;
#pragma unroll
    for (int i = 0; i < MOST; i++) top[i] = NO_KEY;
#pragma unroll 1
    for (int i = lane; i < lists * KEEP; i += 32) insert(mine, candidates[i]);

    u32 picked = 0;  // of lane i the candidate of rank i
    int count = 0;
#pragma unroll 1
    for (; count < MEASURED; count++) {
        u64 least = mine[0];
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            const u64 other = __shfl_xor_sync(WHOLE_WARP, least, step);
            least = other < least ? other : least;
        }
        if (least == NO_KEY) break;  // for all lanes alike
        if (mine[0] == least) {      // one lane's: no index comes twice
#pragma unroll
            for (int i = 0; i + 1 < KEEP; i++) mine[i] = mine[i + 1];
            mine[KEEP - 1] = NO_KEY;
        }
        if (lane == count) picked = (u32)least;
    }
#pragma unroll 1
    for (int rank = 0; rank < count; rank += TOGETHER) {
        u32 index[TOGETHER];
        float sums[TOGETHER];
#pragma unroll
        for (int j = 0; j < TOGETHER; j++) {
            index[j] = __shfl_sync(WHOLE_WARP, picked, min(rank + j, count - 1));
            sums[j] = 0.0f;
        }
#pragma unroll 4
        for (int i = lane; i < d; i += 32) {
            const float own = queries[i];
#pragma unroll
            for (int j = 0; j < TOGETHER; j++) {
                const float difference = own - rows[(size_t)index[j] * d + i];
                sums[j] += difference * difference;
            }
        }
#pragma unroll
        for (int j = 0; j < TOGETHER; j++) {
            const u64 measured = key(warp_sum(sums[j]), index[j]);
            insert(top, rank + j < count ? measured : NO_KEY);
        }
    }
    if (lane >= k) return;
    u64 found = top[0];
#pragma unroll
    for (int i = 1; i < MOST; i++) found = lane == i ? top[i] : found;
    indices[(size_t)query * k + lane] = (u32)found;
    distances[(size_t)query * k + lane] = found == NO_KEY ? NEVER : distance_of(found);
}
KERNEL(nearest_settle)
