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
from cprmodel.harm.record import OptimizerUsed
from cprmodel.harm.relearning import Course, course

__all__ = ["BY_LEFT", "OF_JITTER", "Then", "later_of"]

_FEW = 4.0  # accesses of a row; with fewer it is taken for one of its band, as for what an access adds
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
    each, some = None, accesses * age
    if old is not None:
        # a row that has moved was accessed, however seldom that is; one that has not was not
        some = np.where(new > old, some / np.maximum(-np.expm1(-some), 1e-12), 0.0)
        each = _of_access(np.maximum(new - old, 0.0), some, band, number)

    def going(sums: Any | None) -> Course:
        growth, before = (None, 0.0) if each is None else (accesses * each, each)
        return course(optimizer, batch_size, accesses, sums, growth, left, before, settled=new)

    def went(begin: Any | None, end: Any | None, samples: float, often: Any, before: Any) -> Course:
        growth = None if begin is None else np.maximum(end - begin, 0.0) / samples
        return course(optimizer, batch_size, often, begin, growth, [samples], before)

    back, twin, past = going(old), going(new), went(old, new, age, some / age, 0.0 if each is None else each / 2)
    position = max(then.position, 1.0)
    noise: Any = 1.0  # of then over today's, by what an access added and adds
    if old is None or optimizer.name == "adam":
        until = went(old, old, position, accesses, 0.0)
    else:
        today = accesses * each * position
        noise = np.where(today > 0, old / np.where(today > 0, today, 1.0), 1.0)
        until = went(np.zeros_like(old), old, position, accesses, noise * each / 2)
    moved = (apart @ vectors) ** 2
    ratio = np.where(back.last > 0, twin.last / np.where(back.last > 0, back.last, 1.0), 1.0)
    frequency = hits / samples
    sums = {name: np.zeros((number, len(left))) for name in BY_LEFT}
    whole = {name: np.zeros(number) for name in ("quadratic", "gradient", *OF_JITTER)}

    def add(into: Any, each: Any) -> None:
        for j, one in enumerate(each.T):
            into[:, j] += np.bincount(band, weights=one, minlength=number)

    # along eigenvector v of eigenvalue h, a row has h·(v·Δ)² of the quadratic; x = hu
    for at, (h, square) in enumerate(zip(eigenvalues, moved.T, strict=True)):
        if not h > 0:
            continue
        way = h * past.u
        x, own_x = h * back.u, h * twin.u
        lacks, own = np.exp(-x), np.exp(-own_x)
        quadratic = h * square * hits
        gradient = quadratic / np.maximum(np.expm1(np.minimum(way[:, 0], _MOST_WAY)), _NO_WAY)
        # noise up to then, and what came to it in the time that was lost
        then_ = noise * until.jitter(h)[:, 0]
        came = past.jitter(h)[:, 0]
        kept = np.exp(-way[:, 0])
        now = then_ * kept**2 + came
        twin_end = now[:, None] * own**2 + twin.jitter(h)
        back_end = then_[:, None] * lacks**2 + back.jitter(h)
        jitter_gradient = -h * frequency * (now - then_ * kept)
        drift = along[:, at] / samples - jitter_gradient
        for name, each in (
            ("quadratic", quadratic),
            ("gradient", gradient),
            ("jitter_quadratic", 0.5 * h * frequency * (now + then_ - 2 * then_ * kept)),
            ("jitter_gradient", jitter_gradient),
        ):
            whole[name] += np.bincount(band, weights=each, minlength=number)
        add(sums["quadratic_left"], quadratic[:, None] * lacks**2)
        add(sums["gradient_left"], gradient[:, None] * lacks**2)
        some = np.clip(way, _NO_WAY, _MOST_WAY)
        add(sums["progress_fixed"], drift[:, None] * progress_left_fixed.raw(x, own_x, some))
        add(sums["progress_moving"], drift[:, None] * progress_left_moving.raw(x, own_x, some, ratio))
        add(sums["jitter"], 0.5 * h * frequency[:, None] * (back_end - twin_end))

    def share(name: str, of: str, otherwise: float) -> Any:
        some = whole[of][:, None] > 0
        return np.where(some, sums[name] / np.where(some, whole[of][:, None], 1.0), otherwise)

    return {
        "quadratic_left": np.minimum(share("quadratic_left", "quadratic", 1.0), 1.0),
        "gradient_left": np.minimum(share("gradient_left", "gradient", 1.0), 1.0),
        **{name: sums[name] for name in ("progress_fixed", "progress_moving", "jitter")},
        **{name: whole[name] for name in OF_JITTER},
    }


def _of_access(grown: Any, accesses: Any, band: Any, number: int) -> Any:
    """What an access adds to each row's sum: its own, as far as it had some, else that of its band."""
    whole, all_accesses = (np.bincount(band, weights=one, minlength=number) for one in (grown, accesses))
    of_band = np.where(all_accesses > 0, whole / np.where(all_accesses > 0, all_accesses, 1.0), 0.0)[band]
    return (grown + _FEW * of_band) / (accesses + _FEW)


def _scalar(sums: Any | None, apart: Any) -> Any | None:
    """One sum a row; of elementwise ones that whose root divides like theirs along what the row lacks."""
    if sums is None or np.ndim(sums) == 1:
        return sums
    squared = apart**2 + 1e-300
    inverse = (squared / np.sqrt(np.maximum(sums, 1e-30))).sum(axis=1) / squared.sum(axis=1)
    return inverse**-2.0
