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

from cprmodel.costing.models import Step, use
from cprmodel.facts.units import count_of, format_share
from cprmodel.formulas.spares import nodes_in_repair, waiting_for_several, waiting_overhead
from cprmodel.jobs import Job

__all__ = ["Waits", "about_spares", "in_repair_of", "waiting_step", "waits_to", "waits_until"]

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


def in_repair_of(job: Job) -> float:
    """Nodes in repair on average while the job does not wait."""
    return _at_once(job) * sum(share * nodes for share, nodes in job.failures.nodes_taken)


def _at_once(job: Job) -> float:
    """Failures in the time of a repair, of those that need one, while the job does not wait."""
    return float(nodes_in_repair.raw(1, job.failure_mix.mtbf_s, job.repair_s or 0.0)) * job.repair_share


def waits_until(job: Job, most: int) -> Waits:
    """How often it waits for a repair with each number of spares up to the most."""
    return waits_to(job.failures.nodes_taken, _at_once(job), most)


def _breaks_several(job: Job) -> bool:
    return any(nodes > 1 and share > 0 for share, nodes in job.failures.nodes_taken)


def waiting_step(job: Job, overhead: float, spares: int) -> Step:
    """The overhead of waiting for repairs beside that of all else, as the formula that gives it."""
    if _breaks_several(job):
        return use(
            waiting_for_several, overhead=overhead, waits=max(float(waits_until(job, spares).time[spares]), 1e-300)
        )
    return use(waiting_overhead, overhead=overhead, spares=spares, in_repair=max(in_repair_of(job), 1e-300))


def about_spares(job: Job, base: float) -> str:
    """What a spare more or less would do."""
    spares = job.cluster.spares or 0

    def waits(number: int) -> float:
        return float(waiting_step(job, base, number).value)

    now, more = format_share(waits(spares)), format_share(waits(spares + 1))
    said = (
        f"{in_repair_of(job):.3g} nodes are in repair on average; with {count_of(spares, 'spare')} it waits for "
        f"one {now} of the work; one more would make that {more}"
    )
    return said if spares == 0 else f"{said}, one less {format_share(waits(spares - 1))}"
