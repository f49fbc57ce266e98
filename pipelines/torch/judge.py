"""Judges teachers, their sum and students on data sets, training-free, where they were trained: on the GPU, in seconds.

    python3 judge.py pack out.pack COOKIES SCREW ...      (folders as MVTec AD has them)
    python3 judge.py judge out.pack --vit FILE --effnet FILE [--student FILE ...]

The bank is 10,000 rows drawn from the descriptors of good images, not a coreset, so figures are near those of `snarm eval`
and not the same. Columns: image AUROC by the peak and by the mean of the highest 1 % of the map, pixel AUROC, pixel AP;
first with the intra-distance, S^(3/4) T^(1/4), then with S alone.
"""

import argparse
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

SIDE, MAP, ROWS = 384, 160, 10_000
KINDS = {".jpg", ".jpeg", ".png", ".bmp"}


def pack(out, folders):
    """Writes images, squeezed to the input of the network, and masks of data sets into one file."""
    index, blobs = [], []

    def put(test, name, bad, image, mask):
        data, marks = io.BytesIO(), io.BytesIO()
        Image.open(image).convert("RGB").resize((SIDE, SIDE), Image.BILINEAR, reducing_gap=2).save(data, "WEBP", quality=88)
        if mask.is_file():
            Image.open(mask).convert("L").resize((MAP, MAP), Image.BILINEAR).save(marks, "PNG")
        index.append([test, name, bad, data.tell(), marks.tell()])
        blobs.extend([data.getvalue(), marks.getvalue()])

    for folder in map(Path, folders):
        images = lambda path: sorted(p for p in path.iterdir() if p.suffix.lower() in KINDS)
        for image in images(folder / "train" / "good"):
            put(0, folder.name, 0, image, Path())
        for kind in sorted(p for p in (folder / "test").iterdir() if p.is_dir()):
            for image in images(kind):
                mask = folder / "ground_truth" / kind.name / f"{image.stem}_mask.png"
                put(1, folder.name, int(kind.name != "good"), image, mask)
    Path(out).write_bytes(json.dumps(index).encode() + b"\n" + b"".join(blobs))


def read(path, device):
    """Data sets by name: images (n, 3, side, side) of bytes, labels, masks or None."""
    with open(path, "rb") as file:
        items = [(t, n, b, file.read(i), file.read(m)) for t, n, b, i, m in json.loads(file.readline())]

    def decode(item):
        test, name, bad, image, mask = item
        marks = np.array(Image.open(io.BytesIO(mask))) > 127 if mask else None
        return test, name, bad, np.array(Image.open(io.BytesIO(image)).convert("RGB")), marks

    sets = {}
    with ThreadPoolExecutor(16) as pool:
        for test, name, bad, image, mask in pool.map(decode, items):
            found = sets.setdefault(name, {"good": [], "test": [], "bad": [], "masks": []})
            found["test" if test else "good"].append(image)
            if test:
                found["bad"].append(bad)
                found["masks"].append(mask)
    for found in sets.values():
        for part in ("good", "test"):
            found[part] = torch.from_numpy(np.stack(found[part])).permute(0, 3, 1, 2).to(device)
    return sets


def auroc(bad, scores):
    """Area under the curve; ties count half."""
    bad, scores = np.asarray(bad), np.asarray(scores)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n = bad.sum()
    return float((rank[bad == 1].sum() - n * (n + 1) / 2) / (n * (len(bad) - n)))


def pixels(marked, scores):
    """Pixel AUROC and AP from histograms of 4000 bins."""
    high = float(scores.max())
    hit, miss = (torch.histc(scores[m], 4000, 0, high).flip(0).double() for m in (marked, ~marked))
    found, false = hit.cumsum(0), miss.cumsum(0)
    zero = found.new_zeros(1)
    area = torch.trapezoid(torch.cat([zero, found]) / found[-1], torch.cat([zero, false]) / false[-1])
    return float(area), float((hit / found[-1] * found / (found + false).clamp(min=1)).sum())


def squared(queries, rows):
    """Squared distances (q, r)."""
    return (queries.square().sum(1)[:, None] + rows.square().sum(1)[None] - 2 * queries @ rows.T).clamp(min=0)


@torch.no_grad()
def judge(good, test, found):
    """Figures of the descriptors (images, cells, width) of good and of test images."""
    bank = good.flatten(0, 1)
    choice = torch.randperm(len(bank), generator=torch.Generator().manual_seed(0))[:ROWS].to(bank.device)
    bank, both, inter = bank[choice], [], []
    for tokens in test:
        s = squared(tokens, bank).topk(3, largest=False).values.sqrt().mean(1)
        trusted = s.argsort()[: round(len(s) * 0.75)]
        own = squared(tokens, tokens[trusted])
        own[trusted, torch.arange(len(trusted), device=own.device)] = torch.inf
        both.append(s**0.75 * own.min(1).values.sqrt() ** 0.25)
        inter.append(s)
    grid = int(test.shape[1] ** 0.5)
    taps = torch.exp(-torch.arange(-6, 7, device=test.device).float() ** 2 / 8)
    taps /= taps.sum()
    figures = []
    for scores in (both, inter):
        maps = torch.stack(scores).reshape(-1, 1, grid, grid)
        maps = F.pad(F.interpolate(maps, size=(MAP, MAP), mode="bilinear"), (6, 6, 6, 6), "replicate")
        maps = F.conv2d(F.conv2d(maps, taps.view(1, 1, 1, 13)), taps.view(1, 1, 13, 1))[:, 0]
        flat = maps.flatten(1)
        figures += [auroc(found["bad"], flat.max(1).values.cpu()), auroc(found["bad"], flat.topk(MAP * MAP // 100).values.mean(1).cpu())]
        known = [i for i, mask in enumerate(found["masks"]) if mask is not None or not found["bad"][i]]
        if any(mask is not None for mask in found["masks"]):
            blank = np.zeros((MAP, MAP), bool)
            marks = np.stack([blank if found["masks"][i] is None else found["masks"][i] for i in known])
            figures += pixels(torch.from_numpy(marks).to(maps.device), maps[known])
        else:
            figures += [float("nan")] * 2
    return figures


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=("pack", "judge"))
    p.add_argument("pack")
    p.add_argument("folders", nargs="*")
    p.add_argument("--vit")
    p.add_argument("--effnet")
    p.add_argument("--student", nargs="*", default=[])
    args = p.parse_args()
    if args.what == "pack":
        return pack(args.pack, args.folders)
    from distill import GRID, Descriptors, resize
    from student import load

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sets = read(args.pack, device)

    @torch.no_grad()
    def run(network, images):
        return torch.cat([network(part.float() / 255) for part in images.split(32)])

    networks = {}
    if args.vit and args.effnet:
        teachers = Descriptors(args.vit, args.effnet, device)
        networks = {"vit": lambda x: teachers(x)[0], "effnet": lambda x: teachers(x)[1]}
    for path in args.student:
        student = load(path).to(device).eval()
        networks[Path(path).stem] = lambda x, net=student: net(resize(x, 8 * GRID)).flatten(1, 2)
    for name, found in sets.items():
        kept = {n: tuple(run(net, found[part]) for part in ("good", "test")) for n, net in networks.items()}
        if "vit" in kept:
            # Each in units of what its good images score.
            def unit(good):
                half = len(good) // 2
                rows = good[:half].flatten(0, 1)
                rows = rows[torch.randperm(len(rows), device=rows.device)[: 8 * 2000]]
                tokens = good[half:].flatten(0, 1)
                tokens = tokens[torch.randperm(len(tokens), device=rows.device)[:2000]]
                return float(squared(tokens, rows).min(1).values.mean()) ** -0.5

            scale = [unit(kept[n][0]) for n in ("vit", "effnet")]
            kept["sum"] = tuple(torch.cat([kept["vit"][i] * scale[0], kept["effnet"][i] * scale[1]], 2) for i in (0, 1))
        for n, (good, test) in kept.items():
            print(name.ljust(12), n.ljust(14), " ".join(f"{v:.3f}" for v in judge(good, test, found)), flush=True)


if __name__ == "__main__":
    main()
