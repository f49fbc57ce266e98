#!/usr/bin/env python3
"""Exchanges decoders and banks with the real PyTorch and numpy through `snarm convert`, and compares every bit.

Usage: torch_files.py SNARM DECODER
SNARM is the command, DECODER a decoder of ours. Files are written to the current folder. Prints what was compared, and
fails with all that differs. Exits with 77 when PyTorch or numpy is not installed.
"""

import collections
import inspect
import io
import json
import pickle
import struct
import subprocess
import sys
import types
import warnings

try:
    import numpy as np
    import torch
    from torch import nn
    from torch_decoder import changed, decoder, in_one_storage, sizes_of, transposed
except ImportError as reason:
    print(f"no PyTorch with numpy for {sys.executable}: {reason}", file=sys.stderr)
    sys.exit(77)

SNARM = sys.argv[1]
GRID = 28
TYPES = {"F32": "float32", "I64": "int64", "U32": "uint32"}
wrong = []


def check(what, right, detail=""):
    """Notes a difference and goes on: one run shows all of them."""
    if not right:
        wrong.append(f"{what}: {detail}")


def convert(source, out, *more):
    """Whether `snarm convert` succeeded, and what it said."""
    done = subprocess.run([SNARM, "convert", source, "--out", out, *more], capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def read_safetensors(path):
    """Names with type, shape and bytes: a length, that much JSON, and the data."""
    with open(path, "rb") as file:
        whole = file.read()
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    header.pop("__metadata__", None)
    parts = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        parts[name] = (TYPES[entry["dtype"]], tuple(entry["shape"]), whole[8 + length + start : 8 + length + end])
    return parts


def parts_of(value):
    """Type, shape and bytes of a tensor or an array."""
    array = value.detach().contiguous().numpy() if isinstance(value, torch.Tensor) else value
    return array.dtype.name, array.shape, array.tobytes()


def same(what, found, expected):
    """Compares tensors by name."""
    check(what, set(found) == set(expected), f"names differ: {sorted(set(found) ^ set(expected))[:4]}")
    for name in set(found) & set(expected):
        (kind, shape, data), (kind_, shape_, data_) = found[name], expected[name]
        check(what, (kind, shape) == (kind_, shape_), f"{name} is {kind} {shape}, not {kind_} {shape_}")
        check(what, data == data_, f"values of {name} differ")


def takes(function, argument):
    """Whether this version's function has such an argument."""
    return argument in inspect.signature(function).parameters


def save(value, path, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(value, path, **how)


def from_torch(name, state, expected=None, writer=save, **how):
    """A file of PyTorch becomes a decoder of ours, with the values of its tensors in 32 bits."""
    path = f"{name}.pth"
    writer(state, path, **how)
    done, said = convert(path, f"{name}.safetensors")
    check(name, done, said)
    if done:
        expected = state if expected is None else expected
        wide = {k: parts_of(v.float() if v.is_floating_point() else v.long()) for k, v in expected.items()}
        found = read_safetensors(f"{name}.safetensors")
        same(name, found, wide)
        print(f"read from PyTorch: {name}, {len(found)} tensors")


def refused(name, value, message, writer=save, **how):
    """A file that is none of a decoder, and what is said of it."""
    writer(value, f"{name}.pth", **how)
    done, said = convert(f"{name}.pth", f"{name}.safetensors")
    check(name, not done and message in said, f"expected a refusal with '{message}', found: {said}")
    print(f"refused: {name}: {said.strip()}")


def to_torch(name, ours):
    """A decoder of ours becomes a file that PyTorch loads without running code, whole and memory-mapped."""
    done, said = convert(ours, f"{name}.pth")
    check(name, done, said)
    expected = read_safetensors(ours)
    for how in [{}, {"mmap": True}] if takes(torch.load, "mmap") else [{}]:
        state = torch.load(f"{name}.pth", map_location="cpu", weights_only=True, **how)
        same(name, {k: parts_of(v) for k, v in state.items()}, expected)
        check(name, type(state) is collections.OrderedDict, f"{type(state)}")
    module = decoder(*sizes_of(state))
    check(name, list(state) == list(module.state_dict()), "the order of the names is another")
    module.load_state_dict(state, strict=True)
    same(name, {k: parts_of(v) for k, v in module.state_dict().items()}, expected)
    print(f"loaded by PyTorch: {name}, {len(state)} tensors, into a module")


def without_zip_checksums(state, path):
    torch.serialization.set_crc32_options(False)
    save(state, path)
    torch.serialization.set_crc32_options(True)


def in_memory(state, path):
    buffer = io.BytesIO()
    save(state, buffer)
    with open(path, "wb") as file:
        file.write(buffer.getvalue())


def dumped(value, path, protocol=None):
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=protocol)


def from_gpu(writer):
    """A writer of files that say of each storage that it lay on a GPU."""

    def write(value, path):
        known = list(torch.serialization._package_registry)
        torch.serialization.register_package(1, lambda storage: "cuda:0", lambda storage, location: None)
        writer(value, path)
        torch.serialization._package_registry[:] = known

    return write


def decoders(ours):
    to_torch("shipped", ours)
    published = decoder(512, 128, 4)
    check("published", len(published.state_dict()) == 242, "not the 242 names")
    from_torch("published", published.state_dict())
    to_torch("published-back", "published.safetensors")

    small = decoder(6, 4, 1)
    state = small.state_dict()
    narrow = changed(state, lambda v: v.clamp(-60000, 60000).half())
    from_torch("older", state, _use_new_zipfile_serialization=False)
    for protocol in [2, 3, 4, 5]:
        from_torch(f"protocol-{protocol}", state, pickle_protocol=protocol)
        from_torch(f"dumped-{protocol}", state, writer=dumped, protocol=protocol)
    from_torch("in-memory", state, writer=in_memory)
    from_torch("gpu", state, writer=from_gpu(save))
    from_torch("plain-dictionary", dict(state))
    from_torch("parameters", small.state_dict(keep_vars=True))
    from_torch("parameters-older", small.state_dict(keep_vars=True), _use_new_zipfile_serialization=False)
    from_torch("half", narrow)
    low = {k: v if v.is_floating_point() else v % 2048 for k, v in narrow.items()}
    from_torch("half-throughout", {k: v.half() for k, v in low.items()}, low)
    from_torch("bfloat16", changed(narrow, torch.Tensor.bfloat16))
    from_torch("transposed", changed(state, transposed))
    from_torch("one-storage", in_one_storage(state))
    from_torch("one-storage-older", in_one_storage(state), _use_new_zipfile_serialization=False)
    from_torch("slices", changed(state, lambda v: torch.stack([v + 1, v, v - 1], -1)[..., 1]))
    bare = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    from_torch("no-counters", bare)
    if hasattr(torch.serialization, "set_crc32_options"):
        from_torch("no-checksums", state, writer=without_zip_checksums)

    refused("data-parallel", nn.DataParallel(small).state_dict(), "behind the prefix module.")
    refused("wrapped", {"epoch": 3, "state_dict": state}, "in the entry state_dict")
    optimizer = torch.optim.AdamW(small.parameters())
    refused("training", {"model": state, "optimizer": optimizer.state_dict(), "lr": 1e-4}, "in the entry model")
    refused("double", changed(state, torch.Tensor.double), "elements of type F64")
    refused("diverged", {**state, "norm_list.0.bias": torch.full((4,), torch.nan)}, "found NaN in it")
    refused("overflowed", changed(state, torch.Tensor.half), "found -inf in it")
    refused("module", small, "the name torch.nn.modules.module.Module")
    refused("expanded", {**state, "norm_list.0.bias": torch.ones(1).expand(4)}, "a view within 1 elements")
    # Before it had a place for such marks, PyTorch lost the sign itself.
    if takes(torch._utils._rebuild_tensor_v2, "metadata"):
        imaginary = torch.complex(torch.zeros(4), torch.ones(4)).conj().imag
        refused("negated", {**state, "norm_list.0.bias": imaginary}, "marked with the text 'neg'")
    refused("sparse", {**state, "norm_list.0.bias": torch.ones(4).to_sparse()}, "torch._utils._rebuild_sparse_tensor")


class PCA_torch:
    """What the published banks name, and nothing uses."""

    def __init__(self):
        self.n_components, self.mean_, self.scale = -1, None, np.float64(0.5)


def bank(rows, width):
    """A published bank, whose descriptors are a slice of more."""
    indices = np.random.default_rng(3).permutation(3 * GRID**2)[:rows]
    features = torch.randn(rows, 2 * width)[:, ::2]
    return {
        "sample_features": features,
        "sample_pca_features": features.clone(),
        "sample_indices": indices,
        "sample_image_indices": torch.tensor(indices // GRID**2).float(),
        "pca": PCA_torch(),
        "images": torch.randn(rows, 3, 8, 8),
    }


def banks():
    # The class has to be found under its published name, by us and by pickle.
    PCA_torch.__module__ = "residual.pca_torch"
    sys.modules["residual"] = types.ModuleType("residual")
    sys.modules["residual.pca_torch"] = types.ModuleType("residual.pca_torch")
    sys.modules["residual.pca_torch"].PCA_torch = PCA_torch
    published = bank(40, 512)
    expected = {k: parts_of(v) for k, v in published.items() if k != "pca"}
    older = lambda value, path: save(value, path, _use_new_zipfile_serialization=False)
    writers = {f"bank-{p}": lambda value, path, p=p: dumped(value, path, p) for p in [2, 3, 4, 5]}
    writers |= {"bank-gpu": from_gpu(dumped), "bank-saved": save, "bank-saved-older": older}
    for name, writer in writers.items():
        writer(published, f"{name}.pkl")
        done, said = convert(f"{name}.pkl", f"{name}.bank", "--encoder", "seeded:tiny", "--crop", "full")
        check(name, done and "a bank of 40 vectors from 3 images" in said, said)
        if not done:
            continue
        ours = {
            "features": published["sample_features"],
            "images": (published["sample_indices"] // GRID**2).astype(np.uint32),
            "published.indices": published["sample_indices"],
            "published.patches": published["images"],
        }
        same(name, read_safetensors(f"{name}.bank"), {k: parts_of(v) for k, v in ours.items()})
        done, said = convert(f"{name}.bank", f"{name}-back.pkl")
        check(name, done, said)
        with open(f"{name}-back.pkl", "rb") as file:
            back = pickle.load(file)
        check(name, list(back) == list(published), f"entries {list(back)}")
        check(name, type(back["pca"]) is PCA_torch and back["pca"].n_components == -1, "another projection")
        same(name, {k: parts_of(v) for k, v in back.items() if k != "pca"}, expected)
        for entry, value in published.items():
            check(name, type(back[entry]) is type(value), f"{entry} is a {type(back[entry])}")
        print(f"bank to ours and back: {name}")


def main():
    torch.manual_seed(7)
    decoders(sys.argv[2])
    banks()
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"PyTorch {torch.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
