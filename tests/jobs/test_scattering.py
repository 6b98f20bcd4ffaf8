"""Times of saves that scatter, in job files: two quantiles, or measured times, and one line for what is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cprmodel import Advisor, Job, JobError, SteadyState, plan
from cprmodel.costing import saving_of
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.storage import StoredSave
from cprmodel.jobs import job_from_text

HEAD = """
[job]
work = "14 d"
[failures]
mtbf = "6 h"
[checkpoint]
load = "40 s"
"""
WARNED = '[checkpoint.warning]\nlead = "2 min"\nrecall = 0.6\n'
LEVELS = """
[job]
work = "14 d"
[failures]
mtbf = "6 h"
[[checkpoint.level]]
name = "memory"
save = "9 s"
survives = 0.9
[[checkpoint.level]]
name = "remote"
"""


def saving(text: str) -> StoredSave:
    found = saving_of(job_from_text(text))
    assert isinstance(found, StoredSave)
    return found


def test_two_quantiles_are_a_lognormal_law() -> None:
    job = job_from_text(HEAD + 'save = ["40 s", "90 s"]')
    sigma = job.checkpoint.save_scatter
    assert sigma is not None
    law = stats.lognorm(s=sigma, scale=job.save_s * math.exp(-(sigma**2) / 2))
    assert law.ppf([0.5, 0.9]) == pytest.approx([40.0, 90.0], rel=1e-12)
    assert law.mean() == pytest.approx(job.save_s, rel=1e-12)
    scatter = saving(HEAD + 'save = ["40 s", "90 s"]').levels[0].scatter
    assert scatter is not None
    for share in (0.2, 1.0, 3.0):
        assert float(scatter.within(share)) == pytest.approx(law.cdf(share * job.save_s), rel=1e-12)
    for x in (1e-4, 0.01, 0.5):
        expected = law.expect(lambda t, x=x: np.exp(-x * t / job.save_s), lb=1e-6, ub=1e5, epsabs=1e-11, limit=500)
        assert float(scatter.spared(x)) == pytest.approx(expected, rel=1e-7)


def test_measured_times_in_a_list_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text('"time of a save"\n50 s\n\n0.5 min,\n"1 min"\n', encoding="utf-8")
    (tmp_path / "job.toml").write_text(HEAD + 'save_times = "times.csv"', encoding="utf-8")
    of_file = Job.from_file(tmp_path / "job.toml")
    of_list = job_from_text(HEAD + 'save_times = ["1 min", "30 s", "50 s"]')
    assert of_file == of_list
    assert of_list.checkpoint.save_times == (30.0, 50.0, 60.0)
    assert of_list.save_s == pytest.approx(140 / 3)
    assert Job.from_mapping(of_list.model_dump(exclude_none=True)) == of_list
    assert Job.from_mapping(of_list.model_dump(mode="json", exclude_none=True)) == of_list
    # beside a save the times say how it scatters, around that mean
    around = job_from_text(HEAD + 'save = "100 s"\nsave_times = ["30 s", "50 s", "60 s"]')
    assert around.save_s == 100
    assert around.checkpoint.scatter == of_list.checkpoint.scatter


def test_a_save_that_is_not_the_mean_of_its_times_is_noted() -> None:
    times = 'save_times = ["30 s", "50 s", "60 s"]\n'
    said = "checkpoint.save (1 min 40 s) beside save_times, whose mean is 46.7 s: saves take 1 min 40 s on average"
    assert any(one.startswith(said) for one in plan(job_from_text(HEAD + 'save = "100 s"\n' + times)).warnings)
    for alone in (times, 'save = "46.7 s"\n' + times):
        assert not any("save_times" in one for one in plan(job_from_text(HEAD + alone)).warnings)
    level = job_from_text(LEVELS + 'save = "100 s"\n' + times + WARNED + 'save = "3 min"\n' + times)
    noted = [one.split(" (")[0] for one in level.assumptions() if "save_times" in one]
    assert noted == ["checkpoint.warning.save", "checkpoint.level.1.save"]


def test_many_measured_times_are_taken_in_groups() -> None:
    times = np.sort(np.random.default_rng(3).gamma(4.0, size=5000))
    scatter = Scatter(factors=tuple(map(float, times / times.mean())))
    for x in (1e-3, 0.01, 0.1):  # of the MTBF: a save is hardly longer
        expected = float(np.exp(-x * np.array(scatter.factors)).mean())
        assert float(scatter.spared(x)) == pytest.approx(expected, rel=1e-5)


def test_times_that_do_not_scatter_are_one_time() -> None:
    assert job_from_text(HEAD + 'save = ["40 s", "40 s"]') == job_from_text(HEAD + 'save = "40 s"')
    alike = saving(HEAD + 'save_times = ["40 s", "40 s"]')
    assert (alike.levels[0].scatter, alike.levels[0].save_s) == (None, 40)
    nothing = plan(job_from_text(HEAD + 'save = "40 s"\nsave_scatter = 0.0'))
    constant = plan(job_from_text(HEAD + 'save = "40 s"'), SteadyState())
    assert nothing.best.overhead_fraction == pytest.approx(constant.best.overhead_fraction, rel=1e-9)


def test_what_scatters_costs_as_much_as_shorter_saves() -> None:
    """Of the transform of the law alone: −μ ln E[exp(−X/μ)], by a sum over the measured times."""
    times = [20.0, 40.0, 400.0, 900.0]
    scattered = plan(job_from_text(HEAD + f"save_times = {[f'{one} s' for one in times]}"))
    mtbf = 6 * 3600.0
    alike = -mtbf * math.log(sum(math.exp(-one / mtbf) for one in times) / 4)
    constant = plan(job_from_text(HEAD + f'save = "{alike!r} s"'), SteadyState())
    assert scattered["full"].overhead_fraction == pytest.approx(constant["full"].overhead_fraction, rel=1e-9)
    assert scattered["full"].interval_s == pytest.approx(constant["full"].interval_s, rel=1e-4)


def test_whether_a_save_fits_a_warning_is_a_probability() -> None:
    """Where the lead is about as long as the save, the plan no longer falls off a cliff."""
    leads = np.geomspace(10, 400, 25)
    overheads = []
    for lead in leads:
        text = HEAD + 'save = ["40 s", "90 s"]\n' + WARNED.replace("2 min", f"{lead} s")
        warned, level = saving(text).warned, saving(text).levels[0]
        assert warned is not None
        assert level.scatter is not None
        assert warned.in_time == pytest.approx(
            min(float(level.scatter.within(lead / level.save_s)), 0.99), abs=1e-9
        )
        overheads.append(plan(job_from_text(text)).best.overhead_fraction)
    assert np.all(np.diff(overheads) <= 1e-9)
    assert np.abs(np.diff(overheads)).max() < 0.2 * (overheads[0] - overheads[-1])
    assert overheads[0] / overheads[-1] > 1.2


def test_a_warned_save_goes_where_it_fits_nine_times_in_ten() -> None:
    level = 'save = ["60 s", "110 s"]\n'
    assert saving(LEVELS + level + WARNED).warned == saving(LEVELS + level + WARNED + 'level = "remote"').warned
    slower = LEVELS + 'save = ["60 s", "130 s"]\n'
    warned = saving(slower + WARNED).warned
    assert warned is not None
    assert warned.level == 0
    warned = saving(slower + WARNED + 'level = "remote"').warned
    assert warned is not None
    assert 0.85 < warned.in_time < 0.9
    # its own time, in the place of the level's
    own = saving(slower + WARNED + 'save = ["30 s", "50 s"]\n').warned
    assert own is not None
    assert (own.level, own.in_time) == (None, pytest.approx(0.99, abs=1e-9))
    # a drain that follows takes its time without scatter
    drains = saving(HEAD + 'save = ["20 s", "30 s"]\noverlap = 0.9\ndrain = "1 min"\n' + WARNED).warned
    assert drains is not None
    assert (drains.fixed_s, drains.save_s > 80) == (60, True)


def test_an_advisor_takes_saves_that_scatter() -> None:
    job = job_from_text(HEAD + 'save = ["40 s", "90 s"]\n' + WARNED)
    advisor = Advisor(job, "full", None)
    advisor.saved(30.0)
    assert advisor.interval_s > 0


WRONG = {
    "one quantile": ('save = ["40 s"]', 'checkpoint.save = ["40 s"]: expected a time with its unit'),
    "quantiles that fall": (
        'save = ["40 s", "30 s"]',
        "expected P50 and P90: the second no shorter than the first",
    ),
    "a quantile without a unit": ('save = ["40 s", "30"]', 'expected a time with its unit, such as "30 min"'),
    "quantiles without units": ("save = [40, 90]", "checkpoint.save = [40, 90]: expected a time with its unit"),
    "times without units": (
        "save_times = [1.5, 90, 3]",
        "checkpoint.save_times = 1.5: expected at least two measured times, each with its unit",
    ),
    "quantiles far apart": ('save = ["4 s", "90 s"]', "expected a P90 of at most 12.9 times P50"),
    "two scatters": (
        'save = "40 s"\nsave_scatter = 0.5\nsave_times = ["4 s", "5 s"]',
        'checkpoint.save_scatter and save_times = 0.5 and ["4 s", "5 s"]: expected only one of the two',
    ),
    "a scatter of a scatter": (
        'save = ["40 s", "90 s"]\nsave_scatter = 0.5',
        "expected one time beside save_scatter",
    ),
    "a scatter of nothing": (
        'size = "1 TB"\nbandwidth = "5 GB/s"\nsave_scatter = 0.5',
        "checkpoint.save_scatter = 0.5: expected save beside it, the mean",
    ),
    "one time": ('save_times = ["40 s"]', 'checkpoint.save_times = ["40 s"]: expected at least two measured times'),
    "a time that is none": ('save_times = ["40 s", "x"]', 'checkpoint.save_times = "x": expected a time'),
    "no such file": (
        'save_times = "no.txt"',
        'save_times = "no.txt": expected measured times, but there is no such file',
    ),
    "beside a time limit": (
        'save = ["40 s", "90 s"]\n[job]\nwork = "14 d"\ntime_limit = "20 h"',
        "expected no time limit beside checkpoint.save (it scatters): of jobs that end at one only saves that "
        "block are modelled, for one time each (checkpoint.save as one time, its mean, comes nearest)",
    ),
    "beside unreadable saves": (
        'save = ["40 s", "90 s"]\nunreadable = 0.01',
        "no such key beside checkpoint.save (it scatters): it is modelled with saves that block, for one time each",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(case: str) -> None:
    text, said = WRONG[case]
    head = HEAD.replace('[job]\nwork = "14 d"\n', "") if "[job]" in text else HEAD
    with pytest.raises(JobError) as caught:
        job_from_text(head + text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_of_one_time_refuse_it_and_say_what_does() -> None:
    job = job_from_text(HEAD + 'save = ["40 s", "90 s"]')
    from cprmodel import Exact

    with pytest.raises(
        JobError, match=r"checkpoint.save \(it scatters\): expected --model steady-state, or no such key"
    ):
        plan(job, Exact())
    rows = "[access]\n[[access.tables]]\nrows = 1000\nzipf = 1\nupdates_per_second = 10\n"
    more = "[cluster]\nembedding_shards = 4\nexperts = 4\n[accuracy]\npls_budget = 0.1\n"
    text = HEAD + 'save = ["40 s", "90 s"]\nrotating = true\n' + more + rows
    said = " ".join(plan(job_from_text(text)).warnings)
    assert "saves in an order of the rows are left out: beside checkpoint.save (it scatters)" in said
    assert "saves that rotate are left out: beside checkpoint.save (it scatters)" in said
