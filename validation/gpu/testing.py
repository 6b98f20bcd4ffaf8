"""The tests that are marked gpu, as far as pytest and this project's tests are here; and what they came to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["came_to", "command", "files"]

ROOT = Path(__file__).parents[2]
#: How a test says that it takes a device.
_SIGNS = ("pytest.mark.gpu", "from tests.devices import")


def files(tests: Path = ROOT / "tests") -> list[Path]:
    """Those with a test that is marked gpu: another may import what a bare machine has not."""
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if any(sign in text for sign in _SIGNS):
            found.append(path)
    return found


def command(device: str, out: Path, asked: Sequence[Path]) -> list[str]:
    """How they are run. On a CPU, for a rehearsal, it is the variants for the CPU of the same tests.

    With no plugin that happens to be installed; and a warning of another version of a library is no failure.
    """
    chosen = ["-m", "gpu"] if device == "cuda" else ["-m", "not gpu", "-k", "cpu"]
    settings = [
        "-c",
        str(ROOT / "pyproject.toml"),
        "-o",
        "addopts=--strict-markers",
        "-o",
        "filterwarnings=default",
        "-p",
        "no:cacheprovider",
    ]
    return [sys.executable, "-m", "pytest", "-q", *settings, *chosen, f"--junitxml={out}", *map(str, asked)]


def came_to(path: Path) -> tuple[int, list[str]] | None:
    """How many tests passed, and the names of those that did not; None without a whole file of results."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    wrong = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = [f"{case.get('classname')}.{case.get('name')}" for case in wrong]
    return len(cases) - len(wrong) - skipped, names
