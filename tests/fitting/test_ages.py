"""Rates that change with age or calendar time, mixtures, and how sure a mean of young units is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import JobError, load_job, plan
from cprmodel.fitting import Analysis, analyse, trace_of_durations, trace_of_times
from cprmodel.fitting.ages import ages_of
from cprmodel.fitting.calendar import power_law_of
from cprmodel.fitting.mixture import fit_mixture
from cprmodel.report.fitted import fitted_lines

YEAR = 365.25 * 86400


def aging(seed: int, units: int = 4000) -> tuple[Any, Any]:
    """Units of Weibull shape 4, watched for half a year to six years: years, and whether each failed."""
    rng = np.random.default_rng(seed)
    life, watched = rng.weibull(4, units) * 8, rng.uniform(0.5, 6, units)
    return np.minimum(life, watched), life <= watched


def words(found: Analysis) -> str:
    return " ".join(fitted_lines(found))


def test_bands_of_age_are_the_law_s_hazard() -> None:
    """Failures over exposure in each band against the Weibull hazard, within three Poisson standard errors."""
    years, failed = aging(1, 40_000)
    found = ages_of(years, failed)
    assert found is not None
    assert sum(one.events for one in found.bands) == failed.sum()
    assert sum(one.exposure_s for one in found.bands) == pytest.approx(years.sum())
    for one in found.bands:
        # time in the band is watched near its middle: expected failures from the law's cumulative hazard
        lived = np.clip(years, one.from_s, one.to_s)
        alive = years > one.from_s
        expected = float(np.sum(((lived / 8) ** 4 - (one.from_s / 8) ** 4)[alive]))
        assert abs(one.events - expected) < 3 * math.sqrt(expected)
    assert found.rises


def test_what_is_said_of_units_that_age() -> None:
    years, failed = aging(2)
    found = analyse(trace_of_durations("x", years * YEAR, failed))
    assert found.mean_apart is not None
    assert found.mean_apart < 0.5  # 8Γ(1.25) = 7.25 years; most units were younger
    text = words(found)
    assert "law's mean is" in text
    assert "observed time over failures is" in text
    assert "times as frequent with age" in text
    assert "the best interval between saves may be" not in text
    memoryless = analyse(trace_of_durations("x", np.random.default_rng(1).exponential(1, 300), np.ones(300)))
    assert "the best interval between saves may be" in words(memoryless)
    assert "law's mean is" not in words(memoryless)


def test_intervals_of_young_units_cover() -> None:
    """Of 400 fleets of 1,000 units whose hazard rises: the mean that 400,000 units have, 90% of the time."""
    years, failed = aging(3, 400_000)
    true = years.sum() / failed.sum()
    covered = 0
    for seed in range(400):
        some, ended = aging(1000 + seed, 1000)
        low, high = analyse_interval(some, ended)
        covered += low < true < high
    assert abs(covered / 400 - 0.9) < 0.02 + 3 * math.sqrt(0.09 / 400)


def analyse_interval(durations: Any, observed: Any) -> tuple[float, float]:
    from cprmodel.fitting.analysis import mtbf_interval, scatter_of
    from cprmodel.fitting.likelihood import fit_weibull

    fitted = fit_weibull(durations, observed)
    assert fitted is not None
    scatter = scatter_of(durations, observed)
    low, high = mtbf_interval(float(durations.sum()), int(observed.sum()), fitted.shape, scatter=scatter)
    assert high is not None
    return low, high


@pytest.mark.parametrize("shape", [0.6, 1.0, 1.6])
def test_power_law(shape: float) -> None:
    """Times of n failures are T·U^(1/β): the estimate is unbiased, the interval covers, the rate at the end too.

    The rate at the end is nβ/T; with n/2 failures' worth of knowledge its interval covers 90 ± 2%.
    """
    from cprmodel.fitting.analysis import mtbf_interval
    from cprmodel.jobs.failure_model import FailureModel, PowerLaw

    rng = np.random.default_rng(int(10 * shape))
    runs, covered, at_end, estimates = 500, 0, 0, []
    mean = 80.0
    for _ in range(runs):
        n = rng.poisson(mean)
        times = np.sort(1000.0 * rng.random(n) ** (1 / shape))
        law = power_law_of(times, 1000.0)
        assert law is not None
        estimates.append(law.shape)
        covered += law.shape_ci90[0] < shape < law.shape_ci90[1]
        fit = FailureModel(
            events=n, exposure_s=1000.0, power_law=PowerLaw(shape=law.shape, events=n, window_s=1000.0)
        ).at_time(1000.0)
        low, high = mtbf_interval(fit.exposure_s, fit.events, fit.weibull_shape)
        assert high is not None
        at_end += low < 1000.0 / (mean * shape) < high
    slack = 3 * math.sqrt(0.09 / runs)
    assert np.mean(estimates) == pytest.approx(shape, abs=4 * np.std(estimates) / math.sqrt(runs))
    assert abs(covered / runs - 0.9) < slack
    assert abs(at_end / runs - 0.9) < 0.02 + slack


def test_a_window_that_ends_with_a_failure() -> None:
    """Evenly spaced failures, the last of which ends the window: shape near 1, and no log of 0."""
    found = power_law_of(np.arange(1.0, 101.0), 100.0)
    assert found is not None
    assert found.shape == pytest.approx(1.0, abs=0.1)
    assert power_law_of([1.0, 2.0], 10.0) is None


def test_two_rates_are_not_called_bursts() -> None:
    """Times of units of two rates: the mixture is found, and bursts are not asserted."""
    rng = np.random.default_rng(5)
    times = np.where(rng.random(3000) < 0.3, rng.exponential(1.0, 3000), rng.exponential(30.0, 3000))
    limit = rng.exponential(60, 3000)
    found = fit_mixture(np.minimum(times, limit), times <= limit)
    assert found is not None
    assert found.share == pytest.approx(0.3, abs=0.04)
    assert found.mean_s == pytest.approx(1.0, rel=0.2)
    assert found.other_mean_s == pytest.approx(30.0, rel=0.1)
    told = analyse(trace_of_durations("x", np.minimum(times, limit), times <= limit))
    assert told.two_rates_explain
    assert "failures come in bursts; or there are units, or periods, of two different rates" in words(told)
    weibull = analyse(trace_of_durations("x", rng.weibull(0.5, 4000), np.ones(4000)))
    assert not weibull.two_rates_explain
    assert "failures come in bursts: after one, another soon is more likely" in words(weibull)


def test_many_times_are_put_together_without_a_trace() -> None:
    rng = np.random.default_rng(6)
    times = np.where(rng.random(60_000) < 0.5, rng.exponential(1.0, 60_000), rng.exponential(10.0, 60_000))
    found = fit_mixture(times, np.ones(len(times), dtype=bool))
    assert found is not None
    assert (found.share, found.mean_s, found.other_mean_s) == pytest.approx((0.5, 1.0, 10.0), rel=0.05)


JOB = '[job]\nwork = "10 d"\n[failures]\n{}\n[checkpoint]\nsave = "5 min"\nreschedule = "5 min"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    years, failed = aging(4)
    rows = "".join(f"{y * YEAR!r},{int(f)}\n" for y, f in zip(years.tolist(), failed, strict=True))
    (tmp_path / "units.csv").write_text(f"age_s,failed\n{rows}")
    times = np.sort(300 * 24 * np.random.default_rng(1).random(120) ** 2)
    (tmp_path / "drift.csv").write_text("hours\n" + "".join(f"{t!r}\n" for t in times.tolist()))
    return tmp_path


def write(folder: Path, failures: str) -> Path:
    path = folder / "job.toml"
    path.write_text(JOB.format(failures))
    return path


def test_a_job_on_nodes_of_an_age(folder: Path) -> None:
    """Its MTBF is that of the age's band over its nodes, and as sure as that band's failures make it."""
    years, failed = aging(4)
    ages = ages_of(years * YEAR, failed)
    assert ages is not None
    job = load_job(write(folder, 'trace = "units.csv"\nnodes = 100\nnode_age = "5.5 year"'))
    band = next(one for one in ages.bands if one.from_s <= 5.5 * YEAR <= one.to_s)
    assert job.failure_mix.mtbf_s == pytest.approx(band.mtbf_s / 100)
    answer = plan(job)
    assert answer.uncertainty is not None
    assert answer.uncertainty.events == band.events
    assert any(line.startswith("failures.node_age: of units from") for line in answer.warnings)
    young = load_job(write(folder, 'trace = "units.csv"\nnodes = 100\nnode_age = "1 year"'))
    assert young.failure_mix.mtbf_s > 10 * job.failure_mix.mtbf_s
    plain = plan(load_job(write(folder, 'trace = "units.csv"\nnodes = 100')))
    assert any("node_age: how old nodes are" in line for line in plain.warnings)


def test_a_job_at_a_time(folder: Path) -> None:
    """Failures lie at T·u²: the power law's shape is 1/2, and at the end the MTBF is twice the mean."""
    mean = load_job(write(folder, 'trace = "drift.csv"\nwindow = "300 d"')).failure_mix.mtbf_s
    end = load_job(write(folder, 'trace = "drift.csv"\nwindow = "300 d"\nrate_at = "end"'))
    shape = power_law_of(300 * 24 * 3600 * np.sort(np.random.default_rng(1).random(120) ** 2), 300 * 86400.0)
    assert shape is not None
    assert end.failure_mix.mtbf_s == pytest.approx(mean / shape.shape, rel=1e-9)
    early = load_job(write(folder, 'trace = "drift.csv"\nwindow = "300 d"\nrate_at = "30 d"')).failure_mix.mtbf_s
    assert early == pytest.approx(mean / shape.shape * 0.1 ** (1 - shape.shape))
    assert any(line.startswith("failures.rate_at: the MTBF") for line in plan(end).warnings)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ('mtbf = "3 d"\nnode_age = "1 d"', "failures.node_age"),
        ('trace = "units.csv"\nnode_age = "1 d"', "failures.nodes: expected the number of nodes"),
        ('trace = "units.csv"\nnodes = 3\nnode_age = "90 year"', "expected an age that the log has: at most"),
        ('trace = "units.csv"\nrate_at = "end"', "expected a log of one job over time"),
        ('trace = "drift.csv"\nrate_at = "soon"', 'expected "end", or a time since the beginning'),
        ('mtbf = "3 d"\nrate_at = "end"', "failures.rate_at"),
    ],
)
def test_a_mistake_is_one_line(failures: str, expected: str, folder: Path) -> None:
    with pytest.raises(JobError) as error:
        load_job(write(folder, failures))
    assert expected in str(error.value)


def test_json_has_them(folder: Path) -> None:
    times = np.sort(300 * np.random.default_rng(1).random(120) ** 2)
    data = json.loads(json.dumps(analyse(trace_of_times("x", times, 300.0)).to_dict(), allow_nan=False))
    assert data["power_law"]["shape"] < 1
    assert data["ages"] is None or len(data["ages"]["bands"]) >= 2
