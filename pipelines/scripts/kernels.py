#!/usr/bin/env python3
"""PTX of the CUDA kernels, which is kept beside their sources.

  kernels.py [KERNEL.cu ...]   writes the PTX of all kernels, or of these
  kernels.py --check           says which PTX is not what its source gives
  kernels.py --assemble        assembles it for all architectures: no spills, no stack, no more registers than its source says
  kernels.py --tools           installs what these need below target/

The compiler is NVRTC 11.8, of which every driver from 520 on reads the PTX. SNARM_NVRTC names the library, SNARM_PTXAS ptxas,
which is looked for in PATH, too; else both come from packages of PyPI below target/. Writing installs what is missing, checking
does not.
"""
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "kernels" / "src"
NVRTC = ("nvidia-cuda-nvrtc-cu11==11.8.89", "nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2")
PTXAS = ("nvidia-cuda-nvcc-cu12==12.9.86", "nvidia/cuda_nvcc/bin/ptxas")
OPTIONS = ["--gpu-architecture=compute_80", "--std=c++17", "-default-device"]
ARCHITECTURES = ["sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_100", "sm_120"]
# What a check says where it cannot run.
MISSING = 77


def missing(what):
    print(f"expected {what}, found none", file=sys.stderr)
    sys.exit(MISSING)


def sources(cu):
    """A kernel and all that it includes, each once, in the order in which they are met."""
    found, open_ = [], [cu]
    while open_:
        path = open_.pop()
        if path in found:
            continue
        found.append(path)
        names = re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)
        open_ += [(SOURCES / "device" / "cuda" / name) for name in reversed(names)]
    return found


def digest(cu):
    """SHA-256 of name and text of all sources, each ended by a zero."""
    sha = hashlib.sha256()
    for path in sources(cu):
        sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def tool(package, file, may_install):
    """The file of a package, below target/; nothing where it is not there and may not be installed."""
    folder = ROOT / "target" / package.split("==")[0]
    path = folder / file
    if not path.exists():
        if not may_install:
            return None
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), package]
        subprocess.run(command, check=True)
        path.chmod(0o755)
    return str(path)


def nvrtc(may_install):
    path = os.environ.get("SNARM_NVRTC") or tool(*NVRTC, may_install)
    if not path:
        missing("NVRTC 11.8, in SNARM_NVRTC or by `kernels.py --tools`")
    # The library looks for its own part of the standard library beside itself.
    for part in sorted(Path(path).parent.glob("libnvrtc-builtins.so*")):
        ctypes.CDLL(str(part), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(path)


def compile_ptx(library, cu):
    headers = sources(cu)[1:]
    texts = (ctypes.c_char_p * len(headers))(*[path.read_bytes() for path in headers])
    names = (ctypes.c_char_p * len(headers))(*[path.name.encode() for path in headers])
    program = ctypes.c_void_p()
    created = library.nvrtcCreateProgram(
        ctypes.byref(program), cu.read_bytes(), cu.name.encode(), len(headers), texts, names
    )
    assert created == 0, f"nvrtcCreateProgram: {created}"
    options = (ctypes.c_char_p * len(OPTIONS))(*[option.encode() for option in OPTIONS])
    failed = library.nvrtcCompileProgram(program, len(OPTIONS), options)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    if failed or log.value.strip():
        print(log.value.decode(), file=sys.stderr)
    if failed:
        sys.exit(1)
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    library.nvrtcGetPTX(program, ptx)
    text = "\n".join(line.rstrip() for line in ptx.value.decode().splitlines()).strip() + "\n"
    return f"// Made by `make kernels`; sources: {digest(cu)}\n{text}"


def assemble(ptxas, cu):
    """Complaints about a kernel's PTX on all architectures."""
    pattern = r"Registers: at most (\d+)\.[^{]*?__launch_bounds__\([^\n]*\)\s*(\w+)\("
    limits = {name: int(most) for most, name in re.findall(pattern, cu.read_text())}
    complaints, most_used = [], {}
    for architecture in ARCHITECTURES:
        command = [ptxas, "-v", f"-arch={architecture}", str(cu.with_suffix(".ptx")), "-o", os.devnull]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            complaints.append(f"{cu.name} for {architecture}: {done.stderr.strip()}")
            continue
        kernel = None
        for line in done.stderr.splitlines():
            if found := re.search(r"Compiling entry function '(\w+)'", line):
                kernel = found[1]
            if found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
                if any(int(n) for n in found.groups()):
                    complaints.append(f"{kernel} for {architecture}: {line.strip()}")
            if found := re.search(r"Used (\d+) registers", line):
                used = int(found[1])
                most_used[kernel] = max(used, most_used.get(kernel, 0))
                if kernel not in limits:
                    complaints.append(f"{kernel}: expected a line 'Registers: at most N.' above it, found none")
                elif used > limits[kernel]:
                    complaints.append(f"{kernel} for {architecture}: expected {limits[kernel]} registers, found {used}")
    return complaints, most_used


def main(arguments):
    all_ = sorted(SOURCES.glob("*/*.cu"))
    if arguments[:1] == ["--assemble"]:
        ptxas = os.environ.get("SNARM_PTXAS") or shutil.which("ptxas") or tool(*PTXAS, False)
        if not ptxas:
            missing("ptxas, in SNARM_PTXAS, PATH or by `kernels.py --tools`")
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda cu: assemble(ptxas, cu), all_))
        complaints = list(dict.fromkeys(complaint for result, _ in results for complaint in result))
        for _, used in results:
            for kernel, registers in used.items():
                print(f"{kernel}: {registers} registers")
    elif arguments[:1] == ["--tools"]:
        complaints = []
        for package in [NVRTC, PTXAS]:
            tool(*package, True)
    elif arguments[:1] == ["--check"]:
        library = nvrtc(False)
        complaints = [
            f"{cu.name}: its PTX is not what its source gives: make kernels"
            for cu in all_
            if not cu.with_suffix(".ptx").exists() or cu.with_suffix(".ptx").read_text() != compile_ptx(library, cu)
        ]
    else:
        library, complaints = nvrtc(True), []
        for cu in [Path(name).resolve() for name in arguments] or all_:
            cu.with_suffix(".ptx").write_text(compile_ptx(library, cu))
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
