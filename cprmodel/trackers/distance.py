"""The tracker that compares the rows with a copy."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.tensors import host, live
from cprmodel.trackers.tracker import Ranked

__all__ = ["BLOCK", "LargestChange"]

BLOCK = 1 << 14  #: rows compared at a time


class LargestChange(Ranked):
    """The rows that moved most, in Euclidean distance, since they were last saved first (SCAR).

    ``values`` is the table as training sees it, rows along the first axis: an array or a torch tensor of floats in
    this machine's memory that training writes to, which the tracker looks at when it chooses. Where that cannot be
    had, give an array of its own and pass the new ``values`` to :meth:`record`, those that a recovery has read back
    too.

    Memory: a copy of the table, and 4 bytes a row while it chooses. The state is the copy: save the table too.
    """

    state: ClassVar[tuple[str, ...]] = ("copy",)

    def __init__(self, values: Any) -> None:
        values = live(values, type(self).__name__)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim < 2:
            raise DomainError(
                "LargestChange: expected a NumPy array of floats (or a torch tensor), rows along the first axis"
            )
        super().__init__(len(values))
        self.values = values
        self.copy = values.copy()

    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """Write ``values`` into the table, where they are given: leave them out where the table is the live one."""
        at = self.ids(rows)
        if values is not None:
            self.values[at] = host(values)

    def priorities(self) -> NDArray[Any]:
        """How far each row moved, squared."""
        moved = np.empty(self.rows, dtype=np.float32)
        for start in range(0, self.rows, BLOCK):
            block = slice(start, min(start + BLOCK, self.rows))
            apart = (self.values[block] - self.copy[block]).reshape(block.stop - start, -1)
            np.einsum("ij,ij->i", apart, apart, out=moved[block], casting="same_kind")
        return moved

    def saved(self, rows: ArrayLike) -> None:
        """They are compared with what they hold now."""
        at = self.ids(rows)
        self.copy[at] = self.values[at]

    def held(self, rows: ArrayLike) -> Any:
        """What they were compared with."""
        return self.copy[self.ids(rows)]

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """They are compared with that again."""
        self.copy[self.ids(rows)] = held
