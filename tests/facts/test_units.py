"""Quantities against pint's own default registry, and the refusals."""

from __future__ import annotations

import contextlib
import math

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.facts.units import QuantityError, format_share, format_time, parse_quantity

UREG = pint.UnitRegistry()
SI = {"time": "second", "size": "byte", "bandwidth": "byte/second"}


@pytest.mark.parametrize(
    ("text", "kind", "same_as"),
    [
        ("30 min", "time", "30 minute"),
        ("30min", "time", "30 minute"),
        ("1.5 h", "time", "1.5 hour"),
        ("2 days", "time", "2 day"),
        ("200 ms", "time", "200 millisecond"),
        ("1e3 us", "time", "1000 microsecond"),
        ("3 weeks", "time", "3 week"),
        ("1 yr", "time", "1 year"),
        ("1.2 TB", "size", "1.2 terabyte"),
        ("3 GiB", "size", "3 gibibyte"),
        ("3 Gibit", "size", "3 gibibit"),
        ("5 GB/s", "bandwidth", "5 gigabyte/second"),
        ("100 Gb/s", "bandwidth", "100 gigabit/second"),
        ("1 TB / h", "bandwidth", "1 terabyte/hour"),
    ],
)
def test_agrees_with_pint(text: str, kind: str, same_as: str) -> None:
    expected = UREG.Quantity(same_as).to(SI[kind]).magnitude
    assert math.isclose(parse_quantity(text, kind), expected, rel_tol=1e-12)


def test_terms_add_up() -> None:
    assert parse_quantity("1 h 30 min 5 s", "time") == 5405


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10 GB/s", "size"),
        ("3.2 Tb", "size"),  # bits: an eighth of what is meant
        ("3 Gib", "size"),
        ("10 GB", "bandwidth"),
        ("10 GB", "time"),
        ("4", "time"),
        ("", "time"),
        ("   ", "time"),
        ("min", "time"),
        ("4 m", "time"),
        ("1,5 h", "time"),
        ("1 h -5 min", "time"),
        ("30 s 1 h", "time"),
        ("4 min 4 min", "time"),
        ("٤ h", "time"),
        ("4 min\u2028", "time"),
        ("nan s", "time"),
        ("inf h", "time"),
        ("1e999 h", "time"),
        ("5 min or so", "time"),
        ("5 min; 3", "time"),
        ("--5 min", "time"),
        ("5 s**9", "time"),
        ("__import__('os')", "time"),
        ("5 GB//s", "bandwidth"),
    ],
)
def test_refuses(text: str, kind: str) -> None:
    with pytest.raises(QuantityError, match="unit"):
        parse_quantity(text, kind)


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    with contextlib.suppress(QuantityError):
        assert math.isfinite(parse_quantity(text, "time"))


@given(st.floats(1e-6, 1e12))
def test_a_printed_time_reads_back(seconds: float) -> None:
    shown = parse_quantity(format_time(seconds).replace(",", ""), "time")
    # the coarsest rounding: whole minutes from an hour on, whole hours from three days on
    slack = 0.006 * seconds if seconds < 60 else 0.51 if seconds < 3600 else 31 if seconds < 3 * 86400 else 1801
    assert abs(shown - seconds) <= slack


def test_huge_shares_are_factors() -> None:
    assert format_share(5e7) == "5e+07 times"


@given(st.floats(1e-9, 9e3))
def test_a_printed_share_has_three_figures(share: float) -> None:
    shown = float(format_share(share).rstrip("%").replace(",", "")) / 100
    assert math.isclose(shown, share, rel_tol=0.006, abs_tol=1e-10)
