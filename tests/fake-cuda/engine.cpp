// A device of fibers. Blocks run one after another in each of some threads; the threads of a block are fibers that stop only
// where CUDA's would wait for each other, so a collective that not all lanes reach is found, and not waited for.
#include "engine.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>
#ifdef GPU_TSAN
#include <sanitizer/tsan_interface.h>
#define HANDS_ON(token) __tsan_release(token)
#define TAKES_OVER(token) __tsan_acquire(token)
#else
#define HANDS_ON(token) ((void)(token))
#define TAKES_OVER(token) ((void)(token))
#endif

#ifndef __x86_64__
#error "fibers are switched in x86-64 assembly"
#endif

namespace gpu {

thread_local Place* place __attribute__((tls_model("initial-exec")));

namespace {

enum class State { Ready, AtWarp, AtBlock, Ended };
enum class Meeting : unsigned { None, Warp, Shuffle, Ballot, Mma, Rows };
const char* const MEETINGS[] = {"nothing", "__syncwarp", "a shuffle", "__ballot_sync", "mma", "ldmatrix"};

/// What a lane brings to a meeting of its warp, and what it takes from there.
struct Slot {
    alignas(16) unsigned char in[48];
    alignas(16) unsigned char out[16];
};

/// Lanes that meet. Two sets of slots in turn: a lane may be at the next meeting before another has taken from this one.
struct Warp {
    unsigned size = 0, arrived = 0, turn = 0, line = 0;
    Meeting what = Meeting::None;
    Slot slots[2][32];
};

struct Copy {
    void* to;
    const void* from;
    bool valid;
    unsigned group;
};

struct Fiber {
    Place place;
    State state = State::Ended;
    unsigned index = 0, line = 0;
    Warp* warp = nullptr;
    void* sp = nullptr;
    unsigned char* stack = nullptr;
    void* tsan = nullptr;
    std::vector<Copy> copies;
    size_t made = 0;
    unsigned group = 0;
};

constexpr size_t STACK = 128 << 10, PAGE = 4096;

/// What an operating-system thread runs blocks with.
struct Runner {
    std::vector<Fiber> fibers;
    /// Other sets of fibers, for the thread sanitizer: see `run_block`.
    std::vector<Fiber> others[4];
    std::vector<Warp> warps;
    const Kernel* kernel = nullptr;
    void* const* arguments = nullptr;
    Fiber* current = nullptr;
    void* sp = nullptr;
    void* tsan = nullptr;
    unsigned alive = 0, at_block = 0, block_line = 0, turn = 0;
    bool failed = false;
    uint64_t seed = 0;
    /// Addresses that stand for the barriers of the block.
    char* barriers = nullptr;
    std::vector<unsigned char*> memories;

    void free_memories() {
        for (unsigned char* memory : memories) free(memory);
        memories.clear();
    }
};
thread_local Runner* runner __attribute__((tls_model("initial-exec")));
[[maybe_unused]] char launch_token, end_token;

uint64_t next_random(uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

extern "C" void fake_cuda_switch(void** from, void* to);
asm(R"(
.text
.local fake_cuda_switch
.type fake_cuda_switch,@function
fake_cuda_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
.size fake_cuda_switch, .-fake_cuda_switch
)");

/// Lets the block's next fiber run.
void pause() {
    Runner& r = *runner;
#ifdef GPU_TSAN
    __tsan_switch_to_fiber(r.tsan, __tsan_switch_to_fiber_no_sync);
#endif
    fake_cuda_switch(&r.current->sp, r.sp);
}

void resume(Fiber& fiber) {
    Runner& r = *runner;
    r.current = &fiber;
    place = &fiber.place;
#ifdef GPU_TSAN
    __tsan_switch_to_fiber(fiber.tsan, __tsan_switch_to_fiber_no_sync);
#endif
    fake_cuda_switch(&r.sp, fiber.sp);
}

/// Ends the launch: this fiber never goes on.
void break_rule(const std::string& what) {
    Runner& r = *runner;
    if (!r.failed) {
        const Fiber& f = *r.current;
        fprintf(stderr, "fake cuda: %s, block (%u, %u, %u), thread %u: %s\n", r.kernel->name, f.place.block.x,
                f.place.block.y, f.place.block.z, f.index, what.c_str());
    }
    r.failed = true;
    for (;;) pause();
}

std::string at_line(Meeting what, unsigned line) {
    return std::string(MEETINGS[unsigned(what)]) + " of line " + std::to_string(line);
}

void thread_of_kernel() {
    Runner& r = *runner;
    TAKES_OVER(&launch_token);
    TAKES_OVER(&r.kernel);
    r.kernel->call(r.arguments);
    HANDS_ON(&end_token);
    Fiber& f = *r.current;
    if (f.made != f.copies.size()) break_rule("ends before its asynchronous copies have");
    f.state = State::Ended;
    r.alive--;
    pause();
    abort();
}

void prepare(Fiber& f) {
    if (!f.stack) {
        void* memory = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED) abort();
        f.stack = static_cast<unsigned char*>(memory);
        mprotect(f.stack, PAGE, PROT_NONE);
    }
    void** top = reinterpret_cast<void**>(f.stack + PAGE + STACK);
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(thread_of_kernel);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    f.sp = top;
    f.state = State::Ready;
    f.copies.clear();
    f.made = 0;
    f.group = 0;
#ifdef GPU_TSAN
    if (!f.tsan) f.tsan = __tsan_create_fiber(0);
#endif
}

/// Waits for all lanes of the warp at the same line. What each brings is there for all then, and the last to come lets
/// `combine` make what they take. (Accesses of the engine are no accesses of the kernel: it is built without sanitizers.)
template <class T>
Slot* meet(Meeting what, unsigned line, const T& in, void (*combine)(Slot*) = nullptr) {
    static_assert(sizeof(T) <= sizeof(Slot::in));
    Runner& r = *runner;
    Fiber& f = *r.current;
    Warp& w = *f.warp;
    Slot* slots = w.slots[w.turn & 1];
    __builtin_memcpy(slots[f.index % 32].in, &in, sizeof in);
    if (w.arrived == 0) {
        w.what = what;
        w.line = line;
    } else if (w.what != what || w.line != line) {
        break_rule("at " + at_line(what, line) + " while others of its warp are at " + at_line(w.what, w.line));
    }
    f.line = line;
    if (++w.arrived < w.size) {
        f.state = State::AtWarp;
        pause();
        return slots;
    }
    if (w.size < 32) break_rule("a warp of " + std::to_string(w.size) + " threads at " + at_line(what, line));
    if (combine) combine(slots);
    w.arrived = 0;
    w.turn++;
    Fiber* first = &r.fibers[f.index / 32 * 32];
    for (unsigned i = 0; i < w.size; i++) {
        if (first[i].state == State::AtWarp) first[i].state = State::Ready;
    }
    return slots;
}

/// Lets the fibers go on that wait for the block, once all of them do.
bool release_block() {
    Runner& r = *runner;
    if (r.alive == 0 || r.at_block < r.alive) return false;
    r.at_block = 0;
    r.turn++;
    for (Fiber& f : r.fibers) {
        if (f.state == State::AtBlock) f.state = State::Ready;
    }
    return true;
}

void report_stuck(const Runner& r, unsigned n, const Dim& block) {
    fprintf(stderr, "fake cuda: %s, block (%u, %u, %u): threads wait for ever:", r.kernel->name, block.x, block.y, block.z);
    for (unsigned i = 0; i < n; i++) {
        const Fiber &f = r.fibers[i], &before = r.fibers[i ? i - 1 : 0];
        if (i && f.line == before.line && f.state == before.state) continue;
        const char* where = f.state == State::Ended ? "ended" : f.state == State::AtBlock ? "at __syncthreads" : "in a warp";
        fprintf(stderr, " from %u %s, line %u;", i, where, f.line);
    }
    fputc('\n', stderr);
}

bool run_block(Dim block, Dim threads, Dim blocks, size_t shared) {
    Runner& r = *runner;
    const unsigned n = unsigned(threads.count()), warps = (n + 31) / 32;
#ifdef GPU_TSAN
    // Two blocks with the same fibers would be taken for one after the other, and their races not seen. A fiber costs the
    // sanitizer milliseconds, so a block has one of few sets by chance, not one of its own.
    static thread_local uint64_t chance = 88172645463325252ull;
    r.fibers.swap(r.others[next_random(chance) >> 40 & 3]);
#endif
    if (r.fibers.size() < n) r.fibers.resize(n);
    if (r.warps.size() < warps) r.warps.resize(warps);
    // As long as was asked for and no longer, for the address sanitizer, and NaN until it is written.
    unsigned char* memory = nullptr;
    if (posix_memalign(reinterpret_cast<void**>(&memory), 128, shared ? shared : 1)) abort();
    memset(memory, 0xff, shared);
    r.memories.push_back(memory);
    r.barriers = static_cast<char*>(malloc(1024));
    r.memories.push_back(reinterpret_cast<unsigned char*>(r.barriers));
    r.alive = n;
    r.at_block = 0;
    r.failed = false;
    for (unsigned i = 0; i < n; i++) {
        Fiber& f = r.fibers[i];
        const Dim thread = {i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y};
        f.index = i;
        f.place = {thread, block, threads, blocks, memory};
        f.warp = &r.warps[i / 32];
        prepare(f);
    }
    for (unsigned w = 0; w < warps; w++) {
        r.warps[w].size = n - w * 32 < 32 ? n - w * 32 : 32;
        r.warps[w].arrived = 0;
    }
    HANDS_ON(&r.kernel);
    for (bool moved = true; r.alive && !r.failed && moved;) {
        moved = false;
        // Warps and lanes come in an order by the seed; a warp goes on until all its lanes wait, or not for as long.
        const unsigned turn = r.seed ? next_random(r.seed) % warps : 0;
        const bool down = r.seed && next_random(r.seed) % 2;
        for (unsigned i = 0; i < warps && !r.failed; i++) {
            const unsigned w = ((down ? warps - 1 - i : i) + turn) % warps, size = r.warps[w].size;
            for (bool again = true; again && !r.failed;) {
                again = false;
                const unsigned first = r.seed ? next_random(r.seed) % size : 0;
                for (unsigned l = 0; l < size && !r.failed; l++) {
                    Fiber& f = r.fibers[w * 32 + (l + first) % size];
                    if (f.state != State::Ready) continue;
                    resume(f);
                    moved = again = true;
                }
                if (r.seed && next_random(r.seed) % 4 == 0) break;
            }
        }
        if (release_block()) moved = true;
    }
    if (!r.failed && r.alive) {
        report_stuck(r, n, block);
        r.failed = true;
    }
#ifndef GPU_TSAN
    r.free_memories();
#endif
    return !r.failed;
}

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

/// Runners wait here for the next launch, whichever thread it comes from: fibers are dear to the thread sanitizer.
std::mutex waiting_lock;
std::vector<Runner*> waiting;

Runner* take_runner() {
    std::lock_guard<std::mutex> locked(waiting_lock);
    if (waiting.empty()) return new Runner;
    Runner* one = waiting.back();
    waiting.pop_back();
    return one;
}

void give_back(Runner* one) {
    std::lock_guard<std::mutex> locked(waiting_lock);
    waiting.push_back(one);
}

unsigned number(const char* name, unsigned otherwise) {
    const char* value = getenv(name);
    return value && *value ? unsigned(atoi(value)) : otherwise;
}

float widen(unsigned bits) {
    bits <<= 16;
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
}

struct Product {
    unsigned a[4], b[2];
    float c[4];
};

void multiply(Slot* slots) {
    float a[16][16], b[16][8], c[16][8];
#pragma GCC unroll 32
    for (unsigned l = 0; l < 32; l++) {
        const auto& in = *reinterpret_cast<const Product*>(slots[l].in);
        const unsigned group = l / 4, pair = l % 4 * 2;
        for (unsigned i = 0; i < 4; i++) {
            const unsigned row = group + i % 2 * 8, column = pair + i / 2 * 8;
            a[row][column] = widen(in.a[i] & 0xffff);
            a[row][column + 1] = widen(in.a[i] >> 16);
            c[group + i / 2 * 8][pair + i % 2] = in.c[i];
        }
        for (unsigned i = 0; i < 2; i++) {
            b[pair + i * 8][group] = widen(in.b[i] & 0xffff);
            b[pair + i * 8 + 1][group] = widen(in.b[i] >> 16);
        }
    }
    for (int i = 0; i < 16; i++) {
        float row[8];
        for (int j = 0; j < 8; j++) row[j] = c[i][j];
        for (int k = 0; k < 16; k++) {
            for (int j = 0; j < 8; j++) row[j] += a[i][k] * b[k][j];
        }
        for (int j = 0; j < 8; j++) c[i][j] = row[j];
    }
#pragma GCC unroll 32
    for (unsigned l = 0; l < 32; l++) {
        float* out = reinterpret_cast<float*>(slots[l].out);
        for (unsigned i = 0; i < 4; i++) out[i] = c[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
    }
}

}  // namespace

unsigned lane() { return runner->current->index % 32; }

void sync_threads(unsigned line) {
    Runner& r = *runner;
    Fiber& f = *r.current;
    if (r.at_block == 0) {
        r.block_line = line;
    } else if (r.block_line != line) {
        break_rule("at __syncthreads of line " + std::to_string(line) + " while others are at that of line " +
                   std::to_string(r.block_line));
    }
    r.at_block++;
    f.line = line;
    f.state = State::AtBlock;
    // Two addresses in turn: who goes on late must not take over what faster ones have handed on since.
    char* barrier = r.barriers + (r.turn & 1) * 8;
    HANDS_ON(barrier);
    pause();
    TAKES_OVER(barrier);
}

void sync_warp(unsigned line) {
    const Fiber& f = *runner->current;
    char* barrier = runner->barriers + 16 + (f.index / 32 * 2 + (f.warp->turn & 1)) * 8;
    HANDS_ON(barrier);
    meet(Meeting::Warp, line, '\0');
    TAKES_OVER(barrier);
}

uint64_t shuffle(uint64_t value, unsigned from, unsigned line) {
    const Slot* slots = meet(Meeting::Shuffle, line, value);
    uint64_t got;
    __builtin_memcpy(&got, slots[from].in, sizeof got);
    return got;
}

unsigned ballot(bool is, unsigned line) {
    const Slot* slots = meet(Meeting::Ballot, line, is);
    unsigned all = 0;
    for (unsigned i = 0; i < 32; i++) all |= unsigned(slots[i].in[0] != 0) << i;
    return all;
}

void mma_bf16(float* d, const unsigned* a, const unsigned* b, unsigned line) {
    Product in;
    for (int i = 0; i < 4; i++) {
        in.a[i] = a[i];
        in.c[i] = d[i];
    }
    for (int i = 0; i < 2; i++) in.b[i] = b[i];
    const Slot* slots = meet(Meeting::Mma, line, in, multiply);
    __builtin_memcpy(d, slots[lane()].out, 4 * sizeof *d);
}

void matrix_rows(const void* row, const void** rows, unsigned line) {
    if (reinterpret_cast<uintptr_t>(row) % 16) {
        break_rule("ldmatrix of line " + std::to_string(line) + " at an address that is no multiple of 16");
    }
    const Slot* slots = meet(Meeting::Rows, line, row);
    for (unsigned m = 0; m < 4; m++) {
        unsigned banks = 0;
        for (unsigned i = 0; i < 8; i++) {
            uintptr_t at;
            __builtin_memcpy(&at, slots[m * 8 + i].in, sizeof at);
            banks |= 1u << (at / 16 % 8);
        }
        // Rows in the same banks are read one after the other, up to eight times as slowly.
        if (banks != 0xff) break_rule("ldmatrix of line " + std::to_string(line) + " of rows in the same banks");
        __builtin_memcpy(&rows[m], slots[m * 8 + lane() / 4].in, sizeof rows[m]);
    }
}

bool copies_are_eager() {
    static const bool eager = number("FAKE_CUDA_EAGER_COPIES", 0);
    return eager;
}

void copy_issue(void* to, const void* from, bool valid) {
    if ((reinterpret_cast<uintptr_t>(to) | (valid ? reinterpret_cast<uintptr_t>(from) : 0)) % 16) {
        break_rule("an asynchronous copy at an address that is no multiple of 16");
    }
    Fiber& f = *runner->current;
    f.copies.push_back({to, from, valid, f.group});
}

void copy_commit() { runner->current->group++; }

bool copy_take(unsigned pending, void** to, const void** from, bool* valid) {
    Fiber& f = *runner->current;
    if (f.made == f.copies.size() || f.copies[f.made].group + pending >= f.group) return false;
    const Copy& copy = f.copies[f.made++];
    *to = copy.to;
    *from = copy.from;
    *valid = copy.valid;
    if (f.made == f.copies.size()) {
        f.copies.clear();
        f.made = 0;
    }
    return true;
}

void add_kernel(const Kernel& kernel) { kernels()[kernel.name] = kernel; }

const Kernel* find_kernel(const char* name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

bool launch(const Kernel& kernel, Dim blocks, Dim threads, size_t shared, void* const* arguments) {
    const size_t n = blocks.count();
    const unsigned seed = number("FAKE_CUDA_SEED", 0), workers = number("FAKE_CUDA_THREADS", 1);
    std::atomic<size_t> next{0};
    std::atomic<bool> good{true};
    auto work = [&](unsigned worker) {
        Runner& r = *(runner = take_runner());
        r.kernel = &kernel;
        r.arguments = arguments;
        r.seed = seed ? 0x9e3779b97f4a7c15ull * seed + worker : 0;
#ifdef GPU_TSAN
        r.tsan = __tsan_get_current_fiber();
#endif
        for (size_t b; good && (b = next++) < n;) {
            const size_t at = seed ? n - 1 - b : b;
            const Dim block = {unsigned(at % blocks.x), unsigned(at / blocks.x % blocks.y), unsigned(at / blocks.x / blocks.y)};
            if (!run_block(block, threads, blocks, shared)) good = false;
        }
        TAKES_OVER(&end_token);
        r.free_memories();
        give_back(&r);
    };
    HANDS_ON(&launch_token);
    if (workers <= 1 || n == 1) {
        work(0);
    } else {
        std::vector<std::thread> all;
        for (unsigned i = 0; i < workers; i++) all.emplace_back(work, i);
        for (std::thread& one : all) one.join();
    }
    return good;
}

}  // namespace gpu
