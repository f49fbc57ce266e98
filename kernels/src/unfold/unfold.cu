// A thread a value of y.
#include "device.cuh"

/// x (planes, height, width), y (rows columns, planes side side) floats, or bf16 where `half`; `above` and `left` zeros lie before
/// a plane. Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
unfold(const float* __restrict__ x, void* __restrict__ y, int planes, int height, int width, int side, int step, int rows,
       int columns, int above, int left, int half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int wide = planes * side * side;
    if (at >= (size_t)rows * columns * wide) return;
    const int tap = at % wide, window = at / wide;
    const int i = tap / side % side, j = tap % side, plane = tap / side / side;
    const int r = window / columns * step + i - above, q = window % columns * step + j - left;
    const bool inside = r >= 0 && r < height && q >= 0 && q < width;
    store(y, at, half, inside ? x[((size_t)plane * height + r) * width + q] : 0.0f);
}
KERNEL(unfold)
