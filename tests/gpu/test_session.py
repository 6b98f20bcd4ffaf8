"""A session as it goes on a bare machine: what is done is kept, and it ends in a report, whatever happens."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from tests.gpu.bare import bare_machine, carried, needed_by, there
from validation.events import read_log, sealed
from validation.experiment.design import Experiment
from validation.gpu import testing
from validation.gpu.archive import ARCHIVE
from validation.gpu.session import CUT_OFF, DONE, NO_TIME, Session, _Over

CASE = """
[data]
samples = 3_840  # so many that runs may be long enough for stops which a busy machine makes ten times as long
batch_size = 32
test_samples = 100
[model]
num_embeddings = [300, 40, 3]
embedding_dim = 4
dense_arch = [8]
over_arch = [8]
[shards]
count = 2
[checkpoint]
compact_after = 0
[failures]
mtbf_steps = 10
[experiment]
seeds = 4
calibration_failures = 3
recommended = true
[[experiment.strategies]]
recovery = "full"
interval_steps = [5]
[[experiment.strategies]]
recovery = "partial"
interval_steps = [8]
[experiment.tolerances.executed]
total = 0.5
"""
TESTED = """
import pytest

@pytest.mark.parametrize("device", ["cpu", "other"])
def test_it(device):
    assert device == "cpu"
"""


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small case; whatever a session starts finds itself on a bare machine without a GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PYTHONPATH", str(bare_machine(tmp_path / "bare")))
    path = tmp_path / "case.toml"
    path.write_text(CASE)
    return path


def ended(folder: Path) -> list[dict[str, Any]]:
    """The runs that an experiment has written down."""
    log = folder / "experiment" / "experiment.jsonl"
    return [event for event in read_log(log)[0] if event["event"] == "run"] if log.exists() else []


def runs_out_after(folder: Path, runs: int) -> Callable[[], float]:
    """A slow clock, for a machine that is busy, that jumps to the end of all time once so many more runs ended."""
    wanted, begin = len(ended(folder)) + runs, time.monotonic()

    def clock() -> float:
        return (time.monotonic() - begin) / 100 + (1e9 if len(ended(folder)) >= wanted else 0.0)

    return clock


def said(folder: Path, session: int = -1) -> dict[str, str]:
    parts = json.loads((folder / "session.json").read_text())["sessions"][session]["parts"]
    return {part["name"]: part["said"] for part in parts}


def test_a_clock_that_runs_out_in_the_middle_and_another_day(case: Path, tmp_path: Path) -> None:
    tests = tmp_path / "test_own.py"
    tests.write_text(TESTED)
    folder, told = tmp_path / "gpu", list[str]()
    session = Session(case, folder, 0.5, "cpu", clock=runs_out_after(folder, 2), say=told.append, tests=[tests])
    assert session.run() == 0, told  # cut off is not failed
    parts = said(folder)
    assert list(parts) == ["machine", "tests", "probe", "size", "experiment"]
    assert [parts[name] for name in ("machine", "tests", "probe", "experiment")] == [DONE, DONE, DONE, CUT_OFF]
    assert "seeds within the time" in parts["size"]
    total = Experiment.model_validate_json((folder / "case.json").read_text()).total
    first = ended(folder)
    assert len(first) >= 2
    assert all(run["status"] == "finished" for run in first)
    report = (folder / "report.md").read_text()
    assert report.startswith("# Validation on a CPU, as a rehearsal\n")
    assert "no GPU was used" in report
    assert "1 passed, 0 did not." in report  # the variant for the CPU, and no other
    assert f"{len(first)} of {total} runs are done. Of " in report
    assert told[-1] == f"Report: {folder / 'report.md'}; all of it: {folder / ARCHIVE}"
    assert (folder / ARCHIVE).stat().st_size < 16 * 2**20

    # another day, on another machine of the same sort, to which only the archive was carried
    again = tmp_path / "carried"
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        archive.extractall(again)
    sized = (again / "case.json").read_bytes()
    logs = {run["run"]: (again / "experiment" / run["run"] / "events.jsonl").read_bytes() for run in first}
    with pytest.raises(JobError, match="--resume"):
        Session(case, again, 0.5, "cpu", tests=[tests]).run()
    next_day = Session(
        case, again, 0.5, "cpu", True, clock=runs_out_after(again, 1), say=told.append, tests=[tests]
    )
    assert next_day.run() == 0
    parts = said(again)
    assert list(parts) == ["machine", "experiment"]  # what is known is not measured again
    assert parts["experiment"] == CUT_OFF
    later = ended(again)
    assert later[: len(first)] == first
    assert len(later) > len(first)
    assert (again / "case.json").read_bytes() == sized
    for name, content in logs.items():
        assert (again / "experiment" / name / "events.jsonl").read_bytes() == content
    report = (again / "report.md").read_text()
    assert f"{len(later)} of {total} runs are done" in report
    assert report.count("0.5 minutes") == 7  # the parts of both days

    # the command itself, where nothing else is installed; its last look finds that there is no time
    command = [sys.executable, "-m", "validation", "gpu", "--device", "cpu", "--case", str(case)]
    command += ["--out", str(again), "--resume", "--minutes", "0.1"]
    search = os.pathsep.join([str(tmp_path / "bare"), str(testing.ROOT)])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": search})
    assert done.stderr == ""
    assert "all of it:" in done.stdout
    assert len(json.loads((again / "session.json").read_text())["sessions"]) == 3
    assert ended(again)[: len(later)] == later


def test_without_a_gpu_it_says_so_and_still_reports(case: Path, tmp_path: Path) -> None:
    told: list[str] = []
    assert Session(case, tmp_path / "gpu", 60, "cuda", say=told.append, tests=[]).run() == 1
    wanted = 'failed: device: --device = "cuda": expected a GPU that torch can use, or "cpu"'
    assert said(tmp_path / "gpu") == {"machine": wanted}
    assert "Nothing was learned of it." in (tmp_path / "gpu" / "report.md").read_text()
    assert (tmp_path / "gpu" / ARCHIVE).exists()
    assert told[-1] == "failed: machine"


def test_a_case_that_cannot_be_sized_costs_no_time(case: Path, tmp_path: Path) -> None:
    case.write_text(CASE.replace("mtbf_steps = 10", 'mtbf = "1 h"'))
    with pytest.raises(JobError, match=r"case\.toml: experiment: expected a case with .*failures\.mtbf_steps"):
        Session(case, tmp_path / "gpu", 8, "cpu").run()
    assert not (tmp_path / "gpu").exists()


def test_what_an_interrupt_says_goes_on_with_the_same(case: Path, tmp_path: Path) -> None:
    """As it is printed: another device or case would be refused."""
    folder = tmp_path / "a folder"
    command = [sys.executable, "-m", "validation", "gpu", "--case", str(case), "--minutes", "0.5"]
    environment = {**os.environ, "PYTHONPATH": f"{testing.ROOT}:{os.environ['PYTHONPATH']}"}
    with subprocess.Popen(
        [*command, "--out", str(folder), "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as first:
        while first.poll() is None and not (folder / "machine.log").exists():
            time.sleep(0.02)
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=30)
    asked = shlex.split(told.strip().removeprefix("Interrupted. To go on: "))
    assert asked == [
        *("python", "-m", "validation", "gpu", "--minutes", "0.5", "--out", str(folder)),
        *("--case", str(case), "--device", "cpu", "--resume"),
    ]
    known = Session(Path(asked[9]), folder, 0.5, asked[11], True, say=lambda line: None)
    known._read_past(known._experiment())  # refuses another case or device
    assert len(known.known["sessions"]) == 2


def test_with_no_time_nothing_is_begun_and_it_still_reports(case: Path, tmp_path: Path) -> None:
    times = iter([0.0, *[1e9] * 99])
    assert Session(case, tmp_path / "gpu", 8, "cpu", clock=lambda: next(times), say=lambda line: None).run() == 0
    assert said(tmp_path / "gpu") == {"machine": NO_TIME}
    assert (tmp_path / "gpu" / ARCHIVE).exists()


@pytest.mark.parametrize("deaf", [False, True])
def test_what_hangs_is_ended_when_its_time_is_over(deaf: bool, case: Path, tmp_path: Path) -> None:
    """By a signal that it may hear, and then by one that it cannot."""
    handler = "SIG_IGN" if deaf else "SIG_DFL"
    code = f"import signal, time\nsignal.signal(2, signal.{handler})\nprint('up', flush=True)\ntime.sleep(600)"
    (tmp_path / "gpu").mkdir()
    log = tmp_path / "gpu" / "part.log"

    def clock() -> float:
        return 1e9 if log.exists() and "up" in log.read_text() else 0.0

    session = Session(case, tmp_path / "gpu", 0.2, "cpu", clock=clock, say=lambda line: None)
    begin = time.monotonic()
    session.known = {"sessions": []}
    session._part("part", [sys.executable, "-c", code], 60.0, gently=True)
    assert session.parts[0]["said"] == CUT_OFF
    assert time.monotonic() - begin < 60


def test_another_machine_or_case_is_not_gone_on_with(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gpu"
    times = iter([0.0, *[1e9] * 99])
    Session(case, folder, 8, "cpu", clock=lambda: next(times), say=lambda line: None).run()
    with pytest.raises(JobError, match="the same case on the same device"):
        Session(case, folder, 8, "cuda", True).run()
    other = tmp_path / "other.toml"
    other.write_text(CASE.replace("seeds = 4", "seeds = 5"))
    with pytest.raises(JobError, match="the same case on the same device"):
        Session(other, folder, 8, "cpu", True).run()
    log = folder / "session.json"
    known = json.loads(log.read_text())
    del known["crc32"]
    log.write_text(sealed({**known, "machine": {"name": "another card"}}))
    session = Session(case, folder, 8, "cpu", True, say=lambda line: None)
    session._experiment()
    session._read_past(session._experiment())
    (folder / "machine-2.json").write_text(json.dumps({"name": "this card"}))
    session._part = lambda *a, **k: None  # type: ignore[method-assign, assignment]
    with pytest.raises(_Over):
        session._look()
    assert session.parts[-1]["said"] == "failed: expected another card, as before; this is this card"
    for damaged in ("{", "", log.read_text().replace("another card", "yet another card")):
        log.write_text(damaged)
        with pytest.raises(JobError, match=r"a session's session\.json, as it was written"):
            Session(case, folder, 8, "cpu", True).run()


def test_the_tests_that_are_marked_gpu_can_be_read_on_a_bare_machine(case: Path, tmp_path: Path) -> None:
    """All of them, though this project's other tests import what is not there."""
    files = testing.files()
    assert {path.name for path in files} >= {"test_arithmetic.py", "test_shard.py", "test_runs.py", "test_model.py"}
    command = [*testing.command("cpu", tmp_path / "tests.xml", files), "--collect-only"]
    search = os.pathsep.join([str(tmp_path / "bare"), str(testing.ROOT)])
    environment = {**os.environ, "PYTHONPATH": search, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=testing.ROOT, env=environment)
    assert done.returncode == 0, done.stdout
    names = [line for line in done.stdout.splitlines() if "[" in line]
    assert len(names) >= 20  # each of which has a variant that is marked gpu
    assert all("cpu" in name for name in names)


def test_what_is_carried_needs_nothing_that_is_not_there() -> None:
    have = there() | carried()
    for name in carried():
        assert needed_by(name) <= have, name
    assert not carried() & {"torch", "numpy", "scipy", "sympy", "numba"}
