// A thread a pixel of the network's input: it reads the samples of each channel where the frame keeps them, and finishes the
// colour. All that depends on the geometry of frames is in one table of words, made once (cuda.rs has its layout).
#include "device.cuh"

#define RGB 0
#define YCBCR 1
#define LITTLE 1
#define BIG 2
#define THIRD 3

// Places in the table.
#define FAMILY 0
#define WORD 1
#define MASK 2
#define ROWS 3
#define COLUMNS 4
#define INNER 5
#define TURN 9
#define TO_RGB 12
#define SCALE 19
#define SHIFT 22
#define CHANNELS 25
#define CHANNEL_WORDS 11

/// A channel: its plane, its place there, and its filters, which are places in the table.
struct Channel {
    int plane, shift_x, shift_y, step, offset, x_starts, x_weights, x_taps, y_starts, y_weights, y_taps;
};

FORCED float number(const u32* table, int at) { return __uint_as_float(table[at]); }

FORCED Channel channel_of(const u32* table, int c) {
    const u32* w = table + CHANNELS + c * CHANNEL_WORDS;
    return Channel{(int)w[0], (int)w[1], (int)w[2], (int)w[3], (int)w[4], (int)w[5],
                   (int)w[6], (int)w[7], (int)w[8], (int)w[9], (int)w[10]};
}

/// Sample `x` of row `y` of a channel, both on its own grid, as a whole word.
FORCED float sample(const u32* table, const u64* planes, const Channel& channel, int x, int y) {
    const unsigned char* row = (const unsigned char*)planes[2 * channel.plane] + (size_t)y * planes[2 * channel.plane + 1];
    const u32 word = table[WORD];
    if (word == THIRD) {
        const unsigned char* four = row + x / 3 * 4;
        const u32 bits = four[0] | (u32)four[1] << 8 | (u32)four[2] << 16 | (u32)four[3] << 24;
        return (float)(bits >> x % 3 * 10 & 0x3ff);
    }
    const unsigned char* at = row + (size_t)x * channel.step + channel.offset;
    if (word == LITTLE) return (float)((at[0] | (u32)at[1] << 8) & table[MASK]);
    if (word == BIG) return (float)((at[1] | (u32)at[0] << 8) & table[MASK]);
    return (float)at[0];
}

FORCED float clamp255(float v) { return fminf(fmaxf(v, 0.0f), 255.0f); }

/// Red, green and blue in 0..255 of three channels.
FORCED void to_rgb(const u32* table, const float (&v)[3], float (&rgb)[3]) {
    const u32 family = table[FAMILY];
    if (family == RGB) {
        rgb[0] = v[0];
        rgb[1] = v[1];
        rgb[2] = v[2];
        return;
    }
    const float luma = (v[0] - number(table, TO_RGB)) * number(table, TO_RGB + 1);
    const float cb = family == YCBCR ? v[1] - number(table, TO_RGB + 2) : 0.0f;
    const float cr = family == YCBCR ? v[2] - number(table, TO_RGB + 2) : 0.0f;
    rgb[0] = clamp255(luma + number(table, TO_RGB + 3) * cr);
    rgb[1] = clamp255(luma + number(table, TO_RGB + 4) * cb + number(table, TO_RGB + 5) * cr);
    rgb[2] = clamp255(luma + number(table, TO_RGB + 6) * cb);
}

/// The thread's pixel of the upright output, and where it is in the picture as it is stored; false where it is none.
FORCED bool pixel_of(const u32* table, int& at, int& x, int& y) {
    const int rows = table[ROWS], columns = table[COLUMNS];
    at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= rows * columns) return false;
    x = at % columns;
    y = at / columns;
    if (table[TURN + 1]) x = columns - 1 - x;
    if (table[TURN + 2]) y = rows - 1 - y;
    if (table[TURN]) {
        const int swapped = x;
        x = y;
        y = swapped;
    }
    x -= table[INNER];
    y -= table[INNER + 1];
    return true;
}

/// Triangle filters, for each channel on its own grid. planes: address and stride of each; out (3, rows, columns).
/// Registers: at most 64.
extern "C" __global__ void __launch_bounds__(256)
preprocess_triangle(const u32* __restrict__ table, const u64* __restrict__ planes, float* __restrict__ out) {
    int at, x, y;
    if (!pixel_of(table, at, x, y)) return;
    const int area = table[ROWS] * table[COLUMNS];
    const bool inside = x >= 0 && y >= 0 && x < (int)table[INNER + 2] && y < (int)table[INNER + 3];
    float v[3] = {0.0f, 0.0f, 0.0f}, rgb[3];
    if (inside) {
        const int channels = table[FAMILY] > YCBCR ? 1 : 3;
#pragma unroll 1
        for (int c = 0; c < channels; c++) {
            const Channel channel = channel_of(table, c);
            const int left = table[channel.x_starts + x], top = table[channel.y_starts + y];
            const float* across = (const float*)table + channel.x_weights + x * channel.x_taps;
            const float* down = (const float*)table + channel.y_weights + y * channel.y_taps;
            float sum = 0.0f;
#pragma unroll 1
            for (int i = 0; i < channel.y_taps; i++) {
                float line = 0.0f;
#pragma unroll 1
                for (int j = 0; j < channel.x_taps; j++) {
                    line += across[j] * sample(table, planes, channel, left + j, top + i);
                }
                sum += down[i] * line;
            }
            if (c == 0) v[0] = sum;
            if (c == 1) v[1] = sum;
            if (c == 2) v[2] = sum;
        }
    }
    to_rgb(table, v, rgb);
#pragma unroll
    for (int c = 0; c < 3; c++) {
        out[c * area + at] = inside ? rgb[c] * number(table, SCALE + c) + number(table, SHIFT + c) : 0.0f;
    }
}
KERNEL(preprocess_triangle)

/// OpenCV's bilinear of 8-bit pixels, with its roundings. The filters of channel 0 are lists of two places and two weights.
/// Registers: at most 64.
extern "C" __global__ void __launch_bounds__(256)
preprocess_paper(const u32* __restrict__ table, const u64* __restrict__ planes, float* __restrict__ out) {
    int at, x, y;
    if (!pixel_of(table, at, x, y)) return;
    const int area = table[ROWS] * table[COLUMNS];
    const Channel first = channel_of(table, 0);
    const u32* across = table + first.x_starts + 4 * x;
    const u32* down = table + first.y_starts + 4 * y;
    int sums[3] = {0, 0, 0};
#pragma unroll
    for (int j = 0; j < 2; j++) {
        int line[3] = {0, 0, 0};
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float v[3] = {0.0f, 0.0f, 0.0f}, rgb[3];
#pragma unroll
            for (int c = 0; c < 3; c++) {
                if (c > 0 && table[FAMILY] > YCBCR) continue;
                const Channel channel = channel_of(table, c);
                v[c] = sample(table, planes, channel, (int)across[i] >> channel.shift_x, (int)down[j] >> channel.shift_y);
            }
            to_rgb(table, v, rgb);
#pragma unroll
            for (int c = 0; c < 3; c++) line[c] += (int)floorf(rgb[c] + 0.5f) * (int)across[2 + i];
        }
#pragma unroll
        for (int c = 0; c < 3; c++) sums[c] += (int)down[2 + j] * (line[c] >> 4) >> 16;
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
        const float value = (float)((sums[c] + 2) >> 2);
        out[c * area + at] = value * number(table, SCALE + c) + number(table, SHIFT + c);
    }
}
KERNEL(preprocess_paper)
