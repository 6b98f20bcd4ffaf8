"""Fits against scipy and lifelines; intervals against simulation; readers against plain readings."""

from __future__ import annotations

import csv
import json
import lzma
import math
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from cprmodel.facts.errors import JobError
from cprmodel.fitting import Trace, analyse, read_trace, trace_of_durations, trace_of_times
from cprmodel.fitting.analysis import mtbf_interval, shape_interval
from cprmodel.fitting.likelihood import FITTED, fit_all, weibull_batch, weibull_profile
from cprmodel.logs import LogOptions

DATA = Path(os.environ.get("CPRMODEL_DATA", Path(__file__).parents[3] / "shared" / "data"))
INFINITEHBD = DATA / "infinitehbd" / "fault_trace.json"
LANL = DATA / "lanl" / "LA-UR-05-7318-failure-data-1996-2005.csv.xz"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no data in {DATA} (set CPRMODEL_DATA)")

DISTRIBUTIONS = {"weibull": stats.weibull_min, "gamma": stats.gamma, "lognormal": stats.lognorm}


def samples() -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(3)
    found = []
    for law in (
        stats.weibull_min(0.6, scale=100),
        stats.gamma(2.5, scale=3e5),
        stats.lognorm(1.3, scale=40),
        stats.expon(scale=7e3),
    ):
        for size, censored in ((8, 0.4), (60, 0.0), (400, 0.7)):
            times = law.rvs(size, random_state=rng)
            limit = np.full(size, np.inf) if censored == 0 else law.rvs(size, random_state=rng) * (1 / censored)
            found.append((np.minimum(times, limit), times <= limit))
    return found


@pytest.mark.parametrize(("durations", "observed"), samples())
def test_scipy_agrees(durations: Any, observed: Any) -> None:
    """The log-likelihood to 1e-6, and no parameters of scipy's have a higher one."""
    data = stats.CensoredData(uncensored=durations[observed], right=durations[~observed])
    fits = {one.name: one for one in fit_all(durations, observed)}
    assert set(fits) == set(FITTED)
    for name, law in DISTRIBUTIONS.items():
        parameters = law.fit(data, floc=0)
        reference = (
            law.logpdf(durations[observed], *parameters).sum() + law.logsf(durations[~observed], *parameters).sum()
        )
        assert fits[name].log_likelihood == pytest.approx(reference, abs=1e-6 * max(1, abs(reference)))
        assert fits[name].log_likelihood > reference - 1e-6
        assert fits[name].shape == pytest.approx(parameters[0], rel=1e-3)
        assert fits[name].scale_s == pytest.approx(parameters[2], rel=1e-3)
        own = fits[name].distribution
        assert own.logpdf(durations[observed]).sum() + own.logsf(durations[~observed]).sum() == pytest.approx(
            fits[name].log_likelihood
        )
    mean = durations.sum() / observed.sum()
    assert fits["exponential"].scale_s == pytest.approx(mean)
    assert fits["exponential"].log_likelihood == pytest.approx(-observed.sum() * (1 + math.log(mean)))


@pytest.mark.parametrize(("durations", "observed"), samples()[::2])
def test_lifelines_agrees(durations: Any, observed: Any) -> None:
    from lifelines import ExponentialFitter, LogNormalFitter, WeibullFitter

    fits = {one.name: one for one in fit_all(durations, observed)}
    for name, fitter in (
        ("weibull", WeibullFitter()),
        ("lognormal", LogNormalFitter()),
        ("exponential", ExponentialFitter()),
    ):
        fitter.fit(durations, observed)
        assert fits[name].log_likelihood == pytest.approx(fitter.log_likelihood_, rel=1e-6, abs=1e-5)


def test_many_censored_times_go_over_a_few_points() -> None:
    """The likelihood of 60,000 censored times by interpolation is scipy's sum over all of them to 1e-9 of it."""
    rng = np.random.default_rng(8)
    times, limit = rng.gamma(0.7, 100, 90_000), rng.exponential(40, 90_000)
    durations, observed = np.minimum(times, limit), times <= limit
    assert np.count_nonzero(~observed) > 40_000
    for name in ("gamma", "lognormal"):
        found = FITTED[name](durations, observed)
        assert found is not None
        law = found.distribution
        exact = law.logpdf(durations[observed]).sum() + law.logsf(durations[~observed]).sum()
        assert found.log_likelihood == pytest.approx(exact, rel=1e-9)


def test_batches_and_groups_are_single_fits() -> None:
    rng = np.random.default_rng(1)
    rows = [rng.weibull(0.8, size) * 50 for size in (5, 9, 30)]
    padded = np.full((3, 30), -np.inf)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = np.log(row)
    observed = np.ones_like(padded, dtype=bool)
    shapes, scales = weibull_batch(padded, observed)
    for i, row in enumerate(rows):
        one = FITTED["weibull"](row, np.ones(len(row), dtype=bool))
        assert one is not None
        assert shapes[i] == pytest.approx(one.shape, rel=1e-10)
        assert math.exp(scales[i]) == pytest.approx(one.scale_s, rel=1e-10)
        profile = weibull_profile([(np.log(row), np.ones(len(row), dtype=bool))])
        assert profile == pytest.approx((one.shape, one.log_likelihood), rel=1e-9)


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e9), st.booleans()), min_size=1, max_size=30),
    st.floats(1e-3, 1e3),
)
def test_any_trace_gets_an_answer(pairs: list[tuple[float, bool]], factor: float) -> None:
    """No crash, no NaN, and time in another unit is the same answer in that unit."""
    durations, observed = (np.array(column) for column in zip(*pairs, strict=True))
    found = analyse(trace_of_durations("x", durations, observed))
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    events = int(observed.sum())
    assert (data["n"], data["events"]) == (len(pairs), events)
    low, high = found.mtbf_ci90_s
    assert low > 0
    if events == 0:
        assert (data["mtbf_s"], data["best"], high) == (None, None, None)
        assert low == pytest.approx(-durations.sum() / math.log(0.05))
        return
    assert found.mtbf_s is not None
    assert low < found.mtbf_s
    assert high is None or found.mtbf_s < high
    assert found.models[0].aic == min(one.aic for one in found.models)
    assert sum(found.weight(one) for one in found.models) == pytest.approx(1)
    other = analyse(trace_of_durations("x", durations * factor, observed))
    assert other.mtbf_ci90_s[0] == pytest.approx(low * factor, rel=1e-6)


def test_ties_and_zeros() -> None:
    same = analyse(trace_of_durations("x", [5.0] * 6, [1] * 6))
    assert [one.name for one in same.models] == ["exponential"]  # no shape can be told
    assert same.shape_ci90 is None
    zero = trace_of_durations("x", [5.0, 0.0, 3.0, 0.0], [1, 1, 1, 0])
    assert (zero.n, zero.events, zero.merged) == (2, 2, 1)
    at_once = trace_of_times("x", [10.0, 10.0, 25.0, 40.0], 40.0)
    assert at_once.durations_s.tolist() == [10.0, 15.0, 15.0]
    assert at_once.observed.tolist() == [True, True, True]
    assert at_once.merged == 1
    with pytest.raises(JobError, match="at least one duration longer than 0"):
        trace_of_durations("x", [0.0], [1])
    with pytest.raises(JobError, match="times within the window of 30 s"):
        trace_of_times("x", [10.0, 31.0], 30.0)


REPLICATES = 300


def job_watched(rng: Any, shape: float, expected: int) -> tuple[Any, Any]:
    """Durations of a renewal process with mean 1 in a window, the last cut short."""
    scale = 1 / math.gamma(1 + 1 / shape)
    ends = np.cumsum(scale * rng.weibull(shape, 20 * expected + 200))
    ends = ends[ends < expected]
    durations = np.diff(np.append(ends, expected), prepend=0.0)
    return durations, np.append(np.ones(len(ends), dtype=bool), False)


@pytest.mark.parametrize("shape", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("expected", [5, 10, 30])
def test_intervals_cover(shape: float, expected: int) -> None:
    """90% intervals of MTBF and shape; benchmarks/fitting.py does 2,000 replicates of more.

    From ten events on 90 ± 2 points, below at least 90, and three standard errors of 300 replicates (5.2 points).
    """
    rng = np.random.default_rng(17)
    mtbf = shaped = runs = 0
    while runs < REPLICATES:
        durations, observed = job_watched(rng, shape, expected)
        events = int(observed.sum())
        if events < 2:
            continue
        runs += 1
        fitted = FITTED["weibull"](durations, observed)
        assert fitted is not None
        low, high = mtbf_interval(durations.sum(), events, fitted.shape)
        mtbf += low < 1 and (high is None or high > 1)
        interval = shape_interval(durations, observed)
        assert interval is not None
        shaped += interval[0] < shape < interval[1]
    slack = 3 * math.sqrt(0.09 / REPLICATES)
    for share in (mtbf / runs, shaped / runs):
        assert share > (0.88 if expected >= 10 else 0.9) - slack
        if expected >= 30:
            assert share < 0.92 + slack


def test_garwood() -> None:
    """Exact Poisson limits as tabulated (Garwood 1936; two-sided 90%): n = 0, 1."""
    assert mtbf_interval(1.0, 0, None)[0] == pytest.approx(1 / 2.996, rel=1e-3)
    low, high = mtbf_interval(1.0, 1, None)
    assert high is not None
    assert (1 / high, 1 / low) == pytest.approx((0.0513, 4.744), rel=1e-3)


def test_a_trend_is_told_from_bursts() -> None:
    rng = np.random.default_rng(5)
    steady = drifting = 0
    for _ in range(100):
        bursts = np.cumsum(rng.weibull(0.5, 400))
        found = analyse(trace_of_times("x", bursts[bursts < 200], 200.0)).drift
        assert found is not None
        steady += found.drifts
        faster = 200 * np.sqrt(rng.random(100))  # rate rises with time
        found = analyse(trace_of_times("x", faster, 200.0)).drift
        assert found is not None
        drifting += found.drifts and found.statistic > 0
    assert steady <= 14  # 5% of 100, four standard errors
    assert drifting >= 95


def test_an_event_that_ends_the_observation_is_no_trend() -> None:
    """Watched until the seventh of seven evenly spaced failures: none of them says that the rate rises."""
    found = analyse(trace_of_times("x", np.arange(1.0, 8.0), 7.0)).drift
    assert found is not None
    assert found.statistic == pytest.approx(0)
    assert analyse(trace_of_times("x", np.arange(1.0, 7.0), 6.0)).drift is None  # five are left: too few


@pytest.mark.parametrize("nodes", [1, 8, 64])
def test_many_nodes_together_tend_to_have_no_memory(nodes: int) -> None:
    """Nodes of Weibull shape 0.6, long after they began: rates add, and the CV of the job's gaps falls to 1.

    After a failure nothing fails before x with probability S(x)R(x)^(N−1), R the share of a node's life after x.
    """
    scale = 1 / math.gamma(1 + 1 / 0.6)

    def survival(x: float) -> float:
        scaled = (x / scale) ** 0.6
        return math.exp(-scaled) * float(special.gammaincc(1 / 0.6, scaled)) ** (nodes - 1)

    square = 2 * integrate.quad(lambda u: math.exp(2 * u) * survival(math.exp(u)), -25, 8, limit=400)[0]
    variation = math.sqrt(square * nodes**2 - 1)
    assert variation == pytest.approx({1: 1.76, 8: 1.26, 64: 1.08}[nodes], abs=0.006)  # as the docs say

    rng = np.random.default_rng(9)
    ends = np.cumsum(scale * rng.weibull(0.6, (nodes, 400_000 // nodes)), axis=1)
    window = 0.9 * ends[:, -1].min()
    together = np.diff(np.sort(ends[(ends > window / 2) & (ends < window)]))
    assert together.mean() == pytest.approx(1 / nodes, rel=0.02)
    assert together.std() / together.mean() == pytest.approx(variation, rel=0.02)


def test_pooled_months_look_like_bursts_and_are_not() -> None:
    """Ten windows, each memoryless, with rates far apart: pooled shape well below 1, within windows about 1."""
    rng = np.random.default_rng(6)
    times = np.concatenate([100 * w + 100 * rng.random(n) for w, n in enumerate([10, 200] * 5)])
    found = analyse(trace_of_times("x", times, 1000.0))
    assert found.shape_ci90 is not None
    assert found.shape_ci90[1] < 0.8
    assert found.drift is not None
    assert found.drift.changes
    assert found.drift.shape_within == pytest.approx(1.0, abs=0.1)


@needs_data
def test_infinitehbd_as_one_job() -> None:
    """584 fault starts, 9.5% at the same moment as another (data README); gamma wins (the issue)."""
    starts = [e for e in json.loads(INFINITEHBD.read_text()) if e["event_type"] == "fault_start"]
    found = analyse(read_trace(INFINITEHBD))
    assert len(starts) == 584
    assert found.trace.events + found.trace.merged == 584
    assert found.trace.events == len({e["event_time"] for e in starts})
    assert found.trace.exposure_s == pytest.approx(86400 * 348.98, rel=1e-4)
    assert found.models[0].name == "gamma"
    fewer = read_trace(INFINITEHBD, LogOptions(servers=64))
    assert fewer.events < found.trace.events / 3


@needs_data
@pytest.mark.parametrize("system", [18, 19])
def test_lanl_from_2003(system: int) -> None:
    found = analyse(read_trace(LANL, LogOptions(system=system, since="2003")))
    with lzma.open(LANL, "rt", encoding="utf-8-sig") as file:
        rows = [row["Prob Started"] for row in csv.DictReader(file) if row["System"] == str(system)]
    moments = {datetime.strptime(text, "%m/%d/%Y %H:%M") for text in rows}
    assert found.trace.events == sum(moment > datetime(2003, 1, 1) for moment in moments)
    assert found.models[0].name == "weibull"


@pytest.mark.parametrize(
    ("content", "options", "durations", "observed"),
    [
        ("1\n2.5\n", {}, [1, 2.5], [1, 1]),
        ("time,event\n1,1\n2,0\n", {"unit": "h"}, [3600, 7200], [1, 0]),
        (
            "node,hours,died\na,1,true\nb,2,no\n",
            {"time_column": "hours", "event_column": "died"},
            [3600, 7200],
            [1, 0],
        ),
        ("at\n5\n3\n\n", {"window": "10 s"}, [3, 2, 5], [1, 1, 0]),
        ("3,1\n4,0\n", {}, [3, 4], [1, 0]),
        (
            "node,at\nn10,2\nn9,3\nn1,5\n",
            {"time_column": "at", "window": "9 s", "servers": 2},
            [3, 2, 4],
            [1, 1, 0],
        ),
        (
            "x,at\nb,2\na,3\n",
            {"time_column": "at", "window": "9 s", "servers": 1, "node_column": "x"},
            [3, 6],
            [1, 0],
        ),
    ],
)
def test_csv(
    content: str, options: dict[str, Any], durations: list[float], observed: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    found: Trace = read_trace(path, LogOptions(**options))
    assert found.durations_s.tolist() == durations
    assert found.observed.tolist() == [bool(one) for one in observed]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("time\n1\nx\n", {}, 'line 3 = "x": expected a time, a number of at least 0'),
        ("time\n1\n-2\n", {}, 'line 3 = "-2": expected a time'),
        ("a,b\n1,2\n", {}, "--time-column: expected one of a, b"),
        ("a,b\n1,2\n", {"time_column": "c"}, 'column = "c": expected one of a, b'),
        ("time,event\n1,maybe\n", {}, 'line 2 = "maybe": expected 1 (an interruption) or 0'),
        ("time\n", {}, "expected at least one row below the heading"),
        ("", {}, "expected at least one line"),
        ("time\n1\n", {"unit": "GB"}, "--unit: expected a unit of time"),
        ("time\n1\n", {"window": "5"}, "--window: expected a time with its unit"),
        ("time\n7\n", {"window": "5 s"}, "time = 7: expected times within the window of 5 s"),
        (
            "time\n1\n",
            {"window": "5 s", "servers": 2},
            "--servers = 2: expected a column of nodes (node, server, host)",
        ),
        ("time,node\n1,a\n", {"servers": 1}, "--servers = 1: expected event times (with --window)"),
        (
            "time,node\n1,a\n",
            {"window": "5 s", "servers": 2},
            "--servers = 2: expected at most the 1 that the log names",
        ),
        ("time\n1\n", {"node_column": "n"}, 'column = "n": expected one of time'),
        ("time\n1\n", {"format": "xls"}, 'format = "xls": expected one of csv, infinitehbd, lanl, fta'),
        ("time\n1\n", {"format": "infinitehbd"}, "expected InfiniteHBD's list of events"),
        ("time\n1\n", {"format": "lanl"}, "--system: expected the number of a LANL system"),
        ("time\n1\n", {"format": "lanl", "system": 3}, 'column = "System": expected LANL\'s columns'),
    ],
)
def test_a_mistake_is_one_line(content: str, options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(JobError) as error:
        read_trace(path, LogOptions(**options))
    assert expected in str(error.value)


def test_no_such_file() -> None:
    with pytest.raises(JobError, match="expected a log, but there is no such file"):
        read_trace("nope.csv")
