r"""How far later training brings a row back that was put back: exponents for each row, from its optimizer's state.

An access of a row contracts what it lacks, along an eigenvector of its table's curvature with eigenvalue h, by
η h/(B·s), where s is what the optimizer divides by. After S more samples the harm along it is what it was times
exp(−2 h u), with

.. math:: u = \frac{\eta\, p}{B} \int_0^S \frac{dx}{s(x)}

p accesses per sample, s = 1 for SGD, √v + ε for Adam, √G + ε for Adagrad, whose G goes on growing by γ a sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.harm.record import OptimizerUsed

__all__ = ["contraction"]


def contraction(
    optimizer: OptimizerUsed,
    batch_size: int,
    accesses: Any,
    sums: Any | None,
    growth: Any | None,
    samples: Any,
) -> Any:
    """u of each row, after each number of samples [rows, numbers].

    Parameters
    ----------
    accesses : p of each row, accesses per sample [rows]
    sums : G (Adagrad) or v (Adam) of each row at the start [rows]; None for SGD
    growth : what G grows by in a sample [rows], γ; None: not at all
    samples : S, the same for all rows, or for each its own [rows, numbers]

    Examples
    --------
    SGD at rate 0.1, batches of 10, a row accessed by every other sample:

    >>> contraction(OptimizerUsed(name="sgd", learning_rate=0.1), 10, np.array([0.5]), None, None, [100.0])
    array([[0.5]])

    Adagrad divides by the root of a sum that grows from 0 to 100, at 1 a sample; ∫ dx/√x = 20:

    >>> adagrad = OptimizerUsed(name="rowwise_adagrad", learning_rate=0.1)
    >>> contraction(adagrad, 10, np.array([0.5]), np.array([0.0]), np.array([1.0]), [100.0])
    array([[0.1]])
    """
    left = np.atleast_2d(np.asarray(samples, dtype=float))
    each = optimizer.learning_rate * np.asarray(accesses, dtype=float)[:, None] / batch_size
    if optimizer.name == "sgd" or sums is None:
        return each * left
    start = np.sqrt(np.maximum(np.asarray(sums, dtype=float), 0.0))[:, None]
    if optimizer.name == "adam" or growth is None:
        divisor = start + optimizer.eps
    else:
        # ∫ dx/√(G + γx) = 2S/(√G + √(G + γS)), at γ = 0 too; ε is far below √G wherever a row has moved
        end = np.sqrt(start**2 + np.maximum(np.asarray(growth, dtype=float), 0.0)[:, None] * left)
        divisor = np.where(start + end > 0, (start + end) / 2 + optimizer.eps, 0.0)
    return np.where(divisor > 0, each * left / np.where(divisor > 0, divisor, 1.0), 0.0)
