//! The tests of kernels are tested: sanitizers find nothing in them, and bugs that are planted in them are found by the build
//! that should find them. A bug is a change of a kernel's text; the driver over host memory is built with it, and the tests of
//! this crate that use a device run on that in a process of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fake_cuda::{self, FAKE_CUDA, Mode, build, built};

/// What is changed where, which build finds it, and the tests that show it.
struct Bug {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    found_by: Mode,
    tests: &'static str,
    /// What is said of it.
    says: &'static str,
}

const BUGS: &[Bug] = &[
    Bug {
        file: "instance_norm/instance_norm.cu",
        from: "    __syncthreads();  // sums of all warps are there\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "instance_norm::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "windows/windows.cu",
        from: "q >= 0 && q < width",
        to: "q < width",
        found_by: Mode::Plain,
        tests: "windows::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "max_pool/max_pool.cu",
        from: "int q = max(left, 0)",
        to: "int q = left",
        found_by: Mode::Asan,
        tests: "max_pool::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "cross_scan/cross_scan.cu",
        from: "(size_t)blockIdx.z * len",
        to: "0",
        found_by: Mode::Plain,
        tests: "cross_scan::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "layer_norm/layer_norm.cu",
        from: "if (r >= m) return;",
        to: "",
        found_by: Mode::Asan,
        tests: "layer_norm::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "layer_norm/layer_norm.cu",
        from: "warp * d;",
        to: "warp / 2 * d;",
        found_by: Mode::Tsan,
        tests: "layer_norm::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "layer_norm/layer_norm.cu",
        from: "const float mean = warp_sum(sum) / d;",
        to: "if (lane < d) sum = warp_sum(sum);\n    const float mean = sum / d;",
        found_by: Mode::Plain,
        tests: "layer_norm::tests::cuda",
        says: "threads wait for ever",
    },
    Bug {
        file: "layer_norm/layer_norm.cu",
        from: "warp_sum(sum) / d + eps",
        to: "warp_sum(sum) / (d - 1) + eps",
        found_by: Mode::Plain,
        tests: "layer_norm::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "attention/attention.cu",
        from: "        __syncthreads();  // nobody reads the tile before any more\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "attention::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "attention/attention.cu",
        from: "sum[r] *= shrink;",
        to: "",
        found_by: Mode::Plain,
        tests: "attention::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "copy_wait<STAGES - 2>();",
        to: "copy_wait<STAGES - 1>();",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "        __syncthreads();  // slice s is there for all, and nobody reads slice s - 1 any more\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "linear::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "column < n ? k - at : 0",
        to: "k - at",
        found_by: Mode::Asan,
        tests: "linear::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "lane / 8 % 2 * 8",
        to: "(1 - lane / 8 % 2) * 8",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "copy_wait<NARROW_STAGES - 2>();",
        to: "copy_wait<NARROW_STAGES - 1>();",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "        __syncthreads();  // a narrow slice is there for all, and nobody reads the one before any more\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "linear::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "    __syncthreads();  // nobody reads narrow slices any more\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "linear::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "w < warps ?",
        to: "w < warps - 1 ?",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "#define NARROW_PITCH (NARROW_SLICE + 8)",
        to: "#define NARROW_PITCH NARROW_SLICE",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "rows in the same banks",
    },
    Bug {
        file: "linear/linear.cu",
        from: "    if (column >= n) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "linear::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "conv3x3/conv3x3.cu",
        from: "        if (row >= cells) continue;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "conv3x3::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "#define PITCH (SLICE + 8)",
        to: "#define PITCH SLICE",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "rows in the same banks",
    },
    Bug {
        file: "device/cuda/tile.cuh",
        from: "return k % 8 == 0;",
        to: "return k > 0;",
        found_by: Mode::Plain,
        tests: "linear::tests::cuda",
        says: "no multiple of 16",
    },
    Bug {
        file: "linear/linear.cu",
        from: "row >= m || column >= n",
        to: "row >= m",
        found_by: Mode::Asan,
        tests: "linear::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "linear/linear.cu",
        from: "row >= m || column >= n",
        to: "column >= n",
        found_by: Mode::Asan,
        tests: "linear::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: "        __syncthreads();  // nobody reads slices any more\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "nearest::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: "        __syncthreads();  // the next slices lie where scores are\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "nearest::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: "const u64 measured = key(warp_sum(sums[j]), index[j]);",
        to: "if (lane < 16) sums[j] = warp_sum(sums[j]);\n            const u64 measured = key(sums[j], index[j]);",
        found_by: Mode::Plain,
        tests: "nearest::tests::cuda",
        says: "fake cuda: nearest_settle",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: "row_labels[column0 + column] == label",
        to: "row_labels[column] == label",
        found_by: Mode::Plain,
        tests: "nearest::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: ">> place % 32 & 1",
        to: ">> place % 16 & 1",
        found_by: Mode::Plain,
        tests: "nearest::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "depthwise/depthwise.cu",
        from: "q < 0 || q >= width",
        to: "q >= width",
        found_by: Mode::Plain,
        tests: "depthwise::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "depthwise/depthwise.cu",
        from: "min(max(q, 0), width - 1)",
        to: "q",
        found_by: Mode::Asan,
        tests: "depthwise::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "nearest/nearest.cu",
        from: "rank + j < count ? measured : NO_KEY",
        to: "measured",
        found_by: Mode::Plain,
        tests: "nearest::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "residual/residual.cu",
        from: "    if (at >= (size_t)m * half) return;\n",
        to: "",
        found_by: Mode::Plain,
        tests: "residual::tests::cuda",
        says: "wrote behind the end",
    },
    Bug {
        file: "blend/blend.cu",
        from: "    if (at >= across * down) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "blend::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "blend/blend.cu",
        from: "            if (u >= columns || v >= rows) continue;\n",
        to: "",
        found_by: Mode::Plain,
        tests: "blend::tests::cuda",
        says: ", not ",
    },
    Bug {
        file: "linear/linear.cu",
        from: "blockIdx.z % layers;",
        to: "blockIdx.z;",
        found_by: Mode::Asan,
        tests: "linear::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "conv3x3/conv3x3.cu",
        from: "(first + map) % kernels;",
        to: "first + map;",
        found_by: Mode::Asan,
        tests: "conv3x3::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "conv3x3/conv3x3.cu",
        from: "q >= 0 && q < a.columns;",
        to: "q >= 0;",
        found_by: Mode::Plain,
        tests: "conv3x3::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "conv3x3/conv3x3.cu",
        from: "row >= cells || column >= c_out",
        to: "column >= c_out",
        found_by: Mode::Asan,
        tests: "conv3x3::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "add_norm/add_norm.cu",
        from: "r / len % layers",
        to: "r / len",
        found_by: Mode::Asan,
        tests: "add_norm::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "add_norm/add_norm.cu",
        from: "warp * d;",
        to: "warp / 2 * d;",
        found_by: Mode::Tsan,
        tests: "add_norm::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "causal_conv/causal_conv.cu",
        from: "if (row >= back) sum",
        to: "sum",
        found_by: Mode::Asan,
        tests: "causal_conv::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "selective_scan/selective_scan.cu",
        from: "            if (t + j >= to) continue;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "selective_scan::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "selective_scan/selective_scan.cu",
        from: "min(t + j, to - 1)",
        to: "t + j",
        found_by: Mode::Asan,
        tests: "selective_scan::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "device/cuda/chunks.cuh",
        from: "    __syncthreads();  // beginnings of all chunks are there\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "selective_scan::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "device/cuda/chunks.cuh",
        from: "exp2f(all * rate[i])",
        to: "0.0f",
        found_by: Mode::Plain,
        tests: "selective_scan::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "split/split.cu",
        from: "other == own && i < place",
        to: "other == own && i <= place",
        found_by: Mode::Plain,
        tests: "split::tests::cuda",
        says: "assertion",
    },
    Bug {
        file: "mark/mark.cu",
        from: "    if (at >= positions) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "mark::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "gather/gather.cu",
        from: "    if (at >= (size_t)m * d) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "gather::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "columns/columns.cu",
        from: "width + first + at % c",
        to: "width + at % c",
        found_by: Mode::Plain,
        tests: "columns::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "row_dot/row_dot.cu",
        from: "    if (row >= m) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "row_dot::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "mean_sigmoid/mean_sigmoid.cu",
        from: "    if (row >= m) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "mean_sigmoid::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "light/light.cu",
        from: "    __syncthreads();  // sums of all warps are there\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "light::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "light/light.cu",
        from: "        __syncwarp();  // rests of all cells are there\n",
        to: "",
        found_by: Mode::Tsan,
        tests: "light::tests::cuda",
        says: "data race /",
    },
    Bug {
        file: "light/light.cu",
        from: "if (column + 1 < right) {",
        to: "if (column < right) {",
        found_by: Mode::Asan,
        tests: "light::tests::cuda",
        says: "heap-buffer-overflow",
    },
    Bug {
        file: "light/light.cu",
        from: " && sizes[1] < MOST",
        to: "",
        found_by: Mode::Plain,
        tests: "light::tests::cuda",
        says: "expected",
    },
    Bug {
        file: "weigh/weigh.cu",
        from: "    if (at >= n) return;\n",
        to: "",
        found_by: Mode::Asan,
        tests: "weigh::tests::cuda",
        says: "heap-buffer-overflow",
    },
];

/// Runs tests that use a device on a driver.
fn run(mode: Mode, driver: &Path, filter: &str) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([filter, "--test-threads", "1", "--skip", "device::cuda::"]);
    command.env(FAKE_CUDA, driver.join("libcuda.so.1")).env("RAYON_NUM_THREADS", "1");
    command.env("RUST_BACKTRACE", "0");
    if let Some(library) = fake_cuda::preload(mode) {
        command.env("LD_PRELOAD", library);
    }
    command
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("TSAN_OPTIONS", "halt_on_error=1:report_signal_unsafe=0:ignore_noninstrumented_modules=1");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Whether this run of the tests is the one that tests devices, see [`crate::testing::device`].
fn is_wanted() -> bool {
    std::env::var_os("SNARM_ISA").is_none() && std::env::var_os(FAKE_CUDA).is_none()
}

#[test]
fn cuda_kernels_are_clean_under_sanitizers() {
    for mode in [Mode::Asan, Mode::Tsan] {
        if !is_wanted() {
            return;
        }
        let Some(driver) = fake_cuda::folder(mode) else { return };
        let (good, text) = run(mode, &driver, "cuda_");
        assert!(good && text.contains(" passed"), "{}: {text}", mode.name());
    }
}

#[test]
fn cuda_bugs_are_found_by_the_build_that_should_find_them() {
    if !is_wanted() {
        return;
    }
    for (number, bug) in BUGS.iter().enumerate() {
        let Some(base) = fake_cuda::folder(bug.found_by) else { return };
        let folder = built().join(format!("bug-{number}"));
        let kernels = plant(bug, &folder, &base);
        build(bug.found_by, &folder.join("driver"), Some(&kernels));
        let (good, text) = run(bug.found_by, &folder.join("driver"), bug.tests);
        assert!(!good && text.contains(bug.says), "{} -> {}: {text}", bug.from, bug.to);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// Copies kernels and objects, as old as they are, and changes one file.
fn plant(bug: &Bug, folder: &Path, base: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let copy = |script: &str, from: &Path, to: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(from).arg(folder.join(to));
        assert!(shell.status().unwrap().success());
    };
    copy("mkdir -p \"$2\" && cp -p \"$1\"/*.o \"$2\"", base, "driver");
    copy("cd \"$1\" && mkdir -p \"$2\" && cp -p --parents */*.cu device/cuda/*.cuh \"$2\"", &sources, "src");
    let kernels = folder.join("src");
    let path = kernels.join(bug.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(bug.from).count(), 1, "{}: {}", bug.file, bug.from);
    std::fs::write(&path, text.replace(bug.from, bug.to)).unwrap();
    kernels
}
