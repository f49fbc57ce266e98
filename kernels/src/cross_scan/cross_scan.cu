// Chunks of a sequence side by side, of each direction for itself; then the sums over the directions.
#include "device.cuh"
#include "chunks.cuh"

#define STATES 16

/// A sequence in one direction, and the channel that a thread looks at.
struct Scan {
    const float *u, *rows, *step;
    const u32* order;
    int d, n, rank, width;
    float share, offset;
};

/// Goes through the cells of places from..to of the order. Returns the sum of the steps. Writes y where it shall.
template <bool WRITES>
FORCED float scan(const Scan& s, float (&h)[STATES], const float (&rate)[STATES], int from, int to, float* y) {
    float all = 0.0f;
#pragma unroll 1
    for (int place = from; place < to; place++) {
        const size_t cell = s.order[place];
        const float* row = s.rows + cell * s.width;
        const float u = s.u[cell * s.d];
        float raw = s.offset;
#pragma unroll 2
        for (int i = 0; i < s.rank; i++) raw += row[i] * s.step[(size_t)i * s.d];
        const float delta = raw > 20.0f ? raw : log1pf(expf(raw)), drive = delta * u;
        float out = s.share * u;
        all += delta;
        row += s.rank;
#pragma unroll
        for (int i = 0; i < STATES; i++) {
            h[i] = exp2f(delta * rate[i]) * h[i] + drive * (i < s.n ? row[i] : 0.0f);
            if (WRITES && i < s.n) out += row[s.n + i] * h[i];
        }
        if (WRITES) y[cell * s.d] = out;
    }
    return all;
}

/// u (cells, d), rows (cells, directions (rank + 2 n)), orders (directions, cells), a (directions, n, d) as powers of 2, step
/// (directions, rank, d), bias and skip (directions, d), parts (directions, cells, d); n is at most 16. Grid: eight channels,
/// directions, sequences of `len` cells. Registers: at most 128.
extern "C" __global__ void __launch_bounds__(THREADS)
cross_scan(const float* __restrict__ u, const float* __restrict__ rows, const u32* __restrict__ orders,
           const float* __restrict__ a, const float* __restrict__ step, const float* __restrict__ bias,
           const float* __restrict__ skip, float* __restrict__ parts, int cells, int len, int d, int n, int rank) {
    const int direction = blockIdx.y, directions = gridDim.y, first = blockIdx.x * CHANNELS;
    const int own = threadIdx.x % CHANNELS, chunk = threadIdx.x / CHANNELS;
    // Threads beside the last channel do what that one's do, and write nothing.
    const bool is_real = first + own < d;
    const int channel = min(first + own, d - 1), parameter = direction * d + channel, wide = rank + 2 * n;
    const Scan s{u + channel,
                 rows + direction * wide,
                 step + (size_t)direction * rank * d + channel,
                 orders + (size_t)direction * cells + (size_t)blockIdx.z * len,
                 d,
                 n,
                 rank,
                 directions * wide,
                 skip[parameter],
                 bias[parameter]};
    float h[STATES], rate[STATES];
#pragma unroll
    for (int i = 0; i < STATES; i++) {
        h[i] = 0.0f;
        rate[i] = i < n ? a[((size_t)direction * n + i) * d + channel] : 0.0f;
    }
    const int places = (len + CHUNKS - 1) / CHUNKS, from = min(chunk * places, len), to = min(from + places, len);
    const float all = scan<false>(s, h, rate, from, to, nullptr);
    chain(h, rate, all);
    if (is_real) scan<true>(s, h, rate, from, to, parts + (size_t)direction * cells * d + channel);
}
KERNEL(cross_scan)

/// parts (count, n) to y (n), the sum of all, times `scale`. Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
cross_scan_sum(const float* __restrict__ parts, float* __restrict__ y, int n, int count, float scale) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)n) return;
    float sum = 0.0f;
#pragma unroll 8
    for (int part = 0; part < count; part++) sum += parts[(size_t)part * n + at];
    y[at] = scale * sum;
}
KERNEL(cross_scan_sum)
