"""The probability that one run goes over the budget: against draws of the sum itself, and against played jobs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, Job, plan, simulate
from cprmodel.costing import model_for
from cprmodel.planning.pricing import price
from cprmodel.planning.scatter import chance_over
from cprmodel.simulation.played import Activity, AtRandom
from tests.costing.random_jobs import drawn

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


@pytest.mark.parametrize(
    ("losses", "taken"),
    [
        (14.0, ((0.99, 1.0), (0.01, 32.0))),
        (11.0, ((0.143, 8.0), (0.857, 1.0))),
        (100.0, ((0.5, 2.0), (0.49, 4.0), (0.01, 300.0))),
        (1500.0, ((0.998, 1.0), (0.002, 1000.0))),
        (400.0, ((0.2, 1.0), (0.8, 7.0))),
    ],
)
def test_it_is_that_of_losses_of_several_sizes(losses: float, taken: tuple[tuple[float, float], ...]) -> None:
    """Poisson many losses of each sort, drawn one by one; the last: by three moments."""
    random, runs = np.random.default_rng(5), 10_000
    drawn = np.zeros(runs)
    for share, size in taken:
        counts = random.poisson(losses * share, runs)
        each = random.uniform(0, size, counts.sum())
        drawn += np.bincount(np.repeat(np.arange(runs), counts), each, runs)
    mean = losses * sum(share * size for share, size in taken) / 2
    deviation = math.sqrt(losses * sum(share * size**2 for share, size in taken) / 3)
    for budget in (mean / 2, mean, mean + deviation, mean + 2 * deviation):
        share = float((drawn > budget).mean())
        error = math.sqrt(max(share * (1 - share), 1 / runs) / runs)
        assert chance_over(budget, mean, deviation, taken) == pytest.approx(share, abs=4 * error)


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


NODES, NODE_H, PIECES, TAU_H = 64, 400 * 24.0, 6, 200.0


def lost_with(rack: int, rack_h: float, runs: int, seed: int) -> np.ndarray:
    """PLS of runs in which nodes fail alone and by the rack, each rack's shards together.

    Seen from the end of an interval the last failure of a node, and that of its rack, are exponentially far back:
    all before the nearer of them is lost. Nothing else is known here; saves and stops take no time.
    """
    random, lost = np.random.default_rng(seed), np.zeros(runs)
    for _ in range(PIECES):
        alone = random.exponential(NODE_H, (runs, NODES))
        together = random.exponential(rack_h, (runs, NODES // rack))
        back = np.minimum(alone, np.repeat(together, rack, axis=1))
        lost += np.maximum(TAU_H - back, 0).sum(axis=1)
    return lost / (PIECES * TAU_H * NODES)


def with_racks(rack: int, rack_h: float, budget: float, given: str, **more: dict[str, Any]) -> Job:
    failures: dict[str, Any] = {"nodes": NODES}
    if given == "groups":
        failures |= {"node_mtbf": f"{NODE_H} h", "group_nodes": rack, "group_mtbf": f"{rack_h} h"}
    else:
        failures |= {"domains": {"rack": rack}, "component": [{"domain": "node", "mttf": f"{NODE_H} h"}]}
        failures["component"].append({"domain": "rack", "mttf": f"{rack_h} h"})
    data: dict[str, dict[str, Any]] = {
        "job": {"work": f"{PIECES * TAU_H} h", "current_interval": f"{TAU_H} h", "current_recovery": "partial"},
        "cluster": {"embedding_shards": NODES},
        "failures": failures,
        "checkpoint": {"save": "1 s", "load": "1 s", "reschedule": "1 s"},
        "accuracy": {"pls_budget": budget},
    }
    return Job.from_mapping({table: keys | more.get(table, {}) for table, keys in data.items()})


def error_of_deviation(draws: np.ndarray) -> float:
    moved = draws - draws.mean()
    return math.sqrt(((moved**4).mean() - draws.var() ** 2) / draws.size) / (2 * float(draws.std()))


@pytest.mark.parametrize("given", ["groups", "components"])
@pytest.mark.parametrize(("rack", "rack_h"), [(8, 300 * 24.0), (32, 1200 * 24.0)])
def test_what_fails_together_scatters_together(rack: int, rack_h: float, given: str) -> None:
    """A failure of 32 shards and one of a single one are not two failures of their mean, as had been taken."""
    draws = lost_with(rack, rack_h, 40_000, seed=rack)
    budget = float(np.quantile(draws, 0.8))
    job = with_racks(rack, rack_h, budget, given)
    found = plan(job, Exact())["current"]
    assert found.expected_pls == pytest.approx(draws.mean(), abs=3 * draws.std() / draws.size**0.5)
    error = error_of_deviation(draws)
    assert found.pls_standard_deviation == pytest.approx(draws.std(), abs=3 * error)
    assert found.probability_over_budget == pytest.approx(0.2, abs=3 * math.sqrt(0.16 / draws.size) + 0.005)
    runs = simulate(job, found.strategy, runs=8000, seed=5).pls_of_runs
    assert runs.std() == pytest.approx(draws.std(), abs=3 * math.hypot(error, error_of_deviation(runs)))


@pytest.mark.parametrize(
    "more",
    [
        {"cluster": {"stragglers": {"share": 0.01, "rate": 0.999}}},  # each of these is played by another kernel
        {"failures": {"silent": {"mtbf": "9000 yr"}}, "checkpoint": {"verify": "1 s"}},
    ],
    ids=["stragglers", "silent errors"],
)
def test_it_does_so_wherever_it_is_played(more: dict[str, dict[str, Any]]) -> None:
    """Stragglers and silent errors that hardly are any."""
    draws = lost_with(32, 1200 * 24.0, 40_000, seed=32)
    job = with_racks(32, 1200 * 24.0, 0.5, "groups", **more)
    found = plan(job)["current"]
    error = error_of_deviation(draws)
    assert found.pls_standard_deviation == pytest.approx(draws.std(), abs=3 * error)
    runs = simulate(job, found.strategy, runs=4000, seed=6).pls_of_runs
    assert runs.std() == pytest.approx(draws.std(), abs=3 * math.hypot(error, error_of_deviation(runs)))


@pytest.mark.parametrize("seed", [2, 16, 22, 41], ids=str)
def test_chains_and_checks_scatter_as_played(seed: int) -> None:
    """Time limits and silent errors: CPR's recursion, which counts losses twice, had been up to 30% too wide."""
    _, job, strategy = drawn(seed)
    model = model_for(job, Exact() if job.plain else None)
    found = price(job, model, strategy).pls_standard_deviation
    runs = simulate(job, strategy, runs=1200, seed=seed).pls_of_runs
    assert found == pytest.approx(runs.std(), abs=3 * error_of_deviation(runs) + 0.03 * found)


def test_failures_one_by_one_take_a_rack_or_a_node() -> None:
    failures = AtRandom(with_racks(32, 1200 * 24.0, 0.5, "groups").failure_mix, NODES, np.random.default_rng(2))
    sizes = [len(one[1].shards) for _ in range(4000) if (one := failures.next(Activity.WORK, math.inf))]
    often = (2 / 1200) / (2 / 1200 + 64 / 400)
    assert set(sizes) == {1, 32}
    assert sizes.count(32) == pytest.approx(4000 * often, abs=3 * math.sqrt(4000 * often))


def test_what_fails_together_does_so_at_another_mtbf() -> None:
    """The shares of nodes and racks are kept."""
    job = with_racks(32, 1200 * 24.0, 0.5, "groups")
    half = job.with_mtbf(job.failure_mix.mtbf_s / 2)
    assert half.failure_mix.mtbf_s == pytest.approx(job.failure_mix.mtbf_s / 2)
    assert half.failure_mix.failed_scatter == pytest.approx(job.failure_mix.failed_scatter)
    assert half.with_mtbf(1e6).failure_mix.sorts == half.failure_mix.sorts == job.failure_mix.sorts


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
