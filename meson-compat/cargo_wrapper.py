#!/usr/bin/env python3
"""What meson.build asks of cargo: the version, the features, and the library in meson's build folder."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(os.path.realpath(__file__)).parent
# The repository: this folder's parent, or this folder where meson laid its files over the sources.
ROOT = HERE if (HERE / "Cargo.toml").exists() else HERE.parent
PACKAGE = "gst-plugin-snarm"
# Older ones do not know edition 2024.
CARGO_C = (0, 10)


def table(text, name):
    """The lines of a table of TOML. Meson still runs on Pythons that have no tomllib."""
    found = re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def version():
    text = table((ROOT / "Cargo.toml").read_text(), "workspace.package")
    return re.search(r'^version = "(.*?)"', text, re.M).group(1)


def features():
    text = table((ROOT / "plugins/Cargo.toml").read_text(), "features")
    return re.findall(r"^([\w-]+) =", text, re.M)


def cargo_c(cargo):
    """Whether a cargo-c that is new enough is there."""
    try:
        found = subprocess.run([cargo, "cbuild", "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(n) for n in re.search(r"(\d+)\.(\d+)", found).groups()) >= CARGO_C
    except (OSError, subprocess.CalledProcessError, AttributeError):
        return False


def environment(uninstalled):
    """Libraries of the same meson build come before those of the system. Where there are none, cargo's environment
    stays as it is: with another one it would build all bindings anew."""
    env = dict(os.environ)
    if os.path.isdir(uninstalled):
        path = [uninstalled, env.get("PKG_CONFIG_PATH", "")]
        env["PKG_CONFIG_PATH"] = os.pathsep.join(filter(None, path))
    return env


def dependencies(depfile):
    """Sources of a library, as cargo wrote them down for make, still escaped."""
    _, _, names = depfile.read_text().partition(": ")
    return re.findall(r"(?:\\ |\S)+", names)


def build(args):
    outputs = [pathlib.Path(output) for output in args.outputs]
    static = any(output.suffix == ".a" for output in outputs)
    with_c = cargo_c(args.cargo)
    if static and not with_c:
        wanted = ".".join(map(str, CARGO_C))
        sys.exit(f"a static library needs cargo-c {wanted} or newer, found none: cargo install cargo-c")

    command = [args.cargo, "cbuild" if with_c else "build", "--manifest-path", str(ROOT / "Cargo.toml")]
    command += ["--package", PACKAGE, "--target-dir", args.target_dir, "--profile", args.profile]
    command += ["--frozen" if args.offline == "yes" else "--locked"]
    if args.features:
        command += ["--features", args.features]
    target = os.environ.get("CARGO_BUILD_TARGET")
    if with_c:
        command += ["--prefix", args.prefix, "--libdir", args.libdir]
        command += ["--library-type", "cdylib"] if not static else []
        target = target or host(args.cargo)
        command += ["--target", target]
    subprocess.run(command, env=environment(args.uninstalled), check=True)

    built = pathlib.Path(args.target_dir, target or "", "release" if args.profile == "release" else "debug")
    for output in outputs:
        shutil.copy2(built / output.name, output)
    manifests = [str(path).replace(" ", "\\ ") for path in (ROOT / "Cargo.lock", *ROOT.glob("*/Cargo.toml"))]
    sources = " ".join(dependencies(built / "libgstsnarm.d") + manifests)
    pathlib.Path(args.depfile).write_text(f"{outputs[0]}: {sources}\n")


def host(cargo):
    """The triple that cargo builds for: cargo-c always puts it into the path."""
    rustc = os.environ.get("RUSTC", "rustc")
    found = subprocess.run([rustc, "-vV"], capture_output=True, text=True, check=True).stdout
    return re.search(r"host: (\S+)", found).group(1)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version")
    commands.add_parser("features")
    builder = commands.add_parser("build")
    for name in ("cargo", "target-dir", "profile", "features", "offline", "uninstalled", "prefix", "libdir", "depfile"):
        builder.add_argument(f"--{name}", required=True)
    builder.add_argument("outputs", nargs="+")
    args = parser.parse_args()
    if args.command == "version":
        print(version())
    elif args.command == "features":
        print(" ".join(features()))
    else:
        try:
            build(args)
        except subprocess.CalledProcessError as failed:
            sys.exit(failed.returncode)


if __name__ == "__main__":
    main()
