#!/usr/bin/env python3
"""Times of the networks of snarm-tiny and snarm-tiny-1 in PyTorch, with random weights: eager in bf16, and compiled with CUDA
graphs.

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
    with torch.inference_mode():
        for name, network, side in [("snarm-tiny", Student(), 320), ("snarm-tiny-1", Conv(), SIDE)]:
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
