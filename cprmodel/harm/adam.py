r"""How far training with Adam brings a row back that was put back: from its mean of squares, which forgets.

With lazy updates (``SparseAdam``) a row's means move when it is accessed, else (``Adam``) in every step. Either way
the mean of squares goes from q to what it settles at, c:

.. math:: q(x) = c + (q - c) \beta_2^{i(x)}

i being the row's updates in x samples. A step divides by :math:`\sqrt{q / (1 - \beta_2^j)}` and a little after the
access itself has added to q, with j the steps of the *run*, which a put-back does not turn back. And its gradient
is a mean, too: what an access sees comes to bear over the next updates, and where those are few, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.harm.record import OptimizerUsed
from cprmodel.harm.relearning import Course, of_each

__all__ = ["AdamRows"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True)
class AdamRows:
    """Rows of one table: accesses per sample, and what their mean of squares was and is, without its bias."""

    optimizer: OptimizerUsed
    batch_size: int
    accesses: Any
    old: Any
    new: Any
    then: float  # samples trained when they were saved
    now: float
    moved: Any  # whether they did in between
    band: Any
    bands: int

    def courses(self, left: Any) -> tuple[Course, Course, Course, Course, Any]:
        """Of rows put back and of their twins, in the time that was lost, and before it; and the noise before it.

        That is over today's, by what squared gradients were then and are now.
        """
        age = self.now - self.then
        old, new = (
            one * -np.expm1(np.log(self.optimizer.beta_2) * at / self.batch_size)
            for one, at in ((self.old, self.then), (self.new, self.now))
        )
        # a row that was accessed in the time that was lost, however seldom that is; or one that was not
        once = np.maximum(-np.expm1(-self.accesses * age), 1e-12)
        often = np.where(self.moved, self.accesses / once, 0.0)
        lost, before = self.updates(often), self.updates(self.accesses)
        settled = self._settles(old, new, lost * age)
        first = self._settles(np.zeros_like(old), old, before * self.then)
        back = self._course(self.accesses, old, settled, left, self.now, before * self.then)
        twin = self._course(self.accesses, new, settled, left, self.now, before * self.now)
        past = self._course(often, old, settled, [age], self.then, before * self.then, own=0.5)
        until = self._course(self.accesses, np.zeros_like(old), first, [self.then], 0.0, 0.0, own=0.5)
        noise = np.where(settled > 0, first / np.where(settled > 0, settled, 1.0), 1.0)
        return back, twin, past, until, noise

    def touched(self, accesses: Any) -> Any:
        """Steps a sample in which rows are accessed."""
        return -np.expm1(-np.asarray(accesses) * self.batch_size) / self.batch_size

    def updates(self, accesses: Any) -> Any:
        """Updates of the row's state a sample."""
        if self.optimizer.lazy:
            return self.touched(accesses)
        return np.full(np.shape(accesses), 1 / self.batch_size)

    def _settles(self, old: Any, new: Any, updates: Any) -> Any:
        """What the mean settles at that went from ``old`` to ``new``: the row's own, as far as it had updates."""
        forgot = -np.expm1(np.log(self.optimizer.beta_2) * updates)
        gained = np.where(updates > 0, np.maximum(new - old * (1 - forgot), 0.0), 0.0)
        return of_each(gained, forgot, self.band, self.bands, 1 - self.optimizer.beta_2)

    def _course(
        self, accesses: Any, start: Any, settled: Any, samples: Any, at: float, updates: Any, own: float = 1.0
    ) -> Course:
        """From a mean of squares, so many samples and updates of the row after training began.

        ``own``: how much of what an access adds is there already when it divides, next to the mean of all moments.
        """
        used, beta_1, beta_2 = self.optimizer, self.optimizer.beta_1, self.optimizer.beta_2
        left = np.atleast_2d(np.asarray(samples, dtype=float))
        p, v, s = (np.asarray(one, dtype=float)[:, None] for one in (accesses, start, settled))
        each, touched = self.updates(p), self.touched(p)
        # squares of one access, all of which a step adds: of rows that move in every step the mean holds but a part
        square = s if used.lazy else s / np.maximum(touched * self.batch_size, 1e-12)
        added = own * (1 - beta_2)

        def step(x: Any) -> Any:
            mean = s + (v - s) * np.exp(np.log(beta_2) * each * x)
            steps = np.maximum((at + x) / self.batch_size, 1.0)
            unbiased = (mean * (1 - added) + added * square) / -np.expm1(np.log(beta_2) * steps)
            divisor = (np.sqrt(unbiased) + used.eps) * -np.expm1(np.log(max(beta_1, 1e-300)) * steps)
            some = unbiased > 0
            return np.where(some, used.learning_rate / self.batch_size / np.where(some, divisor, 1.0), 0.0)

        # ∫₀^S f dx with x = Sy², for steps are largest at the beginning, where the mean may be near 0
        total, squares = np.zeros(np.broadcast_shapes(p.shape, left.shape)), 0.0
        for node, weight in zip((_NODES + 1) / 2, _WEIGHTS, strict=True):
            one = step(left * node**2)
            total = total + weight * node * left * one
            squares = squares + weight * node * left * one**2
        last = np.broadcast_to(step(left), total.shape)
        some = total > 0
        mean = np.where(some, squares / np.where(some, total, 1.0), last)
        came, noise = _bear(each * left, np.asarray(updates, dtype=float).reshape(-1, 1), beta_1)
        return Course(p * total * came, mean * noise, last)


def _bear(updates: Any, before: Any, beta_1: float) -> tuple[Any, Any]:
    """How much of the gradients of so many updates comes to bear within them, after so many; and of their noise."""
    if not beta_1 > 0:
        return np.ones_like(updates), np.ones_like(updates)
    few = np.exp(-before * (1 - beta_1))
    n = np.maximum(updates, 1e-12)
    missing = beta_1 * -np.expm1(-n * (1 - beta_1)) / (1 - beta_1)
    square = beta_1**2 * -np.expm1(-n * (1 - beta_1**2)) / (1 - beta_1**2)
    came = 1 - few * missing / n
    return came, (1 - few * (2 * missing - square) / n) / came
