"""Exponents of relearning against optimizers that are played step by step."""

from __future__ import annotations

import numpy as np
import pytest

from cprmodel.harm.record import OptimizerUsed
from cprmodel.harm.relearning import course

ETA, BATCH, ACCESSES, CURVATURE = 0.05, 8, 0.25, 0.3


@pytest.mark.parametrize(("start", "growth"), [(0.02, 0.0), (0.02, 1e-4), (1e-6, 3e-5)])
def test_adagrad_contracts_as_it_does_step_by_step(start: float, growth: float) -> None:
    """Mean contraction of what a row lacks over 1,000 steps, its sum growing as it goes."""
    lacks, held = 1.0, start
    for _ in range(1000):
        held += growth * BATCH
        lacks -= (
            ETA / np.sqrt(held) * (ACCESSES * CURVATURE * lacks) / 1
        )  # the batch's mean gradient: B p accesses / B
    used = OptimizerUsed(name="rowwise_adagrad", learning_rate=ETA)
    (u,) = course(used, BATCH, np.array([ACCESSES]), np.array([start]), np.array([growth]), [1000 * BATCH]).u[0]
    assert u == pytest.approx(-np.log(lacks) / CURVATURE, rel=0.03)  # first order in a step's contraction


def test_sgd() -> None:
    lacks = 1.0
    for _ in range(1000):
        lacks -= ETA * ACCESSES * CURVATURE * lacks
    sgd = OptimizerUsed(name="sgd", learning_rate=ETA)
    (u,) = course(sgd, BATCH, np.array([ACCESSES]), None, None, [1000 * BATCH]).u[0]
    assert u == pytest.approx(-np.log(lacks) / CURVATURE, rel=0.01)


def test_a_row_that_never_moved_relearns_nothing() -> None:
    adagrad = OptimizerUsed(name="rowwise_adagrad", learning_rate=ETA)
    nothing = np.array([0.0])
    assert course(adagrad, BATCH, np.array([0.1]), nothing, nothing, [10.0]).u.tolist() == [[0.0]]
