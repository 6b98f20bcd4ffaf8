"""Expected PLS of an order, and the interval that keeps a budget of it."""

from __future__ import annotations

import math
from dataclasses import replace

from cprmodel.costing.models import recovery_arguments, use
from cprmodel.costing.storage import save_times_s
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import PrioritySave, Strategy, loses_samples
from cprmodel.formulas.drained import drained_fresh_loss, drained_priority_pls, drained_slot, drained_stale_loss
from cprmodel.formulas.ordered import fresh_loss, priority_pls, priority_pls_deviation, stale_loss
from cprmodel.jobs import Access, Job
from cprmodel.ordering.found_loss import OrderLoss, mean_and_error
from cprmodel.ordering.levels import levelled_loss
from cprmodel.ordering.stale import ORDERS, unsaved
from cprmodel.ordering.topped_loss import topped_loss
from cprmodel.ordering.warned import warned_loss

__all__ = ["OrderLoss", "expected_pls", "interval_for_pls", "mean_and_error"]

_CLOSE = 1e-3  #: relative: the simulation behind it is hardly better
_TRIES = 40


def expected_pls(job: Job, strategy: Strategy, exact: bool) -> OrderLoss:
    """What failures take at work, in saves and in stops; ``exact``: no update twice.

    >>> from cprmodel.jobs import Access, Table
    >>> from cprmodel.presets import load_preset
    >>> table = Table(rows=10**8, zipf=1.05, updates_per_second=1e6)
    >>> job = load_preset("cpr-dlrm").model_copy(update={"access": Access(tables=(table,))})
    >>> saving = PrioritySave(save_s=30.0, fraction=0.125, order="update-age")
    >>> every_2_h = Strategy("partial-update-age", job.partial_recovery, saving, 7200.0)
    >>> 0 < expected_pls(job, every_2_h, exact=True).pls < 7200 / 2 / (28 * 3600) / 8  # everything every 2 h
    True
    """
    saving, access = strategy.saving, job.access
    own = job.accuracy.of_order(strategy.order) if job.accuracy else None
    if own is not None and isinstance(saving, PrioritySave) and saving.order not in ORDERS:
        like = expected_pls(job, replace(strategy, saving=replace(saving, order=ORDERS[0])), exact)
        times = own.updates_at(float(strategy.interval_s) / job.job.work_s)
        return like.times(times)
    if not isinstance(saving, PrioritySave) or not loses_samples(strategy.recovery) or access is None:
        expected = "a job with [access], partial recovery, and saves that take some rows before others"
        raise JobError("expected_pls", [Problem("strategy", f'"{strategy.name}"', expected)])
    work_s = job.job.work_s
    if isinstance(saving, StoredPrioritySave) and saving.topped:
        return topped_loss(job, strategy, saving, access)
    if isinstance(saving, StoredPrioritySave) and saving.warned_of_all:
        return warned_loss(job, strategy, saving, access)
    if isinstance(saving, StoredPrioritySave) and saving.levelled:
        return levelled_loss(job, strategy, saving, access)
    if isinstance(saving, StoredPrioritySave):
        return _stored_loss(job, strategy, saving, access)
    alone = unsaved(saving.order, access, work_s, float(strategy.interval_s))
    given, again = _risk(job, strategy), (0.0, 0.0)
    if exact:
        lost, fresh = (float(one.raw(interval_s=alone.slot_s, **given)) for one in (stale_loss, fresh_loss))
        again = (lost, (lost - fresh) / lost if lost else 0.0)
    found = alone.struck(*again) if exact else alone
    given |= {"work_s": work_s, "interval_s": found.slot_s}
    (mean, error), (last, last_error) = mean_and_error(found.mean_s), mean_and_error(found.last_s)
    step = use(priority_pls, stale_s=mean, last_stale_s=last, **given)
    above = float(priority_pls.raw(stale_s=mean + error, last_stale_s=last + last_error, **given))
    squares = alone.squares_s2(*again)
    names = ("work_square_s2", "save_square_s2", "stale_square_s2")
    together = job.failure_mix.failed_scatter
    scatter = priority_pls_deviation.raw(**dict(zip(names, squares, strict=True)), **given, failed_scatter=together)
    return OrderLoss(float(step.value), above - float(step.value), float(scatter), step)


def _stored_loss(job: Job, strategy: Strategy, saving: StoredPrioritySave, access: Access) -> OrderLoss:
    """The same of saves that drain, or of dirty rows alone."""
    work_s, every = job.job.work_s, min(strategy.saves_every_s, job.job.work_s)
    blocks, drain_s = save_times_s(saving.timed, every)
    given = _risk(job, strategy) | {
        "save_s": float(blocks[0]),
        "drain_s": float(drain_s),
        "overlap": saving.whole.overlap,
        "interval_s": every,
    }
    of_slot = {name: value for name, value in given.items() if name not in ("shards", "failed_shards")}
    slot_s = min(float(drained_slot.raw(**of_slot)), work_s)
    alone = unsaved(saving.plays, access, work_s, slot_s / saving.fraction)
    lost, fresh = (float(one.raw(**given)) for one in (drained_stale_loss, drained_fresh_loss))
    again = (lost, max(lost - fresh, 0.0) / lost if lost else 0.0)
    found = alone.struck(*again)
    (mean, error), (last, last_error) = mean_and_error(found.mean_s), mean_and_error(found.last_s)
    step = use(drained_priority_pls, stale_s=mean, last_stale_s=last, work_s=work_s, **given)
    above = drained_priority_pls.raw(stale_s=mean + error, last_stale_s=last + last_error, work_s=work_s, **given)
    squares = dict(
        zip(("work_square_s2", "save_square_s2", "stale_square_s2"), alone.squares_s2(*again), strict=True)
    )
    of_saves = {name: value for name, value in given.items() if name not in ("drain_s", "overlap")}
    of_saves |= {"save_s": given["save_s"] + given["drain_s"], "interval_s": slot_s, "work_s": work_s}
    scatter = priority_pls_deviation.raw(**squares, **of_saves, failed_scatter=job.failure_mix.failed_scatter)
    return OrderLoss(float(step.value), float(above) - float(step.value), float(scatter), step)


def _risk(job: Job, strategy: Strategy) -> dict[str, float]:
    """The arguments of the formulas about a slot's updates."""
    mix = job.failure_mix
    left_out = ("load_s", "reschedule_s", "whole_job_share")
    stops = recovery_arguments(mix, strategy.recovery)
    return {
        "save_s": strategy.saving.save_s,
        "mtbf_s": mix.mtbf_s,
        "shards": job.cluster.embedding_shards or 1,
        "failed_shards": mix.shards_per_failure,
        **{name: value for name, value in stops.items() if name not in left_out},
    }


def interval_for_pls(
    job: Job,
    strategy: Strategy,
    budget: float,
    exact: bool,
    shortest_s: float = 0.0,
    above_s: tuple[float, float] | None = None,
) -> float | None:
    """The longest interval whose expected PLS keeps a budget, to a thousandth [s]; at most where nothing is saved.

    None where none from ``shortest_s`` on does: below it nobody would save. ``strategy.interval_s`` is where the
    search begins; or, with an interval that is known to be above the budget (``above_s``, and its PLS), below that.
    """
    assert isinstance(strategy.saving, PrioritySave)
    longest = job.job.work_s / strategy.saving.fraction
    shortest = max(shortest_s, longest / _MOST)

    def over(interval_s: float) -> float:
        """log(PLS / budget)."""
        pls = expected_pls(job, replace(strategy, interval_s=interval_s), exact).pls
        return math.log(pls / budget) if pls > 0 else -math.inf

    low, below = 0.0, 0.0
    if above_s is None:
        high, above, before = longest, over(longest), None
        if above <= 0:
            return longest
        at = min(max(strategy.interval_s, shortest), longest / 2)
    else:
        high, above, before = above_s[0], math.log(above_s[1] / budget), (longest, 0.0)
        at = max(min(high * budget / above_s[1], high / _SOONER), shortest)
    for _ in range(_TRIES):
        value = over(at)
        if value <= 0:
            low, below = at, value
            if value > -_CLOSE:
                break
        elif at <= shortest:
            return None
        else:
            before = before and (high, above)
            high, above = at, value
        if low:  # the loss is nearly a power of the interval: regula falsi in logarithms, kept off the ends
            slope = math.log(high / low) / (above - max(below, -50.0))
            at = min(max(low * math.exp(slope * (-below - _CLOSE / 2)), low * 1.0005), high / 1.0001)
            if high / low < 1 + _CLOSE:
                break
        elif before is not None and before[1] > above:  # … and beyond two that are above
            slope = math.log(before[0] / high) / (before[1] - above)
            at = max(min(high * math.exp(slope * (-above - _CLOSE / 2)), high / 1.0001), shortest)
        else:
            at = max(high / max(1.5, math.exp(above)), shortest)
    return low or None


_MOST = 1e5  #: intervals of a job, at most
_SOONER = 1.05  #: an interval that is known to be above the budget is first tried shorter by that
