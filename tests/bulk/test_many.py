"""Each row of a sweep is what plan() says of that row's job, whichever way it was computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, FirstOrder, Job, JobError, plan, plan_many
from cprmodel.bulk import Sweep, grid_of
from tests.bulk.comparing import compare, job_of, logs
from tests.conftest import EXAMPLE

FLEET = EXAMPLE.parent / "fleet.toml"


#: Keys and the range that their values are drawn from.
VARIED = {
    "failures.mtbf": logs(60, 1e8),
    "job.work": logs(1e3, 1e9),
    "job.current_interval": logs(1, 1e8),
    "job.step": logs(0.01, 1e5),
    "cluster.embedding_shards": st.integers(1, 5000),
    "cluster.trainers": st.integers(1, 5000),
    "failures.trainer_share": st.floats(0, 1),
    "failures.whole_job_share": st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]),
    "failures.shards_per_failure": st.floats(1, 20),
    "checkpoint.load": logs(1e-3, 1e6),
    "checkpoint.detect": st.sampled_from([0.0, 60.0, 1e5]),
    "checkpoint.reschedule": st.sampled_from([0.0, 600.0, 1e7]),
    "checkpoint.partial_load": logs(1e-3, 1e5),
    "checkpoint.partial_reschedule": logs(1, 1e6),
    "checkpoint.trainer_reschedule": logs(1, 1e6),
    "checkpoint.retained": st.integers(1, 9),
    "accuracy.pls_budget": logs(1e-9, 1),
    "accuracy.metric_drop_per_pls": logs(1e-4, 1e2),
}
BY_TIME = {"checkpoint.save": logs(1e-2, 1e5)}
BY_SIZE = {"checkpoint.size": logs(1e6, 1e15), "checkpoint.bandwidth": logs(1e6, 1e13)}
BY_NODES = {
    "failures.node_mtbf": logs(1e4, 1e10),
    "failures.nodes": st.integers(1, 3000),
    "cost.node_hour": logs(1e-3, 1e3),
    "cost.storage_gb_month": logs(1e-6, 1e2),
    "cost.write_gb": st.sampled_from([0.0, 1e-4, 0.02, 3.0]),
}


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[Job, dict[str, Any], str]:
    """A job of random shape, and up to three keys with values; some rows cannot be planned."""
    fleet = draw(st.booleans())
    tables: dict[str, Any] = {"job": {}, "failures": {}, "cluster": {}, "accuracy": {}, "checkpoint": {}}
    ranges = dict(VARIED)
    if fleet:
        ranges |= BY_SIZE | BY_NODES
        del ranges["failures.mtbf"]
        if draw(st.booleans()):
            tables["scaling"] = {"points": None, "exponent": draw(st.sampled_from([0.5, 0.9, 1.0]))}
        if draw(st.booleans()):
            tables["failures"] |= {"group_mtbf": "300 d", "group_nodes": 8}
    else:
        ranges |= BY_TIME
    if draw(st.booleans()):
        tables["failures"] |= {"shard_share": None}
    if draw(st.booleans()):
        tables["job"] |= {"current_recovery": draw(st.sampled_from(["full", "partial"]))}
    if draw(st.booleans()):
        tables["job"] |= {"current_interval": None}
    shape = draw(st.sampled_from(["as it is", "dense", "no budget", "metric"]))
    if shape == "dense" and not fleet:
        tables["cluster"] |= {"embedding_shards": None}
        tables["accuracy"] |= {"pls_budget": None, "metric_drop_per_pls": None}
    elif shape in ("no budget", "dense"):
        tables["accuracy"] |= {"pls_budget": None, "metric_drop_per_pls": None}
    elif shape == "metric":
        tables["accuracy"] |= {"pls_budget": None, "max_metric_drop": draw(logs(1e-7, 1e-2))}
        del ranges["accuracy.pls_budget"]
        ranges["accuracy.max_metric_drop"] = logs(1e-9, 1)
    if shape in ("dense", "no budget"):
        ranges = {key: value for key, value in ranges.items() if not key.startswith("accuracy.")}
    names = draw(st.lists(st.sampled_from(sorted(ranges)), min_size=1, max_size=3, unique=True))
    vary = {name: draw(st.lists(ranges[name], min_size=1, max_size=3)) for name in names}
    job = job_of(FLEET if fleet else EXAMPLE, **tables)
    return job, vary, draw(st.sampled_from(["overhead", "dollars"])) if fleet else "overhead"


@given(sweeps())
@settings(max_examples=150)
def test_each_row_is_the_plan_of_its_job(drawn: tuple[Job, dict[str, Any], str]) -> None:
    job, vary, minimise = drawn
    try:
        sweep = Sweep(job, grid_of(job, vary), FirstOrder(), minimise)
    except JobError:
        return  # keys that do not go together
    assert sweep.vectorised
    compare(job, vary, minimise=minimise)


@given(sweeps())
@settings(max_examples=60)
def test_each_exact_row_too(drawn: tuple[Job, dict[str, Any], str]) -> None:
    job, vary, minimise = drawn
    try:
        sweep = Sweep(job, grid_of(job, vary), Exact(), minimise)
    except JobError:
        return
    assert sweep.vectorised
    compare(job, vary, Exact(), minimise)


def test_row_by_row_where_arrays_do_not_go() -> None:
    """Rows of a model that is not ours go through plan's own code."""

    class Mine(FirstOrder):
        pass

    compare(job_of(), {"checkpoint.save": [60.0, 240.0]}, Mine())


def test_todays_overhead_stands_beside_each_row() -> None:
    job = job_of()
    for model in (FirstOrder(), Exact()):
        found = plan_many(job, {"job.current_interval": [600.0, 3600.0]}, model)
        for every, overhead, pls in zip(
            (600.0, 3600.0), found["current_overhead_fraction"], found["current_expected_pls"], strict=True
        ):
            work = job.job.model_copy(update={"current_interval_s": every})
            today = plan(job.model_copy(update={"job": work}), model)["current"]
            assert overhead == today.overhead_fraction
            assert pls == today.expected_pls == 0


@pytest.mark.parametrize("limit", [None, "20 h"])
def test_another_mtbf_takes_the_place_of_a_fitted_one(limit: str | None) -> None:
    """Rows of formulas, and rows that are planned one by one."""
    fit = {"source": "t", "events": 12, "exposure_s": 12 * 50_000.0, "weibull_shape": 1.0}
    more = {} if limit is None else {"time_limit": limit, "requeue": "10 min"}
    job = job_of(failures={"mtbf": None, "fit": fit}, job=more)
    known = [job_of(failures={"mtbf": f"{mtbf} s"}, job=more) for mtbf in (20_000.0, 80_000.0)]
    found = plan_many(job, {"failures.mtbf": [20_000.0, 80_000.0]})
    expected = [plan(one).best.overhead_fraction for one in known]
    np.testing.assert_allclose(found["overhead_fraction"], expected, rtol=1e-12)


def test_fitted_models_in_a_job() -> None:
    """An MTBF from a trace and a slope from training runs, also with [scaling]."""
    fit = {"source": "t", "events": 12, "exposure_s": 12 * 50_000.0, "weibull_shape": 1.0}
    slope = {"kind": "accuracy model", "metric_drop_per_pls": 0.005, "runs": 20, "seeds": 4}
    accuracy = {"pls_budget": None, "metric_drop_per_pls": None, "max_metric_drop": 1e-4, "model": slope}
    scaling = {"reference_nodes": 40, "exponent": 0.8}
    job = job_of(failures={"mtbf": None, "fit": fit}, accuracy=accuracy, scaling=scaling)
    vary = {"failures.nodes": [20, 40, 400, 40_000], "accuracy.max_metric_drop": [1e-6, 1e-3]}
    assert Sweep(job, grid_of(job, vary)).vectorised
    found = compare(job, vary)
    assert found["time_to_train_s"][0] > found["time_to_train_s"][2]
    assert not found["feasible"][-1]


def test_any_number_of_the_job_file_can_vary() -> None:
    """Also of a table that the formulas do not know: then the planner goes row by row."""
    table = {"rows": 500, "zipf": 1.05, "updates_per_second": 20.0}
    job = job_of(access={"tables": [table]}, accuracy={"pls_budget": 0.01})
    vary = {"access.tables.0.zipf": [0.8, 1.2], "access.priority_fraction": [0.25]}
    assert not Sweep(job, grid_of(job, vary)).vectorised
    found = compare(job, vary)
    assert len(set(found["expected_pls"])) + len(set(found["interval_s"])) > 2
    fleet = job_of(FLEET)
    compare(fleet, {"scaling.points.3.1": [6.0, 7.0], "failures.nodes": [256, 200]})


def test_processes_give_the_same() -> None:
    vary = {"failures.mtbf": np.geomspace(1e3, 1e6, 40), "checkpoint.save": np.geomspace(1, 1e4, 20)}
    job = job_of()
    alone, spread = plan_many(job, vary, Exact(), workers=1), plan_many(job, vary, Exact(), workers=2)
    assert len(alone) == 800
    for name, column in alone.columns.items():
        np.testing.assert_array_equal(column, spread[name])
    assert not alone["feasible"].all()
    fast, sent = plan_many(job, vary, workers=1), plan_many(job, vary, workers=None)
    for name, column in fast.columns.items():
        np.testing.assert_array_equal(column, sent[name])


def test_data_frames_take_the_columns_as_they_are() -> None:
    vary = {"cluster.embedding_shards": [4, 8], "checkpoint.save": ["1 min", "2 h", "30 h"]}
    found = plan_many(job_of(), vary)
    frame, other = pd.DataFrame(found.columns), pl.DataFrame(dict(found.columns))
    assert len(frame) == len(other) == 6
    assert frame["cluster.embedding_shards"].dtype == np.int64
    assert frame["checkpoint.save"].tolist() == [60.0, 7200.0, 108000.0] * 2
    assert other["recommended"].dtype == pl.String
    assert other["feasible"].to_list() == [True, True, False] * 2
    assert frame[~frame["feasible"]]["interval_s"].isna().all()
    assert "not longer than the job's MTBF" in frame["reason"][2]
    with pytest.raises(ValueError, match="read-only"):
        found["interval_s"][0] = 1.0


def test_zipped() -> None:
    vary = {"cluster.embedding_shards": [4, 8, 16], "checkpoint.save": [60.0, 120.0, 240.0]}
    side, outer = plan_many(job_of(), vary, zipped=True), plan_many(job_of(), vary)
    assert side.shape == (3,)
    np.testing.assert_array_equal(side["overhead_fraction"], outer["overhead_fraction"].reshape(3, 3).diagonal())
    with pytest.raises(JobError, match=r"checkpoint.save = 2 values: expected as many values as"):
        plan_many(job_of(), {"cluster.embedding_shards": [4, 8, 16], "checkpoint.save": [1.0, 2.0]}, zipped=True)


def test_boxes_cover_the_grid_in_order() -> None:
    job = job_of()
    vary = {
        "failures.mtbf": np.geomspace(1e4, 1e6, 7),
        "checkpoint.save": np.geomspace(1, 100, 5),
        "cluster.embedding_shards": np.arange(1, 12),
    }
    grid = grid_of(job, vary)
    whole = next(iter(grid.boxes(10**6))).columns()
    for most in (1, 3, 11, 12, 55, 60, 384, 385):
        parts = list(grid.boxes(most))
        assert all(box.last - box.first <= max(most, 1) for box in parts)
        assert [box.first for box in parts] == [0, *(box.last for box in parts[:-1])]
        assert parts[-1].last == grid.size == 385
        for key, column in whole.items():
            np.testing.assert_array_equal(np.concatenate([box.columns()[key] for box in parts]), column)


def test_rows_that_nothing_beats() -> None:
    found = plan_many(
        job_of(), {"accuracy.pls_budget": np.geomspace(1e-6, 1, 40), "checkpoint.save": [60.0, 240.0]}
    )
    front = found.pareto()
    cost, loss = found["overhead_fraction"], found["expected_pls"]
    for at in range(len(found)):
        beaten = bool(np.any((cost <= cost[at]) & (loss <= loss[at]) & ((cost < cost[at]) | (loss < loss[at]))))
        if at in front:
            assert not beaten
        elif not beaten:  # left out as equal to one that is there
            assert any(cost[at] == cost[one] and loss[at] == loss[one] for one in front)


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ({"cluster.embeding_shards": [4]}, r'vary: cluster.embeding_shards: .*perhaps "cluster.embedding_shards"'),
        ({"mtbf": [4.0]}, r'vary: mtbf: expected a number of the job file, perhaps "failures.mtbf"'),
        ({"nonsense": [4.0]}, r'vary: nonsense: expected a number of the job file, such as "failures.mtbf"'),
        ({"job.current_recovery": ["full"]}, r"job.current_recovery: expected the key of a number"),
        ({"failures": [1.0]}, r"failures: expected the key of a number"),
        (
            {"failures.mtbf": [3.0, -1.0, -2.0]},
            r"failures.mtbf = -1: expected a time with its unit.*greater than 0",
        ),
        ({"failures.mtbf": ["1 h", "5"]}, r'failures.mtbf = "5": expected a time with its unit'),
        ({"failures.mtbf": ["1 h", "0 h"]}, r'failures.mtbf = "0 h": expected a time'),
        ({"failures.mtbf": [1.0, math.nan]}, r"failures.mtbf = nan: expected a finite number"),
        ({"failures.mtbf": []}, r"failures.mtbf = no values: expected a list of values"),
        ({"failures.mtbf": [[1.0]]}, r"failures.mtbf = an array of 2 dimensions"),
        ({"failures.mtbf": [True]}, r"failures.mtbf = true: expected a number"),
        ({"failures.mtbf": [None]}, r"failures.mtbf = None: expected a number"),
        ({"cluster.embedding_shards": [4, 8.5]}, r"cluster.embedding_shards = 8.5: expected a whole number"),
        ({"cluster.embedding_shards": [4, 0]}, r"cluster.embedding_shards = 0: expected a number of at least 1"),
        ({"failures.trainer_share": [0.1, 1.2]}, r"failures.trainer_share = 1.2: expected a number of at most 1"),
        ({"accuracy.pls_budget": [0.1, 0.0]}, r"accuracy.pls_budget = 0: expected a number of at least 1e-12"),
        ({"failures.mtbf": [1.0], "failures.mtbf_s": [1.0]}, r"failures.mtbf_s: expected each key once"),
        ({"failures.node_mtbf": ["90 d"]}, r"vary failures.node_mtbf = 7776000: .*exactly one of mtbf"),
        ({"checkpoint.bandwidth": ["5 GB/s"]}, r"vary checkpoint.bandwidth = 5000000000: .*either save, or size"),
        ({}, r"vary: expected keys and their values"),
    ],
)
def test_what_is_wrong_is_said(vary: dict[str, Any], expected: str) -> None:
    with pytest.raises(JobError, match=expected):
        plan_many(job_of(), vary)


def test_what_cannot_be_a_job_or_a_model() -> None:
    with pytest.raises(TypeError, match=r"expected a cprmodel.Job"):
        plan_many({}, {"failures.mtbf": [1.0]})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a cost model"):
        plan_many(job_of(), {"failures.mtbf": [1.0]}, Exact)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="a table of prices"):
        plan_many(job_of(), {"failures.mtbf": [1.0]}, minimise="dollars")
