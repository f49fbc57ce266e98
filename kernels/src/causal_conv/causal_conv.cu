// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

#define TAPS 4

/// x (sequences, len, d), w (layers, TAPS, d), bias (layers, d), y (sequences, len, d) floats, or bf16 where `half`. Layers take
/// turns among the sequences. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
causal_conv(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, void* __restrict__ y,
            int sequences, int len, int d, int layers, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (size_t)sequences * len * d) return;
    const int channel = at % d, row = at / d % len, layer = at / d / len % layers;
    w += (size_t)layer * TAPS * d + channel;
    float sum = bias[(size_t)layer * d + channel];
#pragma unroll
    for (int back = TAPS - 1; back >= 0; back--) {
        if (row >= back) sum += x[at - (size_t)back * d] * w[(TAPS - 1 - back) * d];
    }
    store(y, at, half, sum / (1.0f + expf(-sum)));
}
KERNEL(causal_conv)
