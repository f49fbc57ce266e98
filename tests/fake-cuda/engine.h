// What kernels that g++ compiled call, and what the driver calls to run them. See README.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gpu {

struct Dim {
    unsigned x = 1, y = 1, z = 1;
    size_t count() const { return size_t(x) * y * z; }
};

/// Where a thread is: what threadIdx, blockIdx, blockDim and gridDim say, and the shared memory of its block.
struct Place {
    Dim thread, block, threads, blocks;
    unsigned char* shared;
};

/// The place of the thread that runs now.
extern thread_local Place* place __attribute__((tls_model("initial-exec")));

/// A kernel as the driver knows it: its name, the sizes of its arguments, and how it is called.
struct Kernel {
    const char* name;
    const size_t* sizes;
    unsigned n_arguments;
    void (*call)(void* const* arguments);
};

void add_kernel(const Kernel& kernel);
/// Nothing where no kernel has that name.
const Kernel* find_kernel(const char* name);

/// Runs a kernel to its end. False where it broke a rule of CUDA's; a line on standard error says which.
bool launch(const Kernel& kernel, Dim blocks, Dim threads, size_t shared, void* const* arguments);

// What threads do together. `line` is the line of the source: threads that are at two lines at once have diverged.

void sync_threads(unsigned line);
void sync_warp(unsigned line);
uint64_t shuffle(uint64_t value, unsigned from, unsigned line);
unsigned ballot(bool is, unsigned line);
/// d += a b for one 16 x 8 x 16 product, fragments laid out as PTX has them for mma.m16n8k16.
void mma_bf16(float* d, const unsigned* a, const unsigned* b, unsigned line);
/// The four 16-byte rows that this lane gets parts of, as PTX's ldmatrix.x4 hands them out.
void matrix_rows(const void* row, const void** rows, unsigned line);
unsigned lane();

// Asynchronous copies of 16 bytes. A kernel makes them itself, so that sanitizers see its accesses; the engine says when.

void copy_issue(void* to, const void* from, bool valid);
void copy_commit();
/// The next copy that a wait for all groups but the last `pending` has to make.
bool copy_take(unsigned pending, void** to, const void** from, bool* valid);
/// Whether copies happen at once, which hardware may do, rather than at the wait, which it may do, too.
bool copies_are_eager();

template <class... A, size_t... I>
void call_with(void (*kernel)(A...), void* const* p, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(p[I])...);
}

/// Makes a kernel known by its name.
template <auto F> struct Entry;
template <class... A, void (*F)(A...)>
struct Entry<F> {
    static constexpr size_t sizes[] = {sizeof(A)..., 0};
    static void call(void* const* p) { call_with(F, p, std::index_sequence_for<A...>{}); }
    explicit Entry(const char* name) { add_kernel({name, sizes, sizeof...(A), call}); }
};

template <class T>
T shuffled(T value, unsigned from, unsigned line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    bits = shuffle(bits, from, line);
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

}  // namespace gpu
