"""One decision for two ranks, over real gloo; and the example with two ranks, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Advisor, AdvisorWarning, DomainError, JobError
from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.presets import load_preset

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent / "examples" / "advised_ranks.py"


def two_ranks(*command: str) -> list[tuple[int, str, str]]:
    """Two processes as torchrun starts them: status, output and errors of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = []
    for rank in range(2):
        given = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        began.append(
            subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, **given},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    ended = []
    for one in began:
        output, errors = one.communicate(timeout=240)
        ended.append((one.returncode, output, errors))
    return ended


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    ended = two_ranks(str(HERE / "ranks_script.py"), str(tmp_path_factory.mktemp("ranks")))
    assert [status for status, _, _ in ended] == [0, 0], ended
    return [json.loads(output.splitlines()[-1]) for _, output, _ in ended]


def gaps(steps: list[int]) -> list[int]:
    return [after - before for before, after in zip([0, *steps], steps, strict=False)]


def test_all_ranks_save_after_the_same_steps(seen: list[dict[str, Any]]) -> None:
    """After intervals that an advisor alone, on rank 0's clock, would name, to the nearest step."""
    from tests.adaptors.ranks_script import PLAN, Clock, Job

    clock = Clock(0.0)
    alone = Advisor(Job.from_mapping(PLAN), "full", None, clock=clock)
    due = []
    for step in range(1, 1001):
        clock.now += 60.0
        if alone.step():
            due.append(step)
            clock.now += 240.0
            alone.saved(240.0)
    assert seen[0]["due"] == seen[1]["due"]
    assert len(seen[0]["due"]) == len(due) > 3
    for ours, theirs in zip(gaps(seen[0]["due"]), gaps(due), strict=True):
        assert abs(ours - theirs) <= 1


def test_they_seldom_talk(seen: list[dict[str, Any]]) -> None:
    """Rank 0 names a step ahead: once an hour (60 steps), in the first steps, and around each save."""
    for rank in seen:
        assert rank["talks"] < 1000 / 60 + 6 * len(rank["due"]) + 12


def test_a_notice_at_any_rank_is_everybody_s(seen: list[dict[str, Any]]) -> None:
    assert seen[0]["noticed"] == seen[1]["noticed"]
    assert 10 <= seen[0]["noticed"][0] <= 10 + 60  # heard within the hour that notice_s allows
    assert seen[0]["announced"] == 1


def test_a_save_in_the_background_that_failed_is_tried_again(seen: list[dict[str, Any]]) -> None:
    first, second, *later = seen[0]["begun"]
    assert seen[0]["begun"] == seen[1]["begun"]
    assert second - first < first  # soon, not after an interval
    assert later
    assert later[0] > second + 150  # none while one is under way
    assert seen[0]["void"] == 1
    assert seen[0]["drains"] == len(seen[0]["begun"]) - 1
    assert seen[0]["warned"] == ["a save in the background failed: no space"]


def test_what_rank_0_refuses_all_refuse(seen: list[dict[str, Any]]) -> None:
    assert "expected this job's file" in seen[0]["refused"]
    assert "AdvisedRanks: expected what rank 0 expects" in seen[1]["refused"]
    assert seen[0]["interrupted"] is seen[1]["interrupted"] is True


def test_without_a_process_group_there_is_one_rank() -> None:
    job = load_preset("rsc-1")
    ranks = AdvisedRanks(job, state=None)
    assert not ranks.step()
    ranks.warned(3600.0)
    assert ranks.step()
    ranks.saved(1.0)
    ranks.warned(1.0)  # no save fits
    assert not ranks.step()
    assert ranks.ending
    for bad in ({}, {"lead_s": 1.0, "deadline": 5.0}, {"lead_s": -1.0}):
        with pytest.raises(DomainError, match="warned: "):
            ranks.warned(**bad)
    with pytest.raises(DomainError, match="notice_s = 0: expected a time above 0"):
        AdvisedRanks(job, state=None, notice_s=0)
    with pytest.raises(JobError, match="recovery"):
        AdvisedRanks(job, "some", None)


def test_two_ranks_of_which_one_is_killed(tmp_path: Path) -> None:
    """Its shards of the weights are those of a run that was left alone, to the last digit that is printed."""
    calm = two_ranks(str(EXAMPLE), str(tmp_path / "calm"), "--fsdp", "--wait")
    assert [status for status, _, _ in calm] == [0, 0], calm
    killed = two_ranks(str(EXAMPLE), str(tmp_path / "killed"), "--fsdp", "--die-at", "150")
    assert killed[0][0] == -signal.SIGKILL
    assert killed[1][0] != 0
    left = json.loads((tmp_path / "killed" / "advisor.json").read_text())["advisor"]
    assert left["open"]
    assert left["experience"]["drains"] >= 1
    again = two_ranks(str(EXAMPLE), str(tmp_path / "killed"), "--fsdp")
    assert [status for status, _, _ in again] == [0, 0], again
    for rank in range(2):
        assert f"rank {rank} went back to step" in again[rank][1]
    assert "failures 1" in again[0][1]
    assert again[0][1].rpartition("weights ")[2] == calm[0][1].rpartition("weights ")[2]


def test_a_process_that_still_runs_has_not_failed(tmp_path: Path) -> None:
    """torchrun starts a loop for one process twice: the second finds no failure, and says what is wrong."""
    script = (
        "import sys; from cprmodel import Advisor, load_preset\n"
        "one = Advisor(load_preset('rsc-1'), 'full', sys.argv[1]); print('on', flush=True); sys.stdin.readline()"
    )
    path = tmp_path / "advisor.json"
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "on\n"
    with pytest.warns(AdvisorWarning, match="was another process's that still runs"):
        assert not Advisor(load_preset("rsc-1"), "full", path).interrupted
    other.communicate("\n")
    # that one closed nothing, but the file is this process's, which began after it
    assert Advisor(load_preset("rsc-1"), "full", path).interrupted


def test_the_loop_of_one_process_says_so_under_torchrun(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE.with_name("advised_loop.py")), str(tmp_path)]
    given = {**os.environ, "WORLD_SIZE": "2", "RANK": "1"}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("examples/advised_ranks.py is for torchrun")
