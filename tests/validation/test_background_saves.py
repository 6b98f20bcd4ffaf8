"""Shards that copy what they save and write it while training goes on: what a kill leaves, row by row."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cprmodel.checkpoints.files import FileRef
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job
from tests.validation.helpers import INTERVAL, SHARDS, STEPS, FullDisk, small, train
from tests.validation.test_orders import DIM, ROWS, experiment, server, state
from tests.validation.test_rotating import predicted
from validation.audit import audit
from validation.checkpoint.writing import Writing
from validation.cli import app
from validation.costs import job_file
from validation.experiment.compare import compare
from validation.experiment.design import Experiment
from validation.experiment.measure import measure
from validation.experiment.runner import Runner
from validation.experiment.verdict import Verdict
from validation.ordered_audit import RowAccount
from validation.shards.priority import TRACKERS
from validation.shards.server import Server

#: A save of a small case takes some 10 ms, which is a few steps.
SLOW = {"background": True, "bandwidth": "200 kB/s"}
#: Every four steps, which touch more rows than it takes.
FEW = {"recovery": "partial", "interval_steps": 4 * INTERVAL, "fraction": 0.125}


def test_a_writing_is_found_when_it_is_whole_and_gives_up_when_it_is_void() -> None:
    ref, go = FileRef("a", 1, "b"), threading.Event()

    def slow() -> FileRef:
        go.wait()
        return ref

    one = Writing(slow)
    assert one.found() is None
    go.set()
    assert one.wait()
    assert one.found() == ref

    def full() -> FileRef:
        raise OSError(28, "No space left on device")

    other = Writing(full)
    other.wait()
    assert other.found() == "No space left on device"
    wrote: list[int] = []

    def late() -> FileRef:
        wrote.append(1)
        return ref

    void = Writing(late, first_s=3600.0)
    void.void()
    assert void.found() is None
    assert not wrote


step = st.tuples(
    st.sets(st.integers(0, ROWS - 1), min_size=1),
    st.sampled_from(["work", "save", "complete", "void", "fails"]),
)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([*sorted(TRACKERS), None]),
    st.sampled_from([0.1, 0.25, 0.5, 1.0]),
    st.integers(0, 5),
    st.lists(step, min_size=1, max_size=30),
)
def test_a_save_holds_rows_as_they_were_when_it_was_begun(
    tmp_path_factory: pytest.TempPathFactory,
    order: str | None,
    fraction: float,
    compact_after: int,
    script: list[tuple[set[int], str]],
) -> None:
    """Against a plain account of every row: updates come while it is written, and it may be void in the end.

    ``fails``: another process dies, whose trainer comes back with a later generation.
    """
    folder = tmp_path_factory.mktemp("shard")
    one = server(folder, order, fraction, compact_after)  # type: ignore[arg-type]
    one.answer({"op": "initialise", "generation": 1}, [])
    reply = one.answer({"op": "save", "sequence": 0}, [])[0]
    chain = reply["chain"]
    one.answer({"op": "commit"}, [])
    on_disk, unsaved, generation = state(one), np.zeros(ROWS, dtype=int), 1
    rng = np.random.default_rng(len(script))
    begun: dict[str, Any] | None = None
    for number, (ids, then) in enumerate(script, 1):
        at = np.array(sorted(ids))
        gradients = rng.standard_normal((len(at), DIM)).astype(np.float32)
        one.answer({"op": "update", "step": number, "generation": generation}, [at, gradients])
        unsaved[at] += 1
        if then == "save" and begun is None:
            header = {"op": "save", "sequence": number, "background": True, "tell_rows": True}
            said, rows = one.answer(header, [])
            taken = rows[0] if rows else np.arange(ROWS)
            begun = {"at": state(one), "rows": taken, "unsaved": unsaved[taken].copy(), "said": said}
            unsaved[taken] = 0
            assert said["unsaved"] == (unsaved.sum() if order else 0)
        elif then == "complete" and begun is not None:
            assert one.begun
            assert one.begun.writing
            one.begun.writing.wait()
            reply = one.answer({"op": "drained"}, [])[0]
            assert "failed" not in reply, reply
            chain = reply["chain"]
            one.answer({"op": "commit"}, [])
            for name, array in begun["at"].items():
                on_disk[name][begun["rows"]] = array[begun["rows"]]
            begun = None
        elif then in ("void", "fails") and begun is not None:
            unsaved[begun["rows"]] += begun["unsaved"]
            begun = None
            if then == "fails":
                generation += 1
                found = one.answer({"op": "hello", "generation": generation}, [])[0]
                assert found["checkpoint"] == int(Path(chain[-1]["name"]).name[:8])
        other = Server(one.config)
        other.answer({"op": "load", "step": number, "generation": 9, "chain": chain}, [])
        for name, array in state(other).items():
            np.testing.assert_array_equal(array, on_disk[name])
    if begun is not None:
        unsaved[begun["rows"]] += begun["unsaved"]
    one.answer({"op": "hello", "generation": generation + 1}, [])  # a void save is heard of with the next message
    if order:
        assert one.priority
        np.testing.assert_array_equal(one.priority.unsaved, unsaved)


def kill(*at: tuple[Any, ...]) -> list[dict[str, Any]]:
    found = []
    for number, who, phase in at:
        what = {"kind": "shard", "shards": list(who)} if isinstance(who, tuple) else {"kind": who}
        found.append({**what, "step": number, "phase": phase})
    return found


@pytest.mark.parametrize("order", sorted(TRACKERS))
def test_ordered_rows_are_saved_while_training_goes_on(order: str, tmp_path: Path) -> None:
    """After kills at work and while a save drains the rows are those that were predicted, to the last bit."""
    strategy = {**FEW, "order": order}
    plan = kill((11, (1,), "lookup"), (18, (0, 2), "drain"), (27, (0,), "drain"), (33, (2,), "update"))
    case = small(plan, strategy=strategy, checkpoint=SLOW)
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    assert found.void_saves >= 2
    names = [event["event"] for event in events]
    assert any(
        "step" in names[at : at + names[at:].index("save")] for at in _all(names, "copied") if "save" in names[at:]
    )
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    assert checked.compared == 2 * SHARDS + 5  # first and last rows, and five shards that were read back
    assert checked.choices >= 4 * SHARDS
    assert len(checked.lost_updates) == 5
    assert sum(lost for _, lost in checked.lost_updates) == found.lost_updates > 0


def _all(names: list[str], name: str) -> list[int]:
    return [at for at, one in enumerate(names) if one == name]


def test_the_trainer_and_everybody_are_killed_while_ordered_rows_drain(tmp_path: Path) -> None:
    strategy = {**FEW, "order": "update-age"}
    plan = kill((10, "trainer", "drain"), (21, "whole_job", "drain"), (30, (1,), "applied"))
    case = small(plan, strategy=strategy, checkpoint=SLOW)
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    assert found.replayed_steps > 0
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    assert [shard for shard, _ in checked.lost_updates] == [*range(SHARDS), 1]
    copied = {event["sequence"] for event in events if event["event"] == "copied"}
    assert copied - {event["sequence"] for event in events if event["event"] == "save"}


def test_saves_rotate_over_shards_while_training_goes_on(tmp_path: Path) -> None:
    """Full recovery: everybody returns to the newest whole save, in which the others are older."""
    strategy = {"recovery": "full", "interval_steps": INTERVAL, "rotate": 1}
    case = small(kill((27, (0,), "lookup")), strategy=strategy, checkpoint={"background": True})
    _, found = train(case, tmp_path / "run")
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    missing = {shard: sorted(set(range(1, STEPS + 1)) - held) for shard, held in checked.held_steps.items()}
    assert missing == found.lost_steps
    assert missing == predicted(1, [27], [])
    slow = small(kill((18, (0,), "drain")), strategy=strategy, checkpoint=SLOW)
    _, void = train(slow, tmp_path / "slow")
    checked = audit(slow, tmp_path / "slow")
    assert checked.wrong == []
    assert void.replayed_steps > INTERVAL  # the save that drained does not count: back to the one before
    assert void.void_saves == 1


def test_saves_of_everything_drain_too(tmp_path: Path) -> None:
    plan = kill((12, (1,), "lookup"), (18, (0,), "drain"), (28, "trainer", "drain"))
    case = small(plan, checkpoint={**SLOW, "bandwidth": "500 kB/s"})
    events, found = train(case, tmp_path / "run")
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    held = {shard: set(range(1, STEPS + 1)) - set(steps) for shard, steps in found.lost_steps.items()}
    assert checked.held_steps == held
    calm = small(checkpoint={"background": True}, journal=False)
    same = small(journal=False)
    (_, drained), (_, blocked) = train(calm, tmp_path / "calm"), train(same, tmp_path / "same")
    assert drained.digests == blocked.digests  # who saves while training goes on learns the same
    spent = measure(events).spent
    whole = [event["seconds"] for event in events if event["event"] == "save"]
    copies = [event["seconds"] for event in events if event["event"] == "copied"]
    done = {event["sequence"] for event in events if event["event"] == "save"}
    complete = {
        one["sequence"]: one["seconds"] for one in events if one["event"] == "copied" and one["sequence"] in done
    }
    assert sum(copies) < sum(whole)
    assert spent.save > sum(copies) - 1e-6  # training stood for those, whatever it waited for besides
    asked = [event["at"] for event in events if event["event"] == "begin_save"][1:]  # the first one blocks
    stood = [event["at"] for event in events if event["event"] == "copied"]
    assert found.seconds["save"] == pytest.approx(whole[0] + sum(stood) - sum(asked))
    assert found.seconds["save"] > whole[0] + sum(copies) - 1e-6
    assert found.seconds["drain"] == pytest.approx(sum(whole[1:]) - sum(complete.values()))
    path = tmp_path / "job.toml"
    path.write_text(job_file("run", events))
    checkpoint = load_job(path).checkpoint
    assert min(checkpoint.drains_s, checkpoint.save_s or 0.0) > 0
    assert 0 < checkpoint.overlap <= 1


def test_a_save_that_fails_in_the_background_loses_nothing(tmp_path: Path) -> None:
    disk = FullDisk()
    strategy = {**FEW, "order": "mfu"}
    case = small(
        kill((13, (1,), "lookup"), (30, (0,), "lookup")), strategy=strategy, checkpoint={"background": True}
    )
    _, found = train(case, tmp_path / "run", sabotage=disk.fill, observe=disk.empty)
    assert [reason.split(":")[0] for reason in found.failed_saves] == ["shard 0"]
    assert found.status == "finished"
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []


def test_an_account_tells_wrong_choices() -> None:
    rows = np.arange(12.0, dtype=np.float32).reshape(4, 3)

    def account(order: str) -> RowAccount:
        one = RowAccount(order, 0.25, rows, None)
        one.saving(0, None, None, 0, rows, None)
        one.complete()
        for ids in ([0, 1], [1], [1, 2]):
            one.updated(ids)
        return one

    now = rows + np.array([[5.0], [1.0], [1.0], [0.0]], dtype=np.float32)
    for order, right, wrong in (("mfu", 1, 0), ("update-age", 1, 2), ("scar", 0, 1), ("ssu", 2, 3)):
        assert account(order).saving(1, np.array([right]), 0, 1, now, None) == []
        assert len(account(order).saving(1, np.array([wrong]), 0, 1, now, None)) == 1, order
        assert len(account(order).saving(1, np.array([0, 1]), 0, 1, now, None)) == 1, order  # one is due
    one = account("mfu")
    one.saving(1, np.array([1]), 0, 1, now, None)
    one.updated([1])
    one.void()
    assert one.updates.tolist() == [1, 4, 1, 0]
    one.saving(2, np.array([1]), 0, 2, now, None)
    one.updated([1, 3])
    one.stands_on(2)
    assert one.updates.tolist() == [1, 1, 1, 1]
    disk, lost = one.loaded(2)
    assert lost == 4
    np.testing.assert_array_equal(disk.rows, [rows[0], now[1], rows[2], rows[3]])


def test_a_journal_that_tells_of_other_rows_is_found_out(tmp_path: Path) -> None:
    """Rows that were chosen by one order are not those that another one would have taken."""
    strategy = {**FEW, "order": "mfu"}
    case = small(kill((30, (0, 1, 2), "lookup")), strategy=strategy, checkpoint={"background": True})
    train(case, tmp_path / "run")
    assert audit(case, tmp_path / "run").wrong == []
    other = case.model_copy(update={"strategy": case.strategy.model_copy(update={"order": "scar"})})
    assert audit(other, tmp_path / "run").wrong  # these are not the rows that moved most


def test_train_audits_what_has_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    whole = Path("validation/cases/ordered-drains.toml").read_text()
    path.write_text(
        whole.replace("samples = 25_600", "samples = 12_800").replace("largest_table = 500", "largest_table = 100")
    )
    done = CliRunner().invoke(app, ["train", str(path), "--out", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["audit"]["wrong"] == []
    assert found["audit"]["choices"] > 40
    assert found["void_saves"] >= 1


def test_what_cannot_drain_says_so() -> None:
    for tables, said in (
        ({"checkpoint": {"background": True, "backend": "dcp"}}, 'checkpoint.backend = "dcp": expected "files"'),
        ({"checkpoint": {"bandwidth": "1 MB/s", "backend": "dcp"}}, "where background or bandwidth is said"),
        ({"checkpoint": {"bandwidth": "0 B/s"}}, "checkpoint.bandwidth"),
        (
            {"shards": {"count": 8}, "checkpoint": {"background": True}, "clock": {"job": "preset:cpr-dlrm"}},
            "checkpoint.background = true: expected no [clock]",
        ),
    ):
        with pytest.raises(JobError) as error:
            small(**tables)
        assert said in str(error.value)
    data = small(journal=False, checkpoint={"background": True}).model_dump(exclude={"clock"})
    data["experiment"] = {"strategies": [{"recovery": "partial", "interval_steps": [8]}]}
    data["failures"] = {"mtbf_steps": 10}
    with pytest.raises(ValueError, match="strategies want saves that block"):
        Experiment.model_validate(data)


def test_orders_whose_saves_drain_lose_what_was_predicted(tmp_path: Path) -> None:
    """Real training beside the simulation of saves that drain, with the drain's own length."""
    drains = {"background": True, "bandwidth": "150 kB/s"}
    Runner(experiment(drains, names=["update-age"], fraction=0.25, tolerance=0.35), tmp_path / "run").run()
    outcome = compare(tmp_path / "run")
    (found,) = outcome.orders
    # a run's own losses scatter by a seventh around it, as a drain is longer or shorter where a failure strikes
    assert sum(found.measured) == pytest.approx(sum(found.predicted), rel=4 / 7 / 3**0.5)
    assert [check.verdict for check in outcome.checks] != [Verdict.FAIL]
    drained = [run.measured for run in outcome.runs if run.role == "order" and run.measured]
    assert len(drained) == 3
    assert all(np.mean(one.drained_steps) > 0.5 for one in drained)
    assert sum(one.summary.void_saves for one in drained) >= 1
