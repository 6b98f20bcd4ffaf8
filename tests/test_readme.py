"""The README shows real output: each console block is run, and its Python is a doctest."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- output: (?P<command>.+?) -->\n```console\n\$ (?P<shown>.+?)\n(?P<output>.*?)```", re.S)


def output_of(command: str) -> str:
    """What a reader would see, at 80 columns, errors included."""
    words = shlex.split(command)
    assert words[0] == "cprmodel"
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"},
        check=False,
    )
    text = done.stdout + done.stderr
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def blocks() -> list[re.Match[str]]:
    return list(BLOCK.finditer(README.read_text(encoding="utf-8")))


def test_there_are_blocks() -> None:
    assert len(blocks()) == README.read_text(encoding="utf-8").count("<!-- output") == 5


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block["command"])
def test_output_is_real(block: re.Match[str]) -> None:
    assert block["command"] == block["shown"]
    assert block["output"] == output_of(block["command"])


def test_python_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried >= 6
    assert failed == 0
    assert (tmp_path / "report.html").exists()


def test_python_in_the_pages_runs() -> None:
    for page in ("simulation.md", "advisor.md"):
        failed, tried = doctest.testfile(str(ROOT / "docs" / page), module_relative=False)
        assert tried >= 6
        assert failed == 0


def test_python_in_the_page_on_sweeps_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "docs" / "sweep.md"), module_relative=False)
    assert tried >= 6
    assert failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/claims.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(
        r"`((?:tests|examples|benchmarks|validation)/[\w/.-]+)`", text
    )
    assert found
    for path in found:
        assert (ROOT / path).exists(), path


def rewrite() -> None:
    """Put the present output into the README: python -m tests.test_readme"""
    text = BLOCK.sub(
        lambda m: f"<!-- output: {m['command']} -->\n```console\n$ {m['command']}\n{output_of(m['command'])}```",
        README.read_text(encoding="utf-8"),
    )
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
