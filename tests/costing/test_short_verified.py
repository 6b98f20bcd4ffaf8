"""Jobs shorter than their patterns, or hardly longer than their errors take to show: against plays, and force."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from cprmodel import Job, JobError, plan, plan_many, simulate
from cprmodel.costing.patterns import Checked, Pattern
from cprmodel.costing.short_verified import short_latent, short_verified
from cprmodel.costing.verified import Verified
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas import latent_overhead, verified_overhead
from tests.costing.test_patterns import strategy_of
from tests.costing.test_verified import job_of, played

#: Errors every 10 h, failures every 20 h, in jobs of hours.
FAILURES: dict[str, Any] = {"mtbf": "20 h", "silent": {"mtbf": "10 h"}}


def short_job(work: str, **checkpoint: Any) -> Job:
    return job_of(job={"work": work}, failures=FAILURES, checkpoint=checkpoint, accuracy={"pls_budget": 0.9})


def late_job(work: str, latency: str, mtbf: str = "20 h", silent: str = "30 h", **checkpoint: Any) -> Job:
    errors = {"mtbf": silent, "latency": latency}
    point = {"verify": None, **checkpoint}
    return job_of(job={"work": work}, failures={"mtbf": mtbf, "silent": errors}, checkpoint=point)


@pytest.mark.parametrize("name", ["full", "partial"])
@pytest.mark.parametrize(
    ("work", "every", "saves", "checks", "bad"),
    [
        ("2 h", 1800.0, 8, 1, None),  # of a pattern of 4 h
        ("2 h", 4100.0, 1, 4, None),  # a rest with fewer checks in it
        ("11 h", 1800.0, 9, 1, None),  # two patterns and a part of one
        ("5 h", 2600.0, 1, 2, 0.4),
        ("1 h", 7200.0, 1, 1, None),  # an interval of two jobs
    ],
)
def test_against_plays(name: str, work: str, every: float, saves: int, checks: int, bad: float | None) -> None:
    """Within three standard errors of the simulation, and of a play that shares nothing with it; no ends."""
    job = short_job(work, unreadable=bad)
    strategy = strategy_of(job, name, every, saves, checks)
    cost = Verified().cost(job, strategy)
    mean, error, _ = played(job, strategy, 500, seed=saves)
    assert abs(mean - cost.breakdown.total) < 3 * error
    found = simulate(job, strategy, 20_000, seed=4)
    assert abs(found.overhead_fraction.mean - cost.breakdown.total) < 3 * found.overhead_fraction.standard_error
    assert found.predicted.model == "of a job of its length"
    assert found.breakdown.total == pytest.approx(found.overhead_fraction.mean)


def test_random_short_jobs_against_the_simulation() -> None:
    """16 jobs of any pattern, checked, unreadable or late; of 16 at most one beyond three standard errors."""
    off = [deviation(seed) for seed in range(16)]
    assert sum(abs(one) > 3 for one in off) <= 1
    assert abs(float(np.mean(off))) < 3 / math.sqrt(len(off))  # no bias


def deviation(seed: int, runs: int = 6000) -> float:
    """A random short job, predicted and played: standard errors between the two."""
    draw = random.Random(seed)
    mtbf = 10 ** draw.uniform(4, 5.5)
    save = mtbf * 10 ** draw.uniform(-3, -1.7)
    kind = draw.choice(["checked", "checked", "late", "unreadable"])
    silent: dict[str, Any] | None = {"mtbf_s": mtbf * 10 ** draw.uniform(-0.5, 1)}
    work = mtbf * 10 ** draw.uniform(-1.5, 0.7)
    point: dict[str, Any] = {"save": f"{save} s", "load": f"{save} s", "reschedule": f"{3 * save} s"}
    if kind == "late":
        assert silent is not None
        silent["latency_s"] = silent["mtbf_s"] * draw.uniform(0.02, 0.5)
        point["verify"] = None
    elif kind == "unreadable":
        silent = None
        point |= {"verify": None, "unreadable": draw.uniform(0.05, 0.6)}
    else:
        point["verify"] = f"{save * draw.uniform(0.1, 5)} s"
    shares = {"trainer_share": draw.uniform(0, 0.3), "whole_job_share": draw.uniform(0.05, 0.6)}
    job = job_of(
        job={"work": f"{work} s"}, failures={"mtbf": f"{mtbf} s", "silent": silent, **shares}, checkpoint=point
    )
    pattern = (1, 1) if kind != "checked" else draw.choice([(1, draw.randint(2, 5)), (draw.randint(2, 12), 1)])
    every = work / draw.uniform(0.5, 12)
    strategy = strategy_of(job, draw.choice(["full", "partial"]), every, *pattern)
    found = simulate(job, strategy, runs, seed=seed, workers=1).overhead_fraction
    return float((found.mean - Verified().cost(job, strategy).breakdown.total) / found.standard_error)


def walked(work: float, every: float, save: float, load: float, silent: float, late: float, runs: int) -> Any:
    """Time, and whether an error is in the result, of runs in which nothing fails: by hand, save by save."""
    rng, times, unseen = random.Random(3), [], []
    for _ in range(runs):
        time, done = 0.0, 0.0
        while True:
            clean = done + rng.expovariate(1 / silent)  # the work up to which nothing is wrong
            if clean >= work:
                time += work - done + save * (math.ceil(work / every - 1e-9) - round(done / every) - 1)
                unseen.append(False)
                break
            saved = every * math.floor(clean / every)
            saves_since = math.ceil(work / every - 1e-9) - 1 - round(saved / every)
            shows = rng.expovariate(1 / late)  # at work and in saves
            before = clean - done + save * round((saved - done) / every)
            if shows >= work - clean + save * saves_since:
                time += before + work - clean + save * saves_since
                unseen.append(True)
                break
            time, done = time + before + shows + load, saved
        times.append(time / work - 1)
    return np.array(times), np.array(unseen)


def test_errors_that_would_show_after_the_end() -> None:
    """Of a job of 5 d whose errors take 8 h to show: by a walk; a long one is charged a tenth more."""
    work, every, silent, late = 5 * 86400.0, 6000.0, 5 * 86400.0, 8 * 3600.0
    times, unseen = walked(work, every, 60.0, 120.0, silent, late, 30_000)
    found = short_latent(work, every, 60.0, 1e14, silent, late, load_s=120.0)
    assert abs(times.mean() - found.breakdown.total) < 3 * times.std() / math.sqrt(len(times))
    assert abs(unseen.mean() - found.unseen) < 3 * unseen.std() / math.sqrt(len(unseen))
    long = latent_overhead(every, 60.0, 1e14, silent, late, load_s=120.0).total
    assert times.mean() < 0.93 * long
    job = late_job("5 d", "8 h", "1000 yr", "5 d")
    (said,) = [one for one in plan(job).warnings if one.startswith("full: the job is only 15 times as long as")]
    assert "(8 h): errors that it ends before are not counted, and with probability 6.4" in said
    assert "a long job's overhead would be" in said


@pytest.mark.parametrize("name", ["full", "partial"])
@pytest.mark.parametrize(("work", "latency"), [("2 d", "10 h"), ("5 h", "10 h"), ("1 d", "20 min")])
def test_late_errors_in_short_jobs_against_plays(name: str, work: str, latency: str) -> None:
    job = late_job(work, latency)
    strategy = strategy_of(job, name, 3000.0)
    expected = Verified().cost(job, strategy).breakdown.total
    mean, error, _ = played(job, strategy, 300, seed=5)
    assert abs(mean - expected) < 3 * error
    found = simulate(job, strategy, 20_000, seed=6).overhead_fraction
    assert abs(found.mean - expected) < 3 * found.standard_error


def test_a_long_job_is_as_it_was() -> None:
    """What its end is spared is shared out over ever more patterns; from 100 on it is left out."""
    checked: dict[str, Any] = {"save_s": 60.0, "mtbf_s": 1e5, "silent_mtbf_s": 3e5, "load_s": 100.0}
    late, of_check = {**checked, "latency_s": 2e4}, {**checked, "verify_s": 200.0, "saves_per_check": 3.0}
    long = verified_overhead(3000.0, **of_check).total
    shows = latent_overhead(3000.0, **late).total
    apart = [
        (patterns * (short_verified(patterns * 9000.0, 3000.0, **of_check).total / long - 1),
         patterns * (short_latent(patterns * 9000.0, 3000.0, **late).breakdown.total / shows - 1))
        for patterns in (200, 2000, 200_000)
    ]  # fmt: skip
    for each in zip(*apart, strict=True):
        assert each == pytest.approx([each[0]] * 3, rel=1e-3)
    assert abs(apart[0][0]) < 1
    assert abs(apart[0][1]) < 3  # delays are twice as long as a pattern
    job = job_of()  # of a thousand intervals
    one = plan(job)["full"]
    checked_by = Checked(job, one.strategy.recovery, Pattern(*(one.strategy.pattern or (1, 1))))
    assert not checked_by.is_short(one.interval_s)
    assert one.overhead_fraction == checked_by.step(one.interval_s).value.total


@pytest.mark.parametrize(
    ("work", "verify", "save", "step"),
    [
        ("50 min", "2 min", "1 min", None),
        ("6 h", "10 min", "1 min", None),
        ("6 h", "5 s", "8 min", "7 min"),
        ("60 h", "5 s", "8 min", None),
        ("60 h", "10 min", "1 min", "7 min"),
    ],
)
def test_no_other_pattern_costs_less(step: str | None, verify: str, save: str, work: str) -> None:
    job = job_of(
        job={"work": work, "step": step},
        failures=FAILURES,
        checkpoint={"verify": verify, "save": save},
        accuracy={"pls_budget": 0.02},
    )
    every = np.unique(np.concatenate([np.geomspace(60, job.job.work_s, 500), job.job.work_s / np.arange(1, 120)]))
    if step is not None:
        every = np.minimum(420.0 * np.unique(np.maximum(np.round(every / 420), 1)), job.job.work_s)
    for one in plan(job).strategies:
        if one.name == "partial-at-full-interval":
            continue
        least = np.inf
        for pattern in [(n, 1) for n in range(1, 40)] + [(1, n) for n in range(2, 30)]:
            totals, pls = Verified().curve(job, strategy_of(job, one.name, 1.0, *pattern), every)
            kept = totals[pls <= 0.02] if one.name == "partial" else totals
            least = min(least, kept.min(initial=np.inf))
        assert one.overhead_fraction <= least * (1 + 1e-9), one.name


def test_late_errors_no_other_interval_costs_less() -> None:
    job = late_job("2 d", "10 h")
    for one in plan(job).strategies:
        if one.name != "partial-at-full-interval":
            every = np.concatenate([np.geomspace(300, 172800, 150), 172800 / np.arange(20, 120)])
            totals, pls = Verified().curve(job, one.strategy, every)
            kept = totals[pls <= 0.01] if one.name == "partial" else totals
            assert one.overhead_fraction <= kept.min() * (1 + 1e-9)


def test_more_saves_to_a_check_than_a_job_has() -> None:
    """Only its end is checked, however many they are; also where steps are given."""
    few = plan(short_job("2 h", verify_every=40))["full"]
    many = plan(
        job_of(
            job={"work": "2 h", "step": "10 s"},
            failures=FAILURES,
            checkpoint={"verify_every": 10**9},
            accuracy={"pls_budget": 0.9},
        )
    )
    assert many["full"].overhead_fraction == pytest.approx(few.overhead_fraction, rel=1e-4)
    assert many["full"].overhead_fraction >= few.overhead_fraction * (1 - 1e-9)
    assert any("no save is checked before the end of the job" in one for one in many.warnings)
    with pytest.raises(JobError) as error:
        plan(job_of(job={"step": "10 s", "work": "12 yr"}, checkpoint={"verify_every": 10**9}))
    assert str(error.value) == (
        "job: checkpoint.verify_every = 1000000000: expected fewer saves to a check: a job of 4,383 d would "
        "never end, for silent errors come every 5 d (failures.silent.mtbf)"
    )


@pytest.mark.parametrize("surely", [0.9, 0.9999])  # what it is where a file does not say, too
def test_a_probability_of_nothing_is_refused(surely: float) -> None:
    said = (
        f"checkpoint.surely = {surely}: expected checkpoint.unreadable or failures.silent.latency beside it: "
        "without them the last save (that was checked) is always a good one"
    )
    for job in ({}, {"failures": {"silent": None}, "checkpoint": {"verify": None}}):
        point = {**job.get("checkpoint", {}), "surely": surely}
        with pytest.raises(JobError) as error:
            job_of(**{**job, "checkpoint": point})
        assert said in str(error.value)
        assert "\n" not in str(error.value)


def test_it_composes() -> None:
    """With money (nothing is written at the end), sweeps, and waiting for a repair."""
    found = plan_many(short_job("9 h"), {"failures.silent.mtbf": ["5 h", "40 h"]}, workers=1)
    for at, mtbf in enumerate(["5 h", "40 h"]):
        failures = {"mtbf": "20 h", "silent": {"mtbf": mtbf}}
        best = plan(job_of(job={"work": "9 h"}, failures=failures, accuracy={"pls_budget": 0.9})).best
        assert found["overhead_fraction"][at] == pytest.approx(best.overhead_fraction, rel=1e-12)
    paid = job_of(
        job={"work": "40 min"},
        cluster={"trainers": 8},
        failures=FAILURES,
        checkpoint={"save": None, "size": "1 TB", "bandwidth": "8 GB/s"},
        cost={"node_hour": 2.0, "write_gb": 0.02},
    )
    alone = Strategy("full", paid.full_recovery, strategy_of(paid, "full", 1.0).saving, 2400.0)
    assert Verified().cost(paid, alone).written_per_s == 0
