"""How a job saves: its file's storage as the objects that cost models price and the simulator plays."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from cprmodel.facts.storage import Dirty, MeasuredDirty, SaveLevel, StoredSave, TouchedRows, WarnedSave
from cprmodel.facts.strategies import CheckedSave, FailureKind, Recovery, SavingPolicy
from cprmodel.jobs import Access, Job
from cprmodel.jobs.warned import in_time, warned_save

__all__ = ["as_stored", "free_levels", "saving_of", "timed_saves", "warned_saves", "without_shards"]


#: A warned save that is in time less often than this is none.
_RARELY = 1e-6


def saving_of(job: Job) -> SavingPolicy:
    """The saving policy of a job; of levels whose ``every`` is not given, each save goes to the higher one."""
    point = job.checkpoint
    if job.doubts_saves:
        return CheckedSave(job.save_s, point.verify_every or 1, point.checks_per_save or 1)
    if point.plain:
        return job.saving
    return StoredSave(
        levels=_levels(job),
        counts=tuple(one.every or 1 for one in (point.level or ())[1:]),
        drain_s=point.drains_s,
        overlap=point.overlap or 0.0,
        dirty=_dirty(job),
        always=point.always_written or 0.0,
        warned=_warned(job),
    )


def _warned(job: Job) -> WarnedSave | None:
    """The save on a warning; None where there is no time for one."""
    point = job.checkpoint
    if point.warning is None or not point.warning.recall or in_time(point) < _RARELY:
        return None
    return warned_save(point)


def _levels(job: Job) -> tuple[SaveLevel, ...]:
    point = job.checkpoint
    if point.level is None:
        stall, copy = point.stall_and_copy_s()
        return (replace(_only_level(copy, job.partial_recovery), stall_s=stall, scatter=point.scatter),)
    shards = job.cluster.embedding_shards or 1
    levels = []
    for at, one in enumerate(point.level):
        stall, copy = point.stall_and_copy_s(one)
        load, shard = point.level_load_s(one), one.partial_load_s
        name = one.name or f"level {at + 1}"
        part = load / shards if shard is None else shard
        levels.append(SaveLevel(name, copy, load, part, job.survives(at), one.every, stall, one.scatter))
    return tuple(levels)


def _dirty(job: Job) -> Dirty | None:
    if not job.checkpoint.incremental:
        return None
    if job.checkpoint.dirty_curve is not None:
        return MeasuredDirty(job.checkpoint.dirty_curve)
    assert job.access is not None
    return _touched(job.access)


@lru_cache(maxsize=16)
def _touched(access: Access) -> TouchedRows:
    from cprmodel.rows import classes_of

    rows = classes_of(access)
    return TouchedRows(rows.updates, rows.count)


def as_stored(saving: SavingPolicy, recovery: Recovery) -> StoredSave:
    """A blocking save of everything, seen as the one level of its recovery's loads.

    >>> from cprmodel.facts.strategies import BlockingSave, FullRecovery
    >>> as_stored(BlockingSave(60.0), FullRecovery(reschedule_s=0.0, load_s=45.0)).levels[0].load_s
    45.0
    """
    if isinstance(saving, StoredSave):
        return saving
    return StoredSave((_only_level(saving.save_s, recovery),))


def _only_level(save_s: float, recovery: Recovery) -> SaveLevel:
    everybody, shard = recovery.response(FailureKind.WHOLE_JOB), recovery.response(FailureKind.SHARD)
    return SaveLevel("storage", save_s, everybody.load_s, shard.load_s)


def free_levels(saving: StoredSave) -> list[int]:
    """Which of ``counts`` are to be chosen."""
    return [at for at, level in enumerate(saving.levels[1:]) if level.every is None]


def without_shards(job: Job) -> Job:
    """What full recovery asks of a job: jobs that differ in the rest alone share its interval."""
    point = job.checkpoint.model_copy(
        update={"partial_load_s": None, "partial_reschedule_s": None, "trainer_reschedule_s": None}
    )
    return job.model_copy(update={"checkpoint": point, "accuracy": None})


def timed_saves(saving: SavingPolicy) -> StoredSave | None:
    """How saves are stored that come after so much work; None of plain ones, and of rows in an order or in turn.

    Nor of saves on warnings.

    >>> timed_saves(StoredSave((SaveLevel("remote", 60.0, 60.0, 10.0),), drain_s=600.0, overlap=1.0)).drain_s
    600.0
    """
    return saving if type(saving) is StoredSave and saving.warned is None else None


def warned_saves(saving: SavingPolicy) -> StoredSave | None:
    """Saves to one level that block while everything is written, each as long, where others follow warnings.

    >>> one = SaveLevel("remote", 60.0, 60.0, 10.0)
    >>> warned_saves(StoredSave((one,), warned=WarnedSave(30.0, recall=0.5, precision=0.8))).save_s
    60.0
    """
    if type(saving) is not StoredSave or saving.warned is None or len(saving.levels) > 1:
        return None
    return None if saving.drain_s or saving.dirty is not None or saving.levels[0].scatter is not None else saving
