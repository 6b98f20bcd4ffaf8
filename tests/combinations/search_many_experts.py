"""Thousands of experts in turn to each of two levels, planned and then looked for by force, of a fine grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cprmodel import Job, SteadyState, plan
from cprmodel.costing.rotated_levels import updates_lost
from cprmodel.costing.rotating import rotating_levels_of
from cprmodel.costing.setting import Setting
from cprmodel.facts.rotation import RotatingLevelSave

__all__ = ["drawn_of_many", "many_experts_worse_than_by_force"]

#: Experts and saves to one of the last level lie in this ratio at first, intervals in the other.
_RATIO, _APART = 1.25, 1.06
#: Of these rounds each tries so many ways at random near the best, in ever nearer ones.
_ROUNDS, _TRIED = 6, 40
#: What costs so little less is no better.
_LESS = 0.9995


def drawn_of_many(seed: int) -> Job:
    """Nothing is written always: a save of few experts takes hardly any time."""
    random = np.random.default_rng((seed, 7))
    first = float(10 ** random.uniform(0, 2))
    point: dict[str, Any] = {
        "level": [
            {"name": "memory", "save_s": first, "survives": float(random.uniform(0.1, 0.97)), "rotating": True},
            {"name": "storage", "save_s": first * float(10 ** random.uniform(-0.3, 1.3)), "rotating": True},
        ],
        "reschedule_s": float(random.uniform(0, 100)),
        "always_written": 0.0,
    }
    if random.random() < 0.25:
        point |= {"overlap": float(random.uniform(0.2, 1)), "drain_s": float(random.uniform(5, 60))}
    job: dict[str, Any] = {"work_s": float(random.choice([3e4, 3e5, 3e6]))}
    if seed % 2:
        job["step_s"] = float(10 ** random.uniform(-1, 1.5))
    return Job.from_mapping(
        {
            "job": job,
            "cluster": {"experts": int(10 ** random.uniform(3, 3.9))},
            "failures": {"mtbf_s": 4000.0},
            "checkpoint": point,
            "accuracy": {"pls_budget": float(10 ** random.uniform(-2.7, -0.5))},
        }
    )


class _Force:
    def __init__(self, job: Job) -> None:
        self.job, self.of, self.budget = job, Setting.of(job, job.full_recovery), job.pls_budget or 0.0

    def best(self, above: float, near: tuple[int, int, float, float] | None) -> float:
        """The least overhead that is found within the budget below one; that one where there is none.

        ``near``: experts, saves and interval that come to that.
        """
        experts, work, step = self.job.experts or 1, self.job.job.work_s, self.job.job.step_s
        some = sorted({round(float(one)) for one in _RATIO ** np.arange(0, math.log(experts, _RATIO))} | {experts})
        counts = np.array(sorted({round(float(one)) for one in _RATIO ** np.arange(0, 34)}), dtype=float)
        every = np.exp(np.arange(math.log(1e-2), math.log(work), math.log(_APART)))
        if step is not None:
            every = np.unique(np.maximum(np.round(every / step), 1)) * step
        n, tau = np.meshgrid(counts, every, indexing="ij")
        least, found = above, near
        for first in some:
            for last in some:
                value, at = self._of(first, last, n, tau, least)
                if value < least:
                    least, found = value, (first, last, float(n[at]), float(tau[at]))
        random = np.random.default_rng(1)
        for nearer in 0.5 ** np.arange(_ROUNDS):
            if found is None:
                break
            for scatter in random.normal(0, 0.12 * nearer, (_TRIED, 3)):
                first, last, count = (
                    max(round(one * math.exp(by)), 1) for one, by in zip(found[:3], scatter, strict=True)
                )
                taus = found[3] * np.exp(np.linspace(-0.3, 0.3, 61) * nearer)
                if step is not None:
                    taus = np.unique(np.maximum(np.round(taus / step), 1)) * step
                value, at = self._of(
                    min(first, experts),
                    min(last, experts),
                    np.full((1, taus.size), float(count)),
                    taus[None],
                    least,
                )
                if value < least:
                    least, found = (
                        value,
                        (min(first, experts), min(last, experts), float(count), float(taus[at[1]])),
                    )
        self.found = found
        return least

    def _of(self, first: int, last: int, n: Any, tau: Any, least: float) -> tuple[float, tuple[Any, ...]]:
        saving, of = rotating_levels_of(self.job, (first, last)), self.of
        with np.errstate(all="ignore"):
            run = of.run(saving.timed, tau, [n])
        total = np.where((run.drains <= 1) & (run.breakdown.total >= 0), run.breakdown.total, np.inf)
        total = np.where(np.isfinite(total) & (n * tau <= of.work_s), total, np.inf)
        likely = total < least * _LESS
        if not likely.any():
            return math.inf, ()
        # of each number of saves the shortest such interval loses least, but for the end of the job
        rows = np.flatnonzero(likely.any(axis=1))
        shortest = likely[rows].argmax(axis=1)
        more = np.minimum(shortest + 1, tau.shape[1] - 1)
        of_lost = (saving, of.work_s, of.mix.mtbf_s, of.stops(saving.timed))
        lost = np.min([updates_lost(*of_lost, tau[rows, at], n[rows, at]) for at in (shortest, more)], axis=0)
        kept = lost <= self.budget * 1.1
        where = np.zeros_like(likely)
        where[rows[kept]] = likely[rows[kept]]
        at = np.flatnonzero(where)
        if not at.size:
            return math.inf, ()
        values = total.ravel()[at]
        order = np.argsort(values)
        for some in np.array_split(order, max(order.size // 64, 1)):  # the cheapest that keeps the budget
            lost = updates_lost(*of_lost, tau.ravel()[at[some]], n.ravel()[at[some]])
            good = some[lost <= self.budget]
            if good.size:
                one = good[np.argmin(values[good])]
                return float(values[one]), np.unravel_index(at[one], n.shape)
        return math.inf, ()


def many_experts_worse_than_by_force(seed: int) -> float:
    """By how much more, relatively, the plan of a random job costs than the best by force; it keeps its budget."""
    job = drawn_of_many(seed)
    answer = plan(job, SteadyState())["full-rotating"]
    if answer.expected_pls > (job.pls_budget or 0.0) * (1 + 1e-9):  # where nothing keeps it, force finds nothing
        return 0.0 if _Force(job).best(math.inf, None) > 1e9 else math.inf  # … but never to end
    saving = answer.strategy.saving
    near = None
    if isinstance(saving, RotatingLevelSave) and answer.interval_s < job.job.work_s:
        near = (*saving.rotated, float(saving.counts[0]), answer.interval_s)
    return answer.overhead_fraction / _Force(job).best(answer.overhead_fraction, near) - 1
