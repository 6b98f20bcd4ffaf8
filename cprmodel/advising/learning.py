"""What a job has shown so far, and what that makes of its plan.

Save cost
    The mean of the saves that were seen, in which the plan's cost counts as :data:`PRIOR_SAVES` more.
Failure rate
    Gamma prior and conjugate update, kind by kind: a failure of a kind with the share sₖ in the plan has the rate
    (a·sₖ + nₖ)/(aμ₀ + E), with a = :data:`PRIOR_FAILURES`. The sum is :func:`~cprmodel.formulas.mtbf_with_prior`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from cprmodel.facts.strategies import FailureKind, FailureMix, RollBack
from cprmodel.formulas.failures import mtbf_with_prior
from cprmodel.jobs import Job

__all__ = ["PRIOR_FAILURES", "PRIOR_SAVES", "Experience", "learned_job", "learned_mix", "learned_save_s"]

#: Failures that the plan's MTBF counts as. Half a failure (Jeffreys' weight) does least harm where it is worst:
#: benchmarks/advisor.py --weights compares it with others under plans that are right and 3 and 10 times wrong.
PRIOR_FAILURES = 0.5
#: Saves that the plan's save cost counts as.
PRIOR_SAVES = 1.0


@dataclass(frozen=True)
class Experience:
    """Sums of what was told: enough to learn from, and small enough for a file.

    >>> Experience().with_failure(FailureKind.SHARD, RollBack.FAILED_SHARDS, lost_s=60.0, recovery_s=30.0).failures
    1
    """

    saves: int = 0
    saving_s: float = 0.0
    exposure_s: float = 0.0  #: time at risk
    shard: int = 0
    trainer: int = 0
    whole_job: int = 0
    announced: int = 0  #: failures besides, that were announced and found the work saved
    lost_s: float = 0.0  #: work that everybody did again
    lost_for_good_s: float = 0.0  #: work that a shard lost, the others going on
    recovering_s: float = 0.0

    @property
    def failures(self) -> int:
        """Failures of all kinds that nobody announced."""
        return self.shard + self.trainer + self.whole_job

    def seen(self, kind: FailureKind) -> int:
        """Failures of one kind."""
        return int(getattr(self, kind.value))

    def after(self, seconds: float) -> Experience:
        """More time at risk."""
        return replace(self, exposure_s=self.exposure_s + max(0.0, seconds))

    def with_save(self, seconds: float) -> Experience:
        """One more save."""
        return replace(self, saves=self.saves + 1, saving_s=self.saving_s + seconds)

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
        return self.exposure_s - self.saving_s - self.lost_s - self.recovering_s

    @property
    def overhead_fraction(self) -> float | None:
        """Saves, lost work and recoveries over the useful time; None before there is any."""
        useful = self.useful_s
        return (self.exposure_s - useful) / useful if useful > 0 else None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """From plain data; ValueError where it is none of ours."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = data[field.name]
            whole = isinstance(field.default, int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not value >= 0:
                raise ValueError(field.name)
            values[field.name] = value
        return cls(**values)


def learned_save_s(job: Job, seen: Experience) -> float:
    """What a save costs, by the plan and by the saves seen [s].

    >>> from cprmodel.presets import load_preset
    >>> learned_save_s(load_preset("cpr-dlrm"), Experience()) == load_preset("cpr-dlrm").save_s
    True
    """
    return (PRIOR_SAVES * job.save_s + seen.saving_s) / (PRIOR_SAVES + seen.saves)


def learned_mix(job: Job, seen: Experience) -> FailureMix:
    """How often it fails and what that takes, by the plan and by what was seen.

    >>> from cprmodel.presets import load_preset
    >>> job = load_preset("cpr-dlrm")
    >>> learned_mix(job, Experience()) == job.failure_mix
    True
    """
    planned = job.failure_mix
    mtbf_s = float(mtbf_with_prior.raw(planned.mtbf_s, PRIOR_FAILURES, seen.failures, seen.exposure_s))
    shares = {
        f"{kind.value}_share": (PRIOR_FAILURES * planned.share(kind) + seen.seen(kind))
        / (PRIOR_FAILURES + seen.failures)
        for kind in FailureKind
    }
    return FailureMix(mtbf_s, **shares, shards_per_failure=planned.shards_per_failure)


def learned_job(job: Job, seen: Experience) -> Job:
    """The job with what was learned in the place of what was planned."""
    return job.with_costs(learned_save_s(job, seen), learned_mix(job, seen))
