"""What a job has shown so far, and what that makes of its plan.

Save cost
    The mean of the saves that were seen, in which the plan's cost counts as :data:`PRIOR_SAVES` more. What keeps
    training waiting (the stall), what a save takes in the background (the drain) and what it waits for an earlier
    one (the queue) are learned apart: a plan is made of stalls and drains, and no queue is a save's own cost.
    Saves to each level are learned apart, too.
Failure rate
    Gamma prior and conjugate update, kind by kind: a failure of a kind with the share yᵢ in the plan, seen zᵢ
    times, has the rate (a₀yᵢ + zᵢ)/(a₀μ₀ + T_F), with a₀ = :data:`PRIOR_FAILURES`. The sum is
    :func:`~cprmodel.formulas.mtbf_with_prior`. Failures that were announced and found the work saved count where
    the plan saves on warnings, and are then of the share that is announced; else they do not. Failures that healed
    without a roll-back never do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from cprmodel.costing.saving import saving_of
from cprmodel.facts.storage import heeds_warnings
from cprmodel.facts.strategies import FailureKind, FailureMix, RollBack
from cprmodel.formulas.failures import mtbf_with_prior
from cprmodel.jobs import Job

__all__ = ["PRIOR_FAILURES", "PRIOR_SAVES", "Experience", "learned_job", "learned_mix", "learned_save_s", "stall_s"]

#: Failures that the plan's MTBF counts as. Half a failure (Jeffreys' weight) does least harm where it is worst:
#: benchmarks/advisor.py --weights compares it with others under plans that are right and 3 and 10 times wrong.
PRIOR_FAILURES = 0.5
#: Saves that the plan's save cost counts as.
PRIOR_SAVES = 1.0
#: Levels of saves that a file may have; nobody has so many.
_MOST_LEVELS = 16


@dataclass(frozen=True)
class Experience:
    """Sums of what was told: enough to learn from, and small enough for a file.

    >>> Experience().with_failure(FailureKind.SHARD, RollBack.FAILED_SHARDS, lost_s=60.0, recovery_s=30.0).failures
    1
    """

    saves: int = 0
    saving_s: float = 0.0  #: for which saves kept training waiting, queues apart
    exposure_s: float = 0.0  #: time at risk
    shard: int = 0
    trainer: int = 0
    whole_job: int = 0
    announced: int = 0  #: failures besides, that were announced and found the work saved
    lost_s: float = 0.0  #: work that everybody did again
    lost_for_good_s: float = 0.0  #: work that a shard lost, the others going on
    recovering_s: float = 0.0
    drains: int = 0  #: saves that went on in the background
    drain_s: float = 0.0  #: for which they did
    queued_s: float = 0.0  #: for which training waited for an earlier save
    void: int = 0  #: saves that failed
    void_s: float = 0.0  #: for which these kept training waiting
    healed: int = 0  #: failures besides, that took no work from anybody
    paused_s: float = 0.0  #: time that was neither work nor risk
    level_saves: tuple[int, ...] = ()  #: saves, level by level
    level_saving_s: tuple[float, ...] = ()

    @property
    def failures(self) -> int:
        """Failures of all kinds that nobody announced, but those that healed."""
        return self.shard + self.trainer + self.whole_job

    def seen(self, kind: FailureKind) -> int:
        """Failures of one kind."""
        return int(getattr(self, kind.value))

    def after(self, seconds: float) -> Experience:
        """More time at risk."""
        return replace(self, exposure_s=self.exposure_s + max(0.0, seconds))

    def with_save(
        self, seconds: float, *, drain_s: float | None = None, queued_s: float = 0.0, level: int = 0
    ) -> Experience:
        """One more save: it kept training waiting, and drained in the background where it did so.

        >>> Experience().with_save(5.0, drain_s=120.0).drain_s
        120.0
        """
        return replace(
            self,
            saves=self.saves + 1,
            saving_s=self.saving_s + seconds,
            drains=self.drains + (drain_s is not None),
            drain_s=self.drain_s + (drain_s or 0.0),
            queued_s=self.queued_s + queued_s,
            level_saves=_more(self.level_saves, level, 1),
            level_saving_s=_more(self.level_saving_s, level, seconds),
        )

    def with_void_save(self, seconds: float) -> Experience:
        """One more save that failed, for which training waited so long."""
        return replace(self, void=self.void + 1, void_s=self.void_s + seconds)

    def without(self, seconds: float) -> Experience:
        """So much time was a pause: it is no time at risk (and was not counted as such)."""
        return replace(self, paused_s=self.paused_s + seconds)

    def with_healed(self, recovery_s: float) -> Experience:
        """One more failure that took no work, whatever the saves."""
        return replace(self, healed=self.healed + 1, recovering_s=self.recovering_s + recovery_s)

    def with_failure(
        self, kind: FailureKind, rolls_back: RollBack, lost_s: float, recovery_s: float, announced: bool = False
    ) -> Experience:
        """One more failure."""
        more: dict[str, Any] = {"recovering_s": self.recovering_s + recovery_s}
        counted = "announced" if announced else kind.value
        more[counted] = getattr(self, counted) + 1
        if rolls_back is RollBack.EVERYBODY:
            more["lost_s"] = self.lost_s + lost_s
        elif rolls_back is RollBack.FAILED_SHARDS:
            more["lost_for_good_s"] = self.lost_for_good_s + lost_s
        return replace(self, **more)

    @property
    def useful_s(self) -> float:
        """Time at risk without saves, recoveries and work that was done again [s]."""
        return self.exposure_s - self.waiting_s - self.lost_s - self.recovering_s

    @property
    def waiting_s(self) -> float:
        """Time that training waited for saves, their queues and those that failed [s]."""
        return self.saving_s + self.queued_s + self.void_s

    def of_level(self, level: int) -> tuple[int, float]:
        """Saves to a level, and how long they kept training waiting [s]."""
        here = level < len(self.level_saves)
        return (self.level_saves[level], self.level_saving_s[level]) if here else (0, 0.0)

    def of(self, *, failures: bool = True, saves: bool = True) -> Experience:
        """What applies still where a plan was changed: time at risk and failures, and what saves took.

        >>> Experience(saves=3, saving_s=9.0, exposure_s=60.0, shard=1).of(saves=False).saves
        0
        """
        kept = {one.name: getattr(self, one.name) for one in fields(self) if (one.name in _OF_SAVES and saves)}
        risk = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _OF_SAVES}
        return Experience(**kept, **(risk if failures else {}))

    @property
    def overhead_fraction(self) -> float | None:
        """Saves, lost work and recoveries over the useful time; None before there is any."""
        useful = self.useful_s
        return (self.exposure_s - useful) / useful if useful > 0 else None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """From plain data; ValueError where it is none of ours. What older files lack is none."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name in data or field.name in _ALWAYS:
                values[field.name] = _read(field.name, data[field.name], field.default)
        if "level_saves" not in values:
            values |= {"level_saves": (values["saves"],), "level_saving_s": (values["saving_s"],)}
        if len(values["level_saves"]) != len(values.get("level_saving_s", ())):
            raise ValueError("level_saves")
        return cls(**values)


#: What every file of ours has.
_ALWAYS = frozenset({"saves", "saving_s", "exposure_s", "shard", "trainer", "whole_job", "lost_s", "recovering_s"})
_OF_SAVES = frozenset(
    {"saves", "saving_s", "drains", "drain_s", "queued_s", "void", "void_s", "level_saves", "level_saving_s"}
)


def _read(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or len(value) > _MOST_LEVELS:
            raise ValueError(name)
        return tuple(_read(name, one, 0 if name == "level_saves" else 0.0) for one in value)
    kinds = int if isinstance(default, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not value >= 0:
        raise ValueError(name)
    return value


def _more(before: Sequence[Any], level: int, more: Any) -> tuple[Any, ...]:
    """Sums level by level, with more in one of them."""
    grown = [*before, *[0] * (level + 1 - len(before))]
    grown[level] += more
    return tuple(grown)


def learned_save_s(job: Job, seen: Experience) -> float:
    """How long a save (to the first level) keeps training waiting, by the plan and by the saves seen [s].

    >>> from cprmodel.presets import load_preset
    >>> learned_save_s(load_preset("cpr-dlrm"), Experience()) == load_preset("cpr-dlrm").save_s
    True
    """
    return _mean(stall_s(job, 0), *seen.of_level(0))


def learned_mix(job: Job, seen: Experience) -> FailureMix:
    """How often it fails and what that takes, by the plan and by what was seen.

    >>> from cprmodel.presets import load_preset
    >>> job = load_preset("cpr-dlrm")
    >>> learned_mix(job, Experience()) == job.failure_mix
    True
    """
    planned = job.failure_mix
    counted = seen.failures + (seen.announced if _saves_on_warnings(job) else 0)
    mtbf_s = float(mtbf_with_prior.raw(planned.mtbf_s, PRIOR_FAILURES, counted, seen.exposure_s))
    shares = {
        f"{kind.value}_share": (PRIOR_FAILURES * planned.share(kind) + seen.seen(kind))
        / (PRIOR_FAILURES + seen.failures)
        for kind in FailureKind
    }
    return FailureMix(mtbf_s, **shares, shards_per_failure=planned.shards_per_failure, sorts=planned.sorts)


def learned_job(job: Job, seen: Experience) -> Job:
    """The job with what was learned in the place of what was planned.

    A plan of saves that block, in a loop whose saves go on in the background, becomes one of saves that drain while
    training goes on at full speed.

    >>> from cprmodel.presets import load_preset
    >>> background = Experience().with_save(5.0, drain_s=300.0)
    >>> learned_job(load_preset("cpr-dlrm"), background).checkpoint.drains_s
    300.0
    """
    mix, point = learned_mix(job, seen), job.checkpoint
    if job.plain and not seen.drains:
        return job.with_costs(learned_save_s(job, seen), mix)
    learned: dict[str, Any] = {}
    if point.overlap is not None or seen.drains:
        planned = () if point.overlap is None else (point.drains_s,)
        learned["drain_s"] = _mean_of(planned, seen.drains, seen.drain_s)
        learned["overlap"] = 1.0 if point.overlap is None else point.overlap
    if point.warning is not None and _saves_on_warnings(job):
        told = PRIOR_FAILURES + seen.failures + seen.announced
        recall = (PRIOR_FAILURES * point.warning.recall + seen.announced) / told
        learned["warning"] = point.warning.model_copy(update={"recall": recall})
    if point.level is None:
        costed = job.with_costs(learned_save_s(job, seen), mix)
        return costed.model_copy(update={"checkpoint": costed.checkpoint.model_copy(update=learned)})
    learned["level"] = tuple(
        one.model_copy(
            update={
                "save_s": _mean(stall_s(job, at), *seen.of_level(at)),
                "bandwidth_bytes_per_s": None,
                "load_s": point.level_load_s(one),
            }
        )
        for at, one in enumerate(point.level)
    )
    failing = job.with_costs(job.save_s, mix).failures
    return job.model_copy(update={"failures": failing, "checkpoint": point.model_copy(update=learned)})


def stall_s(job: Job, level: int) -> float:
    """For how long a save to a level keeps training waiting, by a job's figures [s]."""
    point = job.checkpoint
    if job.plain:
        return job.save_s
    return sum(point.stall_and_copy_s(None if point.level is None else point.level[level]))


def _saves_on_warnings(job: Job) -> bool:
    """Whether the plan has announced failures saved for, which are then failures like others."""
    if job.checkpoint.warning is None:
        return False
    return heeds_warnings(saving_of(job))


def _mean(planned: float, count: int, total: float) -> float:
    return (PRIOR_SAVES * planned + total) / (PRIOR_SAVES + count)


def _mean_of(planned: Sequence[float], count: int, total: float) -> float:
    """The same where a plan may say nothing."""
    return _mean(planned[0], count, total) if planned else total / count
