"""The tracker that reads the optimizer's own sums."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.tensors import live
from cprmodel.trackers.tracker import Ranked

__all__ = ["GrownSums"]


class GrownSums(Ranked):
    r"""The rows whose sum of squared gradients grew most since they were last saved first.

    For Adagrad, which keeps that sum anyway: one number a row (row-wise Adagrad), ``sums`` as training sees it (an
    array or a torch tensor in this machine's memory). An access adds h/B² to it on average, h the curvature of the
    log loss at an access and B the batch (:func:`cprmodel.formulas.expected_gradient_square`), so its growth counts
    the row's updates and weighs them with the curvature of its table, and of several tables it can be compared
    (:func:`choose`).

    Nothing is recorded while training goes on. Memory: 4 bytes a row. The state is the copy of the sums.

    >>> sums = np.zeros(3, dtype=np.float32)
    >>> tracker = GrownSums(sums)
    >>> sums += [1e-6, 4e-6, 2e-6]
    >>> np.sort(tracker.select(2))
    array([1, 2])
    >>> tracker.saved([1])
    >>> tracker.select(3)
    array([0, 2])
    """

    state: ClassVar[tuple[str, ...]] = ("before",)

    def __init__(self, sums: Any) -> None:
        sums = live(sums, "GrownSums")
        if not isinstance(sums, np.ndarray) or sums.dtype.kind != "f" or sums.ndim != 1:
            raise DomainError("GrownSums: expected a NumPy array of floats of one axis, one sum a row")
        super().__init__(len(sums))
        self.sums = sums
        self.before = sums.copy()

    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """Nothing but a check of the rows: the optimizer counts. It need not be called."""
        self.ids(rows)

    def priorities(self) -> NDArray[Any]:
        """By how much each sum grew."""
        grown: NDArray[Any] = np.maximum(self.sums - self.before, 0)
        return grown

    def saved(self, rows: ArrayLike) -> None:
        """They are compared with what they are now."""
        at = self.ids(rows)
        self.before[at] = self.sums[at]

    def held(self, rows: ArrayLike) -> Any:
        """What they were compared with."""
        return self.before[self.ids(rows)]

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """They are compared with that again."""
        self.before[self.ids(rows)] = held
