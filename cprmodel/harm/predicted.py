"""What failures that put shards back cost in log loss and AUC: predicted from the record of a run without failures.

Nothing is fitted to runs with failures. Of a shard that holds the share s of the rows by chance, the sum over rows
counts with s, cross terms between rows with s², and what Taylor's series leaves out lies between s (where single
tables show it) and s³.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.record import HarmRecord
from cprmodel.harm.statistics import AtAges, Floats, Terms, classes_of, terms_of
from cprmodel.harm.summary import WITHIN, reach

__all__ = ["Harm", "HarmModel", "crossed_and_beyond"]

_Z90 = 1.6448536269514722
_MOMENTS = 48  # of the run at which failures are looked at
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_EARLY = 0.25  # of a run; before it other rows decide how little is left (docs/models/harm.md)


@dataclass(frozen=True)
class Harm:
    """A rise of the log loss, by where it comes from; the four parts add up to ``rise``."""

    quadratic: float  #: ½pₐΔᵀℋΔ of each row
    gradient: float  #: progress of each row that is undone
    crossed: float  #: cross terms between rows of a sample
    beyond: float  #: what Taylor's two terms leave out, from the true rises in the record
    error: float  #: standard error, from the record's
    unsure: float  #: how far it may be off where the theory ends (shares of ``beyond``, failures early in a run)
    deviation: float  #: scatter of one run about it, by how many failures come and when (0 for a given one)
    auc_per_nat: float | None
    auc_error: float
    notes: tuple[str, ...] = ()

    @property
    def rise(self) -> float:
        """Expected rise of the log loss [nat]."""
        return self.quadratic + self.gradient + self.crossed + self.beyond

    @property
    def interval_90(self) -> tuple[float, float]:
        """Of the expectation, with the sampling of the probe and the reach of Taylor's series together."""
        half = math.hypot(_Z90 * self.error, self.unsure)
        return self.rise - half, self.rise + half

    @property
    def auc_fall(self) -> float | None:
        """Expected fall of the AUC; None where the record has none."""
        return None if self.auc_per_nat is None else self.auc_per_nat * self.rise

    @property
    def auc_interval_90(self) -> tuple[float, float] | None:
        """Its 90% interval, with that of the AUC lost per nat."""
        if self.auc_per_nat is None:
            return None
        low, high = self.interval_90
        half = math.hypot(self.auc_per_nat * (high - low) / 2, _Z90 * self.auc_error * self.rise)
        middle = self.auc_per_nat * self.rise
        return middle - half, middle + half


@dataclass(frozen=True)
class _Parts:
    """Sums over bands at some ages, and the squared error of the gradient."""

    quadratic: Floats
    gradient: Floats
    crossed: Floats
    beyond: Floats
    unsure: Floats
    gradient_error: Floats

    def scaled(self, factor: float) -> _Parts:
        return _Parts(*(factor * getattr(self, name) for name in self.__dataclass_fields__))

    def plus(self, other: _Parts) -> _Parts:
        return _Parts(*(getattr(self, one) + getattr(other, one) for one in self.__dataclass_fields__))


class HarmModel:
    """Predictions from a harm record.

    Parameters
    ----------
    record : what a probe saw in a run without failures (:func:`cprmodel.harm.record.read_harm`)

    Between the points of a record everything changes along a line in the inverse of the position, as what training
    gains does; before the first and after the last it stays.
    """

    def __init__(self, record: HarmRecord) -> None:
        self.record = record
        self.classes = classes_of(record)
        self.terms = [terms_of(point, self.classes, record.optimizer.unknown) for point in record.points]
        self.auc_per_nat, self.auc_error = _auc_per_nat(record)

    def once(self, position_samples: float, age_samples: Any, lost_share: Any, at_once: bool = False) -> Harm:
        """One failure: rows are put back to what they held ``age_samples`` ago.

        Parameters
        ----------
        position_samples : when it strikes, in samples trained
        age_samples : age of what is restored, one for all or one for each of ``classes``
        lost_share : share of each band's harm that is put back, one for all or one for each of ``classes``
        at_once : before anything is learned again, not at the end of the run
        """
        self._check(lost_share)
        left = 0.0 if at_once else max(self.record.samples - position_samples, 0.0)
        ages = np.asarray(age_samples, dtype=float)
        parts = self._parts(position_samples, ages.reshape(-1, 1), left, lost_share)
        if not at_once:
            parts = self._early(parts, position_samples)
        return self._harm(parts, 0.0, self._notes(float(ages.max())))

    def run(self, put_backs: float, lost_share: Any, interval_samples: Any, until: float = 1.0) -> Harm:
        """A run whose failures strike at random: expected harm at its end.

        Parameters
        ----------
        put_backs : failures of the run that put shards back, on average
        lost_share : share of the rows that each puts back, k/N
        interval_samples : samples trained between two saves, one for all rows or one for each of ``classes``
        until : failures strike in this first part of the run
        """
        self._check(lost_share)
        if not (put_backs >= 0 and np.min(interval_samples) > 0 and 0 < until <= 1):
            given = f"put_backs = {put_backs:g}, interval_samples = {np.min(interval_samples):g}, until = {until:g}"
            raise DomainError(f"{given}: expected at least 0, more than 0, and between 0 and 1")
        interval = np.asarray(interval_samples, dtype=float).reshape(-1, 1)
        samples, total, squares = float(self.record.samples), None, 0.0
        share = _ages_weights(put_backs * float(np.mean(lost_share)) * float(interval.mean()) / (until * samples))
        for moment in (np.arange(_MOMENTS) + 0.5) / _MOMENTS * until * samples:
            ages = np.minimum(0.5 * (_NODES + 1) * interval, moment)
            parts = self._early(self._parts(moment, ages, samples - moment, lost_share), moment)
            rise = parts.quadratic + parts.gradient + parts.crossed + parts.beyond
            squares += float(share @ rise**2) / _MOMENTS
            weighted = _Parts(*(np.array([share @ getattr(parts, name)]) for name in parts.__dataclass_fields__))
            scaled = weighted.scaled(1 / _MOMENTS)
            total = scaled if total is None else total.plus(scaled)
        assert total is not None
        deviation = math.sqrt(put_backs * squares)
        notes = self._notes(min(float(interval.max()), samples))
        return self._harm(total.scaled(put_backs), deviation, notes)

    def left_by_age(self, age_samples: Any) -> tuple[Floats, Floats]:
        """Both terms that are left at the end where all rows of a class are put back once, at a random moment.

        Quadratic and gradient [classes, ages]; without cross terms. Ages are at most the moment.
        """
        ages, samples = np.asarray(age_samples, dtype=float), float(self.record.samples)
        quadratic, gradient = np.zeros((2, len(self.classes), ages.size))
        for moment in (np.arange(_MOMENTS) + 0.5) / _MOMENTS * samples:
            for one, share in self.near(moment):
                at = one.at(np.minimum(ages, moment), samples - moment)
                quadratic += share / _MOMENTS * at.quadratic * at.quadratic_left
                gradient += share / _MOMENTS * at.gradient_end
        return quadratic, gradient

    def _check(self, lost_share: Any) -> None:
        if not (np.min(lost_share) >= 0 and np.max(lost_share) <= 1):
            raise DomainError(f"lost_share = {lost_share!r}: expected a share between 0 and 1")

    def _parts(self, position: float, ages: Floats, left: float, lost_share: Any) -> _Parts:
        found = [
            _sums(one, one.at(ages, left), ages, lost_share).scaled(share) for one, share in self.near(position)
        ]
        return found[0] if len(found) == 1 else found[0].plus(found[1])

    def _early(self, parts: _Parts, moment: float) -> _Parts:
        """Early in a run little is left of much, and half of the gradient term is not sure."""
        if moment >= _EARLY * self.record.samples:
            return parts
        return replace(parts, unsure=parts.unsure + 0.5 * np.abs(parts.gradient))

    def near(self, position: float) -> list[tuple[Terms, float]]:
        """The points that a position lies between, with their shares."""
        positions = [one.position for one in self.terms]
        high = int(np.searchsorted(positions, position))
        if high in (0, len(positions)):
            return [(self.terms[min(high, len(positions) - 1)], 1.0)]
        low, top = positions[high - 1], positions[high]
        share = (1 / low - 1 / position) / (1 / low - 1 / top)
        return [(self.terms[high - 1], 1 - share), (self.terms[high], share)]

    def _harm(self, parts: _Parts, deviation: float, notes: tuple[str, ...]) -> Harm:
        of = {name: float(getattr(parts, name)[0]) for name in parts.__dataclass_fields__}
        relative = float(np.mean([one.quadratic_error for one in self.terms]))
        error = math.hypot(of["gradient_error"], relative * (of["quadratic"] + of["crossed"]))
        return Harm(
            quadratic=of["quadratic"],
            gradient=of["gradient"],
            crossed=of["crossed"],
            beyond=of["beyond"],
            error=error,
            unsure=of["unsure"],
            deviation=deviation,
            auc_per_nat=self.auc_per_nat,
            auc_error=self.auc_error,
            notes=notes,
        )

    def _notes(self, age: float) -> tuple[str, ...]:
        probed, reach = max(float(one.ages[-1]) for one in self.terms), self.reach_samples
        notes = []
        if age > probed * (1 + 1e-9):
            notes.append(f"rows are up to {age:,.0f} samples old: the record ends at {probed:,.0f}")
        if reach * (1 + 1e-9) < min(age, probed):
            notes.append(
                f"beyond an age of {reach:,.0f} samples Taylor's terms are off by more than {WITHIN:.0%} where "
                "all rows are put back: the prediction leans on the record's true rises"
            )
        return tuple(notes)

    @property
    def reach_samples(self) -> float:
        """Largest probed age to which Taylor's terms are within a quarter of the true rise at every point; or 0."""
        return reach(self.record) or 0.0


def _ages_weights(x: float) -> Floats:
    """Of ages as shares of the interval: the time since a save, or since the shard's last failure if that is less.

    A shard fails x times an interval. The age is below u with a density e^(−xu)(1 + x(1 − u)); x = 0: even.
    """
    u = 0.5 * (_NODES + 1)
    found: Floats = 0.5 * _WEIGHTS * np.exp(-x * u) * (1 + x * (1 - u))
    return found


def _sums(terms: Terms, at: AtAges, ages: Floats, lost_share: Any) -> _Parts:
    """Over bands; the share of cross terms is that of the quadratic, squared."""
    lost = np.asarray(lost_share, dtype=float).reshape(-1, 1)
    quadratic = lost * at.quadratic
    left = (quadratic * at.quadratic_left).sum(0)
    whole, put_back = at.quadratic.sum(0), quadratic.sum(0)
    share = put_back / np.maximum(whole, 1e-300)
    remaining = left / np.maximum(put_back, 1e-300)
    crossed, beyond = (one * remaining for one in crossed_and_beyond(terms, at, share))
    central = _central(terms, share)
    farthest = central if terms.own is not None else share
    all_beyond = (at.beyond * at.quadratic).sum(0) * remaining
    unsure = np.abs(all_beyond) * np.maximum(central - share**3, farthest - central)
    errors = np.abs(np.broadcast_to(ages, at.gradient.shape)) * _error_per_age(terms)
    return _Parts(
        quadratic=left,
        gradient=(lost * at.gradient_end).sum(0),
        crossed=crossed,
        beyond=beyond,
        unsure=unsure + (lost * at.unsure).sum(0),
        gradient_error=np.sqrt(((lost * errors * at.gradient_left) ** 2).sum(0)),
    )


def crossed_and_beyond(terms: Terms, at: AtAges, share: Floats) -> tuple[Floats, Floats]:
    """At once, at each age: cross terms, and what Taylor leaves out, where this share of all harm is put back."""
    crossed = (at.crossed * at.quadratic).sum(0) * share**2
    return crossed, (at.beyond * at.quadratic).sum(0) * _central(terms, share)


def _central(terms: Terms, share: Floats) -> Floats:
    """With what share what Taylor leaves out counts: single tables' part with that of rows, the rest squared."""
    own = terms.own or 0.0
    return own * share + (1 - own) * share**2


def _error_per_age(terms: Terms) -> Floats:
    """Error of each band's gradient term over its age, at most over the probed ages [bands, 1]."""
    found: Floats = (terms.gradient_error / terms.ages).mean(axis=1, keepdims=True)
    return found


def _auc_per_nat(record: HarmRecord) -> tuple[float | None, float]:
    """AUC lost per nat, over points and ages, and how it scatters over them."""
    known = [one.auc_per_nat for point in record.points for one in point.whole if one.auc_per_nat is not None]
    return (float(np.mean(known)), float(np.std(known))) if known else (None, 0.0)
