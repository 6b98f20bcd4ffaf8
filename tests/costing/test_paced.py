"""Stragglers and fewer nodes: against plays of them, simpler jobs, independent chains, and beside all else."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from cprmodel import Exact, FirstOrder, Job, JobError, formulas, plan, plan_many, simulate
from cprmodel.bulk import solve
from cprmodel.costing import kinds, model_for
from cprmodel.costing.beside import WithStops
from cprmodel.costing.fewer import fleet_of
from cprmodel.costing.limited import TimeLimited
from cprmodel.costing.pace import course_of, slower
from cprmodel.costing.paced import Paced
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_share
from cprmodel.jobs import HOURS_PER_MONTH
from cprmodel.loading import load_job
from cprmodel.planning.candidates import full_and_partial
from cprmodel.planning.choosing import strategy_of
from cprmodel.planning.pricing import price
from cprmodel.report.charts import breakdown_rows
from cprmodel.report.explain import explain_lines
from cprmodel.report.sweep import spares_lines
from cprmodel.report.text import plan_rows
from cprmodel.report.whatif import has_formulas
from cprmodel.simulation import Weibull
from tests import slow_paced_loop as loop
from tests.conftest import EXAMPLE

DATA: dict[str, Any] = {
    "job": {"work": "300 d", "elastic": {"min_nodes": 2, "replica_nodes": 1, "reshape": "10 min"}},
    "cluster": {"embedding_shards": 4},
    "failures": {"nodes": 4, "node_mtbf": "96 h", "repair": "6 h", "repair_share": 0.7, "whole_job_share": 0.25},
    "scaling": {"exponent": 0.8},
    "checkpoint": {"save": "4 min", "load": "6 min", "reschedule": "10 min", "partial_reschedule": "3 min"},
    "accuracy": {"pls_budget": 0.02},
}
SLOW = {"share": 0.25, "rate": 0.5, "lasts": "2 h"}


def job_of(**tables: dict[str, Any]) -> Job:
    data = {name: {**DATA.get(name, {}), **tables.get(name, {})} for name in {**DATA, **tables}}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


def without(**tables: dict[str, Any]) -> Job:
    """The same job, which waits for repairs."""
    return job_of(**{**tables, "job": {**tables.get("job", {}), "elastic": None}})


class Counted:
    """A cost model that is counted how often it looks for an interval."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.name, self.extra_s, self.asked = inner, inner.name, inner.extra_s, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def partial_interval(self, job: Job, pls_budget: float) -> Any:
        self.asked += 1
        return self.inner.partial_interval(job, pls_budget)


def test_an_interval_of_a_chain_beside_stragglers_is_not_looked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It had been twelve times, and a plan took 17 s; no step that keeps the budget costs noticeably less."""
    job = Job.from_mapping(
        {
            "job": {
                "work": "30 d",
                "step": "60 s",
                "time_limit": "48 h",
                "requeue": "5 min",
                "limit_lead": "30 min",
            },
            "cluster": {"embedding_shards": 2, "stragglers": {"share": 0.1, "rate": 0.6}},
            "failures": {"mtbf": "200 h", "shard_share": 0.7, "trainer_share": 0.2, "whole_job_share": 0.1},
            "checkpoint": {
                "save": "15 min",
                "load": "1 min",
                "reschedule": "1 min",
                "partial_load": "30 s",
                "partial_reschedule": "30 s",
            },
            "accuracy": {"pls_budget": 0.02},
        }
    )
    model = Paced(TimeLimited())
    counted = Counted(model.inner)
    monkeypatch.setattr("cprmodel.costing.paced.with_extra", lambda inner, extra_s: counted)
    for budget in (0.02, 0.01, 0.005):
        counted.asked = 0
        found = model.partial_interval(job, budget)
        assert counted.asked <= 5
        one = full_and_partial(job)[1]
        assert one is not None
        kept = strategy_of(one, found)
        costs = [model.cost(job, replace(kept, interval_s=60.0 * steps)) for steps in range(60, 1440, 30)]
        least = min(float(one.breakdown.total) for one in costs if one.pls <= budget)
        mine = model.cost(job, kept)
        assert mine.pls <= budget
        assert float(mine.breakdown.total) < least + 2e-4


def setting_of(job: Job, one: Strategy, fixed: bool = False) -> loop.Setting:
    elastic, slow, recovery = job.job.elastic, job.cluster.stragglers, one.recovery
    setting = loop.Setting(
        work=job.job.work_s,
        interval=one.interval_s,
        save=job.save_s,
        load=job.load_s,
        reschedule=job.full_recovery.reschedule_s,
        mtbf=job.failure_mix.mtbf_s,
        fixed_repairs=fixed,
        full=recovery.name == "full",
        whole=job.failure_mix.whole_job_share,
        shards=job.cluster.embedding_shards or 1,
        partial_load=job.partial_recovery.partial_load_s,
        partial_reschedule=job.partial_recovery.partial_reschedule_s,
    )
    if elastic is not None:
        assert job.scaling is not None
        setting.nodes, setting.group = job.nodes or 1, elastic.replica_nodes
        setting.fewest, setting.reshape = elastic.min_nodes // elastic.replica_nodes, elastic.reshape_s
        setting.spares, setting.exponent = job.cluster.spares or 0, job.scaling.exponent or 1.0
        setting.repaired, setting.repair = job.repair_share, job.repair_s or 0.0
    if slow is not None:
        setting.slow_share, setting.slow_rate, setting.spell = slow.share, slow.rate, slow.lasts_s or 0.0
    return setting


def saves_of(job: Job, one: Strategy) -> float:
    """How many saves are written, by what a month writes: those before a job grows, too."""
    rate = {"size_bytes": 1e9 * job.save_s, "bandwidth_bytes_per_s": 1e9, "save_s": None}
    sized = job.model_copy(update={"checkpoint": job.checkpoint.model_copy(update=rate)})
    found = price(sized, model_for(sized, Exact()), one)
    month = (found.write_bytes_per_month or 0.0) / (1e9 * job.save_s)
    return month * found.time_to_train_s / (HOURS_PER_MONTH * 3600)


def compared(job: Job, name: str, runs: int, fixed: bool = False) -> None:
    """Predicted, played by the clock, and simulated."""
    one = plan(job, Exact())[name]
    rng = random.Random(22)
    found = [loop.play(setting_of(job, one.strategy, fixed), rng) for _ in range(runs)]
    for predicted, at in ((1 + one.overhead_fraction, 0), (one.expected_pls, 1), (one.waiting_fraction, 2)):
        values = [each[at] / (1.0 if at == 1 else job.job.work_s) for each in found]
        error = statistics.stdev(values) / math.sqrt(runs)
        assert abs(statistics.mean(values) - predicted) <= 3.5 * error + 1e-9
    saves = [each[3] for each in found]
    error = statistics.stdev(saves) / math.sqrt(runs)
    expected = saves_of(job, one.strategy)
    within = 3.5 * error + 1  # whether the end is saved
    if (
        job.elastic and job.cluster.stragglers is not None
    ):  # intervals of mean length are cut short, not each its own
        within += 0.1 * (expected - job.job.work_s / one.interval_s)
    assert abs(statistics.mean(saves) - expected) <= within
    if job.elastic:
        assert expected > job.job.work_s / one.interval_s + 5
    if not fixed:
        played = simulate(job, one.strategy, 400, seed=3, workers=1)
        overhead = played.overhead_fraction
        assert abs(overhead.mean - one.overhead_fraction) < 3.5 * overhead.standard_error
        assert abs(played.pls.mean - one.expected_pls) <= 3.5 * played.pls.standard_error
        assert sum(played.parts.values()) == pytest.approx(overhead.mean, rel=1e-9)
        # the simulation counts slow work that is lost, too, and saves before it grows among the saves
        lost = played.parts["lost"]
        assert played.parts["fewer_nodes"] == pytest.approx(one.parts["fewer_nodes"], rel=0.1 + lost, abs=2e-3)
        assert played.parts["stragglers"] == pytest.approx(one.parts["stragglers"], rel=0.1 + lost, abs=2e-3)
        assert played.predicted.overhead_fraction == one.overhead_fraction


@pytest.mark.parametrize("name", ["full", "partial"])
@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"job": {"elastic": {"min_nodes": 3, "reshape": "1 min"}}, "cluster": {"spares": 1, "embedding_shards": 4}},
        {
            "job": {"elastic": {"min_nodes": 8, "replica_nodes": 4, "reshape": "20 min"}},
            "failures": {"nodes": 16, "node_mtbf": "384 h", "repair": "12 h", "repair_share": 1.0},
        },
        {"cluster": {"stragglers": SLOW, "embedding_shards": 4}},
    ],
)
def test_fewer_nodes_against_a_play_of_them(tables: dict[str, Any], name: str) -> None:
    compared(job_of(**tables), name, 25)


def test_repairs_of_any_law() -> None:
    """The share of the time on fewer nodes depends on the mean repair alone."""
    compared(job_of(), "full", 40, fixed=True)


@pytest.mark.parametrize("lasts", ["3 min", "15 min", "12 h"])
@pytest.mark.parametrize("name", ["full", "partial"])
def test_stragglers_against_a_play_of_them(lasts: str, name: str) -> None:
    """Spells shorter than a save, as long, and longer than an interval; saves that cost much, so that it shows."""
    job = without(
        job={"work": "40 d"},
        cluster={"stragglers": {"share": 0.4, "rate": 0.2, "lasts": lasts}},
        failures={"repair": None, "repair_share": None},
        checkpoint={"save": "15 min"},
    )
    compared(job, name, 40 if lasts == "12 h" else 10)


def test_short_spells_cost_less_saves_than_long_ones() -> None:
    """(1 + o + ε o_C)/v − 1; of spells much shorter than a save ε is 0, of longer ones σ(1 − σ)(1 − r)²/v²."""
    job = without(failures={"repair": None, "repair_share": None})
    one = plan(job)["full"].strategy

    def overhead(lasts: str | None) -> float:
        slow = {"share": 0.25, "rate": 0.5, "lasts": lasts}
        slow = {key: value for key, value in slow.items() if value is not None}
        other = without(cluster={"stragglers": slow}, failures={"repair": None, "repair_share": None})
        return float(model_for(other).cost(other, one).breakdown.total)

    pace = 1 - 0.25 * 0.5
    even = slower(job, pace)
    cost = FirstOrder().cost(even, replace(one, interval_s=one.interval_s / pace)).breakdown
    assert overhead("1 ms") == pytest.approx((1 + cost.total) / pace - 1, rel=1e-5)
    excess = 0.25 * 0.75 * 0.25 / pace**2
    assert overhead(None) == pytest.approx((1 + cost.total + excess * cost.save) / pace - 1, rel=1e-12)
    assert overhead("1000 d") == pytest.approx(overhead(None), rel=1e-5)


def test_the_best_interval_on_the_clock_is_as_without_stragglers() -> None:
    """√(2Cμ) on the wall's clock, to first order, but for what saves by steps cost more."""
    free, slow = (
        without(failures={"repair": None, "repair_share": None}, cluster={"stragglers": one})
        for one in (None, {**SLOW, "lasts": "1 ms"})
    )
    pace = 1 - 0.25 * 0.5
    assert plan(slow)["full"].interval_s / pace == pytest.approx(plan(free)["full"].interval_s, rel=1e-6)


@pytest.mark.parametrize("tables", [{}, {"cluster": {"stragglers": SLOW}}, {"failures": {"repair": "3 d"}}])
@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_no_interval_is_better(model: Any, tables: dict[str, Any]) -> None:
    """Of 60 intervals around the one chosen none costs less; of the exact model, of equal pieces."""
    job = job_of(**tables)
    for name in ("full", "partial"):
        one = plan(job, model)[name]
        intervals = one.interval_s * np.geomspace(0.5, 2, 60)
        if model.name == "exact":
            intervals = job.job.work_s / np.round(job.job.work_s / intervals)
        tried = [
            kinds.cost(job, model_for(job, model), replace(one.strategy, interval_s=float(every)))
            for every in intervals
        ]
        best = min(float(each.breakdown.total) for each in tried if each.pls <= 0.02 or name == "full")
        assert one.overhead_fraction <= best * (1 + 1e-9)


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_intervals_are_whole_steps(model: Any) -> None:
    """At full speed, and none of the numbers beside costs less."""
    job = job_of(job={"step": "97 s"}, cluster={"stragglers": SLOW, "embedding_shards": 4})
    one = plan(job, model)["full"]
    assert one.interval_s / 97 == pytest.approx(one.interval_steps or 0, rel=1e-12)
    cost = model_for(job, model).cost
    for more in (-97, 97):
        other = replace(one.strategy, interval_s=one.interval_s + more)
        assert cost(job, other).breakdown.total >= one.overhead_fraction


def test_a_budget_is_kept_over_all_speeds() -> None:
    """To the last of it: on fewer nodes there are fewer failures, and less is lost than on all."""
    for budget in (0.002, 0.01):
        job = job_of(accuracy={"pls_budget": budget}, failures={"repair": "2 d"})
        one = plan(job)["partial"]
        assert one.expected_pls == pytest.approx(budget, rel=1e-6)
        assert one.feasible
    with pytest.raises(KeyError):
        plan(job_of(accuracy={"pls_budget": 1e-5}))["partial"]


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_repairs_of_no_time_are_the_job_without_any(model: Any) -> None:
    plain = plan(without(failures={"repair": None, "repair_share": None}), model)
    quick = plan(job_of(failures={"repair": "1 us"}), model)
    for one, other in zip(plain.strategies, quick.strategies, strict=True):
        assert other.overhead_fraction == pytest.approx(one.overhead_fraction, rel=1e-9)
        assert other.interval_s == pytest.approx(one.interval_s, rel=1e-9)
        assert other.expected_pls == pytest.approx(one.expected_pls, rel=1e-9)


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
@pytest.mark.parametrize("spares", [0, 1, 3])
def test_all_nodes_or_none_is_waiting(model: Any, spares: int) -> None:
    wanted = {"spares": spares, "embedding_shards": 4}
    least = {"min_nodes": 4, "reshape": "10 min"}
    waits = plan(without(cluster=wanted), model)
    found = plan(job_of(cluster=wanted, job={"elastic": least}), model)
    for one, other in zip(waits.strategies, found.strategies, strict=True):
        for name in ("overhead_fraction", "waiting_fraction", "expected_pls", "interval_s"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9)
        assert other.fewer_nodes_fraction == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("slow", [{"share": 0.0, "rate": 0.5}, {"share": 0.3, "rate": 1.0}])
def test_no_stragglers_at_all(slow: dict[str, float]) -> None:
    one, other = (plan(job_of(cluster={"stragglers": each})) for each in (None, slow))
    assert [each.breakdown for each in one.strategies] == [each.breakdown for each in other.strategies]
    with_none = without(cluster={"stragglers": slow}, failures={"repair": None, "repair_share": None})
    assert isinstance(model_for(with_none), FirstOrder)


def test_nodes_that_break_each_for_itself_are_a_binomial_law() -> None:
    """No spares, replicas of one node: each is broken for t_r/(μₙ + t_r) of the time, whatever the others do."""
    found = fleet_of(nodes=16, group=1, least=1, spares=0, load=1.5)
    each = 1.5 / 16
    law = stats.binom(16, each / (1 + each))
    assert found.replicas[:6] == (16, 15, 14, 13, 12, 11)
    assert found.shares[:6] == pytest.approx(law.pmf(range(6)), rel=1e-10)
    assert found.broken == pytest.approx(law.mean(), rel=1e-10)
    assert found.waits == pytest.approx(law.pmf(16), rel=1e-6)


@given(
    group=some.integers(1, 4),
    replicas=some.integers(1, 6),
    spares=some.integers(0, 3),
    load=some.floats(1e-3, 8.0),
    data=some.data(),
)
def test_the_states_are_those_of_the_chain(group: int, replicas: int, spares: int, load: float, data: Any) -> None:
    """A birth-death chain written down as a matrix, and solved."""
    nodes, fewest = group * replicas, data.draw(some.integers(1, replicas))
    last = nodes + spares - group * fewest + 1
    rates, running = np.zeros((last + 1, last + 1)), []
    for broken in range(last + 1):
        healthy = nodes + spares - broken
        running.append(min(replicas, healthy // group))
        if broken < last:
            rates[broken, broken + 1] = load * running[broken] / replicas
            rates[broken + 1, broken] = broken + 1
    matrix = rates - np.diag(rates.sum(axis=1))
    equations = np.vstack([matrix.T, np.ones(last + 1)])
    shares = np.linalg.lstsq(equations, np.append(np.zeros(last + 1), 1.0), rcond=None)[0]
    found = fleet_of(nodes, group, group * fewest, spares, load)
    assert found.waits == pytest.approx(shares[last], abs=1e-10)
    for count, share in zip(found.replicas, found.shares, strict=True):
        there = [shares[b] for b in range(last) if running[b] == count]
        assert share == pytest.approx(sum(there), abs=1e-10)
    assert sum(found.shares) + found.waits == pytest.approx(1, abs=1e-10)
    # as often as it shrinks, it grows
    for one in found.crossings:
        back = shares[one.broken] * one.broken
        assert one.share * load * one.replicas / replicas == pytest.approx(back, abs=1e-9)


def test_waiting_is_erlangs() -> None:
    for spares in range(4):
        found = fleet_of(nodes=64, group=8, least=64, spares=spares, load=2.0)
        assert found.waits == pytest.approx(formulas.erlang_1917_loss(spares + 1, 2.0), rel=1e-12)


@given(
    nodes=some.integers(1, 8),
    spares=some.integers(0, 2),
    repair=some.floats(1e3, 1e6),
    share=some.floats(0.05, 1),
    reshape=some.one_of(some.just(0.0), some.floats(1e-3, 1e3)),
    slow=some.tuples(some.floats(0, 0.9), some.floats(0.05, 1)),
    interval=some.floats(600, 1e5),
    recovery=some.sampled_from(["full", "partial"]),
    data=some.data(),
)
def test_parts_add_up(
    nodes: int,
    spares: int,
    repair: float,
    share: float,
    reshape: float,
    slow: tuple[float, float],
    interval: float,
    recovery: str,
    data: Any,
) -> None:
    least = data.draw(some.integers(1, nodes))
    job = job_of(
        job={"elastic": {"min_nodes": 4 * least, "replica_nodes": 4, "reshape_s": reshape}},
        cluster={"spares": spares, "embedding_shards": 4, "stragglers": {"share": slow[0], "rate": slow[1]}},
        failures={
            "nodes": 4 * nodes,
            "node_mtbf": None,
            "node_mtbf_s": 4e5 * nodes,
            "repair": None,
            "repair_s": repair,
            "repair_share": share,
        },
    )
    chosen = job.full_recovery if recovery == "full" else job.partial_recovery
    cost = Paced(Exact()).cost(job, Strategy(recovery, chosen, job.saving, interval))
    parts = cost.breakdown
    assert sum(parts) == pytest.approx(parts.total)
    assert min(parts.save, parts.load, parts.lost) >= 0
    assert 0 <= cost.waiting < parts.reschedule * (1 + 1e-9) + 1e-12
    assert cost.slow >= -1e-9
    assert 0 <= cost.pls <= 1
    assert sum(course_of(job).shares) + course_of(job).waits == pytest.approx(1, abs=1e-9)


def test_the_plan_says_what_a_spare_and_waiting_would_do() -> None:
    """The numbers in its sentences are those of the plans of these jobs; at the break-even both cost the same."""
    long = {"elastic": {"min_nodes": 2, "reshape": "3 h"}}
    job = job_of(job=long)
    answer = plan(job)
    (here,) = [line for line in answer.warnings if line.startswith("full: ") and "out at once" in line]
    (spare,) = [line for line in answer.warnings if line.startswith("full: a spare would make that")]
    one = answer["full"]

    def lost(other: Job) -> float:
        cost = model_for(other).cost(other, one.strategy)
        return cost.fewer + cost.waiting

    waiting, more = lost(without()), lost(job_of(job=long, cluster={"spares": 1, "embedding_shards": 4}))
    assert f"would take {format_share(waiting)}" in here
    assert f"make that {format_share(more)}" in spare
    assert f"takes {format_share(lost(job))} of the work's time" in here
    assert spare.endswith(("by node-hours it is not worth it", "by node-hours it is worth it"))
    said = here.partition(", which is less, up to repairs of ")[2]
    assert said
    at = {"repair": said}
    close = lost(job_of(job=long, failures=at)), lost(without(failures=at))
    assert close[0] == pytest.approx(close[1], rel=0.02)
    cheap, dear = ({"repair": f"{float(job_of(failures=at).repair_s or 0) * f} s"} for f in (0.8, 1.25))
    assert lost(job_of(job=long, failures=cheap)) > lost(without(failures=cheap))
    assert lost(job_of(job=long, failures=dear)) < lost(without(failures=dear))


def test_a_spare_is_worth_it_where_it_saves_node_hours() -> None:
    for repair in ("1 h", "2 d"):
        job = job_of(failures={"repair": repair})
        one = plan(job)["full"]
        more = job_of(failures={"repair": repair}, cluster={"spares": 1, "embedding_shards": 4})
        paid = [n * (1 + model_for(j).cost(j, one.strategy).breakdown.total) for n, j in ((4, job), (5, more))]
        (said,) = [line for line in plan(job).warnings if line.startswith("full: a spare would make that")]
        assert said.endswith("it is worth it") == (paid[1] < paid[0])


def test_it_has_rows_of_its_own_and_is_explained() -> None:
    answer = plan(job_of(cluster={"stragglers": SLOW, "embedding_shards": 4}))
    rows = dict(plan_rows(answer))
    assert all(rows[name][0] for name in ("  on fewer nodes", "  stragglers", "    of it waiting"))
    text = "\n".join(explain_lines(answer))
    for name in ("reshape_loss", "elastic_overhead", "straggling_overhead"):
        assert f"[{name}]" in text
    two = plan(job_of(cluster={"spares": 2, "embedding_shards": 4}))
    assert any("one spare more than 2 would make that" in line for line in two.warnings)
    data = answer["full"].to_dict()
    assert data["fewer_nodes_fraction"] > 0
    parts = data["breakdown"]
    assert sum(parts.values()) == pytest.approx(data["overhead_fraction"], rel=1e-12)
    assert parts["fewer_nodes"] == data["fewer_nodes_fraction"]
    assert parts["stragglers"] == data["stragglers_fraction"]
    frame = answer.frame_columns()
    row = [frame[f"overhead_{name}"][0] for name in parts]
    assert sum(row) == pytest.approx(frame["overhead_fraction"][0], rel=1e-12)
    drawn = {each["part"]: each["fraction"] for each in breakdown_rows(answer) if each["strategy"] == "full"}
    assert drawn["fewer nodes"] == parts["fewer_nodes"]
    assert sum(drawn.values()) == pytest.approx(data["overhead_fraction"], rel=1e-12)
    assert data["stragglers_fraction"] == pytest.approx(1 / (1 - 0.25 * 0.5) - 1, rel=0.2)
    assert any("by the clock its interval lasts" in line for line in answer.warnings)


def test_rows_of_a_sweep_are_the_plans_and_numbers_are_solved_for() -> None:
    vary = {"job.elastic.min_nodes": [2, 3, 4], "cluster.spares": [0, 1], "cluster.stragglers.share": [0.0, 0.2]}
    slow = {"stragglers": {"share": 0.1, "rate": 0.5}, "spares": 0, "embedding_shards": 4}
    found = plan_many(job_of(cluster=slow), vary, workers=1)
    for at in range(12):
        cluster = {
            "stragglers": {"share": float(found["cluster.stragglers.share"][at]), "rate": 0.5},
            "spares": int(found["cluster.spares"][at]),
        }
        least = {"min_nodes": int(found["job.elastic.min_nodes"][at]), "reshape": "10 min"}
        other = plan(job_of(job={"elastic": least}, cluster={**cluster, "embedding_shards": 4})).best
        assert found["overhead_fraction"][at] == pytest.approx(other.overhead_fraction, rel=1e-12)
        for name, part in other.parts.items():
            assert found[f"overhead_{name}"][at] == pytest.approx(part, rel=1e-12)
    asked = solve(job_of(), "failures.repair", "overhead <= 0.2", strategy="full", points=12)
    repair = asked.ranges[-1].high.number
    at, over = (plan(job_of(failures={"repair": f"{repair * f} s"}))["full"] for f in (1, 1.01))
    assert at.overhead_fraction <= 0.2 < over.overhead_fraction


def test_planned_stops_and_money_come_on_top() -> None:
    planned = [{"every": "7 d", "lasts": "4 h"}]
    job = job_of(failures={"planned": planned}, cost={"node_hour": 2.0})
    one, other = plan(job, Exact())["full"], plan(job_of(), Exact())["full"]
    assert isinstance(model_for(job), WithStops)
    assert one.fewer_nodes_fraction == other.fewer_nodes_fraction
    assert one.overhead_fraction == pytest.approx(other.overhead_fraction + one.planned_fraction, abs=2e-3)
    assert one.dollars_to_train == pytest.approx(2.0 * 4 * 300 * 24 * (1 + one.overhead_fraction))
    found = simulate(job, one.strategy, 200, seed=1, workers=1).overhead_fraction
    assert abs(found.mean - one.overhead_fraction) < 3.5 * found.standard_error + 4 / 24 / 300
    paid = without(cluster={"stragglers": SLOW, "embedding_shards": 4}, cost={"node_hour": 2.0})
    free = without(cost={"node_hour": 2.0})
    dollars = [plan(each)["full"].dollars_to_train or 0.0 for each in (paid, free)]
    assert dollars[0] / dollars[1] == pytest.approx(1 / (1 - 0.25 * 0.5), rel=0.03)
    waits = without(cluster={"stragglers": SLOW, "spares": 0, "embedding_shards": 4})
    slow = plan(waits, Exact())["full"]
    share = slow.waiting_fraction / (1 + slow.overhead_fraction)
    assert share == pytest.approx(formulas.erlang_1917_loss(1, 0.7 * 6 / 24))
    found = simulate(waits, slow.strategy, 200, seed=1, workers=1).overhead_fraction
    assert abs(found.mean - slow.overhead_fraction) < 3.5 * found.standard_error


@pytest.mark.parametrize(
    "source", ["production-dlrm.toml", "storage.toml", "silent-errors.toml", "time-limit.toml", "late-errors.toml"]
)
def test_stragglers_beside_everything(source: str) -> None:
    """A job that is slower all the time, in work, step and interval; and it is simulated."""
    data = load_job(EXAMPLE.parent / source).model_dump(exclude_none=True)
    data["cluster"]["stragglers"] = {"share": 0.2, "rate": 0.5, "lasts_s": 1e-3}
    job = Job.from_mapping(data)
    answer, pace = plan(job), 1 - 0.2 * 0.5
    del data["cluster"]["stragglers"]
    for key in ("work_s", "step_s", "current_interval_s"):
        if key in data["job"]:
            data["job"][key] /= pace
    even = plan(Job.from_mapping(data))
    for one in answer.strategies:
        other = even[one.name]
        assert one.interval_s == pytest.approx(other.interval_s * pace, rel=1e-5)
        assert 1 + one.overhead_fraction == pytest.approx((1 + other.overhead_fraction) / pace, rel=1e-5)
        assert one.expected_pls == pytest.approx(other.expected_pls, rel=1e-5)
    best = answer["full"]
    found = simulate(job, best.strategy, 60, seed=2, workers=1)
    assert found.predicted.overhead_fraction == pytest.approx(best.overhead_fraction, rel=0.05)
    assert found.parts["stragglers"] == pytest.approx(1 / pace - 1, rel=0.1)
    assert found.fewer_nodes_fraction == 0
    assert sum(found.parts.values()) == pytest.approx(found.overhead_fraction.mean, rel=0.02)
    alone = replace(best.strategy, interval_s=best.interval_s / pace)
    other = simulate(Job.from_mapping(data), alone, 60, seed=2, workers=1)
    stops = [one.parts["reschedule"] * scale for one, scale in ((found, 1.0), (other, 1 / pace))]
    assert stops[0] == pytest.approx(stops[1], rel=0.2, abs=1e-3)


def test_what_does_not_know_them_says_so() -> None:
    job = job_of()
    with pytest.raises(JobError, match="exponential failures that strike always"):
        simulate(job, plan(job)["full"].strategy, 10, law=Weibull(0.7))
    assert not has_formulas(job)  # the page is of plans instead
    assert not has_formulas(without(cluster={"stragglers": SLOW}))
    access = {"priority_fraction": 0.125, "tables": [{"rows": 10**6, "zipf": 1.05, "updates_per_second": 1e5}]}
    left_out = plan(job_of(access=access)).warnings
    assert any("beside job.elastic they are not modelled" in line for line in left_out)
    rotating = job_of(
        cluster={"stragglers": SLOW, "embedding_shards": 4}, checkpoint={"rotating": True}, job={"elastic": None}
    )
    assert any("beside cluster.stragglers they are not modelled" in line for line in plan(rotating).warnings)
    from cprmodel.bulk.fleet import spares_answer

    assert "of a job that waits" in spares_lines(spares_answer(job), job)[-1]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"scaling": {"exponent": None, "waiting": 0.1, "repair": None}}, "scaling.exponent: expected"),
        (
            {"failures": {"repair": None, "repair_share": None}},
            "failures.repair: expected the mean time of a repair",
        ),
        ({"job": {"elastic": {"min_nodes": 5}}}, "job.elastic.min_nodes = 5: expected at most the job's nodes (4)"),
        (
            {"job": {"elastic": {"min_nodes": 3, "replica_nodes": 2}}},
            "job.elastic.min_nodes = 3: expected at most the job's nodes (4), a multiple of replica_nodes (2)",
        ),
        (
            {"job": {"elastic": {"min_nodes": 3, "replica_nodes": 3}}},
            "job.elastic.replica_nodes = 3: expected a number that divides the job's nodes (4)",
        ),
        ({"job": {"elastic": {"replica_nodes": 2}}}, "job.elastic.min_nodes: expected this key, but it is missing"),
        (
            {"checkpoint": {"drain": "3 min", "overlap": 0.9}},
            'job.elastic = { min_nodes = 2, replica_nodes = 1, reshape = "10 min" }: expected no such key beside',
        ),
        (
            {"scaling": {"exponent": None, "points": [[3, 3.0], [4, 4.0]]}},
            "job.elastic.min_nodes = 2: expected at least 3, the fewest of scaling.points",
        ),
        ({"job": {"time_limit": "20 h"}}, "expected no such key beside job.time_limit"),
        ({"cluster": {"stragglers": {"share": 1.0, "rate": 0.5}}}, "cluster.stragglers.share = 1: expected"),
        ({"cluster": {"stragglers": {"share": 0.1, "rate": 0.0}}}, "cluster.stragglers.rate = 0: expected"),
        ({"cluster": {"stragglers": {"share": 0.1}}}, "cluster.stragglers.rate: expected this key"),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
