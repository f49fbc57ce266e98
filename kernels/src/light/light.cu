// A block a cell measures; one block compares, a warp a colour, with two cells a lane; a thread a pixel changes the light.
#include "device.cuh"

#define COLOURS 3
#define NUMBERS (COLOURS + 1)
#define SIDE 8
#define CELLS (SIDE * SIDE)
#define WARPS 4  // of a block that measures
#define EACH (CELLS / 32)

// As in mod.rs.
#define LUMA_RED 0.2126f
#define LUMA_GREEN 0.7152f
#define LUMA_BLUE 0.0722f
#define DARK 0.01f
#define STEADY 0.01f
#define ROUNDS 8
#define PER_MAD 1.4826f
#define BEYOND 4.685f
#define PRIOR (1.0f / (0.3f * 0.3f))
#define MOST 0.91629073f  // ln 2.5

/// Each so many-th row of a cell is measured.
#define STEP 4

/// The place of pixel or cell `i` of `n`, from -1 to 1.
FORCED float place_of(int i, int n) { return (2.0f * i + 1.0f) / n - 1.0f; }

/// The pixels of cell `i` of a length of `n`: at least one.
FORCED int begin_of(int i, int n) { return min(i * n / SIDE, n - 1); }
FORCED int end_of(int i, int n) { return max((i + 1) * n / SIDE, begin_of(i, n) + 1); }

/// picture (3, rows, columns), cells (8, 8, 4); a block is a cell of the rectangle. Shared: WARPS x NUMBERS floats.
/// Registers: at most 48.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
light_cells(const float* __restrict__ picture, float* __restrict__ cells, int rows, int columns, int x, int y, int width,
            int height, float mean_red, float mean_green, float mean_blue, float std_red, float std_green, float std_blue) {
    float* sums = (float*)shared_memory();  // (warps, numbers)
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int left = begin_of(blockIdx.x % SIDE, width), right = end_of(blockIdx.x % SIDE, width);
    const int top = begin_of(blockIdx.x / SIDE, height), bottom = end_of(blockIdx.x / SIDE, height);
    const size_t plane = (size_t)rows * columns;
    float red = 0.0f, green = 0.0f, blue = 0.0f, detail = 0.0f;
    for (int row = top + STEP * warp; row < bottom; row += STEP * WARPS) {
        const float* line = picture + (size_t)(y + row) * columns + x;
        for (int column = left + lane; column < right; column += 32) {
            const float* at = line + column;
            const float r = at[0], g = at[plane], b = at[2 * plane];
            red += r;
            green += g;
            blue += b;
            if (column + 1 < right) {
                detail += fabsf(LUMA_RED * std_red * (at[1] - r) + LUMA_GREEN * std_green * (at[plane + 1] - g) +
                                LUMA_BLUE * std_blue * (at[2 * plane + 1] - b));
            }
        }
    }
    red = warp_sum(red);
    green = warp_sum(green);
    blue = warp_sum(blue);
    detail = warp_sum(detail);
    if (lane == 0) {
        sums[warp * NUMBERS] = red;
        sums[warp * NUMBERS + 1] = green;
        sums[warp * NUMBERS + 2] = blue;
        sums[warp * NUMBERS + 3] = detail;
    }
    __syncthreads();  // sums of all warps are there
    if (threadIdx.x >= NUMBERS) return;
    const int number = threadIdx.x, lines = (bottom - top + STEP - 1) / STEP;
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += sums[w * NUMBERS + number];
    const float mean = number == 0 ? mean_red : number == 1 ? mean_green : mean_blue;
    const float std = number == 0 ? std_red : number == 1 ? std_green : std_blue;
    const float colour = sum / (lines * (right - left)) * std + mean;
    cells[blockIdx.x * NUMBERS + number] = number < COLOURS ? colour : sum / max(lines * (right - left - 1), 1);
}
KERNEL(light_cells)

/// The smallest of all lanes, in all of them.
FORCED float warp_min(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x = fminf(x, __shfl_xor_sync(WHOLE_WARP, x, step));
    return x;
}

/// The number of `values` that half of `weights` lies below; `own` are those of this lane.
FORCED float weighted_median(const float* values, const float* weights, const float (&own)[EACH], int lane) {
    float all = 0.0f, below[EACH] = {0.0f, 0.0f};
#pragma unroll 4
    for (int cell = 0; cell < CELLS; cell++) {
        const float value = values[cell], weight = weights[cell];
        all += weight;
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const bool is_below = value < own[i] || (value == own[i] && cell <= lane + 32 * i);
            below[i] += is_below ? weight : 0.0f;
        }
    }
    float found = NEVER;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        if (below[i] >= 0.5f * all) found = fminf(found, own[i]);
    }
    return warp_min(found);
}

/// The number of `values` that half of the others lie below; `own` are those of this lane.
FORCED float median(const float* values, const float (&own)[EACH], int lane) {
    int before[EACH] = {0, 0};
#pragma unroll 4
    for (int cell = 0; cell < CELLS; cell++) {
        const float value = values[cell];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            before[i] += value < own[i] || (value == own[i] && cell < lane + 32 * i) ? 1 : 0;
        }
    }
    float found = 0.0f;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        if (before[i] == CELLS / 2) found = own[i];
    }
    // Of all lanes one has found it.
    return warp_sum(found);
}

/// A plane of a colour.
struct Plane {
    float level, slope_x, slope_y;
};

/// The plane of least weighted squares; `xs` and `ys` are the places of this lane's cells.
FORCED Plane least_squares(const float (&values)[EACH], const float (&weights)[EACH], const float (&xs)[EACH],
                           const float (&ys)[EACH]) {
    float one = 0.0f, x = 0.0f, y = 0.0f, xx = 0.0f, xy = 0.0f, yy = 0.0f, v = 0.0f, xv = 0.0f, yv = 0.0f;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const float weight = weights[i], value = weight * values[i];
        one += weight;
        x += weight * xs[i];
        y += weight * ys[i];
        xx += weight * xs[i] * xs[i];
        xy += weight * xs[i] * ys[i];
        yy += weight * ys[i] * ys[i];
        v += value;
        xv += value * xs[i];
        yv += value * ys[i];
    }
    one = warp_sum(one) + 1e-6f;
    x = warp_sum(x);
    y = warp_sum(y);
    xx = warp_sum(xx) + PRIOR;
    xy = warp_sum(xy);
    yy = warp_sum(yy) + PRIOR;
    v = warp_sum(v);
    xv = warp_sum(xv);
    yv = warp_sum(yv);
    // Without the level, then without the first slope.
    const float by_x = x / one, by_y = y / one;
    xx -= by_x * x;
    xy -= by_x * y;
    yy -= by_y * y;
    xv -= by_x * v;
    yv -= by_y * v;
    const float by_xy = xy / xx;
    const float slope_y = (yv - by_xy * xv) / (yy - by_xy * xy);
    const float slope_x = (xv - xy * slope_y) / xx;
    return Plane{(v - x * slope_x - y * slope_y) / one, slope_x, slope_y};
}

/// `number` moved into a range, less itself.
FORCED float change(float number, float low, float high) { return fminf(fmaxf(number, low), high) - number; }

/// cells (8, 8, 4), usual (8, 8, 8), range (2, 9), found (2, 3, 3): planes and gains. Shared: COLOURS x (2 x CELLS + 3) floats.
/// Registers: at most 48.
extern "C" __global__ void __launch_bounds__(32 * COLOURS)
light_compare(const float* __restrict__ cells, const float* __restrict__ usual, const float* __restrict__ range,
              float* __restrict__ found) {
    const int lane = threadIdx.x % 32, colour = threadIdx.x / 32;
    float* planes = (float*)shared_memory();  // (colours, 3)
    float* values = planes + 3 * COLOURS + colour * 2 * CELLS;
    float* firsts = values + CELLS;  // weights before the first round
    float differences[EACH], spreads[EACH], xs[EACH], ys[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int cell = lane + 32 * i;
        const float middle = usual[cell * 2 * NUMBERS + colour];
        spreads[i] = usual[cell * 2 * NUMBERS + NUMBERS + colour] + STEADY + DARK / expf(middle);
        differences[i] = logf(fmaxf(cells[cell * NUMBERS + colour], DARK)) - middle;
        xs[i] = place_of(cell % SIDE, SIDE);
        ys[i] = place_of(cell / SIDE, SIDE);
        values[cell] = differences[i];
        firsts[cell] = 1.0f / (spreads[i] * spreads[i]);
    }
    __syncwarp();  // values and weights of all cells are there
    Plane plane = {weighted_median(values, firsts, differences, lane), 0.0f, 0.0f};
#pragma unroll 1
    for (int round = 0; round < ROUNDS; round++) {
        float rests[EACH], sizes[EACH], weights[EACH];
        __syncwarp();  // nobody reads the values before any more
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const float at = plane.level + plane.slope_x * xs[i] + plane.slope_y * ys[i];
            rests[i] = (differences[i] - at) / spreads[i];
            sizes[i] = fabsf(rests[i]);
            values[lane + 32 * i] = sizes[i];
        }
        __syncwarp();  // rests of all cells are there
        const float scale = fmaxf(PER_MAD * median(values, sizes, lane), 1.0f);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const float rest = rests[i] / (BEYOND * scale), share = fmaxf(1.0f - rest * rest, 0.0f);
            weights[i] = share * share / (spreads[i] * spreads[i] * scale * scale);
        }
        plane = least_squares(differences, weights, xs, ys);
    }
    if (lane == 0) {
        planes[colour * 3] = plane.level;
        planes[colour * 3 + 1] = plane.slope_x;
        planes[colour * 3 + 2] = plane.slope_y;
    }
    __syncthreads();  // planes of all colours are there
    if (threadIdx.x > 0) return;
    float sizes[COLOURS] = {0.0f, 0.0f, 0.0f}, gains[COLOURS][3];
#pragma unroll
    for (int i = 0; i < 3; i++) {
        const float red = planes[i], green = planes[3 + i], blue = planes[6 + i], mean = (red + green + blue) / COLOURS;
        const float* low = range + i * COLOURS;
        const float* high = low + 3 * COLOURS;
        const float all = change(mean, low[0], high[0]);
        const float reddish = change(red - mean, low[1], high[1]), bluish = change(blue - mean, low[2], high[2]);
        gains[0][i] = all + reddish;
        gains[1][i] = all - reddish - bluish;
        gains[2][i] = all + bluish;
#pragma unroll
        for (int c = 0; c < COLOURS; c++) sizes[c] += fabsf(gains[c][i]);
    }
    const bool is_near = sizes[0] < MOST && sizes[1] < MOST && sizes[2] < MOST;
#pragma unroll
    for (int i = 0; i < 3 * COLOURS; i++) {
        found[i] = planes[i];
        found[3 * COLOURS + i] = is_near ? gains[i / 3][i % 3] : 0.0f;
    }
}
KERNEL(light_compare)

/// picture (3, rows, columns), gains (3, 3): the rectangle is changed, or nothing where all gains are 0. Registers: at most 32.
extern "C" __global__ void __launch_bounds__(256)
light_relight(float* __restrict__ picture, const float* __restrict__ gains, int rows, int columns, int x, int y, int width,
              int height, float mean_red, float mean_green, float mean_blue, float std_red, float std_green, float std_blue) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= width * height) return;
    bool is_any = false;
#pragma unroll
    for (int i = 0; i < 3 * COLOURS; i++) is_any = is_any || gains[i] != 0.0f;
    if (!is_any) return;
    const int row = at / width, column = at % width;
    const float across = place_of(column, width), down = place_of(row, height);
    float* pixel = picture + (size_t)(y + row) * columns + x + column;
#pragma unroll
    for (int c = 0; c < COLOURS; c++) {
        const float mean = c == 0 ? mean_red : c == 1 ? mean_green : mean_blue;
        const float std = c == 0 ? std_red : c == 1 ? std_green : std_blue;
        const float gain = expf(gains[3 * c] + gains[3 * c + 1] * across + gains[3 * c + 2] * down);
        float* own = pixel + (size_t)c * rows * columns;
        *own = fminf(((*own * std + mean) * gain - mean) / std, (1.0f - mean) / std);
    }
}
KERNEL(light_relight)
