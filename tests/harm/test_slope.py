"""The slope per PLS that a record predicts, against put-backs that were played, and in a job's plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cprmodel
from cprmodel.facts.errors import JobError
from cprmodel.formulas import harm_per_pls
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord
from cprmodel.harm.slope import accuracy_model, slope_at
from tests.harm.small_model import BATCH, SHARDS, STEPS, Setting, record, trained
from tests.harm.study import measured

POINTS, AGES, LEFT = [100, 200, 300, 400, 500, 600], [10, 30, 90], [100, 200, 300, 400, 500]


JOB = """
[job]
work = "56 h"
[cluster]
embedding_shards = 8
[failures]
mtbf = "28 h"
[checkpoint]
save = "4 min"
[accuracy]
max_metric_drop = {drop}
model = "model.json"
"""


@pytest.fixture(scope="module")
def seen() -> tuple[HarmModel, list[float]]:
    """A record with AUCs (1.5 times the rise), and what put-backs cost at the end per unit of PLS."""
    setting = Setting(31)
    history = trained(setting)
    data = record(setting, history, POINTS, AGES, LEFT).model_dump(mode="json")
    for point in data["points"]:
        for one in point["whole"]:
            one["auc_per_nat"] = 1.5
    age = 60
    played = [measured(setting, history, at, age)[1] * STEPS * SHARDS / age for at in range(150, STEPS + 1, 75)]
    return HarmModel(HarmRecord.model_validate(data)), played


def test_the_slope_is_that_of_put_backs_whenever_they_happen(seen: tuple[HarmModel, list[float]]) -> None:
    """All moments within 40% of their mean (at once they differ by ten), the mean within 25% of what is said."""
    model, played = seen
    assert np.abs(np.array(played) / np.mean(played) - 1).max() < 0.4
    value, low, high = slope_at(model, 0.1 * STEPS * BATCH, 1 / SHARDS, "log loss")
    assert value == pytest.approx(np.mean(played), rel=0.25)
    assert low < value < high
    assert slope_at(model, 0.1 * STEPS * BATCH, 1 / SHARDS)[0] == pytest.approx(1.5 * value)


def test_one_class_of_rows_gives_the_formula() -> None:
    """A record of one class with the same D, N and κ at all times, made here."""
    drift, noise, kappa, samples = 3e-13, 2e-9, 2e-6, 10**6
    ages, left = [1e3 * 1.3**k for k in range(22)], [1e5 * k for k in range(1, 11)]
    shares = [[float(np.exp(-2 * kappa * one)) for one in left]] * len(ages)
    of = [drift * age**2 + noise * age for age in ages]
    zeros = [0.0] * len(ages)
    band = {
        "accesses_from": 0.0,
        "accesses_to": 1.0,
        "rows": 10,
        "accesses": 1.0,
        "probed": 10,
        "quadratic": of,
        "quadratic_error": zeros,
        "gradient": zeros,
        "gradient_error": zeros,
        "quadratic_left": shares,
        "gradient_left": shares,
    }
    table = {
        "name": "only",
        "rows": 10,
        "embedding_dim": 1,
        "curvature_trace": 1.0,
        "curvature_eigenvalues": [1.0],
        "bands": [band],
    }
    nothing = {f"{name}_error": 0.0 for name in ("quadratic", "gradient", "rise")}
    whole = [
        {"age_samples": age, "quadratic": one, "gradient": 0.0, "rise": one, **nothing}
        for age, one in zip(ages, of, strict=True)
    ]
    point = {
        "position_samples": samples,
        "log_loss": 0.5,
        "ages_samples": ages,
        "left_samples": left,
        "tables": [table],
        "whole": whole,
    }
    data = {
        "kind": "harm record",
        "samples": samples,
        "batch_size": 1,
        "probe_samples": 10,
        "optimizer": {"name": "sgd", "learning_rate": 1.0},
        "points": [point],
    }
    model = HarmModel(HarmRecord.model_validate(data))
    interval = 1e4  # early failures have younger rows: the run's first interval is a hundredth of it
    found = slope_at(model, interval, 0.25, "log loss")[0]
    assert found == pytest.approx(harm_per_pls(drift, noise, interval, kappa, samples), rel=5e-3)


def test_a_job_is_planned_with_it(seen: tuple[HarmModel, list[float]], tmp_path: Path) -> None:
    model, _ = seen
    of = accuracy_model(model, 1 / 8, record="harm.json")
    (tmp_path / "model.json").write_text(json.dumps(of.model_dump(mode="json")))
    (tmp_path / "job.toml").write_text(JOB.format(drop=of.metric_drop_per_pls * 0.05))
    job = cprmodel.load_job(tmp_path / "job.toml")
    plan = cprmodel.plan(job)
    assert job.pls_budget == pytest.approx(0.05)
    one = next(one for one in plan.strategies if one.expected_pls > 0)
    assert one.expected_metric_drop == pytest.approx(of.metric_drop_per_pls * one.expected_pls)
    assert one.expected_metric_drop_interval_90 is not None
    low, high = one.expected_metric_drop_interval_90
    assert low < one.expected_metric_drop < high


def spoiled(model: HarmModel, change: Any) -> HarmModel:
    data = model.record.model_dump(mode="json")
    change(data)
    return HarmModel(HarmRecord.model_validate(data))


def test_what_sets_no_budget_is_refused(seen: tuple[HarmModel, list[float]]) -> None:
    def without_auc(data: Any) -> None:
        for point in data["points"]:
            for one in point["whole"]:
                one["auc_per_nat"] = None

    def better_put_back(data: Any) -> None:
        for point in data["points"]:
            for table in point["tables"]:
                for band in table["bands"]:
                    band["gradient"] = [-100 * abs(one) for one in band["gradient"]]

    with pytest.raises(JobError, match=r"harm record: expected a record with auc_per_nat"):
        accuracy_model(spoiled(seen[0], without_auc))
    with pytest.raises(JobError, match="expected to predict a slope above 0"):
        accuracy_model(spoiled(seen[0], better_put_back), metric="log loss")
