"""From gradients and row differences of a few thousand samples to what :mod:`cprmodel.harm.record` holds.

No framework is asked here: an adaptor hands arrays in. J is the gradient of the logit in a row's vector, one for
each access; σ' = σ(1 − σ) and σ − y are the loss's second and first derivative in the logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.formulas.harm import calibrated_rise
from cprmodel.harm.later import BY_LEFT, OF_JITTER, Then, later_of
from cprmodel.harm.record import BAND_FACTOR, LARGEST_CURVATURE_DIM, Band, OptimizerUsed, TableHarm, WholeState

__all__ = [
    "Losses",
    "TableSeen",
    "Then",
    "auc_of",
    "auc_per_nat",
    "band_edges",
    "losses_of",
    "table_harm",
    "whole_state",
]

_NO_RISE = 1e-12  # nat: less is the rounding of logits in single precision


@dataclass(frozen=True)
class Losses:
    """What logits say of the probe samples: log losses and their derivatives, one for each sample."""

    logit: Any
    loss: Any
    residual: Any  # σ − y
    slope: Any  # σ'
    auc: float | None

    @property
    def mean(self) -> float:
        return float(self.loss.mean())


@dataclass(frozen=True)
class TableSeen:
    """Which rows of one table the probe samples look up: fixed for the run."""

    name: str
    rows: int
    ids: Any  # [U] distinct rows
    index: Any  # [accesses] into ids
    sample: Any  # [accesses] whose access it is
    weight: Any  # [accesses] of the row in its bag: 1 where bags are summed


def auc_of(labels: Any, logits: Any) -> float | None:
    """Area under the ROC curve, ties counted half; None where all labels are alike.

    >>> auc_of(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    clicks = np.asarray(labels) > 0.5
    ones = int(clicks.sum())
    if ones in (0, clicks.size):
        return None
    _, place, counts = np.unique(logits, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[clicks].sum() - ones * (ones + 1) / 2) / (ones * (clicks.size - ones)))


def losses_of(logits: Any, labels: Any) -> Losses:
    """Log loss and derivatives of each sample.

    >>> one = losses_of(np.array([0.0]), np.array([1.0]))
    >>> one.loss.round(4), one.residual, one.slope
    (array([0.6931]), array([-0.5]), array([0.25]))
    """
    z, y = np.asarray(logits, dtype=float), np.asarray(labels, dtype=float)
    probability = np.exp(-np.logaddexp(0.0, -z))
    slope = np.exp(-np.logaddexp(0.0, -z) - np.logaddexp(0.0, z))
    return Losses(z, np.logaddexp(0.0, z) - y * z, probability - y, slope, auc_of(y, z))


def auc_per_nat(now: Any, mixed: Any) -> float | None:
    """AUC lost per nat of log loss when logits become others, as the model's own probabilities have it.

    Every sample counts as a click with the probability that the model gave it, so no label's chance is in it. A
    shift of all logits, which costs log loss and no AUC, is taken out: of few rows put back by chance it goes with
    the square of their share. None where no logit changes but by a shift.

    >>> random = np.random.default_rng(1)
    >>> logits = random.normal(-1.0, 1.0, 20_000)
    >>> round(auc_per_nat(logits, logits + random.normal(0.5, 0.1, logits.size)), 1)
    1.4
    """
    z = np.asarray(now, dtype=float)
    probability = np.exp(-np.logaddexp(0.0, -z))
    weight = probability * (1 - probability)
    change = np.asarray(mixed, dtype=float) - z
    change = change - float(weight @ change) / max(float(weight.sum()), 1e-300)
    rise = float(calibrated_rise.raw(probability, change).mean())
    if not rise > _NO_RISE:
        return None
    return (_expected_auc(probability, z) - _expected_auc(probability, z + change)) / rise


def _expected_auc(probability: Any, logits: Any) -> float:
    """Of pairs of samples, one drawn as a click and one as none, the share that is in order."""
    p = probability[np.argsort(logits, kind="stable")]
    below = np.cumsum(1 - p) - (1 - p)
    pairs = float(p.sum() * (1 - p).sum() - (p * (1 - p)).sum())
    return float(p @ below) / pairs


def band_edges(counted: int, most: float) -> list[float]:
    """Powers of the band factor from below one access in ``counted`` samples to above ``most`` per sample, after 0.

    >>> band_edges(1000, 0.6)
    [0.0, 0.0009765625, 0.00390625, 0.015625, 0.0625, 0.25, 1.0]
    """
    lowest = math.floor(math.log(1 / max(1, counted), BAND_FACTOR) + 1e-9)
    highest = max(lowest + 1, math.floor(math.log(most, BAND_FACTOR) + 1e-9) + 1 if most > 0 else lowest + 1)
    edges = [BAND_FACTOR**power for power in range(lowest, highest + 1)]
    if edges[1] <= 1 / max(1, counted):
        edges = edges[1:]
    return [0.0, *edges]


def whole_state(age: float, total: Any, now: Losses, mixed: Losses) -> WholeState:
    """Every row put back: ``total`` is Σ J·Δ of each sample, ``mixed`` what the mixed state's logits say."""
    second = 0.5 * now.slope * total**2
    first = -now.residual * total
    rise = mixed.loss - now.loss
    fall = now.auc - mixed.auc if now.auc is not None and mixed.auc is not None else None
    return WholeState(
        age_samples=age,
        quadratic=float(second.mean()),
        quadratic_error=_error(second),
        gradient=float(first.mean()),
        gradient_error=_error(first),
        rise=float(rise.mean()),
        rise_error=_error(rise),
        auc_fall=fall,
        auc_per_nat=auc_per_nat(now.logit, mixed.logit),
    )


def table_harm(
    seen: TableSeen,
    jacobian: Any,
    now: Losses,
    current: Then,
    before: Sequence[Then],
    left: Sequence[int],
    counts: Any,
    counted: int,
    optimizer: OptimizerUsed,
    batch_size: int,
    rise: Any | None = None,
) -> tuple[TableHarm, list[Any]]:
    """What one table's rows would cost, and Σ J·Δ of each sample for each of ``before``.

    ``jacobian`` [samples, D]: of the logit in the pooled vector. ``counts``: accesses of every row in ``counted``
    samples of training. ``rise`` [samples]: of the true loss, were the table as it was at the oldest of ``before``.
    """
    samples = len(now.loss)
    gradients = jacobian[seen.sample] * seen.weight[:, None]
    curvature = (gradients * now.slope[seen.sample][:, None]).T @ gradients / max(1, len(gradients))
    eigenvalues, vectors = np.linalg.eigh(curvature.astype(float))
    eigenvalues = np.maximum(eigenvalues, 0.0)
    per_sample = counts / max(1, counted)
    edges = band_edges(counted, float(per_sample.max(initial=0.0)))
    band_of_all = np.searchsorted(edges, per_sample, side="right") - 1
    number = len(edges) - 1
    rows = np.bincount(band_of_all, minlength=number)
    accesses = np.bincount(band_of_all, weights=per_sample, minlength=number)
    band = band_of_all[seen.ids]
    of_access = band[seen.index]
    probed = np.bincount(of_access, minlength=number)
    hits = np.bincount(seen.index, minlength=len(seen.ids))
    key = seen.sample * number + of_access
    residual, slope = now.residual[seen.sample], now.slope[seen.sample]
    turned = -residual[:, None] * (gradients @ vectors)
    downhill = np.stack(
        [np.bincount(seen.index, weights=one, minlength=len(seen.ids)) for one in turned.T], axis=-1
    )
    columns: dict[str, list[Any]] = {name: [] for name in _BY_AGE}
    totals = []
    for then in before:
        apart = (current.values - then.values).astype(float)
        along = np.einsum("ij,ij->i", gradients, apart[seen.index])
        totals.append(np.bincount(seen.sample, weights=along, minlength=samples))
        for name, each in (("quadratic", 0.5 * slope * along**2), ("gradient", -residual * along)):
            sums = np.bincount(key, weights=each, minlength=samples * number).reshape(samples, number)
            columns[name].append(sums.mean(axis=0))
            columns[f"{name}_error"].append(sums.std(axis=0, ddof=1) / math.sqrt(samples))
        later = later_of(
            apart,
            downhill * (apart @ vectors),
            vectors,
            eigenvalues,
            hits,
            samples,
            current,
            then,
            left,
            per_sample[seen.ids],
            optimizer,
            batch_size,
            band,
            number,
        )
        for name, each in later.items():
            columns[name].append(each)
    bands = [
        Band(
            accesses_from=edges[i],
            accesses_to=edges[i + 1],
            rows=int(rows[i]),
            accesses=float(accesses[i]),
            probed=int(probed[i]),
            **{name: _plain([age[i] for age in columns[name]]) for name in _BY_AGE},
        )
        for i in range(number)
        if rows[i]
    ]
    descending = tuple(float(value) for value in eigenvalues[::-1])
    dim = len(curvature)
    table = TableHarm(
        name=seen.name,
        rows=seen.rows,
        embedding_dim=dim,
        curvature_trace=float(eigenvalues.sum()),
        curvature_eigenvalues=descending,
        curvature=_plain(curvature) if dim <= LARGEST_CURVATURE_DIM else None,
        bands=tuple(bands),
        rise=None if rise is None else float(rise.mean()),
        rise_error=None if rise is None else _error(rise),
    )
    return table, totals


_BY_AGE = ("quadratic", "quadratic_error", "gradient", "gradient_error", *BY_LEFT, *OF_JITTER)


def _error(each: Any) -> float:
    return float(each.std(ddof=1) / math.sqrt(len(each)))


def _plain(value: Any) -> Any:
    """Nested tuples of Python numbers."""
    if np.ndim(value) == 0:
        return float(value)
    return tuple(_plain(one) for one in value)
