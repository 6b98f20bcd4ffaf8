"""What is trained and what it runs on (``[job]``, ``[cluster]``), and what time limits, spares and stops need."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from cprmodel.facts.units import format_time
from cprmodel.jobs.checkpoint import Checkpoint
from cprmodel.jobs.failures import Failures
from cprmodel.jobs.pace import Elastic, Stragglers
from cprmodel.jobs.planned import Silent, date_text
from cprmodel.jobs.quantities import AnyCount, Count, Section, wrong

__all__ = [
    "Cluster",
    "Work",
    "about_unannounced",
    "check_kept",
    "check_limit",
    "check_rotating",
    "check_silent",
    "check_stops",
    "check_unreadable",
]


#: So many can saves rotate over: a hundred times what mixtures have.
_MOST_EXPERTS = 1_000_000


class Work(Section):
    """What is trained (``[job]``)."""

    work_s: float = Field(description="useful training time the job needs, without failures or saves")
    step_s: float | None = Field(
        None, description="time of one training step; intervals are then given in steps too"
    )
    current_interval_s: float | None = Field(None, description="useful work between two saves today")
    current_recovery: str = Field(
        "full",
        pattern="^(full|partial|rotating)$",
        description="recovery used today; rotating: full, from saves that rotate",
    )
    time_limit_s: float | None = Field(
        None,
        description="a scheduler ends each job so long after it has begun to load; the work takes a chain of jobs",
    )
    requeue_s: float | None = Field(
        None, description="time from a time limit until the next job of the chain begins; default: none"
    )
    start: Annotated[str | None, BeforeValidator(date_text)] = Field(
        None, description="date on which the job starts, for failures.planned by dates"
    )
    limit_lead_s: float | None = Field(None, description="how long before the limit a job is told of it")
    elastic: Elastic | None = Field(None, description="it trains on with fewer replicas while nodes are repaired")
    may_be_zero: ClassVar[frozenset[str]] = frozenset({"requeue_s"})

    @model_validator(mode="after")
    def _fits(self) -> Work:
        if self.time_limit_s is None:
            for key, value in (("requeue", self.requeue_s), ("limit_lead", self.limit_lead_s)):
                if value is not None:
                    raise wrong(key, format_time(value), "time_limit beside it")
        if self.step_s is not None and self.step_s > self.work_s:
            raise wrong("step", format_time(self.step_s), "a step that is not longer than the job's work")
        return self


class Cluster(Section):
    """What it runs on (``[cluster]``)."""

    embedding_shards: Count | None = Field(None, description="embedding shards (Emb PS nodes); none: dense model")
    trainers: Count | None = Field(None, description="trainer nodes")
    experts: Count | None = Field(None, description="experts of a mixture, over which saves may rotate (rotating)")
    spares: AnyCount | None = Field(
        None, description="nodes that stand by for failed ones (with failures.repair or scaling.repair)"
    )
    stragglers: Stragglers | None = Field(None, description="spells in which the job trains slower")


def check_rotating(work: Work, cluster: Cluster, point: Checkpoint) -> None:
    """That saves that rotate have something to rotate over."""
    today, levels = work.current_recovery == "rotating", point.level or ()
    of: list[tuple[str, bool | int | None]] = [("rotating", point.rotating)]
    of = [(f"level.{at}.rotating", one.rotating) for at, one in enumerate(levels)] or of
    if not point.rotates:
        if today:
            where = "checkpoint.rotating" if point.level is None else "rotating in a level of checkpoint.level"
            expected = f"{where} beside it: how many experts (or shards) a save holds"
            raise wrong("job.current_recovery", "rotating", expected)
        return
    experts = cluster.experts or cluster.embedding_shards
    if experts is None:
        raise wrong("cluster.experts", "", "experts (or embedding_shards), over which saves rotate")
    known = "experts" if cluster.experts is not None else "embedding_shards"
    if experts > _MOST_EXPERTS:
        raise wrong(f"cluster.{known}", experts, f"at most {_MOST_EXPERTS:,} of them, since saves rotate over them")
    for key, rotating in of:
        if rotating is True and today:
            expected = (
                "how many experts (or shards) a save holds today, since job.current_recovery says that it rotates"
            )
            raise wrong(f"checkpoint.{key}", True, expected)
        if rotating is not None and rotating > experts:
            raise wrong(f"checkpoint.{key}", rotating, f"at most cluster.{known} ({experts})")
    if levels and len(levels) != 2:
        at = next(at for at, one in enumerate(levels) if one.rotating)
        many = f"{len(levels)} levels" if len(levels) > 1 else "one level"
        expected = (
            f"no such key beside {many}: saves that rotate are modelled at one place ([checkpoint] rotating) or at "
            "two levels, a snapshot's and a last one"
        )
        raise wrong(f"checkpoint.level.{at}.rotating", levels[at].rotating, expected)


def check_limit(work: Work, point: Checkpoint, load_s: float, storage: str) -> None:
    """That a time limit leaves room and meets what is modelled (``storage``: what is more than one copy)."""
    limit, before, lead, save_s = (
        work.time_limit_s,
        point.save_before_limit,
        work.limit_lead_s,
        point.nominal_save_s,
    )
    if limit is None:
        if before is not None:
            raise wrong("checkpoint.save_before_limit", before, "job.time_limit beside it")
        return
    if storage:
        expected = (
            f"no time limit beside {storage}: of jobs that end at one only saves that block are modelled"
            f"{_nearest(storage)}"
        )
        raise wrong("job.time_limit", format_time(limit), expected)
    least = load_s + 2 * save_s + (work.step_s or 0.0)
    if not limit > least:
        expected = f"more than a load, two saves and a step take ({format_time(least)})"
        raise wrong("job.time_limit", format_time(limit), expected)
    if lead is not None and lead >= limit:
        raise wrong("job.limit_lead", format_time(lead), f"less than the time limit ({format_time(limit)})")
    if before and lead is not None and lead < save_s:
        expected = f"no save before the limit, or a job.limit_lead of at least a save ({format_time(save_s)})"
        raise wrong("checkpoint.save_before_limit", before, expected)


def check_silent(work: Work, point: Checkpoint, failures: Failures, storage: str) -> None:
    """That silent errors have a check, and meet what is modelled."""
    silent, verify = failures.silent, point.verify_s
    if silent is None:
        if verify is not None:
            raise wrong("checkpoint.verify", format_time(verify), "failures.silent beside it: errors that it finds")
        for key in ("verify_every", "checks_per_save"):
            if getattr(point, key) is not None:
                raise wrong(
                    f"checkpoint.{key}", getattr(point, key), "failures.silent and checkpoint.verify beside it"
                )
        return
    if silent.latency_s is not None:
        _check_latency(silent, point)
        verify = 0.0
    if verify is None:
        raise wrong(
            "checkpoint.verify",
            "",
            "the time of a check before each save (or failures.silent.latency), since failures.silent is given",
        )
    every, checks = point.verify_every or 1, point.checks_per_save or 1
    if every > 1 and checks > 1:
        both = (every, checks)
        raise wrong("checkpoint.verify_every and checks_per_save", both, "one of the two, the other being 1")
    others = storage or ("job.time_limit" if work.time_limit_s is not None else "")
    if others:
        expected = f"no silent errors beside {others}: they are modelled with saves that block{_nearest(storage)}"
        raise wrong("failures.silent.mtbf", format_time(silent.mtbf_s), expected)
    if verify + point.nominal_save_s > silent.mtbf_s:
        expected = f"more than a check and a save take ({format_time(verify + point.nominal_save_s)})"
        raise wrong("failures.silent.mtbf", format_time(silent.mtbf_s), expected)


def _nearest(storage: str = "") -> str:
    """What comes nearest to an answer where two things are not modelled together."""
    if storage.endswith("(it scatters)"):
        return ", for one time each (checkpoint.save as one time, its mean, comes nearest)"
    if storage:
        return " (checkpoint.save alone, as long as one blocks, comes nearest)"
    return " (plan with either: at a given interval what they cost adds up, to first order)"


def _check_latency(silent: Silent, point: Checkpoint) -> None:
    """That errors that show by themselves are not checked for, and show before the next ones."""
    assert silent.latency_s is not None
    latency = format_time(silent.latency_s)
    for key in ("verify_s", "verify_every", "checks_per_save"):
        if getattr(point, key) is not None:
            field = f"checkpoint.{key.removesuffix('_s')}"
            expected = "no such key beside failures.silent.latency: an error shows by itself, or a check finds it"
            raise wrong(field, getattr(point, key), expected)
    if silent.latency_s > silent.mtbf_s / 2:
        expected = f"at most half of failures.silent.mtbf ({format_time(silent.mtbf_s / 2)})"
        raise wrong("failures.silent.latency", latency, expected)


def check_kept(point: Checkpoint, silent: Silent | None) -> None:
    """That what is kept besides changes something: its space and money, or how far back one goes."""
    late = silent is not None and silent.latency_s is not None
    if point.keep_every is not None and point.size_bytes is None and not late:
        expected = "checkpoint.size beside it (space and money), or failures.silent.latency"
        raise wrong("checkpoint.keep_every", point.keep_every, expected)
    if point.surely is not None and point.unreadable is None and not late:
        expected = (
            "checkpoint.unreadable or failures.silent.latency beside it: without them the last save (that was "
            "checked) is always a good one"
        )
        raise wrong("checkpoint.surely", point.surely, expected)


def check_unreadable(work: Work, point: Checkpoint, storage: str) -> None:
    """That saves that turn out unreadable meet what is modelled."""
    others = storage or ("job.time_limit" if work.time_limit_s is not None else "")
    if point.unreadable is None:
        return
    if others:
        expected = f"no such key beside {others}: it is modelled with saves that block{_nearest(storage)}"
        raise wrong("checkpoint.unreadable", point.unreadable, expected)
    if (point.verify_every or 1) > 1:
        expected = "1 beside checkpoint.unreadable: an unreadable save among some that are checked isn't modelled"
        raise wrong("checkpoint.verify_every", point.verify_every, expected)


def check_stops(work: Work, cluster: Cluster, failures: Failures, other_repair_s: float | None) -> None:
    """That planned stops and spares have what they need; ``other_repair_s``: of ``[scaling]``."""
    if failures.repair_s is not None and other_repair_s is not None:
        both = (format_time(failures.repair_s), format_time(other_repair_s))
        raise wrong("failures.repair and scaling.repair", both, "only one of the two")
    for key, value in (
        ("cluster.spares", cluster.spares),
        ("failures.repair_share", failures.repair_share),
    ):
        if value is not None and failures.repair_s is None and other_repair_s is None:
            raise wrong("failures.repair", "", f"the mean time of a repair, since {key} is given")
    for at, one in enumerate(failures.planned or ()):
        if one.dates is not None and work.start is None:
            raise wrong("job.start", "", f"the date on which the job starts, since failures.planned.{at} has dates")


def about_unannounced(work: Work, point: Checkpoint) -> str:
    """What is taken of a time limit that nothing is saved before."""
    if point.save_before_limit is None and work.limit_lead_s is not None:
        lead, save = format_time(work.limit_lead_s), format_time(point.nominal_save_s)
        return f"job.limit_lead, {lead}, is too short for a save of {save}: nothing is saved before the limit"
    return (
        "job.time_limit: nothing is saved before it (limit_lead, or checkpoint.save_before_limit = true, says "
        "otherwise); it is taken to fall anywhere between two saves"
    )
