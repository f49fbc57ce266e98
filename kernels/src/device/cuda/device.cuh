// What kernels need beside CUDA C++ itself: bf16, tensor cores, asynchronous copies, sums over a warp. This is the only file
// with PTX, and each of its functions has a twin for the host, where tests run the same kernels (tests/fake-cuda). No header
// of the CUDA toolkit is needed.
//
// Rules of all kernels: warps are whole and collectives take the whole warp; shared memory is the one block that the launch
// asks for; no array is indexed by what is known at run time alone, which would put it into slow memory.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

/// A float in its upper 16 bits.
struct bf16 {
    unsigned short bits;
};

#define WHOLE_WARP 0xffffffffu

#ifdef __CUDACC__

#define FORCED __device__ __forceinline__
/// Makes a kernel known to the host's twin of the driver.
#define KERNEL(name)

/// The shared memory of the block.
FORCED unsigned char* shared_memory() {
    extern __shared__ __align__(128) unsigned char memory[];
    return memory;
}

/// Two floats rounded to nearest, `low` in the low half.
FORCED u32 pack_bf16(float low, float high) {
    u32 packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

/// d += a b: a 16 x 16 row-major, b 16 x 8 column-major, fragments as PTX lays them out for m16n8k16.
FORCED void mma(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices of bf16 from shared memory; lane l gives the address of row l % 8 of matrix l / 8.
FORCED void ldmatrix(u32 (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((u32)__cvta_generic_to_shared(row))
                 : "memory");
}

/// 16 bytes to shared memory, zeros where not `valid`. They are there after `copy_wait` and a barrier.
FORCED void copy_async(void* to, const void* from, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((u32)__cvta_generic_to_shared(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(valid ? 16 : 0)
                 : "memory");
}

/// What was copied since the last commit becomes a group.
FORCED void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits for all groups but the last `PENDING`.
template <int PENDING>
FORCED void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

#else  // The host.

#define FORCED static inline __attribute__((always_inline))
#define KERNEL(name) static gpu::Entry<&name> entry_of_##name(#name);

FORCED unsigned char* shared_memory() { return gpu::place->shared; }

FORCED u32 round_to_bf16(float x) {
    const u32 bits = __float_as_uint(x);
    return x != x ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
FORCED u32 pack_bf16(float low, float high) { return round_to_bf16(low) | round_to_bf16(high) << 16; }

#define mma(d, a, b) gpu::mma_bf16(d, a, b, __LINE__)

FORCED void ldmatrix_at(u32 (&r)[4], const void* row, unsigned line) {
    const void* rows[4];
    gpu::matrix_rows(row, rows, line);
    for (int i = 0; i < 4; i++) r[i] = ((const u32*)rows[i])[gpu::lane() % 4];
}
#define ldmatrix(r, row) ldmatrix_at(r, row, __LINE__)

FORCED void copy_now(void* to, const void* from, bool valid) {
    ((u64*)to)[0] = valid ? ((const u64*)from)[0] : 0;
    ((u64*)to)[1] = valid ? ((const u64*)from)[1] : 0;
}
FORCED void copy_async(void* to, const void* from, bool valid) {
    if (gpu::copies_are_eager()) {
        copy_now(to, from, valid);
    } else {
        gpu::copy_issue(to, from, valid);
    }
}
FORCED void copy_commit() { gpu::copy_commit(); }
template <int PENDING>
FORCED void copy_wait() {
    void* to;
    const void* from;
    bool valid;
    while (gpu::copy_take(PENDING, &to, &from, &valid)) copy_now(to, from, valid);
}

#endif

#define NEVER __uint_as_float(0x7f800000u)  // infinity

FORCED float to_f32(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
FORCED bf16 to_bf16(float x) { return bf16{(unsigned short)pack_bf16(x, 0.0f)}; }

/// Value `i` of rows that are floats, or bf16 where `half`.
FORCED float load(const void* values, size_t i, int half) {
    return half ? to_f32(((const bf16*)values)[i]) : ((const float*)values)[i];
}
FORCED void store(void* values, size_t i, int half, float x) {
    if (half) {
        ((bf16*)values)[i] = to_bf16(x);
    } else {
        ((float*)values)[i] = x;
    }
}

/// The sum over the lanes of a warp, in all of them, always in the same order.
FORCED float warp_sum(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(WHOLE_WARP, x, step);
    return x;
}

/// x P(N(0, 1) <= x), by the same series for the error function as on the CPU (Abramowitz and Stegun 7.1.26).
FORCED float gelu(float x) {
    const float z = fabsf(x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
    const float series = ((((1.0614054f * t - 1.453152f) * t + 1.4214138f) * t - 0.28449674f) * t + 0.2548296f) * t;
    return 0.5f * x * (1.0f + copysignf(1.0f - series * expf(-z * z), x));
}
