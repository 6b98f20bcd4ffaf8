"""What a job is asked to keep: ``effective_time >= 0.95``, ``finish_p90 <= 2027-01-15``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, format_money, format_share, format_time, parse_quantity
from cprmodel.jobs import Job
from cprmodel.planning.result import StrategyPlan

__all__ = ["PLAYED", "Target", "target_of"]

#: Runs that are played for a P90, always with the same random numbers.
PLAYED = 2000

_FORM = re.compile(r"\s*([A-Za-z_0-9]+)\s*(<=|>=|≤|≥)\s*(.*?)\s*")
_NUMBER = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?) ?(%?)")


def _p90(one: StrategyPlan, job: Job) -> float:
    from cprmodel.planning.playing import simulate

    return simulate(job, one.strategy, PLAYED, 1, workers=1).time_to_train_s.p90


@dataclass(frozen=True)
class _Quantity:
    kind: str  # share, time, date, money or number
    read: Callable[[StrategyPlan, Job], float | None]
    most: float = math.inf  # that it can be


_QUANTITIES: dict[str, _Quantity] = {
    "overhead": _Quantity("share", lambda one, job: one.overhead_fraction),
    "effective_time": _Quantity("share", lambda one, job: one.effective_time_ratio, 1.0),
    "time_to_train": _Quantity("time", lambda one, job: one.time_to_train_s),
    "time_to_train_p90": _Quantity("time", _p90),
    "finish_p90": _Quantity("date", _p90),
    "dollars_to_train": _Quantity("money", lambda one, job: one.dollars_to_train),
    "dollars_per_month": _Quantity("money", lambda one, job: one.dollars_per_month),
    "pls": _Quantity("number", lambda one, job: one.expected_pls, 1.0),
    "metric_drop": _Quantity("number", lambda one, job: one.expected_metric_drop),
}


@dataclass(frozen=True)
class Target:
    """A quantity of a plan and a limit that it is to keep, in SI units."""

    quantity: str
    at_most: bool
    limit: float
    text: str  #: as it was asked
    start: datetime | None = None  #: of the job, for a target in dates

    def value(self, one: StrategyPlan, job: Job) -> float | None:
        """The quantity of a strategy as planned; None where it has none, or no end."""
        value = _QUANTITIES[self.quantity].read(one, job)
        return value if value is not None and math.isfinite(value) else None

    def margin(self, value: float | None) -> float:
        """By how much it is kept; below 0 where it is broken, −∞ where there is no value."""
        if value is None:
            return -math.inf
        return self.limit - value if self.at_most else value - self.limit

    def shown(self, value: float, currency: str = "") -> str:
        """A value of the quantity as a person would say it."""
        kind = _QUANTITIES[self.quantity].kind
        if kind == "share":
            return format_share(value)
        if kind == "money":
            return format_money(value, currency)
        if kind == "date" and self.start is not None and value < 1e11:
            return f"{self.start + timedelta(seconds=value):%Y-%m-%d %H:%M}"
        return format_time(value) if kind in ("time", "date") else f"{value:.3g}"

    @property
    def is_played(self) -> bool:
        """Whether it takes a simulation, which scatters."""
        return self.quantity.endswith("_p90")


def target_of(text: str, job: Job, start: str | None = None, source: str = "--until") -> Target:
    """The target that a text says, for a job that knows its quantity; JobError in one line.

    >>> from cprmodel import load_preset
    >>> target_of("overhead <= 5%", load_preset("cpr-dlrm")).limit
    0.05
    """
    found = _FORM.fullmatch(text)
    if found is None:
        expected = f'a quantity, <= or >=, and a limit, such as "effective_time >= 0.95", not "{text}"'
        raise JobError(source, [Problem("", "", expected)])
    name, sign, limit = found.groups()
    if name not in _QUANTITIES:
        close = difflib.get_close_matches(name, _QUANTITIES, n=1)
        hint = f'perhaps "{close[0]}"' if close else f"one of {', '.join(_QUANTITIES)}"
        raise JobError(source, [Problem(name, "", f"a known quantity, {hint}")])
    kind = _QUANTITIES[name].kind
    if kind == "money" and job.cost is None:
        raise JobError(source, [Problem(name, "", "a job with prices ([cost])")])
    if name == "metric_drop" and (job.accuracy is None or job.accuracy.slope is None):
        raise JobError(source, [Problem(name, "", "a job that knows the metric lost per unit of PLS ([accuracy])")])
    if start is not None and kind != "date":
        raise JobError("--start", [Problem("", "", f"a target in dates beside it (finish_p90), not {name}")])
    at_most, begins = sign in ("<=", "≤"), None
    if kind == "date":
        begun = job.job.start if start is None else start
        if begun is None:
            raise JobError("--start", [Problem("", "", "the date on which the job starts, for a target in dates")])
        begins = _date(begun, "--start", ends=False)
        number = (_date(limit, source, ends=True) - begins).total_seconds()
        if number <= 0:
            raise JobError(source, [Problem(name, f'"{limit}"', "a date after the start")])
    elif kind == "time":
        try:
            number = parse_quantity(limit.strip("\"'"), "time")
        except QuantityError as error:
            raise JobError(source, [Problem(name, f'"{limit}"', str(error))]) from None
    else:
        number, most = _number(name, limit, kind == "share", source), _QUANTITIES[name].most
        if not 0 <= number <= most:  # 95 for 95%, say
            expected = f"a number {'of at least 0' if math.isinf(most) else 'between 0 and 1'}"
            raise JobError(
                source, [Problem(name, f'"{limit}"', expected + (", or one with %" if kind == "share" else ""))]
            )
    return Target(name, at_most, number, " ".join(text.split()), begins)


def _number(name: str, text: str, share: bool, source: str) -> float:
    found = _NUMBER.fullmatch(text)
    try:
        if found is not None and (share or not found[2]):
            return float(found[1]) / (100 if found[2] else 1)
    except ValueError:
        pass
    expected = "a number, or one with %" if share else "a number"
    raise JobError(source, [Problem(name, f'"{text}"', expected)])


def _date(text: str, source: str, ends: bool) -> datetime:
    """A moment; a day without a time is its beginning, or its end."""
    plain = text.strip("\"'")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        expected = 'a date such as 2027-01-15, or with a time, "2027-01-15 12:00", without a zone'
        raise JobError(source, [Problem("", "", f'{expected}, not "{plain}"')])
    return moment + timedelta(days=1) if ends and len(plain) <= len("2027-01-15") else moment
