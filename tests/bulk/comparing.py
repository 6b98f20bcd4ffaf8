"""Each row of a sweep against the plan of its job."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from cprmodel import Job, JobError, plan, plan_many
from cprmodel.bulk import PlannedMany, grid_of
from cprmodel.bulk.rows import changed_job
from cprmodel.jobs import job_from_mapping
from tests.conftest import EXAMPLE

__all__ = ["compare", "job_of", "logs"]


def job_of(path: Path = EXAMPLE, **tables: dict[str, Any]) -> Job:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for table, keys in tables.items():
        data[table] = {key: value for key, value in (data.get(table, {}) | keys).items() if value is not None}
        if not data[table]:
            del data[table]
    return job_from_mapping(data)


def compare(
    job: Job, vary: dict[str, Any], model: Any = None, minimise: str = "overhead", within: float = 1e-11
) -> PlannedMany:
    """Every row against plan() of its job."""
    found = plan_many(job, vary, model, minimise=minimise, workers=1)
    grid = grid_of(job, vary)
    data = job.model_dump(exclude_none=True)
    (box,) = grid.boxes(10**6)
    columns = box.columns()
    for at in range(len(found)):
        row = {name: column[at] for name, column in found.columns.items()}
        try:
            one = changed_job(data, {key: columns[key][at] for key in columns})
            planned = plan(one, model, minimise=minimise)
            best = planned.best
        except JobError as found_wrong:
            error: JobError | None = found_wrong
        else:
            error = None
        if error is not None:
            assert not row["feasible"], (row, error)
            field = str(error.problems[0]).partition(" = ")[0].partition(":")[0].partition(" (")[0]
            assert row["reason"].startswith(field), (row["reason"], str(error))
            assert not row["recommended"]
            assert math.isnan(row["overhead_fraction"])
            assert math.isnan(row["interval_s"])
            continue
        assert row["feasible"], row
        assert row["reason"] == ""
        assert row["recommended"] == best.name
        assert row["recovery"] == best.strategy.recovery.name
        expected = {
            "interval_s": best.interval_s,
            "overhead_fraction": best.overhead_fraction,
            "overhead_save": best.breakdown.save,
            "overhead_load": best.breakdown.load,
            "overhead_lost": best.breakdown.lost,
            "overhead_reschedule": best.parts["reschedule"],
            "effective_time_ratio": best.effective_time_ratio,
            "expected_pls": best.expected_pls,
            "expected_metric_drop": best.expected_metric_drop,
            "time_to_train_s": best.time_to_train_s,
            "space_kept_bytes": best.space_kept_bytes,
            "write_bytes_per_month": best.write_bytes_per_month,
            "dollars_per_month": best.dollars_per_month,
            "dollars_to_train": best.dollars_to_train,
        }
        for name, value in expected.items():
            if value is None:
                assert name not in row or math.isnan(row[name])
            else:
                assert row[name] == pytest.approx(value, rel=within, abs=1e-300), name
        today = next((each for each in planned.strategies if each.name == "current"), None)
        if today is not None:
            assert row["current_overhead_fraction"] == pytest.approx(today.overhead_fraction, rel=within)
            assert row["current_expected_pls"] == pytest.approx(today.expected_pls, rel=within, abs=1e-300)
        assert row["within_validity"] == (not any(step.warnings for step in best.steps))
    return found


def logs(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)
