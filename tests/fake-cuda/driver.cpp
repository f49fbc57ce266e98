// NVIDIA's driver over host memory: the calls that the device layer makes, with the meaning that the driver's manual gives
// them. A stream holds its work back until somebody waits for it, so who reads too early reads old data.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "engine.h"

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;

namespace {

enum : CUresult {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NOT_SUPPORTED = 801,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};

const std::map<CUresult, std::pair<const char*, const char*>> ERRORS = {
    {SUCCESS, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {INVALID_IMAGE, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {INVALID_PTX, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
    {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {NOT_READY, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {OUT_OF_RESOURCES, {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"}},
    {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
    {CAPTURE_UNSUPPORTED, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
    {CAPTURE_INVALIDATED, {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"}},
};

/// A setting from the environment; it is read anew each time, so that a test may change it.
long long setting(const char* name, long long otherwise) {
    const char* value = getenv(name);
    return value && *value ? atoll(value) : otherwise;
}

int n_devices() { return int(setting("FAKE_CUDA_DEVICES", 1)); }

#if defined(__SANITIZE_ADDRESS__) || defined(GPU_ASAN) || defined(GPU_TSAN)
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = false;
#endif

/// What has been asked of the driver since it was loaded.
struct Counts {
    unsigned long long allocations = 0, frees = 0, pinned = 0, launches = 0, alone = 0, graphs = 0, to_device = 0, to_host = 0, waits = 0, contexts = 0;
    unsigned long long bytes_to_device = 0, bytes_to_host = 0;

    ~Counts() {
        // At the end of the process.
        const char* path = getenv("FAKE_CUDA_REPORT");
        FILE* file = path && *path ? fopen(path, "w") : nullptr;
        if (!file) return;
        fprintf(file, "allocations %llu\nfrees %llu\npinned %llu\nlaunches %llu\nalone %llu\ngraphs %llu\nto_device %llu\nto_host %llu\nwaits %llu\ncontexts %llu\n"
                "bytes_to_device %llu\nbytes_to_host %llu\n",
                allocations, frees, pinned, launches, alone, graphs, to_device, to_host, waits, contexts, bytes_to_device, bytes_to_host);
        fclose(file);
    }
} counts;

std::recursive_mutex mutex;

// Memory.

std::map<CUdeviceptr, size_t> pinned;

/// Bytes that all contexts have taken.
size_t taken = 0;

/// Device memory of a context lies in one region that the process may touch only while kernels run for that context, each
/// allocation before a stretch of known bytes. The driver itself touches it at a second address, where it always may: who asks
/// for leave, asks for every page. With a sanitizer each allocation is one of the heap, whose bounds the sanitizer knows.
struct Arena {
    static constexpr size_t GRAIN = 256, SPACE = 1ull << 36;
    static constexpr unsigned char FENCE = 0xa5;
    unsigned char *base = nullptr, *own = nullptr;
    size_t used = 0;
    bool is_open = false;
    std::map<CUdeviceptr, size_t> all;
    std::multimap<size_t, CUdeviceptr> free;

    static size_t rounded(size_t n) { return (n + 2 * GRAIN - 1) / GRAIN * GRAIN; }

    /// Lets kernels touch the memory, or nobody.
    void open(bool is_open_now) {
        if (SANITIZED || is_open == is_open_now) return;
        is_open = is_open_now;
        if (used) mprotect(base, (used + 4095) / 4096 * 4096, is_open ? PROT_READ | PROT_WRITE : PROT_NONE);
    }

    /// Where the driver itself touches that memory; memory of the host is where it is.
    unsigned char* reach(CUdeviceptr at) const {
        const auto from = CUdeviceptr(base);
        return reinterpret_cast<unsigned char*>(base && at >= from && at < from + SPACE ? at - from + CUdeviceptr(own) : at);
    }

    CUdeviceptr take(size_t n) {
        if (taken + n > size_t(setting("FAKE_CUDA_MEMORY", 2048)) << 20) return 0;
        taken += n;
        if (SANITIZED) {
            void* memory = nullptr;
            if (posix_memalign(&memory, GRAIN, n)) return 0;
            memset(memory, 0xff, n);
            return CUdeviceptr(memory);
        }
        if (!base) {
            const int file = memfd_create("fake cuda", MFD_CLOEXEC);
            if (file < 0) return 0;
            const auto map = [&](int how) { return mmap(nullptr, SPACE, how, MAP_SHARED | MAP_NORESERVE, file, 0); };
            void *theirs = MAP_FAILED, *ours = MAP_FAILED;
            if (ftruncate(file, SPACE) == 0) theirs = map(PROT_NONE), ours = map(PROT_READ | PROT_WRITE);
            close(file);
            if (theirs == MAP_FAILED || ours == MAP_FAILED) return 0;
            base = static_cast<unsigned char*>(theirs);
            own = static_cast<unsigned char*>(ours);
        }
        const size_t room = rounded(n);
        CUdeviceptr at;
        const auto found = free.find(room);
        if (found != free.end()) {
            at = found->second;
            free.erase(found);
        } else {
            if (used + room > SPACE) return 0;
            at = CUdeviceptr(base + used);
            used += room;
        }
        // NaN wherever nothing is written.
        memset(reach(at), 0xff, n);
        memset(reach(at) + n, FENCE, room - n);
        return at;
    }

    void give_back(CUdeviceptr at, size_t n) {
        taken -= n;
        if (SANITIZED) {
            ::free(reinterpret_cast<void*>(at));
        } else {
            free.insert({rounded(n), at});
        }
    }

    bool is_whole(CUdeviceptr at, size_t n) const {
        if (SANITIZED) return true;
        const unsigned char* fence = reach(at) + n;
        return std::all_of(fence, fence + rounded(n) - n, [](unsigned char byte) { return byte == FENCE; });
    }
};

struct Context {
    int device = 0;
    int retained = 0;
    /// After a kernel has failed nothing works any more, as on a device.
    bool broken = false;
    /// Its memory is that of no other context.
    Arena arena;
};

typedef std::function<CUresult()> Work;

/// Work that was recorded, and whether it is a kernel.
struct Node {
    Work work;
    bool is_kernel;
};

struct Graph {
    Context* context;
    std::vector<Node> nodes;
};

struct Stream {
    Context* context;
    std::deque<Work> work = {};
    /// What it records, where it does.
    std::unique_ptr<Graph> recorded = {};
    /// Whether something was asked of it that cannot be recorded.
    bool is_spoilt = false;
};

struct Event {
    Stream* stream = nullptr;
    unsigned long long recorded = 0, reached = 0;
};

struct Module {
    std::string text;
};

struct Function {
    const gpu::Kernel* kernel;
    unsigned most_shared = 48 << 10;
};

constexpr unsigned MOST_SHARED = 99 << 10;

Context primary[8];
/// The contexts of a thread; the last one is current.
thread_local std::vector<Context*> entered;
/// The stream that this thread records on.
thread_local Stream* recording = nullptr;
#define current (entered.empty() ? nullptr : entered.back())
std::map<Context*, Stream*> default_streams;
std::vector<Stream*> streams;

bool lies_in(const std::map<CUdeviceptr, size_t>& all, CUdeviceptr at, size_t n) {
    if (n == 0) return true;
    auto found = all.upper_bound(at);
    if (found == all.begin()) return false;
    --found;
    return at + n <= found->first + found->second;
}

CUresult complain(const char* call, const char* what, CUresult result = INVALID_VALUE) {
    fprintf(stderr, "fake cuda: %s: %s\n", call, what);
    return result;
}

// Streams.

CUresult run_next(Stream& stream) {
    Work work = std::move(stream.work.front());
    stream.work.pop_front();
    const CUresult result = work();
    if (result) stream.context->broken = true;
    return result;
}

CUresult drain(Stream& stream) {
    CUresult result = SUCCESS;
    while (!stream.work.empty() && !stream.context->broken && !result) result = run_next(stream);
    stream.context->arena.open(false);
    return result ? result : stream.context->broken ? LAUNCH_FAILED : SUCCESS;
}

Stream* stream_of(void* handle) {
    // The legacy and the per-thread default stream are one here.
    if (handle && handle != reinterpret_cast<void*>(1) && handle != reinterpret_cast<void*>(2)) {
        auto* stream = static_cast<Stream*>(handle);
        return std::find(streams.begin(), streams.end(), stream) == streams.end() ? nullptr : stream;
    }
    Stream*& stream = default_streams[current];
    if (!stream) {
        stream = new Stream{current};
        streams.push_back(stream);
    }
    return stream;
}

/// What a thread that records may not ask for: nothing of it can be launched again.
CUresult spoil(const char* call) {
    if (!recording) return SUCCESS;
    recording->is_spoilt = true;
    return complain(call, "while this thread records a stream", CAPTURE_UNSUPPORTED);
}

CUresult enqueue(void* handle, Work work, bool is_kernel = false) {
    if (!current) return INVALID_CONTEXT;
    if (current->broken) return LAUNCH_FAILED;
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (stream->recorded) {
        stream->recorded->nodes.push_back({std::move(work), is_kernel});
        return SUCCESS;
    }
    stream->work.push_back(std::move(work));
    return SUCCESS;
}

bool is_recorded(void* handle) {
    const Stream* stream = stream_of(handle);
    return stream && stream->recorded;
}

CUresult wait_for(void* handle) {
    if (!current) return INVALID_CONTEXT;
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (stream->recorded) return spoil("cuStreamSynchronize");
    counts.waits++;
    return drain(*stream);
}

CUresult wait_for_all() {
    for (Stream* stream : std::vector<Stream*>(streams)) {
        if (stream->context == current) {
            if (const CUresult result = drain(*stream)) return result;
        }
    }
    return SUCCESS;
}

/// Whether the launch that was counted last is the one that is refused, or fails with all after it.
bool is_refused() { return counts.launches == (unsigned long long)(setting("FAKE_CUDA_REFUSES", 0)); }
bool is_failing() { return counts.launches > (unsigned long long)(setting("FAKE_CUDA_LAUNCHES", 1ll << 40)); }

CUresult copy(Context* context, CUdeviceptr to, CUdeviceptr from, size_t n) {
    memmove(context->arena.reach(to), context->arena.reach(from), n);
    return SUCCESS;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) CUresult
#define LOCKED std::lock_guard<std::recursive_mutex> locked(mutex)
#define IN_CONTEXT \
    LOCKED;        \
    if (!current) return INVALID_CONTEXT

/// A count since the library was loaded, for tests.
extern "C" __attribute__((visibility("default"))) unsigned long long fake_cuda_count(const char* what) {
    LOCKED;
    const std::pair<const char*, unsigned long long> all[] = {
        {"allocations", counts.allocations}, {"frees", counts.frees},         {"pinned", counts.pinned},
        {"launches", counts.launches},       {"alone", counts.alone},         {"graphs", counts.graphs},
        {"to_device", counts.to_device}, {"to_host", counts.to_host},
        {"waits", counts.waits},             {"contexts", counts.contexts},
    };
    for (const auto& [name, count] : all) {
        if (!strcmp(name, what)) return count;
    }
    return ~0ull;
}

// The driver and its devices.

API cuInit(unsigned) { return n_devices() ? SUCCESS : NO_DEVICE; }
API cuDriverGetVersion(int* version) {
    *version = int(setting("FAKE_CUDA_VERSION", 13000));
    return SUCCESS;
}
API cuDeviceGetCount(int* count) {
    *count = n_devices();
    return SUCCESS;
}
API cuDeviceGet(CUdevice* device, int ordinal) {
    if (ordinal < 0 || ordinal >= n_devices()) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}
API cuDeviceGetName(char* name, int length, CUdevice) {
    snprintf(name, size_t(length), "Fake GPU");
    return SUCCESS;
}
API cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
    *bytes = size_t(setting("FAKE_CUDA_MEMORY", 2048)) << 20;
    return SUCCESS;
}
API cuDeviceGetAttribute(int* value, int attribute, CUdevice) {
    const int capability = int(setting("FAKE_CUDA_CAPABILITY", 90));
    switch (attribute) {
        case 1: *value = 1024; break;  // threads of a block
        case 8: *value = 48 << 10; break;
        case 10: *value = 32; break;  // lanes of a warp
        case 16: *value = 4; break;   // multiprocessors
        case 75: *value = capability / 10; break;
        case 76: *value = capability % 10; break;
        case 97: *value = MOST_SHARED; break;  // shared memory of a block that asks for it
        default: *value = 0;
    }
    return SUCCESS;
}
API cuGetErrorName(CUresult error, const char** text) {
    const auto found = ERRORS.find(error);
    if (found == ERRORS.end()) return INVALID_VALUE;
    *text = found->second.first;
    return SUCCESS;
}
API cuGetErrorString(CUresult error, const char** text) {
    const auto found = ERRORS.find(error);
    if (found == ERRORS.end()) return INVALID_VALUE;
    *text = found->second.second;
    return SUCCESS;
}

// Contexts.

API cuDevicePrimaryCtxRetain(Context** context, CUdevice device) {
    LOCKED;
    if (device < 0 || device >= n_devices()) return INVALID_DEVICE;
    primary[device].device = device;
    primary[device].retained++;
    *context = &primary[device];
    return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    LOCKED;
    if (device < 0 || device >= n_devices() || primary[device].retained == 0) return INVALID_CONTEXT;
    primary[device].retained--;
    return SUCCESS;
}
API cuCtxSetCurrent(Context* context) {
    if (!entered.empty()) entered.pop_back();
    if (context) entered.push_back(context);
    return SUCCESS;
}
API cuCtxPushCurrent_v2(Context* context) {
    if (!context) return INVALID_CONTEXT;
    entered.push_back(context);
    return SUCCESS;
}
API cuCtxPopCurrent_v2(Context** context) {
    if (entered.empty()) return INVALID_CONTEXT;
    if (context) *context = current;
    entered.pop_back();
    return SUCCESS;
}
API cuCtxCreate_v2(Context** context, unsigned, CUdevice device) {
    LOCKED;
    if (device < 0 || device >= n_devices()) return INVALID_DEVICE;
    *context = new Context;
    (*context)->device = device;
    counts.contexts++;
    entered.push_back(*context);
    return SUCCESS;
}
API cuCtxDestroy_v2(Context* context) {
    LOCKED;
    for (Stream* stream : streams) {
        if (stream->context == context) stream->work.clear();
    }
    default_streams.erase(context);
    // Whoever uses it later is told so; the memory goes with the process.
    context->broken = true;
    entered.erase(std::remove(entered.begin(), entered.end(), context), entered.end());
    return SUCCESS;
}
API cuCtxGetDevice(CUdevice* device) {
    IN_CONTEXT;
    *device = current->device;
    return SUCCESS;
}
API cuCtxGetCurrent(Context** context) {
    *context = current;
    return SUCCESS;
}
API cuCtxSynchronize() {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuCtxSynchronize")) return result;
    counts.waits++;
    return wait_for_all();
}

// Memory.

API cuMemAlloc_v2(CUdeviceptr* at, size_t n) {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuMemAlloc")) return result;
    if (n == 0) return INVALID_VALUE;
    if (current->broken) return LAUNCH_FAILED;
    if (counts.allocations >= (unsigned long long)(setting("FAKE_CUDA_ALLOCATIONS", 1ll << 40))) return OUT_OF_MEMORY;
    if (n > size_t(setting("FAKE_CUDA_LARGEST", 1ll << 40))) return OUT_OF_MEMORY;
    *at = current->arena.take(n);
    if (!*at) return OUT_OF_MEMORY;
    counts.allocations++;
    current->arena.all[*at] = n;
    return SUCCESS;
}
API cuMemFree_v2(CUdeviceptr at) {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuMemFree")) return result;
    Arena& arena = current->arena;
    const auto found = arena.all.find(at);
    if (found == arena.all.end()) return complain("cuMemFree", "of memory that was not allocated in this context");
    wait_for_all();
    counts.frees++;
    if (!arena.is_whole(at, found->second)) {
        complain("cuMemFree", "something wrote behind the end of the allocation");
        current->broken = true;
    }
    arena.give_back(at, found->second);
    arena.all.erase(found);
    return current->broken ? LAUNCH_FAILED : SUCCESS;
}
API cuMemGetInfo_v2(size_t* free, size_t* total) {
    IN_CONTEXT;
    cuDeviceTotalMem_v2(total, 0);
    *free = *total - taken;
    return SUCCESS;
}
API cuMemHostAlloc(void** at, size_t n, unsigned) {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuMemHostAlloc")) return result;
    *at = malloc(n);
    if (!*at) return OUT_OF_MEMORY;
    counts.pinned++;
    pinned[CUdeviceptr(*at)] = n;
    return SUCCESS;
}
API cuMemFreeHost(void* at) {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuMemFreeHost")) return result;
    wait_for_all();
    if (!pinned.erase(CUdeviceptr(at))) return complain("cuMemFreeHost", "of memory that is not pinned");
    free(at);
    return SUCCESS;
}

// A copy from pinned memory reads it, and one to pinned memory writes it, when its turn comes. Other memory is read before
// the call returns, and written by then.

API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t n, void* stream) {
    IN_CONTEXT;
    if (!lies_in(current->arena.all, to, n)) return complain("cuMemcpyHtoDAsync", "the device's side is not allocated");
    counts.to_device++;
    counts.bytes_to_device += n;
    if (lies_in(pinned, CUdeviceptr(from), n)) return enqueue(stream, [=, in = current] { return copy(in, to, CUdeviceptr(from), n); });
    // It would be read again and again, whatever lies there then.
    if (const CUresult result = is_recorded(stream) ? spoil("cuMemcpyHtoDAsync") : SUCCESS) return result;
    const auto* bytes = static_cast<const unsigned char*>(from);
    const auto staged = std::make_shared<std::vector<unsigned char>>(bytes, bytes + n);
    return enqueue(stream, [=, in = current] { return copy(in, to, CUdeviceptr(staged->data()), n); });
}
API cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t n, void* stream) {
    IN_CONTEXT;
    if (!lies_in(current->arena.all, from, n)) return complain("cuMemcpyDtoHAsync", "the device's side is not allocated");
    counts.to_host++;
    counts.bytes_to_host += n;
    const bool is_pinned = lies_in(pinned, CUdeviceptr(to), n);
    if (const CUresult result = is_recorded(stream) && !is_pinned ? spoil("cuMemcpyDtoHAsync") : SUCCESS) return result;
    const CUresult result = enqueue(stream, [=, in = current] { return copy(in, CUdeviceptr(to), from, n); });
    return result == SUCCESS && !is_pinned ? drain(*stream_of(stream)) : result;
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, void* stream) {
    IN_CONTEXT;
    if (!lies_in(current->arena.all, from, n) || !lies_in(current->arena.all, to, n)) return complain("cuMemcpyDtoDAsync", "a side is not allocated");
    return enqueue(stream, [=, in = current] { return copy(in, to, from, n); });
}
API cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t n, void* stream) {
    IN_CONTEXT;
    if (!lies_in(current->arena.all, at, n)) return complain("cuMemsetD8Async", "the memory is not allocated");
    return enqueue(stream, [=, in = current] {
        memset(in->arena.reach(at), value, n);
        return SUCCESS;
    });
}

// Streams and events.

API cuStreamCreate(Stream** stream, unsigned) {
    IN_CONTEXT;
    *stream = new Stream{current};
    streams.push_back(*stream);
    return SUCCESS;
}
API cuStreamDestroy_v2(Stream* stream) {
    LOCKED;
    const auto found = std::find(streams.begin(), streams.end(), stream);
    if (found == streams.end()) return INVALID_HANDLE;
    if (recording == stream) recording = nullptr;
    drain(*stream);
    streams.erase(found);
    delete stream;
    return SUCCESS;
}
API cuStreamSynchronize(void* stream) {
    LOCKED;
    return wait_for(stream);
}

// Graphs.

API cuStreamBeginCapture_v2(Stream* stream, int mode) {
    IN_CONTEXT;
    constexpr int THREAD_LOCAL = 1;
    if (mode != THREAD_LOCAL) return NOT_SUPPORTED;
    if (setting("FAKE_CUDA_GRAPHS", 1) == 0) return NOT_SUPPORTED;
    if (stream->recorded || recording) return complain("cuStreamBeginCapture", "while the stream or the thread records");
    stream->recorded.reset(new Graph{current, {}});
    stream->is_spoilt = false;
    recording = stream;
    return SUCCESS;
}
API cuStreamEndCapture(Stream* stream, Graph** graph) {
    IN_CONTEXT;
    *graph = nullptr;
    if (recording != stream) return complain("cuStreamEndCapture", "of a stream that this thread does not record");
    recording = nullptr;
    std::unique_ptr<Graph> recorded = std::move(stream->recorded);
    if (stream->is_spoilt) return CAPTURE_INVALIDATED;
    *graph = recorded.release();
    return SUCCESS;
}
API cuGraphInstantiateWithFlags(Graph** executable, const Graph* graph, unsigned long long) {
    IN_CONTEXT;
    *executable = new Graph(*graph);
    return SUCCESS;
}
API cuGraphDestroy(Graph* graph) {
    LOCKED;
    delete graph;
    return SUCCESS;
}
API cuGraphExecDestroy(Graph* graph) { return cuGraphDestroy(graph); }
API cuGraphLaunch(Graph* graph, void* stream) {
    IN_CONTEXT;
    if (graph->context != current) return complain("cuGraphLaunch", "of a graph of another context", INVALID_CONTEXT);
    counts.graphs++;
    for (const Node& node : graph->nodes) {
        bool fails = false;
        if (node.is_kernel) {
            counts.launches++;
            if (is_refused()) return OUT_OF_RESOURCES;
            fails = is_failing();
        }
        if (const CUresult result = enqueue(stream, fails ? Work([] { return LAUNCH_FAILED; }) : node.work)) return result;
    }
    return SUCCESS;
}

// Modules and kernels.

API cuModuleLoadData(Module** module, const void* image) {
    IN_CONTEXT;
    if (const CUresult result = spoil("cuModuleLoadData")) return result;
    const std::string text(static_cast<const char*>(image));
    if (text.find(".version") == std::string::npos) return INVALID_IMAGE;
    if (text.find(".target sm_80") == std::string::npos) return INVALID_PTX;
    *module = new Module{text};
    return SUCCESS;
}
API cuModuleUnload(Module* module) {
    LOCKED;
    delete module;
    return SUCCESS;
}
API cuModuleGetFunction(Function** function, Module* module, const char* name) {
    IN_CONTEXT;
    if (module->text.find(".entry " + std::string(name) + "(") == std::string::npos) return NOT_FOUND;
    const gpu::Kernel* kernel = gpu::find_kernel(name);
    if (!kernel) return complain(name, "is in the PTX, but was not compiled for the host", NOT_FOUND);
    *function = new Function{kernel};
    return SUCCESS;
}
API cuFuncSetAttribute(Function* function, int attribute, int value) {
    LOCKED;
    constexpr int MAX_DYNAMIC_SHARED = 8;
    if (attribute != MAX_DYNAMIC_SHARED || value < 0 || unsigned(value) > MOST_SHARED) return INVALID_VALUE;
    function->most_shared = unsigned(value);
    return SUCCESS;
}
API cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** arguments, void** extra) {
    IN_CONTEXT;
    const gpu::Dim blocks = {gx, gy, gz}, threads = {bx, by, bz};
    if (extra || !blocks.count() || gy > 65535 || gz > 65535) return complain("cuLaunchKernel", "a grid that no device takes");
    if (!threads.count() || threads.count() > 1024) return complain("cuLaunchKernel", "a block that no device takes");
    if (shared > function->most_shared) return complain("cuLaunchKernel", "more shared memory than the function may have");
    // What is recorded counts when it is launched.
    const bool is_now = !is_recorded(stream);
    if (is_now) {
        counts.launches++;
        counts.alone++;
        if (is_refused()) return OUT_OF_RESOURCES;
    }
    const char* skipped = getenv("FAKE_CUDA_SKIPS");
    if (skipped && !strcmp(skipped, function->kernel->name)) return SUCCESS;
    const bool fails = is_now && is_failing();
    // Arguments are taken now; the kernel runs when its turn comes.
    const gpu::Kernel kernel = *function->kernel;
    auto kept = std::make_shared<std::vector<std::vector<unsigned char>>>();
    for (unsigned i = 0; i < kernel.n_arguments; i++) {
        const auto* bytes = static_cast<const unsigned char*>(arguments[i]);
        kept->emplace_back(bytes, bytes + kernel.sizes[i]);
    }
    return enqueue(stream, [=, in = current] {
        if (fails) return LAUNCH_FAILED;
        in->arena.open(true);
        std::vector<void*> pointers;
        for (auto& argument : *kept) pointers.push_back(argument.data());
        return gpu::launch(kernel, blocks, threads, shared, pointers.data()) ? SUCCESS : LAUNCH_FAILED;
    }, true);
}

// What libgstcuda and its elements ask for beside that.

API cuCtxEnablePeerAccess(Context*, unsigned) { return NOT_SUPPORTED; }
API cuCtxDisablePeerAccess(Context*) { return NOT_SUPPORTED; }
API cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) {
    *can = 0;
    return SUCCESS;
}
API cuMemAllocPitch_v2(CUdeviceptr* at, size_t* pitch, size_t width, size_t height, unsigned) {
    *pitch = (width + 511) / 512 * 512;
    return cuMemAlloc_v2(at, *pitch * height);
}
API cuMemAllocHost_v2(void** at, size_t n) { return cuMemHostAlloc(at, n, 0); }
API cuStreamDestroy(Stream* stream) { return cuStreamDestroy_v2(stream); }

/// A side of a copy of rows, as the driver's manual lays it out.
struct Rows {
    size_t x, y;
    int kind;
    void* host;
    CUdeviceptr device;
    void* array;
    size_t pitch;

    CUdeviceptr at() const { return (kind == 1 ? CUdeviceptr(host) : device) + y * pitch + x; }
};
struct Copy2D {
    Rows from, to;
    size_t width, height;
};
API cuMemcpy2DAsync_v2(const Copy2D* given, void* stream) {
    IN_CONTEXT;
    const Copy2D c = *given;
    if (c.width == 0 || c.height == 0) return SUCCESS;
    bool now = false;
    for (const Rows* side : {&c.from, &c.to}) {
        const size_t bytes = (c.height - 1) * side->pitch + c.width;
        if (side->kind == 2 && !lies_in(current->arena.all, side->at(), bytes)) {
            return complain("cuMemcpy2DAsync", "a side is not allocated in this context");
        }
        // Memory that is not pinned is read or written before the call returns.
        now |= side->kind == 1 && !lies_in(pinned, side->at(), bytes);
    }
    (c.to.kind == 1 ? counts.to_host : counts.to_device)++;
    (c.to.kind == 1 ? counts.bytes_to_host : counts.bytes_to_device) += c.width * c.height;
    const CUresult result = enqueue(stream, [=, in = current] {
        for (size_t y = 0; y < c.height; y++) {
            copy(in, c.to.at() + y * c.to.pitch, c.from.at() + y * c.from.pitch, c.width);
        }
        return SUCCESS;
    });
    return result == SUCCESS && now ? drain(*stream_of(stream)) : result;
}
API cuMemcpy2D_v2(const Copy2D* given) {
    if (const CUresult result = cuMemcpy2DAsync_v2(given, nullptr)) return result;
    LOCKED;
    return wait_for(nullptr);
}

#define LACKS(name) \
    API name() { return NOT_SUPPORTED; }
LACKS(cuGraphicsMapResources)
LACKS(cuGraphicsUnmapResources)
LACKS(cuGraphicsUnregisterResource)
LACKS(cuGraphicsGLRegisterImage)
LACKS(cuGraphicsGLRegisterBuffer)
LACKS(cuGLGetDevices_v2)
LACKS(cuGraphicsResourceSetMapFlags_v2)
LACKS(cuGraphicsSubResourceGetMappedArray)
LACKS(cuGraphicsResourceGetMappedPointer_v2)
LACKS(cuTexObjectCreate)
LACKS(cuTexObjectDestroy)
