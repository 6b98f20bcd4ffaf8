"""A simulation of row updates and priority saves, with the trackers that a training loop would use.

Each slot, every row gets a Poisson number of updates; then the policy chooses a share of the rows, which are saved.
A failure at a random moment takes the updates since each row's last save; their mean over time is estimated.
Losses within a slot are taken halfway, for updates come evenly through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.rows import Classes
from cprmodel.trackers import LargestChange, MostFrequentlyUpdated, SubSampledUpdated, Tracker, UpdateAge, rows_due
from cprmodel.trackers.tracker import largest

__all__ = ["PLAYED", "WORTH", "Played", "pieces", "play", "play_intervals", "record", "save"]

Floats = NDArray[np.float64]

_BATCHES = 20
_OLDEST = 60_000.0  #: slots since its last save of a row when a play begins
_SAMPLED = 12.5  #: most updates of a row and slot, on average, that the order with a sampled list is told of
_DIMENSION = 16  #: numbers in a row, for the policy that compares them


@dataclass(frozen=True)
class Played:
    """Updates lost by a failure, over those of one full-save interval; and how much of the budget was used."""

    lost_updates_fraction: float
    standard_error: float
    budget_used: float = 1.0


class _InTurn(Tracker):
    """Rows in their order, round and round: a cursor is all it keeps."""

    state = ("at",)

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.at = np.zeros(1, dtype=np.int64)

    def record(self, rows: object, values: object = None) -> None:
        """Nothing to remember."""

    def select(self, n: int) -> NDArray[np.intp]:
        chosen: NDArray[np.intp] = (self.at[0] + np.arange(n)) % self.rows
        self.at[0] += n
        return chosen

    def saved(self, rows: object) -> None:
        """Nothing to remember."""


class _KnownRates(Tracker):
    """Rows whose rates are known, by rate × age²: the square-root law, held to one save a slot."""

    state = ("age",)

    def __init__(self, updates: Floats) -> None:
        super().__init__(updates.size)
        self.rates = updates
        self.age = np.zeros(self.rows)

    def record(self, rows: object, values: object = None) -> None:
        """Nothing to remember."""

    def tick(self) -> None:
        self.age += 1

    def select(self, n: int) -> NDArray[np.intp]:
        return largest(self.rates * self.age**2, n)

    def saved(self, rows: Any) -> None:
        self.age[rows] = 0


#: Policies that can be played, by name: a tracker from the rows' updates, the rows saved in a slot, and a seed.
PLAYED: dict[str, Callable[[Floats, int, int], Tracker]] = {
    "round-robin": lambda updates, n, seed: _InTurn(updates.size),
    "mfu": lambda updates, n, seed: MostFrequentlyUpdated(updates.size),
    "ssu": lambda updates, n, seed: SubSampledUpdated(updates.size, max(n, 1), seed=seed),
    "scar": lambda updates, n, seed: LargestChange(np.zeros((updates.size, _DIMENSION), dtype=np.float32)),
    "update-age": lambda updates, n, seed: UpdateAge(updates.size),
    "best-fixed": lambda updates, n, seed: _KnownRates(updates),
}


#: What comes first by counts, ages and rates of the rows, as the trackers have it; counts are whole numbers.
WORTH: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "mfu": lambda counts, age, rates: counts,
    "update-age": lambda counts, age, rates: counts * age,
    "best-fixed": lambda counts, age, rates: rates * age**2,
    # of dirty rows alone; so large that a lot, drawn for counts, decides between equal ones only
    "best-fixed-dirty": lambda counts, age, rates: 1e12 * rates * age**2 * (counts > 0),
}


def record(tracker: Tracker, counts: NDArray[np.int64], random: np.random.Generator) -> None:
    """Tell a tracker of so many updates of each row, in the form and the order that it minds."""
    if isinstance(tracker, MostFrequentlyUpdated):  # updates × age, too: what recording them one by one comes to
        tracker.updates += counts.astype(np.uint32)
        return
    if isinstance(tracker, LargestChange):
        touched = np.flatnonzero(counts)
        steps = random.standard_normal((touched.size, _DIMENSION), dtype=np.float32)
        tracker.record(touched, tracker.values[touched] + steps * np.sqrt(counts[touched, None]))
        return
    if isinstance(tracker, SubSampledUpdated):
        # far more updates than the list has places decide nothing: what counts is who comes last, and how often
        many = _SAMPLED * counts.size / max(float(counts.sum()), 1.0)
        batch = np.repeat(np.arange(counts.size), random.binomial(counts, many) if many < 1 else counts)
        random.shuffle(batch)
        tracker.record(batch)


def save(tracker: Tracker, number: int, fraction: float) -> NDArray[np.intp]:
    """Have a tracker choose what the save of this number (from 0) takes, and count it as safe."""
    tracker.tick()
    chosen = tracker.select(rows_due(number, fraction, tracker.rows))
    tracker.saved(chosen)
    return chosen


def pieces(classes: Classes, rows: int) -> Floats:
    """The updates of so many rows that stand for all: neighbours in the order of their updates, averaged.

    The mean is kept. Few rows stand for many well, for what is saved every slot needs no finer distinction.
    """
    if classes.rows <= rows:
        whole = np.round(classes.count)
        if np.all(np.abs(whole - classes.count) < 1e-6 * classes.count):
            return np.repeat(classes.updates, whole.astype(int))
    order = np.argsort(-classes.updates, kind="stable")
    count = np.concatenate([[0.0], np.cumsum(classes.count[order])])
    total = np.concatenate([[0.0], np.cumsum((classes.updates * classes.count)[order])])
    edges = np.linspace(0.0, count[-1], rows + 1)
    means: Floats = np.diff(np.interp(edges, count, total)) * (rows / count[-1])
    return means


def play(
    policy: str,
    updates: Floats,
    fraction: float,
    slots: int = 400,
    warm_up: int = 200,
    seed: int = 1,
    age: Floats | None = None,
) -> Played:
    """Play one policy over rows with so many updates a slot each, ``fraction`` of them saved every slot.

    ``age``: slots since each row was saved, when the play begins. Without it everything is saved then, and rows
    with few updates have little to lose for long.

    >>> alike = np.full(200, 3.0)
    >>> found = play("round-robin", alike, 0.25, slots=200, warm_up=20)
    >>> abs(found.lost_updates_fraction - 0.5) < 4 * found.standard_error
    True
    """
    if policy not in PLAYED:
        raise DomainError(f"play: policy = {policy!r}: expected one of {', '.join(PLAYED)}")
    if not 0 < fraction <= 1:
        raise DomainError(f"play: fraction = {fraction!r}: expected a number greater than 0 and at most 1")
    rows = updates.size
    random = np.random.default_rng([seed, list(PLAYED).index(policy)])
    mixed = random.permutation(rows)  # of rows that are worth the same a tracker takes those that lie somewhere
    updates = updates[mixed]
    tracker = PLAYED[policy](updates, int(np.ceil(fraction * rows)), seed)
    unsaved = np.zeros(rows, dtype=np.int64)
    if age is not None:
        age = np.minimum(age[mixed], _OLDEST)
        unsaved = random.poisson(updates * age)
        if policy != "ssu":
            record(tracker, unsaved, random)
        if hasattr(tracker, "age"):
            tracker.age[:] = age
    lost, saved = np.empty(slots), 0
    half = updates.sum() / 2  # of what the present slot brings, on average: no order knows of it yet
    for slot in range(-warm_up, slots):
        counts = random.poisson(updates)
        if slot >= 0:
            lost[slot] = unsaved.sum() + half
        unsaved += counts
        record(tracker, counts, random)
        chosen = save(tracker, slot + warm_up, fraction)
        unsaved[chosen] = 0
        saved += chosen.size if slot >= 0 else 0
    share = lost * fraction / updates.sum()
    return Played(float(share.mean()), _error(share), saved / (slots * fraction * rows))


def _error(share: Floats) -> float:
    """Of the mean of what is correlated, from means of batches and their own correlation."""
    means = np.array([part.mean() for part in np.array_split(share, _BATCHES)])
    spread = means.std(ddof=1)
    if not spread:
        return 0.0
    apart = means - means.mean()
    follows = float(apart[1:] @ apart[:-1]) / float(apart @ apart) + 1 / _BATCHES  # biased by so much
    follows = min(max(follows, 0.0), 0.8)
    return float(spread / _BATCHES**0.5 * ((1 + follows) / (1 - follows)) ** 0.5)


def play_intervals(
    updates_per_s: Floats, row_interval_s: Floats, full_save_s: float, moments: int = 200, seed: int = 1
) -> Played:
    """Rows saved at intervals of their own, with random phases: what failures at random moments take."""
    random = np.random.default_rng(seed)
    changing = updates_per_s > 0
    rates, intervals = updates_per_s[changing], row_interval_s[changing]
    if not np.all(np.isfinite(intervals)):
        raise DomainError("play_intervals: row_interval_s: expected finite intervals of rows that are updated")
    lost = np.array([random.poisson(rates * intervals * random.random(rates.size)).sum() for _ in range(moments)])
    share = lost / (rates.sum() * full_save_s)
    return Played(float(share.mean()), float(share.std(ddof=1) / moments**0.5))
