"""Planned stops beside saves that scatter and stragglers, by three that share nothing: plan, simulation, clock."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import numpy as np
import pytest

from cprmodel import Job, plan, simulate
from cprmodel.costing import Exact, model_for
from tests.costing.clock import Clock
from tests.costing.test_stored_stops import DAY, HOUR, NIGHT, PLAIN, SHARDED, as_played, job_of, strategy_of

WEEK = [{"every": "7 d", "lasts": "1 h"}]
SCATTERS = {**PLAIN, "save_scatter": 0.6}
MINUTES = [4, 7, 8, 9, 11, 13, 16, 52]
MEASURED = {
    "save_times": [f"{one} min" for one in MINUTES],
    **{key: value for key, value in PLAIN.items() if key != "save"},
}
DRAINS = {"save": "5 min", "size": "1 TB", "bandwidth": "1 GB/s", "overlap": 0.7, "load": "10 min"}


def clock_of(job: Job, hours: float, **more: Any) -> Clock:
    (one,) = job.failures.planned or ()
    return Clock(
        work=job.job.work_s,
        interval=hours * HOUR,
        load=job.load_s,
        down=job.checkpoint.reschedule_s,
        mtbf=job.failure_mix.mtbf_s,
        every=one.every_s or math.inf,
        lasts=one.lasts_s,
        **more,
    )


def played(clock: Clock, runs: int) -> tuple[float, float]:
    """Mean overhead and its standard error."""
    rng = random.Random(22)
    found = [clock.overhead(rng) for _ in range(runs)]
    return statistics.mean(found), statistics.stdev(found) / math.sqrt(runs)


def lognormal(rng: random.Random) -> float:
    return 900 * rng.lognormvariate(-0.18, 0.6)


def measured(rng: random.Random) -> float:
    return 60.0 * rng.choice(MINUTES)


@pytest.mark.parametrize(
    ("point", "draws", "planned", "mtbf", "hours"),
    [
        (SCATTERS, lognormal, NIGHT, "2 d", 7.5),
        (SCATTERS, lognormal, NIGHT, "30 d", 11.0),
        (SCATTERS, lognormal, WEEK, "12 h", 6.0),
        (MEASURED, measured, NIGHT, "10 d", 11.0),
    ],
)
def test_saves_that_scatter_against_a_clock(
    point: dict[str, Any], draws: Any, planned: Any, mtbf: str, hours: float
) -> None:
    """Within three errors; half a save for each had been .5 to .7 points too much with stops every night."""
    job = job_of(point, planned, mtbf, job={"work": "60 d"})
    strategy = strategy_of(job, hours)
    mean, error = played(clock_of(job, hours, draw=draws), 250)
    found = simulate(job, strategy, 1000, seed=3, workers=1).overhead_fraction
    assert abs(found.mean - mean) < 3 * math.hypot(error, found.standard_error)
    counted = model_for(job).cost(job, strategy).breakdown.total
    assert abs(counted - mean) < 3 * error + 5e-4


@pytest.mark.parametrize(
    ("point", "planned", "mtbf", "hours", "step", "partial"),
    [
        (SCATTERS, NIGHT, "5 d", 1.5, None, False),
        (SCATTERS, NIGHT, "30 d", 19.0, None, False),
        (SCATTERS, NIGHT, "5 d", 22.0, None, False),
        (SCATTERS, WEEK, "2 d", 13.0, None, True),
        (SCATTERS, NIGHT, "5 d", 5.0, "50 min", False),
        (SCATTERS, NIGHT, "5 d", 8.0, "7 min", True),
        (SCATTERS, NIGHT, "5 d", 3.0, "17 min", False),
        (MEASURED, NIGHT, "5 d", 22.0, None, False),
        (MEASURED, NIGHT, "5 d", 6.0, "50 min", False),
        ({**DRAINS, "save_scatter": 1.0}, NIGHT, "5 d", 4.0, None, False),
    ],
)
def test_saves_that_scatter_are_as_they_are_played(
    point: dict[str, Any], planned: Any, mtbf: str, hours: float, step: str | None, partial: bool
) -> None:
    """Within three errors and .05 points, in whole steps, too, and of partial recovery, whose PLS is the same."""
    tables = {"job": {"step": step}} if step else {}
    job = job_of(point, planned, mtbf, **({**SHARDED, **tables} if partial else tables))
    cost, found = as_played(job, strategy_of(job, hours, partial), 600)
    assert abs(cost.pls - found.pls.mean) <= 3 * found.pls.standard_error


def test_saves_that_hardly_scatter_are_as_those_that_do_not() -> None:
    """Two ways to count them, without a line in common but the recursion over failures."""
    even, little = (job_of({**DRAINS, **more}, NIGHT, "5 d") for more in ({}, {"save_scatter": 1e-3}))
    for hours in (3.7, 8.0, 15.0):
        one, other = (model_for(job).cost(job, strategy_of(job, hours)) for job in (even, little))
        assert one.breakdown.total == pytest.approx(float(other.breakdown.total), abs=1e-4)


SLOW: dict[str, Any] = {"share": 0.2, "rate": 0.5, "lasts": "6 h"}


@pytest.mark.parametrize(
    ("slow", "planned", "mtbf", "hours"),
    [
        (SLOW, NIGHT, "2 d", 7.5),
        ({**SLOW, "lasts": "30 min"}, NIGHT, "30 d", 12.0),
        ({"share": 0.05, "rate": 0.7, "lasts": "3 d"}, NIGHT, "30 d", 12.0),
        (SLOW, WEEK, "5 d", 16.0),
    ],
)
def test_stragglers_against_a_clock(slow: dict[str, Any], planned: Any, mtbf: str, hours: float) -> None:
    """Within three errors; half a save for each had been .4 to 1 point too much with stops every night."""
    job = job_of(PLAIN, planned, mtbf, job={"work": "60 d"}, cluster={"stragglers": slow})
    strategy = strategy_of(job, hours)
    assert job.cluster.stragglers is not None
    spells = {"slow_share": slow["share"], "slow_rate": slow["rate"], "spell": job.cluster.stragglers.lasts_s}
    mean, error = played(clock_of(job, hours, **spells), 250)
    found = simulate(job, strategy, 1000, seed=3, workers=1).overhead_fraction
    assert abs(found.mean - mean) < 3 * math.hypot(error, found.standard_error)
    counted = model_for(job).cost(job, strategy).breakdown.total
    assert abs(counted - mean) < 3 * error + 5e-4


DATES = [
    {"lasts": "2 h", "dates": [f"2027-{month:02d}-{day:02d}" for month in range(1, 7) for day in (2, 3, 9, 21)]}
]


@pytest.mark.parametrize(
    ("point", "slow", "planned", "mtbf", "hours", "step", "partial"),
    [
        (PLAIN, SLOW, NIGHT, "5 d", 2.3, None, False),
        (PLAIN, SLOW, [*NIGHT, {"every": "7 d", "lasts": "6 h"}], "2 d", 7.0, None, False),
        (PLAIN, SLOW, NIGHT, "5 d", 6.0, "50 min", False),
        (PLAIN, SLOW, DATES, "5 d", 7.0, None, False),
        (PLAIN, {"share": 0.02, "rate": 0.7}, NIGHT, "5 d", 6.0, None, True),
        (PLAIN, {**SLOW, "lasts": "10 min"}, NIGHT, "5 d", 8.0, "7 min", True),
        (PLAIN, {**SLOW, "lasts": "5 min"}, NIGHT, "30 d", 19.0, None, False),
        ({**DRAINS, "save": "1 min"}, SLOW, NIGHT, "5 d", 4.0, None, False),
        (SCATTERS, SLOW, NIGHT, "5 d", 4.0, None, False),
    ],
)
def test_stragglers_are_as_they_are_played(
    point: dict[str, Any], slow: Any, planned: Any, mtbf: str, hours: float, step: str | None, partial: bool
) -> None:
    """Within three errors and .05 points; beside drains and stragglers stops had been charged twice when played."""
    tables: dict[str, Any] = dict(SHARDED) if partial else {}
    tables["cluster"] = {**tables.get("cluster", {}), "stragglers": slow}
    tables["job"] = {**({"step": step} if step else {}), "start": "2027-01-01"}
    job = job_of(point, planned, mtbf, **tables)
    strategy = strategy_of(job, hours, partial)
    cost = model_for(job).cost(job, strategy)
    found = simulate(job, strategy, 600, seed=1, workers=1)
    overhead = found.overhead_fraction
    assert found.predicted.overhead_fraction == pytest.approx(float(cost.breakdown.total), abs=2e-3)
    assert abs(cost.breakdown.total - overhead.mean) < 3 * overhead.standard_error + 5e-4
    assert abs(cost.pls - found.pls.mean) <= 3 * found.pls.standard_error


def test_stragglers_that_are_none_are_as_a_job_without() -> None:
    """Two kernels play them, and two ways count them."""
    hardly = {"stragglers": {"share": 1e-6, "rate": 0.9}}
    free, slow = job_of(PLAIN, NIGHT, "5 d"), job_of(PLAIN, NIGHT, "5 d", cluster=hardly)
    for hours in (3.7, 8.0):
        one, other = (model_for(job, Exact()).cost(job, strategy_of(job, hours)) for job in (free, slow))
        assert one.breakdown.total == pytest.approx(float(other.breakdown.total), abs=1e-3)
        a, b = (
            simulate(job, strategy_of(job, hours), 400, seed=5, workers=1).overhead_fraction for job in (free, slow)
        )
        assert abs(a.mean - b.mean) < 3 * math.hypot(a.standard_error, b.standard_error)


@pytest.mark.parametrize("lasts", ["5 min", "6 h"])
@pytest.mark.parametrize("mtbf", ["5 d", "30 d"])
def test_no_other_interval_beside_stragglers_costs_less(lasts: str, mtbf: str) -> None:
    """One that leaves no rest in fast or mean nights, or none at all: within .02 points of the best of forty."""
    job = job_of(PLAIN, NIGHT, mtbf, cluster={"stragglers": {**SLOW, "lasts": lasts}})
    model, one = model_for(job), plan(job)["full"]
    costs = [model.cost(job, strategy_of(job, float(hours))).breakdown.total for hours in np.geomspace(2, 30, 40)]
    assert one.overhead_fraction < min(costs) + 2e-4


WARNED: dict[str, Any] = {**PLAIN, "warning": {"lead": "2 min", "recall": 0.5, "precision": 0.8, "save": "1 min"}}


@pytest.mark.parametrize(
    ("planned", "mtbf", "hours", "save", "precision"),
    [
        (NIGHT, "30 d", 19.0, "1 min", 0.8),
        (NIGHT, "2 d", 7.5, "1 min", 0.8),
        (NIGHT, "5 d", 3.0, "40 min", 0.05),
        (WEEK, "2 d", 7.0, "1 min", 0.8),
    ],
)
def test_warnings_against_a_clock(planned: Any, mtbf: str, hours: float, save: str, precision: float) -> None:
    """Within three errors; half a save for each had been up to .6 points off with stops every night.

    One save on a warning takes so long, and so many are false, that a stop often comes before it is complete.
    """
    warning = {**WARNED["warning"], "save": save, "lead": "41 min", "precision": precision}
    point = {**PLAIN, "warning": warning}
    job = job_of(point, planned, mtbf, job={"work": "60 d"})
    strategy, takes = strategy_of(job, hours), 60.0 * float(save.split()[0])
    mean, error = played(clock_of(job, hours, recall=0.5, precision=precision, warned_save=takes), 250)
    found = simulate(job, strategy, 1000, seed=3, workers=1).overhead_fraction
    assert abs(found.mean - mean) < 3 * math.hypot(error, found.standard_error)
    counted = model_for(job).cost(job, strategy).breakdown.total
    assert abs(counted - mean) < 3 * error + 5e-4


@pytest.mark.parametrize(("mtbf", "partial"), [("12 h", False), ("10 d", False), ("2 d", True)])
def test_no_other_interval_beside_warnings_costs_less(mtbf: str, partial: bool) -> None:
    """Within .02 points of the best of forty."""
    tables = {name: keys for name, keys in SHARDED.items() if name != "checkpoint"}
    job = job_of({**WARNED, **SHARDED["checkpoint"]}, NIGHT, mtbf, **tables)
    model = model_for(job)
    chosen = model.partial_interval(job, 0.1) if partial else model.full_interval(job)
    costs = [
        model.cost(job, strategy_of(job, float(hours), partial)).breakdown.total
        for hours in (*np.geomspace(2, 30, 40), chosen.interval_s / HOUR)
    ]
    assert costs[-1] < min(costs) + 2e-4


def test_warnings_without_stops_are_as_the_clock_plays_them() -> None:
    job = job_of(WARNED, None, "2 d", job={"work": "60 d"})
    clock = Clock(60 * DAY, 8 * HOUR, 600.0, 300.0, 2 * DAY, recall=0.5, precision=0.8, warned_save=60.0)
    mean, error = played(clock, 250)
    assert abs(model_for(job).cost(job, strategy_of(job, 8.0)).breakdown.total - mean) < 3 * error + 5e-4


@pytest.mark.parametrize(
    ("point", "tables"), [(SCATTERS, {}), (PLAIN, {"cluster": {"stragglers": SLOW}})], ids=["scatter", "stragglers"]
)
def test_the_plan_says_that_they_are_counted(point: dict[str, Any], tables: dict[str, Any]) -> None:
    said = plan(job_of(point, NIGHT, "5 d", **tables)).warnings
    assert any("the time before each is counted with its own saves" in one for one in said)
    assert any("end just as the stop begins, however long it takes" in one for one in said) == (point is SCATTERS)
