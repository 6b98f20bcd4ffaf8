r"""How far training brings a row back that was put back, and how much it jitters: from its optimizer's state.

An access of a row contracts what it lacks, along an eigenvector of its table's curvature with eigenvalue h, by l =
hy with the step y = η/(n_B·r_g), where r_g is what the optimizer divides by. After z more samples the harm along it
is what it was times exp(−2χ), χ = hu, with

.. math:: u = p_a \int_0^z y(x)\,\mathrm{d}x

p_a accesses per sample, r_g = 1 for SGD, the root of the mean square and a little for Adam, that of the sum G_Σ for
Adagrad, which goes on growing by q a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.formulas.relearning import jitter_variance
from cprmodel.harm.record import OptimizerUsed

__all__ = ["Course", "course", "of_each"]

_FEW = 4.0  # accesses of a row; with fewer it is taken for one of its band


@dataclass(frozen=True)
class Course:
    """Of each row, over some numbers of samples [rows, numbers]."""

    u: Any  #: contraction per unit of curvature
    mean: Any  #: step y, mean over the contraction
    last: Any  #: step at the end

    def jitter(self, curvature: float) -> Any:
        """Variance of rows that began at their best value (:func:`cprmodel.formulas.jitter_variance`)."""
        return jitter_variance.raw(curvature * self.u, self.mean, self.last)


def course(
    optimizer: OptimizerUsed,
    batch_size: int,
    accesses: Any,
    sums: Any | None,
    growth: Any | None,
    samples: Any,
    before: Any = 0.0,
) -> Course:
    """What training does to each row in each number of samples [rows, numbers].

    Parameters
    ----------
    accesses : p_a of each row, accesses per sample [rows]
    sums : G_Σ (Adagrad) or the mean square (Adam) of each row at the start [rows]; None for SGD
    growth : what G_Σ grows by in a sample [rows], q; None: not at all
    samples : z, the same for all rows, or for each its own [rows, numbers]
    before : what G_Σ has on average when the first access divides, more than at the start [rows]: Adagrad adds
        before it divides. What an access adds, for accesses that come by chance; half of it for those that came

    Examples
    --------
    SGD at rate 0.1, batches of 10, a row accessed by every other sample:

    >>> course(OptimizerUsed(name="sgd", learning_rate=0.1), 10, np.array([0.5]), None, None, [100.0]).u
    array([[0.5]])

    Adagrad divides by the root of a sum that grows from 0 to 100, at 1 a sample; ∫ dx/√x = 20:

    >>> adagrad = OptimizerUsed(name="rowwise_adagrad", learning_rate=0.1)
    >>> course(adagrad, 10, np.array([0.5]), np.array([0.0]), np.array([1.0]), [100.0]).u
    array([[0.1]])
    """
    left = np.atleast_2d(np.asarray(samples, dtype=float))
    p = np.asarray(accesses, dtype=float)[:, None]
    step = optimizer.learning_rate / batch_size
    if optimizer.name == "sgd" or sums is None:
        same = np.full(np.broadcast_shapes(p.shape, left.shape), step)
        return Course(p * step * left, same, same)
    start = np.maximum(np.asarray(sums, dtype=float), 0.0)[:, None]
    gains = np.maximum(np.asarray(0.0 if growth is None else growth, dtype=float), 0.0).reshape(-1, 1)
    first = start + np.reshape(before, (-1, 1))
    last = first + gains * left
    # ∫ dx/√(G_Σ + qx) = 2z/(√G_Σ + √(G_Σ + qz)), at q = 0 too; eps is far below √G_Σ wherever a row has moved
    middle = (np.sqrt(first) + np.sqrt(last)) / 2
    u = p * left * _step(step, middle + optimizer.eps, last)
    at_end = np.broadcast_to(_step(step, np.sqrt(last) + optimizer.eps, last), u.shape)
    # ∫ y² dx / ∫ y dx, with ∫ dx/(G_Σ + qx) = log(1 + qz/G_Σ)/q
    moved = (gains > 0) & (first > 0) & (u > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = p * step**2 * np.log(last / first) / gains / u
    return Course(u, np.where(moved, mean, at_end), at_end)


def _step(step: float, divisor: Any, sums: Any) -> Any:
    """η/(n_B·r_g); 0 where the row never moved."""
    some = sums > 0
    return np.where(some, step / np.where(some, divisor, 1.0), 0.0)


def of_each(gained: Any, accesses: Any, band: Any, bands: int, one: float = 1.0) -> Any:
    """What an access adds to each row, by what each has gained: its own, as far as it had some, else its band's.

    ``one``: what a single access counts for in ``accesses``.
    """
    whole, of = (np.bincount(band, weights=each, minlength=bands) for each in (gained, accesses))
    of_band = np.where(of > 0, whole / np.where(of > 0, of, 1.0), 0.0)[band]
    few = _FEW * one
    return (gained + few * of_band) / (accesses + few)
