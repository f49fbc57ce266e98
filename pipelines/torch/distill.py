"""Teaches snarm-tiny what two teachers see, on a GPU (or, slowly, a CPU). One command repeats the run:

    python3 distill.py --vit vit_tiny.safetensors --effnet efficientnet_lite2.safetensors --pictures pack... \
        --out snarm-tiny.safetensors --minutes 8

Targets are the teachers' descriptors along their main axes, 64 each, at 40 x 40 cells. The loss is the squared error, and
what matching asks for: the order and the size of distances to the rows of other views.
"""

import argparse
import collections
import json
import math
import random
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import views
from student import Student, in_product, of_product
from teachers import EfficientNetLite2, VitTiny

GRID = 40


class Target:
    """Descriptors of one teacher along the axes of most variance, without what depends on the place alone."""

    def __init__(self, rows, width):  # rows (n, cells, inner)
        self.place = rows.mean(0)  # (cells, inner)
        centred = (rows - self.place).flatten(0, 1).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.axes = vectors[:, -width:].flip(1).float()
        self.kept = float(values[-width:].sum() / values.sum())
        self.scale = 1.0

    def centre(self, rows):
        return (rows - self.place) * self.scale

    def project(self, rows):
        return self.centre(rows) @ self.axes

    def as_of(self, rows, found):
        """Turns the axes, within the space that they span, and scales them as near as can be to what another student says of
        the rows. Where it knows too little it says the mean, so its own size is that of the product with what is true."""
        found = found.flatten(0, 1)
        left, _, right = torch.linalg.svd((self.project(rows).flatten(0, 1).T @ found).double())
        self.axes = self.axes @ (left @ right).float()
        self.scale *= float(found.square().sum() / (self.project(rows).flatten(0, 1) * found).sum())


class Descriptors:
    """Descriptors of both teachers, on cells of 8 pixels of the student's input."""

    def __init__(self, vit, effnet, device):
        self.device = device
        self.vit = VitTiny(vit).to(device).eval()
        self.effnet = EfficientNetLite2(effnet).to(device).eval()
        if device.type == "cuda":
            self.effnet = self.effnet.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, image):
        """Descriptors (b, cells, inner) of both, of views of the ViT's size."""
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            first = self.vit(image).float()
            second = self.effnet(resize(image, EfficientNetLite2.SIDE)).float()
        b, side = image.shape[0], VitTiny.GRID
        first = first.transpose(1, 2).reshape(b, -1, side, side)
        first = F.interpolate(first, size=(GRID, GRID), mode="bilinear", align_corners=False)
        return F.normalize(first.flatten(2).transpose(1, 2), dim=2), second


class Teaching:
    """Both teachers and their targets, along the axes of the student `earlier` where there is one."""

    def __init__(self, args, pictures, earlier=None):
        self.descriptors = Descriptors(args.vit, args.effnet, pictures.device)
        rows, said = [[], []], []
        for _ in range(args.axes_batches):
            image = views.pairs(pictures, args.pairs, VitTiny.SIDE)
            found = self.descriptors(image)
            for kept, new in zip(rows, found):
                kept.append(new)
            if earlier:
                with torch.no_grad():
                    said.append(earlier(resize(image, 8 * GRID)).flatten(1, 2))
        rows = [torch.cat(kept) for kept in rows]
        self.targets = [Target(r, w) for r, w in zip(rows, args.groups)]
        # Of equal length where nothing has happened: distances between the two views of a pair, nearest rows, are as long
        # in the one as in the other.
        n = args.pairs
        means = []
        for target, r in zip(self.targets, rows):
            r = target.project(r[: 2 * n])
            near = [torch.cdist(r[n + i], r[i]).min(1).values.square().median() for i in range(n)]
            means.append(float(torch.stack(near).mean()))
        for target, mean in zip(self.targets, means):
            target.scale = mean**-0.5
        # A third more of the transformer is better on most products (docs/models/snarm-tiny.md).
        self.targets[0].scale *= 1.3
        both = torch.cat([t.project(r) for t, r in zip(self.targets, rows)], 2)
        size = float(both.square().mean())
        for target in self.targets:
            target.scale /= size**0.5
        if earlier:
            for target, r, found in zip(self.targets, rows, torch.cat(said).split(args.groups, 2)):
                target.as_of(r, found)
        self.squares = [float(t.project(r).square().mean()) for t, r in zip(self.targets, rows)]
        self.kept = [t.kept for t in self.targets]


def resize(image, side):
    return F.interpolate(image, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def distances(queries, rows):
    """Squared distances (b, q, r)."""
    square = queries.square().sum(2)[:, :, None] + rows.square().sum(2)[:, None, :]
    return (square - 2 * queries @ rows.transpose(1, 2)).clamp(min=0)


def matching_loss(student, full, n, queries=160, bank=640):
    """What matching asks for. `full` are the teachers' descriptors, centred, all channels, (2 n, cells, inner); queries are
    of the second view, rows of the first one of the pair and of the next pair."""
    device = student.device
    q = torch.randperm(student.shape[1], device=device)[:queries]
    r = torch.randperm(student.shape[1], device=device)[:bank]
    with torch.no_grad():
        rows = full[:n, r]
        rows = torch.cat([rows, rows.roll(1, 0)], 1)
        true = distances(full[n:, q], rows)
        size = true.mean((1, 2), keepdim=True)
        temperature = 0.1 * size
        wanted = F.log_softmax(-true / temperature, 2)
        nearest = true.topk(3, largest=False).values.mean(2)
    rows = student[:n, r]
    rows = torch.cat([rows, rows.roll(1, 0)], 1)
    found = distances(student[n:, q], rows)
    said = F.log_softmax(-found / temperature, 2)
    order = F.kl_div(said, wanted, log_target=True, reduction="none").sum(2).mean()
    near = found.topk(3, largest=False).values.mean(2)
    floor = 0.02 * size[:, 0]
    amount = ((near + floor).log() - (nearest + floor).log()).square().mean()
    return order, amount


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--vit", required=True)
    p.add_argument("--effnet", required=True)
    p.add_argument("--pictures", nargs="+", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=8)
    p.add_argument("--pairs", type=int, default=64)
    p.add_argument("--axes-batches", type=int, default=20)
    p.add_argument("--groups", type=int, nargs=2, default=(64, 64))
    p.add_argument("--rate", type=float, default=1.5e-3)
    p.add_argument("--order", type=float, default=0.1)
    p.add_argument("--amount", type=float, default=0.1)
    p.add_argument("--student", default="{}", help="sizes, as JSON")
    p.add_argument("--start", help="a student to go on from; descriptors stay along its axes, so a decoder that knows it fits")
    p.add_argument("--uses", type=int, default=1, help="steps for which a batch of views serves, each in another light")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--limit", type=int)
    p.add_argument("--log", help="where the course is written, as CSV")
    p.add_argument("--every", type=float, default=20, help="seconds between lines of the log")
    args = p.parse_args()
    began = time.time()
    torch.manual_seed(1)
    random.seed(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device = torch.device(args.device)
    pictures = views.Pictures(args.pictures, device, args.limit)
    print(f"{len(pictures.training)} pictures, {len(pictures.apart)} set apart, {time.time() - began:.1f} s", flush=True)
    student = Student(**json.loads(args.student), groups=tuple(args.groups)).to(device)
    if args.start:
        student.load_state_dict(of_product(load_file(args.start), student))
    teaching = Teaching(args, pictures, student if args.start else None)
    print(f"axes keep {teaching.kept}, mean squares {teaching.squares}, {time.time() - began:.1f} s", flush=True)
    run = torch.compile(student) if args.compile else student
    decay = [v for v in student.parameters() if v.dim() > 1]
    plain = [v for v in student.parameters() if v.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=args.rate, betas=(0.9, 0.98), fused=device.type == "cuda"
    )
    average = {name: value.detach().clone() for name, value in student.state_dict().items()}
    n = args.pairs
    held = [views.pairs(pictures, n, VitTiny.SIDE, validation=True) for _ in range(2)]
    started, step, said, course = time.time(), 0, 0.0, []
    total = args.minutes * 60
    recent = collections.deque(maxlen=1 if args.uses == 1 else 8)

    def parts(image):
        full = teaching.descriptors(image)
        centred = torch.cat([t.centre(d) for t, d in zip(teaching.targets, full)], 2)
        target = torch.cat([t.project(d) for t, d in zip(teaching.targets, full)], 2)
        return centred, target

    def forward(image, net):
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return net(image).float().flatten(1, 2)

    def validate():
        kept = {name: value.detach().clone() for name, value in student.state_dict().items()}
        student.load_state_dict(average)
        sums = torch.zeros(4)
        with torch.no_grad():
            for image in held:
                centred, target = parts(image)
                found = forward(resize(image, 8 * GRID), student)
                w = args.groups[0]
                for i, part in enumerate((slice(0, w), slice(w, None))):
                    left = (found[..., part] - target[..., part]).square().mean()
                    about = (target[..., part] - target[..., part].mean((0, 1))).square().mean()
                    sums[i] += (1 - left / about).cpu()
                order, amount = matching_loss(found, centred, n)
                sums[2] += order.cpu()
                sums[3] += amount.cpu()
        student.load_state_dict(kept)
        return (sums / len(held)).tolist()

    def save(path, provenance):
        tensors, header = in_product(average, student, provenance)
        save_file(tensors, path, header)

    while True:
        elapsed = time.time() - started
        if elapsed >= total:
            break
        done = elapsed / total
        rate = args.rate * min(1.0, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        if step % args.uses == 0:
            image = views.pairs(pictures, n, VitTiny.SIDE)
            recent.append((resize(image, 8 * GRID), *parts(image)))
            image, centred, target = recent[-1]
        else:
            image, centred, target = recent[random.randrange(len(recent))]
        found = forward(views.light(image), run)
        error = (found - target).square().mean()
        order, amount = matching_loss(found, centred, n)
        loss = error + args.order * order + args.amount * amount
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(0.999, step / (step + 20))
        with torch.no_grad():
            names = list(average)
            state = student.state_dict()
            torch._foreach_lerp_([average[k] for k in names], [state[k] for k in names], 1 - keep)
        if time.time() - said > args.every:
            said = time.time()
            row = [step, elapsed, error.item(), order.item(), amount.item(), norm.item(), *validate()]
            course.append(row)
            print("step {} {:.0f}s loss {:.4f} order {:.4f} amount {:.4f} norm {:.2f} | explained {:.4f} {:.4f} order {:.4f} amount {:.4f}".format(*row), flush=True)
            save(args.out, f"{step} steps")
    row = [step, time.time() - started, *validate()]
    print("end: {} steps {:.0f}s explained {:.4f} {:.4f} order {:.4f} amount {:.4f}".format(*row), flush=True)
    provenance = (
        f"distilled in {step} steps of {2 * n} views from {len(pictures.training)} pictures; explains {row[2]:.3f} and "
        f"{row[3]:.3f} of the two teachers' variance along axes that keep {teaching.kept[0]:.3f} and {teaching.kept[1]:.3f}"
    )
    save(args.out, provenance)
    if args.log:
        with open(args.log, "w") as file:
            file.write("step,seconds,loss,order,amount,norm,explained_vit,explained_effnet,held_order,held_amount\n")
            file.writelines(",".join(f"{value:.5g}" for value in line) + "\n" for line in course)


if __name__ == "__main__":
    main()
