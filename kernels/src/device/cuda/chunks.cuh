// Scans of sequences that are cut into chunks. A block takes eight channels of a sequence, and each chunk is for eight threads. Each
// thread scans its chunk from a state of zero, whose end and decay are all that the chunks after it need to know; one thread a
// state of a channel goes from chunk to chunk with them; then each thread scans its chunk again, from the state that it begins
// with.
#pragma once

#define CHANNELS 8
#define CHUNKS 64
#define THREADS (CHANNELS * CHUNKS)

/// exp(x) = exp2(LOG2E x).
#define LOG2E 1.44269504f

/// Brings the states at the ends of chunks that were scanned from zero to those that chunks begin with. `all` is the sum of the
/// steps of this thread's chunk, `rate` what a step of 1 takes of a state, as a power of 2. Returns the state at the end of the
/// sequence, number threadIdx.x / CHANNELS of channel threadIdx.x % CHANNELS, in the first N x CHANNELS threads.
/// Shared: 2 CHUNKS x N x CHANNELS floats.
template <int N>
FORCED float chain(float (&h)[N], const float (&rate)[N], float all) {
    const int own = threadIdx.x % CHANNELS, chunk = threadIdx.x / CHANNELS;
    float* decays = (float*)shared_memory();  // (chunks, states, channels), as the states
    float* ends = decays + CHUNKS * N * CHANNELS;
#pragma unroll
    for (int i = 0; i < N; i++) {
        decays[(chunk * N + i) * CHANNELS + own] = exp2f(all * rate[i]);
        ends[(chunk * N + i) * CHANNELS + own] = h[i];
    }
    __syncthreads();  // ends of all chunks are there
    float state = 0.0f;
    if (threadIdx.x < N * CHANNELS) {
        // The state before each chunk takes the place of the one at its end.
#pragma unroll 8
        for (int c = 0; c < CHUNKS; c++) {
            const int at = c * N * CHANNELS + threadIdx.x;
            const float decay = decays[at], end = ends[at];
            ends[at] = state;
            state = decay * state + end;
        }
    }
    __syncthreads();  // beginnings of all chunks are there
#pragma unroll
    for (int i = 0; i < N; i++) h[i] = ends[(chunk * N + i) * CHANNELS + own];
    return state;
}
