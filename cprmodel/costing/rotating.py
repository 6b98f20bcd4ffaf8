"""How planning deals with saves that rotate over experts: the strategy, its interval, its cost and its words.

The time is that of full recovery with shorter saves, whatever model prices it; what is lost is counted exactly
(:mod:`cprmodel.costing.rotated`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cprmodel.costing.kinds import Candidate, LeftOut, register
from cprmodel.costing.models import Choice, Cost, CostModel
from cprmodel.costing.saving import saving_of
from cprmodel.facts.rotation import RotatingLevelSave, RotatingSave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import SavingPolicy, Strategy
from cprmodel.facts.units import count_of, format_share
from cprmodel.jobs import Job

__all__ = ["RotatingLevels", "RotatingSaves", "rotating_levels_of", "rotating_of", "today_of", "why_not"]


def why_not(job: Job) -> str:
    """What the job says beside which saves that rotate are not modelled; "" where nothing does."""
    saves = ("checkpoint.incremental", "checkpoint.warning", "checkpoint.unreadable", "storage")
    beside = ("failures.planned", "job.elastic", "cluster.stragglers")
    found = job.given(*saves, "checkpoint.scatter", "job.time_limit_s", "failures.silent", *beside)
    levels = enumerate(job.checkpoint.level or ())
    scatters = next((f"checkpoint.level.{at}.save (it scatters)" for at, one in levels if one.scatter), "")
    return ", ".join(one for one in (found, scatters) if one)


def rotating_of(job: Job, rotated: int) -> RotatingSave:
    """Saves of so many of the job's experts in turn."""
    point = job.checkpoint
    stall, _ = point.stall_and_copy_s()
    return RotatingSave(saving_of(job), job.experts or 1, rotated, point.always_written or 0.0, stall)


def rotating_levels_of(job: Job, rotated: tuple[int, int]) -> RotatingLevelSave:
    """Saves of so many of the job's experts in turn at each of its two levels."""
    whole: Any = saving_of(job)
    return RotatingLevelSave(whole, job.experts or 1, rotated, job.checkpoint.always_written or 0.0)


def _numbers(job: Job) -> tuple[int, ...]:
    """Experts in a save to each level as the job file says, all where it says nothing, 1 where they are chosen."""
    said = [one.rotating for one in job.checkpoint.level or ()]
    return tuple(1 if one is True else one or job.experts or 1 for one in said)


def today_of(job: Job) -> SavingPolicy:
    """The saves that rotate today, as many experts in each as the job file says."""
    if job.checkpoint.level is None:
        return rotating_of(job, int(job.checkpoint.rotating or 1))
    first, last = _numbers(job)
    return rotating_levels_of(job, (first, last))


def _left_out(job: Job) -> list[str]:
    """Why saves that rotate are left out, where they are."""
    beside = why_not(job)
    if beside:
        said = f"saves that rotate are left out: beside {beside} they are not modelled (without it they are)"
        return [LeftOut(said, of="full-rotating")]
    if job.pls_budget is None:
        return [LeftOut(f"saves that rotate are left out: {_UNBOUND}", of="full-rotating")]
    return []


_UNBOUND = "an [accuracy] budget says how many updates of the experts may be lost"


class RotatingSaves:
    """The kind of :class:`~cprmodel.facts.rotation.RotatingSave`."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        """Full recovery from saves that rotate, where the job file asks for them."""
        rotating = job.checkpoint.rotating
        if rotating is None:
            return [], []
        left_out = _left_out(job)
        if left_out:
            return [], left_out
        saving = rotating_of(job, 1 if rotating is True else rotating)
        return [Candidate("full-rotating", job.full_recovery, saving, within_budget=True)], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        """How many experts a save holds, unless the job file says so, and the interval of least overhead within
        the budget. Where nothing keeps it, what loses least of what is best without it."""
        from cprmodel.costing.rotating_search import best_rotating

        numbered = job.checkpoint.rotating is not True
        return best_rotating(job, model, strategy, math.inf if budget is None else budget, numbered)

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        """The time of saves as long, and the portion of lost updates."""
        from cprmodel.costing.rotated import spread, steps_of

        saving, work, mtbf = strategy.saving, job.job.work_s, job.failure_mix.mtbf_s
        assert isinstance(saving, RotatingSave)
        cost = model.cost(job, strategy)
        every = min(strategy.interval_s, work)
        lost, step = steps_of(saving, work, mtbf, every)
        saves = NUMPY.intervals(work, every) - 1
        written = saves / work * saving.share if cost.written_per_s is None else cost.written_per_s * saving.share
        return replace(
            cost,
            pls=float(step.value),
            written_per_s=float(written),
            steps=(*cost.steps[:1], lost, step),
            pls_standard_deviation=spread(saving, work, mtbf, every),
        )

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        """What of the checkpoint a save writes, and what its PLS is the portion of."""
        saving = strategy.saving
        assert isinstance(saving, RotatingSave)
        said = (
            f"a save holds {saving.rotated} of {count_of(saving.experts, 'expert')} in turn, "
            f"{format_share(saving.share)} of the checkpoint; expected PLS is the portion of the experts' updates"
        )
        more = getattr(model, "remarks", None)
        return [said, *(more(job, strategy.in_time) if more is not None else ())]


class RotatingLevels:
    """The kind of :class:`~cprmodel.facts.rotation.RotatingLevelSave`; what it computes is loaded where needed."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        """Full recovery from saves that rotate at two levels, where the job file asks for them."""
        if not any(one.rotating for one in job.checkpoint.level or ()):
            return [], []
        left_out = _left_out(job)
        if left_out:
            return [], left_out
        first, last = _numbers(job)
        saving = rotating_levels_of(job, (first, last))
        return [Candidate("full-rotating", job.full_recovery, saving, within_budget=True)], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        """How many experts are written at each level, how often at the last one, and the interval: those that the
        job file does not say, of least overhead within the budget. Where nothing keeps it, what loses least."""
        from cprmodel.costing.rotating_levels_search import best_rotating_levels

        return best_rotating_levels(job, model, strategy, math.inf if budget is None else budget)

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        """The time of saves as long, and the portion of lost updates."""
        from cprmodel.costing.rotating_levels import cost_of

        return cost_of(job, model.cost(job, strategy), strategy)

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        """What of the checkpoint is written at each level, and what its PLS is the portion of."""
        saving = strategy.saving
        assert isinstance(saving, RotatingLevelSave)
        parts = zip(saving.in_turn_by_level.items(), saving.shares, strict=True)
        held = " and ".join(
            f"{many} of {count_of(saving.experts, 'expert')} to {name}, {format_share(share)} of the checkpoint"
            for (name, many), share in parts
        )
        said = (
            f"a save writes {held}, each level in an order of its own; expected PLS is the portion of their updates"
        )
        more = getattr(model, "remarks", None)
        return [said, *(more(job, strategy.in_time) if more is not None else ())]


register(RotatingSave, RotatingSaves())
register(RotatingLevelSave, RotatingLevels())
