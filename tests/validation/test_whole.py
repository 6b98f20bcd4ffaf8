"""What is read back says whether it is whole and whose it is: damage, and another run's files, are not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cprmodel.checkpoints.files import CorruptError
from cprmodel.facts.errors import CprModelError, JobError
from tests.validation.helpers import STEPS, claim_of, small, train
from validation.audit import audit
from validation.checkpoint.manifest import manifests
from validation.claim import FolderTaken, alone
from validation.events import EventLog, read_events, read_log
from validation.soak import remove
from validation.summary import summarise
from validation.supervisor import Supervisor
from validation.training.journal import Journal, read_journals
from validation.training.replica import Replica

often = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)


def flip(path: Path, where: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[where] ^= 1 << bit
    path.write_bytes(content)


# -- the copy of the trainer's state -------------------------------------------------------------------------------

FLOATS = 20


def copies(path: Path, number: int, run: str = "a run") -> dict[int, Any]:
    """As many states, the last two of which are still there."""
    path.unlink(missing_ok=True)
    one = Replica(path, FLOATS, run, pytest.fail)
    states = {step: np.arange(FLOATS, dtype=np.float32) + step for step in range(1, number + 1)}
    for step, numbers in states.items():
        one.write({"step": step}, numbers)
    one.close()
    return states


@often
@given(st.integers(1, 4), st.data())
def test_a_damaged_copy_is_not_there(tmp_path: Path, number: int, data: Any) -> None:
    """Whatever is overwritten: what is read is the last state, or none; never the one before, for shards may be two
    steps ahead of that."""
    path = tmp_path / "replica.bin"
    states = copies(path, number)
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    for _ in range(data.draw(st.integers(1, 3))):
        anywhere = st.integers(0, len(content) - 1)
        where = data.draw(anywhere | st.integers(0, 32) | st.integers(half, half + 32) | st.integers(4124, 4210))
        new = data.draw(st.binary(min_size=1, max_size=40) | st.sampled_from([bytes(8), bytes(32)]))
        content[where : where + len(new)] = new[: len(content) - where]
    path.write_bytes(content)
    heard: list[str] = []
    found = Replica(path, FLOATS, "a run", heard.append).read()
    if found is None:
        assert heard or number == 1  # the only copy may have been overwritten with nothing
        return
    assert found[0]["step"] == number
    assert (found[1] == states[number]).all()


def test_a_copy_that_was_being_written_gives_way_to_the_one_before(tmp_path: Path) -> None:
    """Killed at any moment of a write, as the pages would be left: the last whole one is there, nothing is told."""
    path = tmp_path / "replica.bin"
    states = copies(path, 3)
    before = path.read_bytes()
    one = Replica(path, FLOATS, "a run", pytest.fail)
    one.write({"step": 4}, states[3] + 1)
    one.close()
    after = path.read_bytes()
    changed = [at for at in range(len(before)) if before[at] != after[at]]
    content = bytearray(before)
    content[:8] = (-4).to_bytes(8, "little", signed=True)
    content[8:32] = after[8:32]
    for at in [-1, *(at for at in changed if at >= 32)]:
        if at >= 0:
            content[at] = after[at]
        path.write_bytes(content)
        found = Replica(path, FLOATS, "a run", pytest.fail).read()
        assert found is not None
        assert found[0]["step"] == 3
        assert (found[1] == states[3]).all()
    content[:8] = after[:8]
    assert content == after


def test_a_copy_of_another_run_or_size_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "replica.bin"
    copies(path, 3, "another run")
    heard: list[str] = []
    assert Replica(path, FLOATS, "a run", heard.append).read() is None
    assert len(heard) == 1
    copies(path, 3)
    assert Replica(path, 100 * FLOATS, "a run", heard.append).read() is None
    assert "bytes of" in heard[-1]


class Overwrite:
    """Four floats of each copy, just before a failure."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "replica.bin"

    def __call__(self, failure: Any, processes: Any) -> None:
        half = self.path.stat().st_size // 2
        with self.path.open("r+b") as file:
            for slot in (0, half):
                file.seek(slot + 32 + 4096)
                file.write(np.full(4, 1e28, dtype=np.float32).tobytes())


@pytest.mark.parametrize("recovery", ["partial", "full"])
def test_training_never_goes_on_from_a_damaged_copy(recovery: str, tmp_path: Path) -> None:
    plan = [{"kind": "trainer", "step": 13, "phase": "lookup"}]
    case = small(plan, strategy={"recovery": recovery})
    events, found = train(case, tmp_path / "run", sabotage=Overwrite(tmp_path / "run"))
    assert {name for name, _ in found.corrupt} == {"replica.bin"}
    assert audit(case, tmp_path / "run").wrong == []
    _, calm = train(small(), tmp_path / "calm")
    assert found.digests == calm.digests  # everybody went back, for nobody knew where the trainer had stood
    assert max(event["loss"] for event in events if event["event"] == "step" and event["loss"] is not None) < 10


def interrupted(case: Any, folder: Path, step: int = 12) -> None:
    """A run that was stopped from the keyboard."""
    first = Supervisor(case, folder)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == step:
            raise KeyboardInterrupt

    first.observe = stop
    with pytest.raises(KeyboardInterrupt):
        first.run()


def test_a_resume_needs_no_copy(tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(small(), run)
    half = (run / "replica.bin").stat().st_size // 2
    for slot in (0, half):
        flip(run / "replica.bin", slot + 32 + 3, 7)  # in the description
    Supervisor(small(), run).run(resume=True)
    found = summarise(run / "events.jsonl")
    assert found.status == "finished"
    assert found.steps == STEPS
    assert {name for name, _ in found.corrupt} == {"replica.bin"}


# -- whose folder it is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [True, False])
def test_a_folder_that_is_deleted_under_a_run_is_not_written_to(taken: bool, tmp_path: Path) -> None:
    """The run ends, whoever has the folder now; a new run in it is not disturbed, nor is a folder left behind."""
    run = tmp_path / "run"
    new = small(training={"device": "cpu", "seed": 2})
    first = Supervisor(small(), run)
    done: list[bool] = []

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 3:
            remove(run)
            if taken:
                Supervisor(new, run).run()
            done.append(True)

    first.observe = take
    # its trainer may look while nobody has the folder
    with pytest.raises(CprModelError, match="another run took it|it was removed" if taken else "it was removed"):
        first.run()
    assert done
    if not taken:
        assert not run.exists()
        return
    events = list(read_events(run / "events.jsonl"))
    (name,) = {event["run"] for event in events if event["event"] == "start"}
    heard: list[CorruptError] = []
    assert list(manifests(run / "checkpoints", name, heard.append))
    assert heard == []
    assert audit(new, run).wrong == []
    _, straight = train(new, tmp_path / "straight")
    assert summarise(events).digests == straight.digests


def test_a_manifest_of_another_run_is_no_checkpoint(tmp_path: Path) -> None:
    """Copied from a run of another seed: not loaded, though every file of it is whole."""
    other, run = tmp_path / "other", tmp_path / "run"
    train(small(training={"device": "cpu", "seed": 2}), other)
    interrupted(small(), run)
    for path in (other / "checkpoints").iterdir():
        shutil.copy(path, run / "checkpoints")
    Supervisor(small(), run).run(resume=True)
    found = summarise(run / "events.jsonl")
    assert "it is of another run" in {reason for _, reason in found.corrupt}
    _, calm = train(small(), tmp_path / "calm")
    assert found.digests == calm.digests


def test_a_claim_is_lost_with_the_folder(tmp_path: Path) -> None:
    claim = claim_of(tmp_path)
    claim.check()
    with alone(tmp_path) as word:
        assert (tmp_path / "lock").read_text() == word
        with pytest.raises(FolderTaken, match="another run took it"):
            claim.check()
        with pytest.raises(JobError, match="no run is under way"), alone(tmp_path):
            pass
        assert (tmp_path / "lock").read_text() == word  # who came too late has not touched it


# -- logs ----------------------------------------------------------------------------------------------------------


@often
@given(st.data())
def test_a_damaged_line_is_not_there(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    log = EventLog(path)
    written = [log.write("step", at=float(n), step=n, loss=0.1 * n) for n in range(4)]
    log.close()
    size = path.stat().st_size
    flip(path, data.draw(st.integers(0, size - 2)), data.draw(st.integers(0, 7)))
    found, _ = read_log(path)
    for entry in found:
        entry.pop("crc33", None)
    kept = [entry for entry in found if entry in written]
    assert kept == [entry for entry in written if entry in kept]
    # the first line's own checksum may be what was hit, before it is known that lines have one
    rest = [entry for entry in found if entry not in written]
    assert all({key: entry.get(key) for key in written[0]} == written[0] for entry in rest)
    assert len(kept) >= 2


def test_logs_without_checksums_are_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "start", "at": 0}\n{"event": "step", "at": 1}\n')
    assert read_log(path) == ([{"event": "start", "at": 0}, {"event": "step", "at": 1}], 0)


def test_a_resume_tells_of_lines_that_cannot_be_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(small([{"kind": "shard", "shards": [1], "step": 5, "phase": "lookup"}]), run)
    log = run / "events.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"step": 7', b'"step": 6', 1))
    Supervisor(small([{"kind": "shard", "shards": [1], "step": 5, "phase": "lookup"}]), run).run(resume=True)
    found = summarise(log)
    assert found.status == "finished"
    assert found.corrupt == [("events.jsonl", "1 lines cannot be read")]


def journal_of(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    one = Journal(folder, "a run")
    for step in range(3):
        one.write("update", np.arange(4) + step, np.ones((4, 2), dtype=np.float32), shard=0, step=step)
    one.close()
    return folder / "000000.journal"


@often
@given(st.data())
def test_a_damaged_journal_is_noticed(tmp_path: Path, data: Any) -> None:
    path = journal_of(tmp_path / "journal")
    assert [header["step"] for header, _ in read_journals(path.parent)] == [0, 1, 2]
    size = path.stat().st_size
    if data.draw(st.booleans()):
        flip(path, data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7)))
        with pytest.raises(CorruptError, match="checksum"):
            list(read_journals(path.parent))
        return
    path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, size - 1))])
    steps = [header["step"] for header, _ in read_journals(path.parent)]
    assert steps == [0, 1, 2][: len(steps)]


def test_the_journal_of_another_run_is_noticed(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "journal")
    Journal(path.parent, "another run").close()
    with pytest.raises(CorruptError, match=r"000001\.journal: it is of another run"):
        list(read_journals(path.parent))


def test_an_audit_says_that_the_journal_is_damaged(tmp_path: Path) -> None:
    case = small()
    train(case, tmp_path / "run")
    path = tmp_path / "run" / "journal" / "000000.journal"
    flip(path, path.stat().st_size // 2, 3)
    assert any("the journal" in text for text in audit(case, tmp_path / "run").wrong)


def test_events_are_plain_json_lines(tmp_path: Path) -> None:
    """Other programs read them, too."""
    train(small(), tmp_path / "run")
    for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines():
        assert set(json.loads(line)) >= {"event", "at", "crc32"}


# -- commands that are ended in the middle -------------------------------------------------------------------------

CASE = """
[data]
samples = 64_000
batch_size = 32
test_samples = 200
[model]
num_embeddings = [700, 40, 3]
embedding_dim = 4
dense_arch = [8]
over_arch = [8]
[shards]
count = 2
[training]
device = "cpu"
[strategy]
interval_steps = 2
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_takes_everything_along(number: signal.Signals, tmp_path: Path) -> None:
    """No process, no half-written file; and it goes on with --resume."""
    (tmp_path / "case.toml").write_text(CASE)
    run = tmp_path / "run"
    command = [sys.executable, "-m", "validation", "train", str(tmp_path / "case.toml"), "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list((run / "checkpoints").glob(".*.tmp")) and time.monotonic() < until:
        time.sleep(0.0005)  # until a checkpoint is half written
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert "--resume" in said
    events = list(read_events(run / "events.jsonl"))
    assert events[-1]["status"] == "interrupted"
    for pid in (event["pid"] for event in events if event["event"] == "respawn"):
        assert not _lives(pid)
    assert list((run / "checkpoints").glob(".*.tmp")) == []


def test_an_experiment_that_is_terminated_waits_for_nobody(tmp_path: Path) -> None:
    """Runs that are under way end with it, those that wait are not begun."""
    job = tmp_path / "JOB.toml"
    job.write_text(
        '[job]\nwork = "600 s"\nstep = "1 s"\n[cluster]\nembedding_shards = 2\n[failures]\nmtbf = "100 s"\n'
        '[checkpoint]\nsave = "2 s"\nload = "1 s"\nreschedule = "1 s"\n[accuracy]\npls_budget = 0.1\n'
    )
    (tmp_path / "case.toml").write_text(
        CASE.replace("[strategy]\ninterval_steps = 2\n", "").replace("64_000", "640_000")
        + f'[clock]\njob = "{job}"\n[experiment]\nseeds = 20\nworkers = 2\n'
        + '[[experiment.strategies]]\nrecovery = "full"\ninterval_steps = [5, 10]\n'
    )
    run = tmp_path / "run"
    command = [sys.executable, "-m", "validation", "run", str(tmp_path / "case.toml"), "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not any('"step"' in log.read_text() for log in run.glob("*/*/events.jsonl")) and time.monotonic() < until:
        time.sleep(0.05)
    begun = time.monotonic()
    process.terminate()
    said = process.communicate(timeout=30)[1]
    assert time.monotonic() - begun < 20
    assert process.returncode == 143, said
    assert "Traceback" not in said
    events = [event for path in run.glob("*/*/events.jsonl") for event in read_events(path)]
    pids = [event["pid"] for event in events if event["event"] in ("start", "respawn")]
    assert pids
    until = time.monotonic() + 5
    while any(_lives(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
