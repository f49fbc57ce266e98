// A thread a sample of one channel under a tile.
#include "device.cuh"

#define BYTE 0
#define BIG 2

/// Draws a tile of R, G, B and alpha on a channel: (x, y, width, height) of the frame, of which `columns` x `rows` pixels there
/// are. (tile_x, tile_y) of the tile lies on (x, y). A word holds `most << unused`; a colour is the weighted sum of R, G, B and
/// 1. Registers: at most 64.
extern "C" __global__ void __launch_bounds__(256)
blend(unsigned char* plane, int stride, int step, int offset, int shift_x, int shift_y, int word, int most, int unused, int x,
      int y, int width, int height, int columns, int rows, const unsigned char* __restrict__ tile, int tile_stride, int tile_x,
      int tile_y, float red, float green, float blue, float one) {
    const int first_x = x >> shift_x, first_y = y >> shift_y;
    const int across = ((x + width - 1) >> shift_x) - first_x + 1, down = ((y + height - 1) >> shift_y) - first_y + 1;
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= across * down) return;
    const int sample_x = first_x + at % across, sample_y = first_y + at / across;
    float full = 0.0f, alpha = 0.0f, colour = 0.0f;
#pragma unroll 1
    for (int v = sample_y << shift_y; v < (sample_y + 1) << shift_y; v++) {
#pragma unroll 1
        for (int u = sample_x << shift_x; u < (sample_x + 1) << shift_x; u++) {
            if (u >= columns || v >= rows) continue;
            full += 255.0f;
            if (u < x || v < y || u >= x + width || v >= y + height) continue;
            const unsigned char* pixel = tile + (size_t)(tile_y + v - y) * tile_stride + 4 * (tile_x + u - x);
            const float a = (float)pixel[3];
            alpha += a;
            colour += a * (red * pixel[0] + green * pixel[1] + blue * pixel[2] + one);
        }
    }
    unsigned char* bytes = plane + (size_t)sample_y * stride + (size_t)sample_x * step + offset;
    const int low = word == BIG ? 1 : 0;
    const int whole = word == BYTE ? bytes[0] : bytes[low] | bytes[1 - low] << 8;
    const float before = (float)(whole >> unused & most);
    const float mixed = floorf((before * (full - alpha) + colour) / full + 0.5f);
    const int after = (int)fminf(fmaxf(mixed, 0.0f), (float)most);
    if (word == BYTE) {
        bytes[0] = (unsigned char)after;
        return;
    }
    const int stored = (whole & ~(most << unused)) | after << unused;
    bytes[low] = (unsigned char)stored;
    bytes[1 - low] = (unsigned char)(stored >> 8);
}
KERNEL(blend)
