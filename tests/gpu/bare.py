"""A machine that is bare but for CUDA torch, NumPy, SciPy, SymPy, Numba and the wheels of requirements/gpu.txt.

Every Python that is started with the folder on its path finds nothing else that is installed.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["THERE", "bare_machine", "carried", "needed_by"]

ROOT = Path(__file__).parents[2]
#: What is there; with whatever these need.
THERE = ("torch", "numpy", "scipy", "sympy", "numba")
ON_IT = {"python_version": "3.12", "python_full_version": "3.12.3", "sys_platform": "linux", "extra": ""}

_HIDES = """
import sys
from importlib.machinery import PathFinder

HIDDEN = frozenset({hidden!r})

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
"""


def carried() -> set[str]:
    """The packages of requirements/gpu.txt."""
    return set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "gpu.txt").read_text(), re.MULTILINE))


def needed_by(name: str) -> set[str]:
    """What a package that is installed here needs on that machine."""
    found = set()
    for text in metadata.requires(name) or []:
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate(dict(ON_IT)):
            found.add(canonicalize_name(one.name))
    return found


def there() -> set[str]:
    """With all that is needed by what is there; of CUDA's libraries, which are not here, no more is known."""
    known, left = set(), set(THERE)
    while left:
        one = left.pop()
        known.add(one)
        try:
            left |= needed_by(one) - known
        except metadata.PackageNotFoundError:
            continue
    return known


def bare_machine(folder: Path) -> Path:
    """Write what makes a machine of this one; the folder, for PYTHONPATH."""
    has = there() | carried()
    hidden = [
        module
        for module, packages in metadata.packages_distributions().items()
        if module not in ("cprmodel", "validation", "tests", "_pytest", "py")
        and not {canonicalize_name(package) for package in packages} & has
    ]
    assert {"polars", "altair", "jsonschema", "vl_convert", "pyarrow", "pandas"} <= set(hidden)
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HIDES.format(hidden=sorted(hidden)))
    return folder
