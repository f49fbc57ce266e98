#!/usr/bin/env python3
"""Times of the networks of snarm-tiny and snarm-tiny-1 and of nine blocks of a ViT-B/14 (`seeded:base`) in PyTorch, with random
weights: eager in bf16, and compiled with CUDA graphs.

  gpu-peer.py [--small]   on the GPU where there is one, else on the CPU; --small is one run, without compiling
"""
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

# In a bundle it lies beside this file.
sys.path.append(str(Path(__file__).resolve().parents[1] / "torch"))
from student import Student

SIDE, PATCH, DIMS, BLOCKS, KERNEL, WIDTH, GRID = 384, 8, (96, 192), (2, 4), 7, 128, 40


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.filter = nn.Conv2d(c, c, KERNEL, padding=KERNEL // 2, groups=c)
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(c, eps=1e-6), nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def forward(self, x):
        y = self.norm(self.filter(x).permute(0, 2, 3, 1))
        return x + self.fc2(functional.gelu(self.fc1(y))).permute(0, 3, 1, 2)


class Conv(nn.Module):
    """snarm-tiny-1."""

    def __init__(self):
        super().__init__()
        fine, coarse = DIMS
        cells = SIDE // PATCH // 2
        self.stem, self.stem_norm = nn.Conv2d(3, fine, PATCH, PATCH), nn.LayerNorm(fine, eps=1e-6)
        self.first = nn.Sequential(*[Block(fine) for _ in range(BLOCKS[0])])
        self.merge_norm, self.merge = nn.LayerNorm(fine, eps=1e-6), nn.Conv2d(fine, coarse, 2, 2)
        self.position = nn.Parameter(torch.zeros(1, coarse, cells, cells))
        self.second = nn.Sequential(*[Block(coarse) for _ in range(BLOCKS[1])])
        self.norm, self.head = nn.LayerNorm(coarse, eps=1e-6), nn.Linear(coarse, WIDTH)

    def forward(self, x):
        x = self.stem_norm(self.stem(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.merge_norm(self.first(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.second(self.merge(x) + self.position)
        x = self.head(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return functional.interpolate(x, size=(GRID, GRID), mode="bilinear")


class Attending(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        n, tokens, dim = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, dim)
        x = x + self.proj(y)
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    """Nine of twelve blocks of a ViT-B/14 with four registers, 392 pixels: 28 x 28 patches, means of two groups of four blocks,
    512 channels, 49 x 49 descriptors."""

    def __init__(self, dim=768, heads=12, blocks=9, patch=14, registers=4, patches=28):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, patch, patch)
        self.extra = nn.Parameter(torch.zeros(1, 1 + registers, dim))
        self.position = nn.Parameter(torch.zeros(1, patches * patches, dim))
        self.blocks = nn.ModuleList([Attending(dim, heads) for _ in range(blocks)])
        self.patches = patches

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2) + self.position
        x, seen = torch.cat([self.extra, x], 1), []
        for block in self.blocks:
            x = block(x)
            seen.append(x[:, self.extra.shape[1] :])
        both = torch.cat([sum(seen[1:5]) / 4, sum(seen[5:9]) / 4], 2)
        y = functional.adaptive_avg_pool1d(both, 512).transpose(1, 2).unflatten(2, (self.patches, self.patches))
        return functional.interpolate(y, size=(49, 49), mode="bilinear")


def milliseconds(run, runs, wait):
    times = []
    for _ in range(runs):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(times), 4)


def main():
    small, cuda = "--small" in sys.argv[1:], torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    wait = torch.cuda.synchronize if cuda else (lambda: None)
    found = {"device": torch.cuda.get_device_name() if cuda else device, "torch": torch.__version__}
    networks = [("snarm-tiny", Student(), 320), ("snarm-tiny-1", Conv(), SIDE), ("ViT-B/14", Transformer(), 392)]
    with torch.inference_mode():
        for name, network, side in networks:
            encoder = network.eval().to(device, torch.bfloat16)
            image = torch.rand(1, 3, side, side, device=device, dtype=torch.bfloat16)
            for _ in range(1 if small else 10):
                encoder(image)
            found[f"{name}, eager bf16, ms"] = milliseconds(lambda: encoder(image), 1 if small else 200, wait)
            if cuda and not small:
                compiled = torch.compile(encoder, mode="reduce-overhead")
                for _ in range(10):
                    compiled(image)
                found[f"{name}, compiled, ms"] = milliseconds(lambda: compiled(image), 200, wait)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
