"""What later training leaves of rows that were put back, from a probe's sight of them.

Of what rows moved since they were saved a part is jitter, and the rest is progress. Jitter is known from the steps
of the optimizer and the curvature, for the noise of gradients is as large as curvature where the model is
calibrated. Taken off, what is left of the gradient term is the way that rows still have to go. How that ends is for
the steps of both to say: those of the optimizer's state that was put back with the row, and those of its twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.formulas.relearning import progress_left_fixed, progress_left_moving
from cprmodel.harm.adam import AdamRows
from cprmodel.harm.record import OptimizerUsed
from cprmodel.harm.relearning import Course, course, of_each

__all__ = ["BY_LEFT", "OF_JITTER", "Then", "later_of"]

_NO_WAY, _MOST_WAY = 1e-12, 50.0  # exponents of the time that was lost: less is none, more is all
BY_LEFT = ("quadratic_left", "gradient_left", "progress_fixed", "progress_moving", "jitter")
OF_JITTER = ("jitter_quadratic", "jitter_gradient")


@dataclass(frozen=True)
class Then:
    """Those rows as they were: values [U, D], and what the optimizer divides by the root of, or None for SGD."""

    position: int
    values: Any
    sums: Any | None  # [U] or [U, D]


def later_of(
    apart: Any,
    along: Any,
    vectors: Any,
    eigenvalues: Any,
    hits: Any,
    samples: int,
    current: Then,
    then: Then,
    left: Sequence[int],
    accesses: Any,
    optimizer: OptimizerUsed,
    batch_size: int,
    band: Any,
    number: int,
) -> dict[str, Any]:
    """What later training leaves of both terms, by band and samples left [bands, left] (docs/models/harm.md).

    ``apart``: Δ of each row [rows, D]; ``along``: its gradient terms summed over its accesses, by eigenvector
    [rows, D]; ``hits``: accesses of it in so many probe ``samples``; ``accesses``: per sample, in training.
    """
    age = current.position - then.position
    old, new = _scalar(then.sums, apart), _scalar(current.sums, apart)
    changed = moved = (apart != 0).any(axis=1)  # the others cost nothing
    if old is not None and new is not None:
        changed = moved | (old != new)
        old, new = old[changed], new[changed]
    apart, along, hits, accesses, band, moved = (
        one[changed] for one in (apart, along, hits, accesses, band, moved)
    )
    back, twin, past, until, noise = _courses(
        age, max(then.position, 1.0), old, new, moved, left, accesses, optimizer, batch_size, band, number
    )
    ratio = np.where(back.last > 0, twin.last / np.where(back.last > 0, back.last, 1.0), 1.0)
    frequency = hits / samples
    sums = {name: np.zeros((len(apart), len(left))) for name in BY_LEFT}
    whole = {name: np.zeros(len(apart)) for name in ("quadratic", "gradient", *OF_JITTER)}
    # along an eigenvector of eigenvalue h, a row has h·Δ² of the quadratic, Δ its part along it; χ = hu
    for at, (h, square) in enumerate(zip(eigenvalues, ((apart @ vectors) ** 2).T, strict=True)):
        if not h > 0:
            continue
        way = h * past.u
        x, own_x = h * back.u, h * twin.u
        fades, own_fades = np.exp(-2 * x), np.exp(-2 * own_x)
        quadratic = h * square * hits
        gradient = quadratic / np.maximum(np.expm1(np.minimum(way[:, 0], _MOST_WAY)), _NO_WAY)
        # noise up to then, and what came to it in the time that was lost
        before = noise * until.jitter(h)[:, 0]
        kept = np.exp(-way[:, 0])
        now = before * kept**2 + past.jitter(h)[:, 0]
        jitter_gradient = -h * frequency * (now - before * kept)
        drift = (along[:, at] / samples - jitter_gradient)[:, None]
        whole["quadratic"] += quadratic
        whole["gradient"] += gradient
        whole["jitter_quadratic"] += 0.5 * h * frequency * (now + before - 2 * before * kept)
        whole["jitter_gradient"] += jitter_gradient
        sums["quadratic_left"] += quadratic[:, None] * fades
        sums["gradient_left"] += gradient[:, None] * fades
        some = np.clip(way, _NO_WAY, _MOST_WAY)
        sums["progress_fixed"] += drift * progress_left_fixed.raw(x, own_x, some)
        sums["progress_moving"] += drift * progress_left_moving.raw(x, own_x, some, ratio)
        at_end = before[:, None] * fades + back.jitter(h) - now[:, None] * own_fades - twin.jitter(h)
        sums["jitter"] += 0.5 * h * frequency[:, None] * at_end

    def by_band(each: Any) -> Any:
        return np.bincount(band, weights=each, minlength=number)

    of_bands = {name: by_band(each) for name, each in whole.items()}
    after = {name: np.stack([by_band(one) for one in each.T], axis=-1) for name, each in sums.items()}
    for name in ("quadratic", "gradient"):
        all_of_it = of_bands[name][:, None]
        share = np.where(all_of_it > 0, after[f"{name}_left"] / np.where(all_of_it > 0, all_of_it, 1.0), 1.0)
        after[f"{name}_left"] = np.minimum(share, 1.0)
    return {**after, **{name: of_bands[name] for name in OF_JITTER}}


def _courses(
    age: float,
    position: float,
    old: Any | None,
    new: Any | None,
    moved: Any,
    left: Sequence[int],
    accesses: Any,
    optimizer: OptimizerUsed,
    batch_size: int,
    band: Any,
    number: int,
) -> tuple[Course, Course, Course, Course, Any]:
    """Of rows put back and of their twins, in the time that was lost, and before it; and how noisy it was before.

    That is over today's noise, by what an access added to the sums then and adds now.
    """

    def run(sums: Any | None, growth: Any | None, samples: Any, often: Any = accesses, **more: Any) -> Course:
        return course(optimizer, batch_size, often, sums, growth, samples, **more)

    if old is None or new is None:  # no state: both go on alike
        both = run(None, None, left)
        return both, both, run(None, None, [age]), run(None, None, [position]), 1.0
    if optimizer.name == "adam":
        rows = AdamRows(optimizer, batch_size, accesses, old, new, position, position + age, moved, band, number)
        return rows.courses(left)
    # a row that has moved was accessed, however seldom that is; one that has not was not
    often = accesses * age
    often = np.where(new > old, often / np.maximum(-np.expm1(-often), 1e-12), 0.0)
    grown = np.maximum(new - old, 0.0)
    each = of_each(grown, often, band, number)
    back, twin = (run(one, accesses * each, left, before=each) for one in (old, new))
    past = run(old, grown / age, [age], often / age, before=each / 2)
    today = accesses * each * position
    noise = np.where(today > 0, old / np.where(today > 0, today, 1.0), 1.0)
    return back, twin, past, run(np.zeros_like(old), old / position, [position], before=noise * each / 2), noise


def _scalar(sums: Any | None, apart: Any) -> Any | None:
    """One sum a row; of elementwise ones that whose root divides like theirs along what the row lacks."""
    if sums is None or np.ndim(sums) == 1:
        return sums
    squared = apart**2 + 1e-300
    inverse = (squared / np.sqrt(np.maximum(sums, 1e-30))).sum(axis=1) / squared.sum(axis=1)
    return inverse**-2.0
