"""Views of pictures, made on the device that trains: cuts with other tones, foreign spots, light, blur and noise.

Pictures lie packed in one file: a line of JSON with offsets and lengths, then the compressed pictures.
"""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

CANVAS = 512
"""Side of the square on which a picture lies, at its upper left."""


def pack(files, out, side=448, quality=60, cuts=2):
    """Writes pictures, the longer side cut down to `side` pixels, into one file; of large ones also up to `cuts` parts."""

    def parts(path):
        try:
            image = Image.open(path)
            if image.format == "JPEG":
                image.draft("RGB", (2 * side, 2 * side))
            if image.mode in ("RGBA", "LA", "P"):
                image = image.convert("RGBA")
                ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
                image = Image.alpha_composite(ground, image)
            image = image.convert("RGB")
            if min(image.size) < 96:
                return []
            width, height = image.size
            found = []
            if min(width, height) > 1.5 * side:
                rng = np.random.default_rng(width * 7919 + height)
                for _ in range(cuts):
                    part = int(side * rng.uniform(1.0, min(2.0, min(width, height) / side)))
                    left, top = rng.integers(0, width - part + 1), rng.integers(0, height - part + 1)
                    found.append(image.crop((left, top, left + part, top + part)))
            found.append(image)
            blobs = []
            for image in found:
                image.thumbnail((side, side), Image.BICUBIC)
                if min(image.size) < 64:
                    continue
                data = io.BytesIO()
                image.save(data, "WEBP", quality=quality, method=2)
                blobs.append(data.getvalue())
            return blobs
        except (OSError, ValueError, SyntaxError, NotImplementedError, Image.DecompressionBombError):
            return []

    with ThreadPoolExecutor(2) as pool:
        found = [(str(path), data) for path, blobs in zip(files, pool.map(parts, files)) for data in blobs]
    index = [[path, len(data)] for path, data in found]
    with open(out, "wb") as file:
        file.write(json.dumps(index).encode() + b"\n")
        for _, data in found:
            file.write(data)
    return len(found), sum(len(data) for _, data in found)


class Pictures:
    """Pictures of some packs on the device: `apart` of them, every fortieth, are kept for validation."""

    def __init__(self, packs, device, limit=None):
        names, blobs = [], []
        for path in packs:
            with open(path, "rb") as file:
                for name, length in json.loads(file.readline()):
                    names.append(name)
                    blobs.append(file.read(length))
        if limit:
            step = max(1, len(blobs) // limit)
            names, blobs = names[::step], blobs[::step]
        self.pixels = torch.zeros(len(blobs), 3, CANVAS, CANVAS, dtype=torch.uint8, device=device)
        sizes = torch.zeros(len(blobs), 2)

        def decode(blob):
            return np.array(Image.open(io.BytesIO(blob)).convert("RGB"))

        with ThreadPoolExecutor(16) as pool:
            for i, image in enumerate(pool.map(decode, blobs)):
                h, w = image.shape[:2]
                self.pixels[i, :, :h, :w] = torch.from_numpy(image).permute(2, 0, 1)
                sizes[i] = torch.tensor([w, h])
        self.sizes = sizes.to(device)
        order = torch.arange(len(blobs), device=device)
        self.apart, self.training = order[order % 40 == 0], order[order % 40 != 0]
        self.device = device


def uniform(n, low, high, device):
    return torch.rand(n, device=device) * (high - low) + low


def chance(n, p, device):
    return torch.rand(n, device=device) < p


def pairs(pictures, n, side, validation=False):
    """n pairs of views (2 n, 3, side, side) in 0..1: view i and view n + i show the same piece. The second one lies a
    little differently, in noise of its own, and half of them have foreign spots."""
    d = pictures.device
    choice = pictures.apart if validation else pictures.training
    index = choice[torch.randint(len(choice), (n,), device=d)]
    size = pictures.sizes[index]  # w, h
    shorter = size.min(1).values
    zoom = uniform(n, 0.12, 1.0, d).sqrt() * shorter
    squeeze = (uniform(n, -0.3, 0.3, d)).exp().sqrt()
    extent = torch.stack([zoom * squeeze, zoom / squeeze], 1)
    extent = torch.minimum(extent.clamp(min=48), size)
    centre = extent / 2 + torch.rand(n, 2, device=d) * (size - extent)
    turned = chance(n, 0.3, d)
    angle = torch.where(turned, uniform(n, -3.1416, 3.1416, d), torch.zeros(n, device=d))
    flip = torch.where(chance(n, 0.5, d), -1.0, 1.0)

    def cut(centre, extent, angle):
        cos, sin = angle.cos(), angle.sin()
        sx, sy = extent[:, 0] / CANVAS, extent[:, 1] / CANVAS
        tx, ty = centre[:, 0] / CANVAS * 2 - 1, centre[:, 1] / CANVAS * 2 - 1
        theta = torch.stack([cos * sx * flip, -sin * sy, tx, sin * sx * flip, cos * sy, ty], 1).reshape(n, 2, 3)
        # Twice as fine and averaged, so that what is made smaller has no jags.
        grid = F.affine_grid(theta, (n, 3, side, side), align_corners=False)
        # Outside of the picture its edge goes on, mirrored: coordinates are folded into it.
        limit = (size / CANVAS * 2)[:, None, None]
        grid = grid + 1
        grid = grid.remainder(2 * limit)
        grid = torch.where(grid > limit, 2 * limit - grid, grid)
        grid = torch.minimum(grid.clamp(min=1.0 / CANVAS), limit - 1.0 / CANVAS) - 1
        return F.grid_sample(pictures.pixels[index].float() / 255, grid, "bilinear", "border", align_corners=False)

    first = cut(centre, extent, angle)
    # Pieces of a product lie within some pixels and degrees.
    play = torch.where(chance(n, 0.7, d), 1.0, 0.0)[:, None]
    moved = centre + play * extent * (torch.rand(n, 2, device=d) - 0.5) * 0.04
    second = cut(moved, extent * (1 + play * (torch.rand(n, 1, device=d) - 0.5) * 0.03), angle + play[:, 0] * uniform(n, -0.03, 0.03, d))
    both = torch.cat([first, second])
    both = tone(both, n)
    spotted = torch.cat([chance(n, 0.15, d), chance(n, 0.6, d)])
    both = spots(both, spotted)
    both = blur(both, n)
    level = torch.where(chance(n, 0.5, d), uniform(n, 0.0, 0.025, d), torch.zeros(n, device=d)).repeat(2)
    both = both + level[:, None, None, None] * torch.randn_like(both)
    return both.clamp(0, 1)


def tone(x, n):
    """Gamma, contrast, cast and strength of colours, the same for both views of a pair."""
    d = x.device
    two = lambda v: v.repeat(2, *[1] * (v.dim() - 1))[:, None, None, None] if v.dim() == 1 else v.repeat(2, 1)[:, :, None, None]
    gamma = uniform(n, -0.5, 0.5, d).exp()
    gain, lift = uniform(n, 0.4, 1.3, d), uniform(n, -0.15, 0.15, d)
    cast = torch.rand(n, 3, device=d) * 0.2 - 0.1
    colour = torch.where(chance(n, 0.3, d), torch.zeros(n, device=d), uniform(n, 0.3, 1.4, d))
    inverted = chance(n, 0.06, d)
    active = chance(n, 0.8, d).repeat(2)[:, None, None, None]
    y = x.clamp(min=1e-4) ** two(gamma)
    y = (y - 0.5) * two(gain) + 0.5 + two(lift) + two(cast) * y
    y = torch.where(two(inverted.float()) > 0, 1 - y, y)
    grey = (y * torch.tensor([0.3, 0.59, 0.11], device=d)[None, :, None, None]).sum(1, keepdim=True)
    y = grey + (y - grey) * two(colour)
    return torch.where(active, y, x).clamp(0, 1)


def spots(x, active):
    """Turned ellipses, thin ones being scratches, of one colour or of another part of the view."""
    b, _, side, _ = x.shape
    d = x.device
    axis = torch.arange(side, device=d) + 0.5
    for _ in range(4):
        on = active & chance(b, 0.6, d)
        long = (uniform(b, -4.3, -1.8, d)).exp() * side
        short = (long * uniform(b, 0.03, 1.0, d)).clamp(min=0.8)
        angle = uniform(b, 0, 3.1416, d)
        cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
        dx = axis[None, None, :] - uniform(b, 0, side, d)[:, None, None]
        dy = axis[None, :, None] - uniform(b, 0, side, d)[:, None, None]
        u = (dx * cos + dy * sin) / long[:, None, None]
        v = (dy * cos - dx * sin) / short[:, None, None]
        wave = 1 + 0.3 * torch.sin(3 * torch.atan2(v, u) + uniform(b, 0, 6, d)[:, None, None])
        inside = ((wave - (u * u + v * v).sqrt()) * short[:, None, None]).clamp(0, 1)
        inside = inside * (on * uniform(b, 0.08, 1.0, d))[:, None, None]
        grey = torch.rand(b, 1, device=d).expand(b, 3)
        colour = torch.where(chance(b, 0.5, d)[:, None], grey, torch.rand(b, 3, device=d))[:, :, None, None]
        right, down = torch.randint(side // 8, side, (2,)).tolist()
        other = torch.where(chance(b, 0.5, d)[:, None, None, None], torch.roll(x, (down, right), (2, 3)), colour)
        x = x + (other - x) * inside[:, None]
    return x


def blur(x, n):
    """A Gaussian blur of one width for a quarter of the pairs."""
    sigma = float(np.random.uniform(0.4, 1.6))
    reach = torch.arange(-4, 5, device=x.device).float()
    taps = torch.exp(-0.5 * (reach / sigma) ** 2)
    taps = (taps / taps.sum()).to(x.dtype)
    count = n // 4
    chosen = torch.cat([x[:count], x[n : n + count]])
    rows = F.conv2d(F.pad(chosen, (4, 4, 0, 0), "replicate"), taps.view(1, 1, 1, 9).expand(3, 1, 1, 9), groups=3)
    rows = F.conv2d(F.pad(rows, (0, 0, 4, 4), "replicate"), taps.view(1, 1, 9, 1).expand(3, 1, 9, 1), groups=3)
    x = x.clone()
    x[:count], x[n : n + count] = rows[:count], rows[count:]
    return x


def light(x):
    """What good parts are allowed to do and descriptors shall not follow: gain, slope of light, cast, a pixel's shift."""
    b, _, side, _ = x.shape
    d = x.device
    gain = uniform(b, 0.8, 1.2, d)[:, None, None, None]
    cast = (1 + torch.rand(b, 3, 1, 1, device=d) * 0.12 - 0.06)
    axis = torch.linspace(-1, 1, side, device=d)
    slope = (torch.rand(b, 2, device=d) - 0.5) * 0.3
    ramp = 1 + slope[:, 0, None, None] * axis[None, None, :] + slope[:, 1, None, None] * axis[None, :, None]
    on = chance(b, 0.6, d)[:, None, None, None]
    x = torch.where(on, x * gain * cast * ramp[:, None], x).clamp(0, 1)
    padded = F.pad(x, (1, 1, 1, 1), "replicate")
    parts = []
    for part in padded.chunk(4):
        right, down = torch.randint(0, 3, (2,)).tolist()
        parts.append(part[:, :, down : down + side, right : right + side])
    return torch.cat(parts)
