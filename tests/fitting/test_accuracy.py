"""Accuracy models: against a dense sandwich, scipy's t tests and simulation; records and their mistakes."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from cprmodel.facts.errors import JobError
from cprmodel.fitting import AccuracyFit, PairedRun, Record, fit_accuracy, read_record, record_of_runs
from cprmodel.fitting.clusters import fit_clustered
from cprmodel.jobs import AccuracyModel

PLS = (0.02, 0.05, 0.1, 0.2, 0.4)


def record(rows: Any, metric: str = "auc") -> Record:
    """Rows of seed, pls, drop and perhaps a pattern."""
    names = ("seed", "pls", "drop", "pattern")
    return record_of_runs("r.csv", tuple(PairedRun(**dict(zip(names, row, strict=False))) for row in rows), metric)


def drawn(
    rng: Any, seeds: int, own: float = 2e-4, shared: float = 2e-4, balanced: bool = True, slope: float = 0.005
) -> Record:
    """Drops on a line, with noise that all runs of a seed share."""
    rows = []
    for seed in range(seeds):
        pls = np.array(PLS) if balanced else rng.uniform(0.02, 0.4, rng.integers(1, 9))
        drops = slope * pls + shared * rng.normal() + own * rng.normal(size=len(pls))
        rows += [(seed, float(p), float(d)) for p, d in zip(pls, drops, strict=True)]
    return record(rows)


def dense(x: Any, y: Any, clusters: Any, contrast: Any) -> tuple[float, float, float]:
    """CR2 and the degrees of freedom of Bell & McCaffrey as they are defined, with n × n matrices."""
    m = np.linalg.inv(x.T @ x)
    hat = x @ m @ x.T
    off = np.eye(len(y)) - hat
    variance, columns = 0.0, []
    for label in np.unique(clusters):
        of = clusters == label
        values, vectors = np.linalg.eigh(off[np.ix_(of, of)])
        root = (vectors * np.where(values > 1e-9, 1 / np.sqrt(np.maximum(values, 1e-9)), 0)) @ vectors.T
        z = root @ x[of] @ m @ contrast
        variance += float(z @ (off @ y)[of]) ** 2
        columns.append(off[:, of] @ z)
    spread = np.array([[one @ other for other in columns] for one in columns])
    freedom = np.trace(spread) ** 2 / np.sum(spread**2)
    return float(contrast @ m @ x.T @ y), math.sqrt(variance), float(freedom)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 7), min_size=4, max_size=9), st.integers(1, 3))
def test_the_sandwich_is_the_dense_one(seed: int, sizes: list[int], columns: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.uniform(0.1, 1, (len(clusters), columns))
    y, contrast = rng.normal(size=len(clusters)), rng.normal(size=columns)
    if np.linalg.cond(x.T @ x) > 1e6:
        return
    fit = fit_clustered(x, y, clusters)
    assert fit is not None
    found = fit.estimate(contrast)
    assert (found.value, found.standard_error, found.degrees_of_freedom) == pytest.approx(
        dense(x, y, clusters, contrast), rel=1e-6, abs=1e-9
    )


def slopes_by_seed(one: Record) -> list[float]:
    return [
        float(part.pls @ part.drops / (part.pls @ part.pls)) for part in (one.of_seeds((s,)) for s in one.seeds)
    ]


@pytest.mark.parametrize("seeds", [2, 4, 9])
def test_a_balanced_record_gives_scipy_s_t_interval(seeds: int) -> None:
    """Every seed with the same PLS: the mean of the seeds' slopes with n − 1 degrees of freedom."""
    one = drawn(np.random.default_rng(seeds), seeds)
    found = fit_accuracy(one)
    by_seed = slopes_by_seed(one)
    interval = stats.ttest_1samp(by_seed, 0).confidence_interval(0.9)
    assert found.slope.value == pytest.approx(np.mean(by_seed))
    assert found.slope.degrees_of_freedom == pytest.approx(seeds - 1)
    assert found.slope.interval_90 == pytest.approx(tuple(interval))


def blind(one: Record) -> tuple[float, float]:
    """The usual interval, every run taken for independent (scipy's t)."""
    p, d = one.pls, one.drops
    slope = p @ d / (p @ p)
    half = stats.t.ppf(0.95, len(p) - 1) * math.sqrt(np.sum((d - slope * p) ** 2) / (len(p) - 1) / (p @ p))
    return slope - half, slope + half


@pytest.mark.parametrize(("seeds", "balanced"), [(4, True), (5, False), (10, False)])
def test_intervals_cover(seeds: int, balanced: bool) -> None:
    """90% within three standard errors of 400 replicates; benchmarks/accuracy.py does 2,000 of more."""
    rng = np.random.default_rng(11)
    covered = usual = inside = 0
    replicates = 400
    for _ in range(replicates):
        one = drawn(rng, seeds, balanced=balanced)
        found = fit_accuracy(one)
        low, high = found.slope.interval_90 or (-math.inf, math.inf)
        covered += low < 0.005 < high
        usual += blind(one)[0] < 0.005 < blind(one)[1]
        run = found.line.prediction_interval(0.15)  # a run of another seed
        drop = 0.005 * 0.15 + 2e-4 * rng.normal() + 2e-4 * rng.normal()
        inside += run is not None and run[0] < drop < run[1]
    slack = 3 * math.sqrt(0.09 / replicates)
    assert abs(covered / replicates - 0.9) < slack
    assert abs(inside / replicates - 0.9) < slack
    assert usual / replicates < 0.85  # what ignoring the seeds would do


def test_noise_within_a_seed_is_that_of_a_line_with_levels() -> None:
    """Least squares on PLS and an indicator of each seed (NumPy); of another seed: the truth, by simulation."""
    one = drawn(np.random.default_rng(3), 5, balanced=False)
    seeds = np.array([run.seed for run in one.runs])
    columns = np.column_stack([one.pls, *(seeds == seed for seed in one.seeds)])
    residuals = one.drops - columns @ np.linalg.lstsq(columns, one.drops, rcond=None)[0]
    sd = math.sqrt(np.sum(residuals**2) / (len(seeds) - 6))
    assert fit_accuracy(one).line.noise.within_seed == pytest.approx(sd)
    rng = np.random.default_rng(8)
    found = [fit_accuracy(drawn(rng, 8, 1.0, 2.0, slope=30.0)).line.noise for _ in range(300)]
    variances = [(noise.of_another_seed or 0) ** 2 for noise in found]
    error = float(np.std(variances)) / math.sqrt(len(variances))
    assert np.mean(variances) == pytest.approx(1 + 4, abs=0.05 * 5 + 3 * error)  # the fitted slope takes a little


def bent(rng: Any, bend: float, noise: float) -> Record:
    rows = [(s, p, 0.005 * p * (1 + bend * p) + noise * rng.normal()) for s in range(6) for p in PLS]
    return record(rows)


@pytest.mark.parametrize("bend", [-1.5, 0.5, 4.0])
def test_a_bend_without_noise_is_found(bend: float) -> None:
    found = fit_accuracy(bent(np.random.default_rng(1), bend, 0.0)).bend
    assert found.per_pls == pytest.approx(bend)
    assert found.interval_90 == pytest.approx((bend, bend), rel=1e-5)
    assert found.bends
    assert found.linear_to_pls == pytest.approx(min(0.1 / abs(bend), 0.4), rel=1e-5)


def test_fieller_s_limits_are_where_the_t_test_turns() -> None:
    """At each limit g the contrast (second − g·first) is t quantiles from 0 by the dense sandwich."""
    one = bent(np.random.default_rng(2), 1.0, 2e-5)
    found = fit_accuracy(one).bend
    seeds = np.array([run.seed for run in one.runs])
    x = np.column_stack([one.pls, one.pls**2])
    first, second = np.linalg.lstsq(x, one.drops, rcond=None)[0]
    quantile = stats.t.ppf(0.95, dense(x, one.drops, seeds, np.array([-second / first, 1.0]))[2])

    def beyond(g: float) -> float:
        value, error, _ = dense(x, one.drops, seeds, np.array([-g, 1.0]))
        return abs(value) - float(quantile) * error

    middle = second / first
    limits = optimize.brentq(beyond, middle - 5, middle), optimize.brentq(beyond, middle, middle + 5)
    assert found.interval_90 == pytest.approx(limits, rel=1e-6)
    assert found.linear_to_pls == pytest.approx(min(0.4, 0.1 / max(map(abs, limits))))


def test_a_record_that_cannot_tell_says_so() -> None:
    rng = np.random.default_rng(4)
    noisy = fit_accuracy(bent(rng, 0.0, 0.01)).bend
    assert (noisy.interval_90, noisy.linear_to_pls) == (None, None)
    alone = fit_accuracy(record([(s, 0.2, 0.001 + 1e-5 * s) for s in range(5)])).bend
    assert (alone.per_pls, alone.interval_90, alone.linear_to_pls) == (None, None, None)


def patterned(rng: Any, slopes: dict[str, float], seeds: int = 5) -> Record:
    rows = []
    for seed in range(seeds):
        shared = 2e-4 * rng.normal()
        rows += [
            (seed, p, slope * p + shared + 1e-4 * rng.normal(), name) for name, slope in slopes.items() for p in PLS
        ]
    return record(rows)


def test_two_patterns_are_scipy_s_paired_t_test() -> None:
    """Balanced: the difference of slopes is the paired t test of the seeds' slopes by pattern."""
    one = patterned(np.random.default_rng(5), {"few large": 0.0052, "many small": 0.005})
    found = fit_accuracy(one)
    by_pattern = [slopes_by_seed(one.of_pattern(name)) for name in one.patterns]
    test = stats.ttest_rel(*by_pattern)
    assert found.patterns is not None
    (difference,) = found.patterns.differences
    assert difference.difference.interval_90 == pytest.approx(tuple(test.confidence_interval(0.9)))
    assert found.patterns.p_value == pytest.approx(test.pvalue)
    for slope, values in zip(found.patterns.slopes, by_pattern, strict=True):
        assert slope.slope.value == pytest.approx(np.mean(values))
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
        assert slope.slope.interval_90 == pytest.approx(tuple(interval))


def test_patterns_that_are_alike_are_left_alone() -> None:
    """At 5% for three patterns, five seeds: no more than 5% and three standard errors of 300 replicates."""
    rng = np.random.default_rng(6)
    alike = dict.fromkeys(["a", "b", "c"], 0.005)
    apart = 0
    for _ in range(300):
        found = fit_accuracy(patterned(rng, alike)).patterns
        apart += found is not None and found.differ
    assert apart / 300 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_pls_alone_does_not_decide() -> None:
    found = fit_accuracy(patterned(np.random.default_rng(7), {"a": 0.005, "b": 0.002, "c": 0.005}))
    assert found.patterns is not None
    assert found.patterns.differ
    assert any(line.startswith("PLS alone does not decide") for line in found.warnings)
    assert len(found.patterns.differences) == 3


def test_some_seeds_are_for_the_test() -> None:
    one = drawn(np.random.default_rng(9), 5)
    found = fit_accuracy(one).held_out
    assert found is not None
    assert (found.fit_seeds, found.test_seeds, found.runs) == ((0, 2, 4), (1, 3), 10)
    rest, tested = one.of_seeds((0, 2, 4)), one.of_seeds((1, 3))
    slope = float(rest.pls @ rest.drops / (rest.pls @ rest.pls))
    assert found.line.slope.value == pytest.approx(slope)
    assert found.rmse == pytest.approx(math.sqrt(np.mean((tested.drops - slope * tested.pls) ** 2)))
    assert found.rmse_no_drop == pytest.approx(math.sqrt(np.mean(tested.drops**2)))
    limits = [found.line.prediction_interval(float(p)) or (0, 0) for p in tested.pls]
    inside = [low <= d <= high for (low, high), d in zip(limits, tested.drops, strict=True)]
    assert found.inside_90 == np.mean(inside)
    chosen = fit_accuracy(one, [4, 0]).held_out
    assert chosen is not None
    assert (chosen.fit_seeds, chosen.test_seeds) == ((1, 2, 3), (0, 4))


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([7], "--test-seeds: expected seeds of the record (0, 1, 2), not 7"),
        ([], "--test-seeds: expected seeds of the record (0, 1, 2), not none"),
        ([0, 1, 2], "--test-seeds: expected to leave a seed that lost samples to fit, not all of 0, 1, 2"),
    ],
)
def test_seeds_that_cannot_be_tested_on(seeds: list[int], expected: str) -> None:
    with pytest.raises(JobError) as error:
        fit_accuracy(drawn(np.random.default_rng(1), 3), seeds)
    assert str(error.value) == expected


WARNED: list[tuple[list[tuple[Any, ...]], str]] = [
    ([(1, 0.1, 0.001), (1, 0.2, 0.002)], "one seed alone"),
    ([(1, 0.1, 0.001), (2, 0.2, 0.002)], "2 seeds are few"),
    ([(1, 0.1, 0.001), (2, 0.0, 0.0), (3, 0.0, 0.0)], "one seed alone lost samples"),
    ([(1, 0.1, -0.001), (2, 0.1, -0.002), (3, 0.2, -0.001)], "the slope is negative"),
    ([(1, 0.1, 0.0), (2, 0.1, 0.0), (3, 0.2, 0.0)], "the slope is 0"),
    ([(1, 0.1, 0.003), (2, 0.1, -0.002), (3, 0.1, 0.001)], "90% interval contains 0"),
    ([(1, 0.1, 0.003), (2, 0.1, -0.002), (3, 0.1, 0.001)], "no better than saying that nothing is lost"),
    (
        [(s, 0.1, 0.001 + 1e-6 * s, name) for s in range(4) for name in ("a", "b", None)],
        "4 runs without a pattern are left out",
    ),
]


@pytest.mark.parametrize(("rows", "expected"), WARNED, ids=[one[1] for one in WARNED])
def test_what_a_record_cannot_bear_is_said(rows: list[tuple[Any, ...]], expected: str) -> None:
    assert any(expected in line for line in fit_accuracy(record(rows)).warnings)


def test_a_good_record_has_no_warnings() -> None:
    found = fit_accuracy(drawn(np.random.default_rng(12), 6))
    assert found.warnings == ()
    assert found.patterns is None


RUNS = st.tuples(
    st.integers(1, 4),
    st.just(0.0) | st.floats(1e-12, 10),
    st.floats(-1, 1, allow_subnormal=False) | st.sampled_from([0.0, 1e-300, 1e15]),
    st.sampled_from([None, "", "a", "b", "c"]),
)


def answer(one: Record) -> AccuracyFit:
    found = fit_accuracy(one)
    for data in (found.to_dict(), found.model_dict()):
        json.dumps(data, allow_nan=False)
    return found


@given(st.lists(RUNS, min_size=1, max_size=25), st.integers(-20, 20), st.integers(-20, 10))
def test_any_record_gets_an_answer(rows: list[tuple[Any, ...]], pls_power: int, drop_power: int) -> None:
    """No crash, no NaN; in other units (powers of two, so nothing is rounded) it is the same answer."""
    if not any(row[1] >= 1e-12 for row in rows):
        with pytest.raises(JobError, match="a run that lost samples"):
            record(rows)
        return
    found = answer(record(rows))
    interval = found.slope.interval_90
    assert interval is None or interval[0] <= found.slope.value <= interval[1]
    reach = found.bend.linear_to_pls
    assert reach is None or 0 < reach <= found.record.largest_pls
    pls, drop = 2.0**pls_power, 2.0**drop_power
    scaled = [(seed, p * pls, d * drop, name) for seed, p, d, name in rows if abs(d * drop) <= 1e15]
    if len(scaled) < len(rows) or not any(row[1] >= 1e-12 for row in scaled):
        return
    if any(0 < abs(row[2]) < 1e-290 for row in [*rows, *scaled]):
        return
    other = answer(record(scaled))
    assert other.slope.value == pytest.approx(found.slope.value * drop / pls)
    if interval and other.slope.interval_90:
        assert other.slope.interval_90 == pytest.approx(tuple(limit * drop / pls for limit in interval))


@given(st.permutations(list(itertools.product((1, 2, 3), (0.1, 0.2, 0.3)))))
def test_the_order_of_the_runs_does_not_matter(pairs: list[tuple[int, float]]) -> None:
    rows = [(s, p, 0.01 * p + 0.001 * math.sin(10 * s * p)) for s, p in pairs]
    first, other = fit_accuracy(record(sorted(rows))), fit_accuracy(record(rows))
    assert other.slope.value == pytest.approx(first.slope.value)
    assert other.slope.interval_90 == pytest.approx(first.slope.interval_90)
    assert other.bend.interval_90 == pytest.approx(first.bend.interval_90)


def test_seeds_may_be_large() -> None:
    """As large as PyTorch's, and not merged by rounding."""
    small = drawn(np.random.default_rng(14), 4)
    large = record([(2**64 - 1 - run.seed, run.pls, run.drop) for run in small.runs])
    assert (
        fit_accuracy(large).slope
        == fit_accuracy(record([(-run.seed, run.pls, run.drop) for run in small.runs])).slope
    )
    assert len(large.seeds) == 4


def test_a_pattern_of_one_seed_has_no_interval() -> None:
    rows = [(s, p, 0.01 * p + 1e-4 * s, "a") for s in range(4) for p in PLS]
    found = fit_accuracy(record([*rows, (0, 0.1, 0.002, "b"), (0, 0.2, 0.004, "b")]))
    assert found.patterns is not None
    of = {one.name: one.slope for one in found.patterns.slopes}
    assert of["b"].value == pytest.approx(0.02)
    assert of["b"].interval_90 is None
    assert of["a"].interval_90 is not None
    assert found.patterns.p_value is None
    assert not found.patterns.differ


def test_the_written_model_is_what_a_job_reads() -> None:
    found = fit_accuracy(drawn(np.random.default_rng(13), 4))
    model = AccuracyModel.model_validate(json.loads(json.dumps(found.model_dict())))
    assert model.metric_drop_per_pls == found.slope.value
    assert model.interval_90 == found.slope.interval_90
    assert model.linear_to_pls == found.bend.linear_to_pls
    assert (model.metric, model.runs, model.seeds, model.record) == ("auc", 20, 4, "r.csv")


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    runs = [
        {"seed": 2, "pls": 0.05, "drop": 0.0007, "pattern": "many small", "note": "ignored"},
        {"seed": 1, "pls": 0, "drop": -1e-5},
    ]
    as_json, as_csv = tmp_path / "r.json", tmp_path / "r.csv"
    as_json.write_text(json.dumps({"schema_version": 1, "metric": "auc", "runs": runs, "by": "ignored"}))
    as_csv.write_text("pattern, drop, pls, seed, note\nmany small,0.0007,0.05,2,x\n\n,-1e-5,0,1\n", "utf-8-sig")
    one, other = read_record(as_json), read_record(as_csv)
    assert one.runs == other.runs
    assert (one.metric, other.metric, one.seeds, one.patterns) == ("auc", "metric", (1, 2), ("many small",))


HEAD = "seed,pls,drop\n"
BAD = [
    ("r.csv", "", "expected a heading: seed,pls,drop[,pattern]"),
    ("r.csv", "seed,pls\n1,0.1\n", 'heading = "seed,pls": expected seed,pls,drop[,pattern], drop once'),
    ("r.csv", "seed,pls,drop,pls\n", "expected seed,pls,drop[,pattern], pls once"),
    ("r.csv", HEAD, "runs: expected at least one run"),
    ("r.csv", HEAD + "1,0.1,x\n", 'line 2: drop = "x": expected a number'),
    ("r.csv", HEAD + "1,0.1,nan\n", 'line 2: drop = "nan": expected a number'),
    ("r.csv", HEAD + "1,0.1\n", 'line 2: drop = "": expected a number'),
    ("r.csv", HEAD + "1.5,0.1,0\n", 'line 2: seed = "1.5": expected a whole number'),
    ("r.csv", HEAD + f"1{'0' * 30},0.1,0\n", "line 2: seed"),
    ("r.csv", HEAD + f"1,1{'0' * 400},0\n", "line 2: pls"),
    ("r.csv", HEAD + "1,0.1,0.1\n\n1,-0.1,0\n", "line 4: pls = -0.1: expected a number of at least 0"),
    ("r.csv", HEAD + "1,0,0.1\n2,0,0.2\n", "pls: expected a run that lost samples"),
    ("r.json", "", "expected JSON with a list of runs"),
    ("r.json", "[1]", "expected a JSON object with a list of runs"),
    ("r.json", "[" * 20_000, "expected JSON with a list of runs"),
    ("r.json", "{}", "runs: expected this table, but it is missing"),
    ("r.json", '{"runs": []}', "runs: expected at least one run"),
    ("r.json", '{"runs": 3}', "runs = 3: expected a list"),
    ("r.json", '{"runs": [1]}', "runs.0 = 1: expected a table"),
    ("r.json", '{"schema_version": 2, "runs": []}', "schema_version = 2: expected 1"),
    ("r.json", '{"runs": [{"seed": 1, "pls": "0.1", "drop": 0}]}', 'runs.0.pls = "0.1": expected a plain number'),
    ("r.json", '{"runs": [{"seed": 1, "pls": 0.1}]}', "runs.0.drop: expected this key, but it is missing"),
    ("r.json", '{"runs": [{"seed": 1, "pls": 0.1, "drop": NaN}]}', "runs.0.drop = nan: expected a finite number"),
    (
        "r.json",
        '{"runs": [{"seed": 1, "pls": 0.1, "drop": 1e16}]}',
        "runs.0.drop = 1e+16: expected a number of at m",
    ),
    ("r.json", '{"runs": [{"seed": true, "pls": 0.1, "drop": 0}]}', "runs.0.seed = true: expected a plain number"),
    ("r.json", '{"runs": [{"seed": 1, "pls": 0.1, "drop": 0, "pattern": 3}]}', "runs.0.pattern = 3: expected text"),
]


@pytest.mark.parametrize(("name", "content", "expected"), BAD, ids=[f"{b[0]}: {b[2][:30]}" for b in BAD])
def test_a_mistake_is_one_line(name: str, content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(JobError) as error:
        read_record(path)
    line = str(error.value)
    assert expected in line
    assert "\n" not in line
    assert len(line) < 400


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="expected a record of paired runs, but there is no such file"):
        read_record(tmp_path / "nope.csv")
    with pytest.raises(JobError, match="expected a file that can be read"):
        read_record(tmp_path)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobError, match="expected a text file in UTF-8"):
        read_record(tmp_path / "binary.csv")


def test_too_many_patterns_are_not_compared() -> None:
    rows = [(s, 0.1, 0.001 * s, str(name)) for s in range(3) for name in range(21)]
    with pytest.raises(JobError, match="pattern = 21 names: expected at most 20"):
        fit_accuracy(record(rows))
