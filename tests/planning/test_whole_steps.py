"""Where a step is given every interval is whole steps, the best of them all, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, plan
from cprmodel.costing import CostModel, kinds, model_for
from cprmodel.jobs import FailureModel
from cprmodel.planning.pricing import price
from cprmodel.planning.uncertainty import Posterior, expected

WORK_S = 20 * 86400.0
RESTART = {"load": "4 min", "reschedule": "10 min"}
CURVE = [["10 min", 0.1], ["2 h", 0.4]]
WARNING = {"lead": "5 min", "recall": 0.5, "precision": 0.8}
PLACES = [{"name": "memory", "save": "5 s", "load": "5 s", "survives": 0.9, "partial_load": "1 s"}]
PLACES += [{"name": "remote", "save": "120 s", "load": "4 min", "every": 4}]  # type: ignore[dict-item]
STORAGES: dict[str, dict[str, Any]] = {
    "blocking": {"save": "2 min", **RESTART},
    "draining": {"save": "10 s", "overlap": 0.9, "drain": "8 min", **RESTART},
    "incremental": {"save": "5 min", "incremental": True, "always_written": 0.05, "dirty_curve": CURVE, **RESTART},
    "warned": {"save": "2 min", "warning": WARNING, **RESTART},
    "two levels": {"level": PLACES, "reschedule": "10 min"},
}
MODELS: list[CostModel | None] = [FirstOrder(), Exact(), None]
STEPS = ["47 s", "13 min", "40 min"]


def job_of(checkpoint: dict[str, Any], step: str, **tables: Any) -> Job:
    data = {
        "job": {"work_s": WORK_S, "step": step},
        "cluster": {"embedding_shards": 8},
        "failures": {"mtbf": "12 h", "whole_job_share": 0.1},
        "checkpoint": checkpoint,
        "accuracy": {"pls_budget": 0.01},
    }
    return Job.from_mapping({**data, **tables})


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("storage", STORAGES)
def test_no_other_number_of_steps_costs_less(storage: str, step: str) -> None:
    """Every number of steps up to well beyond the best is priced; of equal pieces of the job some are tried."""
    job = job_of(STORAGES[storage], step)
    step_s = job.job.step_s or math.nan
    for model in MODELS if job.plain else [model_for(job)]:
        for one in plan(job, model).strategies:
            steps = round(one.interval_s / step_s)
            assert one.interval_s == steps * step_s
            assert one.interval_steps == one.saves_every_steps == steps
            if one.name == "partial-at-full-interval":
                continue
            tried = []
            for n in range(1, steps + 40):
                cost = kinds.cost(job, model or model_for(job), replace(one.strategy, interval_s=n * step_s))
                kept = one.name == "full" or cost.pls <= 0.01 * (1 + 1e-9)
                tried.append(float(cost.breakdown.total) if kept and not cost.refused else math.inf)
            assert one.overhead_fraction == tried[steps - 1]
            assert one.overhead_fraction == min(tried)


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_of_least_money(model: CostModel) -> None:
    """Writes so dear that the cheapest interval is several times that of least overhead."""
    money = {"node_hour": 2.0, "storage_gb_month": 0.02, "write_gb": 0.02}
    store = {"size": "1 TB", "bandwidth": "8 GB/s", **RESTART}
    cluster = {"embedding_shards": 8, "trainers": 56}
    job = job_of(store, "37 min", cost=money, cluster=cluster)
    one = plan(job, model, minimise="dollars")["full"]
    dear = []
    for n in range(1, 120):
        dear.append(price(job, model, replace(one.strategy, interval_s=n * 37 * 60.0)).dollars_to_train)
    assert one.interval_steps == 1 + int(np.argmin(dear))  # type: ignore[arg-type]
    assert one.interval_steps > plan(job, model)["full"].interval_steps  # type: ignore[operator]


def test_of_least_expected_overhead() -> None:
    """Of a robust plan: no other number of steps has a smaller mean over what the MTBF may be."""
    fit = FailureModel(events=8, exposure_s=8 * 12 * 3600.0)
    job = job_of(STORAGES["blocking"], "13 min", failures={"fit": fit})
    one = plan(job, FirstOrder(), robust=True)["full"]
    posterior = Posterior.of(fit)
    means = [
        expected(job, FirstOrder(), replace(one.strategy, interval_s=n * 780.0), posterior)[0] for n in range(1, 20)
    ]
    assert one.interval_steps == 1 + int(np.argmin(means))


@pytest.mark.parametrize("fraction", [0.3, 0.125])
def test_saves_of_a_part(fraction: float) -> None:
    """Whole steps lie between two saves, not in the time that all is written once; the words say those."""
    tables = [{"rows": 1_000_000, "zipf": 1.05, "updates_per_second": 1e5}]
    access = {"priority_fraction": fraction, "tables": tables}
    store = {"save": "4 min", "partial_load": "30 s", "partial_reschedule": "2 min", **RESTART}
    job = job_of(store, "17 min", access=access, failures={"mtbf": "28 h"})
    answer = plan(job, FirstOrder())
    for one in answer.strategies:
        if one.order is None:
            continue
        steps = round(one.strategy.saves_every_s / 1020)
        assert one.strategy.saves_every_s == pytest.approx(1020 * steps, rel=1e-12)
        assert one.saves_every_steps == steps
        longer = replace(one.strategy, interval_s=(steps + 1) * 1020 / fraction)
        assert kinds.cost(job, FirstOrder(), longer).pls > 0.01  # one step more breaks the budget
    assert answer.best.order is not None
    assert f"({answer.best.saves_every_steps} step" in answer.sentence
