#!/usr/bin/env python3
"""Times of ours and of peers on this processor, f32, one image at a time. They take turns, round by round, each in a process of its
own.

  cpu-peers.py SNARM [--threads N] [--rounds N]   the network of snarm-tiny, 320 x 320, and the same weights in ONNX Runtime, OpenVINO
                                                  and PyTorch
  cpu-peers.py SNARM --detectors                  the whole frame, and whole detectors of anomalib, exported to OpenVINO as anomalib
                                                  does, with banks of as many rows and random weights, which take the same time;
                                                  dinomaly, for which OpenVINO has no operation, in PyTorch

SNARM is the command. Needs torch, onnx, onnxscript, onnxruntime, openvino, safetensors; for the detectors anomalib.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "snarm-core/assets/snarm-tiny.safetensors"
SIDE, RUNS, WARM_UP = 320, 30, 5
PEERS = ["onnxruntime", "openvino", "torch", "torch-compiled"]
DETECTORS = ["efficientad-s-256", "anomalydino-s-392", "patchcore-wrn50-256", "patchcore-wrn50-392", "dinomaly-b-392"]
ROWS = 10_000


def exported(path):
    """Writes the network as ONNX, and what PyTorch makes of an image beside it."""
    import numpy
    import torch

    sys.path.append(str(ROOT / "pipelines/torch"))
    import student

    network = student.load(WEIGHTS).eval()
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        numpy.savez(path.with_suffix(".npz"), image=image.numpy(), descriptors=network(image).numpy())
    torch.onnx.export(network, (image,), path, input_names=["image"], output_names=["descriptors"], dynamo=True, external_data=False)


def peer(name, path, threads):
    """What runs a frame in one of the peers, and returns its descriptors."""
    import numpy

    image = numpy.load(path.with_suffix(".npz"))["image"]
    if name == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"image": image})[0]
    if name == "openvino":
        import openvino

        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()
        request.set_input_tensor(openvino.Tensor(image))

        def run():
            request.infer()
            return request.get_output_tensor().data

        return run
    import torch

    sys.path.append(str(ROOT / "pipelines/torch"))
    import student

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    network = student.load(WEIGHTS).eval()
    if name == "torch-compiled":
        network = torch.compile(network)
    image = torch.from_numpy(image)
    return lambda: network(image).numpy()


def detector(name):
    """A packaged detector as anomalib builds it, and the side of its image."""
    import timm
    import torch

    # No weights are fetched: random ones take the same time.
    create = timm.create_model
    timm.create_model = lambda *args, **options: create(*args, **options | {"pretrained": False})
    family, side = name.split("-")[0], int(name.split("-")[-1])
    if family == "efficientad":
        from anomalib.models.image.efficient_ad.torch_model import EfficientAdModel, EfficientAdModelSize

        return EfficientAdModel(model_size=EfficientAdModelSize.S), side
    if family == "anomalydino":
        from anomalib.models.image.anomaly_dino.torch_model import AnomalyDINOModel

        model = AnomalyDINOModel()
        model.memory_bank = torch.nn.functional.normalize(torch.randn(ROWS, 384), dim=1)
        return model, side
    if family == "patchcore":
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        model = PatchcoreModel(layers=("layer2", "layer3"), backbone="wide_resnet50_2", pre_trained=False, num_neighbors=9)
        model.memory_bank = torch.randn(ROWS, 1536)
        return model, side
    from anomalib.models.image.dinomaly.torch_model import DinomalyModel

    return DinomalyModel(), side


def exported_detector(name, path):
    """Writes a packaged detector for OpenVINO."""
    import openvino
    import torch

    class Scored(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, image):
            found = self.model(image)
            return found.pred_score, found.anomaly_map

    model, side = detector(name)
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        converted = openvino.convert_model(Scored(model.eval()), example_input=image)
    converted.reshape([1, 3, side, side])
    openvino.save_model(converted, path, compress_to_fp16=False)


def packaged(path, threads):
    """What runs a frame in a packaged detector."""
    import numpy
    import openvino

    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", hints)
    request = compiled.create_infer_request()
    shape = list(compiled.input(0).shape)
    request.set_input_tensor(openvino.Tensor(numpy.random.default_rng(1).random(shape, dtype=numpy.float32)))

    def run():
        request.infer()
        return request.get_output_tensor(0).data

    return run


def measure(name, path, threads):
    """Median and least time of a frame in milliseconds, and how far its descriptors are from those of PyTorch."""
    import numpy

    if name.startswith("dinomaly"):
        import torch

        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        model, side = detector(name)
        model = model.eval()
        image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))

        def run():
            return model(image)

    elif name in DETECTORS:
        if not path.exists():
            exported_detector(name, path)
        run = packaged(path, threads)
    else:
        run = peer(name, path, threads)
    for _ in range(WARM_UP):
        found = run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    line = {"name": name, "median_ms": statistics.median(times), "min_ms": min(times)}
    if name in PEERS:
        line["apart"] = float(numpy.abs(found - numpy.load(path.with_suffix(".npz"))["descriptors"]).max())
    print(json.dumps(line))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("snarm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detectors", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peer:
        return measure(asked.peer, asked.model, asked.threads)
    folder = Path(tempfile.mkdtemp())
    ours = [asked.snarm, "bench", "--json", "--frames", str(RUNS), "--good-frames", "2"]
    if asked.detectors:
        peers, stage = DETECTORS, "whole frame"
        ours += ["--capacity", str(ROWS)]
        models = {name: folder / f"{name}.xml" for name in peers}
    else:
        peers, stage = PEERS, "encode"
        ours += ["--capacity", "300", "--size", f"{SIDE}x{SIDE}"]
        models = dict.fromkeys(peers, folder / "snarm-tiny.onnx")
        exported(folder / "snarm-tiny.onnx")
    environment = os.environ | {"OMP_NUM_THREADS": str(asked.threads), "SNARM_THREADS": str(asked.threads)}
    found = {}
    for _ in range(asked.rounds):
        for name in ["ours", *peers]:
            command = [sys.executable, __file__, asked.snarm, "--peer", name, "--model", models.get(name, folder)]
            command = ours if name == "ours" else [*command, "--threads", str(asked.threads)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            line = next(line for line in lines if line["name"] in (name, stage))
            found.setdefault(name, []).append(line)
    least = {name: min(line["min_ms"] for line in lines) for name, lines in found.items()}
    for name, lines in found.items():
        median = statistics.median(line["median_ms"] for line in lines)
        figures = {"name": name, "threads": asked.threads, "median_ms": median, "min_ms": least[name]}
        figures["ratio_of_min"] = least[name] / least["ours"]
        if "apart" in lines[0]:
            figures["apart"] = max(line["apart"] for line in lines)
        print(json.dumps({key: round(value, 5) if isinstance(value, float) else value for key, value in figures.items()}))


if __name__ == "__main__":
    main()
