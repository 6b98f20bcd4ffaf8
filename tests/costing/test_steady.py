"""The best intervals and levels, and bandwidth that jobs share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cprmodel import Exact, JobError, SteadyState, plan
from cprmodel.costing import saving_of
from cprmodel.costing.models import OPTIMUM
from cprmodel.costing.setting import drains_in
from cprmodel.costing.steady import DRAIN, SHARED, SHORTEST, long_run_of
from cprmodel.facts.storage import StoredSave
from cprmodel.formulas import (
    aupy_2013_interval,
    benoit_2017_overhead,
    exact_interval,
    herault_2018_interval,
    two_level_interval,
    two_level_saves,
    warned_interval,
    warned_overhead,
)
from cprmodel.jobs import Job


def job_of(checkpoint: dict[str, Any], **sections: Any) -> Job:
    data: dict[str, Any] = {
        "job": {"work": "400 d"},
        "cluster": {"embedding_shards": 8},
        "failures": {"mtbf": "24 h", "trainer_share": 0.1, "whole_job_share": 0.05},
        "checkpoint": {"reschedule": "5 min", **checkpoint},
        "accuracy": {"pls_budget": 0.01},
    }
    return Job.from_mapping({**data, **sections})


JOBS = {
    "drains": job_of({"overlap": 0.85, "drain": "6 min", "load": "4 min"}),
    "drains after a block": job_of({"overlap": 0.95, "drain": "20 min", "save": "12 s"}),
    "dirty rows": job_of(
        {"size": "1 TB", "bandwidth": "3 GB/s", "incremental": True, "dirty_curve": [["10 min", 0.2], ["4 h", 0.7]]}
    ),
    "two levels": job_of(
        {"level": [{"name": "memory", "save": "9 s", "survives": 0.9}, {"name": "remote", "save": "5 min"}]}
    ),
    "warnings": job_of({"save": "5 min", "warning": {"lead": "2 min", "save": "90 s", "recall": 0.6}}),
}


@pytest.mark.parametrize("recovery", ["full", "partial"])
@pytest.mark.parametrize("name", JOBS)
def test_no_interval_and_no_levels_cost_less(name: str, recovery: str) -> None:
    job, model = JOBS[name], SteadyState()
    budget = job.pls_budget
    assert budget is not None
    choice = model.full_interval(job) if recovery == "full" else model.partial_interval(job, budget)
    saving = choice.saving
    assert isinstance(saving, StoredSave)
    how = job.full_recovery if recovery == "full" else job.partial_recovery
    best = long_run_of(job, how, saving, choice.interval_s)
    assert float(best.pls) <= budget * (1 + 1e-9)
    longest = job.job.work_s
    tried = [saving]
    if saving.counts:
        tried = [StoredSave(saving.levels, (n,)) for n in range(1, 3 * saving.counts[0] + 3)]
    for one in tried:
        intervals = np.geomspace(choice.interval_s / 50, longest / one.segments, 4000)
        intervals = intervals[drains_in(one, intervals)]
        run = long_run_of(job, how, one, intervals)
        keeps = run.pls <= (budget if recovery == "partial" else np.inf)
        costs = np.where(keeps, run.breakdown.total, np.inf)
        assert costs.min() >= float(best.breakdown.total) * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(ratio=st.floats(1e-6, 0.3), mtbf=st.floats(3e3, 1e7))
def test_full_recovery_with_one_level_saves_at_the_exact_interval(ratio: float, mtbf: float) -> None:
    job = Job.from_mapping(
        {"job": {"work_s": 1e11}, "failures": {"mtbf_s": mtbf}, "checkpoint": {"save_s": ratio * mtbf}}
    )
    choice = SteadyState().full_interval(job)
    assert choice.interval_s == pytest.approx(exact_interval(ratio * mtbf, mtbf), rel=2e-4)


def efficiency_lost(job: Job, interval_s: float) -> float:
    """How much less of the time is useful than at the best interval."""
    choice = SteadyState().full_interval(job)
    assert isinstance(choice.saving, StoredSave)
    both = long_run_of(job, job.full_recovery, choice.saving, np.array([choice.interval_s, interval_s]))
    return float(np.subtract(*(1 / (1 + both.breakdown.total))))


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(("mtbf_h", "most"), [(24.0, 2e-5), (6.0, 1.5e-4), (1.0, 4e-3)])
def test_aupy_s_interval_is_nearly_best(overlap: float, mtbf_h: float, most: float) -> None:
    job = Job.from_mapping(
        {
            "job": {"work": "4000 d"},
            "failures": {"mtbf_s": mtbf_h * 3600},
            "checkpoint": {"overlap": overlap, "drain": "5 min", "load": "5 min", "reschedule": "1 min"},
        }
    )
    interval = aupy_2013_interval(300.0, mtbf_h * 3600, overlap, 300.0, 60.0)
    assert -1e-9 <= efficiency_lost(job, max(interval, overlap * 300.0)) <= most


def test_a_free_save_is_made_as_often_as_it_drains() -> None:
    job = job_of({"overlap": 1.0, "drain": "5 min"})
    choice = SteadyState().full_interval(job)
    assert choice.set_by == DRAIN
    assert choice.interval_s == pytest.approx(300.0, rel=1e-6)


@pytest.mark.parametrize("mtbf_days", [300.0, 3000.0])
def test_first_order_forms_are_met_where_failures_are_rare(mtbf_days: float) -> None:
    mtbf = mtbf_days * 86400
    levels = {"level": [{"save_s": 10.0, "survives": 0.9, "load_s": 0.0}, {"save_s": 300.0, "load_s": 0.0}]}
    base = {"job": {"work": "9000000 d"}, "failures": {"mtbf_s": mtbf}}
    job = Job.from_mapping({**base, "checkpoint": levels})
    choice = SteadyState().full_interval(job)
    assert isinstance(choice.saving, StoredSave)
    run = long_run_of(job, job.full_recovery, choice.saving, choice.interval_s)
    near = 3 * (300 / mtbf) ** 0.5
    # the published form charges the cheap save whose place the dear one takes
    spared = 10.0 / (choice.interval_s * choice.saving.segments)
    said = benoit_2017_overhead(10.0, 300.0, mtbf, 0.9) - spared
    assert float(run.breakdown.total) == pytest.approx(said, rel=near)
    assert choice.saving.segments == pytest.approx(two_level_saves(10.0, 300.0, 0.9), abs=1)
    assert choice.interval_s == pytest.approx(two_level_interval(10.0, 300.0, mtbf, 0.9), rel=0.05)
    warned = {"save_s": 300.0, "load_s": 0.0, "warning": {"lead_s": 60.0, "save_s": 60.0, "recall": 0.7}}
    job = Job.from_mapping({**base, "checkpoint": {**warned}})
    choice = SteadyState().full_interval(job)
    assert isinstance(choice.saving, StoredSave)
    run = long_run_of(job, job.full_recovery, choice.saving, choice.interval_s)
    # saves on a warning begin the interval anew, which the first-order form does not know: of second order
    assert choice.interval_s == pytest.approx(warned_interval(300.0, mtbf, 0.7), rel=10 * near)
    said = warned_overhead(choice.interval_s, 300.0, mtbf, 0.7, 1.0, 60.0)
    assert float(run.breakdown.total) == pytest.approx(said, rel=10 * near)


def with_neighbours(*jobs: dict[str, Any], nodes: int = 100) -> Job:
    return job_of({"save": "10 min"}, storage={"nodes": nodes, "node_mtbf_s": 100 * 86400.0, "jobs": list(jobs)})


def test_shared_bandwidth_has_the_multiplier_that_slsqp_finds() -> None:
    """Rare failures, so that this job's exact cost is the first-order one that Herault et al. minimise."""
    node_mtbf = 9e11
    classes = [(1, 100, 600.0), (3, 50, 400.0), (2, 400, 3000.0), (5, 20, 100.0)]
    own, *others = classes
    storage = {
        "nodes": own[1],
        "node_mtbf_s": node_mtbf,
        "jobs": [{"count": n, "nodes": q, "save_s": c} for n, q, c in others],
    }
    # writing is slowed until the bound binds: as many more neighbours as that takes
    for times in (1, 800, 8000):
        storage["jobs"] = [{"count": n * times, "nodes": q, "save_s": c} for n, q, c in others]
        job = Job.from_mapping(
            {
                "job": {"work_s": 9e11},
                "failures": {"mtbf_s": node_mtbf / own[1]},
                "checkpoint": {"save_s": own[2], "load_s": 0.0},
                "storage": storage,
            }
        )
        counts = np.array([own[0], *(n * times for n, _, _ in others)], dtype=float)
        nodes = np.array([q for _, q, _ in classes], dtype=float)
        saves = np.array([c for _, _, c in classes])

        def waste(logs: Any, counts: Any = counts, nodes: Any = nodes, saves: Any = saves) -> float:
            every = np.exp(np.clip(logs, -40, 40))
            return float(
                1e4 * (counts * nodes * (saves / every + nodes / node_mtbf * every / 2)).sum() / nodes.sum()
            )

        young = herault_2018_interval(saves, node_mtbf, nodes, 1.0, 0.0)

        def room(logs: Any, counts: Any = counts, saves: Any = saves) -> float:
            return 1 - float((counts * saves / np.exp(np.clip(logs, -40, 40))).sum())

        bound = {"type": "ineq", "fun": room}
        exactly = {"ftol": 1e-14, "maxiter": 2000}
        solved = minimize(waste, np.log(young * 3), constraints=[bound], method="SLSQP", options=exactly)
        choice = SteadyState().full_interval(job)
        binds = float((counts * saves / young).sum()) > 1
        assert (choice.set_by == SHARED) == binds
        exact = 1e-3 + choice.interval_s * own[1] / node_mtbf / 2  # the exact optimum is τ/(3μ) less
        assert choice.interval_s == pytest.approx(float(np.exp(solved.x[0])), rel=exact)
    assert binds


def test_all_jobs_together_write_all_the_time_and_no_more() -> None:
    crowd = with_neighbours({"count": 30, "nodes": 60, "save": "5 min"}, {"nodes": 800, "save": "1 h"})
    choice = SteadyState().full_interval(crowd)
    assert choice.set_by == SHARED
    alone = SteadyState().full_interval(job_of({"save": "10 min"}))
    assert choice.interval_s > 1.01 * alone.interval_s


def test_a_share_of_the_time_is_a_bound() -> None:
    tight = job_of({"save": "10 min"}, storage={"nodes": 100, "share": 0.02})
    answer = plan(tight)
    assert answer.model.name == "steady-state"
    assert answer["full"].reason == f"interval set by {SHARED}"
    assert 600 / answer["full"].interval_s == pytest.approx(0.02, rel=1e-6)
    loose = job_of({"save": "10 min"}, storage={"nodes": 100, "share": 0.9})
    alone = plan(job_of({"save": "10 min"}))["full"].interval_s
    assert plan(loose)["full"].interval_s == pytest.approx(alone, rel=0.1)
    assert any("partial: left out: storage" in line for line in answer.warnings)  # its budget wants more saves


def test_more_than_can_be_written_at_all_is_refused() -> None:
    budget = {"accuracy": {"pls_budget": 0.005}}
    job = job_of({"save": "10 min"}, storage={"nodes": 100, "share": 1e-2}, **budget)
    with pytest.raises(JobError, match="storage: expected storage on which all jobs can save at all"):
        SteadyState().partial_interval(job, 0.005)
    assert plan(job).recommended == "full"
    # what no interval keeps, whatever is written, is not the storage's fault
    never = job_of({"save": "10 min"}, storage={"nodes": 100, "share": 1e-2}, accuracy={"pls_budget": 1e-7})
    assert "is above the budget 1e-07" in plan(never)["partial"].reason


def test_a_plain_job_costs_as_much_whoever_chose_the_interval() -> None:
    """Partial recovery loads the failed shards alone, at full recovery's interval too."""
    job = job_of({"save": "4 min", "load": "4 min"}, job={"work": "4000 d"})
    answer = plan(job, SteadyState())
    for name in ("full", "partial-at-full-interval", "partial"):
        strategy = replace(answer[name].strategy, saving=job.saving)
        exact = Exact().cost(job, strategy).breakdown
        for part, expected in zip(answer[name].breakdown, exact, strict=True):
            assert float(part) == pytest.approx(float(expected), rel=1e-3, abs=1e-9), name


def test_dirty_rows_have_several_valleys() -> None:
    """A job on which a search that starts from whole saves ends 20% above the best."""
    job = Job.from_mapping(
        {
            "job": {"work": "400 d"},
            "cluster": {"embedding_shards": 8},
            "failures": {"mtbf": "24 h"},
            "checkpoint": {
                "incremental": True,
                "always_written": 0.01,
                "dirty_curve": [["10 min", 0.05], ["1 h", 0.45], ["6 h", 0.63]],
                "level": [{"save_s": 38.8, "survives": 0.854}, {"save_s": 319.0}],
            },
            "accuracy": {"pls_budget": 0.0053},
        }
    )
    choice = SteadyState().partial_interval(job, 0.0053)
    assert isinstance(choice.saving, StoredSave)
    best = float(long_run_of(job, job.partial_recovery, choice.saving, choice.interval_s).breakdown.total)
    for n in range(1, 120):
        saving = StoredSave(choice.saving.levels, (n,), dirty=choice.saving.dirty, always=choice.saving.always)
        run = long_run_of(job, job.partial_recovery, saving, np.geomspace(30, 2e5, 600))
        assert np.where(run.pls <= 0.0053, run.breakdown.total, np.inf).min() >= best * (1 - 1e-6), n


UNBOUNDED: dict[str, dict[str, Any]] = {
    "a copy": {"save": "5 min"},
    "a copy by size": {"size": "1 TB", "bandwidth": "3 GB/s"},
    "a drain": {"overlap": 0.9, "drain": "5 min"},
    "a drain that costs nothing": {"overlap": 1.0, "drain": "5 min"},
    "a stall that shrinks": {"overlap": 0.9, "drain": "5 min", "save": "7 s", "save_shrinks": True},
    "levels": {"level": [{"save": "9 s", "survives": 0.9}, {"save": "5 min", "stall": "2 s"}]},
}


@pytest.mark.parametrize("case", UNBOUNDED)
def test_an_optimum_that_the_file_does_not_bound_is_no_answer(case: str) -> None:
    curve = {"incremental": True, "dirty_curve": [["10 min", 0.05], ["1 h", 0.46], ["6 h", 0.63]]}
    checkpoint = {**UNBOUNDED[case], **curve}
    with pytest.raises(JobError) as caught:
        plan(job_of(checkpoint, accuracy={"pls_budget": 0.5}))
    said = str(caught.value)
    assert "\n" not in said
    for key in ("checkpoint.incremental = true", "stall", "always_written", "job.step"):
        assert key in said
    step = job_of(checkpoint, job={"work": "400 d", "step": "20 s"})
    one = plan(step)["full"]
    assert one.interval_s == 20
    assert one.reason == f"interval set by {SHORTEST}"
    costs = plan(job_of({**checkpoint, "always_written": 0.02}))["full"]
    assert costs.reason == f"interval set by {DRAIN if checkpoint.get('overlap') == 1 else OPTIMUM}"


def test_a_stall_does_not_shrink_with_the_rows() -> None:
    """Rare dirty rows: a save is its stall, to first order Young's."""
    curve = {"incremental": True, "dirty_curve": [["30 min", 1e-6], ["12 h", 2e-6]]}
    job = job_of({"overlap": 0.99, "drain": "8 min", "save": "7 s", "load": "8 min", **curve})
    assert SteadyState().full_interval(job).interval_s == pytest.approx(exact_interval(7.0, 86400.0), rel=2e-3)


def test_levels_to_which_no_save_goes_alone_are_noted() -> None:
    """Each save to disk goes to the store, which is slower to read; the plan reads from disk all the same."""
    memory = {"name": "memory", "save": "10 s", "survives": 0.75}
    disk = {"name": "disk", "save": "40 s", "survives": 0.92}
    store = {"name": "store", "save": "12 s", "load": "14 min"}

    def noted(*levels: dict[str, Any]) -> list[str]:
        return [line for line in plan(job_of({"level": list(levels)})).warnings if "leave a copy" in line]

    (full, partial) = noted(memory, disk | {"every": 4}, store | {"every": 1})
    assert full == (
        "full: each save to disk goes to store, which is taken to leave a copy there, too: it is read back in "
        "40 s, not 14 min. If it leaves none, leave disk out"
    )
    assert partial.startswith("partial")
    assert not noted(memory, disk | {"every": 4}, store | {"every": 2})


def test_warnings_that_cost_more_than_they_spare_are_not_heeded() -> None:
    warning = {"lead": "2 min", "save": "1 min", "recall": 0.8}
    heeded = plan(job_of({"save": "4 min", "warning": {**warning, "precision": 0.9}}))
    assert heeded.best.strategy.saving.warned is not None  # type: ignore[attr-defined]
    noise = plan(job_of({"save": "4 min", "warning": {**warning, "precision": 0.001}}))
    without = plan(job_of({"save": "4 min"}), SteadyState())
    assert noise.best.overhead_fraction == pytest.approx(without.best.overhead_fraction, rel=1e-9)
    assert any("warnings are better not heeded" in line for line in noise.warnings)


def test_where_every_failure_is_announced_saves_wait_for_that() -> None:
    warning = {"lead": "2 min", "save": "1 min", "recall": 1.0}
    answer = plan(job_of({"save": "4 min", "warning": warning}, job={"work": "56 h"}))
    assert answer.sentence.startswith("Save only when a failure is announced, with partial recovery")


def test_a_drain_longer_than_is_worth_while_is_not_begun() -> None:
    """Never to save costs less than the best interval that lets a save of 40 h drain."""
    job = job_of({"overlap": 0.9, "drain": "40 h", "load": "5 min"}, job={"work": "56 h"})
    answer = plan(job)
    assert answer["full"].interval_s == job.job.work_s
    exact = plan(
        job_of({"save": "1 min", "load": "5 min"}, job={"work": "56 h", "current_interval": "56 h"}), Exact()
    )
    assert answer["full"].overhead_fraction == pytest.approx(exact["current"].overhead_fraction, rel=1e-9)


def test_what_a_warned_save_writes_is_everything_for_its_own_time() -> None:
    data = JOBS["dirty rows"].model_dump(exclude_none=True)
    data["checkpoint"]["warning"] = {"lead_s": 60.0, "save_s": 20.0, "recall": 1.0}
    job = Job.from_mapping(data)
    saving = SteadyState().full_interval(job).saving
    assert isinstance(saving, StoredSave)
    # so long an interval that all saves are those on warnings, one for each failure at work
    run = long_run_of(job, job.full_recovery, saving, 1e9)
    assert float(run.writes) * job.failure_mix.mtbf_s == pytest.approx(1, rel=1e-3)
    assert float(run.io_s) == pytest.approx(20 * float(run.writes), rel=1e-9)


def test_the_first_order_form_of_warnings_is_far_off_where_they_are_frequent() -> None:
    data = {"save_s": 300.0, "load_s": 300.0, "reschedule_s": 60.0}
    warning = {"lead_s": 60.0, "save_s": 60.0, "recall": 0.95, "precision": 0.2}
    job = Job.from_mapping(
        {"job": {"work": "4000 d"}, "failures": {"mtbf": "24 h"}, "checkpoint": {**data, "warning": warning}}
    )
    every = float(warned_interval(300.0, 86400.0, 0.95))
    saving = saving_of(job)
    assert isinstance(saving, StoredSave)
    exact = float(long_run_of(job, job.full_recovery, saving, every).breakdown.total)
    said = warned_overhead(every, 300.0, 86400.0, 0.95, 0.2, 60.0, 300.0, 60.0)
    assert 1.3 < said / exact < 1.4


@pytest.mark.parametrize("step", [None, "1508.8 s"])
def test_recoveries_that_never_end_are_no_bargain(step: str | None) -> None:
    """A stop of hundreds of MTBFs leaves the numbers: what comes out is no cost below nothing."""
    data = {
        "job": {"work": "3462697 s"} | ({"step": step} if step else {}),
        "cluster": {"embedding_shards": 3},
        "failures": {"mtbf": "58629.7462772062 s", "trainer_share": 0.18199031726336537},
        "checkpoint": {
            "save": "54.7 s",
            "load": "3551.3 s",
            "reschedule": "228.12 s",
            "partial_load": "129.73 s",
            "partial_reschedule": "2118 s",
            "trainer_reschedule": "984 s",
        },
        "accuracy": {"pls_budget": 0.0282072},
    }
    job = Job.from_mapping(data)
    answer, exact = plan(job, SteadyState()), plan(job, Exact())
    assert answer.recommended == exact.recommended == "partial"
    (mine,), (theirs,) = (
        [line for line in one.what_would_change_it if line.startswith("If replacing")] for one in (answer, exact)
    )
    assert mine.split("(now")[0][:-4] == theirs.split("(now")[0][:-4]  # to a minute
    endless = job.model_copy(
        update={"checkpoint": job.checkpoint.model_copy(update={"partial_reschedule_s": 361 * 58629.7})}
    )
    assert plan(endless, SteadyState()).recommended == "full"
