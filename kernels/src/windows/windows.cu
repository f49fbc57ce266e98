// A thread a value of y; neighbouring threads have neighbouring channels.
#include "device.cuh"

/// x (height, width, c) floats, or bf16 where `x_half`, y (rows columns, side side c) floats, or bf16 where `y_half`.
/// Registers: at most 40.
extern "C" __global__ void __launch_bounds__(256)
windows(const void* __restrict__ x, int x_half, void* __restrict__ y, int height, int width, int c, int side, int step,
        int border, int rows, int columns, int y_half) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int wide = side * side * c;
    if (at >= (size_t)rows * columns * wide) return;
    const int tap = at % wide, window = at / wide;
    const int r = window / columns * step + tap / c / side - border, q = window % columns * step + tap / c % side - border;
    const bool inside = r >= 0 && r < height && q >= 0 && q < width;
    store(y, at, y_half, inside ? load(x, ((size_t)r * width + q) * c + tap % c, x_half) : 0.0f);
}
KERNEL(windows)
