"""A grid of values: the outer product of keys, or keys that vary together; cut into boxes of bounded size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.bulk.keys import Key, key_of, keys_of, values_of
from cprmodel.facts.errors import JobError, Problem
from cprmodel.jobs import Job

__all__ = ["Box", "Grid", "grid_of"]


@dataclass(frozen=True)
class Box:
    """Rows ``first`` up to ``last`` of a grid; values that broadcast to its shape."""

    first: int
    last: int
    shape: tuple[int, ...]
    values: dict[Key, np.ndarray]

    def columns(self) -> dict[Key, np.ndarray]:
        """The values, row by row."""
        return {key: np.broadcast_to(one, self.shape).ravel() for key, one in self.values.items()}


@dataclass(frozen=True)
class Grid:
    """Axes, the last of which runs fastest; each has one key, or several that vary together."""

    axes: tuple[Mapping[Key, np.ndarray], ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of values on each axis."""
        return tuple(len(next(iter(axis.values()))) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of rows."""
        return math.prod(self.lengths)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys, in the order of the columns."""
        return tuple(key for axis in self.axes for key in axis)

    def values(self, key: Key) -> np.ndarray:
        """The values of a key, along its axis."""
        return next(axis[key] for axis in self.axes if key in axis)

    def boxes(self, most: int) -> Iterator[Box]:
        """The grid in order, in boxes of at most so many rows: nothing of the size of the grid is ever made.

        >>> from cprmodel import load_preset
        >>> vary = {"job.work": [1e6, 2e6], "checkpoint.save": [60.0, 120.0, 180.0]}
        >>> grid = grid_of(load_preset("cpr-dlrm"), vary)
        >>> [(box.first, box.last, box.shape) for box in grid.boxes(4)]
        [(0, 3, (1, 3)), (3, 6, (1, 3))]
        """
        lengths = self.lengths
        split = 0  # the axis that is cut: those after it are whole, those before it stand still
        while split < len(lengths) - 1 and math.prod(lengths[split + 1 :]) > most:
            split += 1
        inner = math.prod(lengths[split + 1 :])
        step = max(1, most // inner)
        first = 0
        for outer in np.ndindex(*lengths[:split]):
            for low in range(0, lengths[split], step):
                high = min(low + step, lengths[split])
                cuts = [slice(at, at + 1) for at in outer] + [slice(low, high)]
                cuts += [slice(None)] * (len(lengths) - split - 1)
                shape = (*(1,) * split, high - low, *lengths[split + 1 :])
                values = {}
                for number, (axis, cut) in enumerate(zip(self.axes, cuts, strict=True)):
                    form = [1] * len(lengths)
                    form[number] = -1
                    values.update({key: array[cut].reshape(form) for key, array in axis.items()})
                last = first + math.prod(shape)
                yield Box(first, last, shape, values)
                first = last


def grid_of(job: Job, vary: Mapping[str, Any], zipped: bool = False, source: str = "vary") -> Grid:
    """A grid from names and values; raises JobError naming the key and the first value that is wrong."""
    if not isinstance(vary, Mapping) or not vary:
        expected = 'keys and their values, such as {"failures.mtbf": ["12 h", "1 d"]}'
        raise JobError(source, [Problem("", "", expected)])
    arrays: dict[Key, np.ndarray] = {}
    known = keys_of(job)
    for name, given in vary.items():
        key = key_of(job, name, source, known)
        twice = [one.name for one in arrays if one.path == key.path]
        if twice:
            raise JobError(source, [Problem(name, "", f"each key once (it is {twice[0]})")])
        arrays[key] = values_of(key, given, source)
    if not zipped:
        return Grid(tuple({key: array} for key, array in arrays.items()))
    _same_length(arrays, source)
    return Grid((arrays,))


def _same_length(arrays: Mapping[Key, np.ndarray], source: str) -> None:
    lengths: Sequence[int] = [len(one) for one in arrays.values()]
    first = next(iter(arrays))
    for key, length in zip(arrays, lengths, strict=True):
        if length != lengths[0]:
            expected = f"as many values as {first.name} has ({lengths[0]}), for they vary together"
            raise JobError(source, [Problem(key.name, f"{length} values", expected)])
