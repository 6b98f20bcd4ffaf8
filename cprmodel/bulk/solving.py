"""Questions asked backwards: for which values of a number of the job file a target holds.

Nothing is taken to be monotone: strategies change, intervals are whole steps, overheads have valleys. Values are
planned all over the bounds; where two neighbours differ, the change between them is closed in on; where a value
nearly keeps or nearly breaks the target and its neighbours do less, the peak between them is looked for. What stays
unseen is a range narrower than two neighbours are apart without a peak that shows from outside, and so it is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cprmodel.bulk.keys import Key, key_of, values_of
from cprmodel.bulk.ranges import Range, Search, Value
from cprmodel.bulk.targets import Target, target_of
from cprmodel.costing import CostModel
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import rounded_within
from cprmodel.jobs import Job

__all__ = ["Solved", "solve"]

#: Values that are planned all over the bounds: where formulas price a plan, and where more is to be done for each.
POINTS, FEWER = 1000, 64
#: Whole numbers up to so many are all planned.
ALL = 300
#: Default bounds: the given number divided and multiplied by this.
REACH = 1000.0


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
    apart: float  #: neighbours at first: their ratio less 1, or their difference; 0: all of them
    in_ratio: bool  #: which of the two
    step: float = 0.0  #: how far apart the numbers are that the key may have; 0: any number
    kind: str | None = field(repr=False, default=None)  #: of the number: time, size, bandwidth, or None

    def holds_at(self, number: float) -> bool:
        """Whether the target holds there."""
        if self.step and abs(number / self.step - round(number / self.step)) > 1e-9:
            return False
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
            "in_steps_of": self.step,
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
    start : the date on which the job starts, for ``finish_p90``; default: ``[job] start``
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
    search = Search(job, of, target, strategy, model, minimise)
    search.check_strategy(given, low, high)
    own = search.model
    first = points or (FEWER if target.is_played or own.name == "steady-state" or job.access else POINTS)
    numbers, apart, in_ratio = _spread(search.step, of.kind is not None, low, high, first)
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
        in_ratio=in_ratio,
        step=search.step,
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
    if not given and not (given == 0 and key.integer):
        expected = "--between LOW:HIGH beside it, for the job file gives no number to start from"
        raise JobError("--for", [Problem(key.name, "", expected)])
    low, high = given / REACH, given * REACH
    if key.integer:  # a count that may be none, such as spares
        least = 0.0 if key.wrong(0.0) is None else 1.0
        low, high = max(least, math.floor(low)), math.ceil(high) or REACH
    if key.field_name == "job.current_interval_s":
        low, high = max(low, job.job.step_s or 0.0), min(high, job.job.work_s)
    while key.wrong(low) is not None and low < given:
        low = min(low * 2, given)
    while key.wrong(high) is not None and high > given:
        high = max(high / 2, given)
    return low, high


def _spread(step: float, units: bool, low: float, high: float, points: int) -> tuple[list[float], float, bool]:
    """Values all over the bounds, ends included, and how far apart they are: in ratio, or not."""
    if step and (high - low) / step < ALL:
        return [one * step for one in range(math.ceil(low / step), math.floor(high / step) + 1)], 0.0, False
    in_ratio = low > 0 and (high > 20 * low or units)
    if in_ratio:
        found = np.geomspace(low, high, points)
        apart = float((high / low) ** (1 / (points - 1)) - 1)
    else:
        found = np.linspace(low, high, points)
        apart = float((high - low) / (points - 1))
    if low == 0 and step and high > 20 and points > 2:  # none, and as many in equal ratios
        found = np.append(0.0, np.geomspace(1.0, high, points - 1))
        apart, in_ratio = float(high ** (1 / (points - 2)) - 1), True
    found[0], found[-1] = low, high
    if step:
        found = np.unique(np.round(found / step)) * step
        found = found[(found >= low) & (found <= high)]
    return [float(one) for one in found], apart, in_ratio
