"""Waiting for repairs and planned stops: against a play of them, simpler jobs, and beside all else."""

from __future__ import annotations

import math
import random
import statistics
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, formulas, load_preset, plan, plan_many, simulate
from cprmodel.costing import model_for
from cprmodel.costing.beside import WithStops, planned_stops
from cprmodel.jobs import HOURS_PER_MONTH
from cprmodel.loading import load_job
from cprmodel.planning.pricing import price
from cprmodel.report.explain import explain_lines
from cprmodel.report.whatif import has_formulas
from cprmodel.simulation import Weibull
from tests import slow_stops_loop as loop
from tests.conftest import EXAMPLE

DATA: dict[str, Any] = {
    "job": {"work": "400 d"},
    "failures": {"mtbf": "24 h"},
    "checkpoint": {"save": "2 min", "load": "3 min", "reschedule": "7 min"},
}


def job_of(**tables: dict[str, Any]) -> Job:
    data = {name: {**DATA.get(name, {}), **tables.get(name, {})} for name in {**DATA, **tables}}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


class Played(NamedTuple):
    overhead: float
    error: float
    waited: float  # of the work
    saves: tuple[float, float]  # and their standard error


def played(job: Job, interval_s: float, runs: int, seed: int, fixed: bool = False) -> Played:
    (planned,) = job.failures.planned or (None,)
    setting = loop.Setting(
        work=job.job.work_s,
        interval=interval_s,
        save=job.save_s,
        load=job.load_s,
        reschedule=job.checkpoint.reschedule_s,
        mtbf=job.failure_mix.mtbf_s,
        fixed_repairs=fixed,
    )
    if job.waits_for_repairs:
        setting.spares, setting.repair = job.cluster.spares or 0, job.repair_s or 0.0
        setting.share = 1.0 if job.failures.repair_share is None else job.failures.repair_share
    if planned is not None:
        setting.every, setting.lasts = planned.every_s or math.inf, planned.lasts_s
    rng = random.Random(seed)
    found = [loop.play(setting, rng) for _ in range(runs)]
    times = [one[0] / setting.work - 1 for one in found]
    waits = statistics.mean(one[1] / setting.work for one in found)
    saves = [one[2] for one in found]
    root = math.sqrt(runs)
    return Played(
        statistics.mean(times),
        statistics.stdev(times) / root,
        waits,
        (statistics.mean(saves), statistics.stdev(saves) / root),
    )


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(("spares", "repair", "share"), [(0, "1 h", 1.0), (1, "12 h", 0.5), (3, "2 d", 0.9)])
def test_waiting_against_a_play_of_it(spares: int, repair: str, share: float, fixed: bool) -> None:
    """Repairs of any law, as the formula says; 400 days of 24 h between failures, 30 times."""
    job = job_of(cluster={"spares": spares}, failures={"repair": repair, "repair_share": share})
    one = plan(job, Exact()).best
    mean, error, waits, _ = played(job, one.interval_s, 30, seed=7, fixed=fixed)
    assert abs(mean - one.overhead_fraction) < 3.5 * error
    assert waits == pytest.approx(one.waiting_fraction, abs=3.5 * error)
    assert one.breakdown.reschedule > one.waiting_fraction > 0


@pytest.mark.parametrize(("every", "lasts"), [("7 d", "4 h"), ("30 d", "1 d"), ("3 d", "30 min")])
def test_planned_stops_against_a_play_of_them(every: str, lasts: str) -> None:
    job = job_of(failures={"planned": [{"every": every, "lasts": lasts}]})
    one = plan(job, Exact()).best
    mean, error, _, saves = played(job, one.interval_s, 30, seed=3)
    stops = 400 * 86400 / (job.failures.planned or ())[0].every_s  # type: ignore[operator]
    # how many come is right to one; of each, half a save is taken to be spared
    within = ((job.failures.planned or ())[0].lasts_s + stops * job.save_s / 4) / job.job.work_s
    assert abs(mean - one.overhead_fraction) < 3.5 * error + within
    assert one.planned_fraction == pytest.approx(mean, rel=0.9)
    size = {"size": "120 GB", "bandwidth": "1 GB/s", "save": None}
    sized = job_of(failures={"planned": [{"every": every, "lasts": lasts}]}, checkpoint=size)
    month = price(sized, model_for(sized, Exact()), one.strategy).write_bytes_per_month or 0.0
    written = month / 120e9 * one.time_to_train_s / (HOURS_PER_MONTH * 3600)
    assert abs(saves[0] - written) < 3.5 * saves[1] + stops / 4 + 1  # those before the stops, too
    assert saves[0] - 400 * 86400 / one.interval_s > stops / 4


def test_both_at_once_and_at_random() -> None:
    """25 jobs; of as many comparisons none should lie far beyond three errors."""
    rng, beyond = random.Random(22), 0
    for seed in range(25):
        mtbf, save = 10 ** rng.uniform(4, 5.3), 10 ** rng.uniform(1, 2.5)
        every = rng.uniform(20, 100) * math.sqrt(2 * save * mtbf)
        job = Job.from_mapping(
            {
                "job": {"work_s": 150 * mtbf},
                "cluster": {"spares": rng.choice([0, 1, 2])},
                "failures": {
                    "mtbf_s": mtbf,
                    "repair_s": mtbf * 10 ** rng.uniform(-2, -0.3),
                    "repair_share": rng.uniform(0.2, 1),
                    "planned": [{"every_s": every, "lasts_s": every * rng.uniform(0.01, 0.1)}],
                },
                "checkpoint": {"save_s": save, "load_s": save / 2, "reschedule_s": save},
            }
        )
        one = plan(job, Exact()).best
        mean, error, _, _ = played(job, one.interval_s, 20, seed)
        within = (job.failures.planned or ())[0].lasts_s / job.job.work_s + save / 2 / every
        beyond += abs(mean - one.overhead_fraction) > 3 * error + within
    assert beyond <= 1


def test_the_simulation_agrees() -> None:
    """Of a job that is long beside its repairs, in all that is added; a short one waits less than is said."""
    planned = [{"every": "7 d", "lasts": "4 h"}]
    job = job_of(cluster={"spares": 1}, failures={"repair": "12 h", "repair_share": 0.5, "planned": planned})
    one = plan(job, Exact()).best
    found = simulate(job, one.strategy, 2000, seed=4)
    tolerance = 4 * found.overhead_fraction.standard_error + 4 * 3600 / job.job.work_s
    assert abs(found.overhead_fraction.mean - one.overhead_fraction) < tolerance
    assert found.breakdown.total == pytest.approx(found.overhead_fraction.mean, rel=1e-3)
    assert found.predicted.overhead_fraction == pytest.approx(one.overhead_fraction, rel=1e-12)
    again = simulate(job, one.strategy, 2000, seed=4)
    assert again.times_s.tolist() == found.times_s.tolist()
    short = job_of(job={"work": "3 d"}, cluster={"spares": 1}, failures={"repair": "2 d"})
    best = plan(short, Exact())
    assert simulate(short, best.best.strategy, 4000).overhead_fraction.mean < best.best.overhead_fraction
    assert any("lasts only 1.5" in line for line in best.warnings)


def test_enough_spares_are_as_good_as_none_needed() -> None:
    plain = plan(job_of())["full"]
    many = plan(job_of(cluster={"spares": 60}, failures={"repair": "2 d"}))["full"]
    assert many.overhead_fraction == pytest.approx(plain.overhead_fraction, rel=1e-12)
    assert many.interval_s == plain.interval_s
    never = plan(job_of(failures={"planned": [{"every": "401 d", "lasts": "1 d"}]}, job={"work": "300 d"}))["full"]
    assert never.breakdown == plan(job_of(job={"work": "300 d"}))["full"].breakdown


def test_waiting_is_the_share_of_the_time_that_erlang_gives() -> None:
    """W/(T + O + W) = B(m + 1, ρ), with ρ = share·t_r/μ."""
    job = job_of(cluster={"spares": 2}, failures={"repair": "1 d", "repair_share": 0.5})
    one = plan(job)["full"]
    share = one.waiting_fraction / (1 + one.overhead_fraction)
    assert share == pytest.approx(formulas.erlang_1917_loss(3, 0.5))


def test_each_spare_helps_and_the_plan_says_what_one_does() -> None:
    waits = []
    for spares in range(6):
        answer = plan(job_of(cluster={"spares": spares}, failures={"repair": "2 d"}))
        waits.append(answer.best.waiting_fraction)
        if spares:
            (said,) = [line for line in answer.warnings if "in repair on average" in line]
            assert f"with {spares} spare" in said
            assert "one more would make that" in said
            assert "one less" in said
    assert all(more > less > 0 for more, less in pairwise(waits))
    alone = plan(job_of(failures={"repair": "2 d"})).best
    assert alone.waiting_fraction == waits[0]  # a job without spares shows it


def test_stops_by_dates() -> None:
    """Only those between the start and the end come; each moves the end."""
    dates = ["2027-01-05", "2027-01-20", "2027-02-03", "2026-12-01"]
    planned = [{"lasts": "2 d", "dates": dates}]
    job = job_of(job={"work": "30 d", "start": "2027-01-01"}, failures={"planned": planned})
    assert planned_stops(job, 30 * 86400.0, 120.0) == (3, 2 * 86400.0)  # two days late twice: the third comes, too
    assert planned_stops(job, 28 * 86400.0, 120.0)[0] == 2
    answer = plan(job)
    assert answer.best.planned_fraction == pytest.approx(6 / 30)
    assert any("3 planned stops of 48 h in its time, 20.0% of the work" in line for line in answer.warnings)


@pytest.mark.parametrize(
    ("planned", "stops", "days"),
    [
        ([{"lasts": "3 d", "dates": ["2027-01-05", "2027-01-06"]}], 1, 4),  # down from the 5th to the 9th
        ([{"lasts": "3 d", "dates": ["2027-01-05", "2027-01-05"]}], 1, 3),
        ([{"lasts": "3 d", "dates": ["2027-01-05"]}, {"lasts": "1 d", "dates": ["2027-01-06"]}], 1, 3),
        ([{"lasts": "1 d", "dates": ["2027-01-05", "2027-01-06", "2027-01-08"]}], 2, 3),  # two that touch, and one
        # from the 10th to the 12th, with all of the 11th, and the 21st; the job ends on the 29th
        ([{"lasts": "1 d", "every": "10 d"}, {"lasts": "2 d", "dates": ["2027-01-10", "2027-01-30"]}], 2, 3),
        ([{"lasts": "1 h", "every": "10 d"}, {"lasts": "1 d", "every": "20 d"}], 2, 25 / 24),
    ],
)
@pytest.mark.parametrize("limit", [None, "20 h"])
def test_stops_that_overlap_are_one(
    planned: list[dict[str, Any]], stops: int, days: float, limit: str | None
) -> None:
    """Counted by hand: the cluster is down in the union of them; in a chain of jobs, too, and played."""
    work = {"work": "25 d", "start": "2027-01-01", "time_limit": limit}
    point = {"save": "1 s", "load": "1 s", "reschedule": "0 s", "save_before_limit": True if limit else None}
    mtbf = "100000 d"
    job = job_of(job=work, failures={"mtbf": mtbf, "planned": planned}, checkpoint=point)
    found, mean = planned_stops(job, 25 * 86400.0, 1.0)
    assert (found, found * mean) == (stops, pytest.approx(days * 86400.0))
    one = plan(job).best
    assert one.planned_fraction == pytest.approx(days / 25, rel=1e-3)
    free = job_of(job=work, failures={"mtbf": mtbf}, checkpoint=point)
    more = simulate(job, one.strategy, 50).times_s.mean() - simulate(free, one.strategy, 50).times_s.mean()
    assert more == pytest.approx(days * 86400.0, rel=1e-3)


def test_dates_that_count_for_nothing_are_named() -> None:
    dates = ["2026-12-31", "2027-01-01", "2027-01-05", "2027-02-03"]
    planned = [{"lasts": "2 d", "dates": dates}]
    job = job_of(job={"work": "30 d", "start": "2027-01-01"}, failures={"mtbf": "9000 d", "planned": planned})
    said = "\n".join(plan(job).warnings)
    assert "failures.planned: 2026-12-31 and 2027-01-01 are not after job.start and count for nothing" in said
    # 30 d of work, 2 d of a stop, and less than 3 h for saves, are over on 2 February
    assert "2027-02-03 is after the expected end, 32 d" in said
    assert "and counts for nothing" in said
    assert "1 planned stop of 48 h in its time" in said
    one = plan(job).best
    # a failure, in one of 300 runs, may bring the next one in
    assert one.planned_fraction == pytest.approx(2 / 30, rel=30 / 9000)
    # a stop that moves the end brings the next one in
    later = job_of(job={"work": "32 d", "start": "2027-01-01"}, failures={"mtbf": "9000 d", "planned": planned})
    assert plan(later).best.planned_fraction == pytest.approx(4 / 32, rel=1e-4)
    assert "after the expected end" not in "\n".join(plan(later).warnings)
    none = job_of(
        job={"work": "30 d", "start": "2027-01-01"}, failures={"planned": [{"lasts": "2 d", "dates": dates[:2]}]}
    )
    assert any("0 planned stops in its time, 0% of the work" in line for line in plan(none).warnings)


@pytest.mark.parametrize("source", ["production-dlrm.toml", "storage.toml", "ordered-saves.toml"])
def test_they_come_on_top_of_any_storage_and_any_strategy(source: str) -> None:
    """Every strategy's overhead is its own without them, stretched; its interval and its PLS are as they were."""
    job = load_job(EXAMPLE.parent / source)
    data = job.model_dump(exclude_none=True)
    data["cluster"]["spares"] = 0
    data["failures"] |= {"repair_s": 1800.0}
    more = Job.from_mapping(data)
    waits = formulas.erlang_1917_loss(1, 1800.0 / job.failure_mix.mtbf_s)
    before, after = plan(job), plan(more)
    assert [one.name for one in before.strategies] == [one.name for one in after.strategies]
    for one, other in zip(before.strategies, after.strategies, strict=True):
        assert other.interval_s == one.interval_s
        assert other.expected_pls == one.expected_pls
        assert 1 + other.overhead_fraction == pytest.approx((1 + one.overhead_fraction) / (1 - waits), rel=1e-12)
        assert sum(other.breakdown) == pytest.approx(other.overhead_fraction, rel=1e-12)


def test_of_a_time_limit_and_of_money() -> None:
    limit = {"time_limit": "20 h", "requeue": "25 min", "limit_lead": "10 min"}
    job, free = (job_of(job=limit, failures={"repair": one}) for one in ("30 min", None))
    waits = formulas.erlang_1917_loss(1, 0.5 / 24)
    one, other = plan(job)["full"], plan(free)["full"]
    assert 1 + one.overhead_fraction == pytest.approx((1 + other.overhead_fraction) / (1 - waits), rel=1e-12)
    paid = job_of(
        cluster={"embedding_shards": 8, "trainers": 8},
        failures={"repair": "30 min"},
        checkpoint={"save": None, "size": "1 TB", "bandwidth": "8 GB/s"},
        cost={"node_hour": 2.0, "write_gb": 0.02},
    )
    cheap, fast = (plan(paid, minimise=what)["full"] for what in ("dollars", "overhead"))
    assert cheap.interval_s > fast.interval_s
    assert cheap.dollars_to_train < fast.dollars_to_train  # type: ignore[operator]


@pytest.mark.parametrize("model", [FirstOrder(), Exact(), None])
def test_rows_of_a_sweep_are_the_plans(model: Any) -> None:
    job = job_of(failures={"repair": "1 d", "planned": [{"every": "7 d", "lasts": "4 h"}]}, cluster={"spares": 0})
    found = plan_many(
        job, {"cluster.spares": [0, 1, 4], "failures.planned.0.lasts": ["1 h", "8 h"]}, model, workers=1
    )
    for at in range(6):
        planned = [{"every": "7 d", "lasts_s": float(found["failures.planned.0.lasts"][at])}]
        spares = int(found["cluster.spares"][at])
        other = job_of(failures={"repair": "1 d", "planned": planned}, cluster={"spares": spares})
        assert found["overhead_fraction"][at] == pytest.approx(plan(other, model).best.overhead_fraction, rel=1e-12)


def test_it_is_explained() -> None:
    job = job_of(failures={"repair": "1 d", "planned": [{"every": "7 d", "lasts": "4 h"}]})
    text = "\n".join(explain_lines(plan(job)))
    assert "[waiting_overhead]" in text
    assert "[calendar_stops_overhead]" in text
    dates = {"lasts": "4 h", "dates": ["2027-02-01"]}
    rare = job_of(job={"start": "2027-01-01"}, failures={"planned": [dates]})
    assert "[calendar_stops_overhead]" in "\n".join(explain_lines(plan(rare)))
    levels = [{"save": "10 s", "survives": 0.9}, {"save": "2 min", "load": "3 min", "every": 4}]
    stored = {"level": levels, "save": None, "load": None}
    other = job_of(job={"start": "2027-01-01"}, failures={"planned": [dates]}, checkpoint=stored)
    assert "[calendar_stops_overhead]" in "\n".join(explain_lines(plan(other)))
    warned = {"warning": {"lead": "5 min", "recall": 0.5, "save": "1 min"}}
    for point, formula in ((warned, "calendar_stops_overhead"), ({**stored, **warned}, "planned_overhead")):
        other = job_of(job={"start": "2027-01-01"}, failures={"planned": [dates]}, checkpoint=point)
        assert f"[{formula}]" in "\n".join(explain_lines(plan(other)))
    assert isinstance(model_for(job), WithStops)
    assert not isinstance(model_for(load_preset("cpr-dlrm")), WithStops)


def test_what_does_not_know_them_says_so() -> None:
    job = job_of(failures={"repair": "1 d"})
    with pytest.raises(JobError, match="expected exponential failures that strike always, for jobs that wait"):
        simulate(job, plan(job).best.strategy, 10, law=Weibull(0.7))
    for tables in ({"repair": "1 d"}, {"planned": [{"every": "7 d", "lasts": "4 h"}]}):
        assert not has_formulas(job_of(failures=tables))  # the page is of plans instead


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"cluster": {"spares": 2}}, "failures.repair: expected the mean time of a repair, since cluster.spares"),
        ({"cluster": {"spares": -1}}, "cluster.spares = -1: expected a number of at least 0"),
        (
            {"failures": {"repair_share": 0.5}},
            "failures.repair: expected the mean time of a repair, since failures.rep",
        ),
        (
            {"failures": {"repair": "2 d", "repair_share": 1.5}},
            "failures.repair_share = 1.5: expected a number of at",
        ),
        (
            {"failures": {"planned": [{"every": "7 d"}]}},
            "failures.planned.0.lasts: expected this key, but it is missing",
        ),
        (
            {"failures": {"planned": [{"lasts": "1 h"}]}},
            "failures.planned.0.every: expected one of every and dates",
        ),
        ({"failures": {"planned": [{"lasts": "5 d", "every": "7 d"}]}}, "expected at most half of every"),
        (
            {"failures": {"planned": [{"lasts": "1 h", "dates": []}]}},
            'failures.planned.0.dates = "[]": expected at least one date',
        ),
        (
            {"failures": {"planned": [{"lasts": "1 h", "dates": ["2027-01-01"]}]}},
            "job.start: expected the date on which the job starts, since failures.planned.0 has dates",
        ),
        (
            {"job": {"start": "soon"}, "failures": {"planned": [{"lasts": "1 h", "dates": ["2027-01-01"]}]}},
            'job.start = "soon": expected a date such as "2027-01-15"',
        ),
        (
            {"failures": {"repair": "2 d", "nodes": 8}, "scaling": {"repair": "2 d"}},
            'failures.repair and scaling.repair = "48 h" and "48 h": expected only one of the two',
        ),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
