r"""Jobs that do not always train at full speed: stragglers, and fewer nodes while others are repaired.

Saves, loads and stops take the time that they take, and failures come by the time: a job that trains at a share ψ
of its speed is one whose work, step and interval are 1/ψ as long. So any cost model prices it, at each speed. On
fewer replicas failures are rarer, too. Over the numbers of replicas (:mod:`cprmodel.costing.fewer`) useful work
adds up by their shares of the time; to shrink and to grow again costs what
:func:`~cprmodel.formulas.reshape_loss` says.

The interval stays the same work, wherever the job is. To first order it is best where
τ² = 2 C E[ψ²]/E[λ], over the time; with stragglers that is √(2Cμ) on the wall's clock, as without them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cprmodel.costing.fewer import Fleet
from cprmodel.costing.models import BUDGET, WHOLE_JOB, Choice, Cost, CostModel, Step, one_by_one, use, with_extra
from cprmodel.costing.pace import Course, course_of, slower
from cprmodel.costing.paced_words import about_pace
from cprmodel.costing.saving import saving_of
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, Recovery, RollBack, Strategy
from cprmodel.formulas.pace import cut_short, elastic_overhead, reshape_loss, straggling_overhead, straggling_pace
from cprmodel.jobs import Job

__all__ = ["Paced"]

#: A spell of which nothing is said [s]: much longer than any save.
_LASTING = 1e12
#: What says how much of an interval is cut short by a save before a job grows.
_CUT = ("cycle_s", "return_s", "reschedule_s", "recovery_s", "rolled_back")
#: How often a budget is asked for anew, to be kept over all speeds together.
_TRIES = 12
#: How closely it is then used up.
_KEPT = 1e-10
#: How far beside the interval that one speed suggests the best over all is looked for, again and again.
_NEAR = (1.1, 1.01)


def _at(strategy: Strategy, speed: float) -> Strategy:
    return replace(strategy, interval_s=strategy.interval_s / speed)


class _Reshapes(NamedTuple):
    lost: float  # of a second, in seconds at full speed
    spared: float  # of a second, seconds of work times the samples lost, for which nothing is lost
    saves: float  # of a second, saves before it grows
    steps: tuple[Step, ...]  # of what happens most often


def _reshapes(
    job: Job, strategy: Strategy, course: Course, nets: Sequence[float], pls: Sequence[float]
) -> _Reshapes:
    """What all reshapes take of the work; by the speeds of the course, time at work in a second, and the PLS."""
    elastic, fleet = job.job.elastic, course.fleet
    if elastic is None or fleet is None:
        return _Reshapes(0.0, 0.0, 0.0, ())
    mix = job.failure_mix
    known = dict(zip(fleet.replicas, zip(course.speeds, course.rates, nets, pls, strict=True), strict=True))
    responses = {kind: strategy.recovery.response(kind) for kind in FailureKind}
    returns = {kind: float(one.rolls_back is RollBack.EVERYBODY) for kind, one in responses.items()}
    fixed: dict[str, Any] = {
        "reshape_s": elastic.reshape_s,
        "interval_s": strategy.interval_s,
        "save_s": strategy.saving.save_s,
        "load_s": responses[FailureKind.WHOLE_JOB].load_s,
        "whole_job_share": sum(mix.share(kind) * back for kind, back in returns.items()),
    }
    total, spared, saves, most, main = 0.0, 0.0, 0.0, 0.0, None
    for one in fleet.crossings:
        if one.replicas not in known or one.replicas - 1 not in known:
            continue  # one of the two is never there
        speed, rate, net, _ = known[one.replicas]
        after, after_rate, after_net, lost = known[one.replicas - 1]
        for kind, response in responses.items():
            often = one.share * rate * job.repair_share * mix.share(kind) / mix.mtbf_s
            if not often > 0:
                continue
            step = use(
                reshape_loss,
                pace=course.pace * speed * net,
                fewer_pace=course.pace * after * after_net,
                cycle_s=strategy.interval_s / (course.pace * after) + strategy.saving.save_s,
                return_s=(job.repair_s or 0.0) / one.broken,
                reschedule_s=response.reschedule_s,
                recovery_s=response.total_s,
                mtbf_s=mix.mtbf_s / after_rate,
                rolled_back=returns[kind],
                **fixed,
            )
            total += often * float(step.value)
            left, sooner = cut_short(**{name: step.arguments[name] for name in _CUT})
            spared += often * lost * strategy.interval_s * float(sooner)
            saves += often * float(left)
            if often > most:
                most, main = often, step
    return _Reshapes(total, spared, saves, () if main is None else (main,))


@dataclass(frozen=True)
class Paced:
    """A cost model, for jobs that do not always train at full speed."""

    inner: CostModel
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    @property
    def name(self) -> str:
        """That of the model inside."""
        return self.inner.name

    def _for_choices(self, job: Job, course: Course) -> tuple[CostModel, Job, float]:
        """The model that finds the best interval, and in which job of one speed; and that speed."""
        speed = math.sqrt(course.mean(2))
        more = _oftener(job, job.save_s) * job.save_s
        return with_extra(self.inner, self.extra_s + more), slower(job, speed, course.failing), speed

    def full_interval(self, job: Job) -> Choice:
        """The work between two saves that costs least, over all speeds."""
        model, one, speed = self._for_choices(job, course_of(job))
        return self._refined(job, job.full_recovery, _stretched(model.full_interval(one), speed), math.inf)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same within a budget, kept over all speeds together."""
        model, one, speed = self._for_choices(job, course_of(job))
        asked, kept, seen = pls_budget, None, set()
        for _ in range(_TRIES):
            choice = _stretched(model.partial_interval(one, min(asked, 1.0)), speed)
            lost = self.cost(job, _strategy_of(job, job.partial_recovery, choice)).pls
            if lost <= pls_budget * WITHIN and (kept is None or choice.interval_s > kept.interval_s):
                kept = choice
            room = pls_budget / lost if lost > 0 else 1.0
            if abs(room - 1) < _KEPT or (room > 1 and choice.set_by != BUDGET):
                break
            if kept is not None and job.job.time_limit_s is not None and choice.interval_s in seen:
                break  # of a chain of jobs few intervals are good, and each takes long to be found
            seen.add(choice.interval_s)
            asked *= room
        return choice if kept is None else self._refined(job, job.partial_recovery, kept, pls_budget)

    def _refined(self, job: Job, recovery: Recovery, choice: Choice, budget: float) -> Choice:
        """The best beside a choice that one speed made for all of them, within the budget."""
        work, step = job.job.work_s, job.job.step_s
        if not job.elastic or choice.set_by == WHOLE_JOB:
            return choice
        start = _strategy_of(job, recovery, choice)

        def value(interval_s: float) -> float:
            cost = self.cost(job, replace(start, interval_s=interval_s))
            saves = 1 / interval_s + cost.written_beside_per_s
            total = float(cost.breakdown.total) + self.extra_s * saves
            return total if cost.pls <= budget * WITHIN else math.inf

        def even(interval_s: float) -> float:
            pieces = self.name == "exact" and step is None
            return value(work / max(round(work / interval_s), 1) if pieces else interval_s)

        every = choice.interval_s if choice.set_by == BUDGET else _bottom(even, choice.interval_s)
        tried = [choice.interval_s, min(every, work)]
        if step is not None:
            below = max(math.floor(every / step * (1 + 1e-12)), 1)
            tried = [choice.interval_s, *(min(n * step, work) for n in (below, below + 1))]
        elif self.name == "exact":  # equal pieces
            below = max(math.floor(work / every * (1 + 1e-12)), 1)
            tried = [choice.interval_s, work / below, work / (below + 1)]
        return replace(choice, interval_s=min(dict.fromkeys(tried), key=value))

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """What a strategy costs and loses, over all speeds."""
        return self._cost_on(job, strategy, course_of(job))

    def _cost_on(self, job: Job, strategy: Strategy, course: Course) -> Cost:
        found = []
        for speed, rate in zip(course.speeds, course.rates, strict=True):
            at = course.pace * speed
            found.append(with_extra(self.inner, self.extra_s).cost(slower(job, at, rate), _at(strategy, at)))
        if not all(math.isfinite(float(one.breakdown.total)) for one in found):
            return found[0]
        more = _oftener(job, strategy.saving.save_s)
        at_work = [1 / (1 + float(one.breakdown.total) + more * float(one.breakdown.save)) for one in found]
        nets = [share * each for share, each in zip(course.shares, at_work, strict=True)]
        net = sum(part * speed for part, speed in zip(nets, course.speeds, strict=True)) * course.pace
        reshapes = _reshapes(job, strategy, course, at_work, [float(one.pls) for one in found])
        step = use(elastic_overhead, net_pace=net, reshaping=reshapes.lost)
        total = float(step.value)
        if net - reshapes.lost <= 0 or not math.isfinite(total):
            return replace(found[0], breakdown=Breakdown(0.0, 0.0, math.inf, 0.0))
        scale = 1 + total
        parts = [
            scale * sum(part * float(getattr(one.breakdown, name)) for part, one in zip(nets, found, strict=True))
            for name in Breakdown._fields
        ]
        waiting = course.waits * scale
        fewer = scale * sum(part * (1 - speed) for part, speed in zip(nets, course.speeds, strict=True))
        slow = total - sum(parts) - waiting - fewer - scale * reshapes.lost
        slow = slow if job.cluster.stragglers is not None else 0.0
        fewer = total - sum(parts) - waiting - slow if course.fleet is not None else 0.0
        parts[-1] += waiting + fewer + slow
        works = [scale * course.pace * part * speed for part, speed in zip(nets, course.speeds, strict=True)]
        lost = sum(work * float(one.pls) for work, one in zip(works, found, strict=True))
        return replace(
            found[0],
            breakdown=Breakdown(*parts),
            pls=max(lost / sum(works) - scale * reshapes.spared, 0.0),
            pls_standard_deviation=_together(works, found),
            written_per_s=_written(course, found[0]),
            written_beside_per_s=scale * reshapes.saves,
            steps=self._steps(job, strategy, course, found[0], step, reshapes),
            waiting=waiting,
            fewer=fewer,
            slow=slow,
        )

    def _steps(
        self, job: Job, strategy: Strategy, course: Course, first: Cost, step: Step, reshapes: _Reshapes
    ) -> tuple[Step, ...]:
        steps, slow = list(first.steps), job.cluster.stragglers
        if slow is not None:
            lasts = _LASTING if slow.lasts_s is None else slow.lasts_s
            steps.append(
                use(
                    straggling_overhead,
                    overhead=float(first.breakdown.total),
                    save_overhead=float(first.breakdown.save),
                    slow_share=slow.share,
                    slow_rate=slow.rate,
                    spell_s=lasts,
                    save_s=strategy.saving.save_s,
                )
            )
        return (*steps, *reshapes.steps, step) if course.fleet is not None else tuple(steps)

    def of_lengths(
        self, job: Job, strategy: Strategy, works: Any, of: Callable[[CostModel, Job, Strategy, Any], Breakdown]
    ) -> Breakdown:
        """What jobs cost that have so much useful work [s], beside stragglers alone; ``of``: jobs of one speed."""
        pace = course_of(job).pace
        parts = of(self.inner, slower(job, pace), _at(strategy, pace), works / pace)
        more = _oftener(job, strategy.saving.save_s) * parts.save
        slow = (1 + more) / pace - 1
        return parts.scaled(1 / pace)._replace(reschedule=parts.reschedule / pace + slow)

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        return one_by_one(self, job, strategy, intervals_s)

    def lost_on(self, job: Job, strategy: Strategy, fleet: Fleet) -> float:
        """What broken nodes take of the work of a job on some fleet: waiting, fewer nodes, and reshapes."""
        cost = self._cost_on(job, strategy, course_of(job, fleet))
        return cost.waiting + cost.fewer if math.isfinite(float(cost.breakdown.total)) else math.inf

    def remarks(self, job: Job, strategy: Strategy) -> Sequence[str]:
        """What a reader of the figures should know."""
        said = getattr(self.inner, "remarks", None)
        pace = course_of(job).pace
        notes = list(said(slower(job, pace), _at(strategy, pace))) if said is not None else []
        return [*notes, *about_pace(self, job, strategy)]


def _oftener(job: Job, save_s: float) -> float:
    """By how much more a save costs that comes after so much work than one by the clock: of its time, a share."""
    slow = job.cluster.stragglers
    if slow is None or not job.plain:
        return 0.0
    lasts = _LASTING if slow.lasts_s is None else slow.lasts_s
    given = {"slow_share": slow.share, "slow_rate": slow.rate, "spell_s": lasts, "save_s": save_s}
    pace = float(straggling_pace.raw(slow.share, slow.rate))
    return pace * (1 + float(straggling_overhead.raw(0.0, 1.0, **given))) - 1


def _strategy_of(job: Job, recovery: Recovery, choice: Choice) -> Strategy:
    return Strategy(recovery.name, recovery, choice.saving or saving_of(job), choice.interval_s)


def _bottom(value: Callable[[float], float], near: float) -> float:
    """Where a valley is lowest: that of parabolas through three points each, in logarithms."""
    for ratio in _NEAR:
        low, here, high = (value(near * factor) for factor in (1 / ratio, 1.0, ratio))
        bends = low - 2 * here + high
        if not (math.isfinite(bends) and bends > 0):
            break
        near *= ratio ** min(max((low - high) / (2 * bends), -1.0), 1.0)
    return near


def _stretched(choice: Choice, speed: float) -> Choice:
    return replace(choice, interval_s=choice.interval_s * speed)


def _together(works: Sequence[float], found: Sequence[Cost]) -> float | None:
    """Standard deviation of one run's PLS: variances of what is lost in pieces of work add up."""
    each = [one.pls_standard_deviation for one in found]
    if any(one is None for one in each):
        return None
    return math.sqrt(sum(work * (one or 0.0) ** 2 for work, one in zip(works, each, strict=True)) / sum(works))


def _written(course: Course, first: Cost) -> float | None:
    return None if first.written_per_s is None else first.written_per_s / (course.pace * course.speeds[0])
