"""Expected PLS of an order, and the interval that keeps a budget of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cprmodel.costing.models import Step, loss_arguments, use
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import PartialRecovery, PrioritySave, Strategy
from cprmodel.formulas.priority import priority_pls
from cprmodel.jobs import Job
from cprmodel.ordering.unsaved import unsaved

__all__ = ["OrderLoss", "expected_pls", "interval_for_pls"]

_CLOSE = 1e-3  #: relative: the simulation behind it is hardly better
_TRIES = 40


@dataclass(frozen=True)
class OrderLoss:
    """Expected PLS, weighted by updates; the scatter of the simulation behind it; the formula as it was used."""

    pls: float
    standard_error: float
    step: Step


def expected_pls(job: Job, strategy: Strategy, exact: bool) -> OrderLoss:
    """What failures at work take; ``exact``: no update twice.

    >>> from cprmodel.jobs import Access, Table
    >>> from cprmodel.presets import load_preset
    >>> table = Table(rows=10**8, zipf=1.05, updates_per_second=1e6)
    >>> job = load_preset("cpr-dlrm").model_copy(update={"access": Access(tables=(table,))})
    >>> saving = PrioritySave(save_s=30.0, fraction=0.125, order="update-age")
    >>> every_2_h = Strategy("partial-update-age", job.partial_recovery, saving, 7200.0)
    >>> 0 < expected_pls(job, every_2_h, exact=True).pls < 7200 / 2 / (28 * 3600) / 8  # everything every 2 h
    True
    """
    saving, access, mix = strategy.saving, job.access, job.failure_mix
    if not isinstance(saving, PrioritySave) or not isinstance(strategy.recovery, PartialRecovery) or access is None:
        expected = "a job with [access], partial recovery, and saves that take some rows before others"
        raise JobError("expected_pls", [Problem("strategy", f'"{strategy.name}"', expected)])
    given = {**loss_arguments(job), "whole_job_share": mix.whole_job_share}
    # what a second unsaved costs, and a second stale
    shard_loss, stale_loss = (float(priority_pls.raw(*pair, **given)) for pair in ((1.0, 0.0), (0.0, 1.0)))
    lost_once = (shard_loss, stale_loss) if exact else (0.0, 0.0)
    found = unsaved(saving.order, access, job.job.work_s, float(strategy.interval_s), *lost_once)
    step = use(priority_pls, unsaved_s=found.all_s, stale_s=found.stale_s, **given)
    error = shard_loss * found.standard_error_s + stale_loss * found.stale_standard_error_s
    return OrderLoss(float(step.value), error, step)


def interval_for_pls(job: Job, strategy: Strategy, budget: float, exact: bool) -> float:
    """The longest interval whose expected PLS keeps a budget, to a thousandth [s]; at most where nothing is saved.

    ``strategy.interval_s`` is where the search begins.
    """
    assert isinstance(strategy.saving, PrioritySave)
    longest = job.job.work_s / strategy.saving.fraction

    def over(interval_s: float) -> float:
        """log(PLS / budget)."""
        pls = expected_pls(job, replace(strategy, interval_s=interval_s), exact).pls
        return math.log(pls / budget) if pls > 0 else -math.inf

    low, high, above = 0.0, longest, over(longest)
    if above <= 0:
        return longest
    at = min(strategy.interval_s, longest / 2)
    for _ in range(_TRIES):
        value = over(at)
        if value <= 0:
            low, below = at, value
            if value > -_CLOSE:
                break
        else:
            high, above = at, value
        if low:  # the loss is nearly a power of the interval: regula falsi in logarithms, kept off the ends
            slope = math.log(high / low) / (above - max(below, -50.0))
            at = min(max(low * math.exp(slope * (-below - _CLOSE / 2)), low * 1.0005), high / 1.0001)
            if high / low < 1 + _CLOSE:
                break
        else:
            at = high / max(1.5, math.exp(above))
    return low or at
