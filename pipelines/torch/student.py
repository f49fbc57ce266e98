"""The student: a convolutional pyramid with attention where cells are few. Tensor names are those of
`snarm-core/src/encoder`.

Stage 0 has cells of 4 pixels, stages 1, 2, 3 of 8, 16, 32. What stages 1, 2 and 3 say is brought to the cells of 8 pixels
and added; one more block and a linear layer make descriptors of it. Nothing depends on the size of the input but that its
sides are multiples of 32.
"""

import json

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

EPS = 1e-6


class Linear(nn.Linear):
    """A linear layer with the product's initial values."""

    def __init__(self, inputs, outputs, share=1.0):
        super().__init__(inputs, outputs)
        nn.init.trunc_normal_(self.weight, std=share * inputs**-0.5)
        nn.init.zeros_(self.bias)


class Block(nn.Module):
    """x += attention(norm(x)), where it has one; x += fc2(gelu(fc1(norm(depthwise(x)))))."""

    def __init__(self, dim, kernel, heads, depth):
        super().__init__()
        share = depth**-0.5
        if heads:
            self.attn = nn.ModuleDict(
                {"norm": nn.LayerNorm(dim, EPS), "qkv": Linear(dim, 3 * dim), "proj": Linear(dim, dim, share)}
            )
        self.heads = heads
        self.depthwise = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        nn.init.trunc_normal_(self.depthwise.weight, std=1.0 / kernel)
        nn.init.zeros_(self.depthwise.bias)
        self.norm = nn.LayerNorm(dim, EPS)
        self.fc1 = Linear(dim, 4 * dim)
        self.fc2 = Linear(4 * dim, dim, share)

    def forward(self, x):  # (b, h, w, c)
        b, h, w, c = x.shape
        if self.heads:
            qkv = self.attn["qkv"](self.attn["norm"](x)).reshape(b, h * w, 3, self.heads, c // self.heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h, w, c)
            x = x + self.attn["proj"](y)
        y = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.fc2(F.gelu(self.fc1(self.norm(y))))


class Merge(nn.Module):
    """2 x 2 cells of norm(x), order row, column, channel, to one."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.LayerNorm(inputs, EPS)
        self.linear = Linear(4 * inputs, outputs)

    def forward(self, x):
        b, h, w, c = x.shape
        x = self.norm(x).reshape(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
        return self.linear(x.reshape(b, h // 2, w // 2, 4 * c))


class Lateral(nn.Module):
    """norm and a linear layer: one stage's part of what is added."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.LayerNorm(inputs, EPS)
        self.linear = Linear(inputs, outputs)

    def forward(self, x):
        return self.linear(self.norm(x))


class Student(nn.Module):
    """RGB in 0..1, (b, 3, h, w), to descriptors (b, h / 8, w / 8, sum of groups)."""

    def __init__(self, dims=(48, 96, 192, 320), blocks=(1, 3, 6, 2), attention=(0, 0, 2, 2), kernel=7, fuse=128, groups=(64, 64)):
        super().__init__()
        self.sizes = {"dims": dims, "blocks": blocks, "attention": attention, "kernel": kernel, "fuse": fuse, "groups": groups}
        self.stem = nn.Conv2d(3, dims[0], 4, 4)
        nn.init.trunc_normal_(self.stem.weight, std=48**-0.5)
        nn.init.zeros_(self.stem.bias)
        self.stem_norm = nn.LayerNorm(dims[0], EPS)
        depth = sum(blocks) + sum(attention)
        self.stages = nn.ModuleList()
        for stage, (dim, count) in enumerate(zip(dims, blocks)):
            heads = [dim // 64 if block >= count - attention[stage] else 0 for block in range(count)]
            self.stages.append(nn.ModuleList(Block(dim, kernel, h, depth) for h in heads))
        self.merges = nn.ModuleList(Merge(dims[s], dims[s + 1]) for s in range(3))
        self.laterals = nn.ModuleList(Lateral(dims[s], fuse) for s in (1, 2, 3))
        self.fuse = Block(fuse, kernel, 0, depth)
        self.head = Lateral(fuse, sum(groups))

    def forward(self, image):
        x = self.stem((image - 0.5) / 0.5).permute(0, 2, 3, 1)
        x = self.stem_norm(x)
        total = None
        for stage, blocks in enumerate(self.stages):
            if stage > 0:
                x = self.merges[stage - 1](x)
            for block in blocks:
                x = block(x)
            if stage == 1:
                total = self.laterals[0](x)
            elif stage > 1:
                y = self.laterals[stage - 1](x).permute(0, 3, 1, 2)
                y = F.interpolate(y, size=total.shape[1:3], mode="bilinear", align_corners=False)
                total = total + y.permute(0, 2, 3, 1)
        x = self.fuse(total)
        return self.head(x)


def _renamed(name):
    """The product's name of a tensor."""
    name = name.replace("stem_norm.", "stem.norm.")
    for part in ("merges", "laterals", "head"):
        if name.startswith(part):
            name = name.replace(".linear.", ".")
    return name


def in_product(tensors, student, provenance):
    """Tensors (f16) and header of the product's encoder file."""
    named = {_renamed(name): value.half().contiguous() for name, value in tensors.items()}
    named = {n: v.squeeze(1).contiguous() if n.endswith("depthwise.weight") else v for n, v in named.items()}
    sizes = student.sizes
    pyramid = {"kernel": sizes["kernel"], "dims": sizes["dims"], "blocks": sizes["blocks"]}
    pyramid |= {"attending": sizes["attention"], "fused": sizes["fuse"]}
    header = {"format": "snarm-encoder", "version": 1, "network": {"pyramid": pyramid}, "side": 320, "grid": 40}
    header |= {"width": sum(sizes["groups"]), "mean": [0.5] * 3, "std": [0.5] * 3, "provenance": provenance}
    return named, {"snarm": json.dumps(header)}


def of_product(tensors, student):
    """The student's state of the tensors of the product's file."""
    state = {}
    for name, value in student.state_dict().items():
        found = tensors[_renamed(name)].float()
        state[name] = found.reshape(value.shape)
    return state


def load(path):
    """The student in a file of the product."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["snarm"])
    sizes = header["network"]["pyramid"]
    student = Student(sizes["dims"], sizes["blocks"], sizes["attending"], sizes["kernel"], sizes["fused"], (header["width"],))
    student.load_state_dict(of_product(load_file(path), student))
    return student
