"""What all trackers have in common: checked row ids, state that saves and restores, memory that adds up."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.tensors import host

__all__ = ["Ranked", "Tracker", "best", "choose", "largest", "rows_due"]


class Tracker(ABC):
    """Keeps account of the rows of one table (or one shard of it), numbered from 0.

    A training loop calls :meth:`record` with the rows of each batch. Whenever it is time to save some rows, it
    calls :meth:`tick`, then :meth:`select`, writes those rows, and calls :meth:`saved` once they are safe. After
    rows were read back from a checkpoint it calls :meth:`restored`. Where rows are copied, to be
    written while training goes on, it calls :meth:`held` and :meth:`saved` then, and :meth:`unsaved` if that fails.

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

    def held(self, rows: ArrayLike) -> Any:
        """What is known of these rows, for :meth:`unsaved`; asked before :meth:`saved` where that may yet fail."""
        return None

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """The save of these rows failed, after :meth:`saved`: they have to lose what they had, and what came since.

        ``held`` is what :meth:`held` said of them. A tracker that holds nothing records each of them once.
        """
        self.record(rows)

    def restored(self, rows: ArrayLike) -> None:
        """These rows were read back from a checkpoint: they have nothing to lose either."""
        self.saved(rows)

    @property
    def nbytes(self) -> int:
        """Memory that the tracker holds [B]."""
        return sum(getattr(self, name).nbytes for name in self.state)

    def state_dict(self) -> dict[str, Any]:
        """Copies of the arrays that hold the state, by name.

        Torch tensors where the process has imported torch, so that ``torch.load(..., weights_only=True)`` reads
        what ``torch.save`` wrote; else NumPy arrays. :meth:`load_state_dict` takes both.
        """
        torch: Any = sys.modules.get("torch")
        copies = {name: getattr(self, name).copy() for name in self.state}
        return copies if torch is None else {name: torch.from_numpy(array) for name, array in copies.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` of a tracker of the same table returned."""
        arrays = {}
        for name in self.state:
            if name not in state:
                raise DomainError(
                    f"{type(self).__name__}: expected state with {', '.join(self.state)}, not without {name}"
                )
            own, given = getattr(self, name), np.asarray(host(state[name]))
            if given.shape != own.shape or given.dtype != own.dtype:
                raise DomainError(
                    f"{type(self).__name__}: {name}: expected {own.dtype} of shape {own.shape}, "
                    f"not {given.dtype} of shape {given.shape}"
                )
            arrays[name] = given
        for name, given in arrays.items():
            getattr(self, name)[...] = given

    def ids(self, rows: ArrayLike) -> NDArray[np.intp]:
        """Row numbers as indices; DomainError where there is no such row. A torch tensor comes from its device."""
        found = self.indices(rows)  # below 0 is a very large number when read without its sign
        self.known(not found.size or bool(found.view(np.uintp).max() < self.rows))
        return found

    def indices(self, rows: ArrayLike) -> NDArray[np.intp]:
        """Row numbers as indices, whether there are such rows or not."""
        given = np.asarray(host(rows))
        if given.size == 0:
            return np.empty(0, dtype=np.intp)
        if given.dtype.kind not in "iu" or given.ndim != 1:
            raise DomainError(f"{type(self).__name__}: expected row numbers in one dimension")
        return np.ascontiguousarray(given, dtype=np.intp)

    def known(self, all_of_them: bool) -> None:
        """DomainError unless there are all the rows that were asked for."""
        if not all_of_them:
            raise DomainError(f"{type(self).__name__}: expected row numbers from 0 to {self.rows - 1}")


class Ranked(Tracker):
    """A tracker that gives every row a number, and takes the largest."""

    @abstractmethod
    def priorities(self) -> NDArray[Any]:
        """What each row is worth to save now; 0: it holds nothing new. Do not write to it."""

    def worth(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The rows that hold something new, in order, and what each of them is worth to save now."""
        priority = self.priorities()
        rows = np.flatnonzero(priority)
        return rows, priority if rows.size == priority.size else priority[rows]

    def select(self, n: int) -> NDArray[np.intp]:
        """The n rows that are worth most."""
        return best(*self.worth(), n)


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
    found = [one.worth() for one in trackers]
    bounds = np.cumsum([0, *(one.rows for one in trackers)])
    rows = np.concatenate([rows + begin for (rows, _), begin in zip(found, bounds, strict=False)])
    chosen = best(rows, np.concatenate([worth for _, worth in found]), n)
    table = np.searchsorted(bounds, chosen, side="right") - 1
    return [chosen[table == number] - bounds[number] for number in range(len(trackers))]


def rows_due(number: int, fraction: float, rows: int) -> int:
    """How many rows the save of this number (from 0) takes, so that in all it is the fraction of them.

    >>> [rows_due(number, 0.125, 20) for number in range(4)]
    [2, 3, 2, 3]
    """
    return int((number + 1) * fraction * rows + 1e-9) - int(number * fraction * rows + 1e-9)


def largest(priority: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Where the n largest numbers are, zeros left out; of equal ones some, as :func:`best` draws them."""
    rows = np.flatnonzero(priority)
    return best(rows, priority if rows.size == priority.size else priority[rows], n)


def best(rows: NDArray[np.intp], worth: NDArray[Any], n: int) -> NDArray[np.intp]:
    """The n rows (given in order) that are worth most; of equal ones those that a lot says, drawn from the numbers.

    (Taken as they lie, rows that lie badly would wait for ever where most have been updated once.)
    """
    if n >= rows.size:
        return rows
    if n <= 0:
        return np.empty(0, dtype=np.intp)
    least = np.partition(worth, worth.size - n)[worth.size - n]
    above, equal = rows[worth > least], rows[worth == least]
    number = n - above.size
    if number == equal.size:
        return np.concatenate([above, equal])
    lot = np.random.default_rng([number, equal.size, int(equal[0]), int(equal.sum())])
    return np.concatenate([above, lot.choice(equal, number, replace=False, shuffle=False)])
