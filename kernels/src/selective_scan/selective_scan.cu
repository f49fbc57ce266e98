// Chunks of a sequence side by side. What some tokens have is read before the first of them is used, so that reads wait beside each
// other.
#include "device.cuh"
#include "chunks.cuh"

/// What the tokens of a sequence have, and the channel that a thread looks at.
struct Scan {
    const void* u;
    const float *delta, *bc, *z;
    size_t first;
    int u_half, channel, d, n, width;
    float share, offset;
};

/// Goes through tokens from..to with states of N, or of as many as `s.n` says of them, TOKENS tokens at a time. Returns the sum of
/// the steps. Writes y where it is not null.
template <int N, int TOKENS>
FORCED float scan(const Scan& s, float (&h)[N], const float (&rate)[N], int from, int to, void* y, int y_half) {
    float all = 0.0f;
#pragma unroll 1
    for (int t = from; t < to; t += TOKENS) {
        float us[TOKENS], steps[TOKENS], gates[TOKENS], rows[TOKENS][2 * N];
#pragma unroll
        for (int j = 0; j < TOKENS; j++) {
            const size_t row = s.first + min(t + j, to - 1), at = row * s.d + s.channel;
            us[j] = load(s.u, at, s.u_half);
            steps[j] = s.delta[at];
            gates[j] = y && s.z ? s.z[at] : 0.0f;
            const float* last = s.bc + (row + 1) * s.width - 2 * s.n;
#pragma unroll
            for (int i = 0; i < N; i++) {
                rows[j][i] = i < s.n ? last[i] : 0.0f;
                rows[j][N + i] = y && i < s.n ? last[s.n + i] : 0.0f;
            }
        }
#pragma unroll
        for (int j = 0; j < TOKENS; j++) {
            if (t + j >= to) continue;
            const float raw = steps[j] + s.offset, step = raw > 20.0f ? raw : log1pf(expf(raw)), drive = step * us[j];
            float out = s.share * us[j];
            all += step;
#pragma unroll
            for (int i = 0; i < N; i++) {
                h[i] = exp2f(step * rate[i]) * h[i] + drive * rows[j][i];
                out += rows[j][N + i] * h[i];
            }
            if (!y) continue;
            if (s.z) out *= gates[j] / (1.0f + expf(-gates[j]));
            store(y, (s.first + t + j) * s.d + s.channel, y_half, out);
        }
    }
    return all;
}

/// A block's channels of a sequence.
template <int N, int TOKENS>
FORCED void scan_channels(const void* u, int u_half, const float* delta, const float* bc, const float* z, const float* a,
                          const float* skip, const float* bias, float* states, void* y, int len, int d, int n, int width,
                          int layers, int y_half) {
    const int sequence = blockIdx.y, layer = sequence % layers, first = blockIdx.x * CHANNELS;
    const int own = threadIdx.x % CHANNELS, chunk = threadIdx.x / CHANNELS;
    // Threads beside the last channel do what that one's do, and write nothing.
    const bool is_real = first + own < d;
    const int channel = min(first + own, d - 1);
    const float share = skip[(size_t)layer * d + channel], offset = bias[(size_t)layer * d + channel];
    const Scan s{u, delta, bc, z, (size_t)sequence * len, u_half, channel, d, n, width, share, offset};
    float h[N], rate[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        h[i] = 0.0f;
        rate[i] = i < n ? LOG2E * a[((size_t)layer * n + i) * d + channel] : 0.0f;
    }
    const int tokens = (len + CHUNKS - 1) / CHUNKS, from = min(chunk * tokens, len), to = min(from + tokens, len);
    const float all = scan<N, TOKENS>(s, h, rate, from, to, nullptr, 0);

    const float state = chain(h, rate, all);
    const int i = threadIdx.x / CHANNELS;
    if (i < n && is_real) states[((size_t)sequence * n + i) * d + channel] = state;
    if (is_real) scan<N, TOKENS>(s, h, rate, from, to, y, y_half);
}

/// u (sequences, len, d) floats, or bf16 where `u_half`, delta and z (sequences, len, d), z or nothing, bc (sequences, len, width),
/// a (layers, n, d), skip and bias (layers, d), states (sequences, n, d), y (sequences, len, d) floats, or bf16 where `y_half`; n is
/// 4. Layers take turns among the sequences. Grid: eight channels, sequences. Registers: at most 128.
extern "C" __global__ void __launch_bounds__(THREADS)
selective_scan_4(const void* __restrict__ u, int u_half, const float* __restrict__ delta, const float* __restrict__ bc,
                 const float* __restrict__ z, const float* __restrict__ a, const float* __restrict__ skip,
                 const float* __restrict__ bias, float* __restrict__ states, void* __restrict__ y, int len, int d, int n,
                 int width, int layers, int y_half) {
    scan_channels<4, 4>(u, u_half, delta, bc, z, a, skip, bias, states, y, len, d, min(n, 4), width, layers, y_half);
}
KERNEL(selective_scan_4)

/// As above, n being at most 16. Registers: at most 128.
extern "C" __global__ void __launch_bounds__(THREADS)
selective_scan_16(const void* __restrict__ u, int u_half, const float* __restrict__ delta, const float* __restrict__ bc,
                  const float* __restrict__ z, const float* __restrict__ a, const float* __restrict__ skip,
                  const float* __restrict__ bias, float* __restrict__ states, void* __restrict__ y, int len, int d, int n,
                  int width, int layers, int y_half) {
    scan_channels<16, 1>(u, u_half, delta, bc, z, a, skip, bias, states, y, len, d, n, width, layers, y_half);
}
KERNEL(selective_scan_16)
