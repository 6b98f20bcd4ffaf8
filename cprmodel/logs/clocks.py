"""From what stands in cells to seconds: durations as people and schedulers write them, moments with zones.

Moments become seconds since 1970 in UTC. How they were understood is said in words; what is ambiguous is asked.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, count_of, parse_quantity
from cprmodel.logs.alone import Cells
from cprmodel.logs.dates import COMPACT, ISO, groups, iso, named, of_digits, plain_iso, slashed

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "DATES",
    "EPOCHS",
    "Read",
    "are_moments",
    "check_zone",
    "durations_of",
    "epoch_unit",
    "missing",
    "moments_of",
    "numbers_of",
    "unit_s",
]

#: What stands for "not known" in a cell.
MISSING = ("", "unknown", "none", "nan", "nat", "null", "n/a", "na", "-", "--", "\\n", "invalid", "none assigned")
DATES = ("day-first", "month-first")
#: Unit of a Unix time → factor to seconds. As seconds they lie between 1979 and 2128.
EPOCHS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_EPOCH_RANGE = (3e8, 5e9)

_CLOCK = r"^(?:(\d+)(?:-| days?,? ))?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$"
_ISO_DURATION = r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$"


@dataclass(frozen=True)
class Read:
    """A column in seconds: NaN where a cell is empty or cannot be read, and how it was understood."""

    seconds: Any
    empty: Any  #: cells that say nothing (or "Unknown")
    words: tuple[str, ...] = ()
    clock: str = ""  #: "Unix time", "dates", "numbers"
    without_zone: int = 0

    @property
    def unreadable(self) -> Any:
        """Cells that hold something else."""
        return ~np.isfinite(self.seconds) & ~self.empty


def unit_s(unit: str | None) -> float:
    """Seconds of a unit of time that the user named."""
    try:
        return 1.0 if unit is None else parse_quantity(f"1 {unit}", "time")
    except QuantityError:
        raise JobError("--unit", [Problem("", "", f'a unit of time, such as h, not "{unit}"')]) from None


def check_zone(name: str) -> None:
    """One line where there is no such time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _no_zone(name) from None


def _no_zone(name: str) -> JobError:
    expected = f'a time zone such as Europe/Berlin or UTC, not "{name}"'
    return JobError("--time-zone", [Problem("", "", expected)])


def missing(cells: pl.Series | Cells) -> Any:
    """Which cells say nothing."""
    return cells.fill_null("").str.strip_chars().str.to_lowercase().is_in(list(MISSING)).to_numpy()


def numbers_of(cells: pl.Series | Cells) -> Any:
    """Cells as plain numbers; NaN where they are none."""
    if isinstance(cells, Cells):
        return cells.numbers()
    import polars as pl

    numbers = cells.str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(float)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def epoch_unit(numbers: Any) -> str | None:
    """The unit in which all these numbers would be Unix times of our days; None where there is none.

    >>> epoch_unit(np.array([1.7e9, 1.71e9])), epoch_unit(np.array([1.7e12])), epoch_unit(np.array([10.0, 35.0]))
    ('s', 'ms', None)
    """
    known = numbers[np.isfinite(numbers) & (numbers != 0)]
    low, high = _EPOCH_RANGE
    if len(known) == 0:
        return None
    return next(
        (unit for unit, factor in EPOCHS.items() if np.all((known * factor > low) & (known * factor < high))), None
    )


def are_moments(numbers: Any) -> bool:
    """Whether all of these numbers are Unix times of our days, or dates of digits alone (20260302)."""
    return epoch_unit(numbers) is not None or of_digits(numbers) is not None


def durations_of(cells: pl.Series, unit: float) -> Read:
    """Durations: numbers in a unit, ``1-08:15:29``, ``2 days 03:00:00``, ``PT1H``, ``1 h 30 min``."""
    empty = missing(cells)
    seconds = numbers_of(cells) * unit
    text = cells.fill_null("").str.strip_chars()
    words = []
    for pattern, factors, said in (
        (_CLOCK, (86400.0, 3600.0, 60.0, 1.0), "as days-hours:minutes:seconds"),
        (_ISO_DURATION, (86400.0, 3600.0, 60.0, 1.0), "as ISO 8601 durations"),
    ):
        rest = ~np.isfinite(seconds) & ~empty
        if not rest.any():
            break
        found = groups(text, pattern, 4)
        matches = rest & text.str.contains(pattern).to_numpy()
        value = sum(np.nan_to_num(part) * factor for part, factor in zip(found, factors, strict=True))
        seconds = np.where(matches, value, seconds)
        if matches.any():
            words.append(said)
    rest = np.flatnonzero(~np.isfinite(seconds) & ~empty)
    if len(rest):
        known: dict[str, float] = {}
        cells_left = text.gather(rest).to_list()
        for cell in set(cells_left):
            try:
                known[cell] = parse_quantity(cell, "time")
            except QuantityError:
                known[cell] = np.nan
        seconds = seconds.copy()
        seconds[rest] = [known[cell] for cell in cells_left]
        if np.isfinite(seconds[rest]).any():
            words.append("with their units")
    return Read(seconds, empty, tuple(words), "numbers")


def moments_of(cells: pl.Series, name: str, time_zone: str | None = None, dates: str | None = None) -> Read:
    """Moments, as seconds since 1970: Unix times, ISO 8601, dates of other forms; ``name`` is the column's.

    A moment without a zone is taken for UTC, or for ``time_zone``. A date such as 3/2/2026 is asked about unless
    another row, or ``dates``, tells which comes first.
    """
    empty = missing(cells)
    numbers = numbers_of(cells)
    unit = epoch_unit(numbers[~empty])
    words: list[str] = []
    if unit is not None and np.isfinite(numbers[~empty]).all():
        said = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[unit]
        zeros = empty | (numbers == 0)  # a job that never began or ended
        return Read(np.where(zeros, np.nan, numbers * EPOCHS[unit]), zeros, (f"Unix time in {said}",), "Unix time")
    digits = of_digits(numbers) if unit is None and np.isfinite(numbers[~empty]).all() else None
    if digits is not None:
        words.append(f"dates as {digits[0]}")
        seconds = _to_utc(digits[1], ~empty, time_zone, words, mixed=False)
        return Read(np.where(empty, np.nan, seconds), empty, tuple(words), "dates", int(np.count_nonzero(~empty)))
    text = cells.fill_null("").str.strip_chars()
    seconds = np.full(len(text), np.nan)
    local = np.zeros(len(text), dtype=bool)
    seconds, local = plain_iso(text, empty, seconds, local)
    for pattern in (ISO, COMPACT):
        rest = ~np.isfinite(seconds) & ~empty
        if rest.any():
            found, zoned = iso(text, pattern)
            use = rest & np.isfinite(found)
            seconds, local = np.where(use, found, seconds), local | (use & ~zoned)
    rest = ~np.isfinite(seconds) & ~empty
    if rest.any():
        found = slashed(text, rest, name, dates, words)
        use = rest & np.isfinite(found)
        seconds, local = np.where(use, found, seconds), local | use
    rest = ~np.isfinite(seconds) & ~empty
    if rest.any():
        found, zoned = named(text)
        use = rest & np.isfinite(found)
        seconds, local = np.where(use, found, seconds), local | (use & ~zoned)
    if local.any():
        seconds = _to_utc(seconds, local, time_zone, words, bool((~local & ~empty).any()))
    return Read(seconds, empty, tuple(words), "dates", int(np.count_nonzero(local)))


def _to_utc(seconds: Any, local: Any, time_zone: str | None, words: list[str], mixed: bool) -> Any:
    """Moments without a zone, in the zone that was named, or taken for UTC."""
    number = int(np.count_nonzero(local))
    some = count_of(number, "moment") if mixed else "moments"
    if time_zone is None:
        words.append(f"{some} without a zone taken for UTC")
        return seconds
    import polars as pl

    check_zone(time_zone)
    try:
        micro = pl.Series(np.round(np.where(local, seconds, 0.0) * 1e6).astype("int64")).cast(pl.Datetime("us"))
        placed = micro.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        later = micro.dt.replace_time_zone(time_zone, ambiguous="latest", non_existent="null")
    except pl.exceptions.PolarsError:
        raise _no_zone(time_zone) from None
    words.append(f"{some} without a zone taken for {time_zone}")
    placed = _in_order(placed, later, time_zone)
    twice = int(np.count_nonzero((placed != later).fill_null(False).to_numpy() & local))
    never = int(np.count_nonzero(placed.is_null().to_numpy() & local))
    if twice:
        words.append(
            f"{count_of(twice, 'moment')} in the hour that the clock goes back through twice: taken for the "
            "first, unless the row above is later"
        )
    if never:
        words.append(f"{count_of(never, 'moment')} in the hour that the clock leaves out: taken for an hour later")
        shifted = micro.dt.offset_by("1h")
        placed = placed.fill_null(
            shifted.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        )
    utc = placed.dt.epoch("us").cast(pl.Float64).to_numpy() * 1e-6
    return np.where(local, utc, seconds)


def _in_order(first: pl.Series, second: pl.Series, time_zone: str) -> pl.Series:
    """Of moments that a clock shows twice the second ones, where the first would come before the row above."""
    twice = np.flatnonzero((first != second).fill_null(False).to_numpy())
    if len(twice) == 0:
        return first
    early, late = first.dt.epoch("us").to_list(), second.dt.epoch("us").to_list()
    for row in twice:
        above = early[row - 1] if row else None
        if above is not None and early[row] < above <= late[row]:
            early[row] = late[row]
    import polars as pl

    return pl.Series(early).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone)
