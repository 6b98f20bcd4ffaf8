"""Real processes, killed: the whole job, and one shard while the other goes on. All rows and state are equal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from cprmodel.checkpoints import read_tables

SCRIPT = Path(__file__).parent / "kill_script.py"


def begin(folder: Path, rank: int, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(folder), "--rank", str(rank), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ends(process: subprocess.Popen[str], *statuses: int) -> None:
    try:
        _, errors = process.communicate(timeout=150)
    finally:
        process.kill()
    assert process.returncode in statuses, errors


def said(folder: Path, name: str, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}-{rank}.json").read_text())
    return found


def whole_is_what_was_safe(folder: Path) -> None:
    """Both processes' rows, put together by a reader, are what each of them says is safe."""
    step, tables = read_tables(folder / "saves")
    safe = [torch.load(folder / f"safe-{rank}.pt", weights_only=True) for rank in range(2)]
    halves = [torch.cat([safe[rank][0][name] for rank in range(2)]) for name in ("weight", "sum")]
    by_name = {table.name: table.arrays() for table in tables}
    expected = {"users": {"weight": halves[0], "sum": halves[1]}, "own-0": safe[0][1], "own-1": safe[1][1]}
    assert step == said(folder, "end", 0)["step"]
    assert by_name.keys() == expected.keys()
    for name, arrays in expected.items():
        assert by_name[name].keys() == arrays.keys()
        for part, array in arrays.items():
            assert torch.equal(by_name[name][part].view(torch.uint8), array.view(torch.uint8)), (name, part)


def both_go_on(folder: Path, *more: str) -> None:
    """Begun again, both load what was safe at step 8, and end."""
    began = [begin(folder, rank, *more, "--epoch", "2") for rank in range(2)]
    for process in began:
        ends(process, 0)
    for rank in range(2):
        loaded = said(folder, "loaded", rank)
        assert (loaded["step"], loaded["told"]) == (8, [])
        assert loaded["digest"] == said(folder, "safe-8", rank)["digest"]
    whole_is_what_was_safe(folder)


def test_one_shard_is_lost_and_then_the_whole_job(tmp_path: Path) -> None:
    """A shard alone goes back, the other one's rows are touched by nothing; then one dies within a manifest."""
    first = begin(tmp_path, 0, "--survive", "--die-in-save", "10")
    ends(begin(tmp_path, 1, "--die-at", "7"), -signal.SIGKILL)
    other = begin(tmp_path, 1, "--alone", "--epoch", "1")
    ends(first, -signal.SIGKILL)
    other.kill()  # a batch system ends the others
    ends(other, -signal.SIGKILL, 1)

    safe, loaded = said(tmp_path, "safe-6", 1), said(tmp_path, "loaded", 1)
    assert (loaded["step"], loaded["told"], loaded["digest"]) == (6, [], safe["digest"])
    survived = said(tmp_path, "survived", 0)
    assert survived["digest"] == said(tmp_path, "rejoined", 0)["digest"]
    assert survived["digest"] != said(tmp_path, "safe-6", 0)["digest"]  # it had gone on
    assert list((tmp_path / "saves").glob(".*.tmp"))  # half a manifest

    both_go_on(tmp_path)


def test_the_same_where_saves_go_on_in_the_background(tmp_path: Path) -> None:
    """A shard is lost within its delta, and the whole job within a manifest, each after a step of training."""
    first = begin(tmp_path, 0, "--background", "--survive", "--die-in-save", "10")
    ends(begin(tmp_path, 1, "--background", "--die-in-delta", "6"), -signal.SIGKILL)
    other = begin(tmp_path, 1, "--background", "--alone", "--epoch", "1")
    ends(first, -signal.SIGKILL)
    other.kill()
    ends(other, -signal.SIGKILL, 1)

    safe, loaded = said(tmp_path, "safe-4", 1), said(tmp_path, "loaded", 1)
    assert (loaded["step"], loaded["told"], loaded["digest"]) == (4, [], safe["digest"])
    assert "another process was lost" in said(tmp_path, "failed-6", 0)["error"]
    survived = said(tmp_path, "survived", 0)
    assert survived["step"] >= 6
    assert survived["digest"] == said(tmp_path, "rejoined", 0)["digest"]

    both_go_on(tmp_path, "--background")
