// A thread a channel of a sequence: it goes from token to token, its states in registers. What some tokens have is read before
// the first of them is used, so that reads wait beside each other.
#include "device.cuh"

#define THREADS 32

/// The scan with N states, or with as many as `n` says of them, TOKENS tokens at a time.
template <int N, int TOKENS>
FORCED void scan(const void* u, int u_half, const float* delta, const float* bc, const float* z, const float* a,
                 const float* skip, const float* bias, float* states, void* y, int len, int d, int n, int width, int layers,
                 int y_half) {
    const int channel = blockIdx.x * THREADS + threadIdx.x, sequence = blockIdx.y, layer = sequence % layers;
    if (channel >= d) return;
    a += (size_t)layer * n * d + channel;
    const float share = skip[(size_t)layer * d + channel], offset = bias[(size_t)layer * d + channel];
    float h[N], rate[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        h[i] = 0.0f;
        rate[i] = i < n ? a[(size_t)i * d] : 0.0f;
    }
#pragma unroll 1
    for (int t = 0; t < len; t += TOKENS) {
        float us[TOKENS], steps[TOKENS], gates[TOKENS], rows[TOKENS][2 * N];
#pragma unroll
        for (int j = 0; j < TOKENS; j++) {
            const size_t row = (size_t)sequence * len + min(t + j, len - 1), at = row * d + channel;
            us[j] = load(u, at, u_half);
            steps[j] = delta[at];
            gates[j] = z ? z[at] : 0.0f;
            const float* last = bc + (row + 1) * width - 2 * n;
#pragma unroll
            for (int i = 0; i < N; i++) {
                rows[j][i] = i < n ? last[i] : 0.0f;
                rows[j][N + i] = i < n ? last[n + i] : 0.0f;
            }
        }
#pragma unroll
        for (int j = 0; j < TOKENS; j++) {
            if (t + j >= len) continue;
            const float raw = steps[j] + offset, step = raw > 20.0f ? raw : log1pf(expf(raw)), drive = step * us[j];
            float out = share * us[j];
#pragma unroll
            for (int i = 0; i < N; i++) {
                h[i] = expf(step * rate[i]) * h[i] + drive * rows[j][i];
                out += rows[j][N + i] * h[i];
            }
            if (z) out *= gates[j] / (1.0f + expf(-gates[j]));
            store(y, ((size_t)sequence * len + t + j) * d + channel, y_half, out);
        }
    }
    states += (size_t)sequence * n * d + channel;
#pragma unroll
    for (int i = 0; i < N; i++) {
        if (i < n) states[(size_t)i * d] = h[i];
    }
}

/// u (sequences, len, d) floats, or bf16 where `u_half`, delta and z (sequences, len, d), z or nothing, bc (sequences, len, width),
/// a (layers, n, d), skip and bias (layers, d), states (sequences, n, d), y (sequences, len, d) floats, or bf16 where `y_half`; n is
/// 4. Layers take turns among the sequences. Grid: 32 channels, sequences. Registers: at most 128.
extern "C" __global__ void __launch_bounds__(THREADS)
selective_scan_4(const void* __restrict__ u, int u_half, const float* __restrict__ delta, const float* __restrict__ bc,
                 const float* __restrict__ z, const float* __restrict__ a, const float* __restrict__ skip,
                 const float* __restrict__ bias, float* __restrict__ states, void* __restrict__ y, int len, int d, int n,
                 int width, int layers, int y_half) {
    scan<4, 8>(u, u_half, delta, bc, z, a, skip, bias, states, y, len, d, 4, width, layers, y_half);
}
KERNEL(selective_scan_4)

/// As above, n being at most 16. Registers: at most 168.
extern "C" __global__ void __launch_bounds__(THREADS)
selective_scan_16(const void* __restrict__ u, int u_half, const float* __restrict__ delta, const float* __restrict__ bc,
                  const float* __restrict__ z, const float* __restrict__ a, const float* __restrict__ skip,
                  const float* __restrict__ bias, float* __restrict__ states, void* __restrict__ y, int len, int d, int n,
                  int width, int layers, int y_half) {
    scan<16, 1>(u, u_half, delta, bc, z, a, skip, bias, states, y, len, d, n, width, layers, y_half);
}
KERNEL(selective_scan_16)
