"""Waiting for repairs where one failure breaks several nodes: played node by node, which shares nothing with it."""

from __future__ import annotations

import heapq
import math
import random

import numpy as np
import pytest

from cprmodel import Exact, Job, plan, simulate
from cprmodel.costing.waiting import waits_to
from cprmodel.formulas import erlang_1917_loss

H = 3600.0
GROUPS = {"group_mtbf": "300 d", "group_nodes": 8}


def waited(
    rng: random.Random, job_s: float, spares: int, nodes: int, group: int, rates: tuple[float, ...]
) -> float:
    """Share of the time that a job of so long waits: single nodes and groups fail, each node is repaired alone."""
    node_mtbf, group_mtbf, repair = rates
    backs: list[float] = []
    now = waits = 0.0
    while now - waits < job_s:
        alone = now + rng.expovariate(nodes / node_mtbf)
        together = now + rng.expovariate(nodes / group / group_mtbf)
        now = min(alone, together)
        while backs and backs[0] <= now:
            heapq.heappop(backs)
        for _ in range(1 if alone < together else group):
            heapq.heappush(backs, now + rng.expovariate(1 / repair))
        while len(backs) > spares:
            back = heapq.heappop(backs)
            waits += back - now
            now = back
    return waits / now


@pytest.mark.parametrize(
    ("spares", "group", "by_components"), [(0, 4, False), (2, 8, False), (2, 8, True), (6, 4, False), (10, 8, True)]
)
def test_against_nodes_that_are_played(spares: int, group: int, by_components: bool) -> None:
    """A rack's failure with two spares is not the failure of one node, as had been taken: .6% for 7.4%."""
    rates = (400 * 24 * H, 300 * 24 * H, 48 * H)
    runs = [waited(random.Random(seed), 40 * 365 * 24 * H, spares, 64, group, rates) for seed in range(40)]
    mean = sum(runs) / len(runs)
    error = math.sqrt(sum((one - mean) ** 2 for one in runs) / (len(runs) - 1) / len(runs))
    failures = {"nodes": 64, "node_mtbf": "400 d", "group_mtbf": "300 d", "group_nodes": group, "repair": "48 h"}
    if by_components:
        parts = [{"mttf": "400 d"}, {"domain": "rack", "mttf": "300 d"}]
        failures = {"nodes": 64, "domains": {"rack": group}, "component": parts, "repair": "48 h"}
    job = Job.from_mapping(
        {
            "job": {"work": "2000 d"},
            "cluster": {"embedding_shards": 64, "spares": spares},
            "failures": failures,
            "checkpoint": {"save": "1 s", "load": "1 s", "reschedule": "1 s"},
            "accuracy": {"pls_budget": 0.5},
        }
    )
    found = plan(job, Exact())["partial"]
    share = found.waiting_fraction / (1 + found.overhead_fraction)
    assert share == pytest.approx(mean, abs=3 * error)
    played = simulate(job, found.strategy, runs=400, seed=3).overhead_fraction
    assert played.mean == pytest.approx(found.overhead_fraction, abs=3 * played.standard_error + 1e-3 * share)


@pytest.mark.parametrize("load", [1e-6, 0.3, 2.0, 30.0])
def test_single_nodes_are_erlang_s(load: float) -> None:
    found, spares = waits_to(((1.0, 1),), load, 60), np.arange(61)
    assert found.time == pytest.approx(erlang_1917_loss.raw(spares + 1, load), rel=1e-11)
    assert found.failures == pytest.approx(erlang_1917_loss.raw(spares, load), rel=1e-11)


def test_many_nodes_do_not_overflow() -> None:
    found = waits_to(((0.9, 1), (0.1, 16)), 5000.0, 20000)
    assert np.all((found.time >= 0) & (found.time < 1))
    alone = waits_to(((1.0, 1),), 5000.0, 4000)
    assert alone.time[4000] == pytest.approx(erlang_1917_loss.raw(4001, 5000.0), rel=1e-9)


def test_fewer_nodes_say_that_a_group_counts_as_one() -> None:
    job = Job.from_mapping(
        {
            "job": {"work": "200 d", "elastic": {"min_nodes": 16, "reshape": "2 min"}},
            "failures": {"nodes": 64, "node_mtbf": "400 d", "repair": "48 h", **GROUPS},
            "checkpoint": {"save": "1 min", "load": "1 min", "reschedule": "1 min"},
            "scaling": {"exponent": 0.9},
        }
    )
    assert any("also one that breaks 8 at once" in note for note in plan(job).warnings)
