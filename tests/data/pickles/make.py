"""Writes the pickles that the tests read: what PyTorch and numpy would write, byte for byte in structure.

Run: python3 make.py (needs numpy). PyTorch itself is not needed: its reduce functions are emulated by classes that name
the same functions with the same arguments, and its two file formats are put together here.
"""

import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def module(name, **names):
    """A module that pickle can import by that name."""
    found = sys.modules.setdefault(name, types.ModuleType(name))
    for key, value in names.items():
        value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(found, key, value)
    return found


class FloatStorage:
    code = "<f4"


class LongStorage:
    code = "<i8"


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


def _rebuild_parameter(*arguments):
    raise NotImplementedError


def _rebuild_parameter_with_state(*arguments):
    raise NotImplementedError


def _load_from_bytes(data):
    raise NotImplementedError


class PCA_torch:
    def __init__(self):
        self.n_components = -1


module("torch", FloatStorage=FloatStorage, LongStorage=LongStorage)
module(
    "torch._utils",
    _rebuild_tensor_v2=_rebuild_tensor_v2,
    _rebuild_parameter=_rebuild_parameter,
    _rebuild_parameter_with_state=_rebuild_parameter_with_state,
)
module("torch.storage", _load_from_bytes=_load_from_bytes)
module("residual")
module("residual.pca_torch", PCA_torch=PCA_torch)


class Storage:
    def __init__(self, flat):
        self.flat = flat
        self.kind = {"float32": FloatStorage, "int64": LongStorage}[flat.dtype.name]

    def __reduce__(self):
        """How a storage is pickled by others than PyTorch: as a file within the file."""
        return _load_from_bytes, (legacy_save(self),)


class Tensor:
    def __init__(self, array, storage=None, offset=0, shape=None, stride=None, marks=None):
        self.storage = storage or Storage(np.ascontiguousarray(array).reshape(-1))
        self.offset, self.marks = offset, marks
        self.shape = tuple(array.shape) if shape is None else shape
        step = [int(np.prod(self.shape[i + 1:])) for i in range(len(self.shape))]
        self.stride = tuple(step) if stride is None else stride

    def __reduce__(self):
        arguments = (self.storage, self.offset, self.shape, self.stride, False, collections.OrderedDict())
        return _rebuild_tensor_v2, arguments if self.marks is None else (*arguments, self.marks)


class Parameter:
    def __init__(self, tensor, state=None):
        self.tensor, self.state = tensor, state

    def __reduce__(self):
        arguments = (self.tensor, True, collections.OrderedDict())
        if self.state is None:
            return _rebuild_parameter, arguments
        return _rebuild_parameter_with_state, (*arguments, self.state)


class Pickler(pickle.Pickler):
    def __init__(self, out, legacy):
        super().__init__(out, protocol=2)
        self.legacy, self.keys, self.kept = legacy, {}, []

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        key = self.keys.setdefault(id(value), str(94000 + len(self.keys) if self.legacy else len(self.keys)))
        if value not in self.kept:
            self.kept.append(value)
        parts = ("storage", value.kind, key, "cpu", len(value.flat))
        return parts + (None,) if self.legacy else parts


def legacy_save(value):
    out = io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, out, protocol=2)
    pickle.dump(1001, out, protocol=2)
    sizes = dict(short=2, int=4, long=4)
    pickle.dump(dict(protocol_version=1001, little_endian=True, type_sizes=sizes), out, protocol=2)
    pickler = Pickler(out, legacy=True)
    pickler.dump(value)
    pickle.dump([pickler.keys[id(s)] for s in pickler.kept], out, protocol=2)
    for storage in pickler.kept:
        out.write(struct.pack("<q", len(storage.flat)) + storage.flat.tobytes())
    return out.getvalue()


def zip_save(path, value):
    out = io.BytesIO()
    pickler = Pickler(out, legacy=False)
    pickler.dump(value)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("iter-100/data.pkl", out.getvalue())
        archive.writestr("iter-100/byteorder", "little")
        for storage in pickler.kept:
            archive.writestr(f"iter-100/data/{pickler.keys[id(storage)]}", storage.flat.tobytes())
        archive.writestr("iter-100/version", "3\n")


def ramp(*shape, start=0):
    """Values that are exact in half precision, so that any mistake shows."""
    count = int(np.prod(shape))
    return ((np.arange(count) + start) % 251 / 8 - 15).astype(np.float32).reshape(shape)


def head(width, channels, branches):
    """A small decoder: names and shapes of the published one."""
    inner, rank = 2 * channels, -(-channels // 16)
    shapes = {"simple_predictor.weight": (1, width, 1, 1), "simple_predictor.bias": (1,)}
    for b in range(branches):
        shapes |= {f"conv_list.{b}.weight": (channels, 2 * width, 1, 1), f"conv_list.{b}.bias": (channels,)}
        for layer in range(2):
            block = f"mamba_list.{b}.{layer}"
            shapes |= {
                f"{block}.mixer.A_log": (inner, 4),
                f"{block}.mixer.D": (inner,),
                f"{block}.mixer.in_proj.weight": (2 * inner, channels),
                f"{block}.mixer.conv1d.weight": (inner, 1, 4),
                f"{block}.mixer.conv1d.bias": (inner,),
                f"{block}.mixer.x_proj.weight": (rank + 8, inner),
                f"{block}.mixer.dt_proj.weight": (inner, rank),
                f"{block}.mixer.dt_proj.bias": (inner,),
                f"{block}.mixer.out_proj.weight": (channels, inner),
                f"{block}.norm.weight": (channels,),
                f"{block}.conv.weight": (channels, channels, 3, 3),
                f"{block}.conv.bias": (channels,),
            }
        shapes |= {f"norm_list.{b}.weight": (channels,), f"norm_list.{b}.bias": (channels,)}
    for h in range(4 * branches):
        shapes[f"head_list.{h}.0.conv.weight"] = (channels, channels, 3, 3)
        for name in ["weight", "bias", "running_mean", "running_var"]:
            shapes[f"head_list.{h}.0.norm.{name}"] = (channels,)
        shapes[f"head_list.{h}.0.norm.num_batches_tracked"] = ()
        shapes |= {f"head_list.{h}.1.weight": (1, channels, 1, 1), f"head_list.{h}.1.bias": (1,)}
    state = collections.OrderedDict()
    for number, (name, shape) in enumerate(shapes.items()):
        counter = name.endswith("num_batches_tracked")
        state[name] = Tensor(np.array(700 + number, "<i8") if counter else ramp(*shape, start=number))
    # What a module's state dictionary carries along.
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def bank(rows, width, grid):
    """A published bank, small."""
    features = ramp(rows, width)
    indices = np.array([7, 3, grid * grid, 2 * grid * grid + 5, grid * grid - 1, 5], "<i8")[:rows]
    return {
        "sample_features": Tensor(features),
        "sample_pca_features": Tensor(features),
        "sample_indices": indices,
        "sample_image_indices": Tensor((indices // (grid * grid)).astype(np.float32)),
        "pca": PCA_torch(),
        "images": Tensor(ramp(rows, 3, 8, 8, start=9)),
    }


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(data)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def main():
    state = head(6, 4, 1)
    zip_save(os.path.join(HERE, "decoder.pth"), state)
    write("decoder-legacy.pth", legacy_save(state))
    plain = bank(6, 512, 28)
    for protocol in [2, 4, 5]:
        write(f"bank-{protocol}.pkl", pickle.dumps(plain, protocol=protocol))

    # Views: a transposed tensor, a slice, shared storage, a parameter, arrays by columns, halves.
    shared = Storage(ramp(12).reshape(-1))
    views = {
        "whole": Tensor(None, shared, 0, (3, 4), (4, 1)),
        "transposed": Tensor(None, shared, 0, (4, 3), (1, 4)),
        "slice": Tensor(None, shared, 5, (2, 2), (4, 1)),
        "parameter": Parameter(Tensor(None, shared, 0, (12,), (1,))),
        "attributes": Parameter(Tensor(None, shared, 4, (2, 4), (4, 1)), {"_no_weight_decay": True}),
        "empty": Tensor(None, shared, 0, (0, 4), (4, 1)),
        "columns": np.asfortranarray(ramp(2, 3)),
        "halves": ramp(5).astype(np.float16),
        "scalar": np.float32(2.5),
        "flags": np.array([True, False]),
    }
    views["again"] = views["whole"]
    views["within"] = {"head.weight": views["slice"]}
    write("views.pkl", pickle.dumps(views, protocol=4))

    # What must be refused.
    import builtins
    import subprocess

    evil = {
        "evil-system.pkl": Call(os.system, "touch pwned"),
        "evil-eval.pkl": Call(builtins.eval, "1+1"),
        "evil-popen.pkl": Call(subprocess.Popen, "ls"),
    }
    for name, call in evil.items():
        write(name, pickle.dumps({"sample_features": call}, protocol=4))
    zip_save(os.path.join(HERE, "evil-system.pth"), {"conv_list.0.weight": Call(os.system, "touch pwned")})
    beyond = Tensor(None, Storage(ramp(4).reshape(-1)), 1, (4,), (1,))
    write("beyond.pkl", pickle.dumps({"sample_features": beyond}, protocol=4))
    negated = Tensor(None, Storage(ramp(4).reshape(-1)), 0, (4,), (1,), {"neg": True})
    write("negated.pkl", pickle.dumps({"sample_features": negated}, protocol=4))
    write("big-endian.pkl", pickle.dumps({"sample_features": ramp(2).astype(">f4")}, protocol=4))


main()
