"""Which strategies a job can have, and why others are left out."""

from __future__ import annotations

import cprmodel.ordering  # noqa: F401 (which registers its kind of saving policy)
from cprmodel.costing import kinds, saving_of
from cprmodel.costing.kinds import Candidate, LeftOut
from cprmodel.costing.rotating import today_of
from cprmodel.facts.strategies import Recovery
from cprmodel.facts.units import count_of, format_time
from cprmodel.jobs import Job

__all__ = ["Candidate", "candidates", "full_and_partial"]


def candidates(job: Job, registered: bool = True) -> tuple[list[Candidate], list[str]]:
    """All of them, as they are shown, and notes; of ``registered`` kinds of saving policy, too."""
    full, partial, notes = full_and_partial(job)
    found = [full]
    if job.cluster.embedding_shards is not None:
        found.append(Candidate("partial-at-full-interval", job.partial_recovery, full.saving, like="full"))
    if partial is not None:
        notes += _about_fitted(job)
        found.append(partial)
    if job.job.current_interval_s is not None:
        today, said = _today(job)
        found.append(today)
        notes += said
    for kind in kinds.registered() if registered else ():
        more, said = kind.candidates(job)
        found += more
        notes += said
    if job.repair_s is not None and not job.waits_for_repairs and not job.elastic:
        notes.append(
            "waiting for a repair is not part of these overheads: cluster.spares says how many nodes stand by "
            "(cprmodel sweep says more)"
        )
    return found, notes


def full_and_partial(job: Job) -> tuple[Candidate, Candidate | None, list[str]]:
    """The two that compete, partial recovery where it can be had, and why it cannot."""
    saving = saving_of(job)
    full = Candidate("full", job.full_recovery, saving)
    if job.cluster.embedding_shards is None:
        said = "cluster.embedding_shards isn't given: partial recovery is not considered"
        return full, None, [LeftOut(said, of="partial")]
    if job.pls_budget is None:
        said = "no [accuracy] budget is given: partial recovery cannot be recommended without one"
        return full, None, [LeftOut(said, of="partial")]
    return full, Candidate("partial", job.partial_recovery, saving, within_budget=True), []


def _today(job: Job) -> tuple[Candidate, list[str]]:
    """What is done today, in whole steps, and no longer than the job; and what the file does not say of it."""
    assert job.job.current_interval_s is not None
    every, step_s, work_s = job.job.current_interval_s, job.job.step_s, job.job.work_s
    notes = []
    levels = job.checkpoint.level or ()
    if any(one.every is None for one in levels[1:]):
        notes.append(
            "current: every isn't given for each level: today's saves are taken to go to the higher one, each time"
        )
    if every > work_s:
        notes.append("job.current_interval is longer than the job: planned as no save at all")
        every = work_s
    elif step_s is not None:
        steps = max(1, round(every / step_s))
        if abs(steps * step_s / every - 1) > 0.01:
            notes.append(
                f"job.current_interval, {format_time(every)}, is not a whole number of steps: planned as "
                f"{count_of(steps, 'step')}"
            )
        every = min(steps * step_s, work_s)
    if job.job.current_recovery == "rotating":
        return Candidate("current", job.full_recovery, today_of(job), given_s=every), notes
    recovery: Recovery = job.partial_recovery if job.job.current_recovery == "partial" else job.full_recovery
    return Candidate("current", recovery, saving_of(job), given_s=every), notes


def _about_fitted(job: Job) -> list[str]:
    """What a fitted slope leaves open, whatever the strategy."""
    fitted = job.accuracy.model if job.accuracy else None
    if fitted is None:
        return []
    notes = []
    if fitted.interval_90 is None:
        notes.append("accuracy.model has no interval: its record has too few seeds to tell how sure the slope is")
    elif fitted.interval_90[0] <= 0:
        notes.append("accuracy.model: the slope's 90% interval contains 0, so a budget in the metric means little")
    if fitted.orders:
        *some, last = fitted.orders
        listed = f"{', '.join(some)} and {last}" if some else last
        notes.append(
            f"accuracy.model: what a lost update costs under {listed} is each order's own, played out over the "
            "rows of the record; under others the most of these"
        )
    if fitted.linear_to_pls is None:
        notes.append("accuracy.model: its record cannot tell up to which PLS the drop follows a line")
    return notes
