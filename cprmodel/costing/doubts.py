r"""Jobs of few intervals whose saves may be unreadable, and whose errors may show late: summed to their end.

Whether a save is bad is drawn when somebody goes back to it, so that a job is where it is known to be good, and so
many saves on, which may be bad. With so many saves to come when everybody is at a good save, what is to come is a
sum over the saves that are made until somebody goes back, and over the one that is found good then:

.. math:: V_t = \sum_{k \le t} y^k \left(q_{t-k} + r_{t-k} \left(p_u^k V_t
          + (1 - p_u)\sum_{l<k} p_u^l V_{t-k+l}\right)\right)

with y how likely an attempt at an interval makes a save, r that somebody goes back, and q what the attempt takes.
Saves that hold an error do the same among themselves until it shows, or until a failure finds all of them bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cprmodel.formulas.latent import Attempt

__all__ = ["Doubts", "Taken"]


class Taken(NamedTuple):
    """What a job takes, on average."""

    activity: Any  # at work and in saves [s]
    again: Any  # loads that no failure begins: after an error, and in vain
    unseen: Any  # probability that it ends with an error that has not shown


class _Sums(NamedTuple):
    """By how many saves are to come: from a good save, and from one that may be bad, and is the first."""

    good: Any
    first: Any


@dataclass(frozen=True)
class Doubts:
    """Jobs of so many saves, by how attempts at an interval with its save, and at the last one, end.

    One job, or as many as there are numbers in ``saves``, side by side: of each job there is a number for every
    number of saves to come, from none on, and all of these are one row.
    """

    saves: Any
    whole: Attempt
    last: Attempt
    unreadable: float
    lengths: tuple[Any, Any] = (1.0, 1.0)  #: activity of an interval with its save, and of the last one
    rho: Any = 0.0  #: rate of roll-backs for a failure
    shows: float = 1.0  #: rate at which an error that is there shows

    @cached_property
    def _counts(self) -> Any:
        return np.atleast_1d(self.saves) + 1

    @cached_property
    def _at_last(self) -> Any:
        """Where a job has no save to come."""
        return np.cumsum(self._counts) - self._counts

    def _each(self, jobs: Any) -> Any:
        """The same number for all that a job may have to come."""
        return np.repeat(np.broadcast_to(np.asarray(jobs, dtype=float), self._counts.shape), self._counts)

    def _by(self, before: Any, at_last: Any) -> Any:
        """One of the two, by whether saves are to come."""
        found = self._each(before)
        found[self._at_last] = at_last
        return found

    def _summed(self, factor: Any, added: Any) -> Any:
        """x with xₜ = addedₜ + factorₜ xₜ₋₁ in each job."""
        from scipy.linalg.lapack import dtbtrs

        steps = np.ones((2, len(factor)))
        steps[1, :-1] = -factor[1:]
        steps[1, self._at_last - 1] = 0.0  # where another job begins
        found, _ = dtbtrs(steps, np.asarray(added, dtype=float).T, uplo="L", diag="U")
        return found.T

    def _after(self, values: Any) -> Any:
        """Those of one save less to come; nothing where none is."""
        found = np.empty_like(values)
        found[..., 1:] = values[..., :-1]
        found[..., self._at_last] = 0.0
        return found

    @property
    def _vain(self) -> float:
        return self.unreadable / (1 - self.unreadable)

    def _stays(self, go: Any, ends: Any) -> Any:
        """How likely nobody comes back to a good save; ``ends``: that an attempt neither saves nor leads back."""
        return self._summed(go * self.unreadable, ends + go * self._by(1 - self.unreadable, 0.0))

    def _sums(self, go: Any, ends: Any, alone: Any) -> _Sums:
        """Of what is taken until somebody goes back for the first time (``alone``)."""
        stays = self._stays(go, ends)
        lands = (1 - self.unreadable) * (1 - stays)
        others = self._after(self._summed(go * (1 + lands / stays), go * lands / stays * alone))
        good = (alone + others) / stays
        return _Sums(good, others + lands * good)

    def _alone(self, go: Any, each: Any, read: Any) -> Any:
        """What attempts take until somebody goes back: ``each``, and ``read`` for each save read in vain there."""
        return self._summed(go, each + self._vain * read) - self._vain * self._summed(go * self.unreadable, read)

    # Saves that hold an error

    @cached_property
    def _through(self) -> tuple[Any, Any]:
        """How likely nothing fails or shows in an interval with its save, and in the last one."""
        whole, last = (np.exp(-(self.rho + self.shows) * one) for one in self.lengths)
        return self._each(whole), self._by(0.0, last)

    @cached_property
    def _active(self) -> Any:
        """Mean activity until something does, or the interval is over."""
        both = self.rho + self.shows
        return self._by(*(-np.expm1(-both * one) / both for one in self.lengths))

    @cached_property
    def _gone(self) -> Any:
        """Activity in which a failure would find all saves that hold the error bad, from the first of them on."""
        return self.unreadable * self._summed(self._through[0] * self.unreadable, self._active)

    @cached_property
    def _held_ends(self) -> Any:
        return self._through[1] + self.shows * self._active

    @cached_property
    def _unseen(self) -> _Sums:
        """How likely the end comes before the error shows."""
        go, at_last = self._through
        alone = self._summed(go, at_last)
        found = self._sums(go, self._held_ends, alone)
        return _Sums(found.good, alone + found.first)

    @cached_property
    def _held_vain(self) -> Any:
        """Activity, times the saves with the error that one would read in vain."""
        go = self._through[0]
        alone = self._alone(go, np.zeros_like(go), self._active)
        return alone + self._sums(go, self._held_ends, alone).first + self._gone

    # Clean ones

    @cached_property
    def _go(self) -> Any:
        return self._each(self.whole.clean)

    @cached_property
    def _dirty(self) -> Any:
        return self._by(self.whole.dirty, 0.0)

    @cached_property
    def _last(self) -> Any:
        """How likely the end comes after an attempt at the last interval."""
        return self._by(0.0, self.last.clean + self.last.dirty)

    @cached_property
    def _ends(self) -> Any:
        """How likely nothing but the end comes after an attempt at an interval, with errors that stay unseen."""
        return self._last + self._dirty * self._after(self._unseen.first)

    def _of_jobs(self, values: Any) -> Any:
        """A number of each job, from its beginning; of one job alone just that."""
        found = values[..., self._at_last + self._counts - 1]
        return found if np.ndim(self.saves) else found[..., 0]

    def taken(self) -> Taken:
        """What the job takes."""
        dirty, rho, none = self._dirty, self._each(self.rho), np.zeros_like(self._dirty)
        gone, unseen = self._after(self._gone), self._after(self._unseen.first)
        shown = self._by(1.0, 0.0) - unseen - rho * gone
        both = (self.whole, self.last)
        activity = self._by(*(one.activity for one in both))
        at_once = self._by(*(1 - one.clean - one.dirty - self.rho * one.activity for one in both))
        seen, left = at_once + dirty * shown, self._by(0.0, self.last.dirty) + dirty * unseen
        active = activity + dirty * shown / self.shows
        alone = self._alone(
            self._go,
            np.stack([active, seen, left, dirty * self._after(self._held_vain)]),
            np.stack([none, seen, none, activity + dirty * gone]),
        )
        spent, again, never, vain = self._of_jobs(self._sums(self._go, self._ends, alone).good)
        return Taken(spent, again + self.rho * vain, never)

    def behind(self, hit: Any, hit_last: Any) -> Any:
        """Intervals of which a shard loses what it had kept until their save, on average: it can't be read.

        A shard is hit in an interval with its save with probability ``hit``, and in the last one with ``hit_last``;
        it loses what is saved in the bad saves just before. Saves between two to which everybody went back, which
        are good, and from the last of them to the end, stand without a roll-back, and are bad as drawn.
        """
        bad = self.unreadable
        long = bad * hit / (1 - bad * (1 - hit))  # of one with many saves after it; of a few it is less
        landed, ended = (self._each(one / (1 - bad * (1 - hit))) for one in (long, long - bad * hit_last))
        goes_on, go, held = self._each(bad * (1 - hit)), self._go, self._through[0]
        lands = (1 - bad) * (1 - self._stays(held, self._held_ends))
        dirty = landed * lands * self._unseen.good + ended * self._through[1]
        fewer = self._summed(held, dirty), self._summed(held * goes_on, dirty)
        more = self._sums(held, self._held_ends, fewer[0] - fewer[1]).first
        clean = landed * (1 - bad) * (1 - self._stays(go, self._ends)) + ended * self._last
        alone = self._summed(go, clean + self._dirty * self._after(more + fewer[0]))
        alone = alone - self._summed(go * goes_on, clean + goes_on * self._dirty * self._after(fewer[1]))
        return self.saves * long - self._of_jobs(self._sums(go, self._ends, alone).good)
