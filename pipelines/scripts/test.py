#!/usr/bin/env python3
"""Runs all tests of the workspace, two programs at a time: those of the elements and of the recipes wait for clocks and
pipelines most of the time, while others compute. What a program prints is shown when it has ended.

  test.py [ARGUMENT ...]     arguments of every test program, such as a part of a test's name
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
# They take minutes, the others seconds: they start first.
LONG = ["elements", "recipes", "bank", "cli"]


def programs():
    """Name, folder and file of each test program, built."""
    command = [CARGO, "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    build = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if build.returncode:
        sys.exit(build.returncode)
    found = []
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            found.append((message["target"]["name"], Path(message["manifest_path"]).parent, message["executable"]))
    return sorted(found, key=lambda item: LONG.index(item[0]) if item[0] in LONG else len(LONG))


def run(program):
    name, folder, file = program
    began = time.monotonic()
    # Cargo runs a test in the folder of its package, too.
    environment = os.environ | {"CARGO_MANIFEST_DIR": str(folder)}
    output = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run([file, *sys.argv[1:]], cwd=folder, env=environment, stdout=output[0], stderr=output[1])
    print(f"== {name} ({folder.relative_to(ROOT)}), {time.monotonic() - began:.0f} s", flush=True)
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    return name if done.returncode else None


def main():
    found = programs()
    if not found:
        sys.exit("test.py: expected test programs of the workspace, found none")
    with ThreadPoolExecutor(2) as pool:
        failed = [name for name in pool.map(run, found) if name]
    documents = subprocess.run([CARGO, "test", "--workspace", "--locked", "--doc", "--quiet"], cwd=ROOT)
    if documents.returncode:
        failed.append("examples in the documentation")
    if failed:
        sys.exit(f"test.py: failed: {', '.join(failed)}")
    print(f"test.py: {len(found)} test programs passed")


if __name__ == "__main__":
    main()
