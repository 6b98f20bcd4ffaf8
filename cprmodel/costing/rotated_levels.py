r"""What saves that rotate lose where they go to two levels, a snapshot's and a last one, exactly.

What exactly happens (the simulator plays the same)
    A save to the first level writes :math:`K_1` of the experts there, in turn. Every n-th save goes to the last
    level, too: it writes :math:`K_2` of them there, as they are then, and the first level's as ever. Each level
    goes through the experts in an order of its own, drawn at random, and which of them a save takes hangs on its
    number alone: one that is taken again takes the same. A save counts from its end, the last level's from that of
    its drain.

    After a failure that leaves the first level readable everybody returns to the last save, and each expert to its
    newest copy of both levels. After another one everybody returns to the last save of the last level, each expert
    to its newest copy there; the first level is empty, and filled again by the saves that follow.

How it is computed
    Look at an interval of work before save k, and an expert. Let P be the next save to the last level from k on,
    t the next one that holds the expert at either level, u the next that holds it at the last. Whoever comes past P
    has run the intervals from k to P for the last time without a failure that empties the first level; what the
    expert learned is kept where no other failure struck between k and the earlier of t and P, none at all
    between P and t, and none that empties the first level between that and u. Gaps between saves are independent:
    with q the probability that nothing strikes one, and :math:`b_0`, :math:`b_1` those that a failure leaves
    the first level readable or not,

    .. math:: r = 1 - (1 - q)\, b_0, \qquad y = q / r

    are the probabilities that no failure struck, if none that empties the level did, and that none of these does.
    So it is kept with a product of r, q and y over the gaps. Orders are independent, so that the turns are: sums
    over both are sums over one, with geometric parts. What is near the end of the job has fewer gaps to come.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.stops import Stops
from cprmodel.facts.rotation import RotatingLevelSave
from cprmodel.facts.special import NUMPY

__all__ = ["deviation", "updates_lost"]


#: Less than this is what sums of ones leave of nothing.
_ROUNDING = 1e-13


def updates_lost(
    saving: RotatingLevelSave,
    work_s: float,
    mtbf_s: float,
    stops: Stops,
    interval_s: Any,
    counts: Any = None,
) -> Any:
    """Expected portion of the experts' updates that is lost in a job of this length, at each of the intervals.

    ``counts``: saves to one of the last level, in the place of the saving's own; a number or as the intervals.
    """
    every = saving.counts[0] if counts is None else counts
    with np.errstate(all="ignore"):
        found = _lost(saving, work_s, mtbf_s, stops, interval_s, every)
    return found if np.ndim(interval_s) or np.ndim(counts) else float(found)


class _Gap(NamedTuple):
    """Between two saves, or after the last one: probabilities as above."""

    q: Any
    r: Any
    y: Any


def _gap(work: Any, rate: float, readable: float) -> _Gap:
    """Of a gap of so much activity that begins again as it was."""
    q, r = np.exp(-rate * work), 1 + np.expm1(-rate * work) * readable
    return _Gap(q, r, np.where(r > 0, q / np.where(r > 0, r, 1.0), 1.0))


def _short(work: Any, again: _Gap, rate: float, readable: float) -> _Gap:
    """Of one that is shorter until it is struck, for what was done while the save before it drained."""
    q = np.exp(-rate * work)
    y = q - np.expm1(-rate * work) * readable * again.y
    return _Gap(q, np.where(y > 0, q / np.where(y > 0, y, 1.0), 0.0), y)


def _turns(experts: int, rotated: int) -> Any:
    """How many of the experts, as a share, wait for so many saves until their turn."""
    full = experts // rotated
    rest = [experts - full * rotated] if experts % rotated else []
    return np.array([rotated] * full + rest) / experts


def _at(table: Any, place: Any) -> Any:
    """A table's rows at places, point by point; 0 before its first, the last one beyond."""
    place = np.asarray(place, dtype=int)
    found = table[np.minimum(np.maximum(place, 0), len(table) - 1), np.arange(table.shape[1])]
    return np.where(place < 0, 0.0, found)


def _lost(
    saving: RotatingLevelSave,
    work_s: float,
    mtbf_s: float,
    stops: Stops,
    interval_s: Any,
    counts: Any,
) -> Any:
    shape = np.broadcast(np.asarray(interval_s), np.asarray(counts)).shape
    tau = np.broadcast_to(np.asarray(interval_s, dtype=float), shape).ravel()
    n = np.broadcast_to(np.asarray(counts, dtype=float), shape).ravel()
    rate, readable = 1 / mtbf_s, float(stops.back[0])
    timed = saving.timed
    snapshot, last = (level.blocks_s for level in timed.levels)
    carry = timed.overlap * timed.drain_s
    one, two = _gap(tau + snapshot, rate, readable), _gap(tau + last + timed.drain_s, rate, readable)
    again = _Gap(*(np.where(n == 1, b, a) for a, b in zip(one, two, strict=True)))
    first = _short(np.where(n == 1, last + timed.drain_s, snapshot) + tau - carry, again, rate, readable)
    block_q, block_y = (
        np.where(n == 1, f, f * a ** np.maximum(n - 2, 0) * b)
        for f, a, b in ((first.q, one.q, two.q), (first.y, one.y, two.y))
    )

    memory, store = (_turns(saving.experts, one_) for one_ in saving.rotated)
    waits, later = np.arange(len(memory))[:, None], np.arange(len(store))[:, None]
    powers = one.r**waits
    own = np.where(waits == 0, 1.0, one.r ** np.maximum(waits - 1, 0) * two.r)  # from k to P, so far before it
    within = (memory[:, None] * (own * (waits < n) + np.maximum(n - 1 - waits, 0) * powers)).sum(axis=0)
    # those whose turn comes x saves after P, by what is before it
    x = np.arange(1, len(memory))[:, None]
    before = np.cumsum(own, axis=0)
    beyond = memory[0] * _at(before, np.minimum(n - 1, len(memory) - 2 - x)) if len(memory) > 1 else x * n
    if len(memory) > 1:
        at = len(memory) - 1 - x
        beyond = beyond + memory[-1] * _at(own, at) * (at < n)
    # so far beyond P nothing strikes that leaves the level readable, where nothing else does
    blocks, rest = x // n, x % n
    spared = (block_q / np.where(block_y > 0, block_y, 1.0)) ** blocks
    spared = spared * np.where(rest > 0, first.r * one.r ** np.maximum(rest - 1, 0), 1.0)
    reach = np.ceil(x / n) - 1  # turns at the last level that come before
    kept = np.cumsum(store[:, None] * block_y**later, axis=0)
    struck = np.cumsum(np.where(later > 0, store[:, None] * block_q**later, 0.0), axis=0)

    far = store[0] + _at(struck, reach) + spared * np.maximum(kept[-1] - _at(kept, reach), 0.0)
    steady = n - within * kept[-1] - (beyond * far).sum(axis=0)  # updates lost of a block, in intervals
    saves = NUMPY.intervals(work_s, tau) - 1
    complete = np.floor(saves / n + 1e-9)
    more = saves - complete * n
    left_s = work_s - saves * tau
    ending = _gap(np.maximum(left_s, 0.0), rate, readable)
    shorter = _short(np.maximum(left_s - np.where(complete > 0, carry, 0.0), 0.0), ending, rate, readable)
    ends_q = np.where(more == 0, shorter.q, first.q * one.q ** np.maximum(more - 1, 0) * ending.q)
    ends_y = np.where(more == 0, shorter.y, first.y * one.y ** np.maximum(more - 1, 0) * ending.y)
    lost = np.maximum(complete - (len(store) - 1), 0) * steady
    few = np.minimum(complete, len(store) - 1)  # blocks that have fewer after them than there are turns
    most = int(few.max(initial=0))
    if most:  # sums over the blocks: those before the one where an expert's turn comes, and those from it on
        left = later[:most]
        tail = 1 - np.cumsum(store)[:most, None]
        kept_sums, struck_sums, tail_y, tail_q = (
            np.concatenate([np.zeros((1, n.size)), np.cumsum(part, axis=0)])
            for part in (kept[:most], struck[:most], tail * block_y**left, tail * block_q**left)
        )
        begins, after = np.minimum(reach, few), np.maximum(few - reach, 0)
        ends = np.clip(np.ceil((x - more) / n), 0, few)
        whole, over = _at(kept_sums, few), ends_y * _at(tail_y, few)
        far = few * store[0] + _at(struck_sums, begins) + after * _at(struck, reach) + ends_q * _at(tail_q, ends)
        held = np.maximum(whole - _at(kept_sums, begins) - after * _at(kept, reach), 0.0)
        far = far + spared * (held + over - ends_y * _at(tail_y, ends))
        lost = lost + few * n - within * (whole + over) - (beyond * far).sum(axis=0)
    sums = np.cumsum(powers, axis=0)
    safe = np.maximum(more - waits, 0) * powers + ending.r * _at(sums, np.minimum(waits, more) - 1)
    lost = lost + more - (memory[:, None] * safe).sum(axis=0)
    found = np.where(np.isfinite(lost), tau / work_s * lost, 1.0)
    return np.where(found > _ROUNDING, found, 0.0).reshape(shape)


def deviation(
    saving: RotatingLevelSave, work_s: float, mtbf_s: float, stops: Stops, interval_s: float, pls: float
) -> float:
    """Standard deviation of one run's portion of lost updates, about: failures take what they take on their own.

    Of a failure at a random time, by what everybody returns to, is counted what the experts lack on average; the
    portion that is lost on average settles how much less it is where failures come soon after one another.
    """
    memory, store = (_turns(saving.experts, one) for one in saving.rotated)
    n = saving.counts[0]
    of_store, ages = float(store @ np.arange(len(store))), np.arange(len(memory))
    younger, their = np.cumsum(memory), np.cumsum(memory * ages)

    def newest(limit: Any) -> Any:
        """Mean age of the memory's copies, where those as old as a limit are that old."""
        at = np.minimum(limit, len(memory) - 1)
        return their[at] + limit * (younger[-1] - younger[at])

    later = n * np.arange(len(store))
    taken = [float(newest(place + later) @ store) for place in range(min(n, len(memory)))]
    many = np.array([1.0] * (len(taken) - 1) + [n - len(taken) + 1.0]) / n
    readable = float(stops.back[0])
    mean = readable * float(many @ taken) + (1 - readable) * n * of_store
    square = readable * float(many @ np.square(taken)) + (1 - readable) * (n * of_store) ** 2
    if not mean > 0 or not pls > 0:
        return 0.0
    first, last = (level.blocks_s for level in saving.timed.levels)
    active = 1 + (first * (n - 1) + last) / (n * interval_s)
    return pls * math.sqrt(square / (work_s * active / mtbf_s)) / mean
