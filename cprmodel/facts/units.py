"""Quantities with units, read and written at the edge of the package alone.

The grammar is strict on purpose: one or more ``NUMBER UNIT`` terms ("30 min", "1 h 30 min", "5 GB/s").
Units are pint's, in a registry that knows times, bytes and nothing else, so that "4 m" is a question
rather than four metres. pint is imported when the first quantity is read.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any

__all__ = [
    "LONGEST_S",
    "QuantityError",
    "count_of",
    "format_bytes",
    "format_chance",
    "format_money",
    "format_quantity",
    "format_share",
    "format_time",
    "parse_quantity",
    "rounded_within",
]

_TERM = re.compile(
    r"([+-]?(?:[0-9]++(?:_[0-9]++)*+\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)"
    r" *+([A-Za-z]{1,30}+(?: *+/ *+[A-Za-z]{1,30}+)?)"
)

#: Beyond 30,000 years a time is no time in training.
LONGEST_S = 1e12

_DEFINITIONS = """
second = [time] = s = sec = secs
minute = 60 * second = min = mins
hour = 60 * minute = h = hr = hrs
day = 24 * hour = d
week = 7 * day = wk
year = 365.25 * day = yr
byte = [information] = B
bit = byte / 8 = b
nano- = 1e-9 = n-
micro- = 1e-6 = u-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
kibi- = 2**10 = Ki-
mebi- = 2**20 = Mi-
gibi- = 2**30 = Gi-
tebi- = 2**40 = Ti-
pebi- = 2**50 = Pi-
"""

#: Kind of quantity → (SI unit, what an error message expects).
KINDS = {
    "time": ("second", 'a time with its unit, such as "30 min"'),
    "size": ("byte", 'a size with its unit, such as "1.2 TB"'),
    "bandwidth": ("byte/second", 'a bandwidth with its unit, such as "5 GB/s"'),
}


class QuantityError(ValueError):
    """The text is not a quantity of the wanted kind; the message says what is expected."""


@functools.lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry(None)
    registry.load_definitions([line for line in _DEFINITIONS.splitlines() if line])
    return registry


@functools.lru_cache(maxsize=256)
def _factor(unit: str, si_unit: str) -> float:
    """How many SI units one ``unit`` is; raises QuantityError with the reason."""
    from pint.errors import DimensionalityError, UndefinedUnitError

    registry = _registry()
    try:
        return float(registry.Quantity(1.0, unit.replace(" ", "")).to(si_unit).magnitude)
    except UndefinedUnitError:
        raise QuantityError(f"no unit {unit!r} is known") from None
    except DimensionalityError:
        raise QuantityError(f"{unit!r} is of another kind") from None
    except Exception:  # pint's parser raises many kinds on malformed text
        raise QuantityError(f"{unit!r} is not a unit") from None


def _with_point(text: str) -> str:
    """How a number with commas is written."""
    found = re.search(r"(?<!\d)(\d{1,30}),(\d{1,30})", text)
    if found is None:
        return ""
    if len(found[2]) == 3:  # "1,000" may be a thousand or one
        return f"; numbers have no commas: {found[1]}{found[2]} or {found[1]}.{found[2]}, not {found[0]}"
    return f", with a decimal point: {found[1]}.{found[2]}, not {found[0]}"


def parse_quantity(text: str, kind: str) -> float:
    """A quantity such as "30 min" in SI units.

    >>> parse_quantity("1 h 30 min", "time"), parse_quantity("5 GB/s", "bandwidth")
    (5400.0, 5000000000.0)
    >>> parse_quantity("10 GB/s", "size")
    Traceback (most recent call last):
        ...
    cprmodel.facts.units.QuantityError: a size with its unit, such as "1.2 TB"
    """
    si_unit, expected = KINDS[kind]
    position, total, last = 0, 0.0, math.inf
    stripped = text.strip(" ")
    while position < len(stripped):
        match = _TERM.match(stripped, position)
        if match is None:
            raise QuantityError(f"{expected}{_with_point(stripped)}")
        if kind == "size" and re.fullmatch(r"[kKMGTPE]i?b", match[2].replace(" ", "")):
            raise QuantityError(f'{expected}; "{match[2].strip()}" is bits: write "{match[2].strip()[:-1]}B"')
        try:
            factor = _factor(match[2], si_unit)
        except QuantityError:
            raise QuantityError(expected) from None
        if factor >= last or (position > 0 and match[1][0] in "+-"):
            raise QuantityError(expected)  # "1 h 30 min" adds up; "30 s 1 h" and "1 h -5 min" are slips
        last = factor
        total += float(match[1]) * factor
        position = match.end()
        while position < len(stripped) and stripped[position] == " ":
            position += 1
    if not stripped:
        raise QuantityError(expected)
    if not math.isfinite(total):
        raise QuantityError(f"{expected}, and finite")
    return total


def format_time(seconds: float) -> str:
    """Seconds as a person would say them, to three or four figures.

    >>> format_time(161280), format_time(240), format_time(5400), format_time(0.25), format_time(3599.99)
    ('44 h 48 min', '4 min', '1 h 30 min', '250 ms', '1 h')
    >>> format_time(1e30)
    'over 30,000 years'
    """
    if seconds > LONGEST_S:
        return "over 30,000 years"
    if seconds == 0:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds:.3g} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.3g} s"
    if round(seconds) < 3600:
        return _two(round(seconds), (60, "min"), (1, "s"))
    if seconds < 3 * 86400 - 30:
        return _two(60 * round(seconds / 60), (3600, "h"), (60, "min"))
    return _two(3600 * round(seconds / 3600), (86400, "d"), (3600, "h"))


def _two(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    whole, rest = divmod(seconds, large[0])
    tail = f" {rest // small[0]} {small[1]}" if rest else ""
    return f"{whole:,} {large[1]}{tail}"


def format_bytes(size: float) -> str:
    """Bytes with three figures and the largest unit that leaves a number of at least 1.

    >>> format_bytes(1.2e12), format_bytes(65536), format_bytes(0)
    ('1.2 TB', '65.5 kB', '0 B')
    """
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if float(f"{size:.3g}") < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.4g} P{unit[-1]}"


def format_quantity(value: float, kind: str) -> str:
    """A time, a size or a bandwidth in SI units, for a person.

    >>> format_quantity(5400, "time"), format_quantity(2e9, "size"), format_quantity(2e9, "bandwidth")
    ('1 h 30 min', '2 GB', '2 GB/s')
    """
    if kind == "time":
        return format_time(value)
    return format_bytes(value) + ("/s" if kind == "bandwidth" else "")


def format_money(amount: float, currency: str) -> str:
    """An amount of money with three figures or to the unit.

    >>> format_money(1234.56, "USD"), format_money(0.01234, "EUR"), format_money(0, "USD")
    ('1,235 USD', '0.0123 EUR', '0 USD')
    """
    return f"{amount:,.0f} {currency}" if abs(amount) >= 1000 or amount == 0 else f"{amount:.3g} {currency}"


def format_share(share: float) -> str:
    """A fraction as a percentage with three figures.

    >>> format_share(0.0853), format_share(0.00123), format_share(0)
    ('8.53%', '0.123%', '0%')
    """
    percent = 100 * share
    if percent == 0:
        return "0%"
    if percent >= 1e6:
        return f"{share:.3g} times"
    if percent >= 1000:
        return f"{percent:,.0f}%"
    digits = max(0, 2 - math.floor(math.log10(abs(percent))))
    return f"{percent:.{min(digits, 8)}f}%"


def format_chance(chance: float) -> str:
    """A probability in whole percent, and which side of 1% or 99% it is on beyond.

    >>> format_chance(0.437), format_chance(0.002), format_chance(0.9999)
    ('44%', 'under 1%', 'over 99%')
    """
    return "under 1%" if chance < 0.01 else "over 99%" if chance > 0.99 else f"{100 * chance:.0f}%"


def count_of(number: float, what: str = "failure") -> str:
    """So many things, in words.

    >>> count_of(1), count_of(2000), count_of(3, "seed"), count_of(1.004), count_of(2.5)
    ('1 failure', '2,000 failures', '3 seeds', '1 failure', '2.5 failures')
    """
    shown = f"{number:.3g}" if isinstance(number, float) else f"{number:,}"
    return f"{shown} {what}{'' if shown == '1' else 's'}"


#: Units in which a quantity is written as one number, each from so many of the SI unit on.
_WRITTEN = {
    "time": ((259200.0, 86400.0, "d"), (7200.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s")),
    "size": ((1e12, 1e12, "TB"), (1e9, 1e9, "GB"), (0.0, 1e6, "MB")),
    "bandwidth": ((1e12, 1e12, "TB/s"), (1e9, 1e9, "GB/s"), (0.0, 1e6, "MB/s")),
}


def rounded_within(value: float, kind: str | None, up: bool, figures: int = 4) -> str:
    """A number of a job file in so many figures, rounded up or down, with one unit where it has any.

    >>> rounded_within(316.6789, "time", up=False), rounded_within(90061, "time", up=True)
    ('316.6 s', '25.02 h')
    >>> rounded_within(0.123456, None, up=True), rounded_within(5e9, "bandwidth", up=False)
    ('0.1235', '5 GB/s')
    """
    unit, name = 1.0, ""
    if kind is not None:
        unit, name = next((size, f" {name}") for least, size, name in _WRITTEN[kind] if value >= least)
    number = value / unit
    if number == 0:
        return f"0{name}"
    step = 10.0 ** (math.floor(math.log10(abs(number))) - figures + 1)
    nearest = round(number / step)
    exact = abs(number / step - nearest) < 1e-9
    whole = nearest if exact else math.ceil(number / step) if up else math.floor(number / step)
    return f"{float(f'{whole * step:.{figures + 1}g}'):.{figures + 1}g}{name}"
