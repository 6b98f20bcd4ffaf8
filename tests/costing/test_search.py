"""The search over intervals and levels finds what brute force finds, in whole steps where the job has steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Job, SteadyState, plan
from cprmodel.costing.models import WHOLE_JOB
from cprmodel.costing.steady import long_run_of
from cprmodel.facts.storage import StoredSave
from tests.costing.judge import TOO_DEAR, brute_force, drawn, excess


@pytest.mark.parametrize("seed", range(1000, 1036))
def test_the_best_to_a_thousandth_of_what_brute_force_finds(seed: int) -> None:
    """Boxes are as large as fit; where a better place lies beyond them the search may be cheaper."""
    case = drawn(seed)
    free = sum(level.every is None for level in case.saving.levels[1:])
    found = case.found()
    assert excess(found, brute_force(case, box={0: 1, 1: 120, 2: 30, 3: 12}[free], points=40)[0]) <= TOO_DEAR
    for count, level in zip(found.counts, case.saving.levels[1:], strict=True):
        assert level.every in (None, count)
    if case.setting.step_s:
        assert found.interval_s == round(found.interval_s / case.setting.step_s) * case.setting.step_s


def three_levels(last: dict[str, Any]) -> Job:
    """A job on which moving the numbers of saves one at a time ends 3% above the best."""
    curve = [["38.443 s", 0.0816466], ["86.755 s", 0.2488164], ["456.696 s", 0.7685731], ["2591.636 s", 0.955901]]
    places = [
        {"save": "11.6398 s", "load": "32.3059 s", "survives": 0.7873394},
        {"save": "14.6085 s", "load": "19.2869 s", "survives": 0.861040},
        {"save": "91.3796 s", "load": "14.7350 s", **last},
    ]
    checkpoint = {"reschedule": "95.68865 s", "overlap": 1.0, "drain": "23.98168 s", "incremental": True}
    checkpoint |= {"dirty_curve": curve, "always_written": 0.0606739, "level": places}
    return Job.from_mapping(
        {"job": {"work": "158038 s"}, "failures": {"mtbf": "6706.655 s"}, "checkpoint": checkpoint}
    )


def test_a_valley_that_no_single_step_leads_to() -> None:
    job = three_levels({"save_shrinks": True})
    choice = SteadyState().full_interval(job)
    assert isinstance(choice.saving, StoredSave)
    assert choice.saving.counts == (1, 11)
    there = StoredSave(choice.saving.levels, (4, 3), 23.98168, 1.0, choice.saving.dirty, choice.saving.always)
    intervals = np.geomspace(20, 2000, 2000)
    stuck = float(long_run_of(job, job.full_recovery, there, intervals).breakdown.total.min())
    best = float(long_run_of(job, job.full_recovery, choice.saving, choice.interval_s).breakdown.total)
    assert stuck > 1.025 * best


def steps_of(step: str, **checkpoint: Any) -> Job:
    return Job.from_mapping(
        {"job": {"work": "30 d", "step": step}, "failures": {"mtbf": "1 h"}, "checkpoint": checkpoint}
    )


PLACES = [{"save": "0.1 s", "load": "3 s", "survives": 0.9333}, {"save": "40 s", "load": "8 min"}]


@pytest.mark.parametrize("step", [7.0, 31.0, 62.0, 100.0, 250.0])
def test_few_steps_each_with_their_own_saves(step: float) -> None:
    job = steps_of(f"{step} s", level=PLACES)
    choice = SteadyState().full_interval(job)
    assert isinstance(choice.saving, StoredSave)
    best = float(long_run_of(job, job.full_recovery, choice.saving, choice.interval_s).breakdown.total)
    assert choice.interval_s == round(choice.interval_s / step) * step
    tried = []
    for n in range(1, 40):
        for count in range(1, 400):
            saving = StoredSave(choice.saving.levels, (count,))
            tried.append(float(long_run_of(job, job.full_recovery, saving, n * step).breakdown.total))
    assert best == pytest.approx(min(tried), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(step=st.floats(0.1, 2e4), save=st.floats(0.5, 300.0))
def test_an_interval_is_a_whole_number_of_steps_beside_the_best(step: float, save: float) -> None:
    data = {"failures": {"mtbf": "5 h"}, "checkpoint": {"save_s": save}}
    job = Job.from_mapping({"job": {"work": "100 d", "step_s": step}, **data})
    free = Job.from_mapping({"job": {"work": "100 d"}, **data})
    every, best = (SteadyState().full_interval(one).interval_s for one in (job, free))
    n = round(every / step)
    assert every == n * step
    assert n == 1 or (n - 1) * step < best * (1 + 1e-4)
    assert (n + 1) * step > best * (1 - 1e-4)


def test_a_budget_is_kept_in_whole_steps() -> None:
    data: dict[str, Any] = {
        "cluster": {"embedding_shards": 8},
        "failures": {"mtbf": "28 h"},
        "checkpoint": {"save": "4 min", "reschedule": "5 min"},
        "accuracy": {"pls_budget": 0.01},
    }
    free = plan(Job.from_mapping({"job": {"work": "100 d"}, **data}), SteadyState())["partial"]
    job = Job.from_mapping({"job": {"work": "100 d", "step": "400 s"}, **data})
    kept = plan(job, SteadyState())["partial"]
    assert kept.interval_s == free.interval_s // 400 * 400
    assert kept.expected_pls <= 0.01
    assert kept.reason == "interval set by the accuracy budget (PLS 0.01)"


def test_no_save_at_all_lasts_as_long_as_the_job() -> None:
    job = Job.from_mapping(
        {
            "job": {"work": "5000 s", "step": "70 s"},
            "failures": {"mtbf": "100 d"},
            "checkpoint": {"level": [{"save": "5 min", "survives": 0.5}, {"save": "20 min"}]},
        }
    )
    choice = SteadyState().full_interval(job)
    assert choice.set_by == WHOLE_JOB
    assert choice.interval_s == 5000
    assert plan(job).sentence.startswith("Use full recovery and make no save")
