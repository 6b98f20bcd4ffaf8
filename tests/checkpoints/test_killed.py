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
    _, errors = process.communicate(timeout=150)
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


def test_the_whole_job_is_killed(tmp_path: Path) -> None:
    """One process within a manifest: the files of that save are there, the checkpoint is not."""
    processes = [begin(tmp_path, 0, "--die-in-save", "8"), begin(tmp_path, 1)]
    ends(processes[0], -signal.SIGKILL)
    processes[1].kill()  # a batch system ends the others
    ends(processes[1], -signal.SIGKILL, 1)
    safe = [said(tmp_path, "safe-6", rank) for rank in range(2)]
    assert list((tmp_path / "saves").glob("*.shard-1.delta*"))
    assert list((tmp_path / "saves").glob(".*.tmp"))
    processes = [begin(tmp_path, rank, "--epoch", "1") for rank in range(2)]
    for process in processes:
        ends(process, 0)
    for rank in range(2):
        loaded = said(tmp_path, "loaded", rank)
        assert (loaded["step"], loaded["told"]) == (6, [])
        assert loaded["digest"] == safe[rank]["digest"]
    whole_is_what_was_safe(tmp_path)


def test_one_shard_is_lost(tmp_path: Path) -> None:
    """It alone goes back to its last save; the other one's rows are touched by nothing."""
    processes = [begin(tmp_path, 0, "--survive"), begin(tmp_path, 1, "--die-at", "7")]
    ends(processes[1], -signal.SIGKILL)
    other = begin(tmp_path, 1, "--alone", "--epoch", "1")
    ends(processes[0], 0)
    ends(other, 0)
    safe, loaded = said(tmp_path, "safe-6", 1), said(tmp_path, "loaded", 1)
    assert (loaded["step"], loaded["digest"]) == (6, safe["digest"])
    assert said(tmp_path, "survived", 0)["digest"] == said(tmp_path, "rejoined", 0)["digest"]
    assert said(tmp_path, "survived", 0)["digest"] != said(tmp_path, "safe-6", 0)["digest"]  # it had gone on
    whole_is_what_was_safe(tmp_path)
