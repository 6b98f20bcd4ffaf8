"""Questions asked backwards: against planning every value of a grid of its own, value by value."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cprmodel import Exact, FirstOrder, Job, JobError, load_job, plan
from cprmodel.bulk import Solved, solve, target_of
from cprmodel.bulk.keys import key_of, number_of
from cprmodel.bulk.rows import changed_job
from tests import slow_event_loop
from tests.conftest import EXAMPLE

DATA: dict[str, Any] = {
    "job": {"work": "56 h", "current_interval": "30 min"},
    "cluster": {"embedding_shards": 8, "trainers": 20},
    "failures": {"mtbf": "28 h", "shard_share": 0.9, "trainer_share": 0.05, "whole_job_share": 0.05},
    "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min", "partial_reschedule": "2 min"},
    "accuracy": {"pls_budget": 0.01, "metric_drop_per_pls": 0.005},
    "cost": {"node_hour": 12.0},
}


def job_of(**tables: dict[str, Any]) -> Job:
    data = {name: {**DATA.get(name, {}), **tables.get(name, {})} for name in {**DATA, **tables}}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


READ = {
    "overhead": lambda one: one.overhead_fraction,
    "effective_time": lambda one: one.effective_time_ratio,
    "time_to_train": lambda one: one.time_to_train_s,
    "pls": lambda one: one.expected_pls,
    "metric_drop": lambda one: one.expected_metric_drop,
    "dollars_to_train": lambda one: one.dollars_to_train,
    "dollars_per_month": lambda one: one.dollars_per_month,
}


def planned(job: Job, key: str, number: float, quantity: str, strategy: str | None, model: Any) -> float | None:
    """By the whole planner."""
    try:
        other = changed_job(job.model_dump(exclude_none=True), {key_of(job, key): number})
        answer = plan(other, model)
        value = READ[quantity](answer.best if strategy is None else answer[strategy])
    except (JobError, KeyError):
        return None
    return value if math.isfinite(value) else None


def _beside(found: Solved) -> tuple[float, float]:
    assert found.low > 0
    return 1 + found.apart, 1 / (1 + found.apart)


def check(found: Solved, job: Job, quantity: str, limit: float, at_most: bool, model: Any, grid: Any) -> None:
    for number in grid:
        value = planned(job, found.key, float(number), quantity, found.strategy, model)
        holds = value is not None and (value <= limit if at_most else value >= limit)
        near = any(
            abs(number / end.number - 1) < 1e-8 for one in found.ranges for end in (one.low, one.high) if end.number
        )
        if near or found.holds_at(float(number)) == holds:
            continue
        # what was missed is narrower than said: the target changes within that of the number
        beside = [planned(job, found.key, number * f, quantity, found.strategy, model) for f in _beside(found)]
        others = [one is not None and (one <= limit if at_most else one >= limit) for one in beside]
        assert holds not in others, (found.key, number, value, limit)
    for one in found.ranges:
        for end, shown in ((one.low, one.shown_low), (one.high, one.shown_high)):
            written = number_of(key_of(job, found.key), shown, "")
            for number in (end.number, written):
                value = planned(job, found.key, number, quantity, found.strategy, model)
                assert value is not None
                assert value <= limit if at_most else value >= limit
                assert one.low.number <= number <= one.high.number


KEYS = ["checkpoint.save", "failures.mtbf", "checkpoint.reschedule", "cluster.embedding_shards", "job.work"]
KEYS += ["accuracy.pls_budget", "failures.whole_job_share", "job.current_interval"]


@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    key=st.sampled_from(KEYS),
    quantity=st.sampled_from(sorted(READ)),
    strategy=st.sampled_from([None, "full", "partial", "current"]),
    exact=st.booleans(),
    step=st.sampled_from([None, "7 min", "50 min"]),
    share=st.floats(0.02, 0.98),
    at_most=st.booleans(),
)
def test_the_ranges_are_those_of_brute_force(
    key: str, quantity: str, strategy: str | None, exact: bool, step: str | None, share: float, at_most: bool
) -> None:
    """A limit between the least and the most that a coarse look finds; then 50 values in the bounds."""
    failures = {"shard_share": None, "trainer_share": 0.05}
    job, model = job_of(job={"step": step}, failures=failures), Exact() if exact else FirstOrder()
    if key == "job.current_interval":
        strategy = "current"
    rough = solve(job, key, "overhead >= 0", strategy=strategy, points=3)
    if key == "cluster.embedding_shards":
        grid = np.unique(np.round(np.geomspace(rough.low, rough.high, 40)))
    else:
        grid = np.geomspace(max(rough.low, 1e-3 * rough.high), rough.high, 50)
    seen = [planned(job, key, float(one), quantity, strategy, model) for one in grid[::5]]
    values = [one for one in seen if one is not None]
    limit = float(np.quantile(values, share)) * 1.0001
    sign = "<=" if at_most else ">="
    unit = " s" if "time_to" in quantity else ""
    found = solve(job, key, f"{quantity} {sign} {limit!r}{unit}", strategy=strategy, model=model, points=200)
    check(found, job, quantity, limit, at_most, model, grid)


def test_an_interval_has_a_valley_of_values() -> None:
    """12,500 nodes of 2.34 failures per 1,000 node-days, as published worked figures have it: by hand.

    1/(1 + C/τ + (L + D + τ/2)/μ) ≥ 0.9 is a quadratic in τ.
    """
    tables = {"failures": {"mtbf": None, "nodes": 12500, "per_1000_node_days": 2.34, "shard_share": None}}
    tables["failures"] |= {"trainer_share": None, "whole_job_share": None}
    checkpoint = {"save": "5 s", "load": "10 s", "partial_reschedule": None}
    mtbf = 86400 / (12.5 * 2.34)
    for restart, text in ((60.0, "1 min"), (120.0, "2 min"), (300.0, "5 min")):
        job = job_of(**tables, checkpoint={**checkpoint, "reschedule": text})
        found = solve(job, "job.current_interval", "effective_time >= 0.9", model=FirstOrder())
        b = (10 + restart) / mtbf - 1 / 9
        square = b * b - 2 * 5 / mtbf
        if b > 0 or square < 0:
            assert not found.ranges
            assert found.best.number == pytest.approx(math.sqrt(2 * 5 * mtbf), rel=0.01)
            continue
        (one,) = found.ranges
        assert one.low.number == pytest.approx(mtbf * (-b - math.sqrt(square)), rel=1e-8)
        assert one.high.number == pytest.approx(mtbf * (-b + math.sqrt(square)), rel=1e-8)
        assert not one.open_below
        assert not one.open_above


def test_all_of_many_ranges_are_found() -> None:
    """Of a job of few saves the exact overhead rises in teeth with the interval: a save less at T/2, T/3, …"""
    job = job_of(job={"work": "20 h"}, checkpoint={"save": "20 min"})
    overheads = {
        n: planned(job, "job.current_interval", 72000.0 / n * (1 + 1e-9), "overhead", "current", Exact())
        for n in range(1, 12)
    }
    limit = 0.5 * (max(overheads[n] for n in (3, 4, 5)) + min(overheads[n] for n in (3, 4, 5)))  # type: ignore[type-var, operator]
    found = solve(job, "job.current_interval", f"overhead <= {limit!r}", model=Exact())
    grid = np.geomspace(600, 71999, 200)
    assert len(found.ranges) > 2
    check(found, job, "overhead", limit, True, Exact(), grid)


def test_of_storage_as_it_is() -> None:
    """Two levels: what their saves may cost, in the steady-state model."""
    levels = [{"name": "memory", "save": "2 s", "load": "5 s", "survives": 0.9, "every": None}]
    levels = [{k: v for k, v in one.items() if v is not None} for one in levels]
    levels.append({"name": "remote", "save": "2 min", "load": "4 min", "every": 10})
    job = Job.from_mapping(
        {
            "job": {"work": "30 d"},
            "failures": {"mtbf": "12 h"},
            "checkpoint": {"reschedule": "5 min", "level": levels},
        }
    )
    found = solve(job, "checkpoint.level.1.save", "overhead <= 2.5%", points=25)
    (one,) = found.ranges
    assert one.open_below
    check(found, job, "overhead", 0.025, True, None, np.geomspace(found.low, found.high / 10, 25))
    assert planned(job, found.key, one.high.number * (1 + 1e-6), "overhead", None, None) > 0.025  # type: ignore[operator]


def test_p90_against_the_slow_event_loop() -> None:
    """At the end that is found the job's 90% quantile, played by other code, is the limit within its error."""
    job = job_of(accuracy={"pls_budget": None, "max_metric_drop": 1e-3}, job={"work": "100 h"})
    found = solve(job, "failures.mtbf", "time_to_train_p90 <= 115 h", strategy="full", between=("4 h", "400 h"))
    (one,) = found.ranges
    assert one.open_above
    assert one.low.planned is not None
    every = one.low.planned.interval_s
    setting = slow_event_loop.Setting(work=360000.0, interval=every, save=240, full=True, reschedule=600, load=240)
    runs = slow_event_loop.many(setting, 3000, 5, one.low.number, (1, 0, 0))
    below = np.mean([run.time <= 115 * 3600 for run in runs])
    assert abs(below - 0.9) < 3.5 * math.sqrt(0.09 / 3000 + 0.09 / 2000)


def test_dates() -> None:
    job = Job.from_file(EXAMPLE)
    by_date = target_of("finish_p90 <= 2026-12-04", job, "2026-12-01")
    assert by_date.limit == 4 * 86400  # the end of that day
    assert target_of("finish_p90 <= '2026-12-04 12:00'", job, "2026-12-01 06:00").limit == 3.25 * 86400
    dated = job.model_copy(update={"job": job.job.model_copy(update={"start": "2026-12-02"})})
    assert target_of("finish_p90 <= 2026-12-04", dated).limit == by_date.limit - 86400  # as the file says
    assert target_of("finish_p90 <= 2026-12-04", dated, "2026-12-01").limit == by_date.limit
    assert by_date.shown(3600.0) == "2026-12-01 01:00"


@pytest.mark.parametrize(
    ("key", "until", "more", "said"),
    [
        ("checkpoint.sav", "pls <= 1", {}, '--for: checkpoint.sav: expected a number of the job file, perhaps "'),
        ("job", "pls <= 1", {}, "--for: job: expected the key of a number"),
        ("checkpoint.save", "overhead = 1", {}, "--until: expected a quantity, <= or >=, and a limit, such as"),
        ("checkpoint.save", "overhed <= 1", {}, '--until: overhed: expected a known quantity, perhaps "overhead"'),
        ("checkpoint.save", "overhead <= x", {}, '--until: overhead = "x": expected a number, or one with %'),
        ("checkpoint.save", "pls <= 1%", {}, '--until: pls = "1%": expected a number'),
        ("checkpoint.save", "pls <= 1.1.1", {}, '--until: pls = "1.1.1": expected a number'),
        (
            "checkpoint.save",
            "time_to_train <= 5",
            {},
            '--until: time_to_train = "5": expected a time with its unit',
        ),
        ("checkpoint.save", "finish_p90 <= 2026-12-04", {}, "--start: expected the date on which the job starts"),
        ("checkpoint.save", "finish_p90 <= soon", {"start": "2026-12-01"}, "--until: expected a date such as 2027"),
        ("checkpoint.save", "finish_p90 <= 2025-12-04", {"start": "2026-12-01"}, "expected a date after the start"),
        ("checkpoint.save", "pls <= 1", {"start": "2026-12-01"}, "--start: expected a target in dates beside it"),
        ("checkpoint.save", "pls <= 1", {"strategy": "none"}, "--strategy: expected one that can be planned (full"),
        ("checkpoint.save", "pls <= 1", {"between": ("2 s", "1 s")}, "--between: checkpoint.save: expected bounds"),
        (
            "checkpoint.save",
            "pls <= 1",
            {"between": ("-2 s", "1 s")},
            '--between: checkpoint.save = "-2 s": expected',
        ),
        (
            "failures.group_mtbf",
            "pls <= 1",
            {},
            "--for: failures.group_mtbf: expected --between LOW:HIGH beside it",
        ),
    ],
)
def test_wrong_questions_are_one_line(key: str, until: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as error:
        solve(job_of(), key, until, **more)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_is_said_to_hold_nowhere() -> None:
    found = solve(job_of(), "checkpoint.save", "effective_time >= 0.9999")
    assert found.ranges == ()
    assert found.best.number == found.low  # the cheapest save that was looked at
    assert found.given is not None
    assert not found.holds_at(found.given.number)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["ranges"] == []


def test_plain_data_can_be_planned_again() -> None:
    """Each end of the JSON, and the value beside it, by the planner."""
    job = job_of()
    data = solve(job, "failures.mtbf", "overhead <= 3%").to_dict()
    (one,) = data["ranges"]
    for where, kept in (("low", True), ("below", False)):
        value = planned(job, "failures.mtbf", one[where]["value"], "overhead", None, None)
        assert value == one[where]["overhead"]
        assert (value <= 0.03) == kept  # type: ignore[operator]
    assert one["below"]["value"] == pytest.approx(one["low"]["value"], rel=1e-9)


def test_a_narrow_peak_between_values_is_found() -> None:
    """The best interval keeps a target that no value of a coarse look does: the peak shows from its neighbours."""
    job = job_of()
    best = plan(job, FirstOrder())["full"]
    limit = best.overhead_fraction * (1 + 1e-5)
    found = solve(job, "job.current_interval", f"overhead <= {limit!r}", model=FirstOrder(), points=20)
    (one,) = found.ranges
    assert one.low.number < best.interval_s < one.high.number
    assert one.high.number / one.low.number < 1.02


def test_a_count_that_may_be_none_is_looked_for_from_none_on() -> None:
    """How many spares: also of a job that has none."""
    fails = {"mtbf": "24 h", "repair": "12 h"}
    for spares in (0, 2):
        job = job_of(cluster={"spares": spares}, failures=fails)
        found = solve(job, "cluster.spares", "overhead >= 0.1", strategy="full")
        assert found.low == 0
        (one,) = found.ranges
        assert one.open_below
        last = one.high.number
        at, over = (planned(job, "cluster.spares", n, "overhead", "full", None) for n in (last, last + 1))
        assert at is not None
        assert over is not None
        assert at >= 0.1 > over


def test_counts_that_come_in_steps_are_one_range() -> None:
    """Whole replicas: each number is planned as ``plan`` does it, and those between them are not asked for."""
    job = load_job(EXAMPLE.parent / "elastic.toml")
    limit = 0.06
    found = solve(job, "failures.nodes", f"overhead <= {limit}", between=(16, 64))
    data, key = job.model_dump(exclude_none=True), key_of(job, "failures.nodes", "--for")
    plans = {nodes: plan(changed_job(data, {key: float(nodes)})) for nodes in range(16, 65, 4)}
    keep = [nodes for nodes, one in plans.items() if one[one.recommended].overhead_fraction <= limit]
    assert [(one.low.number, one.high.number) for one in found.ranges] == [(min(keep), max(keep))]
    assert len(keep) == (max(keep) - min(keep)) / 4 + 1
    assert found.holds_at(keep[0])
    assert not found.holds_at(keep[0] + 1)
    least = solve(job, "job.elastic.min_nodes", "overhead <= 0.2", between=(4, 32))
    (one,) = least.ranges
    assert (one.low.number % 4, one.high.number % 4) == (0, 0)
    racks = load_job(EXAMPLE.parent / "components.toml")  # two nodes to a host
    (one,) = solve(racks, "failures.domains.rack", "overhead <= 0.004", between=(1, 200)).ranges
    assert (one.low.number, one.high.number) == (2, 128)
