"""Nodes, spares, elasticities and the front: against plan() itself, one job at a time."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, formulas, load_preset, plan
from cprmodel.bulk import elasticities, grid_of, nodes_answer, pareto_front, spares_answer
from cprmodel.bulk.differences import slopes
from cprmodel.bulk.rows import changed_job
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import job_from_mapping
from cprmodel.planning.pricing import price
from tests.bulk.test_many import FLEET, job_of
from tests.conftest import EXAMPLE


def overhead_of(job: Job, name: str) -> float:
    return plan(job)[name].overhead_fraction


def slope_by_differences(job: Job, key: str, value: float, name: str, wide: float | None = None) -> float:
    """d log(overhead)/d log(value), by central differences of plan() and one Richardson step; or a wide one."""
    (axis,) = grid_of(job, {key: [1.0]}).keys

    def central(step: float) -> float:
        logs = []
        for sign in (1, -1):
            number = value * math.exp(sign * step)
            table, field = axis.path  # whole numbers may be fractions here: nothing is read again
            section = getattr(job, table).model_copy(update={field: number})
            logs.append(math.log(overhead_of(job.model_copy(update={table: section}), name)))
        return (logs[0] - logs[1]) / (2 * step)

    return central(wide) if wide else (4 * central(5e-4) - central(1e-3)) / 3


@pytest.mark.parametrize(
    "job",
    [
        Job.from_file(EXAMPLE),
        job_of(accuracy={"pls_budget": 0.01}),  # the budget sets the interval
        job_of(accuracy={"pls_budget": None, "max_metric_drop": 5e-5}),
        job_of(accuracy={"pls_budget": None, "metric_drop_per_pls": None}),  # full recovery
        job_of(job={"current_interval": "8 h", "current_recovery": "partial"}),
        job_of(FLEET, scaling={"points": None, "repair": None, "waiting": None}, failures={"shard_share": None}),
        job_of(FLEET, failures={"group_mtbf": "300 d", "group_nodes": 8, "shard_share": None}),
        load_preset("bloom-176b"),
        load_preset("rsc-1"),
    ],
    ids=["partial", "budget", "metric", "full", "current", "fleet", "groups", "bloom", "rsc"],
)
def test_elasticities_are_those_of_the_plan(job: Job) -> None:
    job = job.model_copy(
        update={
            "failures": job.failures.model_copy(update={"shard_share": None}),  # the rest, as one share grows
            "scaling": None,
            "job": job.job.model_copy(update={"step_s": None}),  # in whole steps nothing has a slope
        }
    )
    best = plan(job).best
    found = elasticities(job)
    assert len(found) > 2
    sizes = [round(abs(one.elasticity), 9) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    for one in found:
        expected = slope_by_differences(job, one.key, one.value, best.name)
        assert one.elasticity == pytest.approx(expected, rel=1e-5, abs=1e-7), one.key
    named = {one.key for one in found}
    assert ("failures.mtbf" in named) or ("failures.nodes" in named)


def test_elasticities_of_a_strategy_by_name() -> None:
    job = Job.from_file(EXAMPLE)
    by_key = {one.key: one.elasticity for one in elasticities(job, "current")}
    # O = C/τ + (L + D + τ/2)/μ, written out
    parts = (240 / 1800, 240 / 100800, 900 / 100800)
    total = sum(parts) + 600 / 100800
    assert by_key["job.current_interval"] == pytest.approx((parts[2] - parts[0]) / total)
    assert by_key["checkpoint.save"] == pytest.approx(parts[0] / total)
    with pytest.raises(JobError, match=r'strategy = "nonsense": expected full, partial'):
        elasticities(job, "nonsense")


def test_planning_anew_finds_the_slopes_of_the_formulas() -> None:
    """Of a job that both know: derivatives by mpmath, and differences of plans."""
    job = Job.from_file(EXAMPLE)
    job = job.model_copy(update={"job": job.job.model_copy(update={"step_s": None})})
    best = plan(job).best.name

    def overhead(other: Job) -> float:
        return plan(other)[best].overhead_fraction

    found = {key: slope for key, _, slope in slopes(job, overhead)}
    for one in elasticities(job):
        if one.key in found:  # shards are whole
            assert found[one.key] == pytest.approx(one.elasticity, abs=2e-4), one.key
    assert len(found) > 5


STORED = {"save": "5 s", "overlap": 0.8, "drain": "300 s", "load": "60 s", "reschedule": "2 min"}
TABLE = {"rows": 1000, "zipf": 1.0, "updates_per_second": 3.0}


@pytest.mark.parametrize(
    "tables",
    [
        {"checkpoint": STORED},
        {"access": {"priority_fraction": 0.5, "tables": [TABLE]}},
        {"checkpoint": {"rotating": True, "save": "60 s"}, "cluster": {"experts": 8}},
    ],
    ids=["drains", "orders", "rotates"],
)
def test_elasticities_of_jobs_that_the_formulas_do_not_describe(tables: dict[str, Any]) -> None:
    job = Job.from_mapping(
        {
            "job": {"work": "100 h"},
            "cluster": {"embedding_shards": 8} | tables.get("cluster", {}),
            "failures": {"mtbf": "10 h", "whole_job_share": 0.1},
            "checkpoint": {"save": "60 s", "load": "60 s"} | tables.get("checkpoint", {}),
            "accuracy": {"pls_budget": 0.02},
        }
        | {name: table for name, table in tables.items() if name == "access"}
    )
    found = {one.key: one for one in elasticities(job)}
    best = plan(job).best
    noise, step = (0.02, 0.05) if best.order is not None else (1e-3, 0.01)
    for key in ("failures.mtbf", "checkpoint.load"):
        expected = slope_by_differences(job, key, found[key].value, best.name, step)
        assert found[key].elasticity == pytest.approx(expected, abs=noise), key
    assert found["failures.mtbf"].elasticity < 0 < found["checkpoint.load"].elasticity + 1e-6
    with pytest.raises(JobError, match=r'strategy = "nonsense": expected full'):
        elasticities(job, "nonsense")


def fleet(exponent: float, **tables: dict[str, Any]) -> Job:
    return job_of(FLEET, scaling={"points": None, "exponent": exponent}, **tables)


@pytest.mark.parametrize("exponent", [0.2, 0.4, 0.55])
def test_nodes_of_full_recovery_are_the_closed_form(exponent: float) -> None:
    job = fleet(
        exponent, accuracy={"pls_budget": None, "metric_drop_per_pls": None}, job={"current_interval": None}
    )
    answer = nodes_answer(job)
    assert answer.full_recovery is not None
    assert abs(answer.fastest - answer.full_recovery) <= max(1, 1e-3 * answer.full_recovery)
    assert answer.at_the_end == ""


def test_nodes_of_partial_recovery_at_a_budget_are_the_closed_form() -> None:
    """To first order in the budget and in the save, which a plan counts: a failure there takes all."""
    shares = {"node_mtbf": "9000 d", "shard_share": 0.9, "trainer_share": 0.1, "whole_job_share": 0.0}
    job = fleet(0.002, failures=shares, accuracy={"pls_budget": 0.002})
    answer = nodes_answer(job)
    recovery = job.partial_recovery
    stop = 0.9 * (recovery.partial_load_s + recovery.partial_reschedule_s) + 0.1 * recovery.trainer_reschedule_s
    expected = formulas.fastest_nodes_at_budget(9000 * 86400, job.save_s, stop, 0.002, 0.002, 16, shard_share=0.9)
    left_out = 2 * job.save_s / plan(job.scaled_to(answer.fastest))["partial"].interval_s  # of the interval
    assert left_out < 0.004
    assert abs(answer.fastest / expected - 1) <= 2 * left_out


@pytest.mark.parametrize("model", [FirstOrder(), Exact()], ids=lambda model: model.name)
@pytest.mark.parametrize("exponent", [0.4, 0.7])
def test_no_other_number_of_nodes_trains_faster(model: Any, exponent: float) -> None:
    job = fleet(exponent)
    answer = nodes_answer(job, model)
    best = plan(job.scaled_to(answer.fastest), model).best
    assert answer.time_to_train_s == pytest.approx(best.time_to_train_s)
    for nodes in {1, answer.fastest // 2, answer.fastest - 1, answer.fastest + 1, 2 * answer.fastest}:
        try:
            other = plan(job.scaled_to(nodes), model).best
        except JobError:
            continue
        assert other.time_to_train_s >= answer.time_to_train_s
    assert answer.cheapest is not None
    assert answer.dollars_to_train == pytest.approx(
        plan(job.scaled_to(answer.cheapest), model).best.dollars_to_train
    )
    for nodes in (answer.cheapest - 1, answer.cheapest + 1):
        if nodes >= max(1, 128 // 64):
            assert plan(job.scaled_to(nodes), model).best.dollars_to_train >= answer.dollars_to_train


def test_where_nodes_end() -> None:
    assert nodes_answer(job_of(FLEET)).at_the_end == ""
    measured = job_of(FLEET, scaling={"points": [[64, 1.0], [128, 1.9], [256, 3.7]]})
    answer = nodes_answer(measured)
    assert (answer.fastest, answer.at_the_end) == (256, "measured")
    full_alone = {"pls_budget": None, "metric_drop_per_pls": None}
    perfect = nodes_answer(fleet(1.0, accuracy=full_alone, job={"current_interval": None}))
    assert perfect.at_the_end == "unplannable"
    assert perfect.full_recovery == math.inf
    assert not perfect.within_validity
    with pytest.raises(JobError, match="scaling: expected a table"):
        nodes_answer(Job.from_file(EXAMPLE))


def test_nodes_of_an_elastic_job_are_whole_replicas() -> None:
    """On other numbers it cannot be planned; no other replica more or less trains faster."""
    data = tomllib.loads(EXAMPLE.with_name("elastic.toml").read_text())
    data["failures"]["nodes"], data["job"]["elastic"] = 60, {"min_nodes": 40, "replica_nodes": 20}
    data["failures"]["node_mtbf"], data["scaling"]["exponent"] = "30 d", 0.3
    job = job_from_mapping(data)
    answer = nodes_answer(job)
    assert set(answer.planned["failures.nodes"] % 20) == {0}
    assert min(answer.planned["failures.nodes"]) == 40
    times = {nodes: plan(job.scaled_to(nodes)).best.time_to_train_s for nodes in (40, 60, 80)}
    around = [answer.fastest + more for more in (-20, 0, 20)]
    assert answer.time_to_train_s <= min(times.values())
    assert answer.time_to_train_s <= min(
        plan(job.scaled_to(one)).best.time_to_train_s for one in around if one >= 40
    )


def test_spares() -> None:
    """Against Erlang's recursion, and every other number of spares."""
    job = job_of(FLEET)
    answer = spares_answer(job)
    load = 128 * 2 / 90
    assert answer.in_repair == pytest.approx(load)
    blocked = [1.0]
    for m in range(1, 40):
        blocked.append(load * blocked[-1] / (m + load * blocked[-1]))
    assert answer.failures_waiting[:39] == pytest.approx(blocked[:39])
    assert answer.time_waiting[:39] == pytest.approx(blocked[1:])
    assert blocked[answer.needed] <= 0.01 < blocked[answer.needed - 1]
    idle = [m + 128 * blocked[m + 1] for m in range(39)]
    assert answer.cheapest == int(np.argmin(idle))
    paid = answer.dollars_per_month(job)
    assert paid is not None
    assert paid[answer.cheapest] == pytest.approx(min(idle) * 730.485 * 12)
    with pytest.raises(JobError, match=r"failures.repair: expected the time until a failed node"):
        spares_answer(job_of(FLEET, scaling={"repair": None}))
    assert spares_answer(job_of(FLEET, scaling={"waiting": 1e-9})).needed > answer.needed


def test_nothing_beats_the_front() -> None:
    job = Job.from_file(EXAMPLE)
    front = pareto_front(job).points
    cost = np.array([one.overhead_fraction for one in front])
    loss = np.array([one.expected_pls for one in front])
    assert np.all(np.diff(cost) > 0)
    assert np.all(np.diff(loss) < 0)
    assert loss[-1] == 0
    for interval in np.geomspace(60, job.job.work_s, 300):
        for recovery in (job.full_recovery, job.partial_recovery):
            one = price(job, FirstOrder(), Strategy("one", recovery, job.saving, float(interval)))
            # between two points of the front there is room for a little
            beaten = (cost <= one.overhead_fraction * 1.02) & (loss <= one.expected_pls * 1.03)
            assert beaten.any(), (recovery.name, interval)
    for at, point in enumerate(front):
        assert point.strategy.recovery.name == "partial" or at == len(front) - 1
    least = front[0]
    assert least.overhead_fraction == pytest.approx(plan(job)["partial"].overhead_fraction)


def test_a_moved_job_is_the_row_of_the_sweep() -> None:
    job = job_of(FLEET)
    (key,) = grid_of(job, {"failures.nodes": [512]}).keys
    assert changed_job(job.model_dump(exclude_none=True), {key: 512}) == job.scaled_to(512)
