"""What saves in an order of the rows cost and lose, and which ways to save may be the best within a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cprmodel.costing.models import OPTIMUM, WHOLE_JOB, Choice, CostModel, with_extra
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import WarnedSave
from cprmodel.facts.strategies import PrioritySave, SavingPolicy, Strategy
from cprmodel.jobs import Job

if TYPE_CHECKING:
    from cprmodel.ordering.found_loss import OrderLoss

__all__ = [
    "WOBBLE",
    "best_at",
    "chosen",
    "guessed",
    "is_exact",
    "lost_by",
    "may_cost_less",
    "of_least_overhead",
    "spent_by",
    "variants",
]

#: By so much a simulated loss may be off where intervals are nearly alike.
WOBBLE = 0.003
#: Of its best interval, the shortest that may keep a budget; halvings of what lies between, in logarithms.
_SHORTER, _HALVINGS = 1e4, 24
#: The order that stands for others where figures are only compared.
_ALIKE = "best-fixed"


def variants(job: Job, saving: SavingPolicy) -> list[tuple[PrioritySave, Sequence[WarnedSave]]]:
    """What may be done on a warning, and when it may begin; only the saves as they are where there is none."""
    assert isinstance(saving, PrioritySave)
    if not isinstance(saving, StoredPrioritySave) or job.checkpoint.warning is None:
        return [(saving, ())]
    from cprmodel.costing.announced import begun_later
    from cprmodel.ordering.stored import on_warnings

    ways = on_warnings(job, saving)
    return [(one, () if one.whole.warned is None else begun_later(one.whole.warned)) for one in ways]


def may_cost_less(
    job: Job,
    model: CostModel,
    at_best: Strategy,
    spends: float,
    budget: float,
    least: float,
    begun: Sequence[WarnedSave],
) -> bool:
    """Whether a way to save may within the budget; ``spends``: what it costs at its best."""
    alone = len(begun) < 2 and not getattr(at_best.saving, "levelled", False)  # only the interval is chosen
    return spends < least and not (alone and not _may_beat(job, model, at_best, budget, least))


def best_at(job: Job, model: CostModel, strategy: Strategy) -> tuple[float, Strategy]:
    """What it costs where it costs least, and the strategy there."""
    assert isinstance(strategy.saving, PrioritySave)
    best = chosen(strategy, of_least_overhead(job, model, strategy.saving))
    return spent_by(job, model, best), best


def guessed(job: Job, model: CostModel, spends: float, at_best: Strategy, budget: float) -> float:
    """About what it costs within the budget: what is lost is nearly in proportion to the interval.

    All orders that are played guess by one of them, for it is only to say which way to save is looked into first.
    """
    saving = at_best.saving
    assert isinstance(saving, PrioritySave)
    like = at_best if saving.order == "ssu" else replace(at_best, saving=replace(saving, order=_ALIKE))
    pls = lost_by(job, model, like).pls
    if pls <= budget:
        return spends
    return spent_by(job, model, replace(at_best, interval_s=at_best.interval_s * budget / pls))


def _may_beat(job: Job, model: CostModel, at_best: Strategy, budget: float, least: float) -> bool:
    """Whether it keeps the budget at the shortest interval that costs no more than the best so far."""
    low, high = at_best.interval_s / _SHORTER, at_best.interval_s
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        cheaper = spent_by(job, model, replace(at_best, interval_s=middle)) <= least
        low, high = (low, middle) if cheaper else (middle, high)
    return lost_by(job, model, replace(at_best, interval_s=high)).pls <= budget * (1 + WOBBLE)


def chosen(strategy: Strategy, choice: Choice) -> Strategy:
    """A strategy as it was chosen."""
    return replace(strategy, interval_s=choice.interval_s, saving=choice.saving or strategy.saving)


def of_least_overhead(job: Job, model: CostModel, saving: PrioritySave) -> Choice:
    """Where the overhead is least: whole-job failures make saves worth while. No save at all without them."""
    if isinstance(saving, StoredPrioritySave):
        from cprmodel.ordering.stored import best_stored

        return best_stored(job, model, saving)
    each = with_extra(model, getattr(model, "extra_s", 0.0) * saving.fraction)
    choice = each.partial_interval(job.with_costs(saving.save_s, job.failure_mix), 1.0)
    within = choice.interval_s < job.job.work_s
    return Choice(choice.interval_s / saving.fraction, OPTIMUM if within else WHOLE_JOB, choice.steps)


def spent_by(job: Job, model: CostModel, strategy: Strategy) -> float:
    """The overhead, and what is paid for what is written."""
    priced, saving = model.cost(job, strategy), strategy.saving
    cost, extra = float(priced.breakdown.total), getattr(model, "extra_s", 0.0)
    if extra and isinstance(saving, StoredPrioritySave) and saving.topped:
        cost += extra * (priced.written_per_s or 0.0)
    elif extra:
        stored = isinstance(saving, StoredPrioritySave)
        written = saving.written(strategy.saves_every_s) if stored else saving.fraction  # type: ignore[attr-defined]
        cost += extra * written / strategy.saves_every_s
    return cost


def lost_by(job: Job, model: CostModel, strategy: Strategy) -> OrderLoss:
    """What an order loses; loaded here, for most jobs have none."""
    from cprmodel.ordering.pls import expected_pls

    return expected_pls(job, strategy, is_exact(model))


def is_exact(model: CostModel) -> bool:
    """Whether losses that come twice are counted once."""
    return model.name != "first-order"
