"""Ray Train's report loop against a stand-in for ``ray.train``: what is reported, when, and what is told.

On a clock of the test's own: ``tests/adaptors/test_frameworks.py`` has the real one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cprmodel import Advisor, Job
from cprmodel.adaptors.ray import AdvisedReports

JOB = Job.from_mapping(
    {
        "job": {"work": "10000 h"},
        "failures": {"mtbf": "28 h"},
        "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
    }
)


SAVE_S = 240.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reported(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], bytes]]:
    """What ``ray.train.report(metrics, checkpoint=...)`` got: it takes the folder's files before it returns."""
    found: list[tuple[dict[str, Any], bytes]] = []
    module: Any = ModuleType("ray")

    def report(metrics: dict[str, Any], checkpoint: Any = None) -> None:
        clock.now += SAVE_S
        found.append((metrics, (checkpoint.folder / "state").read_bytes()))

    module.train = SimpleNamespace(
        report=report,
        Checkpoint=SimpleNamespace(from_directory=lambda folder: SimpleNamespace(folder=Path(folder))),
    )
    monkeypatch.setitem(sys.modules, "ray", module)
    return found


def test_it_reports_when_it_is_time_and_tells_what_that_took(
    reported: list[tuple[dict[str, Any], bytes]], clock: Clock, tmp_path: Path
) -> None:
    folders: list[Path] = []
    with AdvisedReports(JOB, tmp_path / "advisor.json", clock=clock) as advised:
        asked = []
        for step in range(1, 500):
            clock.now += 60.0

            def write(folder: Path, step: int = step) -> None:
                folders.append(folder)
                (folder / "state").write_bytes(str(step).encode())

            if advised.report_if_due({"step": step}, write):
                asked.append(step)
        assert advised.advisor is not None
        assert advised.advisor.seen.saves == len(asked) == len(reported) > 2
        assert advised.advisor.seen.saving_s == SAVE_S * len(asked)
    assert [(one["step"], content) for one, content in reported] == [(step, str(step).encode()) for step in asked]
    assert not any(folder.exists() for folder in folders)  # what Ray has copied is gone here
    alone, due = Advisor(JOB, "full", None, clock=(other := Clock())), []
    for step in range(1, 500):
        other.now += 60.0
        if alone.step():
            due.append(step)
            other.now += SAVE_S
            alone.saved(SAVE_S)
    assert asked == due


def test_a_loop_that_ray_began_again_counts_one_failure(tmp_path: Path) -> None:
    AdvisedReports(JOB, tmp_path / "advisor.json")  # and its worker was killed
    again = AdvisedReports(JOB, tmp_path / "advisor.json")
    assert again.advisor is not None
    assert again.advisor.seen.failures == 1
    assert not again.interrupted
    again.close()
