"""Where a target holds: values of a number of the job file, each planned once, and the ranges between them."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cprmodel.bulk.keys import Key, number_of
from cprmodel.bulk.rows import changed_job
from cprmodel.bulk.targets import Target
from cprmodel.costing import CostModel, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import rounded_within
from cprmodel.jobs import Job
from cprmodel.planning.planner import plan, priced
from cprmodel.planning.ranking import best_of
from cprmodel.planning.result import StrategyPlan

__all__ = ["Range", "Search", "Value", "step_of"]

#: How closely the end of a range is found (relative), and how far a peak is closed in on.
CLOSE, PEAK_TRIES = 1e-10, 30
#: A peak is looked for where it lacks less than so many times what its neighbours lack more.
HOPE = 2.0


@dataclass(frozen=True)
class Value:
    """A number of the job file, and what planning with it comes to."""

    number: float
    quantity: float | None  #: of the target; None where there is no such job or strategy
    planned: StrategyPlan | None = field(repr=False, default=None)
    reason: str = ""  #: why there is none


@dataclass(frozen=True)
class Range:
    """Values between which the target holds, ends included."""

    low: Value
    high: Value
    open_below: bool  #: it reaches the lower bound of what was looked at
    open_above: bool
    shown_low: str  #: the ends as they can be written into a job file, rounded inwards
    shown_high: str
    below: Value | None = None  #: the value next to an end that was planned, or tried, and does not keep the target
    above: Value | None = None

    def __contains__(self, number: float) -> bool:
        return self.low.number <= number <= self.high.number


def step_of(job: Job, key: Key) -> float:
    """How far apart the numbers are that a key of the job may have: 1 of counts, 0 of what is no count.

    >>> from cprmodel import load_preset
    >>> from cprmodel.bulk.keys import keys_of
    >>> preset = load_preset("cpr-dlrm")
    >>> [step_of(preset, keys_of(preset)[name]) for name in ("cluster.embedding_shards", "failures.mtbf")]
    [1.0, 0.0]
    """
    elastic, domains = job.job.elastic, job.failures.domains
    *table, name = key.name.split(".")
    if domains is not None and table == ["failures", "domains"]:
        return float(domains.inner(name))
    if elastic is not None and key.name in ("job.elastic.min_nodes", "failures.nodes"):
        return float(elastic.replica_nodes)
    return 1.0 if key.integer else 0.0


class Search:
    """Values of one key, each planned once."""

    def __init__(
        self, job: Job, key: Key, target: Target, strategy: str | None, model: CostModel | None, minimise: str
    ) -> None:
        self.job, self.key, self.target = job, key, target
        self.strategy, self.asked, self.minimise = strategy, model, minimise
        self.model = model_for(job, model)
        self.data = job.model_dump(exclude_none=True)
        self.step = step_of(job, key)
        self.seen: dict[float, Value] = {}

    def check_strategy(self, given: float | None, low: float, high: float) -> None:
        """JobError where no value that is tried has the strategy that was named."""
        if self.strategy is None:
            return
        numbers = [one for one in (given, low, high, math.sqrt(low * high)) if one is not None]
        if self.step:
            numbers = [round(one / self.step) * self.step for one in numbers]
        if any(self.at(one).planned is not None for one in numbers):
            return
        try:
            known = ", ".join(one.name for one in plan(self.job, self.asked).strategies)
        except JobError as error:
            known = str(error.problems[0])
        raise JobError("--strategy", [Problem("", "", f'one that can be planned ({known}), not "{self.strategy}"')])

    def at(self, number: float) -> Value:
        """What planning with a value comes to."""
        if number not in self.seen:
            self.seen[number] = self._planned(number)
        return self.seen[number]

    def _planned(self, number: float) -> Value:
        if self.key.wrong(number) is not None:
            return Value(number, None, reason=f"expected {self.key.wrong(number)}")
        try:
            job = changed_job(self.data, {self.key: number})
            own = model_for(job, self.asked)
            only = None if self.strategy is None else {self.strategy}
            found = priced(job, own, self.minimise, only=only).strategies
            if self.strategy is None:
                one = best_of(found, rank=self.minimise)
            else:
                named = [each for each in found if each.name == self.strategy]
                if not named:
                    return Value(number, None, reason=f"{self.strategy} cannot be planned")
                (one,) = named
            return Value(number, self.target.value(one, job), one)
        except JobError as error:
            problem = error.problems[0]
            return Value(number, None, reason=f"{problem.field}: expected {problem.expected}".removeprefix(": "))

    def margin(self, one: Value) -> float:
        """By how much the target is kept."""
        return self.target.margin(one.quantity)

    def holds(self, number: float) -> bool:
        """Whether it is."""
        return self.margin(self.at(number)) >= 0

    def look(self, numbers: list[float]) -> list[Value]:
        """Values at first, and those at the peaks between them where one may keep or break what they do not."""
        values = [self.at(one) for one in numbers]
        found = list(values)
        for before, one, after in zip(values, values[1:], values[2:], strict=False):
            here, beside = self.margin(one), (self.margin(before), self.margin(after))
            for sign in (1.0, -1.0):
                lacks, others = -sign * here, [-sign * each for each in beside]
                more = [each - lacks for each in others if math.isfinite(each)]
                if not (math.isfinite(here) and lacks > 0 and more and min(more) >= 0):
                    continue  # what is looked for is already there, or no neighbour says which way
                if lacks <= HOPE * max(more):
                    peak = self._peak(before.number, after.number, sign)
                    if peak is not None:
                        insort(found, self.at(peak), key=lambda each: each.number)
        return found

    def _peak(self, low: float, high: float, sign: float) -> float | None:
        """A value between two that keeps (sign 1) or breaks (−1) the target, by golden sections; None without."""

        def lacks(number: float) -> float:
            margin = self.margin(self.at(number))
            return -sign * margin if math.isfinite(margin) else math.inf

        golden = (math.sqrt(5) - 1) / 2
        for _ in range(PEAK_TRIES):
            one, other = high - golden * (high - low), low + golden * (high - low)
            if self.step:
                one, other = math.floor(one / self.step) * self.step, math.ceil(other / self.step) * self.step
            for each in (one, other):
                if lacks(each) < 0 or (sign > 0 and lacks(each) == 0):
                    return each
            if high - low <= max(CLOSE * high, 2 * self.step):
                return None
            low, high = (low, other) if lacks(one) <= lacks(other) else (one, high)
        return None

    def ranges(self, values: list[Value]) -> list[Range]:
        """Where the target holds, from neighbours of which one keeps it and the other does not."""
        found: list[Range] = []
        at = 0
        while at < len(values):
            if self.margin(values[at]) < 0:
                at += 1
                continue
            last = at
            while last + 1 < len(values) and self.margin(values[last + 1]) >= 0:
                last += 1
            open_below, open_above = at == 0, last == len(values) - 1
            low, high = values[at].number, values[last].number
            below = above = None
            if not open_below:
                low, below = self._end(low, values[at - 1].number)
            if not open_above:
                high, above = self._end(high, values[last + 1].number)
            found.append(replace(self._range(low, high, open_below, open_above), below=below, above=above))
            at = last + 1
        return found

    def _end(self, inside: float, outside: float) -> tuple[float, Value]:
        """The last value that holds on the way to one that does not, and the next, which does not."""
        while abs(outside - inside) > max(CLOSE * max(abs(inside), abs(outside)), self.step):
            middle = (inside + outside) / 2
            if self.step:
                middle = math.floor(middle / self.step) * self.step
            if middle in (inside, outside):
                break
            if self.holds(middle):
                inside = middle
            else:
                outside = middle
        return inside, self.at(outside)

    def _range(self, low: float, high: float, open_below: bool, open_above: bool) -> Range:
        def holds(each: float) -> bool:
            return low <= each <= high and self.holds(each)

        first, last = self._shown(low, True, holds), self._shown(high, False, holds)
        return Range(self.at(low), self.at(high), open_below, open_above, first, last)

    def _shown(self, number: float, up: bool, holds: Callable[[float], bool]) -> str:
        """An end as it may be written into a job file: rounded inwards to as few figures as keep the target."""
        if self.key.integer:
            return f"{int(number)}"
        for figures in (4, 5, 6, 8, 10):
            text = rounded_within(number, self.key.kind, up, figures)
            if holds(number_of(self.key, text, "--for")):
                return text
        return rounded_within(number, self.key.kind, up, 17)
