"""The event loop of jobs whose saves go to levels, drain, write dirty rows or follow warnings; compiled by Numba.

What it plays, and the numbers that it takes, are made in :mod:`cprmodel.simulation.storage`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.compiled import compiled

__all__ = ["Account", "Saved", "Scatters", "Struck", "jobs"]


class Struck(NamedTuple):
    """How failures strike, and what a stop after them takes."""

    mtbf: float
    full: bool  # every failure sends everybody back
    kinds: Any  # share of each kind
    severity: Any  # share of failures of each sort: of all, of those that no one announces, of announced ones,
    level: Any  # the level that these leave
    failed: Any  # and the shards that such a failure of a shard takes
    reschedule: Any  # by what is pending and the furthest level
    load: Any


class Scatters(NamedTuple):
    """How times of saves scatter around their means: lognormal, as measured, or not at all."""

    sigma: Any
    first: Any  # of the measured times, over their mean, where those of each begin
    factors: Any


class Saved(NamedTuple):
    """What is worked and saved between failures."""

    work: float
    tau: float
    blocking: Any  # a level's save [s]
    drain: float
    overlap: float
    periods: Any  # of levels, in intervals
    warned: tuple[float, float, float]  # recall, precision, the save after a warning
    ahead: float  # that save begins so long before the failure; below 0: just in time
    fixed: float  # the part of it that does not scatter
    scatters: Scatters  # of each level's save, and last of that on a warning
    saves_to: int  # the level of that save
    shards: int
    limit: int  # failures in a run, at the most
    planned: Any  # when planned stops begin and end
    last: tuple[Any, Any, Any]  # by the work since the last save to the last level: what one blocks, and drains
    load_all: float  # after a planned stop
    step: float  # work before a planned stop is whole steps, where there are any


class Account(NamedTuple):
    """What a job holds that a failure may take: work by shard and level, shards' losses; and its results so far."""

    held: Any
    gone: Any
    spent: Any  # on saves since the last one of a level, as gone
    kept: Any  # work in the last complete save of a level or a higher one
    index: Any  # segments of the pattern that were done by then
    permutation: Any
    row: Any


@compiled
def _time(rng: Any, mean: float, which: int, scatters: Scatters) -> float:  # pragma: no cover (compiled)
    """The time of one save."""
    sigma = scatters.sigma[which]
    if sigma > 0.0:
        return float(mean * np.exp(sigma * rng.standard_normal() - 0.5 * sigma * sigma))
    first, many = scatters.first[which], scatters.first[which + 1] - scatters.first[which]
    return float(mean * scatters.factors[first + int(rng.random() * many)]) if many > 0 else mean


@compiled
def _pick(rng: Any, shares: Any) -> int:  # pragma: no cover (compiled)
    u = rng.random()
    for sort in range(shares.size - 1):
        if u < shares[sort]:
            return sort
        u -= shares[sort]
    return int(shares.size - 1)


@compiled
def _stop(rng: Any, strikes: Struck, account: Account, of: int, edge: float) -> int:  # pragma: no cover (compiled)
    """A stop and all that strikes in it; the level that everybody returns to, or −1. Takes what shards lose.

    ``of``: 0 where the first failure is of all, 1 of those that no one announces, 2 of announced ones. At the time
    ``edge`` it ends: a planned one begins.
    """
    kinds = strikes.kinds
    held, gone, permutation, row = account.held, account.gone, account.permutation, account.row
    shards = held.shape[0]
    pending = 0  # bits: a shard, a trainer, the whole job
    furthest = 0
    while True:
        u = rng.random()
        kind = 0 if u < kinds[0] else (1 if u < kinds[0] + kinds[1] else 2)
        row[5 + kind] += 1.0
        if strikes.full:
            kind = 2
        pending |= 1 << kind
        if kind != 1:
            sort = _pick(rng, strikes.severity[of])
            of = 0
            level, failed = strikes.level[sort], strikes.failed[sort]
            few = int(failed)
            furthest = max(furthest, level)
            if kind == 0:
                take = few + (1 if rng.random() < failed - few else 0)
                for n in range(take):
                    j = n + int(rng.random() * (shards - n))
                    which = permutation[j]
                    permutation[j] = permutation[n]
                    permutation[n] = which
                    for below in range(level + 1):
                        gone[below] += held[which, below]
                        held[which, below] = 0.0
        state = 2 if pending >= 4 else pending - 1 if pending < 3 else 3
        first = strikes.reschedule[state, furthest]
        waits = first + strikes.load[state, furthest]
        gap = strikes.mtbf * rng.standard_exponential()
        spent = min(gap, waits)
        cut = row[0] + spent >= edge
        spent = max(edge - row[0], 0.0) if cut else spent
        row[0] += spent
        row[4] += min(spent, first)
        row[3] += max(0.0, spent - first)
        if cut or gap > waits:
            return furthest if pending >= 4 else -1


@compiled
def _return(account: Account, back: int) -> None:  # pragma: no cover (compiled)
    """Everybody returns to the last save of a level or a higher one."""
    for level in range(back + 1):
        account.kept[level] = account.kept[back]
        account.index[level] = account.index[back]
        account.gone[level] = 0.0
        account.spent[level] = 0.0
        for shard in range(account.held.shape[0]):
            account.held[shard, level] = 0.0


@compiled
def _planned(
    rng: Any, saved: Saved, strikes: Struck, account: Account, ahead: int
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Planned stops that have begun, and the load after the last: the next one's number, and failures until then.

    Of what was saved, the last level's is there after it. Nothing fails in them.
    """
    row, planned, top = account.row, saved.planned, account.kept.size - 1
    failures, loaded = 0, False
    while not loaded:
        while ahead < planned.shape[0] and planned[ahead, 0] <= row[0] + 1e-6:
            down = max(planned[ahead, 1] - row[0], 0.0)
            row[0] += down
            row[4] += down
            ahead += 1
        _return(account, top)
        edge = planned[ahead, 0] if ahead < planned.shape[0] else np.inf
        gap = strikes.mtbf * rng.standard_exponential()
        spent = min(gap, saved.load_all, edge - row[0])
        row[0] += spent
        row[3] += spent
        if row[0] >= edge - 1e-6:
            continue
        loaded = gap > saved.load_all
        if not loaded:
            failures += 1
            # who has loaded everything since has loaded
            loaded = _stop(rng, strikes, account, 0, edge) >= 0 and row[0] < edge - 1e-6
            if failures > saved.limit:
                break
    return ahead, failures


@compiled
def _last_begins(
    saved: Saved, left: float, since: float, factor: float
) -> tuple[float, float]:  # pragma: no cover (compiled)
    """Time until the save begins that ends just as a planned stop begins, and what it takes; below 0: too late.

    ``left``: until the stop; ``since``: work since the last save to the last level; ``factor``: what this one
    blocks, over the mean.
    """
    works, blocks, drains = saved.last
    takes = factor * blocks + drains
    low, high = 0.0, max(left, 0.0)
    if np.interp(since, works, takes) > left:
        return -1.0, 0.0
    for _ in range(60 if takes.size > 2 else 1):
        middle = (low + high) / 2
        if middle + np.interp(since + middle, works, takes) > left:
            high = middle
        else:
            low = middle
    if takes.size == 2:
        low = left - takes[0]
    return low, left - low


@compiled
def _complete(
    account: Account, end: int, took: float, work: float, segment: int, drained: float
) -> float:  # pragma: no cover (compiled)
    """A save to a level is complete, of so much work; what shards have lost for good by then.

    ``drained``: work done since it was begun, which it does not hold.
    """
    held, gone, spent = account.held, account.gone, account.spent
    last = end == gone.size - 1
    lost = 0.0
    for level in range(end + 1):
        took += spent[level]
        lost += gone[level]
        spent[level] = gone[level] = 0.0
        account.kept[level] = work
        account.index[level] = segment
    for shard in range(held.shape[0]):
        safe = 0.0
        for level in range(end + 1):
            safe += held[shard, level]
            held[shard, level] = 0.0
        if not last:
            held[shard, end + 1] += safe
        held[shard, 0] = drained
    if last:
        account.row[2] += took
        return lost
    spent[end + 1] += took
    gone[end + 1] += lost
    return 0.0


@compiled
def _job(row: Any, rng: Any, saved: Saved, strikes: Struck) -> bool:  # pragma: no cover (compiled)
    """One job; False where it exceeds ``limit`` failures."""
    work, tau, blocking, periods = saved.work, saved.tau, saved.blocking, saved.periods
    drain, overlap, shards, mtbf = saved.drain, saved.overlap, saved.shards, strikes.mtbf
    levels = blocking.size
    recall, precision, warned_save = saved.warned
    saves_to = saved.saves_to
    unwarned = (1.0 - recall) / mtbf
    warnings = recall / precision / mtbf
    held = np.zeros((shards, levels))
    gone = np.zeros(levels)
    spent_saving, kept = np.zeros(levels), np.zeros(levels)
    index = np.zeros(levels, dtype=np.int64)
    account = Account(held, gone, spent_saving, kept, index, np.arange(shards), row)
    done = 0.0
    begin = 0.0  # the work that the last snapshot held
    segment = 0
    lost = 0.0
    stops = 0
    planned, ahead, top = saved.planned, 0, levels - 1
    # times of saves are known when they are planned for: of the one before the next stop over its mean, and of the
    # next regular one, to which level
    factor = _time(rng, 1.0, top, saved.scatters) if planned.shape[0] > 0 else 1.0
    phase, phase_of = 0.0, -1
    while True:
        if stops > saved.limit:
            return False
        edge = planned[ahead, 0] if ahead < planned.shape[0] else np.inf
        if row[0] >= edge - 1e-6:
            ahead, failed = _planned(rng, saved, strikes, account, ahead)
            stops += failed
            factor, phase_of = _time(rng, 1.0, top, saved.scatters), -1
            done = begin = kept[top]
            segment = 0
            continue
        # work until the next save
        due = begin + tau
        if due > work * (1.0 - 1e-9):  # whole intervals end with the job, whatever their sum rounds to
            due = work
        end = 0
        for level in range(1, levels):
            if (segment + 1) % periods[level] == 0:
                end = level
        left = edge - row[0]
        only_last, takes = False, 0.0
        struck = False
        announced = False
        of = 0
        if edge < np.inf and (due < work or work - done > left):
            fits, takes = _last_begins(saved, left, done - kept[top], factor)
            if phase_of != end:
                phase, phase_of = _time(rng, blocking[end], end, saved.scatters), end
            if due - done + phase + (drain if end == top else 0.0) >= fits:  # only the last one is left
                if fits < 0.0:  # too late for that one, too
                    gap = mtbf * rng.standard_exponential()
                    row[0] += min(gap, left)
                    if gap > left:
                        row[0] = edge
                        continue
                    struck = True
                else:
                    only_last, until = True, done + fits
                    if saved.step > 0.0 and fits > 0.0:
                        since = done - kept[top]
                        until = max(np.floor((since + fits) / saved.step + 1e-9) * saved.step + kept[top], done)
                    due = min(until, work)
        if not struck and (done < due or only_last):
            needs = due - done
            total = unwarned + warnings
            gap = rng.standard_exponential() / total if total > 0.0 else np.inf
            spent = min(gap, needs)
            row[0] += spent
            done += spent
            for shard in range(shards):
                held[shard, 0] += spent
            if gap < needs:
                announced = (warnings > 0.0 or not only_last) and rng.random() * total < warnings
                struck = not announced
                of = 1
            elif due >= work * (1.0 - 1e-9):
                break
            elif only_last:
                gap = mtbf * rng.standard_exponential()
                struck = gap <= left - needs
                row[0] += min(gap, left - needs)
                if not struck:
                    lost += _complete(account, top, takes, done, 0, 0.0)
                    row[0] = edge
                    continue
            if announced:
                gap = mtbf * rng.standard_exponential()
                true, left = True, 0.0
                takes = saved.fixed + _time(rng, warned_save - saved.fixed, levels, saved.scatters)
                if saved.ahead >= 0.0:
                    true = rng.random() < precision
                    left = saved.ahead - takes
                lasts = min(takes, takes + left) if true else takes
                if row[0] + min(gap, lasts) > edge + 1e-6:  # a planned stop begins before: nothing is saved
                    row[0] = edge
                    continue
                row[0] += min(gap, lasts)
                struck = True
                if gap < lasts:
                    of = 0
                elif true and left < 0.0:
                    of = 2
                else:
                    # the saves of its level are counted as before, those below it anew
                    segment -= segment % periods[saves_to]
                    lost += _complete(account, saves_to, takes, done, segment, 0.0)
                    begin = done
                    if saved.ahead < 0.0:
                        true = rng.random() < precision
                    if not true:
                        continue
                    of = 2
                    if left > 0.0:
                        gap = mtbf * rng.standard_exponential()
                        if row[0] + min(gap, left) >= edge:  # the failure finds a job that is stopped
                            row[0] = edge
                            continue
                        row[0] += min(gap, left)
                        of = 0 if gap < left else 2
        if not struck and done < begin + tau:
            continue
        if not struck:
            last = end == top
            snapshot = done
            gap = mtbf * rng.standard_exponential()
            if phase_of != end:
                phase = _time(rng, blocking[end], end, saved.scatters)
            phase_of = -1
            spent = min(gap, phase)
            row[0] += spent
            worked = 0.0
            drained = 0.0
            if gap >= phase and last and drain > 0.0:
                until = (work - done) / overlap if overlap > 0.0 else np.inf
                left = min(drain, until)
                drained = min(gap - phase, left)
                row[0] += drained
                worked = overlap * drained
                done += worked
                if until <= drain and drained >= left:  # the job ends while its last save drains
                    row[2] += phase + (1.0 - overlap) * drained
                    break
            if gap < phase + (drain if last else 0.0):
                struck = True
                of = 0
                for shard in range(shards):
                    held[shard, 0] += worked
                # once repaired, a new snapshot at once: nothing more to work before it
                begin = done - tau
            else:
                segment = 0 if last else segment + 1
                takes = phase + (1.0 - overlap) * drained
                lost += _complete(account, end, takes, snapshot, segment, worked)
                begin = snapshot
                continue
        stops += 1
        back = _stop(rng, strikes, account, of, edge)
        if back >= 0:
            done = begin = kept[back]
            segment = index[back]
            _return(account, back)
    row[2] += spent_saving.sum()
    row[1] = lost + gone.sum()
    return True


@compiled
def jobs(out: Any, rng: Any, saved: Saved, strikes: Struck) -> bool:  # pragma: no cover (compiled)
    ended = True
    for run in range(out.shape[0]):
        ended &= _job(out[run], rng, saved, strikes)
    return ended
