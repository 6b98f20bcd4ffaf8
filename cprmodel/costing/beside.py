r"""What stops a job beside its failures and their recoveries: maintenance by the calendar, waiting for a repair.

Waiting does not change which interval is best, for it lengthens all of the time alike; planned stops that are rare
hardly do. So they come on top of any cost model, and with it of any storage and any order of saving. Stops that
come by a period cut the work into parts, though: where saves block, each part is a number of intervals and a rest,
and intervals that leave no rest are looked at, too.

Waiting: a failure sends a node to repair and takes a spare; where all spares are in repair the job waits, and
nothing fails meanwhile. Failures come at the job's rate whenever it does not wait, so waiting is Erlang's system
beside all else that the job does (:mod:`cprmodel.formulas.spares`), exactly. Planned stops are counted in the time
that this leaves: as many as come before the job's expected end. In a chain of jobs with a time limit each begins
a clock anew, and spares a part of a limit; where they come sooner than a limit there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from cprmodel.costing.blocking import Exact, FirstOrder
from cprmodel.costing.chain_stops import spared_by, without_limit
from cprmodel.costing.counted_stops import counted
from cprmodel.costing.models import (
    BUDGET,
    STOPS,
    Choice,
    Cost,
    CostModel,
    Step,
    exact_makespan,
    one_by_one,
    share_sent_back,
    use,
    with_extra,
)
from cprmodel.costing.pace import course_of
from cprmodel.costing.paced import Paced
from cprmodel.costing.rhythm import (
    RARE,
    Between,
    between,
    by_calendar,
    frequent,
    gaps_of,
    in_whole_steps,
    longest_of,
    pieces,
)
from cprmodel.costing.saving import as_stored, saving_of, timed_saves
from cprmodel.costing.shorter import kept_shares
from cprmodel.costing.stops_words import about_counted, about_rare
from cprmodel.costing.stored_stops import (
    around,
    counts_stops,
    cut_evenly,
    done_between,
    least_save_s,
)
from cprmodel.costing.terms import WITHIN
from cprmodel.costing.until_stops import blocking_between
from cprmodel.costing.waiting import about_spares, waiting_step
from cprmodel.facts.formula import Formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import heeds_warnings
from cprmodel.facts.strategies import Recovery, Strategy, loses_samples
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.formulas.planned import (
    calendar_stops_overhead,
    chain_planned_overhead,
    planned_overhead,
)
from cprmodel.jobs import Job
from cprmodel.jobs.planned import about_dates, planned_calendar

__all__ = ["WithStops", "planned_stops"]


#: A job shorter than so many repairs is not long.
_SHORT = 20
#: More planned stops than this are not counted.
_MOST_STOPS = 10**6
#: An interval between planned stops is set by a budget that it uses up but for a tenth.
_BOUNDED = 0.9
_NO_WORK = "its planned stops leave no time for work between a load and a save"
_ENDLESS = "its planned stops have no end"
#: Beyond such an overhead without stops what is kept between them is not known well enough, and hardly anything is.
_HOPELESS = 1e6
_NOTHING_KEPT = "failures come so fast beside its interval that hardly any work is kept between planned stops"


def planned_stops(job: Job, elapsed_s: float, save_s: float) -> tuple[int, float]:
    """How many planned stops a job meets that would take so long without them, and their mean length [s].

    >>> planned_stops(Job.from_mapping({
    ...     "job": {"work": "30 d"}, "checkpoint": {"save": "1 min"},
    ...     "failures": {"mtbf": "1 d", "planned": [{"every": "7 d", "lasts": "4 h"}]},
    ... }), 31 * 86400.0, 60.0)
    (4, 14400.0)

    Those that overlap are one.
    """
    number, out, _ = _met(job, elapsed_s, job.load_s + save_s / 2)
    return number, out / number if number else 0.0


def _met(job: Job, elapsed_s: float, each_s: float) -> tuple[int, float, float]:
    """How many planned stops, what they last in all, and when the job ends with them [s].

    ``each_s``: what a stop costs beside its length [s]. Each makes room for more.
    """
    kinds = job.failures.planned or ()
    if len(kinds) == 1 and kinds[0].every_s is not None:
        (one,) = kinds
        every = kinds[0].every_s
        takes = one.lasts_s + each_s
        endless = every <= takes or elapsed_s > _MOST_STOPS * (every - takes)
        number = _MOST_STOPS if endless else max(math.ceil((elapsed_s - takes) / (every - takes)) - 1, 0)
        return number, number * one.lasts_s, elapsed_s + number * takes
    number, out, until = 0, 0.0, elapsed_s
    for begins, ends in planned_calendar(kinds, job.job.start):
        if begins >= until or number >= _MOST_STOPS:
            break
        number, out = number + 1, out + ends - begins
        until += ends - begins + each_s
    return number, out, until


def _of_chain(job: Job, strategy: Strategy, overhead: float, number: int) -> dict[str, Any] | None:
    """What so many planned stops meet of the time limits of a chain of jobs; None where there is no chain."""
    from cprmodel.costing.limited import fits_into_one

    if job.job.time_limit_s is None or fits_into_one(job, strategy.interval_s):
        return None
    back_share = share_sent_back(job.failure_mix, strategy.recovery)
    return {
        "overhead": overhead,
        "requeue_s": job.job.requeue_s or 0.0,
        "unsaved_s": 0.0 if job.saves_before_limit else strategy.interval_s / 2,
        **spared_by(job, number, back_share)._asdict(),
    }


def _of_lengths(model: CostModel, job: Job, strategy: Strategy, works: Any) -> Breakdown:
    """What such jobs cost that have so much useful work [s], as fractions of it."""
    if job.paced and not job.elastic and isinstance(model, Paced):
        return model.of_lengths(job, strategy, works, _of_lengths)
    if isinstance(model, Exact):
        every, save = strategy.saves_every_s, strategy.saving.save_s
        step = exact_makespan(works, every, save, job.failure_mix, strategy.recovery)
        parts: Breakdown = step.value.scaled(1 / works)
        return parts
    if isinstance(model, FirstOrder) or heeds_warnings(strategy.saving):  # the same of any
        return Breakdown(*(part + 0.0 * works for part in model.cost(job, strategy).breakdown))
    jobs = [job.model_copy(update={"job": job.job.model_copy(update={"work_s": one})}) for one in works.tolist()]
    return Breakdown(*np.array([model.cost(one, strategy).breakdown for one in jobs]).T)


@dataclass(frozen=True)
class WithStops:
    """A cost model, for jobs that also stop for other things than their failures."""

    inner: CostModel
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    @property
    def name(self) -> str:
        """That of the model inside."""
        return self.inner.name

    @property
    def _inner(self) -> CostModel:
        return with_extra(self.inner, self.extra_s)

    def full_interval(self, job: Job) -> Choice:
        """As the model inside has it, or in equal pieces between planned stops."""
        job = without_limit(job)
        return self._in_pieces(job, job.full_recovery, self._inner.full_interval(job), math.inf)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """As the model inside has it, or in equal pieces between planned stops, within the budget."""
        job = without_limit(job)
        found = self._inner.partial_interval(job, pls_budget)
        return self._in_pieces(job, job.partial_recovery, found, pls_budget * WITHIN)

    def _in_pieces(self, job: Job, recovery: Recovery, found: Choice, budget: float) -> Choice:
        at_first = Strategy(recovery.name, recovery, found.saving or saving_of(job), found.interval_s)
        rhythm = self._rhythm(job, at_first)
        if rhythm is not None:
            near, rooms = rhythm.interval_s, [self._period(job) - job.load_s]
        elif self._by_calendar(job, at_first):
            near, rooms = self._played(job, at_first).interval_s, self._rooms(job, at_first)
        else:
            return found

        def cost_of(every: float) -> Cost:
            return self.cost(job, replace(at_first, interval_s=every))

        def costs(every: float) -> float:
            cost = cost_of(every)
            if every > found.interval_s and cost.pls > budget:
                return math.inf
            return float(cost.breakdown.total) + self.extra_s * (1 / every + cost.written_beside_per_s)

        if counts_stops(job, at_first) and rooms and timed_saves(at_first.saving) is not None:
            tried = [near, *in_whole_steps(job, around(near))]
            closest = replace(at_first, interval_s=min(tried, key=costs))
            tried += in_whole_steps(job, cut_evenly(closest, rooms))
        else:
            paces = {course_of(job).pace, 1.0}  # in spells that are short or long beside these times
            cut = [one * pace for pace in paces for room in rooms for one in pieces(job, near / pace, room)]
            tried = [near, *in_whole_steps(job, [*cut, longest_of(job)] if job.paced and rooms else cut)]
        best = min(tried, key=costs)
        if best == found.interval_s:
            return found
        bounded = found.set_by == BUDGET and cost_of(best).pls > _BOUNDED * budget
        return replace(found, interval_s=best, set_by=BUDGET if bounded else STOPS)

    @staticmethod
    def _period(job: Job) -> float:
        """Time without a planned stop between two of one kind [s]."""
        (one,) = job.failures.planned or ()
        return (one.every_s or math.inf) - one.lasts_s

    @staticmethod
    def _by_calendar(job: Job, strategy: Strategy) -> bool:
        """Whether planned stops are counted one by one."""
        return (strategy.plain and by_calendar(job)) or counts_stops(job, strategy)

    def _rooms(self, job: Job, strategy: Strategy) -> list[float]:
        """Times for work and saves that are cut into equal pieces, where planned stops are not rare [s]."""
        base = float(self._inner.cost(job, strategy).breakdown.total)
        if not math.isfinite(base):
            return []
        number, _, until = _met(job, job.job.work_s * (1 + base), job.load_s + job.save_s / 2)
        every_s = strategy.saves_every_s * as_stored(strategy.saving, strategy.recovery).segments
        return frequent(job, number) if until / (number + 1) <= RARE * every_s else []

    def _rhythm(self, job: Job, strategy: Strategy) -> Between | None:
        """What is done between planned stops that come by a period; None where none comes, or others do."""
        found = between(job, strategy.interval_s) if strategy.plain else None
        if found is None or found.last_s <= 0:
            return None
        base = self._inner.cost(job, replace(strategy, interval_s=found.interval_s)).breakdown.total
        number, _, _ = _met(job, job.job.work_s * (1 + float(base)), 0.0) if math.isfinite(base) else (0, 0.0, 0.0)
        return found if number else None

    def _played(self, job: Job, strategy: Strategy) -> Strategy:
        """With an interval that is not longer than the work between two planned stops."""
        rhythm = self._rhythm(job, strategy)
        if rhythm is not None:
            return replace(strategy, interval_s=rhythm.interval_s)
        if self._by_calendar(job, strategy) and (most := longest_of(job)) < strategy.interval_s:
            return replace(strategy, interval_s=most)
        return strategy

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """The cost of the model inside, and of what stops the job besides."""
        job = without_limit(job)
        for one in job.failures.planned or ():
            least = least_save_s(strategy.saving) if counts_stops(job, strategy) else job.save_s
            if one.every_s is not None and one.every_s - one.lasts_s <= job.load_s + least:
                nothing = Breakdown(0.0, 0.0, math.inf, 0.0)
                return Cost(nothing, 0.0, refused=_NO_WORK)
        played = self._played(job, strategy)
        return self._with_stops(job, played, self._inner.cost(job, played), strategy.interval_s)

    def _stop_formula(
        self, job: Job, strategy: Strategy, base: float, number: int
    ) -> tuple[Formula[Any, Any], dict[str, Any]]:
        """What gives what planned stops cost, and what it takes beside their number, their length and the work."""
        half = (job.job.step_s or 0.0) / 2
        given = {"save_s": job.save_s, "load_s": job.load_s, "idle_s": half}
        chain = _of_chain(job, strategy, base, number)
        if chain is not None:
            return chain_planned_overhead, {**given, **chain}
        return planned_overhead, given

    def _stops(self, job: Job, strategy: Strategy, base: float, waiting: float) -> tuple[float, float, float, Step]:
        """How many planned stops, their mean length, when the job ends [s], and what they cost."""
        if self._by_calendar(job, strategy):
            costs = partial(_of_lengths, self._inner, job, strategy)
            done = done_between if counts_stops(job, strategy) else blocking_between
            found = counted(job, strategy, base + waiting, costs, partial(done, job, strategy))
            if found is not None:
                number, lasts, until, *adds = found
                more = dict(zip(("more_saves", "more_lost_s"), adds, strict=True))
                given = {"work_s": job.job.work_s, "planned": number, "outage_s": lasts, **more}
                step = use(calendar_stops_overhead, save_s=job.save_s, load_s=job.load_s, **given)
                return number, lasts, until, step
        work, elapsed = job.job.work_s, job.job.work_s * (1 + base + waiting)
        each = job.load_s + job.save_s / 2
        number, out, until = _met(job, elapsed, each)
        formula, given = self._stop_formula(job, strategy, base + waiting, number)
        lasts = out / number if number else 0.0
        step = use(formula, work_s=work, planned=number, outage_s=lasts, **given)
        return number, lasts, until, step

    def _kept_shares(self, job: Job, strategy: Strategy, number: float) -> tuple[float, float]:
        """Of PLS and its scatter what is left where planned stops, counted one by one, cut intervals short."""
        if not loses_samples(strategy.recovery) or not self._by_calendar(job, strategy):
            return 1.0, 1.0
        return kept_shares(job, strategy, gaps_of(job, math.ceil(number)), number)

    def _with_stops(self, job: Job, strategy: Strategy, cost: Cost, interval_s: float) -> Cost:
        parts, steps, waiting, planned, pls = cost.breakdown, list(cost.steps), 0.0, 0.0, cost.pls
        written, spread = cost.written_beside_per_s, cost.pls_standard_deviation
        if not math.isfinite(parts.total):
            return cost
        if job.waits_for_repairs:
            step = waiting_step(job, float(parts.total), job.cluster.spares or 0)
            waiting = float(step.value)
            parts = parts._replace(reschedule=parts.reschedule + waiting)
            steps.append(step)
        if job.failures.planned and math.isfinite(parts.total):
            work = job.job.work_s
            number, _, _, step = self._stops(job, strategy, float(parts.total), 0.0)
            by_one = step.formula is calendar_stops_overhead
            if number >= _MOST_STOPS or (by_one and parts.total > _HOPELESS):
                refused = _ENDLESS if number >= _MOST_STOPS else _NOTHING_KEPT
                return replace(cost, breakdown=parts._replace(lost=math.inf), refused=refused)
            planned = float(step.value.reschedule)
            kept, of_scatter = self._kept_shares(job, strategy, number)
            pls *= kept
            if spread is not None:
                spread *= of_scatter
            parts = Breakdown(*(one + more for one, more in zip(parts, step.value, strict=True)))
            if by_one:
                parts = _as_failures_come(parts, cost.breakdown, parts.total - waiting - planned)
            steps.append(step)
            a_save = 1.0 if cost.written_per_s is None else cost.written_per_s * strategy.saves_every_s
            more = float(step.value.save) / job.save_s if job.save_s > 0 else number / work / 2
            written += more * min(a_save, 1.0) + 1 / strategy.interval_s - 1 / interval_s
        return replace(
            cost,
            breakdown=parts,
            pls=pls,
            pls_standard_deviation=spread,
            steps=tuple(steps),
            planned=planned,
            waiting=waiting,
            written_beside_per_s=written,
        )

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        return one_by_one(self, job, strategy, intervals_s)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """What a reader of the figures should know; what one spare more or less would do."""
        said, limit = getattr(self._inner, "remarks", None), job.job.time_limit_s
        job = without_limit(job)
        if limit is not None and job.job.time_limit_s is None:
            notes = [f"planned stops begin the clock anew before its time limit of {format_time(limit)} is reached"]
        else:
            notes = list(said(job, strategy)) if said is not None else []
        played = self._played(job, strategy)
        base = float(self._inner.cost(job, played).breakdown.total)
        if job.waits_for_repairs and math.isfinite(base):
            notes.append(about_spares(job, base))
            repairs = job.job.work_s * (1 + base) / (job.repair_s or math.inf)
            if repairs < _SHORT:
                notes.append(
                    f"the job lasts only {repairs:.3g} repairs: this waiting is that of a long one, and one that "
                    "begins with all its nodes waits less (cprmodel simulate plays it)"
                )
        if job.failures.planned and math.isfinite(base):
            cost = self.cost(job, strategy)
            number, lasts, until, step = self._stops(job, played, base, cost.waiting)
            stops = count_of(number, "planned stop")
            each = f" of {format_time(lasts)}" if number else ""
            notes.append(f"{stops}{each} in its time, {format_share(cost.planned)} of the work")
            notes += about_dates(job.failures.planned, job.job.start, until)
            if step.formula is calendar_stops_overhead:
                notes += about_counted(job, strategy, played, number, until)
            elif step.formula is planned_overhead:  # not of a chain
                notes += about_rare(job, played, number, until)
        return notes


def _as_failures_come(parts: Breakdown, without: Breakdown, overhead: float) -> Breakdown:
    """Failures stop a job as often as they come in all its time, which is another one with planned stops.

    ``without``: its parts without them; ``overhead``: with them, but for the time in which nothing fails.
    """
    more = (overhead - without.total) / (1 + without.total)
    load, reschedule = more * without.load, more * without.reschedule
    return Breakdown(parts.save, parts.load + load, parts.lost - load - reschedule, parts.reschedule + reschedule)
