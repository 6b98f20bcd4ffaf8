"""What a probe says is left of rows that are put back, against rows of a quadratic loss that are played.

Each has one weight and a best value of 0, sees gradients with the noise of a calibrated model, and is accessed by
chance: put back and not, with the same samples. Their optimizer's state goes back with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from cprmodel.harm.later import Then, later_of
from cprmodel.harm.record import OptimizerUsed

BATCH, RATE, ROWS = 512, 0.02, 4000
THEN, NOW, END = 40, 240, 600


class Played(NamedTuple):
    at_once: float
    at_end: float
    error: float
    said: dict[str, float]  # of the probe
    quadratic: float
    gradient: float


def play(optimizer: str, rate: float, accesses: float, curvature: float, begins: float, seed: int = 1) -> Played:
    random = np.random.default_rng(seed)

    def step(weight: Any, sums: Any, many: Any, noise: Any) -> tuple[Any, Any]:
        gradient = (many * curvature * weight + np.sqrt(many * curvature) * noise) / BATCH
        if optimizer == "sgd":
            return weight - rate * gradient, sums
        sums = sums + gradient**2
        return weight - np.where(many > 0, rate * gradient / np.sqrt(np.maximum(sums, 1e-300)), 0.0), sums

    weight, sums = np.full(ROWS, begins), np.zeros(ROWS)
    for number in range(NOW):
        if number == THEN:
            then = weight.copy(), sums.copy()
        many = random.binomial(BATCH, accesses, ROWS)
        weight, sums = step(weight, sums, many, random.standard_normal(ROWS))
    now, back = (weight, sums), then
    at_once = accesses * curvature / 2 * (back[0] ** 2 - now[0] ** 2)
    for _ in range(NOW, END):
        many, noise = random.binomial(BATCH, accesses, ROWS), random.standard_normal(ROWS)
        weight, sums = step(weight, sums, many, noise)
        back = step(*back, many, noise)
    at_end = accesses * curvature / 2 * (back[0] ** 2 - weight**2)
    apart = (now[0] - then[0])[:, None]
    slope = -accesses * curvature * now[0][:, None] * apart
    kept = [None if optimizer == "sgd" else one for one in (now[1], then[1])]
    found = later_of(
        apart=apart,
        along=slope,
        vectors=np.eye(1),
        eigenvalues=np.array([curvature]),
        hits=np.full(ROWS, accesses),
        samples=1,
        current=Then(NOW * BATCH, now[0][:, None], kept[0]),
        then=Then(THEN * BATCH, then[0][:, None], kept[1]),
        left=[(END - NOW) * BATCH],
        accesses=np.full(ROWS, accesses),
        optimizer=OptimizerUsed(name=optimizer, learning_rate=rate),
        batch_size=BATCH,
        band=np.zeros(ROWS, dtype=int),
        number=1,
    )
    return Played(
        float(at_once.sum()),
        float(at_end.sum()),
        float(at_end.std(ddof=1) * ROWS**0.5),
        {name: float(np.ravel(values)[0]) for name, values in found.items()},
        float((accesses * curvature / 2 * apart**2).sum()),
        float(slope.sum()),
    )


def said(one: Played) -> float:
    """At the end, as HarmModel adds it up, best values standing still as they do here."""
    of = one.said
    return (one.quadratic - of["jitter_quadratic"]) * of["quadratic_left"] + of["progress_fixed"] + of["jitter"]


CASES = [
    # accesses per sample, curvature, where the rows begin
    (0.3, 0.02, 1.0),
    (0.03, 0.2, 1.0),
    (0.03, 0.02, 1.0),
    (0.003, 0.2, 1.0),
    (0.003, 0.2, 0.1),
    (3e-4, 0.2, 1.0),
    (3e-5, 0.2, 1.0),
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_at_the_end_under_adagrad(case: tuple[float, float, float]) -> None:
    """From rows of every step to rows that are accessed twice a run. Noise is linear, steps are not: 15%."""
    one = play("rowwise_adagrad", RATE, *case)
    assert said(one) == pytest.approx(one.at_end, rel=0.15, abs=4 * one.error)


@pytest.mark.parametrize("case", CASES[:4])
def test_without_the_state_that_was_put_back_it_would_be_far_too_much(case: tuple[float, float, float]) -> None:
    """Were steps the twin's, both terms would fade as their shares say: up to twice what is true."""
    one = play("rowwise_adagrad", RATE, *case)
    alone = one.quadratic * one.said["quadratic_left"] + one.gradient * one.said["gradient_left"]
    assert alone > 1.3 * one.at_end + 4 * one.error


@pytest.mark.parametrize(("accesses", "curvature"), [(0.03, 0.2), (0.003, 0.2)])
def test_sgd_has_no_state_and_no_larger_steps(accesses: float, curvature: float) -> None:
    one = play("sgd", 2.0, accesses, curvature, 1.0)
    assert said(one) == pytest.approx(one.at_end, rel=0.05, abs=4 * one.error)
    assert one.said["progress_fixed"] == pytest.approx(
        (one.gradient - one.said["jitter_gradient"]) * one.said["gradient_left"], rel=1e-6
    )


@pytest.mark.parametrize("case", [(0.3, 0.2, 0.0), (0.03, 0.2, 0.0)])
def test_jitter_alone_is_known_without_looking_at_it(case: tuple[float, float, float]) -> None:
    """Rows that began at their best value: what they moved is noise; steps and curvature say how much."""
    one = play("sgd", 3.0, *case)
    assert one.said["jitter_quadratic"] == pytest.approx(one.quadratic, rel=0.1)
    assert one.said["jitter_gradient"] == pytest.approx(one.gradient, rel=0.15)
