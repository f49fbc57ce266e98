#!/usr/bin/env python3
"""Compares the results of two devices.

  gpu-verdicts.py CPU.jsonl CUDA.jsonl
"""
import json
import sys


def main():
    cpu, cuda = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
    assert len(cpu) == len(cuda) > 0, f"expected as many results of both, found {len(cpu)} and {len(cuda)}"
    apart = max(abs(a["score"] - b["score"]) for a, b in zip(cpu, cuda))
    turned = sum(a["anomalous"] != b["anomalous"] and abs(a["score"] - a["threshold"]) > 0.01 for a, b in zip(cpu, cuda))
    print(f"{len(cpu)} frames, scores at most {apart:.4f} apart, {turned} verdicts turned")
    assert apart < 0.01 and turned == 0, "expected scores at most 0.01 apart, and no verdict turned"


if __name__ == "__main__":
    main()
