"""How much is installed: by ``pip install cprmodel`` alone, by each extra, and by all of it.

The files of each package and of what it asks for, as they are distributed, in MB (10^6 bytes); beside it with the
bytecode that pip makes of them. Held to: the core alone at most 250 MB as distributed.

Run in an environment that has all extras: python benchmarks/installed.py
"""

from __future__ import annotations

import os
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

LIMIT_MB = 250.0
PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def closure(asked: list[str]) -> set[str]:
    """The names of these packages and of all that they need here."""
    found: set[str] = set()
    left = [Requirement(one).name for one in asked]
    while left:
        name = left.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or []:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                left.append(one.name)
    return found


def size_mb(name: str, bytecode: bool) -> float:
    """Of a package's own files."""
    total = 0
    for file in metadata.files(name) or []:
        if bytecode or "__pycache__" not in file.parts:
            path = file.locate()
            total += os.path.getsize(path) if os.path.exists(path) else 0
    return total / 1e6


def main() -> int:
    extras = PROJECT["optional-dependencies"]
    core = closure(PROJECT["dependencies"])
    rows = [("cprmodel", core)]
    for name in ("simulate", "logs", "report", "bulk", "all"):
        rows.append((f"cprmodel[{name}]", core | closure(extras[name])))
    print(f"{'':20}{'packages':>9}{'MB':>8}{'with bytecode':>15}")
    for name, packages in rows:
        plain, whole = (sum(size_mb(one, bytecode) for one in packages) for bytecode in (False, True))
        print(f"{name:20}{len(packages):>9}{plain:>8.0f}{whole:>15.0f}")
    taken = sum(size_mb(one, False) for one in core)
    print(f"the core is {'within' if taken <= LIMIT_MB else 'ABOVE'} its limit of {LIMIT_MB:g} MB")
    return int(taken > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
