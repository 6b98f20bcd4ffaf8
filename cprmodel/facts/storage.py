"""How checkpoints are written where a save is more than one blocking copy: levels, drains, dirty rows, warnings.

Frozen objects that planning prices and the simulator plays. What exactly happens is said in
:mod:`cprmodel.costing.storage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import Any, ClassVar, Protocol

import numpy as np

from cprmodel.facts.scatter import Scatter
from cprmodel.facts.strategies import SavingPolicy
from cprmodel.facts.units import format_time

__all__ = ["Dirty", "MeasuredDirty", "SaveLevel", "StoredSave", "TouchedRows", "WarnedSave", "heeds_warnings"]


def heeds_warnings(saving: SavingPolicy | None) -> bool:
    """Whether a save follows when a failure is announced.

    >>> heeds_warnings(StoredSave((SaveLevel("remote", 60.0, 60.0, 10.0),), warned=WarnedSave(60.0, 0.5, 0.9)))
    True
    """
    return getattr(saving, "warned", None) is not None


#: Up to so many classes of rows are summed each time.
_FEW = 64


class Dirty(Protocol):
    """How much of a checkpoint has changed since it was last written."""

    def share(self, work_s: Any) -> Any:
        """Share of the bytes touched in so much useful work [s]; 0 at 0, never falling, at most 1."""


@dataclass(frozen=True, eq=False)
class TouchedRows:
    """Rows updated independently of one another: of rate λᵢ, 1 − e^(−λᵢτ) of them are touched in τ.

    >>> rows = TouchedRows(rates=np.array([1.0, 0.01]), count=np.array([1.0, 99.0]))
    >>> round(float(rows.share(10.0)), 4)
    0.1042
    """

    rates: Any  #: updates of a row in a second of useful work, of each class of rows
    count: Any  #: rows in the class

    def share(self, work_s: Any) -> Any:
        """Expected share of the rows that an interval touches; of many classes within 1e-7 of it."""
        work = np.asarray(work_s, dtype=float)
        if self.rates.size <= _FEW:
            return self._summed(work)
        low, high, spline = self._curve
        inside = np.clip(work, low, high)
        found = -np.expm1(-np.exp(spline(np.log(inside))))
        return np.where(work < low, work * (self.rates @ self.count) / self.count.sum(), found)

    def _summed(self, work: Any) -> Any:
        touched = -np.expm1(-np.multiply.outer(work, self.rates))
        return touched @ (self.count / np.sum(self.count))

    @cached_property
    def _curve(self) -> tuple[float, float, Any]:
        """log(−log(1 − share)) against log τ: a straight line for rows all alike, smooth for others."""
        from scipy.interpolate import CubicSpline

        rates = self.rates[self.rates > 0]
        low, high = 1e-9 / float(rates.max()), 50 / float(rates.min())
        times = np.geomspace(low, high, int(40 * np.log10(high / low)))
        shares = np.array([float(self._summed(time)) for time in times])
        here = shares < 1 - 1e-15  # beyond, everything is touched
        times, shares = times[here], shares[here]
        return low, float(times[-1]), CubicSpline(np.log(times), np.log(-np.log1p(-shares)))


@dataclass(frozen=True)
class MeasuredDirty:
    """A measured curve: straight between its points, beyond the last one as steep as before it, up to 1.

    >>> curve = MeasuredDirty(points=((60.0, 0.2), (600.0, 0.5)))
    >>> [round(float(curve.share(t)), 3) for t in (0.0, 30.0, 330.0, 1140.0, 1e6)]
    [0.0, 0.1, 0.35, 0.8, 1.0]
    """

    points: tuple[tuple[float, float], ...]  #: (useful work [s], share), both rising

    def share(self, work_s: Any) -> Any:
        """The share at so much work since the last save."""
        times, shares = self._until_all
        return np.interp(work_s, times, shares)

    @cached_property
    def _until_all(self) -> tuple[Any, Any]:
        """The points, from none touched to all."""
        times, shares = (np.array([0.0, *column]) for column in zip(*self.points, strict=True))
        slope = (shares[-1] - shares[-2]) / (times[-1] - times[-2])
        if shares[-1] == 1:
            return times, shares
        return np.append(times, times[-1] + (1 - shares[-1]) / slope), np.append(shares, 1.0)


@dataclass(frozen=True)
class SaveLevel:
    """One place to save to. A save blocks training for a stall, whatever it writes, and to copy what it writes.

    >>> SaveLevel("remote", save_s=240.0, load_s=240.0, partial_load_s=30.0, stall_s=7.0).blocks_s
    247.0
    """

    name: str
    save_s: float  #: copying everything blocks training so long; a copy of less, so much less
    load_s: float  #: to read everything back from there
    partial_load_s: float  #: to read the failed shards back
    survives: float = 1.0  #: share of the failures after which what is there can be read
    every: int | None = None  #: so many saves of the level below to one of this one (None where to be chosen)
    stall_s: float = 0.0  #: a save blocks training so long besides (a snapshot, a barrier), whatever it writes
    scatter: Scatter | None = None  #: of what blocks, around its mean, which the two above then are

    @property
    def blocks_s(self) -> float:
        """Time that a save of everything blocks training, the last level's drain apart [s]."""
        return self.stall_s + self.save_s

    def blocking_words(self, share: float) -> str:
        """How long a save blocks training that writes such a share of everything, and what of it is which.

        >>> SaveLevel("remote", 240.0, 240.0, 30.0, stall_s=7.0).blocking_words(0.25)
        '7 s whatever it writes and 1 min to copy that'
        """
        stall, copy = (
            f"{format_time(self.stall_s)} whatever it writes",
            f"{format_time(share * self.save_s)} to copy that",
        )
        parts = [words for words, takes in ((stall, self.stall_s), (copy, self.save_s)) if takes]
        return (" and ".join(parts) or "no time") + self.scatter_words(self.stall_s + share * self.save_s)

    def scatter_words(self, blocks_s: float) -> str:
        """How the time of a save that blocks so long on average scatters; nothing where it does not.

        >>> SaveLevel("remote", 60.0, 60.0, 8.0, scatter=Scatter(sigma=0.5)).scatter_words(60.0)
        ' on average (P50 52.9 s, P90 1 min 40 s)'
        """
        if self.scatter is None:
            return ""
        half, most = (format_time(blocks_s * self.scatter.quantile(one)) for one in (0.5, 0.9))
        return f" on average (P50 {half}, P90 {most})"


@dataclass(frozen=True)
class WarnedSave:
    """A save when a failure is announced, just in time: of everything, or of so much of it as there is time for."""

    save_s: float
    recall: float  #: share of the failures that are announced in time, r
    precision: float  #: share of the announcements that are followed by a failure, p
    level: int | None = None  #: the level that is saved to; the last one where None
    leaves: int | None = None  #: announced failures leave this level readable; where None they are as all others
    scatter: Scatter | None = None  #: of ``save_s`` around its mean, ``fixed_s`` of it apart
    fixed_s: float = 0.0  #: the part of it that does not scatter
    ahead_s: float | None = None  #: the save begins so long before the announced failure, where its time scatters
    writes: float = 1.0  #: share of everything that it writes

    @property
    def in_time(self) -> float:
        """Probability that the save is complete when the failure comes.

        >>> round(WarnedSave(60.0, 0.6, 0.8, scatter=Scatter(sigma=0.5), ahead_s=100.0).in_time, 3)
        0.898
        """
        if self.scatter is None or self.ahead_s is None:
            return 1.0
        return float(self.scatter.within(self.share))

    @property
    def share(self) -> float:
        """The most that what scatters of the save may be, over its mean, for it to be in time."""
        assert self.ahead_s is not None
        return (self.ahead_s - self.fixed_s) / (self.save_s - self.fixed_s)


@dataclass(frozen=True)
class StoredSave:
    """A checkpoint as it is really written; the cheapest level first, the last one survives everything.

    >>> memory = SaveLevel("memory", save_s=9.0, load_s=9.0, partial_load_s=1.0, survives=0.9, every=None)
    >>> remote = SaveLevel("remote", save_s=438.0, load_s=438.0, partial_load_s=50.0)
    >>> StoredSave((memory, remote), counts=(26,)).segments
    26
    """

    levels: tuple[SaveLevel, ...]
    #: For each level but the first, how many saves of the level below there are to one of it, which is the last's.
    counts: tuple[int, ...] = ()
    #: Of everything, after what blocks in a save to the last level; training goes on at ``overlap`` meanwhile.
    drain_s: float = 0.0
    overlap: float = 0.0
    dirty: Dirty | None = None  #: None: every save writes everything
    always: float = 0.0  #: share of a save that is written whatever was touched
    warned: WarnedSave | None = None
    fraction: ClassVar[float] = 1.0

    @property
    def save_s(self) -> float:
        """Time that training loses to a save of everything to the last level [s]."""
        return self.levels[-1].blocks_s + (1 - self.overlap) * self.drain_s

    @property
    def periods(self) -> tuple[int, ...]:
        """For each level, saves of any level to one of that level or a higher one."""
        return tuple(accumulate(self.counts, mul, initial=1))

    @property
    def segments(self) -> int:
        """Saves of any level to one of the last level."""
        return self.periods[-1]

    @property
    def warned_level(self) -> int:
        """The level of saves on a warning, the last one where none is told."""
        told = None if self.warned is None else self.warned.level
        return len(self.levels) - 1 if told is None else told

    @property
    def by_level(self) -> dict[str, int] | None:
        """For each of several levels, saves of any level to one of it or a higher one; None where there is one."""
        if len(self.levels) == 1:
            return None
        return {level.name: saves for level, saves in zip(self.levels, self.periods, strict=True)}

    def written(self, work_s: Any) -> Any:
        """Share of everything that a save after so much work (since the last one of its level) writes."""
        if self.dirty is None:
            return 1.0 if np.ndim(work_s) == 0 else np.ones_like(work_s, dtype=float)
        return self.always + (1 - self.always) * self.dirty.share(work_s)
