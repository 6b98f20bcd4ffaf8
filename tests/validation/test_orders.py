"""Shards that save some rows before others: what is on disk, what is lost, and whether that was predicted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel.facts.errors import JobError
from tests.validation.helpers import INTERVAL, SHARDS, STEPS, claim_of, small, train
from validation.events import read_events
from validation.experiment.compare import compare
from validation.experiment.design import Experiment
from validation.experiment.report import markdown, tables
from validation.experiment.runner import Runner
from validation.experiment.verdict import Verdict
from validation.shards.priority import TRACKERS
from validation.shards.server import Server, ServerConfig
from validation.summary import summarise

ROWS, DIM = 16, 3


def server(folder: Path, order: str, fraction: float, compact_after: int) -> Server:
    config = ServerConfig(
        0,
        0,
        (20, 12),
        2,
        "rows",
        DIM,
        "rowwise_adagrad",
        0.1,
        1,
        "cpu",
        str(folder),
        compact_after,
        claim_of(folder),
        "",
        order,
        fraction,
    )
    return Server(ServerConfig.from_dict(config.to_dict()))


def state(one: Server) -> dict[str, Any]:
    header, arrays = one.answer({"op": "export"}, [])
    return {name: array.copy() for name, array in zip(header["names"], arrays, strict=True)}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(TRACKERS)),
    st.sampled_from([0.1, 0.25, 0.5, 1.0]),
    st.integers(0, 5),
    st.lists(
        st.tuples(st.sets(st.integers(0, ROWS - 1), min_size=1), st.booleans(), st.booleans()),
        min_size=1,
        max_size=25,
    ),
)
def test_the_files_hold_each_row_as_it_was_last_saved(
    tmp_path_factory: pytest.TempPathFactory,
    order: str,
    fraction: float,
    compact_after: int,
    script: list[tuple[set[int], bool, bool]],
) -> None:
    """Against a plain account of every row; saves may be void; a new shard loads what the last whole one left."""
    folder = tmp_path_factory.mktemp("shard")
    one = server(folder, order, fraction, compact_after)
    one.answer({"op": "initialise", "generation": 1}, [])
    chain = one.answer({"op": "save", "sequence": 0}, [])[0]["chain"]
    one.answer({"op": "commit"}, [])
    on_disk, unsaved = state(one), np.zeros(ROWS, dtype=int)
    rng = np.random.default_rng(len(script))
    saves = 0
    for number, (ids, saves_now, whole) in enumerate(script, 1):
        at = np.array(sorted(ids))
        gradients = rng.standard_normal((len(at), DIM)).astype(np.float32)
        one.answer({"op": "update", "step": number, "generation": 1}, [at, gradients])
        unsaved[at] += 1
        if not saves_now:
            continue
        reply = one.answer({"op": "save", "sequence": number}, [])[0]
        if not whole:  # void: it takes nothing
            continue
        one.answer({"op": "commit"}, [])
        chain = reply["chain"]
        most = int((saves + 1) * fraction * ROWS + 1e-9) - int(saves * fraction * ROWS + 1e-9)
        saves += 1
        assert reply["rows"] <= most
        live = state(one)
        other = server(folder, order, fraction, compact_after)
        other.answer({"op": "load", "step": number, "generation": 2, "chain": chain}, [])
        loaded = state(other)
        took = np.array([bool(np.array_equal(loaded["rows"][i], live["rows"][i])) for i in range(ROWS)])
        for name, array in loaded.items():
            np.testing.assert_array_equal(array[took], live[name][took])
            np.testing.assert_array_equal(array[~took], on_disk[name][~took])
        assert (took & (unsaved > 0)).sum() == reply["rows"]  # as many were new on disk as it says
        unsaved[took] = 0
        assert reply["unsaved"] == unsaved.sum()
        on_disk = loaded


def kill(*at: tuple[int, tuple[int, ...]]) -> list[dict[str, Any]]:
    return [{"kind": "shard", "shards": list(shards), "step": step} for step, shards in at]


@pytest.mark.parametrize("order", sorted(TRACKERS))
def test_lost_updates_are_those_that_the_shard_had_not_saved(order: str, tmp_path: Path) -> None:
    """Killed shards, by the log's own account against one made from the saved files."""
    strategy = {"recovery": "partial", "interval_steps": INTERVAL, "order": order, "fraction": 0.25}
    case = small(kill((11, (1,)), (24, (0, 2)), (25, (0,))), strategy=strategy, journal=False)
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    assert found.ordered
    assert found.saves == 1 + (STEPS - 1) // 2  # the first takes everything, then a quarter every other step
    steps = [event for event in events if event["event"] == "step"]
    assert found.updates == sum(sum(event["updates"]) for event in steps)
    lost, at_stake = 0, [0] * SHARDS
    for event in events:
        if event["event"] == "step":
            at_stake = [a + b for a, b in zip(at_stake, event["updates"], strict=True)]
        elif event["event"] == "save":
            at_stake = list(event["unsaved"])
        elif event["event"] == "load" and event["shard"] != "trainer":
            lost += at_stake[event["shard"]]
            at_stake[event["shard"]] = 0
    assert found.lost_updates == lost > 0
    assert found.pls == lost / found.updates


def test_a_whole_job_failure_replays_what_came_after_the_last_save(tmp_path: Path) -> None:
    strategy = {"recovery": "partial", "interval_steps": INTERVAL, "order": "update-age", "fraction": 0.5}
    plan = [{"kind": "whole_job", "step": 23}]
    events, found = train(small(plan, strategy=strategy, journal=False), tmp_path / "run")
    before = [event for event in events if event["event"] == "save" and event["step"] <= 20]
    assert found.lost_updates == sum(before[-1]["unsaved"])
    assert found.steps == STEPS
    again = [event for event in events if event["event"] == "step" and event["replayed"]]
    assert [event["step"] for event in again] == [21, 22]


def test_a_load_of_an_older_save_loses_what_came_since_then() -> None:
    """Where the newest files are damaged: three steps of 5 updates each, 4 of them lost and counted before."""
    start = {"event": "start", "at": 0.0, "case": {"shards": {"count": 2}, "data": {"samples": 4, "batch_size": 1}}}
    start["case"]["strategy"] = {"order": "mfu"}  # type: ignore[index]

    def step(number: int) -> dict[str, Any]:
        return {"event": "step", "at": 0.0, "step": number, "samples": 1, "replayed": False, "updates": [5, 3]}

    def save(sequence: int, unsaved: list[int]) -> dict[str, Any]:
        facts = {"step": 0, "seconds": 0.0, "rows": 1}
        return {"event": "save", "at": 0.0, "sequence": sequence, "unsaved": unsaved, **facts}

    def load(sequence: int) -> dict[str, Any]:
        return {"event": "load", "at": 0.0, "shard": 0, "sequence": sequence, "step": 0}

    events = [start, save(0, [0, 0]), step(1), step(2), save(1, [4, 0]), step(3)]
    assert summarise([*events, load(1)]).lost_updates == 4 + 5
    assert summarise([*events, load(0)]).lost_updates == 15
    assert summarise([*events, load(1), step(4), load(0)]).lost_updates == 15 + 5  # no update is lost twice


def experiment(checkpoint: dict[str, Any] | None = None, **orders: Any) -> Experiment:
    case = small(
        data={"samples": 160 * 32, "batch_size": 32, "test_samples": 500},
        model={"num_embeddings": [300, 100, 40, 3], "embedding_dim": 4, "dense_arch": [8], "over_arch": [8]},
        checkpoint=checkpoint or {},
        journal=False,
    )
    data = case.model_dump(exclude={"clock"})
    keys = {"interval_steps": 32, "fraction": 0.125, "failures": 10, "shards_per_failure": 2, "tolerance": 0.2}
    data["experiment"] = {"seeds": 3, "workers": 2, "orders": {**keys, **orders}}
    return Experiment.model_validate(data)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orders") / "small"
    Runner(experiment(), folder).run()
    return folder


def test_orders_lose_what_was_predicted(played: Path) -> None:
    """Every order's own tracker in the shards, beside the simulation with the same trackers."""
    outcome = compare(played)
    assert [one.name for one in outcome.orders] == ["uniform", "mfu", "ssu", "scar", "update-age"]
    verdicts = {check.name: check.verdict for check in outcome.checks}
    for name in ("uniform", "mfu", "ssu", "update-age"):
        assert verdicts[f"{name}: lost updates are as predicted"] is Verdict.PASS
    assert verdicts["update-age loses fewer updates than saving everything at once"] is Verdict.PASS
    assert all(len(one.drops) == 3 for one in outcome.orders)
    saved = {one.name: one.saved_rows for one in outcome.orders}
    for name in ("mfu", "scar", "update-age"):  # in 160 steps 4 saves of what changed, or 39 of an eighth
        assert saved["uniform"] <= saved[name] <= 443 * 39 / 8
    text = markdown(outcome, "small", tables(outcome))
    assert "## Which rows to save first" in text


def test_uniform_saves_are_counted_in_updates_too(played: Path) -> None:
    """For saves that take everything, lost updates are those of the lost steps."""
    events = list(read_events(played / "seed-01" / "order-uniform" / "events.jsonl"))
    found = summarise(events)
    of = {event["step"]: event["updates"] for event in events if event["event"] == "step"}
    lost = sum(of[step][shard] for shard, steps in found.lost_steps.items() for step in steps)
    assert found.lost_updates == lost > 0


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"order": "best"}, 'order = "best"'),
        ({"fraction": 0.5}, "an order of saving beside it"),
        ({"order": "mfu", "fraction": 0.3}, "in whole steps"),
        ({"order": "mfu", "recovery": "full"}, "partial recovery"),
        ({"order": "mfu", "save_steps": [3]}, "interval_steps"),
    ],
)
def test_wrong_orders_say_so(strategy: dict[str, Any], expected: str) -> None:
    with pytest.raises(JobError) as caught:
        small(strategy=strategy, journal=False)
    assert expected in str(caught.value)


def test_an_experiment_of_orders_is_checked_before_it_begins(tmp_path: Path) -> None:
    text = Path("validation/cases/orders.toml").read_text()
    for old, new, expected in (
        ("fraction = 0.125", "fraction = 0.33", "experiment.orders.fraction = 0.33"),
        ("failures = 16", "failures = 1601", "experiment.orders.failures = 1601"),
        ("tolerance = 0.10", 'names = ["first"]', "names"),
    ):
        path = tmp_path / "case.toml"
        path.write_text(text.replace(old, new))
        with pytest.raises(JobError) as caught:
            Experiment.from_file(path)
        assert expected in str(caught.value)
    assert json.dumps(Experiment.from_file("validation/cases/orders.toml").model_dump(mode="json"))
