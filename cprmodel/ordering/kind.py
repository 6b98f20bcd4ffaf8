"""How planning deals with saves that take some rows before others: interval, cost and words of each order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product

from cprmodel.costing.kinds import Candidate, LeftOut, register
from cprmodel.costing.models import BUDGET, OPTIMUM, UNHEEDED, WHOLE_JOB, Choice, Cost, CostModel
from cprmodel.costing.saving import free_levels
from cprmodel.costing.terms import SHORT, WITHIN
from cprmodel.facts.errors import JobError
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import WarnedSave
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job
from cprmodel.jobs.warned import rows_in_time
from cprmodel.ordering.ways import (
    WOBBLE,
    best_at,
    chosen,
    guessed,
    is_exact,
    lost_by,
    may_cost_less,
    of_least_overhead,
    spent_by,
    variants,
)

__all__ = ["OrderedSaves"]


#: So often at the most an interval is shortened by WOBBLE, where a simulated loss is just above the budget.
_TRIES = 12
#: An interval that keeps the budget may do so to this precision.
_JUST = 1 + 1e-9


#: Of so few whole steps between two saves, numbers of saves to lower levels so near are tried in each.
_FEW, _NEAR = 40, 3


#: The order of a harm record that a plan weighs, too.
LEAST_HARM = "least-harm"


def unmodelled(job: Job) -> str:
    """What the job says beside which orders of rows are not modelled; "" where nothing does."""
    point = job.checkpoint
    saves = ["checkpoint.dirty_curve", "checkpoint.scatter", "checkpoint.unreadable"]
    said = job.given(*saves, "job.time_limit_s", "failures.silent", "job.elastic", "cluster.stragglers")
    levels = point.level or ()
    if len(levels) > 1 and (point.incremental or any(one.scatter or one.copies for one in levels)):
        more = job.given("checkpoint.incremental") or "copies or save times that scatter"
        return ", ".join(one for one in (said, f"{more} at several levels") if one)
    if len(levels) == 1 and levels[0].scatter:
        return "checkpoint.level.0.save (it scatters)"
    return said


class OrderedSaves:
    """The kind of :class:`~cprmodel.facts.strategies.PrioritySave`."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        """Partial recovery with each order; none without ``[access]`` and a budget."""
        if job.access is None:
            return [], []
        notes: list[str] = []
        if job.pls_budget is None or job.cluster.embedding_shards is None:
            missing = "they need embedding_shards and an [accuracy] budget"
            notes.append(LeftOut(f"[access] is not used for ordered saves: {missing}", of="partial-"))
        beside = "" if job.plain and not job.paced else unmodelled(job)
        if beside:
            said = f"beside {beside} they are not modelled (without it they are)"
            notes.append(LeftOut(f"saves in an order of the rows are left out: {said}", of="partial-"))
        if notes:
            return [], notes
        from cprmodel.ordering.stale import ORDERS

        fraction, orders = job.access.priority_fraction, [*ORDERS]
        if job.accuracy is not None and job.accuracy.of_order(LEAST_HARM) is not None:
            orders.append(LEAST_HARM)
        if job.plain:
            saves = [PrioritySave(job.save_s * fraction, fraction, order) for order in orders]
        else:
            from cprmodel.ordering.stored import stored_saves

            saves = [*stored_saves(job, orders)]
        return [
            Candidate(f"partial-{one.order}", job.partial_recovery, one, within_budget=True) for one in saves
        ], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        """The interval of least overhead where it keeps the budget, else the longest that does, in whole steps.

        Where none does that costs no more than full recovery, the one of least overhead, which is above the budget.
        Where failures are announced, whether to save then, and how much, is chosen, too.
        """
        assert budget is not None
        saving = strategy.saving
        if isinstance(saving, StoredPrioritySave) and saving.topped:
            return self._topped(job, model, strategy, budget)
        if not isinstance(saving, StoredPrioritySave) or job.checkpoint.warning is None:
            return self._choose(job, model, strategy, budget)
        looked = []
        for one, begun in variants(job, saving):
            spends, at_best = best_at(job, model, replace(strategy, saving=one))
            looked.append((guessed(job, model, spends, at_best, budget), spends, at_best, begun))
        best, least, over = Choice(0.0, OPTIMUM), math.inf, math.inf
        for _, spends, at_best, begun in sorted(looked, key=lambda four: four[:2]):
            # whatever it loses, it costs no less than at its best: what cannot be the best is not looked at
            if over == 0 and not may_cost_less(job, model, at_best, spends, budget, least, begun):
                continue
            choice = self._choose(job, model, at_best, budget, begun)
            found = chosen(at_best, choice)
            breaks, spent = max(lost_by(job, model, found).pls - budget * _JUST, 0.0), spent_by(job, model, found)
            if (breaks, spent) < (over, least):
                best, least, over = replace(choice, saving=found.saving), spent, breaks
        if len(looked) > 1 and getattr(best.saving, "whole", saving.whole).warned is None:
            best = replace(best, notes=(*best.notes, UNHEEDED))
        return best

    def _choose(
        self,
        job: Job,
        model: CostModel,
        strategy: Strategy,
        budget: float,
        begun: Sequence[WarnedSave] = (),
    ) -> Choice:
        assert isinstance(strategy.saving, PrioritySave)
        best = of_least_overhead(job, model, strategy.saving)
        pls = lost_by(job, model, chosen(strategy, best)).pls
        if pls > budget:
            try:
                start = model.partial_interval(job, budget).interval_s
            except JobError:  # where each save takes everything, no interval keeps it
                start = job.job.work_s / 2
            from cprmodel.ordering.within_budget import within_budget

            at = replace(strategy, interval_s=start, saving=best.saving or strategy.saving)
            shortest_s = _not_worth(job, model, strategy)
            spent = partial(spent_by, job, model)
            slow = (
                job.checkpoint.warning is not None and best.interval_s * strategy.saving.fraction < job.job.work_s
            )
            above_s = (best.interval_s, pls) if slow else None  # where each try takes long, from there on
            within = within_budget(job, at, budget, is_exact(model), shortest_s, spent, begun, above_s)
            if within is not None:
                best = Choice(within.interval_s, BUDGET, saving=best.saving and within.saving)
        strategy = replace(strategy, saving=best.saving or strategy.saving)
        return _in_few_steps(job, model, strategy, budget, _in_steps(job, model, strategy, budget, best))

    def may_cost_less(self, job: Job, model: CostModel, strategy: Strategy, budget: float, least: float) -> bool:
        """Whether it may within the budget: it does not where it is above that at the last interval that would."""
        saving = strategy.saving
        if isinstance(saving, StoredPrioritySave) and saving.topped:
            return True
        for one, begun in variants(job, saving):
            spends, at_best = best_at(job, model, replace(strategy, saving=one))
            if may_cost_less(job, model, at_best, spends, budget, least, begun):
                return True
        return False

    def _topped(self, job: Job, model: CostModel, strategy: Strategy, budget: float) -> Choice:
        """The interval and the numbers of saves of least overhead within the budget, both at once."""
        from cprmodel.ordering.pls import interval_for_pls
        from cprmodel.ordering.topped_search import best_topped

        assert isinstance(strategy.saving, PrioritySave)
        choice = best_topped(job, model, strategy, budget)
        if choice is not None and (
            choice.set_by == BUDGET or lost_by(job, model, chosen(strategy, choice)).pls > budget
        ):
            shortest_s = _not_worth(job, model, strategy)
            within_s = interval_for_pls(job, chosen(strategy, choice), budget, is_exact(model), shortest_s)
            choice = None if within_s is None else replace(choice, interval_s=within_s, set_by=BUDGET)
        if choice is None:
            choice = of_least_overhead(job, model, strategy.saving)
        return _in_steps(job, model, replace(strategy, saving=choice.saving or strategy.saving), budget, choice)

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        """The time of saves as often and as long, and the order's own PLS."""
        cost = model.cost(job, strategy)
        found = lost_by(job, model, strategy)
        saving = strategy.saving  # stored: the model knows what it writes, but where the last level takes a part
        stored = isinstance(saving, StoredPrioritySave) and (saving.topped or not saving.levelled)
        whole = cost.written_per_s
        return replace(
            cost,
            pls=found.pls,
            written_per_s=None if whole is None else whole * (1 if stored else strategy.saving.fraction),
            steps=(*cost.steps[:1], found.step),
            pls_standard_deviation=found.standard_deviation,
            pls_standard_error=found.standard_error,
        )

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        """How sure the PLS is."""
        error, said = lost_by(job, model, strategy).standard_error, []
        if strategy.order == LEAST_HARM:
            like = replace(strategy.saving, order="mfu")  # type: ignore[type-var]
            of_mfu = lost_by(job, model, replace(strategy, saving=like)).pls
            found = lost_by(job, model, strategy).pls
            said.append(
                f"expected PLS is MFU's, {of_mfu:.3g}, times {found / of_mfu:.3g}: what least harm loses over MFU "
                "in the record's rows; in real training it cost 46% less than MFU (real clicks) to 23% more (Adam)"
            )
        if error:
            said.append(f"expected PLS, of updates, is from a simulation of the order (standard error {error:.1g})")
        saving = strategy.saving
        if isinstance(saving, StoredPrioritySave):
            said += _on_warning(job, saving)
        if isinstance(saving, StoredPrioritySave) and saving.levelled:
            said.append(f"saves {format_share(saving.fraction)} of the rows{strategy.beside}")
        if isinstance(saving, StoredPrioritySave) and saving.topped:
            said += _topped_notes(job, saving, strategy.saves_every_s)
        if isinstance(saving, StoredPrioritySave) and saving.of_dirty:
            share = saving.written(strategy.saves_every_s)
            said.append(f"a save writes {format_share(share)} of the checkpoint")
        return said


def _on_warning(job: Job, saving: StoredPrioritySave) -> list[str]:
    """What is saved then, where that is not everything."""
    fits = rows_in_time(job.checkpoint)
    if saving.whole.warned is not None and saving.warned_rows < 1:
        warning = job.checkpoint.warning
        assert warning is not None
        rows, takes = format_share(saving.warned_rows), format_time(saving.whole.warned.save_s)
        return [
            f"on a warning, {format_time(warning.lead_s)} ahead, the first {rows} of the rows are saved ({takes})"
        ]
    if saving.whole.warned is None and saving.order == "ssu" and 0 < fits < saving.fraction:
        listed = f"the sampled list, {format_share(saving.fraction)} of the rows"
        return [f"nothing is saved on a warning: {listed}, is taken whole, and {format_share(fits)} of them fit"]
    return []


def _topped_notes(job: Job, saving: StoredPrioritySave, saves_every_s: float) -> list[str]:
    """What a plan does not do, or does not know exactly, where everything is saved to a level above the order's."""
    said, levels = [], saving.whole.levels
    every_s = saves_every_s * saving.whole.segments / saving.segments
    if job.job.work_s < SHORT * every_s and saves_every_s < job.job.work_s:
        said.append(
            f"the job is only {count_of(job.job.work_s / every_s, 'interval')} of saves to {levels[-1].name} long, "
            "and this overhead that of a long one: cprmodel simulate plays it as it is"
        )
    return said


def _not_worth(job: Job, model: CostModel, strategy: Strategy) -> float:
    """The interval below which the saves alone cost more than full recovery at its best [s]."""
    every = model.full_interval(job).interval_s
    full = model.cost(job, Strategy("full", job.full_recovery, job.saving, every)).breakdown.total
    saving = strategy.saving
    least = saving.least_s if isinstance(saving, StoredPrioritySave) else saving.save_s
    return least * getattr(saving, "segments", 1) / float(full) / saving.fraction


def _in_steps(job: Job, model: CostModel, strategy: Strategy, budget: float, choice: Choice) -> Choice:
    """The better of the neighbours that are whole numbers of steps; the end of the job is one."""
    step_s, work, fraction = _steps_s(job, strategy), job.job.work_s, strategy.saving.fraction
    every = choice.interval_s * fraction
    if every >= work:
        return replace(choice, interval_s=work / fraction, set_by=WHOLE_JOB)
    if step_s is None:
        return choice
    number = max(math.floor(every / step_s * (1 + 1e-12)), 1)
    tried = [_at_steps(job, model, strategy, budget, number + 1)]
    keeps = choice.set_by == BUDGET
    sooner = replace(strategy, interval_s=min(number * step_s, work) / fraction)
    if tried[0][0] > 0 or spent_by(job, model, sooner) <= tried[0][1]:  # else it costs more, whatever it loses
        tried.append(_at_steps(job, model, strategy, budget, number))
    while keeps and number > 1 and min(tried)[0] > 0:  # the loss is simulated: it wobbles
        number = min(number - 1, math.floor(number * (1 - WOBBLE)))
        tried.append(_at_steps(job, model, strategy, budget, number))
        keeps = len(tried) < _TRIES
    _, _, interval_s = min(tried)
    return replace(
        choice, interval_s=interval_s, set_by=WHOLE_JOB if interval_s * fraction >= work else choice.set_by
    )


def _in_few_steps(job: Job, model: CostModel, strategy: Strategy, budget: float, choice: Choice) -> Choice:
    """With other numbers of saves to lower levels where few whole steps lie between two: these decide together."""
    saving, step_s, fraction = strategy.saving, _steps_s(job, strategy), strategy.saving.fraction
    if step_s is None or choice.set_by != BUDGET or choice.interval_s * fraction > _FEW * step_s:
        return choice
    if not isinstance(saving, StoredPrioritySave) or not (free := free_levels(saving.whole)):
        return choice
    at, best = round(choice.interval_s * fraction / step_s), choice
    least = _at_steps(job, model, strategy, budget, at)[:2]
    for level, more in product(free, range(-_NEAR, _NEAR + 1)):
        counts = list(saving.whole.counts)
        counts[level] += more
        if more == 0 or counts[level] < 1:
            continue
        one = replace(strategy, saving=replace(saving, whole=replace(saving.whole, counts=tuple(counts))))
        steps = round(at * step_s / (_steps_s(job, one) or step_s) * (1 + more / (2 * saving.whole.counts[level])))
        for number in range(max(steps - 2, 1), steps + 3):
            breaks, spends, interval_s = _at_steps(job, model, one, budget, number)
            if (breaks, spends) < least:
                best, least = replace(best, interval_s=interval_s, saving=one.saving), (breaks, spends)
    return best


def _steps_s(job: Job, strategy: Strategy) -> float | None:
    """What the work between two ordered saves is a multiple of [s]; None where there are no steps."""
    return None if job.job.step_s is None else job.job.step_s * getattr(strategy.saving, "segments", 1)


def _at_steps(job: Job, model: CostModel, strategy: Strategy, budget: float, steps: int) -> tuple[float, ...]:
    """By how much so many steps between saves break the budget, what they cost, and the interval [s]."""
    step_s, fraction = _steps_s(job, strategy), strategy.saving.fraction
    assert step_s is not None
    one = replace(strategy, interval_s=min(steps * step_s, job.job.work_s) / fraction)
    pls = lost_by(job, model, one).pls
    return (max(pls - budget * WITHIN, 0.0), spent_by(job, model, one), one.interval_s)


register(PrioritySave, OrderedSaves())
