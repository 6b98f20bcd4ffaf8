"""Wheels for a machine that has CUDA torch, Python 3.12 and no network: weighed here, installed there.

    python requirements/carry.py weigh FOLDER            what travels: the project's files and the wheels
    python requirements/carry.py install FOLDER INTO     on that machine; it needs Python and pip alone

Bad news is one line, with status 2.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LARGEST_BYTES = 60 * 2**20


def weigh(folder: Path) -> str | None:
    """Print what it comes to; why it is too much."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    project = sum(path.stat().st_size for path in files if path.is_file())
    wheels = sorted(folder.glob("*.whl"))
    carried = sum(path.stat().st_size for path in wheels)
    said = (
        f"{len(wheels)} wheels, {carried / 2**20:.1f} MiB; with the project {(carried + project) / 2**20:.1f} MiB"
    )
    print(said)
    if not wheels:
        return f"{folder}: expected wheels in it"
    return f"{said}: expected at most {LARGEST_BYTES // 2**20} MiB" if carried + project > LARGEST_BYTES else None


def install(folder: Path, into: Path) -> str | None:
    """Unpack them where nothing else is; why that cannot be."""
    wheels = sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        return f"{folder}: expected wheels in it: make gpu-wheels, on a machine with a network, fetches them"
    shutil.rmtree(into, ignore_errors=True)
    words = ["install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", *words, "--disable-pip-version-check", "--target", str(into), *wheels]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        wanted = f"{sys.executable}: expected Python 3.12 on x86-64 Linux, with pip, to install {folder}"
        return f"{wanted} ({lines[-1] if lines else 'pip failed'})"
    return None


def main(what: str, *folders: str) -> None:
    """Do it."""
    wrong = {"weigh": weigh, "install": install}[what](*map(Path, folders))
    if wrong:
        print(f"cprmodel: {wrong}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(*sys.argv[1:])
