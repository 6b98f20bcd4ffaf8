"""Forms of dates, as columns of text: each as seconds since 1970 as if in UTC, and where a zone is given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COMPACT", "ISO", "groups", "iso", "named", "of_digits", "plain_iso", "slashed"]

ISO = (
    r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T _](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
)
COMPACT = (
    r"^(\d{4})(\d{2})(\d{2})(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?$"
)
#: Dates of digits alone: what stands behind the day, and how many digits that is.
_DIGITS = (("YYYYMMDD", 1e0), ("YYYYMMDDhhmm", 1e4), ("YYYYMMDDhhmmss", 1e6))
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
    for between, time in (
        (" ", "%H:%M:%S"),
        (" ", "%H:%M"),
        (":", "%H:%M:%S"),
        (" ", "%I:%M:%S %p"),
        (" ", "%I:%M %p"),
        (" ", "%H:%M:%S GMT"),
        ("", ""),
    )
)
_NAMED = (*_NAMED, "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y", "%b %d %H:%M:%S %Y")


def of_digits(numbers: Any) -> tuple[str, Any] | None:
    """Dates that are written without anything between their digits: how, and seconds since 1970 as if in UTC.

    None where one of the numbers is no such date of 1990 to 2099.

    >>> of_digits(np.array([20260227.0, 20260302.0]))
    ('YYYYMMDD', array([1.7721504e+09, 1.7724096e+09]))
    >>> of_digits(np.array([20260227.0, 20260230.0])) is None
    True
    """
    known = numbers[np.isfinite(numbers)]
    if len(known) == 0 or np.any(known != np.floor(known)):
        return None
    for form, behind in _DIGITS:
        if not np.all((known >= 19900101 * behind) & (known < 21000101 * behind)):
            continue
        date, clock = np.divmod(numbers, behind)
        hhmmss = clock * (1e6 / behind)
        parts = [date // 1e4, date // 1e2 % 1e2, date % 1e2]
        time = _time(hhmmss // 1e4, hhmmss // 1e2 % 1e2, hhmmss % 1e2, 0.0)
        seconds = _days(*(np.nan_to_num(part) for part in parts)) * 86400 + time
        if np.isfinite(seconds[np.isfinite(numbers)]).all():
            return form, np.where(np.isfinite(numbers), seconds, np.nan)
    return None


def groups(text: pl.Series, pattern: str, count: int) -> list[Any]:
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


def iso(text: pl.Series, pattern: str) -> tuple[Any, Any]:
    """Seconds since 1970 as if in UTC where no zone is given, and where one is."""
    year, month, day, hour, minute, second = groups(text, pattern, 6)
    days = _days(*(np.nan_to_num(part) for part in (year, month, day)))
    seconds = days * 86400 + _time(hour, minute, second, _fraction(text, pattern, 7))
    zone = text.str.extract(pattern, 8).fill_null("")
    zoned = (zone != "").to_numpy()
    sign = np.where(zone.str.starts_with("-").to_numpy(), -1.0, 1.0)
    hours, minutes = groups(zone, r"^[+-](\d{2}):?(\d{2})?$", 2)
    offset = sign * (np.nan_to_num(hours) * 3600 + np.nan_to_num(minutes) * 60)
    return np.where(np.isfinite(year), seconds - offset, np.nan), zoned


#: ISO 8601 as most logs have it, which polars reads at once: form, whether it ends in Z, and how it looks.
_PLAIN = (
    ("%Y-%m-%dT%H:%M:%S", False, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"),
    ("%Y-%m-%d %H:%M:%S", False, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"),
    ("%Y-%m-%dT%H:%M:%S%.fZ", True, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$"),
)


def plain_iso(text: pl.Series, empty: Any, seconds: Any, local: Any) -> tuple[Any, Any]:
    """What can be read fast, by the form of the first moment."""
    first = next((cell for cell, none in zip(text.head(1000), empty, strict=False) if not none), "")
    for form, zoned, look in _PLAIN:
        if re.match(look, first):
            parsed = text.str.to_datetime(form, strict=False, time_unit="us")
            micro = parsed.dt.epoch("us").cast(_float()).fill_null(np.nan).to_numpy().astype(float)
            found = np.isfinite(micro) & ~empty
            return np.where(found, micro * 1e-6, seconds), local | (found & (not zoned))
    return seconds, local


def slashed(text: pl.Series, rest: Any, name: str, dates: str | None, words: list[str]) -> Any:
    """Dates such as 3/2/2026, once it is clear which comes first."""
    first, second, year, hour, minute, seconds = groups(text, _SLASHED, 6)
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


def named(text: pl.Series) -> tuple[Any, Any]:
    """Seconds since 1970 as if in UTC where no zone is given, and where one is."""
    found, zoned = np.full(len(text), np.nan), np.zeros(len(text), dtype=bool)
    for form in _NAMED:
        if np.isfinite(found).all():
            break
        parsed = (
            text.str.to_datetime(form, strict=False, time_unit="us")
            if "%M" in form
            else text.str.to_date(form, strict=False)
        )
        micro = parsed.cast(_datetime()).dt.epoch("us").cast(_float()).fill_null(np.nan).to_numpy().astype(float)
        if "GMT" in form or "UTC" in form:
            zoned |= ~np.isfinite(found) & np.isfinite(micro)
        found = np.where(np.isfinite(found), found, micro * 1e-6)
    return found, zoned


def _datetime() -> Any:
    import polars as pl

    return pl.Datetime("us")


def _float() -> Any:
    import polars as pl

    return pl.Float64
