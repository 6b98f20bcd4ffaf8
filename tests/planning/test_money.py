"""Space, writes and money of a plan: written out by hand, and no interval costs less than the recommended one."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, plan, plan_many
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import job_from_mapping
from cprmodel.planning.pricing import price
from tests.conftest import EXAMPLE

FLEET = EXAMPLE.parent / "fleet.toml"
MODELS = [FirstOrder(), Exact()]


def changed(**tables: dict[str, Any]) -> Job:
    data = tomllib.loads(FLEET.read_text(encoding="utf-8"))
    for table, keys in tables.items():
        data[table] = {key: value for key, value in (data[table] | keys).items() if value is not None}
    return job_from_mapping(data)


def test_by_hand() -> None:
    """128 nodes at 12 an hour, 3 checkpoints of 2,400 GB at 0.023 a month, a save of 2,400 GB at 0.002."""
    one = plan(Job.from_file(FLEET))["current"]
    mu, save = 90 * 86400 / 128, 2.4e12 / 20e9
    overhead = save / 1800 + (save + 600 + 900) / mu
    assert one.overhead_fraction == pytest.approx(overhead)
    hours = 21 * 24 * (1 + overhead)
    months = hours / 730.485
    saves = 21 * 86400 / 1800
    assert one.space_kept_bytes == 3 * 2.4e12
    assert one.write_bytes_per_month == pytest.approx(saves * 2.4e12 / months)
    assert one.time_to_train_s == pytest.approx(hours * 3600)
    storage, writes = 3 * 2400 * 0.023 * months, saves * 2400 * 0.002
    assert one.dollars_to_train == pytest.approx(hours * 128 * 12 + storage + writes)
    assert one.dollars_per_month == pytest.approx(
        ((hours - 21 * 24) * 128 * 12 + storage + writes) / months  # overhead hours × nodes × price, and the rest
    )


def test_saves_are_counted_as_the_model_counts_them() -> None:
    """Of the exact model, none follows the end of the job."""
    job = changed(job={"current_interval": "7 d"})
    for model, saves in ((FirstOrder(), 3.0), (Exact(), 2.0)):
        one = plan(job, model)["current"]
        months = one.time_to_train_s / 3600 / 730.485
        assert one.write_bytes_per_month == pytest.approx(saves * 2.4e12 / months)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("write_gb", [0.0, 0.002, 0.2, 5.0])
@pytest.mark.parametrize("budget", [0.01, 0.0005])
def test_no_interval_costs_less_money(model: Any, write_gb: float, budget: float) -> None:
    """Over a fine grid of intervals, and over every number of equal pieces, within the budget."""
    job = changed(cost={"write_gb": write_gb}, accuracy={"pls_budget": budget}, job={"step": None})
    answer = plan(job, model, minimise="dollars")
    work = job.job.work_s
    for name in ("full", "partial"):
        best = answer[name]
        intervals = np.concatenate([np.geomspace(60, work, 150), work / np.arange(1, 150)])
        for interval in intervals:
            other = price(job, model, Strategy(name, best.strategy.recovery, job.saving, float(interval)))
            if other.feasible:
                assert best.dollars_to_train is not None
                assert other.dollars_to_train is not None
                assert best.dollars_to_train <= other.dollars_to_train * (1 + 1e-9)
    everything = [one.dollars_to_train for one in answer.strategies if one.feasible]
    assert answer.best.dollars_to_train == min(everything)  # type: ignore[type-var]
    assert answer.minimised == "dollars"


def test_dear_writes_make_intervals_longer_and_free_ones_change_nothing() -> None:
    free = changed(cost={"write_gb": 0.0})
    dear = changed(cost={"write_gb": 0.1})
    assert plan(free, minimise="dollars").recommended == plan(free).recommended
    assert plan(free, minimise="dollars")["full"].interval_s == plan(free)["full"].interval_s
    assert plan(dear, minimise="dollars")["full"].interval_s > 1.5 * plan(dear)["full"].interval_s
    assert "cheapest_interval" in {s.formula.__name__ for s in plan(dear, minimise="dollars")["full"].steps}


def test_money_can_change_the_recommended_strategy() -> None:
    """Where writing is dear, what is done today (hardly any saves) costs less money and more time."""
    job = changed(
        job={"current_interval": "6 d"}, accuracy={"pls_budget": 0.0002}, cost={"write_gb": 30.0}, scaling={}
    )
    assert plan(job).recommended == "partial" != plan(job, minimise="dollars").recommended


def test_orders_of_saving_stand_at_their_cheapest_interval() -> None:
    table = {"rows": 1000, "zipf": 1.05, "updates_per_second": 50.0}
    data = tomllib.loads(FLEET.read_text(encoding="utf-8"))
    data["access"] = {"tables": [table]}
    data["cost"]["write_gb"] = 0.1
    data["accuracy"]["pls_budget"] = 0.05
    job = job_from_mapping(data)
    found = plan(job, minimise="dollars")["partial-update-age"]
    for factor in (0.8, 0.95, 1.05, 1.25):
        strategy = replace(found.strategy, interval_s=found.interval_s * factor)
        assert price(job, FirstOrder(), strategy).dollars_to_train > found.dollars_to_train  # type: ignore[operator]
    assert found.write_bytes_per_month == pytest.approx(
        2.4e12 * 730.485 * 3600 / (found.interval_s * (1 + found.overhead_fraction))
    )


def test_saved_against_today() -> None:
    """For the same useful work, by today's month."""
    answer = plan(Job.from_file(FLEET))
    best, today = answer.best, answer["current"]
    assert answer.dollars_saved_per_month is not None
    assert best.dollars_to_train is not None
    assert today.dollars_to_train is not None
    assert answer.dollars_saved_per_month == pytest.approx(
        (today.dollars_to_train - best.dollars_to_train) * 730.485 * 3600 / today.time_to_train_s
    )
    json.dumps(answer.to_dict(), allow_nan=False)
    assert answer.to_dict()["currency"] == "USD"
    assert job_from_mapping(answer.to_dict()["inputs"]) == answer.job


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"cost": {"node_hour": -1.0}}, r"cost.node_hour = -1: expected a number of at least 0"),
        ({"cost": {"node_hour": 0.0}}, r"cost.node_hour = 0: expected a price greater than 0"),
        ({"cost": {"currency": "7"}}, r"cost.currency"),
        ({"cost": {"currency": "U\u202eS"}}, r"cost.currency = .*: expected letters that can be printed"),
        ({"cost": {"node_hours": 3}}, r'cost.node_hours = 3: expected a known key, perhaps "node_hour"'),
        (
            {"checkpoint": {"size": None, "bandwidth": None, "save": "2 min"}},
            r"checkpoint.size: expected size with bandwidth in the place of save, since cost.storage_gb_month",
        ),
        ({"checkpoint": {"retained": 0}}, r"checkpoint.retained = 0: expected a number of at least 1"),
        ({"scaling": {"exponent": 0.9}}, r"scaling.exponent and points = .*: expected one of"),
        (
            {"scaling": {"points": None, "repair": None}},
            r"scaling.exponent: expected one of .*\(or repair",
        ),
        ({"scaling": {"points": [[64, 1], [64, 2]]}}, r"scaling.points = .*64 nodes, then 64.*more and more"),
        ({"scaling": {"points": [[256, 1], [512, 2]]}}, r"scaling.points = .*around the job's nodes \(128\)"),
        ({"scaling": {"points": [[64, 1]]}}, r"scaling.points = .*: expected at least 2 of them"),
        ({"scaling": {"reference_nodes": 64}}, r"scaling.reference_nodes = 64: expected failures.nodes \(128\)"),
        ({"scaling": {"waiting": 1.0}}, r"scaling.waiting = 1: expected a number less than 1"),
        ({"scaling": {"points": None, "exponent": 1.2}}, r"scaling.exponent = 1.2: expected a number of at most 1"),
    ],
)
def test_what_is_wrong_is_said(tables: dict[str, dict[str, Any]], expected: str) -> None:
    with pytest.raises(JobError, match=expected):
        changed(**tables)


def test_nodes_must_be_known() -> None:
    data = {
        "job": {"work": "56 h"},
        "failures": {"mtbf": "28 h"},
        "checkpoint": {"save": "4 min"},
        "cost": {"node_hour": 3.0},
    }
    with pytest.raises(JobError, match=r"failures.nodes: expected how many nodes are paid"):
        job_from_mapping(data)
    assert job_from_mapping(data | {"cluster": {"embedding_shards": 8, "trainers": 20}}).nodes == 28
    scaled = job_from_mapping(data | {"scaling": {"reference_nodes": 100, "exponent": 0.8}})
    assert scaled.nodes == 100
    with pytest.raises(JobError, match=r"scaling.reference_nodes: expected the nodes on which"):
        job_from_mapping(data | {"scaling": {"exponent": 0.8}, "cluster": {"embedding_shards": 8, "trainers": 20}})


def test_dollars_need_prices() -> None:
    with pytest.raises(JobError, match="a table of prices"):
        plan(Job.from_file(EXAMPLE), minimise="dollars")
    with pytest.raises(ValueError, match="expected one of overhead, dollars"):
        plan(Job.from_file(EXAMPLE), minimise="euros")


def test_on_other_nodes() -> None:
    """Measured points are joined by powers; failures come in proportion to the nodes; and back it is the same."""
    job = Job.from_file(FLEET)
    other = job.scaled_to(256)
    assert other.job.work_s == pytest.approx(job.job.work_s * 3.7 / 6.8)
    assert other.job.step_s == pytest.approx(0.2 * 3.7 / 6.8)
    assert other.failure_mix.mtbf_s == pytest.approx(job.failure_mix.mtbf_s / 2)
    assert other.nodes == 256
    between = 3.7 * (180 / 128) ** (math.log(6.8 / 3.7) / math.log(2))
    assert job.scaled_to(180).job.work_s == pytest.approx(job.job.work_s * 3.7 / between)
    back = other.scaled_to(128)
    assert back.job.work_s == pytest.approx(job.job.work_s)
    assert back.failure_mix == job.failure_mix
    assert back.nodes == 128
    with pytest.raises(JobError, match=r"failures.nodes = 4097: expected 32 to 4096 nodes"):
        job.scaled_to(4097)
    with pytest.raises(JobError, match="scaling: expected a table"):
        Job.from_file(EXAMPLE).scaled_to(4)
    by_mtbf = changed(failures={"node_mtbf": None, "mtbf": "16 h"})
    assert by_mtbf.scaled_to(512).failure_mix.mtbf_s == pytest.approx(4 * 3600)


def spared(spares: int, **tables: dict[str, Any]) -> Job:
    """64 nodes at 12 an hour, half of the failures repaired in two days; no price but the nodes'."""
    data: dict[str, Any] = {
        "job": {"work": "90 d"},
        "cluster": {"spares": spares},
        "failures": {"nodes": 64, "node_mtbf": "200 d", "repair": "2 d", "repair_share": 0.5},
        "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
        "cost": {"node_hour": 12.0},
    }
    return job_from_mapping({**data, **tables})


def test_a_spare_is_a_node_that_is_paid_for_all_the_time() -> None:
    """By hand: Young's overhead, Erlang's waiting on top, and the node-hours of all nodes, spares among them."""
    mu = 200 * 86400 / 64
    young = math.sqrt(2 * 240 / mu) + 840 / mu
    load, blocked, paid = 64 / 200 * 2 * 0.5, 1.0, {}
    for spares in range(8):
        blocked = load * blocked / (spares + 1 + load * blocked)  # of a failure, with so many spares and one more
        time = (1 + young) / (1 - blocked)
        one = plan(spared(spares))["full"]
        assert one.overhead_fraction == pytest.approx(time - 1, rel=1e-9)
        paid[spares] = 12 * (64 + spares) * 90 * 24 * time
        assert one.dollars_to_train == pytest.approx(paid[spares], rel=1e-9)
        overhead = paid[spares] - 12 * 64 * 90 * 24
        assert one.dollars_per_month == pytest.approx(overhead / (90 * 24 * time / 730.485), rel=1e-9)
    best = min(paid, key=lambda spares: paid[spares])
    assert 0 < best < 7
    answer = plan(spared(best), minimise="dollars")
    said = [note for note in answer.warnings if "paid for all the time" in note]
    assert said == [
        f"full: with {best} spares, paid for all the time, it costs {paid[best]:,.0f} USD to train; "
        f"with one more {paid[best + 1]:,.0f} USD, with one less {paid[best - 1]:,.0f} USD"
    ]
    assert not any("paid for" in note for note in plan(spared(0).model_copy(update={"cost": None})).warnings)


def test_spares_that_nobody_needs_cost_their_node_hours() -> None:
    """The limit of none that waits: the job without repairs, with so many nodes more to pay."""
    alone = plan(job_from_mapping({
        "job": {"work": "90 d"},
        "failures": {"nodes": 64, "node_mtbf": "200 d"},
        "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
        "cost": {"node_hour": 12.0},
    }))["full"]  # fmt: skip
    assert alone.dollars_to_train is not None
    for spares in (30, 200):
        one = plan(spared(spares))["full"]
        assert one.time_to_train_s == pytest.approx(alone.time_to_train_s, rel=1e-9)
        assert one.dollars_to_train == pytest.approx(alone.dollars_to_train * (64 + spares) / 64, rel=1e-9)
    rows = plan_many(spared(0), {"cluster.spares": [0, 2, 30]}, minimise="dollars")
    for at, spares in enumerate((0, 2, 30)):
        expected = plan(spared(spares), minimise="dollars").best
        assert rows["dollars_to_train"][at] == pytest.approx(expected.dollars_to_train, rel=1e-12)
        assert rows["dollars_per_month"][at] == pytest.approx(expected.dollars_per_month, rel=1e-12)


def test_an_elastic_jobs_spares_are_paid_for_too() -> None:
    """Where by node-hours one spare more is worth it, it costs less money, and otherwise more."""
    for spares, repair, worth in ((0, "2 d", True), (3, "1 d", False)):
        job = spared(
            spares,
            job={"work": "90 d", "elastic": {"min_nodes": 8, "replica_nodes": 8, "reshape": "4 min"}},
            failures={"nodes": 64, "node_mtbf": "200 d", "repair": repair},
            scaling={"exponent": 0.95},
        )
        answer = plan(job)
        one = answer["full"]
        assert one.dollars_to_train == pytest.approx(12 * (64 + spares) * one.time_to_train_s / 3600, rel=1e-12)
        more = job.model_copy(update={"cluster": job.cluster.model_copy(update={"spares": spares + 1})})
        costs = price(more, answer.model, one.strategy).dollars_to_train
        assert costs is not None
        assert (costs < one.dollars_to_train) is worth  # type: ignore[operator]
        assert any(("is worth it" in note) is worth for note in answer.warnings if "by node-hours" in note)
        assert any(f"with one more {costs:,.0f} USD" in note for note in answer.warnings)
