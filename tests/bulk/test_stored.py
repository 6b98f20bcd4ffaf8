"""Rows of storage as it is are computed many at once, and each is what plan() says of its job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, Job, SteadyState, plan_many
from cprmodel.bulk import grid_of
from cprmodel.bulk.rows import changed_job
from cprmodel.bulk.stored import answers
from cprmodel.costing import model_for
from tests.bulk.comparing import compare, job_of, logs
from tests.conftest import EXAMPLE

STORAGE = EXAMPLE.parent / "storage.toml"
CURVE = [["10 min", 0.12], ["1 h", 0.25], ["6 h", 0.45]]

VARIED = {
    "failures.mtbf": logs(3e3, 1e7),
    "failures.trainer_share": st.sampled_from([0.0, 0.05, 0.3]),
    "failures.whole_job_share": st.sampled_from([0.0, 0.05, 0.6]),
    "job.work": logs(1e4, 1e9),
    "job.current_interval": logs(10, 1e6),
    "cluster.embedding_shards": st.integers(2, 500),
    "checkpoint.size": logs(1e9, 1e14),
    "checkpoint.detect": st.sampled_from([0.0, 60.0, 3e4]),
    "checkpoint.reschedule": st.sampled_from([1.0, 600.0, 1e5]),
    "accuracy.pls_budget": logs(1e-6, 0.5),
}
DRAINS = {"checkpoint.overlap": st.floats(0.2, 1.0), "checkpoint.drain": logs(1, 5e3)}
LEVELS = {
    "checkpoint.level.0.bandwidth": logs(1e9, 1e12),
    "checkpoint.level.0.survives": st.floats(0.3, 0.9),
    "checkpoint.level.1.every": st.integers(1, 30),
    "checkpoint.level.1.load": logs(1, 1e4),
}
PRICES = {"cost.node_hour": logs(1e-2, 1e2), "cost.write_gb": st.sampled_from([0.0, 1e-4, 0.02])}


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[Job, dict[str, Any], str]:
    """A job of one to three levels, with drains, dirty rows, steps and prices or without, and what varies."""
    ranges = dict(VARIED)
    checkpoint: dict[str, Any] = {"size": "1.2 TB", "reschedule": "10 min", "partial_reschedule": "2 min"}
    levels = draw(st.integers(1, 3))
    if draw(st.booleans()):
        checkpoint |= {
            "incremental": True,
            "dirty_curve": CURVE,
            "always_written": draw(st.sampled_from([0.0, 0.02])),
        }
    if draw(st.booleans()):
        checkpoint |= {"overlap": 0.9, "drain": "4 min"}
        ranges |= DRAINS
    if levels == 1:
        checkpoint |= {"bandwidth": "5 GB/s"} if "drain" not in checkpoint else {"save": "5 s", "load": "4 min"}
    else:
        places: list[dict[str, Any]] = [{"bandwidth": "200 GB/s", "survives": 0.7}]
        places += [{"bandwidth": "40 GB/s", "survives": 0.95, "every": 3}] * (levels - 2)
        checkpoint["level"] = [*places, {"save": "20 s", "load": "4 min", "every": draw(st.integers(1, 9))}]
        ranges |= LEVELS
    tables: dict[str, Any] = {"job": {}, "failures": {}, "accuracy": {}, "cluster": {}}
    if draw(st.booleans()):
        tables["job"] |= {"step": None}
    if draw(st.booleans()):
        tables["job"] |= {"current_recovery": draw(st.sampled_from(["full", "partial"]))}
    shape = draw(st.sampled_from(["as it is", "no budget", "metric"]))
    if shape == "no budget":
        tables["accuracy"] = {"pls_budget": None}
        del ranges["accuracy.pls_budget"]
    elif shape == "metric":
        tables["accuracy"] = {"metric_drop_per_pls": 0.02}
    priced = draw(st.booleans())
    if priced:
        tables["cost"] = {"node_hour": 4.0, "storage_gb_month": 0.02, "write_gb": 1e-4, "currency": "USD"}
        ranges |= PRICES
    names = draw(st.lists(st.sampled_from(sorted(ranges)), min_size=1, max_size=2, unique=True))
    vary = {name: draw(st.lists(ranges[name], min_size=1, max_size=4)) for name in names}
    base = job_of(STORAGE, checkpoint=dict.fromkeys(_CHECKPOINT) | checkpoint, **tables)
    return base, vary, draw(st.sampled_from(["overhead", "dollars"])) if priced else "overhead"


_CHECKPOINT = (
    *("size", "reschedule", "partial_reschedule", "quantised_bits", "embedding_dim", "incremental", "dirty_curve"),
    *("always_written", "overlap", "drain", "level"),
)


@given(sweeps())
@settings(max_examples=100)
def test_each_row_of_the_long_run_is_the_plan_of_its_job(drawn: tuple[Job, dict[str, Any], str]) -> None:
    job, vary, minimise = drawn
    compare(job, vary, SteadyState(), minimise, within=1e-12)


def _answered(job: Job, vary: dict[str, Any]) -> int:
    (box,) = grid_of(job, vary).boxes(10**6)
    columns, data = box.columns(), job.model_dump(exclude_none=True)
    jobs = [changed_job(data, {key: one[at] for key, one in columns.items()}) for at in range(box.last)]
    rows = [(at, one, model_for(one, SteadyState())) for at, one in enumerate(jobs)]
    return sum(len(found.rows) for found in answers(rows, "overhead"))


def test_all_at_once_where_the_numbers_of_saves_are_given() -> None:
    """Else, and beside warnings and shared storage, one by one; both say what plan() says."""
    vary = {"failures.mtbf": np.geomspace(2e4, 4e5, 5), "checkpoint.size": ["1 TB", "2 TB"]}
    assert _answered(job_of(STORAGE), vary) == 10
    assert _answered(job_of(), {"failures.mtbf": [5e4, 1e5]}) == 2
    free = [{"bandwidth": "200 GB/s", "survives": 0.7}, {"save": "5 s", "load": "4 min"}]
    warning = {"lead": "10 min", "recall": 0.5}
    for changed in (
        {"checkpoint": {"level": free}},
        {"checkpoint": {"level": None, "save": "5 s", "load": "4 min", "warning": warning}},
        {"storage": {"nodes": 40, "share": 0.2}},
    ):
        job = job_of(STORAGE, **changed)
        assert _answered(job, {"failures.mtbf": [5e4, 1e5]}) == 0
        compare(job, {"failures.mtbf": [5e4, 1e5]}, within=1e-12)


def test_one_level_is_the_exact_model_of_a_long_job() -> None:
    job = job_of(job={"work": "5000 d", "step": None, "current_interval": None})
    vary = {"failures.mtbf": np.geomspace(2e4, 1e6, 20), "checkpoint.save": [10.0, 300.0]}
    long, exact = plan_many(job, vary, SteadyState()), plan_many(job, vary, Exact())
    np.testing.assert_array_equal(long["recommended"], exact["recommended"])
    np.testing.assert_allclose(long["overhead_fraction"], exact["overhead_fraction"], rtol=1e-3)


@pytest.mark.parametrize(
    "key", ["checkpoint.dirty_curve.0.1", "checkpoint.always_written", "checkpoint.level.2.every"]
)
def test_any_number_of_the_storage_can_vary(key: str) -> None:
    values = [2, 4, 9] if key.endswith("every") else [0.01, 0.05, 0.1]
    found = compare(job_of(STORAGE), {key: values}, within=1e-12)
    assert len(set(found["overhead_fraction"])) == 3
