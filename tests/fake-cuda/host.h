// The words of CUDA C++ for g++; included before each .cu file.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "engine.h"

#define __global__
#define __device__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define threadIdx (gpu::place->thread)
#define blockIdx (gpu::place->block)
#define blockDim (gpu::place->threads)
#define gridDim (gpu::place->blocks)

// The mask of a collective is the whole warp: any other is refused where it is compiled.
template <unsigned MASK>
constexpr void whole_warp() { static_assert(MASK == 0xffffffffu, "collectives take the whole warp"); }

#define __syncthreads() gpu::sync_threads(__LINE__)
#define __syncwarp() gpu::sync_warp(__LINE__)
#define __shfl_xor_sync(mask, value, m) (whole_warp<mask>(), gpu::shuffled(value, gpu::lane() ^ (m), __LINE__))
#define __shfl_sync(mask, value, l) (whole_warp<mask>(), gpu::shuffled(value, (l) & 31u, __LINE__))
#define __ballot_sync(mask, is) (whole_warp<mask>(), gpu::ballot(is, __LINE__))
#define __threadfence() __atomic_thread_fence(__ATOMIC_SEQ_CST)

template <class T>
static inline T atomicAdd(T* at, T value) { return __atomic_fetch_add(at, value, __ATOMIC_ACQ_REL); }
template <class T>
static inline T atomicMax(T* at, T value) {
    T found = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (found < value && !__atomic_compare_exchange_n(at, &found, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {}
    return found;
}

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline unsigned __float_as_uint(float x) { unsigned bits; __builtin_memcpy(&bits, &x, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float x; __builtin_memcpy(&x, &bits, 4); return x; }
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
