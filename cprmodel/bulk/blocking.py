"""Plans of a whole box of rows at once: blocking saves, the formulas over arrays that broadcast.

The decision is that of :func:`cprmodel.planning.planner.plan`, strategy by strategy; tests hold each row to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from cprmodel.bulk.chunk import Chunk, Coded
from cprmodel.bulk.derived import Derived, derived
from cprmodel.bulk.grid import Box
from cprmodel.costing.terms import EXACT, FIRST_ORDER, WITHIN, Terms, Way
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.formulas import accuracy, money
from cprmodel.formulas.overhead import effective_time_ratio
from cprmodel.jobs import HOURS_PER_MONTH, Job
from cprmodel.jobs.money import BYTES_PER_GB
from cprmodel.planning.pricing import NEVER
from cprmodel.planning.ranking import AS_MUCH, TIE

__all__ = ["BlockingRows"]

_MONTH_S = HOURS_PER_MONTH * 3600

#: Names of the strategies, in the order in which plan() lists them; "" for a row without one.
STRATEGIES = ("", "full", "partial-at-full-interval", "partial", "current")
RECOVERIES = ("", "full", "partial")

_UNFIT = "expected a job that some strategy can finish"


@dataclass(frozen=True)
class _Candidate:
    """A strategy over the box: its interval, its overhead, what it loses, and whether it may be recommended."""

    code: int
    partial: bool
    interval_s: Any
    parts: tuple[Any, Any, Any, Any]
    overhead: Any
    pls: Any
    feasible: Any
    within: Any


def _winners(
    found: list[_Candidate], ranks: list[Any], limit: Any, shape: tuple[int, ...]
) -> tuple[_Candidate, list[tuple[_Candidate, np.ndarray]]]:
    """The candidate that wins most rows, and the others with those that they win.

    Of equals the first that loses least wins: as :func:`cprmodel.planning.ranking.best_of`.
    """
    left = np.ones(shape, dtype=bool)
    tied = [rank <= limit for rank in ranks]
    lost = np.full(shape, np.inf)
    for one, ties in zip(found, tied, strict=True):
        lost = np.where(ties, np.minimum(lost, one.pls), lost)
    won = []
    for one, ties in zip(found, tied, strict=True):
        wins = left & ties & (one.pls <= lost * (1 + AS_MUCH))
        number = int(np.count_nonzero(wins))
        if number:
            won.append((number, one, wins))
            left &= ~wins
    if not won:  # no row can be planned
        return found[0], []
    most = max(range(len(won)), key=lambda at: won[at][0])
    return won[most][1], [(one, wins) for at, (_, one, wins) in enumerate(won) if at != most]


class BlockingRows:
    """The rows of a sweep over a plain job under :class:`~cprmodel.FirstOrder` or :class:`~cprmodel.Exact`."""

    def __init__(self, job: Job, fields: Mapping[str, Any], minimise: str, exact: bool = False) -> None:
        self.job, self.fields, self.minimise = job, fields, minimise
        self.exact = exact

    def chunk(self, box: Box) -> Chunk:
        """The columns of a box."""
        varied = {key.field_name: _floats(array) for key, array in box.values.items()}
        with np.errstate(all="ignore"):
            return _Rows(self.job, {**self.fields, **varied}, self.minimise, box, self.exact).chunk()


def _floats(array: np.ndarray) -> np.ndarray:
    return array.astype(float) if array.dtype.kind in "iu" else array


class _Rows:
    def __init__(self, job: Job, fields: Mapping[str, Any], minimise: str, box: Box, exact: bool) -> None:
        self.job, self.fields, self.minimise, self.box, self.exact = job, fields, minimise, box, exact
        self.which = EXACT if exact else FIRST_ORDER
        self.of: Derived = derived(job, fields)
        self.share = np.maximum(self.of.shard_share, 0.0)
        self.budget = None if self.of.pls_budget is None else np.minimum(self.of.pls_budget, 1.0)

    @cached_property
    def price_per_s(self) -> Any:
        """As :func:`cprmodel.planning.upkeep.price_per_s`."""
        kept = self.fields["cost.storage_gb_month"] * self.space / BYTES_PER_GB / _MONTH_S
        return self.node_s + kept

    @cached_property
    def node_s(self) -> Any:
        return self.fields["cost.node_hour"] * self.of.nodes / 3600

    @property
    def space(self) -> Any:
        return 0.0 if self.of.size_bytes is None else self.fields["checkpoint.retained"] * self.of.size_bytes

    @property
    def save_price(self) -> Any:
        size = 0.0 if self.of.size_bytes is None else self.of.size_bytes
        return self.fields["cost.write_gb"] * size / BYTES_PER_GB

    @cached_property
    def terms(self) -> Terms:
        """The job's numbers, as its formulas take them."""
        of = self.of
        names = (one.name for one in fields(Terms) if one.name not in ("shard_share", "shards", "extra_s"))
        return Terms(
            **{name: getattr(of, name) for name in names},
            shard_share=self.share,
            shards=1 if of.shards is None else of.shards,
            extra_s=self.save_price / self.price_per_s if self.minimise == "dollars" else 0.0,
        )

    def candidates(self) -> list[_Candidate]:
        """The strategies that plan() would list."""
        of, work = self.of, self.of.work_s
        at_optimum = self.which.full_interval(self.terms)
        young = self._rule(self.which.full.best, save_s=of.save_s, mtbf_s=of.mtbf_s)
        if not self.exact:
            young = young | (at_optimum >= work)
        if self.minimise == "dollars":
            young = np.True_  # another formula chose it
        found = [self._full(1, at_optimum, young)]
        if of.shards is not None:
            found.append(self._partial(2, at_optimum, young))
            if self.budget is not None:
                found.append(self._partial(3, self.which.partial_interval(self.terms, self.budget)[0], np.True_))
        today = self.fields.get("job.current_interval_s")
        if today is not None:
            if of.step_s is not None:
                today = np.maximum(np.round(today / of.step_s), 1) * of.step_s
            today = np.minimum(today, work)
            partial = self.job.job.current_recovery == "partial"
            found.append(self._partial(4, today, np.True_) if partial else self._full(4, today, np.True_))
        return found

    @staticmethod
    def _rule(formula: Any, **arguments: Any) -> Any:
        """Whether the arguments lie within a formula's validity, element by element."""
        within: Any = np.True_
        for rule in formula.about.validity:
            within = within & np.less_equal(rule.of(**arguments), rule.at_most)
        return within

    def _priced(self, way: Way, chosen: Any, within: Any) -> tuple[Breakdown, Any, Any]:
        """Parts, whether it ends, and whether the formulas hold."""
        of = self.terms
        recovery = of.partial if way.partial else of.full
        within = within & self._rule(way.formula, interval_s=chosen, save_s=of.save_s, mtbf_s=of.mtbf_s, **recovery)
        parts = way.overhead(of, chosen)
        return parts, parts.total - parts.save < NEVER, within

    def _full(self, code: int, chosen: Any, within: Any) -> _Candidate:
        parts, ends, within = self._priced(self.which.full, chosen, within)
        return _Candidate(code, False, chosen, tuple(parts), parts.total, 0.0, ends, within)

    def _partial(self, code: int, chosen: Any, within: Any) -> _Candidate:
        parts, ends, within = self._priced(self.which.partial, chosen, within)
        lost = self.terms.pls(chosen)
        keeps = self.share <= 0 if self.budget is None else (lost <= self.budget * WITHIN) | (self.share <= 0)
        return _Candidate(code, True, chosen, tuple(parts), parts.total, lost, ends & keeps, within)

    def wrong(self) -> list[tuple[Any, str]]:
        """Rows that no job can be, as :class:`~cprmodel.Job` checks it: where, and what is expected."""
        of, get = self.of, self.fields.get
        rest = np.subtract(1, of.trainer_share) - of.whole_job_share
        shares = of.shard_share + of.trainer_share + of.whole_job_share
        shards = 1 if of.shards is None else of.shards
        found: list[tuple[Any, str]] = []
        if self.job.scaling is not None:
            low, high = self.job.scaling.range
            outside = np.less(of.nodes, low) | np.greater(of.nodes, high)
            found.append((outside, f"failures.nodes: expected {low:g} to {high:g} nodes"))
        if get("job.step_s") is not None:
            longer = np.greater(self.fields["job.step_s"], self.fields["job.work_s"])
            found.append((longer, "job.step: expected a step that is not longer than the job's work"))
        unequal = (rest < -1e-9) | (np.abs(shares - 1) > 1e-9)
        shared = "failures.shard_share + trainer_share + whole_job_share"
        found.append((unequal, f"{shared}: expected shares that sum to 1"))
        together = get("failures.group_nodes")
        if together is not None:
            found.append((together > of.nodes, "failures.group_nodes: expected at most failures.nodes"))
        drop = get("accuracy.max_metric_drop")
        if drop is not None:
            small = "accuracy.max_metric_drop: expected at least 1e-12 of metric_drop_per_pls"
            found.append((np.divide(drop, of.slope) < 1e-12, small))
        no_mtbf = ~np.asarray((of.mtbf_s >= 1e-9) & (of.mtbf_s <= 1e12))
        rate, save = self.job.failures.rate_key, self.job.checkpoint.save_key
        found.append((no_mtbf, f"{rate}: expected an MTBF of the job between 1e-9 s and 1e12 s"))
        slow = np.greater(of.save_s, of.mtbf_s)
        found.append((slow, f"{save}: expected a save that is not longer than the job's MTBF"))
        no_save = ~np.asarray((of.save_s >= 1e-12) & (of.save_s <= 1e12))
        found.append((no_save, f"{save}: expected a save between 1e-12 s and 1e12 s"))
        if together is not None and of.shards is not None:
            more = "failures.group_nodes: expected at most cluster.embedding_shards"
            found.append((together > of.shards, more))
        many = np.greater(self.fields["failures.shards_per_failure"], shards)
        found.append((many, "failures.shards_per_failure: expected at most cluster.embedding_shards"))
        if self.job.scaling is not None:
            for name, value in (("work", of.work_s), ("step", of.step_s)):
                if value is not None:
                    most = np.less(value, 1e-12) | np.greater(value, 1e12)
                    found.append((most, f"job.{name}: expected a time from 1e-12 s to 1e12 s on these nodes"))
        return [(where, said) for where, said in found if np.any(where)]

    def chunk(self) -> Chunk:
        """The columns: of each row the strategy that plan() recommends."""
        shape, size = self.box.shape, self.box.last - self.box.first
        found = self.candidates()
        ranks = [np.where(one.feasible, self._rank(one), np.inf) for one in found]
        least = ranks[0]
        for rank in ranks[1:]:
            least = np.minimum(least, rank)
        broken = self.wrong()
        good = np.isfinite(least)
        for where, _ in broken:
            good = good & np.logical_not(where)
        none = not bool(np.all(good))
        base, others = _winners(found, ranks, least * (1 + TIE), shape)

        def chosen(of: Any, dtype: Any = float, missing: Any = np.nan) -> np.ndarray:
            out = np.empty(shape, dtype=dtype)
            out[...] = of(base)
            for one, wins in others:
                np.copyto(out, of(one), where=wins)
            if none:
                np.copyto(out, missing, where=~good)
            return out.reshape(size)

        code = chosen(lambda one: np.int8(one.code), np.int8, np.int8(0))
        within = chosen(lambda one: one.within, bool, np.False_)
        columns: dict[str, Any] = {}
        for key, array in self.box.columns().items():
            columns[key.name] = array
        recovery = np.zeros(len(STRATEGIES), dtype=np.int8)
        for one in found:
            recovery[one.code] = 2 if one.partial else 1
        columns["recommended"] = Coded(code, STRATEGIES)
        columns["recovery"] = Coded(recovery[code], RECOVERIES)
        columns["interval_s"] = chosen(lambda one: one.interval_s)
        total = chosen(lambda one: one.overhead)
        columns["overhead_fraction"] = total
        for index, part in enumerate(("save", "load", "lost", "reschedule")):
            columns[f"overhead_{part}"] = chosen(lambda one, index=index: one.parts[index])
        columns["effective_time_ratio"] = effective_time_ratio.raw(total)
        pls = chosen(lambda one: one.pls)
        columns["expected_pls"] = pls
        flat = self._flat
        if self.of.slope is None:
            columns["expected_metric_drop"] = np.full(size, np.nan)
        else:
            columns["expected_metric_drop"] = accuracy.metric_drop.raw(pls, flat(self.of.slope))
        work = flat(self.of.work_s)
        columns["time_to_train_s"] = work * (1 + total)
        if found[-1].code == STRATEGIES.index("current"):
            lost = total * 0  # NaN in the rows without an answer
            columns["current_overhead_fraction"] = self._flat(found[-1].overhead) + lost
            columns["current_expected_pls"] = self._flat(found[-1].pls) + lost
        self._upkeep(columns, work)
        columns["within_validity"] = within
        whole = np.empty(shape, dtype=bool)
        whole[...] = good
        columns["feasible"] = whole.reshape(size)
        columns["reason"] = self._reasons(broken, whole)
        return Chunk(self.box.first, columns)

    def _saves(self, work: Any, every: Any) -> Any:
        """The first order charges a save for each interval, the exact model none at the end."""
        return NUMPY.intervals(work, every) - 1 if self.exact else work / every

    def _rank(self, one: _Candidate) -> Any:
        if self.minimise == "overhead":
            return one.overhead
        work = self.of.work_s
        saves = self._saves(work, one.interval_s)
        return money.price_to_train.raw(work, one.overhead, self.price_per_s, saves, self.save_price)

    def _flat(self, value: Any) -> Any:
        if np.ndim(value) == 0:
            return value
        return np.broadcast_to(value, self.box.shape).reshape(-1)

    def _upkeep(self, columns: dict[str, Any], work: Any) -> None:
        """As :func:`cprmodel.planning.upkeep.upkeep`."""
        total, every = columns["overhead_fraction"], columns["interval_s"]
        months = work * (1 + total) / _MONTH_S
        saves = self._saves(work, every)
        if self.of.size_bytes is not None:
            nan = total * 0  # NaN in the rows without an answer
            columns["space_kept_bytes"] = self._flat(self.space) + nan
            columns["write_bytes_per_month"] = saves * self._flat(self.of.size_bytes) / months
        if self.job.cost is not None:
            per_s, each = self._flat(self.price_per_s), self._flat(self.save_price)
            in_all = money.price_to_train.raw(work, total, per_s, saves, each)
            columns["dollars_per_month"] = (in_all - self._flat(self.node_s) * work) / months
            columns["dollars_to_train"] = in_all

    def _reasons(self, broken: list[tuple[Any, str]], good: np.ndarray) -> Coded:
        code = np.zeros(self.box.shape, dtype=np.int8)
        if not np.all(good):
            np.copyto(code, np.int8(1), where=~good)
            for number, (where, _) in reversed(list(enumerate(broken, start=2))):
                np.copyto(code, np.int8(number), where=where)
        return Coded(code.reshape(-1), ("", _UNFIT, *(said for _, said in broken)))
