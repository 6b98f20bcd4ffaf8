"""What is not saved yet while a job of finite length trains, when some rows are saved before others.

The job begins with everything saved. Every slot (a fraction of the interval) each row gets a Poisson number of
updates, then a tracker chooses the rows to save. Failures are not played: an update is given up at their rate until
it is saved, which is what failures at random moments do to it, on average. That a shard's rows have nothing to save
after its failure, so that others are saved a little sooner, is left out; :func:`cprmodel.ordering.simulate` has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.facts.special import NUMPY
from cprmodel.jobs.access import Access
from cprmodel.ordering.played import PLAYED, pieces, record, save
from cprmodel.rows import Floats, classes_of

__all__ = ["ORDERS", "Unsaved", "played_rows", "unsaved"]

#: Orders that a plan tries.
ORDERS = ("mfu", "ssu", "update-age", "optimal")

_ROWS = 1000  #: rows that stand for all
_UPDATES = 1e5  #: most updates of a row and interval, on average; more do not scatter
_INTERVALS = 16  #: played from the beginning; after half of them nothing changes any more
_REPEATS = 4


@dataclass(frozen=True)
class Unsaved:
    """Means over the job [s]: updates over the rate of updates."""

    all_s: float  #: not saved, nor lost
    stale_s: float  #: ... and there at the last save already
    standard_error_s: float  #: of ``all_s``
    stale_standard_error_s: float


def played_rows(access: Access, slot_s: float, fraction: float) -> Floats:
    """The updates in a slot of rows that stand for all."""
    updates: Floats = pieces(classes_of(access), _ROWS) * slot_s
    most = _UPDATES * fraction
    mean = float(updates.mean())
    return updates * (most / mean) if mean > most else updates


@lru_cache(maxsize=4096)
def unsaved(
    order: str,
    access: Access,
    work_s: float,
    interval_s: float,
    shard_loss_per_s: float = 0.0,
    stale_loss_per_s: float = 0.0,
    seed: int = 1,
) -> Unsaved:
    """Play an order from the beginning of a job.

    Parameters
    ----------
    order : a policy, such as "update-age"
    access : how rows are updated, and which fraction of them a save takes
    work_s : useful training time, T [s]
    interval_s : useful work in which as much as everything is saved once, τ [s]
    shard_loss_per_s : rate at which failures take an update that is not saved [1/s]; 0: to first order
    stale_loss_per_s : the same of failures that take it only once a save has passed it by [1/s]

    Examples
    --------
    A tenth of the rows gets nine tenths of the updates:

    >>> from cprmodel.jobs import Table
    >>> hot, cold = Table(rows=100, zipf=0, updates_per_second=9.0), Table(rows=900, zipf=0, updates_per_second=1.0)
    >>> found = unsaved("update-age", Access(tables=(hot, cold)), work_s=1e6, interval_s=1e4)
    >>> found.all_s < 0.35e4  # everything every 1e4 s: half of it
    True
    """
    if order not in PLAYED:
        raise DomainError(f"unsaved: order = {order!r}: expected one of {', '.join(PLAYED)}")
    fraction = access.priority_fraction
    slot_s = min(fraction * interval_s, work_s)
    updates = played_rows(access, slot_s, fraction)
    slots = int(NUMPY.intervals(work_s, slot_s))
    rest = work_s / slot_s - (slots - 1)
    lengths = np.ones(min(slots, math.ceil(_INTERVALS / fraction)))
    if lengths.size == slots:
        lengths[-1] = rest
    x, y = shard_loss_per_s * slot_s, (shard_loss_per_s + stale_loss_per_s) * slot_s
    fresh = lengths**2 * NUMPY.phi2(-x * lengths)  # of updates that come evenly through the slot
    found = []
    for stream in np.random.SeedSequence([seed, sorted(PLAYED).index(order)]).spawn(_REPEATS):
        stale = _stale(order, updates, fraction, lengths, x, y, stream)
        found.append((_over_job(stale, slots - 1 + rest), _over_job(stale + fresh, slots - 1 + rest)))
    means = np.mean(found, axis=0) * slot_s
    errors = np.std(found, axis=0, ddof=1) / _REPEATS**0.5 * slot_s
    return Unsaved(float(means[1]), float(means[0]), float(errors[1]), float(errors[0]))


def _over_job(each: Floats, slots: float) -> float:
    """Mean over all slots; those that were not played are as the second half of those that were."""
    more = max(0.0, slots - each.size)
    return float((each.sum() + more * each[each.size // 2 :].mean()) / slots)


def _stale(
    order: str,
    updates: Floats,
    fraction: float,
    lengths: Floats,
    x: float,
    y: float,
    stream: np.random.SeedSequence,
) -> Floats:
    """For each slot the integral of what was unsaved when it began, over the updates in a whole slot."""
    random = np.random.default_rng(stream)
    rows = updates.size
    tracker = PLAYED[order](updates, math.ceil(fraction * rows), int(stream.generate_state(1)[0]))
    left = np.zeros(rows)
    found = np.empty(lengths.size)
    for slot, length in enumerate(lengths):
        found[slot] = left.sum() * length * NUMPY.exprel(-y * length)
        counts = random.poisson(updates * length)
        left = left * math.exp(-y * length) + counts * NUMPY.exprel(-x * length)
        record(tracker, counts, random)
        left[save(tracker, slot, fraction)] = 0.0
    share: Floats = found / updates.sum()
    return share
