"""From what stands in cells to seconds: durations as people and schedulers write them, moments with zones.

Moments become seconds since 1970 in UTC. How they were understood is said in words; what is ambiguous is asked.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, count_of, parse_quantity
from cprmodel.logs.alone import Cells

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DATES", "EPOCHS", "Read", "durations_of", "epoch_unit", "missing", "moments_of", "numbers_of", "unit_s"]

#: What stands for "not known" in a cell.
MISSING = ("", "unknown", "none", "nan", "nat", "null", "n/a", "na", "-", "--", "\\n", "invalid", "none assigned")
DATES = ("day-first", "month-first")
#: Unit of a Unix time → factor to seconds. As seconds they lie between 1979 and 2128.
EPOCHS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_EPOCH_RANGE = (3e8, 5e9)

_ISO = (
    r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T _](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
)
_COMPACT = r"^(\d{4})(\d{2})(\d{2})T?(\d{2})(\d{2})(\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:?\d{2})?$"
_SLASHED = (
    r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})"
    r"(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?\s*([AaPp][Mm])?)?$"
)
#: Dates with the name of a month, as chrono spells formats.
_NAMED = tuple(
    f"{date}{between}{time}".strip()
    for date in (
        "%d %b %Y",
        "%a, %d %b %Y",
        "%d-%b-%Y",
        "%d/%b/%Y",
        "%b %d %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d-%b-%y",
    )
    for between, time in ((" ", "%H:%M:%S"), (" ", "%H:%M"), (":", "%H:%M:%S"), ("", ""))
)
_NAMED = (*_NAMED, "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y", "%b %d %H:%M:%S %Y")

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
        found = _groups(text, pattern, 4)
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
    text = cells.fill_null("").str.strip_chars()
    seconds = np.full(len(text), np.nan)
    local = np.zeros(len(text), dtype=bool)
    seconds, local = _plain_iso(text, empty, seconds, local)
    for pattern in (_ISO, _COMPACT):
        rest = ~np.isfinite(seconds) & ~empty
        if rest.any():
            found, zoned = _iso(text, pattern)
            use = rest & np.isfinite(found)
            seconds, local = np.where(use, found, seconds), local | (use & ~zoned)
    rest = ~np.isfinite(seconds) & ~empty
    if rest.any():
        found = _slashed(text, rest, name, dates, words)
        use = rest & np.isfinite(found)
        seconds, local = np.where(use, found, seconds), local | use
    rest = ~np.isfinite(seconds) & ~empty
    if rest.any():
        found = _named(text)
        use = rest & np.isfinite(found)
        seconds, local = np.where(use, found, seconds), local | use
    if local.any():
        seconds = _to_utc(seconds, local, time_zone, words, bool((~local & ~empty).any()))
    return Read(seconds, empty, tuple(words), "dates", int(np.count_nonzero(local)))


def _groups(text: pl.Series, pattern: str, count: int) -> list[Any]:
    import polars as pl

    frame = text.str.extract_groups(pattern).struct.unnest()
    return [
        frame[:, at].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(float)
        for at in range(count)
    ]


def _days(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970 of dates of the Gregorian calendar; NaN where there is no such date."""
    y = year - (month <= 2)
    era = np.floor(y / 400)
    of_era = y - 400 * era
    of_year = np.floor((153 * (month + np.where(month > 2, -3, 9)) + 2) / 5) + day - 1
    in_era = of_era * 365 + np.floor(of_era / 4) - np.floor(of_era / 100) + of_year
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    safe = np.where((month >= 1) & (month <= 12), month, 0).astype(int)
    valid = (day >= 1) & (day <= lengths[safe] + ((safe == 2) & leap))
    return np.where(valid, era * 146097 + in_era - 719468, np.nan)


def _time(hour: Any, minute: Any, second: Any, fraction: Any) -> Any:
    h, m, s = np.nan_to_num(hour), np.nan_to_num(minute), np.nan_to_num(second)
    value = h * 3600 + m * 60 + s + fraction
    return np.where((h <= 24) & (m < 60) & (s <= 60), value, np.nan)


def _fraction(text: pl.Series, pattern: str, group: int) -> Any:
    """A fraction of a second from its digits."""
    import polars as pl

    digits = text.str.extract(pattern, group).fill_null("0")
    return pl.select(pl.lit("0.") + digits).to_series().cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()


def _iso(text: pl.Series, pattern: str) -> tuple[Any, Any]:
    """Seconds since 1970 as if in UTC where no zone is given, and where one is."""
    year, month, day, hour, minute, second = _groups(text, pattern, 6)
    days = _days(*(np.nan_to_num(part) for part in (year, month, day)))
    seconds = days * 86400 + _time(hour, minute, second, _fraction(text, pattern, 7))
    zone = text.str.extract(pattern, 8).fill_null("")
    zoned = (zone != "").to_numpy()
    sign = np.where(zone.str.starts_with("-").to_numpy(), -1.0, 1.0)
    hours, minutes = _groups(zone, r"^[+-](\d{2}):?(\d{2})?$", 2)
    offset = sign * (np.nan_to_num(hours) * 3600 + np.nan_to_num(minutes) * 60)
    return np.where(np.isfinite(year), seconds - offset, np.nan), zoned


#: ISO 8601 as most logs have it, which polars reads at once: form, whether it ends in Z, and how it looks.
_PLAIN = (
    ("%Y-%m-%dT%H:%M:%S", False, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"),
    ("%Y-%m-%d %H:%M:%S", False, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"),
    ("%Y-%m-%dT%H:%M:%S%.fZ", True, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$"),
)


def _plain_iso(text: pl.Series, empty: Any, seconds: Any, local: Any) -> tuple[Any, Any]:
    """What can be read fast, by the form of the first moment."""
    first = next((cell for cell, none in zip(text.head(1000), empty, strict=False) if not none), "")
    for form, zoned, look in _PLAIN:
        if re.match(look, first):
            parsed = text.str.to_datetime(form, strict=False, time_unit="us")
            micro = parsed.dt.epoch("us").cast(_float()).fill_null(np.nan).to_numpy().astype(float)
            found = np.isfinite(micro) & ~empty
            return np.where(found, micro * 1e-6, seconds), local | (found & (not zoned))
    return seconds, local


def _slashed(text: pl.Series, rest: Any, name: str, dates: str | None, words: list[str]) -> Any:
    """Dates such as 3/2/2026, once it is clear which comes first."""
    first, second, year, hour, minute, seconds = _groups(text, _SLASHED, 6)
    use = rest & np.isfinite(first)
    if not use.any():
        return np.full(len(text), np.nan)
    a, b = float(np.max(first[use])), float(np.max(second[use]))
    told = "day-first" if a > 12 else "month-first" if b > 12 else None
    if told is None:
        if dates is None:
            shown = text.to_list()[int(np.flatnonzero(use)[0])]
            expected = f'day-first or month-first, since the {name} holds "{shown}" and no date that tells which'
            raise JobError("--dates", [Problem("", "", expected)])
        told = dates
    elif dates is not None and dates != told:
        raise JobError(
            "--dates", [Problem("", "", f"{told}: the column {name} has a number above 12 in the other place")]
        )
    day, month = (first, second) if told == "day-first" else (second, first)
    year = np.where(year < 70, year + 2000, np.where(year < 100, year + 1900, year))
    marker = text.str.extract(_SLASHED, 8).str.to_lowercase().fill_null("")
    afternoon, morning = (marker == "pm").to_numpy(), (marker == "am").to_numpy()
    hour = np.where(afternoon & (hour < 12), hour + 12, np.where(morning & (hour == 12), 0, hour))
    found = _days(*(np.nan_to_num(part) for part in (year, month, day))) * 86400
    found = found + _time(hour, minute, seconds, _fraction(text, _SLASHED, 7))
    words.append(f"{'day' if told == 'day-first' else 'month'} first in dates")
    return np.where(use, found, np.nan)


def _named(text: pl.Series) -> Any:
    found = np.full(len(text), np.nan)
    for form in _NAMED:
        if np.isfinite(found).all():
            break
        parsed = (
            text.str.to_datetime(form, strict=False, time_unit="us")
            if "%H" in form
            else text.str.to_date(form, strict=False)
        )
        micro = parsed.cast(_datetime()).dt.epoch("us").cast(_float()).fill_null(np.nan).to_numpy().astype(float)
        found = np.where(np.isfinite(found), found, micro * 1e-6)
    return found


def _datetime() -> Any:
    import polars as pl

    return pl.Datetime("us")


def _float() -> Any:
    import polars as pl

    return pl.Float64


def _to_utc(seconds: Any, local: Any, time_zone: str | None, words: list[str], mixed: bool) -> Any:
    """Moments without a zone, in the zone that was named, or taken for UTC."""
    number = int(np.count_nonzero(local))
    some = count_of(number, "moment") if mixed else "moments"
    if time_zone is None:
        words.append(f"{some} without a zone taken for UTC")
        return seconds
    import polars as pl

    try:
        zoneinfo.ZoneInfo(time_zone)
        micro = pl.Series(np.round(np.where(local, seconds, 0.0) * 1e6).astype("int64")).cast(pl.Datetime("us"))
        placed = micro.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        later = micro.dt.replace_time_zone(time_zone, ambiguous="latest", non_existent="null")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.PolarsError):
        expected = f'a time zone such as Europe/Berlin or UTC, not "{time_zone}"'
        raise JobError("--time-zone", [Problem("", "", expected)]) from None
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
