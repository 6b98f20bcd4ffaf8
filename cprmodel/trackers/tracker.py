"""What all trackers have in common: checked row ids, state that saves and restores, memory that adds up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError

__all__ = ["Ranked", "Tracker", "choose", "largest", "rows_due"]


class Tracker(ABC):
    """Keeps account of the rows of one table (or one shard of it), numbered from 0.

    A training loop calls :meth:`record` with the rows of each batch. Whenever it is time to save some rows, it
    calls :meth:`tick`, then :meth:`select`, writes those rows, and calls :meth:`saved` once they are safe. After
    rows were read back from a checkpoint it calls :meth:`restored`.

    Not thread-safe: calls on one tracker must not overlap.
    """

    #: Names of the arrays that hold the state.
    state: ClassVar[tuple[str, ...]] = ()

    def __init__(self, rows: int) -> None:
        if not (isinstance(rows, (int, np.integer)) and rows >= 1):
            raise DomainError(f"rows = {rows!r}: expected a whole number of at least 1")
        self.rows = int(rows)

    @abstractmethod
    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """These rows were updated, once for each time they occur; ``values``: what they hold now, where needed."""

    def tick(self) -> None:  # noqa: B027 (most have no clock)
        """One unit of time has passed: call it once before each choice of rows."""

    @abstractmethod
    def select(self, n: int) -> NDArray[np.intp]:
        """At most n rows to save now, in no particular order; rows that hold nothing new are left out."""

    @abstractmethod
    def saved(self, rows: ArrayLike) -> None:
        """These rows are safe as they are: they have nothing to lose."""

    def restored(self, rows: ArrayLike) -> None:
        """These rows were read back from a checkpoint: they have nothing to lose either."""
        self.saved(rows)

    @property
    def nbytes(self) -> int:
        """Memory that the tracker holds [B]."""
        return sum(getattr(self, name).nbytes for name in self.state)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of the arrays that hold the state, by name."""
        return {name: getattr(self, name).copy() for name in self.state}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Go on from what :meth:`state_dict` of a tracker of the same table returned."""
        arrays = {}
        for name in self.state:
            if name not in state:
                raise DomainError(
                    f"{type(self).__name__}: expected state with {', '.join(self.state)}, not without {name}"
                )
            own, given = getattr(self, name), np.asarray(state[name])
            if given.shape != own.shape or given.dtype != own.dtype:
                raise DomainError(
                    f"{type(self).__name__}: {name}: expected {own.dtype} of shape {own.shape}, "
                    f"not {given.dtype} of shape {given.shape}"
                )
            arrays[name] = given
        for name, given in arrays.items():
            getattr(self, name)[...] = given

    def ids(self, rows: ArrayLike) -> NDArray[np.intp]:
        """Row numbers as indices; DomainError where there is no such row."""
        given = np.asarray(rows)
        if given.size == 0:
            return np.empty(0, dtype=np.intp)
        if given.dtype.kind not in "iu" or given.ndim != 1:
            raise DomainError(f"{type(self).__name__}: expected row numbers in one dimension")
        found = np.ascontiguousarray(given, dtype=np.intp)
        if found.view(np.uintp).max() >= self.rows:  # below 0 is a very large number when read without its sign
            raise DomainError(f"{type(self).__name__}: expected row numbers from 0 to {self.rows - 1}")
        return found


class Ranked(Tracker):
    """A tracker that gives every row a number, and takes the largest."""

    @abstractmethod
    def priorities(self) -> NDArray[Any]:
        """What each row is worth to save now; 0: it holds nothing new. Do not write to it."""

    def select(self, n: int) -> NDArray[np.intp]:
        """The n rows that are worth most."""
        return largest(self.priorities(), n)


def choose(trackers: Sequence[Ranked], n: int) -> list[NDArray[np.intp]]:
    """The n rows that are worth most of all the trackers' tables together: rows of each.

    For trackers of one kind, whose numbers can be compared, and rows of the same size.

    >>> from cprmodel.trackers import MostFrequentlyUpdated
    >>> users, ads = MostFrequentlyUpdated(rows=10), MostFrequentlyUpdated(rows=5)
    >>> users.record([1, 2])
    >>> ads.record([4, 4, 4, 0, 0])
    >>> [sorted(rows.tolist()) for rows in choose([users, ads], 2)]
    [[], [0, 4]]
    """
    if not trackers:
        return []
    worth = [one.priorities() for one in trackers]
    bounds = np.cumsum([0, *(one.rows for one in trackers)])
    chosen = largest(np.concatenate(worth), n)
    table = np.searchsorted(bounds, chosen, side="right") - 1
    return [chosen[table == number] - bounds[number] for number in range(len(trackers))]


def rows_due(number: int, fraction: float, rows: int) -> int:
    """How many rows the save of this number (from 0) takes, so that in all it is the fraction of them.

    >>> [rows_due(number, 0.125, 20) for number in range(4)]
    [2, 3, 2, 3]
    """
    return int((number + 1) * fraction * rows + 1e-9) - int(number * fraction * rows + 1e-9)


def largest(priority: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Where the n largest numbers are, zeros left out; of equal ones those that a lot says, drawn from the numbers.

    (Taken as they lie, rows that lie badly would wait for ever where most have been updated once.)
    """
    if n >= priority.size:
        return np.flatnonzero(priority)
    if n <= 0:
        return np.empty(0, dtype=np.intp)
    chosen = np.argpartition(priority, priority.size - n)[priority.size - n :]
    worth = priority[chosen]
    least = worth.min()
    if not least > 0:
        return chosen[worth > 0]
    alike = worth == least
    number = int(np.count_nonzero(alike))
    equal = np.flatnonzero(priority == least)
    if number == equal.size:
        return chosen
    lot = np.random.default_rng([number, equal.size, int(equal[0]), int(equal.sum())])
    chosen[alike] = lot.choice(equal, number, replace=False, shuffle=False)
    return chosen
