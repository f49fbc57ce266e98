#!/usr/bin/env python3
"""Times of the network of snarm-tiny on this processor: ours, and the same weights in ONNX Runtime, OpenVINO and PyTorch, f32, one
image of 320 x 320. They take turns, round by round, each in a process of its own.

  cpu-peers.py SNARM [--threads N] [--rounds N]   SNARM is the command; needs torch, onnx, onnxscript, onnxruntime, openvino,
                                                  safetensors
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


def measure(name, path, threads):
    """Median and least time of a frame in milliseconds, and how far its descriptors are from those of PyTorch."""
    import numpy

    run = peer(name, path, threads)
    for _ in range(WARM_UP):
        found = run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    apart = float(numpy.abs(found - numpy.load(path.with_suffix(".npz"))["descriptors"]).max())
    print(json.dumps({"name": name, "median_ms": statistics.median(times), "min_ms": min(times), "apart": apart}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("snarm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peer:
        return measure(asked.peer, asked.model, asked.threads)
    folder = Path(tempfile.mkdtemp())
    model = folder / "snarm-tiny.onnx"
    exported(model)
    environment = os.environ | {"OMP_NUM_THREADS": str(asked.threads), "SNARM_THREADS": str(asked.threads)}
    ours = [asked.snarm, "bench", "--json", "--frames", str(RUNS), "--good-frames", "2", "--capacity", "300", "--size", "320x320"]
    found = {}
    for _ in range(asked.rounds):
        for name in ["ours", *PEERS]:
            command = [sys.executable, __file__, asked.snarm, "--peer", name, "--model", model, "--threads", str(asked.threads)]
            done = subprocess.run(ours if name == "ours" else command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            line = next(line for line in lines if line["name"] in (name, "encode"))
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
