"""What a probe says is left of rows that are put back, against rows of a quadratic loss that are played.

Each has one weight and a best value of 0, sees gradients with the noise of a calibrated model, and is accessed by
chance: put back and not, with the same samples. Their optimizer's state goes back with them.
"""

from __future__ import annotations

from functools import lru_cache
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


class Rows(NamedTuple):
    """All rows, with their optimizer's state: Adagrad's sums, Adam's two means."""

    weight: Any
    sums: Any
    mean: Any

    def step(self, used: OptimizerUsed, number: int, gradient: Any, hit: Any) -> Rows:
        rate = used.learning_rate
        if used.name == "sgd":
            return self._replace(weight=self.weight - rate * gradient)
        if used.name == "rowwise_adagrad":
            sums = self.sums + gradient**2
            moved = np.where(hit, rate * gradient / np.sqrt(np.maximum(sums, 1e-300)), 0.0)
            return self._replace(weight=self.weight - moved, sums=sums)
        mean = used.beta_1 * self.mean + (1 - used.beta_1) * gradient
        sums = used.beta_2 * self.sums + (1 - used.beta_2) * gradient**2
        size = rate * np.sqrt(1 - used.beta_2**number) / (1 - used.beta_1**number)
        moved = Rows(self.weight - size * mean / (np.sqrt(sums) + used.eps), sums, mean)
        return (
            Rows(*(np.where(hit, new, old) for new, old in zip(moved, self, strict=True))) if used.lazy else moved
        )

    def divided_by(self, used: OptimizerUsed, number: int) -> Any:
        """As a probe is told it: None for SGD, for Adam without its bias."""
        if used.name == "sgd":
            return None
        return self.sums / (1 - used.beta_2**number) if used.name == "adam" else self.sums


def used_as(optimizer: str, rate: float) -> OptimizerUsed:
    if optimizer in ("lazy Adam", "Adam"):
        lazy = optimizer == "lazy Adam"
        return OptimizerUsed(name="adam", learning_rate=rate, eps=1e-8, beta_1=0.9, beta_2=0.999, lazy=lazy)
    return OptimizerUsed(name=optimizer, learning_rate=rate)  # type: ignore[arg-type]


@lru_cache
def play(optimizer: str, rate: float, accesses: float, curvature: float, begins: float, seed: int = 1) -> Played:
    random, used = np.random.default_rng(seed), used_as(optimizer, rate)

    def step(rows: Rows, number: int, many: Any, noise: Any) -> Rows:
        gradient = (many * curvature * rows.weight + np.sqrt(many * curvature) * noise) / BATCH
        return rows.step(used, number, gradient, many > 0)

    rows = then = Rows(np.full(ROWS, begins), np.zeros(ROWS), np.zeros(ROWS))
    for number in range(NOW):
        if number == THEN:
            then = rows
        rows = step(rows, number + 1, random.binomial(BATCH, accesses, ROWS), random.standard_normal(ROWS))
    now = rows
    back = then
    at_once = accesses * curvature / 2 * (back.weight**2 - now.weight**2)
    for number in range(NOW, END):
        many, noise = random.binomial(BATCH, accesses, ROWS), random.standard_normal(ROWS)
        rows, back = step(rows, number + 1, many, noise), step(back, number + 1, many, noise)
    at_end = accesses * curvature / 2 * (back.weight**2 - rows.weight**2)
    apart = (now.weight - then.weight)[:, None]
    slope = -accesses * curvature * now.weight[:, None] * apart
    found = later_of(
        apart=apart,
        along=slope,
        vectors=np.eye(1),
        eigenvalues=np.array([curvature]),
        hits=np.full(ROWS, accesses),
        samples=1,
        current=Then(NOW * BATCH, now.weight[:, None], now.divided_by(used, NOW)),
        then=Then(THEN * BATCH, then.weight[:, None], then.divided_by(used, THEN)),
        left=[(END - NOW) * BATCH],
        accesses=np.full(ROWS, accesses),
        optimizer=used,
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


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_at_the_end_under_adam_that_moves_all_rows(case: tuple[float, float, float]) -> None:
    """Its mean of squares forgets by steps, and a put-back does not turn back the bias that it is corrected for."""
    one = play("Adam", 0.002, *case)
    assert said(one) == pytest.approx(one.at_end, rel=0.15, abs=4 * one.error)


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_at_the_end_under_lazy_adam(case: tuple[float, float, float]) -> None:
    """By accesses: of rows that are accessed a few times, much of what they see never comes to bear. 25% there."""
    one = play("lazy Adam", 0.002, *case)
    assert said(one) == pytest.approx(one.at_end, rel=0.15 if case[0] > 1e-3 else 0.25, abs=4 * one.error)


@pytest.mark.parametrize("optimizer", ["Adam", "lazy Adam"])
@pytest.mark.parametrize("case", CASES[:4])
def test_without_adams_state_that_was_put_back_it_would_be_far_too_much(
    optimizer: str, case: tuple[float, float, float]
) -> None:
    one = play(optimizer, 0.002, *case)
    alone = one.quadratic * one.said["quadratic_left"] + one.gradient * one.said["gradient_left"]
    assert alone > 2 * one.at_end + 4 * one.error


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
