r"""Waiting for repairs where one failure may break several nodes: a rack, or whatever fails with a switch.

Each broken node is repaired for itself, after an exponential time. While the job runs a failure breaks b nodes
more, with probability :math:`q_b`; with more of them broken than there are spares, :math:`n_s`, it waits, and
nothing fails. As many come down past each number of broken nodes as go up,

.. math:: \frac{i + 1}{t_r}\,\pi_{i+1} = \lambda \sum_{j \le i} \pi_j \sum_{b > i - j} q_b
          \quad (i < n_s), \qquad
          x = \lambda t_r \sum_{j \le n_s} \pi_j \sum_{b > n_s - j} q_b \sum_{i = n_s + 1}^{j + b} \frac1i

so that one after the other follows from :math:`\pi_0`, and the job waits x for the sum of them [derived here;
played in tests/costing/test_waiting.py]. Where every failure breaks one node it is Erlang's system of nₛ + 1 lines,
of any law of repairs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Waits", "waits_to"]

_LARGE = 1e200


class Waits(NamedTuple):
    """With no spare, with one, and so on."""

    time: Any  #: share of the time in which the job waits
    failures: Any  #: share of the failures after which it waits


@lru_cache(maxsize=128)
def waits_to(taken: tuple[tuple[float, int], ...], at_once: float, most: int) -> Waits:
    """How often a job waits for repairs, with each number of spares up to the most.

    ``taken``: share of each sort of failures (together 1), and the nodes that one breaks; ``at_once``: failures in
    the mean time of a repair, λ t_r.

    >>> waits = waits_to(((1.0, 1),), at_once=2.0, most=5)  # Erlang's loss, of 6 lines and of 5
    >>> float(waits.time[5].round(4)), float(waits.failures[5].round(4))
    (0.0121, 0.0367)
    """
    widest = max(nodes for _, nodes in taken)
    beyond = np.array([sum(share for share, nodes in taken if nodes > by) for by in range(widest)])[::-1]
    sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, most + widest + 1))])
    often, total = np.zeros(widest + most + 1), 1.0
    often[widest - 1] = 1.0
    time, failures = np.empty(most + 1), np.empty(most + 1)
    for spares in range(most + 1):
        last = often[spares : spares + widest]  # so many broken nodes, and fewer
        waits = short = 0.0
        for share, nodes in taken:
            runs = last[widest - nodes :]
            waits += share * float(runs @ (sums[spares + 1 : spares + nodes + 1] - sums[spares]))
            short += share * float(runs.sum())
        time[spares] = at_once * waits / (total + at_once * waits)
        failures[spares] = short / total
        one_more = at_once / (spares + 1) * float(last @ beyond)
        often[spares + widest], total = one_more, total + one_more
        if total > _LARGE:
            often, total = often / _LARGE, total / _LARGE
    return Waits(time, failures)
