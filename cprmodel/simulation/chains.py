"""Chains of jobs that end at a time limit, and jobs with silent errors, played event by event; compiled by Numba.

The semantics are those of :mod:`cprmodel.formulas.limits`; no algebra is shared with it. The work ends with the job
in which it ends, without another save; the first job has nothing to load.

A job whose errors are silent (:mod:`cprmodel.formulas.verified`) is one whose check ends it where it finds one:
the next begins at once, by loading what is known to be clean. The work's end is checked, too. Every complete save
is kept, with its work, and is bad or not from its beginning; who goes back loads one after the other until one is
good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cprmodel.costing import model_for
from cprmodel.costing.limited import counts_its_jobs
from cprmodel.costing.verified import counts_its_end
from cprmodel.facts.compiled import compiled
from cprmodel.facts.strategies import FailureKind, Strategy, together
from cprmodel.jobs import Job
from cprmodel.simulation.beside import planned_until
from cprmodel.simulation.limits import most_failures, never_ends, sizes_of
from cprmodel.simulation.long_jobs import COLUMNS, expected_failures, found_of
from cprmodel.simulation.result import Simulated
from cprmodel.simulation.shares import Batches
from cprmodel.simulation.taken import drawn_number, taken_of

__all__ = ["simulate_chains"]

# Columns of a run.
_TIME, _LOST, _SAVE, _LOAD, _RESCHEDULE, _SHARD = range(6)
_TRAINER, _ALL = 1, 2  # kinds of failure, beside a shard's, which is 0
_BOTH, _NOTHING = 2, 3  # what is pending, beside a shard or a trainer

# The numbers of a job, and of the moment that a run is in.
_WORK, _LIMIT, _REQUEUE, _EVERY, _SAVES, _LOADS, _WAITS, _MTBF, _BEFORE, _STEP = range(10)
_OF_SHARDS, _OF_ALL, _CHECK, _SILENT, _SAVES_A_CHECK, _CHECKS_A_SAVE, _BAD, _LATENCY = range(10, 18)
_CLOCK, _GAP, _DONE, _SAVED, _SINCE, _ENDS, _FAILURES, _CLEAN = range(8)
_KNOWN = 16  # whether the end of this job of the chain is known: its last save is made just before
# ... the last save that was checked, saves since then, checks since the last save, losses in saves not yet checked,
# loads that are still to be made, complete saves that are kept, loads of a shard's in vain, and the time until the
# error that is there shows
_SURE, _UNCHECKED, _CHECKS, _PENDING, _LOADING, _KEPT, _VAIN, _SHOWS = range(8, 16)

#: Planned stops are listed for jobs so many times as long as expected.
_LONGEST = 20.0

# How a phase, or a job, goes on.
_ON, _CUT, _BACK, _SEEN = 0, 1, 2, 3


@compiled
def _next_gap(of: Any, now: Any, rng: Any) -> None:
    now[_GAP] = rng.exponential() * of[_MTBF]


@compiled
def _good(now: Any, stack: Any) -> Any:
    """The work in the newest save that can be read, and how many in vain are read before."""
    at = int(now[_KEPT]) - 1
    while at >= 0 and stack[at, 1] > 0.0:
        at -= 1
    return (stack[at, 0] if at >= 0 else 0.0), int(now[_KEPT]) - 1 - at


@compiled
def _goes_back(of: Any, now: Any, kept: Any, gone: Any, stack: Any, row: Any) -> None:
    """Everybody returns to the newest save that can be read; of those after it nothing is left."""
    now[_LOADING] = 1.0
    if of[_BAD] > 0.0:
        now[_SAVED], vain = _good(now, stack)
        for at in range(int(now[_KEPT]) - vain, int(now[_KEPT])):  # what was lost before these saves is done again
            row[_LOST] -= stack[at, 2]
        now[_KEPT] -= vain
        now[_LOADING] += vain
        now[_SURE] = now[_SAVED]
    now[_DONE], now[_SINCE], now[_CHECKS] = now[_SAVED], 0.0, 0.0
    kept[:], gone[:] = now[_SAVED], 0.0


@compiled
def _before_error(now: Any, stack: Any, row: Any) -> None:
    """The last save is the newest from before the error that has shown."""
    while now[_KEPT] > 0.0 and stack[int(now[_KEPT]) - 1, 0] > now[_CLEAN]:
        now[_KEPT] -= 1.0
        row[_LOST] -= stack[int(now[_KEPT]), 2]
    now[_SAVED] = stack[int(now[_KEPT]) - 1, 0] if now[_KEPT] > 0.0 else 0.0


@compiled
def _strikes(of: Any, taken: Any, now: Any, kept: Any, gone: Any, stack: Any, row: Any, rng: Any) -> int:
    """A failure strikes: its kind is drawn, and shards lose what they learned, each update once.

    ``kept``: the work up to which each has lost what it learned since the last save; ``gone``: what each has lost
    of the work between the newest save that can be read and the last.
    """
    now[_FAILURES] += 1
    u = rng.random()
    kind = 0 if u < of[_OF_SHARDS] else (_ALL if u >= 1 - of[_OF_ALL] else _TRAINER)
    row[_SHARD + kind] += 1
    if kind == 0:
        wanted = drawn_number(rng, taken)
        shards, further = len(kept), 0.0
        if of[_BAD] > 0.0:
            good, vain = _good(now, stack)
            further, now[_VAIN] = now[_SAVED] - good, max(now[_VAIN], vain)
        for shard in range(shards):  # each of the shards that are left is as likely as any
            if rng.random() * (shards - shard) < wanted:
                wanted -= 1
                now[_SINCE] += now[_DONE] - kept[shard] + further - gone[shard]
                kept[shard], gone[shard] = now[_DONE], further
    return kind


@compiled
def _stops(of: Any, taken: Any, stops: Any, now: Any, kept: Any, gone: Any, stack: Any, row: Any, rng: Any) -> int:
    """A failure at work or in a save, and all until training goes on, the limit comes, or everybody goes back."""
    pending = _NOTHING
    now[_VAIN] = 0.0
    while True:
        kind = _strikes(of, taken, now, kept, gone, stack, row, rng)
        if kind == _ALL:
            return _BACK
        pending = kind if pending in (_NOTHING, kind) else _BOTH
        _next_gap(of, now, rng)
        waits = stops[pending, 0]
        stop = waits + stops[pending, 1] * (1.0 + now[_VAIN])
        passes = min(stop, now[_GAP], now[_ENDS] - now[_CLOCK])
        row[_RESCHEDULE] += min(passes, waits)
        row[_LOAD] += max(passes - waits, 0.0)
        now[_CLOCK] += passes
        now[_GAP] -= passes
        if passes == stop:
            return _ON
        if now[_CLOCK] >= now[_ENDS]:
            return _CUT


@compiled
def _until(of: Any, now: Any) -> Any:
    """The work after which the next save begins, and whether it is the job's last."""
    due, work = now[_SAVED] + of[_EVERY], of[_WORK]
    left = now[_ENDS] - now[_CLOCK]
    if now[_KNOWN] == 0.0 or (due >= work and work - now[_DONE] <= left):
        return min(due, work), False
    fits = left - of[_SAVES]  # work before a save that ends at the limit
    if now[_DONE] + fits > due and due - now[_DONE] + of[_SAVES] < fits:
        return min(due, work), False
    if of[_STEP] > 0.0:
        since = now[_DONE] - now[_SAVED]
        fits = np.floor((since + fits) / of[_STEP] + 1e-9) * of[_STEP] - since
    return min(now[_DONE] + max(fits, 0.0), work), True


@compiled
def _phase(now: Any, length: float) -> Any:
    """Time passes: all of it, or until the limit, or until a failure."""
    left = now[_ENDS] - now[_CLOCK]
    over = length > left + 1e-9 + 1e-14 * now[_DONE]  # up to what was rounded
    passes = min(left if over else length, now[_GAP], now[_SHOWS])
    now[_CLOCK] += passes
    now[_GAP] -= passes
    now[_SHOWS] -= passes
    if now[_SHOWS] <= 0.0:
        return _SEEN
    if now[_GAP] <= 0.0:
        return _BACK  # struck: what it comes to is settled by who asked
    return _CUT if over else _ON


@compiled
def _job(of: Any, taken: Any, stops: Any, now: Any, kept: Any, gone: Any, stack: Any, row: Any, rng: Any) -> Any:
    """One job of the chain, after it has loaded: cut off or over (1), everybody back (2), or all work done (0)."""
    silent, late = of[_SILENT] > 0.0, of[_LATENCY] > 0.0
    if (silent or late) and now[_SAVED] <= now[_CLEAN]:  # else the save that was loaded has an error already
        # work up to which there is no silent error
        now[_CLEAN] = now[_SAVED] + rng.exponential() * max(of[_SILENT], -of[_SILENT])
        now[_SHOWS] = np.inf
    checked = False
    while True:
        until, last = _until(of, now)
        between = False  # a check in the middle of the work
        if silent:
            middle = now[_SAVED] + (now[_CHECKS] + 1.0) * of[_EVERY] / of[_CHECKS_A_SAVE]
            if middle < until * (1 - 1e-12) and now[_CHECKS] + 1.0 < of[_CHECKS_A_SAVE]:
                until, between = middle, True
        strikes = late and now[_SHOWS] == np.inf and now[_CLEAN] < until
        if strikes:
            until, between = max(now[_CLEAN], now[_DONE]), True
        over = until >= of[_WORK] * (1 - 1e-12)
        checks = silent and (between or over or now[_UNCHECKED] + 1.0 >= of[_SAVES_A_CHECK])
        began = now[_CLOCK]
        how = _phase(now, until - now[_DONE])
        now[_DONE] = until if how == _ON else now[_DONE] + now[_CLOCK] - began
        if how == _ON and strikes:
            now[_SHOWS] = rng.exponential() * of[_LATENCY]
            continue
        if how == _ON and checks and not checked:
            how = _phase(now, of[_CHECK])
            if how == _ON:
                if now[_DONE] > now[_CLEAN]:
                    now[_SAVED], now[_UNCHECKED], now[_PENDING] = now[_SURE], 0.0, 0.0
                    return _CUT
                checked = True
                row[_SAVE] += of[_CHECK]
                if between:
                    now[_CHECKS] += 1.0
                    checked = False
                    continue
        if how == _ON:
            if now[_DONE] >= of[_WORK] * (1 - 1e-12):
                return _ON
            how = _phase(now, of[_SAVES])
            if how == _ON:
                row[_SAVE] += of[_SAVES]
                lost, before = now[_SINCE], now[_SAVED]
                now[_PENDING] += lost
                now[_SAVED], now[_SINCE], now[_CHECKS] = now[_DONE], 0.0, 0.0
                now[_UNCHECKED] += 1.0
                if checked or not silent:  # what was lost until now is lost for good
                    row[_LOST] += now[_PENDING]
                    now[_PENDING], now[_UNCHECKED], now[_SURE] = 0.0, 0.0, now[_DONE]
                checked = False
                if of[_BAD] > 0.0 or late:
                    new = stack[int(now[_KEPT])]
                    new[0], new[1], new[2] = now[_DONE], (1.0 if rng.random() < of[_BAD] else 0.0), lost
                    now[_KEPT] += 1.0
                    gone[:] = (gone + kept - before) * new[1]  # of saves that can be read nothing is taken any more
                kept[:] = now[_DONE]
                if last:
                    return _CUT
                continue
        if how == _SEEN:
            now[_SHOWS] = np.inf
            return _SEEN
        if how == _BACK:
            how = _stops(of, taken, stops, now, kept, gone, stack, row, rng)
        if how != _ON:
            return how


@compiled
def _played(of: Any, taken: Any, stops: Any, planned: Any, rows: Any, kept: Any, most: int, rng: Any) -> bool:
    """Play a run for each row; False where one has more failures than ``most``.

    ``planned``: when stops that are known beforehand begin and end. A job ends at the next one, if that comes
    before its limit, and the next job begins after it.
    """
    now, gone = np.zeros(17), np.zeros(len(kept))
    kept_all = of[_BAD] > 0.0 or of[_LATENCY] > 0.0
    stack = np.zeros((int(of[_WORK] / of[_EVERY]) + 2 if kept_all else 1, 3))
    for run in range(len(rows)):
        row = rows[run]
        now[:] = 0.0
        now[_SHOWS] = np.inf
        kept[:], gone[:] = 0.0, 0.0
        _next_gap(of, now, rng)
        how, ahead = _CUT, 0
        while how != _ON:
            now[_CLOCK], now[_ENDS], now[_KNOWN] = 0.0, of[_LIMIT], of[_BEFORE]
            if of[_BEFORE] == 0.0:
                now[_ENDS] += (rng.random() - 0.5) * (of[_EVERY] + of[_SAVES])
            while ahead < len(planned) and planned[ahead, 0] <= row[_TIME]:  # it has begun while the job was down
                down = max(planned[ahead, 1] - row[_TIME], 0.0)
                row[_RESCHEDULE] += down
                row[_TIME] += down
                ahead += 1
            if ahead < len(planned) and planned[ahead, 0] - row[_TIME] < now[_ENDS]:
                now[_ENDS], now[_KNOWN] = planned[ahead, 0] - row[_TIME], 2.0
            how, shows = _ON, now[_SHOWS]
            now[_SHOWS] = np.inf  # nothing shows while it loads
            while how == _ON and now[_LOADING] > 0.0:
                how = _phase(now, of[_LOADS])
                now[_LOADING] -= 1.0 if how == _ON else 0.0
            now[_SHOWS] = shows
            row[_LOAD] += now[_CLOCK]
            if how == _BACK:  # while it loads
                _strikes(of, taken, now, kept, gone, stack, row, rng)
            elif how == _ON:
                how = _job(of, taken, stops, now, kept, gone, stack, row, rng)
                if how == _SEEN:
                    _before_error(now, stack, row)
                    how = _CUT
                if how != _ON:
                    _goes_back(of, now, kept, gone, stack, row)
            row[_TIME] += now[_CLOCK]
            if how == _ON:
                break
            waits = of[_REQUEUE]
            if how == _CUT and now[_KNOWN] == 2.0:
                waits = planned[ahead, 1] - row[_TIME]
                ahead += 1
            if how == _BACK:
                waits = of[_WAITS]
                _next_gap(of, now, rng)
                while now[_GAP] < waits:
                    row[_RESCHEDULE] += now[_GAP]
                    row[_TIME] += now[_GAP]
                    _strikes(of, taken, now, kept, gone, stack, row, rng)
                    now[_SINCE] = 0.0
                    _next_gap(of, now, rng)
                    if now[_FAILURES] > most:
                        return False
                now[_GAP] -= waits
            row[_RESCHEDULE] += waits
            row[_TIME] += waits
            now[_SINCE], now[_LOADING] = 0.0, max(now[_LOADING], 1.0)
            kept[:] = now[_SAVED]
            if now[_FAILURES] > most:
                return False
        row[_LOST] += now[_SINCE] + now[_PENDING]
    return True


def _numbers(job: Job, strategy: Strategy) -> tuple[Any, Any, Any]:
    """The job's numbers, the shards that failures take, and the stops of a shard, a trainer, and both."""
    mix, recovery, point = job.failure_mix, strategy.recovery, job.job
    whole = recovery.response(FailureKind.WHOLE_JOB)
    full = recovery.response(FailureKind.SHARD) == whole
    shares = (0.0, 1.0) if full else (mix.shard_share, mix.whole_job_share)
    limit = np.inf if point.time_limit_s is None else point.time_limit_s
    limits = (limit, point.requeue_s or 0.0, strategy.interval_s, strategy.saving.save_s)
    times = (job.load_s, whole.reschedule_s, mix.mtbf_s, float(job.saves_before_limit), point.step_s or 0.0)
    silent = job.failures.silent
    checks = (0.0, 0.0) if silent is None else (job.checkpoint.verify_s or 0.0, silent.mtbf_s)
    late = 0.0
    if silent is not None and silent.latency_s is not None:  # no check: marked by the sign
        checks, late = (0.0, -silent.mtbf_s), silent.latency_s
    doubts = (*checks, *(strategy.pattern or (1, 1)), job.checkpoint.unreadable or 0.0, late)
    of = np.array([point.work_s, *limits, *times, *shares, *doubts])
    pending = [{FailureKind.SHARD}, {FailureKind.TRAINER}, {FailureKind.SHARD, FailureKind.TRAINER}]
    responses = [together(recovery, kinds) for kinds in pending]
    return of, taken_of(mix), np.array([[one.reschedule_s, one.load_s] for one in responses])


def simulate_chains(
    job: Job,
    strategy: Strategy,
    runs: int,
    streams: np.random.SeedSequence,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job with a time limit, planned stops or silent errors many times, for :func:`cprmodel.simulate`."""
    cost = model_for(job).cost(job, strategy)
    failures = expected_failures(job, cost)
    most, shards = most_failures(failures), job.cluster.embedding_shards or 1
    of, taken, stops = _numbers(job, strategy)
    limited = not job.doubts_saves  # else planned stops are played on top
    until = _LONGEST * (1 + float(cost.breakdown.total)) * job.job.work_s
    planned = np.array(planned_until(job, until) if limited else []).reshape(-1, 2)
    saves = failures * job.failure_mix.mtbf_s / strategy.interval_s
    sizes = sizes_of(runs, failures + saves, events=4e6, most=4096)
    parts, loop = [], Batches(len(sizes))
    for size, stream in zip(loop.of(sizes), loop.of(streams.spawn(len(sizes))), strict=True):
        rows = np.zeros((size, len(COLUMNS)))
        if not _played(of, taken, stops, planned, rows, np.zeros(shards), most, np.random.default_rng(stream)):
            raise never_ends(most)
        parts.append(rows)
        if progress:
            progress(size)
    of_what = "exact"
    if job.job.time_limit_s is not None:
        of_what = "of a chain of its length" if counts_its_jobs(job, strategy) else "of a long chain of jobs"
    if job.doubts_saves:
        of_what = "of a job of its length" if counts_its_end(job, strategy) else "of a long job"
    return found_of(job, strategy, cost, loop.all(parts), of_what)
