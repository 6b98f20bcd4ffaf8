r"""A probed point as arrays, and how the harm of its bands grows with the age and shrinks with training.

Between the ages that were probed the quadratic term follows a power of the age, and the gradient term over the age
a line. What relearning leaves is e^(−x) with x a line in the samples left. Fits of Da² + Na are for what needs two
numbers a band (:mod:`cprmodel.harm.intervals`); predictions go through the points themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cprmodel.harm.record import Band, HarmRecord, Point

__all__ = [
    "BandGrowth",
    "RowClass",
    "Terms",
    "classes_of",
    "fit_drift_and_noise",
    "growth_of",
    "terms_of",
]

Floats = NDArray[np.float64]

_TINY = 1e-300
_LEAST = 1e-30  # a harm below it is none
_ONE_AGE = 1.5  # power of the age, between noise and drift, where a single age was probed
_MOST_LOST = 1e-12  # less than this share is never told apart from nothing


@dataclass(frozen=True)
class BandGrowth:
    """How the harm at once of one band grows with its age a: quadratic Dₕa² + Nₕa, gradient term ca."""

    table: str
    accesses_from: float  #: accesses of a row per sample
    accesses_to: float
    rows: int
    drift: float  #: Dₕ [nat/sample²]
    drift_error: float
    noise: float  #: Nₕ [nat/sample]
    noise_error: float
    gradient: float  #: c [nat/sample]; below 0 where older rows would be better
    gradient_error: float
    misfit: float  #: largest error of the fit at a probed age, as a share of the quadratic there


def fit_drift_and_noise(ages: Any, quadratic: Any) -> tuple[Floats, Floats]:
    """Dₕ and Nₕ ≥ 0 of Dₕa² + Nₕa, by least squares of relative errors; one fit for each row of ``quadratic``.

    Relative, since the errors of a band at its ages go together: they are of the same samples.

    >>> drift, noise = fit_drift_and_noise([1.0, 2.0, 3.0], [[4.0, 10.0, 18.0], [1.0, 2.0, 3.0]])
    >>> drift.round(9), noise.round(9)
    (array([1., 0.]), array([3., 1.]))
    """
    a = np.asarray(ages, dtype=float)
    q = np.atleast_2d(np.asarray(quadratic, dtype=float))
    some = q > _LEAST
    weight = np.where(some, 1 / np.where(some, q, 1.0), 0.0)
    x, y, one = a**2 * weight, a * weight, q * weight
    xx, xy, yy = (x * x).sum(1), (x * y).sum(1), (y * y).sum(1)
    x1, y1 = (x * one).sum(1), (y * one).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = xx * yy - xy**2
        drift, noise = (x1 * yy - y1 * xy) / gap, (y1 * xx - x1 * xy) / gap
        few = ~(gap > 1e-12 * xx * yy)  # one age tells nothing apart: call it noise
        drift, noise = np.where(few, 0.0, drift), np.where(few, y1 / yy, noise)
        alone = np.where(drift < 0, y1 / yy, noise)
        drift, noise = np.where(noise < 0, x1 / xx, np.maximum(drift, 0.0)), np.maximum(alone, 0.0)
    any_at_all = some.any(1)
    return np.where(any_at_all, drift, 0.0), np.where(any_at_all, noise, 0.0)


def growth_of(point: Point) -> list[BandGrowth]:
    """Of every band of a point, the tables in the record's order."""
    ages = np.array(point.ages_samples)
    found = []
    for table in point.tables:
        for band in table.bands:
            quadratic, error = np.array(band.quadratic), np.array(band.quadratic_error)
            (drift, high_drift), (noise, high_noise) = fit_drift_and_noise(ages, [quadratic, quadratic + error])
            fitted = drift * ages**2 + noise * ages
            off = np.abs(fitted - quadratic) / np.maximum(quadratic, _TINY)
            gradient, gradient_error = _slope(ages, np.array(band.gradient), np.array(band.gradient_error))
            found.append(
                BandGrowth(
                    table=table.name,
                    accesses_from=band.accesses_from,
                    accesses_to=band.accesses_to,
                    rows=band.rows,
                    drift=float(drift),
                    drift_error=float(abs(high_drift - drift)),
                    noise=float(noise),
                    noise_error=float(abs(high_noise - noise)),
                    gradient=gradient,
                    gradient_error=gradient_error,
                    misfit=float(off[quadratic > 0].max(initial=0.0)),
                )
            )
    return found


def _slope(ages: Floats, values: Floats, errors: Floats) -> tuple[float, float]:
    """c of ca; errors of one band are of the same samples, so they add up as they are."""
    known = errors > 0
    weight = np.where(known, 1 / np.maximum(errors, _TINY) ** 2, 0.0) if known.any() else np.ones(len(ages))
    scale = float((weight * ages**2).sum())
    return float((weight * ages * values).sum() / scale), float((weight * ages * errors).sum() / scale)


@dataclass(frozen=True)
class AtAges:
    """Both terms of every band at some ages, and what is left of each [bands, ages]."""

    quadratic: Floats
    gradient: Floats
    quadratic_left: Floats
    gradient_left: Floats
    gradient_end: Floats  #: all at the end that is not what contraction leaves of the quadratic
    unsure: Floats  #: how far it may be off
    crossed: Floats  #: cross terms of all rows over the sum of the bands' quadratics [1, ages]
    beyond: Floats  #: what Taylor leaves out, over that sum, were all rows put back


@dataclass(frozen=True)
class Progress:
    """What is left of the gradient term, and jitter: of noise and of steps that are not the twin's."""

    jitter_quadratic: Floats  #: [bands, ages]
    jitter_gradient: Floats
    fixed: Floats  #: [bands, ages, left], did best values stand still
    moving: Floats  #: do they go on moving
    jitter: Floats

    def end(self, terms: Terms, left: float) -> tuple[Floats, Floats]:
        """All but the quadratic after so many samples, and how far it may be off [bands, ages].

        Halfway between best values that stand still and those that go on moving.
        """
        now = terms.gradient - self.jitter_gradient
        fixed, moving = (_after(now, terms.left, one, left) for one in (self.fixed, self.moving))
        noise = _after(self.jitter_quadratic + self.jitter_gradient, terms.left, self.jitter, left)
        return (fixed + moving) / 2 + noise, np.abs(fixed - moving) / 2


@dataclass(frozen=True)
class Terms:
    """A point as arrays: classes of rows × ages (× samples left)."""

    position: float
    ages: Floats
    left: Floats
    accesses: Floats  #: per sample, of all rows of a band
    rows: Floats
    quadratic: Floats
    gradient: Floats
    quadratic_left: Floats
    gradient_left: Floats
    progress: Progress | None  #: None: the record does not say
    crossed: Floats  #: [ages]
    beyond: Floats  #: [ages]
    own: float | None  #: share of ``beyond`` that single tables show; None: not probed, or nothing to share
    quadratic_error: float  #: standard error of the sum of the quadratics, over that sum
    gradient_error: Floats  #: of each band and age, so that squares add up to the error of the sum

    @cached_property
    def _logs(self) -> Floats:
        """Of the quadratic; where few probes saw nothing at an age, a thousandth of what drift would have there."""
        least = 1e-3 * self.quadratic.max(axis=1, keepdims=True) * (self.ages / self.ages[-1]) ** 2
        logs: Floats = np.log(np.maximum(np.maximum(self.quadratic, least), _TINY))
        return logs

    @cached_property
    def _powers(self) -> Floats:
        """Between two ages each, held between noise and drift."""
        found: Floats = np.clip(np.diff(self._logs, axis=1) / np.diff(np.log(self.ages)), 1.0, 2.0)
        return found

    def _quadratic(self, a: Floats) -> Floats:
        """By powers of the age, before the first age and after the last held between none or noise and drift."""
        logs, grid, at = self._logs, np.log(self.ages), np.log(np.maximum(a, _TINY))
        if len(grid) == 1:
            alone: Floats = np.exp(logs + _ONE_AGE * (at - grid))
            return alone
        power = np.diff(logs, axis=1) / np.diff(grid)
        inside = _along(logs, *_between(grid, at))
        before = np.clip(power[:, :1], 1.0, 2.0) * np.minimum(at - grid[0], 0.0)
        after = np.clip(power[:, -1:], 0.0, 2.0) * np.maximum(at - grid[-1], 0.0)
        found: Floats = np.exp(inside + before + after)
        return found

    def quadratic_at(self, ages: Any) -> Floats:
        """The quadratic term alone, at once [bands, ages]."""
        a = self._ages(ages)
        return np.where(a > 0, self._quadratic(a), 0.0)

    def power_at(self, ages: Any) -> Floats:
        """Of the age that the quadratic goes with there, 1 (noise) to 2 (drift) [bands, ages]."""
        a = self._ages(ages)
        if len(self.ages) == 1:
            return np.full(a.shape, _ONE_AGE)
        low, _ = _between(self.ages, a)
        return np.take_along_axis(self._powers, low, axis=1)

    def _ages(self, ages: Any) -> Floats:
        a = np.atleast_2d(np.asarray(ages, dtype=float))
        return np.broadcast_to(a, (len(self.quadratic), a.shape[1]))

    def at(self, ages: Any, left: float) -> AtAges:
        """At ages [samples], the same for all bands or [bands, ages], with so many samples left to train."""
        a = self._ages(ages)
        low, share = _between(self.ages, a)
        quadratic = self.quadratic_at(a)
        gradient = a * _along(self.gradient / self.ages, low, share)
        exponents = _exponent(self.left, self.quadratic_left, left)
        quadratic_left = np.exp(-_along(exponents, low, share))
        exponents = _exponent(self.left, self.gradient_left, left)
        gradient_left = np.exp(-_along(exponents, low, share))
        gradient_end, unsure = gradient * gradient_left, np.zeros_like(a)
        if self.progress is not None:
            of_jitter = a * _along(self.progress.jitter_quadratic / self.ages, low, share) * quadratic_left
            end, unsure = (a * _along(one / self.ages, low, share) for one in self.progress.end(self, left))
            gradient_end = end - of_jitter
        return AtAges(
            quadratic=quadratic,
            gradient=gradient,
            quadratic_left=quadratic_left,
            gradient_left=gradient_left,
            gradient_end=gradient_end,
            unsure=unsure,
            crossed=np.interp(a, self.ages, self.crossed),
            beyond=np.interp(a, self.ages, self.beyond),
        )


def _between(grid: Floats, at: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The grid point below, and how far on the way to the next; held to the grid."""
    low = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, max(len(grid) - 2, 0))
    if len(grid) == 1:
        return low, np.zeros(at.shape)
    return low, np.clip((at - grid[low]) / (grid[low + 1] - grid[low]), 0.0, 1.0)


def _along(values: Floats, low: NDArray[np.intp], share: Floats) -> Floats:
    if values.shape[1] == 1:
        same: Floats = np.broadcast_to(values, share.shape)
        return same
    one = np.take_along_axis(values, low, axis=1)
    found: Floats = one + share * (np.take_along_axis(values, low + 1, axis=1) - one)
    return found


def _exponent(left: Floats, shares: Floats, samples: float) -> Floats:
    """−log of what is left after so many samples [bands, ages]: it goes on growing beyond the record's last."""
    exponents = -np.log(np.clip(shares, _MOST_LOST, 1.0))
    return _after(np.zeros(shares.shape[:2]), left, exponents, samples, np.inf)


def _after(now: Floats, left: Floats, numbers: Floats, samples: float, most: float = 1.0) -> Floats:
    """After so many samples [bands, ages], along lines from what is now to the record's; held after its last.

    ``most``: how far the last line may go on, over its own length.
    """
    grid = np.concatenate([[0.0], left])
    values = np.concatenate([now[:, :, None], numbers], axis=2)
    low = int(np.clip(np.searchsorted(grid, samples, side="right") - 1, 0, len(grid) - 2))
    share = min((samples - grid[low]) / (grid[low + 1] - grid[low]), most)
    found: Floats = values[:, :, low] + share * (values[:, :, low + 1] - values[:, :, low])
    return found


@dataclass(frozen=True)
class RowClass:
    """Rows of one table that are used about equally often, at every point of a record."""

    table: str
    accesses_from: float  #: accesses of a row per sample
    accesses_to: float


def classes_of(record: HarmRecord) -> list[RowClass]:
    """The bands that all points have; the rarest rows of a table, which only some tell apart, are one class."""
    found = []
    for number, table in enumerate(record.points[0].tables):
        bands = [point.tables[number].bands for point in record.points if point.tables[number].bands]
        least = max((one[0].accesses_to for one in bands if one[0].accesses_from == 0), default=0.0)
        edges = {(band.accesses_from, band.accesses_to) for one in bands for band in one}
        if least > 0:
            found.append(RowClass(table.name, 0.0, least))
        found += [RowClass(table.name, low, high) for low, high in sorted(edges) if low >= least]
    return found


def terms_of(point: Point, classes: Sequence[RowClass], alike: bool = False) -> Terms:
    """The point's record as arrays, one row for each class.

    ``alike``: progress and jitter are not told apart. What records of Adam say of them that do not know whether its
    updates are lazy rests on sums that grow; Adam's mean of squares falls, too.
    """
    bands = [(table.name, band) for table in point.tables for band in table.bands]
    number = {(one.table, one.accesses_to): at for at, one in enumerate(classes)}
    lowest = {one.table: at for at, one in reversed(list(enumerate(classes)))}
    of = np.array([number.get((table, band.accesses_to), lowest[table]) for table, band in bands])

    def summed(values: Any) -> Floats:
        each = np.asarray(values, dtype=float)
        found = np.zeros((len(classes), *each.shape[1:]))
        np.add.at(found, of, each)
        return found

    each = {
        name: np.array([getattr(band, name) for _, band in bands])
        for name in ("quadratic", "gradient", "gradient_error", "quadratic_left", "gradient_left")
    }
    quadratic = summed(each["quadratic"])
    weights = np.maximum(each["quadratic"], _TINY)
    whole = {
        name: np.array([getattr(one, name) for one in point.whole])
        for name in ("quadratic", "gradient", "rise", "quadratic_error", "gradient_error")
    }
    diagonal = np.maximum(quadratic.sum(0), _TINY)
    beyond = whole["rise"] - whole["quadratic"] - whole["gradient"]
    errors = np.sqrt(summed(each["gradient_error"] ** 2))
    independent = np.sqrt((errors**2).sum(0))
    scale = np.where(independent > 0, whole["gradient_error"] / np.maximum(independent, _TINY), 1.0)

    def mean(values: Any) -> Floats:
        found: Floats = summed(values * weights[:, :, None]) / np.maximum(summed(weights), _TINY)[:, :, None]
        return found

    return Terms(
        position=point.position_samples,
        ages=np.array(point.ages_samples),
        left=np.array(point.left_samples),
        accesses=summed([band.accesses for _, band in bands]),
        rows=summed([float(band.rows) for _, band in bands]),
        quadratic=quadratic,
        gradient=summed(each["gradient"]),
        quadratic_left=mean(each["quadratic_left"]),
        gradient_left=mean(each["gradient_left"]),
        progress=None if alike else _progress(bands, summed),
        crossed=(whole["quadratic"] - diagonal) / diagonal,
        beyond=beyond / diagonal,
        own=_own(point, float(beyond[-1])),
        quadratic_error=float((whole["quadratic_error"] / np.maximum(whole["quadratic"], _TINY)).mean()),
        gradient_error=errors * scale,
    )


def _progress(bands: Sequence[tuple[str, Band]], summed: Callable[[Any], Floats]) -> Progress | None:
    if not all(band.jitter for _, band in bands):
        return None
    names = ("jitter_quadratic", "jitter_gradient", "progress_fixed", "progress_moving", "jitter")
    return Progress(*(summed(np.array([getattr(band, name) for _, band in bands])) for name in names))


def _own(point: Point, beyond: float) -> float | None:
    """Share of what Taylor leaves out at the largest age that is there when single tables are put back."""
    if beyond == 0 or any(table.rise is None for table in point.tables):
        return None
    alone = sum(
        (table.rise or 0.0) - sum(band.quadratic[-1] + band.gradient[-1] for band in table.bands)
        for table in point.tables
    )
    return float(np.clip(alone / beyond, 0.0, 1.0))
