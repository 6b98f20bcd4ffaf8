"""Questions asked backwards: for which values of a number of the job file a target holds.

Nothing is taken to be monotone: strategies change, intervals are whole steps, overheads have valleys. Values are
planned all over the bounds; where two neighbours differ, the change between them is closed in on; where a value
nearly keeps or nearly breaks the target and its neighbours do less, the peak between them is looked for. What stays
unseen is a range narrower than two neighbours are apart without a peak that shows from outside, and so it is said.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cprmodel.bulk.keys import Key, key_of, number_of, values_of
from cprmodel.bulk.rows import changed_job
from cprmodel.bulk.targets import Target, target_of
from cprmodel.costing import CostModel, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import rounded_within
from cprmodel.jobs import Job
from cprmodel.planning.planner import plan, priced
from cprmodel.planning.ranking import best_of
from cprmodel.planning.result import StrategyPlan

__all__ = ["Range", "Solved", "solve"]

#: Values that are planned all over the bounds: where formulas price a plan, and where more is to be done for each.
POINTS, FEWER = 1000, 64
#: Whole numbers up to so many are all planned.
ALL = 300
#: Default bounds: the given number divided and multiplied by this.
REACH = 1000.0
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


@dataclass(frozen=True)
class Solved:
    """For which values of a number of the job file a target holds."""

    key: str
    target: Target
    strategy: str | None  #: None: whichever is recommended
    model: str
    ranges: tuple[Range, ...]
    given: Value | None  #: of the job file as it is; None where it does not say
    best: Value  #: of the values that were planned the one that keeps most, or breaks least
    low: float  #: bounds within which values were looked for
    high: float
    shown_low: str
    shown_high: str
    planned: int  #: how many values were planned
    apart: float  #: neighbours at first: their ratio less 1, or their difference where 0 is a bound; 0: all of them
    kind: str | None = field(repr=False, default=None)  #: of the number: time, size, bandwidth, or None

    def holds_at(self, number: float) -> bool:
        """Whether the target holds there."""
        return any(number in one for one in self.ranges)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``solve --json`` prints it."""

        def said(one: Value) -> dict[str, Any]:
            found = one.planned
            return {
                "value": one.number,
                self.target.quantity: one.quantity,
                "strategy": None if found is None else found.name,
                "interval_s": None if found is None else found.interval_s,
                "reason": one.reason,
            }

        return {
            "for": self.key,
            "until": self.target.text,
            "strategy": self.strategy,
            "model": self.model,
            "looked_between": [self.low, self.high],
            "values_planned": self.planned,
            "neighbours_apart": self.apart,
            "given": None if self.given is None else said(self.given),
            "best": said(self.best),
            "ranges": [
                {
                    "low": said(one.low),
                    "high": said(one.high),
                    "reaches_lower_bound": one.open_below,
                    "reaches_upper_bound": one.open_above,
                    "below": None if one.below is None else said(one.below),
                    "above": None if one.above is None else said(one.above),
                }
                for one in self.ranges
            ],
        }


def solve(
    job: Job,
    key: str,
    until: str | Target,
    *,
    strategy: str | None = None,
    between: tuple[Any, Any] | None = None,
    model: CostModel | None = None,
    minimise: str = "overhead",
    start: str | None = None,
    points: int | None = None,
) -> Solved:
    """The values of a number of the job file for which a target holds.

    Parameters
    ----------
    job : the job whose number is looked for
    key : which: "checkpoint.save", "failures.mtbf", any number of the job file
    until : the target, such as ``"effective_time >= 0.95"``: a quantity of the plan (overhead, effective_time,
        time_to_train, time_to_train_p90, finish_p90, pls, metric_drop, dollars_to_train, dollars_per_month), <= or
        >=, and a limit
    strategy : by name; by default the recommended one of each value, or what is done today where ``key`` is
        ``job.current_interval``
    between : bounds, as numbers in SI units or text with units; by default a thousandth and a thousand times what
        the job file says, or all that a share can be
    model, minimise : as for :func:`~cprmodel.plan`
    start : the date on which the job starts, for ``finish_p90``
    points : how many values are planned at first

    Returns
    -------
    A frozen :class:`~cprmodel.bulk.Solved` with all ranges found; their ends were planned and keep the target.

    Raises
    ------
    JobError
        for an unknown key, quantity or strategy, or bounds that the key cannot have.

    Examples
    --------
    >>> from cprmodel import load_preset
    >>> found = solve(load_preset("cpr-dlrm"), "checkpoint.save", "effective_time >= 0.98", strategy="partial")
    >>> [(one.shown_low, one.shown_high) for one in found.ranges]
    [('0.24 s', '21.36 min')]
    """
    target = until if isinstance(until, Target) else target_of(until, job, start)
    of = key_of(job, key, "--for")
    if strategy is None and of.field_name == "job.current_interval_s":
        strategy = "current"
    given = _given(job, of)
    low, high = _bounds(job, of, given, between)
    search = _Search(job, of, target, strategy, model, minimise)
    search.check_strategy(given, low, high)
    own = search.model
    first = points or (FEWER if target.is_played or own.name == "steady-state" or job.access else POINTS)
    numbers, apart = _spread(of, low, high, first)
    values = search.look(sorted({*numbers, *([given] if given is not None and low <= given <= high else [])}))
    best = max(values, key=lambda one: search.margin(one))
    if best.quantity is None and given is None:
        raise JobError("--between", [Problem(key, "", f"values that can be planned ({best.reason})")])
    return Solved(
        key=of.name,
        target=target,
        strategy=strategy,
        model=own.name,
        ranges=tuple(search.ranges(values)),
        given=None if given is None else search.at(given),
        best=best,
        low=low,
        high=high,
        shown_low=rounded_within(low, of.kind, up=True),
        shown_high=rounded_within(high, of.kind, up=False),
        planned=len(search.seen),
        apart=apart,
        kind=of.kind,
    )


def _given(job: Job, key: Key) -> float | None:
    value: Any = job
    for part in key.path:
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part, None)
    return None if value is None else float(value)


def _bounds(job: Job, key: Key, given: float | None, between: tuple[Any, Any] | None) -> tuple[float, float]:
    if between is not None:
        low, high = (float(one) for one in values_of(key, list(between), "--between"))
        if not low < high:
            raise JobError("--between", [Problem(key.name, "", "bounds from less to more")])
        return low, high
    share = key.kind is None and not key.integer and key.wrong(1.5) is not None
    if share:
        bottom = 0.0 if key.wrong(0.0) is None else (given or 1.0) / REACH
        return bottom, 1.0 if key.wrong(1.0) is None else 1 - 1e-6
    if not given:
        expected = "--between LOW:HIGH beside it, for the job file gives no number to start from"
        raise JobError("--for", [Problem(key.name, "", expected)])
    low, high = given / REACH, given * REACH
    if key.integer:
        low, high = max(1.0, math.floor(low)), math.ceil(high)
    if key.field_name == "job.current_interval_s":
        low, high = max(low, job.job.step_s or 0.0), min(high, job.job.work_s)
    while key.wrong(low) is not None and low < given:
        low = min(low * 2, given)
    while key.wrong(high) is not None and high > given:
        high = max(high / 2, given)
    return low, high


def _spread(key: Key, low: float, high: float, points: int) -> tuple[list[float], float]:
    """Values all over the bounds, ends included, and how far apart they are."""
    if key.integer and high - low < ALL:
        return [float(one) for one in range(math.ceil(low), math.floor(high) + 1)], 0.0
    if low > 0 and (high > 20 * low or key.kind is not None):
        found = np.geomspace(low, high, points)
        apart = float((high / low) ** (1 / (points - 1)) - 1)
    else:
        found = np.linspace(low, high, points)
        apart = float((high - low) / (points - 1))
    found[0], found[-1] = low, high
    if key.integer:
        found = np.unique(np.round(found))
    return [float(one) for one in found], apart


class _Search:
    """Values of one key, each planned once."""

    def __init__(
        self, job: Job, key: Key, target: Target, strategy: str | None, model: CostModel | None, minimise: str
    ) -> None:
        self.job, self.key, self.target = job, key, target
        self.strategy, self.asked, self.minimise = strategy, model, minimise
        self.model = model_for(job, model)
        self.data = job.model_dump(exclude_none=True)
        self.seen: dict[float, Value] = {}

    def check_strategy(self, given: float | None, low: float, high: float) -> None:
        """JobError where no value that is tried has the strategy that was named."""
        if self.strategy is None:
            return
        numbers = [one for one in (given, low, high, math.sqrt(low * high)) if one is not None]
        if self.key.integer:
            numbers = [float(round(one)) for one in numbers]
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
            if self.key.integer:
                one, other = float(math.floor(one)), float(math.ceil(other))
            for each in (one, other):
                if lacks(each) < 0 or (sign > 0 and lacks(each) == 0):
                    return each
            if high - low <= max(CLOSE * high, 2.0 if self.key.integer else 0.0):
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
        least = 1.0 if self.key.integer else 0.0
        while abs(outside - inside) > max(CLOSE * max(abs(inside), abs(outside)), least):
            middle = (inside + outside) / 2
            if self.key.integer:
                middle = float(math.floor(middle))
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
