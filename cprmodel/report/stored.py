"""What a steady-state plan was computed from: each save, and what a failure comes to, in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cprmodel.costing import saving_of
from cprmodel.costing.saving import as_stored
from cprmodel.costing.stops import severities, stops_of, told_apart
from cprmodel.costing.storage import save_times_s
from cprmodel.facts.units import format_bytes, format_share, format_time
from cprmodel.jobs import Job
from cprmodel.planning.result import StrategyPlan

__all__ = ["explain_stored"]


def explain_stored(job: Job, one: StrategyPlan) -> Iterator[str]:
    """Lines for one strategy: its saves, its failures, and where it is said how they combine."""
    recovery = one.strategy.recovery
    timed = getattr(one.strategy.saving, "timed", one.strategy.saving if one.order is None else saving_of(job))
    saving, every = as_stored(timed, job.partial_recovery), one.interval_s
    if one.order is not None and timed is not saving_of(job):
        every = one.strategy.in_time.interval_s
    _, drain_s = save_times_s(saving, every)
    needs = severities(saving.levels)
    # what some experts in turn are, or the first rows, and where the others go
    turns = getattr(one.strategy.saving, "shares", (1.0,) * len(needs))
    rests = getattr(one.strategy.saving, "rests", ("",) * len(needs))
    each = zip(saving.levels, saving.periods, needs, turns, rests, strict=True)
    for level, segments, share, part, rest in each:
        written = part * float(saving.written(every * segments))
        after = format_time(every * segments)
        blocks = f"{format_time(level.blocks_s)}{level.scatter_words(level.blocks_s)}"
        if saving.dirty is not None:
            blocks = level.blocking_words(written)
        yield (
            f"  to {level.name}: after {after} of work; writes {format_share(written)} of a checkpoint{rest}, "
            f"blocks training for {blocks}; {format_share(share)} of the failures need it"
        )
    rate = 1 / job.failure_mix.mtbf_s
    for level, blocking in zip(saving.levels, save_times_s(saving, every)[0], strict=True):
        if level.scatter is not None:
            alike = format_time(-math.log1p(-float(level.scatter.struck(rate * blocking))) / rate)
            mean = format_time(float(blocking))
            words = f"of {mean} on average, cost as much as saves of {alike} each"
            yield f"  saves to {level.name}, {words}   [scattered_save]"
    if saving.drain_s > 0:
        name, done = saving.levels[-1].name, format_share(saving.overlap)
        shrinks = ", which shrinks with what is written" if saving.dirty is not None else ""
        yield f"  then {name} drains for {format_time(float(drain_s))}{shrinks}, compute going on at {done}"
    if job.checkpoint.quantised_bits is not None and job.checkpoint.stored_bytes and job.checkpoint.size_bytes:
        smaller = job.checkpoint.stored_bytes / job.checkpoint.size_bytes
        yield (
            f"  quantised: {format_bytes(job.checkpoint.stored_bytes)}, {format_share(smaller)} of "
            f"{format_bytes(job.checkpoint.size_bytes)}   [quantised_share]"
        )
    if saving.warned is not None:
        seen, right = format_share(saving.warned.recall), format_share(saving.warned.precision)
        then, at = "a save then", saving.warned.level
        rows = getattr(one.strategy.saving, "warned_rows", 1.0)
        if rows < 1:
            then += f" of the first {format_share(rows)} of the rows"
        if len(saving.levels) > 1:
            then += f" to {saving.levels[-1 if at is None else at].name}"
        then += f" takes {format_time(saving.warned.save_s)}"
        if saving.warned.ahead_s is not None:
            begins, chance = format_time(saving.warned.ahead_s), format_share(saving.warned.in_time)
            then += f" on average, begins {begins} ahead and is complete in time with probability {chance}"
        yield f"  {seen} of the failures are announced, {right} of the announcements true; {then}"
        if saving.warned.leaves is not None:
            announced, others = told_apart(needs, saving.warned)
            for words, apart in (("announced failures", announced), ("those that no one announces", others)):
                parts = zip(apart, saving.levels, strict=True)
                yield f"  {words} need " + ", ".join(f"{level.name}: {format_share(one)}" for one, level in parts)
    stops = stops_of(job.failure_mix, recovery, saving.levels, job.cluster.embedding_shards or 1)
    yield (
        f"  a failure (MTBF {format_time(job.failure_mix.mtbf_s)}) stops training for {format_time(stops.total_s)} "
        f"on average; everybody rolls back with probability {sum(stops.back):.4g}, and takes one given "
        f"shard alone with {sum(stops.hit):.4g}"
    )
    yield "  minimised numerically: exact in a long job, exponential failures [docs/models/storage.md]"
    if one.experts_by_level is not None:
        lost = f"{one.expected_pls:.4g}"
        yield f"  PLS = {lost}, exact in a job of this length [docs/models/rotating.md]; to first order"
