"""The tracker that asks what putting a row back would cost."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.distance import BLOCK, LargestChange

__all__ = ["LeastHarm"]

_ALONE = 1 << 18  # multiplications that BLAS does in the calling thread: others wait for cores that training has


class LeastHarm(LargestChange):
    r"""The rows whose loss would cost most first: accesses × ΔᵀℋΔ, with Δ what they have moved since their save.

    Put back, a row raises the log loss by ½ pₐ ΔᵀℋΔ at once, to second order (docs/models/harm.md): pₐ accesses per
    sample, ℋ the curvature of an access, one matrix a table. Accesses are counted from the beginning and for ever,
    not since the row's save: they stand for pₐ, and how long a row has waited is in Δ already.

    ``values`` is the table as training sees it, rows along the first axis, looked at when it chooses (see
    :class:`LargestChange`). ``curvature``: ℋ, [d, d] and symmetric, or its diagonal [d], or one number; a harm
    record has it (``TableHarm.curvature``). Left out it is 1: accesses × distance². :meth:`renew` gives another one
    while training goes on. Harms of several tables can be compared where each has its own ℋ
    (:func:`choose`).

    Memory: a copy of the table, 4 bytes a row, and 4 more while it chooses. The state is the copy and the counts,
    not the curvature.

    >>> table = np.zeros((3, 2), dtype=np.float32)
    >>> tracker = LeastHarm(table, curvature=[4.0, 1.0])
    >>> tracker.record([0, 1, 1, 2])
    >>> table += [[1.0, 0.0], [0.0, 1.5], [0.0, 1.0]]  # harms 1·4, 2·2.25, 1·1
    >>> np.sort(tracker.select(2))
    array([0, 1])
    """

    state: ClassVar[tuple[str, ...]] = ("copy", "accesses")

    def __init__(self, values: Any, curvature: ArrayLike | None = None) -> None:
        super().__init__(values)
        if self.values.ndim != 2:
            raise DomainError("LeastHarm: expected a table of two axes, rows and their d numbers")
        self.accesses = np.zeros(self.rows, dtype=np.uint32)
        self.renew(1.0 if curvature is None else curvature)

    def renew(self, curvature: ArrayLike) -> None:
        """Choose by this curvature from now on."""
        dim = self.values.shape[1]
        given = np.asarray(curvature, dtype=float)
        if given.shape not in ((), (dim,), (dim, dim)) or not np.isfinite(given).all():
            expected = f"one finite number, {dim}, or a matrix of {dim} × {dim}"
            raise DomainError(f"LeastHarm: curvature: expected {expected}, not shape {given.shape}")
        if given.ndim == 2:
            scale = max(float(np.abs(given).max()), 1e-300)
            if np.abs(given - given.T).max() > 1e-6 * scale:
                raise DomainError("LeastHarm: curvature: expected a symmetric matrix")
            held, vectors = np.linalg.eigh(given)
        else:
            scale = max(float(np.abs(given).max()), 1e-300)
            held, vectors = np.broadcast_to(given, dim), None
        if held.min() < -1e-6 * scale:
            raise DomainError(f"LeastHarm: curvature: expected none below 0, not {held.min():g}")
        roots = np.sqrt(np.maximum(held, 0.0))
        # ΔᵀℋΔ, as the square of Δ times this
        self._factor = (roots if vectors is None else vectors * roots).astype(self.values.dtype)

    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """Count; write ``values`` into the table where they are given. Below 2³² accesses of a row."""
        from cprmodel.trackers.kernels import count

        at = self.ids(rows)
        super().record(at, values)
        count(self.accesses, at)

    def priorities(self) -> NDArray[Any]:
        """What the loss of each row would cost."""
        harm = np.empty(self.rows, dtype=np.float32)
        size = BLOCK if self._factor.ndim == 1 else min(BLOCK, max(64, _ALONE // self._factor.size))
        for start in range(0, self.rows, size):
            block = slice(start, min(start + size, self.rows))
            apart = self.values[block] - self.copy[block]
            apart = apart * self._factor if self._factor.ndim == 1 else apart @ self._factor
            np.einsum("ij,ij->i", apart, apart, out=harm[block], casting="same_kind")
        harm *= self.accesses
        return harm
