"""Packs pictures of folders (also those inside zip archives: .zip, .pk3, .wz) into one file for `distill.py`."""

import sys
import tempfile
import zipfile
from pathlib import Path

from views import pack

ARCHIVES = {".zip", ".pk3", ".wz"}
KINDS = {".jpg", ".jpeg", ".png", ".tga", ".webp", ".bmp", ".dds"}


def main():
    out, limit, *folders = sys.argv[1:]
    files = []
    with tempfile.TemporaryDirectory() as unpacked:
        for number, folder in enumerate(folders):
            found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in KINDS and p.is_file())
            for archive in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ARCHIVES):
                where = Path(unpacked) / str(number) / archive.stem
                with zipfile.ZipFile(archive) as content:
                    content.extractall(where, [n for n in content.namelist() if Path(n).suffix.lower() in KINDS])
                found += sorted(p for p in where.rglob("*") if p.suffix.lower() in KINDS)
            keep = int(limit)
            step = max(1.0, len(found) / keep)
            files += [found[int(i * step)] for i in range(min(keep, len(found)))]
        print(*pack(files, out), "bytes, of", len(files), "files")


if __name__ == "__main__":
    main()
