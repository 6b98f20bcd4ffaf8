"""What the labs read back is whole and of this run, or as good as not there; and they end when they are told to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cprmodel import CprModelError, JobError
from tests.validation.test_harm import TINY
from tests.validation.test_harm_orders import SETTING
from tests.validation.test_harm_orders import TINY as TINY_ORDERS
from validation.claim import FolderTaken
from validation.harm import lab
from validation.harm.case import HarmCase
from validation.harm.files import taken
from validation.harm_orders import lab as orders_lab
from validation.harm_orders.case import OrdersCase
from validation.processes.pool import workers

FEW: dict[str, Any] = {
    **TINY,
    "seeds": [1, 2],
    "losses": {"moments": [20], "lost": [5], "groups": ["shard", "all rows"]},
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*.*") if one.is_file()}


@pytest.mark.parametrize("which", ["harm", "orders"])
def test_a_flipped_bit_in_any_file_is_told_and_the_work_done_again(which: str, tmp_path: Path) -> None:
    """And comes out the same, bit by bit."""
    run: Callable[[list[str]], None]
    if which == "harm":
        run = lambda said: lab.run_case(HarmCase.from_mapping(FEW), tmp_path, 1, said.append)  # noqa: E731
    else:
        run = lambda said: orders_lab.run_case(OrdersCase.from_mapping(TINY_ORDERS), tmp_path, 1, said.append)  # noqa: E731
    run([])
    whole = contents(tmp_path)
    names = [name for name in whole if name not in ("case.json", "report.md") and not name.endswith(".sum")]
    assert len(names) >= 6
    for name in names:
        content = bytearray(whole[name])
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
    said: list[str] = []
    run(said)
    assert contents(tmp_path) == whole
    assert {line.split(" is damaged")[0] for line in said if "is damaged" in line} == set(names)
    told: list[str] = []
    run(told)
    assert not any("is damaged" in line for line in told)


def test_whose_folder_it_is(tmp_path: Path) -> None:
    case = HarmCase.from_mapping(FEW)
    with taken(case, tmp_path / "a") as mine:
        mine.write(tmp_path / "a" / "x.jsonl", [{"found": 1}])
        with pytest.raises(JobError, match="a folder in which no run is under way"), taken(case, tmp_path / "a"):
            pass
    with taken(case, tmp_path / "b") as other:
        shutil.copy(tmp_path / "a" / "x.jsonl", tmp_path / "b" / "x.jsonl")
        assert other.read(tmp_path / "b" / "x.jsonl") == []  # of another run
        assert other.damaged() == ["x.jsonl"]
    with taken(case, tmp_path / "a") as again:
        assert again.read(tmp_path / "a" / "x.jsonl") == [{"found": 1}]
        with pytest.raises(FolderTaken, match="another run took it"):
            mine.write(tmp_path / "a" / "y.json", [{}])
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(FolderTaken, match="it was removed"):
            again.write(tmp_path / "a" / "y.json", [{}])
    assert not (tmp_path / "a").exists()
    (tmp_path / "b" / "case.json").write_text((tmp_path / "b" / "case.json").read_text().replace("32", "33", 1))
    with (
        pytest.raises(JobError, match=r"a folder of this lab, whose case.json is as it was written"),
        taken(case, tmp_path / "b"),
    ):
        pass


def test_a_killed_worker_is_one_line() -> None:
    with pytest.raises(CprModelError, match="one was killed from outside"), workers(1) as submit:
        submit(os.kill, submit(os.getpid).result(), signal.SIGKILL).result()


def test_a_folder_that_goes_ends_the_lab(tmp_path: Path) -> None:
    def say(line: str) -> None:
        shutil.rmtree(tmp_path / "lab")

    with pytest.raises(FolderTaken, match="it was removed"):
        lab.run_case(HarmCase.from_mapping(FEW), tmp_path / "lab", 1, say)
    assert not (tmp_path / "lab" / "predictions.json").exists()


def _toml(value: Any) -> str:
    """Nested mappings as inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["harm", "harm-orders", "soak"])
def test_a_command_that_is_ended_takes_everything_along(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    """The whole group hears SIGINT, as at a terminal; no process and no half-written file is left."""
    large = {"data": {"samples": 640_000, "test_samples": 512, "batch_size": 64}}
    case = {**TINY, **large} if command == "harm" else {**TINY_ORDERS, "settings": [{**SETTING, **large}]}
    (tmp_path / "case.toml").write_text("".join(f"{key} = {_toml(one)}\n" for key, one in case.items()))
    out = tmp_path / "out"
    words = ["--kills", "100000"] if command == "soak" else [str(tmp_path / "case.toml"), "--workers", "2"]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "validation", command, *words, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    begun = "run-0000/checkpoints" if command == "soak" else "case.json"
    until = time.monotonic() + 60
    while not (out / begun).exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(1.0)  # workers are starting, or at work
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    said = process.communicate(timeout=60)[1]  # which ends when nobody holds the pipe any more
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    until = time.monotonic() + 10  # a killed process takes a moment to be dead
    while (left := _living(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []
    assert set(os.listdir(temporary)) <= {"torchinductor_root"}
    assert not list(out.rglob(".*.tmp"))


def _living(session: int) -> list[str]:
    """Processes of a session; not those that are dead and have not been missed yet."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (one / "stat").read_text().rpartition(")")[2].split()[0]
            if os.getsid(int(one.name)) == session and state != "Z":
                found.append((one / "cmdline").read_text().replace("\0", " "))
    return found
