"""How one run's PLS scatters with stored saves, against runs that are played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cprmodel import SteadyState, plan
from cprmodel.costing.saving import saving_of
from cprmodel.costing.spread import of_either, pls_variance
from cprmodel.costing.stops import stops_of
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, PartialRecovery, Strategy
from cprmodel.formulas import cpr_2021_pls_spread, exact_pls_deviation
from cprmodel.jobs import Job
from cprmodel.simulation.storage import play_stored
from tests.combinations.stored import HOUR, drawn_stored, job_of
from tests.costing.test_storage import ALONE, MIX, PARTIAL

RUNS = 3000
#: A standard deviation of n normal values has a standard error of 1/√(2n): three, beside the 10% that is stated.
WITHIN = 0.1 + 3 / (2 * RUNS) ** 0.5


def ratio(
    saving: StoredSave, tau: float, mix: FailureMix, recovery: PartialRecovery, shards: int, seed: int
) -> float:
    """Standard deviation that is computed over that of runs of 50 patterns and a half."""
    work = 50.5 * tau * saving.segments
    job = job_of(mix, shards, work)
    played = play_stored(job, Strategy("any", recovery, saving, tau), RUNS, np.random.SeedSequence(seed))
    computed = variance(saving, tau, work, mix, shards, recovery) ** 0.5
    return float(computed / (played[:, 1] / (work * shards)).std(ddof=1))


def variance(
    saving: StoredSave, tau: float, work: float, mix: FailureMix, shards: int, recovery: PartialRecovery
) -> float:
    """With the stops of one shard, and of either of two."""
    of_one, of_two = (stops_of(one, recovery, saving.levels, shards) for one in (mix, of_either(mix, shards)))
    return pls_variance(saving, tau, work, mix, shards, of_one, of_two)


CASES = {
    f"{name}, {mtbf_h:g} h": (ALONE[name], mtbf_h * HOUR)
    for name in ALONE
    if ALONE[name].warned is None
    for mtbf_h in (1.0, 5.0, 20.0)
}


@pytest.mark.parametrize("case", CASES)
def test_each_feature_scatters_as_played(case: str) -> None:
    """At 1 h repeated losses are frequent: a PLS of up to 0.2."""
    saving, mtbf = CASES[case]
    found = ratio(saving, 3000.0, replace(MIX, mtbf_s=mtbf), PARTIAL, 6, list(CASES).index(case))
    assert found == pytest.approx(1, abs=WITHIN)


SEEDS = [
    seed
    for seed in range(60)
    if (drawn_stored(seed)[0].warned is None or len(drawn_stored(seed)[0].levels) > 1)
    and isinstance(drawn_stored(seed)[3], PartialRecovery)
    and drawn_stored(seed)[2].shard_share > 0.05
]


@pytest.mark.parametrize("seed", SEEDS)
def test_combinations_at_random_scatter_as_played(seed: int) -> None:
    saving, tau, mix, recovery, shards = drawn_stored(seed)
    assert isinstance(recovery, PartialRecovery)
    saving = replace(saving, warned=None)
    assert ratio(saving, tau, mix, recovery, shards, 7000 + seed) == pytest.approx(1, abs=WITHIN)


@pytest.mark.parametrize("together", [1.0, 2.0, 3.5, 8.0])
def test_shards_that_fail_together_scatter_more(together: float) -> None:
    level = SaveLevel("remote", 60.0, 30.0, 5.0)
    mix = FailureMix(2 * HOUR, 0.9, 0.1, 0.0, together)
    saving = StoredSave((level,))
    assert ratio(saving, 6000.0, mix, PARTIAL, 8, int(10 * together)) == pytest.approx(1, abs=WITHIN)


def test_frequent_losses_of_the_same_shards() -> None:
    """A PLS of 0.3: most shards that fail have failed since the last save."""
    mix = FailureMix(HOUR, 1.0, 0.0, 0.0, 2.0)
    saving = StoredSave((SaveLevel("remote", 60.0, 30.0, 5.0),))
    assert ratio(saving, 11000.0, mix, PARTIAL, 8, 3) == pytest.approx(1, abs=WITHIN)
    lost = SteadyState().cost(job_of(mix, 8, 1e7), Strategy("any", PARTIAL, saving, 11000.0)).pls
    assert lost == pytest.approx(0.3, abs=0.05)
    # as many losses that are independent of one another would scatter more
    independent = (1e7 / HOUR * 4 * 11000.0**2 / 3) / (8 * 1e7) ** 2
    assert variance(saving, 11000.0, 1e7, mix, 8, PARTIAL) < independent / 1.2


def test_rare_failures_scatter_as_a_compound_poisson_process() -> None:
    """Each takes k shards and what they learned since the last save, uniform in τ."""
    mix = FailureMix(1e7, 1.0, 0.0, 0.0, 2.5)
    saving = StoredSave((SaveLevel("remote", 1e-3, 0.0, 0.0),))
    squares = (2**2 + 3**2) / 2
    expected = 1e12 / 1e7 * squares * 1000.0**2 / 3 / (8 * 1e12) ** 2
    assert variance(saving, 1000.0, 1e12, mix, 8, PARTIAL) == pytest.approx(expected, rel=1e-3)


def test_a_plan_says_how_the_pls_scatters() -> None:
    job = Job.from_mapping(
        {
            "job": {"work": "30 d"},
            "cluster": {"embedding_shards": 8},
            "failures": {"mtbf": "6 h"},
            "checkpoint": {"overlap": 0.9, "drain": "6 min", "save": "8 s", "reschedule": "5 min"},
            "accuracy": {"pls_budget": 0.05},
        }
    )
    found = plan(job)["partial"]
    strategy = found.strategy
    played = play_stored(job, strategy, RUNS, np.random.SeedSequence(5))
    scatter = float((played[:, 1] / (job.job.work_s * 8)).std(ddof=1))
    assert found.pls_standard_deviation == pytest.approx(scatter, rel=WITHIN)
    assert SteadyState().cost(job, plan(job)["full"].strategy).pls_standard_deviation == 0


@pytest.mark.parametrize(
    ("recall", "precision", "checkpoint"),
    [
        (0.8, 0.6, {"save": "2 min"}),
        (0.6, 1.0, {"overlap": 0.9, "drain": "20 min", "save": "8 s"}),
        (0.5, 1.0, {"level": "memory", "leaves": "memory"}),
        (0.7, 0.8, {"level": "memory"}),
        (0.7, 1.0, {"level": "remote"}),
    ],
)
def test_saves_on_warnings_leave_few_failures_that_lose(
    recall: float, precision: float, checkpoint: dict[str, Any]
) -> None:
    """CPR's recursion, in which each failure loses, had been said: half to a third of what is played."""
    warning = {"lead": "5 min", "save": "1 min", "recall": recall, "precision": precision}
    if "level" in checkpoint:
        memory = {"name": "memory", "save": "20 s", "load": "20 s", "survives": 0.8}
        remote = {"name": "remote", "save": "3 min", "load": "3 min", "every": 5}
        warning |= {key: checkpoint[key] for key in ("level", "leaves") if key in checkpoint}
        checkpoint = {"level": [memory, remote]}
    job = Job.from_mapping(
        {
            "job": {"work": "100 d"},
            "cluster": {"embedding_shards": 8},
            "failures": {"mtbf": "20 h", "whole_job_share": 0.05},
            "checkpoint": {**checkpoint, "warning": warning, "reschedule": "5 min"},
            "accuracy": {"pls_budget": 0.5},
        }
    )
    saving = saving_of(job)
    assert isinstance(saving, StoredSave)
    assert saving.warned is not None
    strategy = Strategy("partial", job.partial_recovery, saving, 3 * 3600.0)
    found = SteadyState().cost(job, strategy)
    played = play_stored(job, strategy, RUNS, np.random.SeedSequence(5))[:, 1] / (job.job.work_s * 8)
    assert found.pls == pytest.approx(played.mean(), abs=3 * played.std() / RUNS**0.5)
    assert found.pls_standard_deviation == pytest.approx(played.std(ddof=1), rel=WITHIN)
    as_in_cpr = found.pls * cpr_2021_pls_spread.raw(job.job.work_s, 20 * 3600.0, 0.95)
    assert as_in_cpr < 0.8 * played.std()


@pytest.mark.parametrize("shards", [2, 8, 40])
@pytest.mark.parametrize("together", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("stop", [0.0, 0.1, 0.5])
def test_one_blocking_level_scatters_as_the_exact_model_says(shards: int, together: float, stop: float) -> None:
    """Long stops, in which other shards fail, too; the exact form shares no code with the recursion over blocks."""
    mix, save, tau, work = FailureMix(1e4, 0.8, 0.1, 0.1, together), 300.0, 2000.0, 1e9
    recovery = PartialRecovery(600.0, 300.0, stop * 1e4, 60.0, 100.0)
    saving = StoredSave((SaveLevel("remote", save, 300.0, 60.0),))
    exact = exact_pls_deviation.raw(work, tau, 1e4, shards, 0.8, together, save, 60.0, stop * 1e4, 0.1, 0.1, 100.0)
    assert variance(saving, tau, work, mix, shards, recovery) ** 0.5 == pytest.approx(exact, rel=1e-3)
