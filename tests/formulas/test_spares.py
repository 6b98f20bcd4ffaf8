"""Erlang's formula: published values, its recursion, and a chain of failures and repairs played out."""

from __future__ import annotations

import heapq
import math
import random
import statistics

import numpy as np
import pytest

from cprmodel import formulas


def by_recursion(spares: int, load: float) -> float:
    """B(m, ρ) = ρB(m − 1, ρ)/(m + ρB(m − 1, ρ)), B(0, ρ) = 1."""
    blocked = 1.0
    for m in range(1, spares + 1):
        blocked = load * blocked / (m + load * blocked)
    return blocked


@pytest.mark.parametrize("load", [1e-3, 0.7, 12.0, 300.0, 5e3, 2e5])
@pytest.mark.parametrize("spares", [0, 1, 5, 60, 900])
def test_against_the_recursion(spares: int, load: float) -> None:
    assert formulas.erlang_1917_loss(spares, load) == pytest.approx(by_recursion(spares, load), rel=1e-11)


def test_where_both_parts_vanish() -> None:
    found = formulas.erlang_1917_loss(np.array([3.0, 1000.0, 900.0]), np.array([1e6, 1e4, 2.0]))
    assert found[:2] == pytest.approx([by_recursion(3, 1e6), by_recursion(1000, 1e4)], rel=1e-12)
    assert found[2] == 0 or found[2] < 1e-300


@pytest.mark.parametrize("fixed_repairs", [False, True])
def test_against_failures_and_repairs_played_out(fixed_repairs: bool) -> None:
    """A fleet of 100 nodes and 3 spares, event by event; repairs of a fixed and of an exponential length."""
    nodes, node_mtbf, repair, spares = 100, 1000.0, 15.0, 3
    rng = random.Random(4)
    shares, waits = [], []
    for _ in range(40):
        now, waited, failures, found_none = 0.0, 0.0, 0, 0
        broken: list[float] = []  # when each comes back
        while failures < 4000:
            running = len(broken) <= spares
            fails_at = now + rng.expovariate(nodes / node_mtbf) if running else math.inf
            back_at = broken[0] if broken else math.inf
            if back_at <= fails_at:
                waited += 0.0 if running else back_at - now
                now = heapq.heappop(broken)
                continue  # failures have no memory: the next one is drawn anew
            now, failures = fails_at, failures + 1
            found_none += len(broken) == spares
            heapq.heappush(broken, now + (repair if fixed_repairs else rng.expovariate(1 / repair)))
        shares.append(found_none / failures)
        waits.append(waited / now)
    load = formulas.nodes_in_repair(nodes, node_mtbf, repair)
    for found, expected in (
        (shares, formulas.erlang_1917_loss(spares, load)),
        (waits, formulas.erlang_1917_loss(spares + 1, load)),
    ):
        error = statistics.stdev(found) / math.sqrt(len(found))
        assert statistics.fmean(found) == pytest.approx(expected, abs=3 * error)
        assert error < 0.02 * expected
