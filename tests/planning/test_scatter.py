"""The probability that one run goes over the budget: against draws of the sum itself, and against played jobs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Job, plan, simulate
from cprmodel.planning.scatter import chance_over

RUNS = 100_000


@pytest.mark.parametrize("losses", [0.3, 2.0, 30.0, 199.0, 201.0, 1000.0])
def test_it_is_that_of_the_sum_drawn(losses: float) -> None:
    """Poisson many uniform losses, drawn one by one with NumPy; 201 and more: the three-moment form."""
    largest, runs = 0.01, RUNS if losses < 50 else 10_000
    random = np.random.default_rng(3)
    counts = random.poisson(losses, runs)
    drawn = np.bincount(np.repeat(np.arange(runs), counts), random.uniform(0, largest, counts.sum()), runs)
    mean, deviation = losses * largest / 2, math.sqrt(losses / 3) * largest
    for budget in (mean / 2, mean, mean + deviation, mean + 2 * deviation):
        share = float((drawn > budget).mean())
        error = math.sqrt(max(share * (1 - share), 1 / runs) / runs)
        assert chance_over(budget, mean, deviation) == pytest.approx(share, abs=4 * error)


def test_it_is_that_of_played_jobs() -> None:
    """The simulator shares no algebra with it; few shards fail twice in an interval here, and saves are short."""
    job = Job.from_mapping(
        {
            "job": {"work": "200 h"},
            "cluster": {"embedding_shards": 64},
            "failures": {"mtbf": "25 h"},
            "checkpoint": {"save": "2 s", "load": "1 s", "reschedule": "1 s"},
            "accuracy": {"pls_budget": 0.0005},
        }
    )
    found = plan(job)["partial"]
    over = found.probability_over_budget
    assert over is not None
    runs = simulate(job, found.strategy, runs=20_000, seed=5).pls_of_runs
    share = float((runs > 0.0005).mean())
    assert 0.05 < share < 0.6
    # both count the same failures; the deviation of plan leaves out that a job's last interval may be shorter
    assert over == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / runs.size) + 0.01)


@given(
    budget=st.floats(1e-6, 1),
    mean=st.floats(1e-9, 1),
    scatter=st.floats(1e-4, 30),
    more=st.floats(1, 10),
)
@settings(max_examples=100, deadline=None)
def test_it_is_a_probability_that_falls_with_the_budget(
    budget: float, mean: float, scatter: float, more: float
) -> None:
    """Markov's inequality bounds it, too."""
    chance = chance_over(budget, mean, scatter * mean)
    assert 0 <= chance <= min(1.0, mean / budget + 2e-3)
    assert chance_over(budget * more, mean, scatter * mean) <= chance + 1e-12
