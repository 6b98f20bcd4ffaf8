"""Planned stops that come by a period and are not rare: by hand, against a clock played here, and the rare ones."""

from __future__ import annotations

import math
import random
import statistics
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, Job, JobError, formulas, plan, simulate
from cprmodel.costing import model_for
from cprmodel.facts.strategies import Strategy

HOUR, DAY = 3600.0, 86400.0
#: Every night at the same hour for an hour.
NIGHT: dict[str, Any] = {
    "job": {"work": "120 d"},
    "failures": {"mtbf": "30 d", "planned": [{"every": "1 d", "lasts": "1 h"}]},
    "checkpoint": {"save": "15 min", "load": "10 min", "reschedule": "5 min"},
}
SHARDED: dict[str, Any] = {
    "cluster": {"embedding_shards": 8},
    "failures": {"trainer_share": 0.05, "whole_job_share": 0.1},
    "checkpoint": {"partial_load": "30 s", "partial_reschedule": "3 min"},
    "accuracy": {"pls_budget": 0.1},
}


def job_of(*more: dict[str, Any], **tables: dict[str, Any]) -> Job:
    data = {name: dict(keys) for name, keys in NIGHT.items()}
    for one in (*more, tables):
        for name, keys in one.items():
            data[name] = {**data.get(name, {}), **keys}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


def full_of(job: Job, hours: float) -> Strategy:
    return Strategy("full", job.full_recovery, job.saving, hours * HOUR)


class _Failed(Exception):
    pass


def _played(job: Job, interval: float, rng: random.Random) -> float:
    """The overhead of one run by the clock: a save that ends when the stop begins, and a load after it.

    Nothing here is the package's: no formula, no calendar.
    """
    work, save, load = job.job.work_s, job.save_s, job.load_s
    down, mtbf = job.checkpoint.reschedule_s, job.failure_mix.mtbf_s
    (one,) = job.failures.planned or ()
    every, lasts = one.every_s or math.inf, one.lasts_s
    now = done = saved = 0.0
    fails, stop = rng.expovariate(1 / mtbf), every

    def passes(seconds: float) -> float:
        """Time goes by until the stop, or raises where a failure strikes before."""
        nonlocal now, fails
        until = min(now + seconds, stop)
        if fails < until:
            now, fails = fails, fails + rng.expovariate(1 / mtbf)
            raise _Failed
        took, now = until - now, until
        return took

    waits = 0.0
    while True:
        try:
            if now >= stop - 1e-9:  # the stop, in which nothing fails
                done, now, fails, waits = saved, stop + lasts, fails + lasts, load
                stop += every
            while waits > 1e-6 and now < stop:
                waits -= passes(waits)
            if now >= stop:
                continue
            piece, left = min(interval, work - saved) - (done - saved), stop - save - now
            if saved + interval >= work and piece <= stop - now:
                left = piece  # the work ends, without a save
            elif piece + save > left:
                piece = left  # no time for this save and the one before the stop: only that one
            began = now
            try:
                done += passes(max(min(piece, left), 0.0))
            except _Failed:
                done += now - began
                raise
            if done >= work - 1e-6:
                return now / work - 1
            if now + save > stop + 1e-3:  # too late for a save: wait for the stop
                passes(math.inf)
                continue
            passes(save)
            now = stop if stop - now < 1e-3 else now
            saved = done
        except _Failed:
            done, waits = saved, down + load


@pytest.mark.parametrize(("hours", "mtbf"), [(12.0, 30), (19.0, 30), (30.0, 30), (4.3, 2)])
def test_against_a_clock_that_is_played(hours: float, mtbf: int) -> None:
    """An hour every night: what is planned, and what is simulated, within three errors."""
    job = job_of(failures={"mtbf": f"{mtbf} d"})
    rng = random.Random(22)
    runs = [_played(job, hours * HOUR, rng) for _ in range(300)]
    mean, error = statistics.mean(runs), statistics.stdev(runs) / math.sqrt(len(runs))
    strategy = full_of(job, hours)
    planned = model_for(job, Exact()).cost(job, strategy)
    assert abs(planned.breakdown.total - mean) < 3 * error
    found = simulate(job, strategy, 1000, seed=1).overhead_fraction
    assert abs(found.mean - mean) < 3 * math.hypot(error, found.standard_error)


def test_no_regular_save_is_best_where_the_nights_are_near() -> None:
    """7.97% were played with none; the best without stops, 19 h, has each piece followed by a short one."""
    job = job_of()
    one = plan(job)["full"]
    assert one.interval_s == pytest.approx(22 * HOUR + 35 * 60)  # a day less the hour, a load and a save
    assert one.overhead_fraction == pytest.approx(0.0797, abs=5e-4)
    assert one.set_by == "the time between planned stops"
    assert any("no regular save between two planned stops" in line for line in plan(job).warnings)


@pytest.mark.parametrize("step", [None, "7 min"])
@pytest.mark.parametrize("mtbf", ["30 d", "4 d", "12 h"])
def test_no_other_interval_costs_less(mtbf: str, step: str | None) -> None:
    job = job_of(SHARDED, failures={"mtbf": mtbf}, job={"step": step} if step else {})
    model = model_for(job, Exact())
    answer = plan(job, Exact())
    for one in (answer["full"], answer["partial"]):
        tried = np.geomspace(1200.0, 24 * HOUR, 150)
        if job.job.step_s:
            tried = job.job.step_s * np.unique(np.round(tried / job.job.step_s))
            assert one.interval_steps == pytest.approx(one.interval_s / job.job.step_s)
        costs = [
            model.cost(job, Strategy(one.name, one.strategy.recovery, job.saving, float(every))) for every in tried
        ]
        kept = [float(cost.breakdown.total) for cost in costs if one.name == "full" or cost.pls <= 0.1]
        assert one.overhead_fraction < min(kept) + 5e-4
        assert one.expected_pls <= 0.1 * (1 + 1e-9)


@pytest.mark.parametrize("mtbf", ["30 d", "2 d"])
def test_partial_recovery_against_the_simulation(mtbf: str) -> None:
    """A stop that a part repairs takes the save before a planned one, in which there is no time for another."""
    job = job_of(SHARDED, failures={"mtbf": mtbf})
    one = plan(job, Exact())["partial"]
    for hours in (one.interval_s / HOUR, 13.0, 22.0):
        strategy = Strategy("partial", job.partial_recovery, job.saving, hours * HOUR)
        found = simulate(job, strategy, 700, seed=2)
        within = 3 * found.overhead_fraction.standard_error
        assert abs(found.overhead_fraction.mean - found.predicted.overhead_fraction) < within


def test_half_of_each_hour_by_hand() -> None:
    """An hour has 30 minutes of a stop, 5 of a load, 5 of a save, and 20 of work; failures are negligible.

    In the first hour there are two regular saves: 20, 20 and 5 minutes of work. Then 4,317 times 20 minutes, and 15
    after the last stop, which begins after 4,318 hours, and a load.
    """
    planned = [{"every": "1 h", "lasts": "30 min"}]
    point = {"save": "5 min", "load": "5 min", "reschedule": "5 min"}
    job = job_of(job={"work": "60 d"}, failures={"mtbf": "10000000 d", "planned": planned}, checkpoint=point)
    by_hand = (4318 * HOUR + 50 * 60) / (60 * DAY) - 1
    one = plan(job)["full"]
    assert one.overhead_fraction == pytest.approx(by_hand, abs=1e-3)
    assert one.interval_s == pytest.approx(20 * 60)
    assert simulate(job, one.strategy, 20).overhead_fraction.mean == pytest.approx(by_hand, rel=1e-5)


def test_rare_stops_take_half_a_save_each() -> None:
    """Where failures are many between two stops, and saves more still, it is the formula of rare ones."""
    job = job_of(
        job={"work": "400 d"},
        failures={"mtbf": "3 d", "planned": [{"every": "30 d", "lasts": "1 h"}]},
        checkpoint={"save": "1 min", "load": "90 s"},
    )
    calm = job.model_copy(update={"failures": job.failures.model_copy(update={"planned": None})})
    for hours in (0.9, 1.0, 1.3):
        found, without = (model_for(one, Exact()).cost(one, full_of(one, hours)).breakdown for one in (job, calm))
        rare = formulas.planned_overhead(work_s=400 * DAY, planned=13, outage_s=HOUR, save_s=60.0, load_s=90.0)
        up = (1 + found.total - rare.reschedule) / (1 + without.total)  # time in which failures come, by without
        assert found.reschedule - up * without.reschedule == pytest.approx(rare.reschedule, rel=1e-9)
        assert found.load - up * without.load == pytest.approx(rare.load, rel=1e-9)
        assert found.total - without.total == pytest.approx(rare.total, abs=13 * 60.0 / (400 * DAY))


#: Periods and lengths of stops, MTBF, interval and step. One failure between two stops at the most, to first order,
#: had been up to .87 points off here.
FREQUENT = [
    ("1 d", "1 h", 2, 13.0, None),
    ("1 d", "1 h", 2, 5.0, None),
    ("31 h", "1 h", 8, 7.5, "50 min"),
    ("2 d", "3 h", 1, 20.0, None),
    ("7 d", "4 h", 1, 30.0, None),
]


@pytest.mark.parametrize(("every", "lasts", "mtbf", "hours", "step"), FREQUENT)
def test_many_failures_between_stops_by_a_period(
    every: str, lasts: str, mtbf: int, hours: float, step: str | None
) -> None:
    job = job_of(
        job={"step": step} if step else {},
        failures={"mtbf": f"{mtbf} d", "planned": [{"every": every, "lasts": lasts}]},
    )
    found = simulate(job, full_of(job, hours), 1000, seed=7)
    within = 3 * found.overhead_fraction.standard_error
    assert abs(found.overhead_fraction.mean - found.predicted.overhead_fraction) < within


def test_stops_without_time_between_are_refused() -> None:
    planned = [{"every": "1 h", "lasts": "30 min"}]
    with pytest.raises(JobError, match="leave no time for work between a load and a save") as error:
        plan(job_of(failures={"planned": planned}, checkpoint={"save": "20 min"}))
    assert "\n" not in str(error.value)


EVENINGS = [f"2027-01-{day:02d}" for day in range(2, 30)]
#: Hours from the end of a stop until the next one begins, of one night to two and a half days.
APART = [41.0, 17.0, 33.0, 58.0, 9.0, 23.0, 30.0, 12.0, 49.0, 21.0, 36.0, 15.0, 55.0, 27.0]


def dates_of(apart: list[float], lasts: float) -> list[str]:
    """Dates of stops so many hours apart, each of which lasts so many hours."""
    found, now = [], datetime.fromisoformat("2027-01-01")
    for hours in apart:
        now += timedelta(hours=hours)
        found.append(now.isoformat(sep=" "))
        now += timedelta(hours=lasts)
    return found


NIGHTS_AND_WEEKS = [{"every": "1 d", "lasts": "1 h"}, {"every": "7 d", "lasts": "6 h"}]
TWO_PERIODS = [{"every": "31 h", "lasts": "1 h"}, {"every": "47 h", "lasts": "3 h"}]
BY_DATES = [{"lasts": "2 h", "dates": dates_of(APART, 2.0)}]


@pytest.mark.parametrize(
    ("planned", "work", "mtbf", "hours", "step", "partial"),
    [
        ([{"lasts": "1 h", "dates": EVENINGS}], "26.5 d", 30, 19.0, None, False),
        ([{"lasts": "1 h", "dates": EVENINGS}], "26.5 d", 10, 6.0, None, False),
        ([{"lasts": "1 h", "dates": EVENINGS}], "26.5 d", 10, 30.0, None, False),
        (BY_DATES, "17 d", 10, 11.0, None, False),
        (BY_DATES, "17 d", 2, 5.0, None, False),
        (NIGHTS_AND_WEEKS, "100 d", 20, 16.0, None, False),
        (NIGHTS_AND_WEEKS, "100 d", 5, 9.0, None, False),
        (TWO_PERIODS, "100 d", 8, 7.5, "50 min", False),
        (NIGHTS_AND_WEEKS, "100 d", 3, 14.0, None, True),
        (BY_DATES, "17 d", 2, 13.0, None, True),
    ],
)
def test_dates_and_several_kinds_are_as_they_are_played(
    planned: list[dict[str, Any]], work: str, mtbf: float, hours: float, step: str | None, partial: bool
) -> None:
    """The simulation goes by the clock, and knows of no interval that is cut: within three errors."""
    tables = {"job": {"work": work, "start": "2027-01-01", **({"step": step} if step else {})}}
    job = job_of(*([SHARDED] if partial else []), failures={"mtbf": f"{mtbf} d", "planned": planned}, **tables)
    strategy = full_of(job, hours)
    if partial:
        strategy = Strategy("partial", job.partial_recovery, job.saving, hours * HOUR)
    found = simulate(job, strategy, 1500, seed=1)
    planned_for = model_for(job, Exact()).cost(job, strategy).breakdown.total
    assert found.predicted.overhead_fraction == planned_for
    assert abs(planned_for - found.overhead_fraction.mean) < 3 * found.overhead_fraction.standard_error


def test_dates_that_are_those_of_a_period_cost_as_much() -> None:
    """Every night by dates, or as two kinds: alike; within 0.1 points of the period's, which counts whole stops."""
    work, first = {"work": "26.5 d", "start": "2027-01-01"}, datetime.fromisoformat("2027-01-01")
    nights = [(first + timedelta(days=one)).isoformat() for one in range(1, 45)]
    planned = [{"lasts": "1 h", "dates": nights}]
    halves = [{"lasts": "1 h", "dates": nights[::2]}, {"lasts": "1 h", "dates": nights[1::2]}]
    jobs = [job_of(job=work), *(job_of(job=work, failures={"planned": one}) for one in (planned, halves))]
    for hours in (4.0, 11.0, 19.0, 22.0):
        one, other, two = (model_for(job, Exact()).cost(job, full_of(job, hours)).breakdown for job in jobs)
        assert other.total == pytest.approx(one.total, abs=1e-3)
        assert two == other


def test_stops_by_dates_by_hand() -> None:
    """Stops that leave 20 h and 9 h, and a third 40 min after; no failures, saves of 15 min every 5 h.

    Before the first one 5 h are worked three times and 4 h once, with a save after each; then a load of 10 min, 5 h
    and 3 h 20 min, with a save after each; then a load, 15 min of work, and a save. The rest is saved every 5 h.
    """
    apart = dates_of([20.0, 9.0, 40 / 60], 2.0)
    job = job_of(
        job={"work": "300 h", "start": "2027-01-01"},
        failures={"mtbf": "10000000 d", "planned": [{"lasts": "2 h", "dates": apart}]},
    )
    saves = 4 + 2 + 1
    left = 300 - (19 + 8 + 20 / 60 + 15 / 60)
    saves += math.ceil(left / 5) - 1
    by_hand = (saves * 15 + 3 * 10 + 3 * 120) / 60 / 300
    one = model_for(job, Exact()).cost(job, full_of(job, 5.0))
    assert one.breakdown.total == pytest.approx(by_hand, rel=1e-6)
    assert one.breakdown.load == pytest.approx(3 * 10 / 60 / 300)
    assert simulate(job, full_of(job, 5.0), 20).overhead_fraction.mean == pytest.approx(by_hand, rel=1e-6)


def test_an_interval_that_fits_the_frequent_times_is_found() -> None:
    """Six nights of seven leave 22 h 35 min for work and a save: the best without stops wastes some."""
    job = job_of(failures={"planned": NIGHTS_AND_WEEKS})
    answer = plan(job, Exact())
    assert answer["full"].set_by == "the time between planned stops"
    assert any("the time before each is counted with its own saves" in line for line in answer.warnings)
    model = model_for(job, Exact())
    free = job_of(failures={"planned": None})
    usual = plan(free, Exact())["full"].interval_s / HOUR
    costs = [model.cost(job, full_of(job, hours)).breakdown.total for hours in (usual, *range(2, 24))]
    assert answer["full"].overhead_fraction < 1.001 * min(costs)
    assert answer["full"].overhead_fraction < 0.99 * costs[0]


def test_dates_beside_drains_and_warnings_say_how_far_off_they_may_be() -> None:
    """Of these half a save is charged; a note says up to how much that is off."""
    job = job_of(
        job={"work": "27 d", "start": "2027-01-01"},
        failures={"planned": [{"lasts": "1 h", "dates": EVENINGS}]},
        checkpoint={
            "warning": {"lead": "2 min", "recall": 0.5, "precision": 0.8, "save": "1 min"},
            "drain": "5 min",
            "overlap": 0.8,
        },
    )
    assert any("half a save is charged for each" in line for line in plan(job).warnings)


@pytest.mark.parametrize(("hours", "mtbf", "sharded"), [(6, "3 h", False), (20, "3 h", False), (6, "4 h", True)])
def test_failures_are_charged_as_often_as_they_come(hours: float, mtbf: str, sharded: bool) -> None:
    """Loads, rescheduling and lost work apart, with intervals far too long for the failures: as they are played.

    Each is some share of the time that a job takes, whose own relative error is the yardstick. Loads had been
    charged as often as failures come where nobody stops, and at 20 hours less than nothing was lost.
    """
    more = [SHARDED] if sharded else []
    job = job_of(*more, job={"work": "20 d"}, failures={"mtbf": mtbf}, checkpoint={"save": "5 min"})
    recovery = job.partial_recovery if sharded else job.full_recovery
    strategy = Strategy(recovery.name, recovery, job.saving, hours * HOUR)
    said = model_for(job, Exact()).cost(job, strategy).breakdown
    found = simulate(job, strategy, runs=1500, seed=5)
    error = 4 * float(np.std(found.times_s)) / 1500**0.5 / found.time_to_train_s.mean
    for part in ("load", "lost", "reschedule"):
        assert getattr(said, part) == pytest.approx(getattr(found.breakdown, part), rel=error + 0.02), part


def test_an_interval_that_keeps_hardly_anything_between_stops_is_left_out() -> None:
    job = job_of(job={"current_interval": "20 h"}, failures={"mtbf": "1 h"}, checkpoint={"save": "5 min"})
    found = plan(job, Exact())
    assert found.recommended == "full"
    assert any(one.startswith("current: left out") and "hardly any work is kept" in one for one in found.warnings)
