"""Real runs with real deaths. Small, but nothing in them is a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import FailureKind
from tests.slow_event_loop import Setting, play
from tests.validation.helpers import INTERVAL, SHARDS, STEPS, FullDisk, small, train
from tests.validation.test_data import CRITEO, MOVIELENS, needs_data
from validation.audit import audit
from validation.engines.engine import Local
from validation.events import read_events
from validation.failures import Failure
from validation.summary import summarise
from validation.supervisor import RunError, Supervisor


def shard(step: int, *shards: int, phase: str = "lookup", hang: bool = False) -> dict[str, Any]:
    return {"kind": "shard", "shards": list(shards), "step": step, "phase": phase, "hang": hang}


def other(kind: str, step: int, phase: str = "lookup") -> dict[str, Any]:
    return {"kind": kind, "step": step, "phase": phase}


EVERYTHING = [
    shard(3, 1, phase="update"),
    other("trainer", 6, "applied"),
    shard(11, 0, 2),
    shard(13, 0, phase="applied"),  # the same again within an interval
    shard(14, 2, phase="save"),
    shard(19, 1),
    shard(19, 1, phase="recovery"),
    other("whole_job", 21, "update"),
    other("trainer", 24, "save"),
    shard(27, 1),
    other("trainer", 27, "recovery"),  # shards may have loaded by then, and nobody wrote it down
    shard(30, 2, hang=True),
    shard(33, 0, 1, 2, phase="update"),
]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(small(), tmp_path_factory.mktemp("calm") / "run")[1]


def test_the_same_seed_twice_is_the_same_to_the_last_bit(calm: Any, tmp_path: Path) -> None:
    _, found = train(small(), tmp_path / "run")
    assert found.digests == calm.digests
    assert (found.auc, found.log_loss) == (calm.auc, calm.log_loss)
    assert found.steps == found.executed == STEPS
    assert (found.lost_samples, found.replayed_steps, found.deaths) == (0, 0, 0)
    _, another = train(small(training={"device": "cpu", "seed": 2}), tmp_path / "other")
    assert another.digests != calm.digests


def test_full_recovery_changes_nothing(calm: Any, tmp_path: Path) -> None:
    """Rolling back and replaying ends with exactly the weights of the run without failures."""
    case = small(EVERYTHING, strategy={"recovery": "full"})
    events, found = train(case, tmp_path / "run")
    assert len(found.failures) == len(EVERYTHING)
    assert found.digests == calm.digests
    assert (found.auc, found.log_loss) == (calm.auc, calm.log_loss)
    assert found.lost_samples == 0
    assert found.replayed_steps > 0
    assert found.replayed_samples == 32 * found.replayed_steps
    agrees_with_the_slow_loop(events, found, full=True)
    checked = audit(case, tmp_path / "run")
    assert checked.compared > len(EVERYTHING)
    assert checked.wrong == []


def test_partial_recovery_loses_what_the_log_says(calm: Any, tmp_path: Path) -> None:
    case = small(EVERYTHING)
    events, found = train(case, tmp_path / "run")
    assert len(found.failures) == len(EVERYTHING)
    assert found.digests != calm.digests
    assert found.lost_samples > 0
    assert found.wrong_statuses == found.unplanned_deaths == 0
    # every failure took what it was to take: 10 shards by kill, 1 by hanging, 3 trainers, 1 of everything
    assert found.deaths == sum(len(f["shards"]) for f in EVERYTHING if f["kind"] == "shard") + 3 + (SHARDS + 1)
    assert found.redone == 1  # the trainer that died between sending an update and hearing of it
    # three ways to count: the event log, the journal of updates, and the simulator's slow event loop
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    missing = {shard: sorted(set(range(1, STEPS + 1)) - held) for shard, held in checked.held_steps.items()}
    assert missing == found.lost_steps
    agrees_with_the_slow_loop(events, found, full=False)


SAVE, HALF = 0.25, 0.25  # what a save, a reschedule and a load take, in steps (any times will do)
JUST_AFTER = 2**-12


class _Told:
    """The failures of a log, as the slow event loop asks for them."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.void_saves = 0
        self.gaps: list[float] = []
        self.kinds: list[str] = []
        self.victims: list[list[int]] = []
        clock = 0.0
        waiting: dict[str, Any] | None = (
            None  # a failure during a save or an update, until it is known what came of it
        )
        for event in events:
            kind = event["event"]
            if kind == "step":
                clock += 1
            elif kind == "save" and event["step"] > 0:
                clock += SAVE
            void = kind in ("save_void", "load") or (kind == "died" and event["what"] == "trainer")
            if waiting and (void or kind in ("step", "save")):
                clock = self.settle(waiting, clock, void)
                waiting = None
            if kind == "failure":
                if waiting:  # two at once
                    self.settle(waiting, clock, True)
                    waiting = None
                    clock = self.add(event, JUST_AFTER)
                elif event["phase"] in ("applied", "save"):
                    waiting = event
                elif event["phase"] == "recovery":
                    clock = self.add(event, HALF)  # half of the stop has passed
                else:
                    clock = self.add(event, clock + JUST_AFTER)
        self.at = 0

    def settle(self, event: dict[str, Any], clock: float, void: bool) -> float:
        """A failure during a save that is void, or one just after what it struck was done."""
        in_save = void and event["phase"] == "save"
        self.void_saves += in_save
        return self.add(event, clock + (SAVE / 2 if in_save else JUST_AFTER))

    def add(self, event: dict[str, Any], gap: float) -> float:
        self.gaps.append(gap)
        self.kinds.append(event["kind"])
        self.victims.append(event["shards"])
        return 2 * HALF  # the stop that follows is part of the next gap

    def gap(self) -> float:
        self.at += 1
        return self.gaps[self.at - 1] if self.at <= len(self.gaps) else float("inf")

    def kind(self) -> str:
        return self.kinds[self.at - 1]

    def sample(self, population: range, count: int) -> list[int]:
        return self.victims[self.at - 1]


def agrees_with_the_slow_loop(events: list[dict[str, Any]], found: Any, full: bool) -> None:
    """The same kills, played by the loop that the simulator is tested with: the same samples lost and replayed."""
    told = _Told(events)
    setting = Setting(
        work=STEPS,
        interval=INTERVAL,
        save=SAVE,
        full=full,
        reschedule=HALF,
        load=HALF,
        partial_reschedule=HALF,
        partial_load=HALF,
        trainer_reschedule=2 * HALF,
        shards=SHARDS,
    )
    slow = play(setting, told.gap, told.kind, told)  # type: ignore[arg-type]
    assert told.at > len(told.gaps), "the loop ended before the last failure"
    assert slow.failures == len(found.failures)
    assert slow.lost_samples * 32 == pytest.approx(found.lost_samples, abs=0.5)
    assert slow.parts["lost"] - SAVE / 2 * told.void_saves == pytest.approx(found.replayed_steps, abs=0.5)


def test_a_killed_harness_goes_on(calm: Any, tmp_path: Path) -> None:
    """SIGKILL to the supervisor in the middle: nobody outlives it, and --resume ends where it would have ended."""
    path = tmp_path / "case.toml"
    path.write_text(
        f"""
        journal = true
        [data]
        samples = {STEPS * 32}
        batch_size = 32
        test_samples = 200
        [model]
        num_embeddings = [700, 40, 3]
        embedding_dim = 4
        dense_arch = [8]
        over_arch = [8]
        [shards]
        count = {SHARDS}
        [training]
        device = "cpu"
        [strategy]
        recovery = "partial"
        interval_steps = {INTERVAL}
        [checkpoint]
        compact_after = 2
        [timeouts]
        shard = "30 s"
        [[failures.plan]]
        kind = "shard"
        shards = [1]
        step = 20
        hang = true
        """
    )
    run = tmp_path / "run"
    command = [sys.executable, "-m", "validation", "train", str(path), "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(e["event"] == "failure" for e in _events(run)) and time.monotonic() < deadline:
        time.sleep(0.02)
    # one shard is stopped, the trainer waits for it
    blocked = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert blocked.returncode == 2
    assert "a folder in which no run is under way" in blocked.stderr
    process.send_signal(signal.SIGKILL)
    process.wait()
    pids = [e["pid"] for e in _events(run) if e["event"] == "respawn"]
    until = time.monotonic() + 5
    while any(_lives(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(_lives(pid) for pid in pids)
    with (run / "events.jsonl").open("a") as log:
        log.write('{"event": "step", "at": 1.0, "st')  # as if killed in the middle of a line
    left = [room / ".any.0123456789abcdef.tmp" for room in (run, run / "logs", run / "checkpoints")]
    for one in left:
        one.touch()  # ... or of a file
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "shard 1" in again.stdout
    assert not any(one.exists() for one in left)
    found = summarise(run / "events.jsonl")
    assert found.status == "finished"
    assert found.digests == calm.digests  # everybody went back: nothing was lost
    assert found.lost_samples == 0
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert "expected a run that is not finished" in done.stderr


def _events(run: Path) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    return list(read_events(path)) if path.exists() else []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_failures_at_times(tmp_path: Path) -> None:
    """Nobody waits for these: they strike wherever training is. The audit knows what must be held."""
    case = small(data={"samples": 32 * 1500, "batch_size": 32}, training={"device": "cpu", "evaluate": False})
    kinds = [FailureKind.SHARD, FailureKind.TRAINER, FailureKind.SHARD, FailureKind.WHOLE_JOB, FailureKind.SHARD]
    plan = [
        Failure(kind, (n % SHARDS,) if kind is FailureKind.SHARD else (), at_s=0.1 + 0.11 * n)
        for n, kind in enumerate(kinds)
    ]
    _, found = train(case, tmp_path / "run", failures=plan)
    assert [f.kind for f in found.failures] == [kind.value for kind in kinds]
    assert found.wrong_statuses == found.unplanned_deaths == 0
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    missing = {s: sorted(set(range(1, 1501)) - held) for s, held in checked.held_steps.items()}
    assert missing == found.lost_steps


def test_a_full_disk_loses_nothing(calm: Any, tmp_path: Path) -> None:
    """No file of a shard may grow beyond 100 bytes for one save: the run goes on, and a later kill finds a save."""
    disk = FullDisk(lambda failure: failure.phase == "lookup")

    plan = [shard(10, 1), shard(20, 0), shard(30, 2)]
    case = small(plan, strategy={"recovery": "full"})
    _, found = train(case, tmp_path / "run", sabotage=disk.fill, observe=disk.empty)
    assert found.failed_saves == ["shard 0: File too large"]
    assert [f.went_back_to for f in found.failures] == [
        8,
        8,
        16,
    ]  # the first save after step 16 is the one that failed
    assert found.digests == calm.digests


@pytest.mark.parametrize("recovery", ["partial", "full"])
def test_torch_distributed_checkpoint(recovery: str, calm: Any, tmp_path: Path) -> None:
    case = small(EVERYTHING, strategy={"recovery": recovery}, checkpoint={"backend": "dcp"})
    events, found = train(case, tmp_path / "run")
    assert len(found.failures) == len(EVERYTHING)
    assert audit(case, tmp_path / "run").wrong == []
    assert (found.digests == calm.digests) == (recovery == "full")
    saves = [event for event in events if event["event"] == "save"]
    assert min(event["seconds"] for event in saves) > 0
    loads = [event for event in events if event["event"] == "load" and event["shard"] != "trainer"]
    assert any(event.get("seconds", 0) > 0 for event in loads)


@needs_data
@pytest.mark.parametrize(("source", "path", "samples"), [("criteo", CRITEO, 3200), ("movielens", MOVIELENS, 6400)])
def test_real_data(source: str, path: Path, samples: int, tmp_path: Path) -> None:
    """Rolled back in a second epoch (criteo), with bags of several rows (movielens)."""
    data = {"source": source, "path": str(path), "samples": samples, "batch_size": 64}
    failures = [shard(7, 0, phase="update"), other("whole_job", samples // 64 - 3)]
    tables = {"data": data, "model": {"largest_table": 200, "num_embeddings": None}}
    _, rolled = train(small(failures, strategy={"recovery": "full"}, **tables), tmp_path / "a")
    _, straight = train(small(**tables), tmp_path / "b")
    assert len(rolled.failures) == 2
    assert rolled.digests == straight.digests
    assert rolled.auc == straight.auc
    assert straight.samples == samples


def test_what_cannot_run_says_so_in_one_line(tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(RunError, match='"cuda": expected a GPU that torch can use'):
            train(small(training={"device": "cuda"}), tmp_path / "a")
    bad = tmp_path / "bad.tsv"
    bad.write_text("\t".join(["0"] * 40) + "\n" + "x\n" * 50)
    criteo = {"source": "criteo", "path": str(bad), "samples": 64}
    with pytest.raises(RunError, match=r"bad\.tsv: 41 of 42 lines cannot be used"):
        train(small(data=criteo, model={"num_embeddings": None, "largest_table": 100}), tmp_path / "b")
    with pytest.raises(JobError, match="a new folder, or --resume"):
        train(small(), tmp_path / "b")


def test_processes_that_die_on_their_own_end_the_run(tmp_path: Path) -> None:
    """Not for ever: after a few deaths that nobody planned, with what the process said last."""
    case = small(training={"device": "cpu", "embedding_optimizer": "sgd"})
    supervisor = Supervisor(case, tmp_path / "run")

    class Broken(Local):
        def start(self, name: str, module: str, arguments: Any, secret: str) -> Any:
            module = "validation.no_such_module" if name == "shard-1" else module
            return super().start(name, module, arguments, secret)

    real = supervisor.engine
    assert isinstance(real, Local)
    supervisor.engine = Broken(real.launcher)
    with pytest.raises(RunError, match=r"shard-1: it dies again and again on its own, last with exit status 1"):
        supervisor.run()
    assert not any(_lives(e["pid"]) for e in _events(tmp_path / "run") if e["event"] == "respawn")


def test_a_machine_that_kills_often_ends_no_run(calm: Any, tmp_path: Path) -> None:
    """Twelve times without a step between, shards and trainers: not one step is lost."""
    killed: list[str] = []

    def kill(event: dict[str, Any]) -> None:
        often = event["event"] == "respawn" and len(killed) < 12
        if often and event["what"] in ("trainer", "shard-1"):
            killed.append(event["what"])
            os.kill(event["pid"], signal.SIGINT)  # which is for the run's own process
            os.kill(event["pid"], signal.SIGKILL if len(killed) % 3 else signal.SIGTERM)

    events, found = train(small(strategy={"recovery": "full"}), tmp_path / "run", observe=kill)
    assert len(killed) == 12
    assert found.unplanned_deaths == 12
    assert found.status == "finished"
    assert found.digests == calm.digests
    assert {e["status"] for e in events if e["event"] == "died"} == {-signal.SIGKILL, -signal.SIGTERM}


def test_a_run_that_others_keep_from_every_step_says_who(tmp_path: Path) -> None:
    """And goes on when they stop."""
    case = small(timeouts={"killed": "2 s"})

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "respawn" and event["what"] == "trainer":
            os.kill(event["pid"], signal.SIGKILL)

    with pytest.raises(RunError, match=r"killed from outside .* times by SIGKILL in .* with --resume goes on"):
        Supervisor(case, tmp_path / "run", observe=kill).run()
    assert len([e for e in _events(tmp_path / "run") if e["event"] == "died"]) > 6
    Supervisor(case, tmp_path / "run").run(resume=True)
    assert summarise(tmp_path / "run" / "events.jsonl").steps == STEPS


def test_a_shard_that_stops_before_it_listens_is_replaced(tmp_path: Path) -> None:
    """Stopped a moment after it was started: no connection, no answer, no death."""
    case = small(timeouts={"shard": "2 s", "start": "3 s"})
    stopped: list[int] = []

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "respawn" and event["what"] == "shard-1" and not stopped:
            stopped.append(event["pid"])
            os.kill(event["pid"], signal.SIGSTOP)

    events, found = train(case, tmp_path / "run", observe=stop)
    assert found.status == "finished"
    assert [e["what"] for e in events if e["event"] == "hung"] == ["shard-1"]
    assert not _lives(stopped[0])


def test_a_trainer_dies_while_a_shard_is_silent(tmp_path: Path) -> None:
    """The new trainer finds a shard that it has never reached, and that does not answer."""
    events, found = train(small([shard(10, 1, hang=True), other("trainer", 10)]), tmp_path / "run")
    assert found.status == "finished"
    assert [e["what"] for e in events if e["event"] == "hung"] == ["shard-1"]
    assert len(found.failures) == 2


def test_no_checkpoint_between_two_halves_of_a_step(tmp_path: Path) -> None:
    """A save fails, and the trainer dies in the step after it, which shards have applied: the save that is due must
    wait for that step, or going back to it would apply the step twice."""
    disk = FullDisk()

    case = small([shard(8, 2), other("trainer", 9, "applied"), other("whole_job", 13)])
    events, found = train(case, tmp_path / "run", observe=disk.empty, sabotage=disk.fill)
    assert found.failed_saves == ["shard 0: File too large"]
    assert found.redone == 1
    assert [e["step"] for e in events if e["event"] == "save"][:2] == [0, 9]
    assert audit(case, tmp_path / "run").wrong == []  # also: no shard holds a step twice


def test_what_is_not_a_runs_folder_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "checkpoints"
    mine.mkdir(parents=True)
    (mine / "model.pt").write_text("precious")
    with pytest.raises(JobError, match="a new or empty folder \\(there is checkpoints\\)"):
        train(small(), tmp_path / "mine")
    assert (mine / "model.pt").read_text() == "precious"
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.jsonl").write_text('{"event": "step", "at": 0}\n')
    with pytest.raises(JobError, match="a run's event log"):
        Supervisor(small(), tmp_path / "log").run(resume=True)


def test_another_case_does_not_go_on(tmp_path: Path) -> None:
    first = Supervisor(small(), tmp_path / "run")

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 12:
            raise KeyboardInterrupt

    first.observe = stop
    with pytest.raises(KeyboardInterrupt):
        first.run()
    with pytest.raises(JobError, match=r"a run of the same case \(model.num_embeddings was \[700, 40, 3\]\)"):
        Supervisor(small(model={"num_embeddings": [600, 40, 3]}), tmp_path / "run").run(resume=True)
    patient = Supervisor(small(timeouts={"shard": "9 s"}), tmp_path / "run")  # patience may change
    patient.run(resume=True)
    assert summarise(tmp_path / "run" / "events.jsonl").steps == STEPS


def test_a_full_disk_under_torchs_checkpoints(calm: Any, tmp_path: Path) -> None:
    """The trainer writes these: no file of it may grow beyond 200 kB (its copy for a peer is smaller)."""
    import resource

    pids: dict[str, int] = {}

    def fill(event: dict[str, Any]) -> None:
        if event["event"] == "respawn":
            pids[event["what"]] = event["pid"]
        elif event["event"] == "ready":
            hard = resource.prlimit(pids["trainer"], resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pids["trainer"], resource.RLIMIT_FSIZE, (4000, hard))

    _, found = train(small(checkpoint={"backend": "dcp"}, journal=False), tmp_path / "run", observe=fill)
    assert len(found.failed_saves) == 4
    assert found.saves == 1
    assert found.digests == calm.digests
    left = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert sorted(left) == ["00000000.dcp", "00000000.json"]


def test_planned_failures_come_in_the_order_of_their_steps(tmp_path: Path) -> None:
    plan = [shard(30, 1), shard(12, 0), shard(5000, 2)]
    _, found = train(small(plan), tmp_path / "run")
    assert [(f.number, f.step) for f in found.failures] == [(1, 11), (0, 29)]
    assert found.remarks == ["planned failures that never came: number 3 of 3"]


@pytest.mark.parametrize("recovery", ["partial", "full"])
def test_a_shard_dies_while_the_model_is_tested(recovery: str, calm: Any, tmp_path: Path) -> None:
    pids: dict[str, int] = {}
    killed: list[str] = []

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "respawn":
            pids[event["what"]] = event["pid"]
        elif event["event"] == "trained" and not killed:
            killed.append("shard-1")
            os.kill(pids["shard-1"], signal.SIGKILL)

    case = small(
        data={"samples": STEPS * 32, "batch_size": 32, "test_samples": 40_000}, strategy={"recovery": recovery}
    )
    events, found = train(case, tmp_path / "run", observe=kill)
    assert found.status == "finished"
    assert [e["what"] for e in events if e["event"] == "died"] == ["shard-1"]
    if recovery == "full":
        assert found.digests == calm.digests


def test_steps_that_a_stopped_harness_did_not_hear_of_count(calm: Any, tmp_path: Path) -> None:
    """Stopped, the harness hears nothing, and the trainer goes on; killed, it never will."""
    import textwrap

    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            from pathlib import Path
            from tests.validation.helpers import small
            from validation.supervisor import Supervisor
            data = {{"samples": 32 * 1200, "batch_size": 32}}
            case = small(data=data, training={{"device": "cpu", "evaluate": False}}, journal=False)
            Supervisor(case, Path({str(tmp_path / "run")!r})).run(resume=len(sys.argv) > 1)
            """
        )
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, str(script)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + 60
    while sum(e["event"] == "step" for e in _events(tmp_path / "run")) < 100 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    heard = sum(e["event"] == "step" for e in _events(tmp_path / "run"))
    again = [sys.executable, str(script), "resume"]
    subprocess.run(again, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True)
    events = _events(tmp_path / "run")
    found = summarise(events)
    assert any(e.get("unheard") for e in events)
    assert found.samples == 32 * 1200
    assert found.lost_samples == 0
    assert found.executed == 1200 + found.replayed_steps
    assert heard < 1200


@pytest.mark.parametrize("backend", ["files", "dcp"])
def test_measured_costs_are_a_job_that_cprmodel_plans(backend: str, tmp_path: Path) -> None:
    from cprmodel import Job, plan
    from validation.costs import job_file, measured_costs

    case = small([shard(12, 1), other("trainer", 20), other("whole_job", 30)], checkpoint={"backend": backend})
    events, found = train(case, tmp_path / "run")
    costs = measured_costs(events)
    saves = [e["seconds"] for e in events if e["event"] == "save" and e["step"] > 0]
    assert min(saves) <= costs["save"] <= max(saves)
    whole = next(f for f in found.failures if f.kind == "whole_job")
    assert whole.recovered_s is not None
    assert costs["load"] + costs["reschedule"] + (whole.detected_s or 0.0) == pytest.approx(whole.recovered_s)
    path = tmp_path / "JOB.toml"
    path.write_text(job_file("run", events))
    answer = plan(Job.from_file(path))
    assert answer["full"].strategy.saving.save_s == pytest.approx(costs["save"], rel=1e-4)
    train(small(), tmp_path / "calm")
    with pytest.raises(JobError, match="a run with a failure"):
        job_file("calm", _events(tmp_path / "calm"))
