#!/usr/bin/env python3
"""Runs all tests of the workspace, two programs at a time: those of the elements and of the recipes wait for clocks and
pipelines most of the time, while others compute. What a program prints is shown when it has ended.

  test.py [--only PROGRAM] [ARGUMENT ...]     arguments of every test program, such as a part of a test's name
"""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARGO = os.environ.get("CARGO", "cargo")
# They take minutes, the others seconds: they start first, the longest at once, so that none is left alone at the end.
LONG = ["elements", "cli", "snarm_kernels", "recipes", "bank", "station", "cuda", "snarm_core"]
# What some of them run with: the encoder where a test names none, which takes a third of the default's time a frame. Tests of the
# default name it. Several tests run at once: with one thread each they need not wait for each other's at every step. All
# other programs run with the default encoder and all threads.
QUICKENED = ["elements", "cli", "recipes", "bank", "station"]
QUICK = {"SNARM_ENCODER": "snarm-tiny-1@24", "SNARM_THREADS": "1"}


def programs(only):
    """Name, folder and file of each test program, or of the one of that name, built."""
    command = [CARGO, "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    build = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if build.returncode:
        sys.exit(build.returncode)
    found = []
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            name = message["target"]["name"]
            if only in (None, name):
                found.append((name, Path(message["manifest_path"]).parent, message["executable"]))
    return sorted(found, key=lambda item: LONG.index(item[0]) if item[0] in LONG else len(LONG))


def run(program, arguments):
    name, folder, file = program
    began = time.monotonic()
    # Cargo runs a test in the folder of its package, too.
    quick = QUICK if name in QUICKENED else {}
    environment = quick | os.environ | {"CARGO_MANIFEST_DIR": str(folder)}
    command = [file, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"== {name} ({folder.relative_to(ROOT)}), {time.monotonic() - began:.0f} s", flush=True)
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    return name if done.returncode else None


def main():
    only, arguments = None, sys.argv[1:]
    if arguments[:1] == ["--only"]:
        only, arguments = arguments[1], arguments[2:]
    found = programs(only)
    if not found:
        sys.exit(f"test.py: expected test programs of the workspace named {only or 'anything'}, found none")
    with ThreadPoolExecutor(2) as pool:
        failed = [name for name in pool.map(lambda program: run(program, arguments), found) if name]
    if only is None:
        documents = subprocess.run([CARGO, "test", "--workspace", "--locked", "--doc", "--quiet"], cwd=ROOT)
        if documents.returncode:
            failed.append("examples in the documentation")
    if failed:
        sys.exit(f"test.py: failed: {', '.join(failed)}")
    print(f"test.py: {len(found)} test programs passed")


if __name__ == "__main__":
    main()
