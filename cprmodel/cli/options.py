"""What several commands read from their options."""

from __future__ import annotations

import os
from pathlib import Path

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, parse_quantity

__all__ = ["bandwidth_option", "check_report", "time_option"]


def time_option(option: str, text: str, may_be_zero: bool = False) -> float:
    """Seconds from an option such as ``--save "5 min"``."""
    try:
        seconds = parse_quantity(text, "time")
    except QuantityError as error:
        raise JobError(f"--{option}", [Problem("", "", f'{error}, not "{text}"')]) from None
    if not (0 < seconds <= 1e12 or (may_be_zero and seconds == 0)):
        least = "a time of at least 0" if may_be_zero else "a time greater than 0"
        raise JobError(f"--{option}", [Problem("", "", f'{least} and at most 1e12 s, not "{text}"')])
    return seconds


def bandwidth_option(option: str, text: str) -> float:
    """Bytes a second from an option such as ``--budget "2 GB/s"``."""
    try:
        bandwidth = parse_quantity(text, "bandwidth")
    except QuantityError as error:
        raise JobError(f"--{option}", [Problem("", "", f'{error}, not "{text}"')]) from None
    if not 0 < bandwidth <= 1e18:
        raise JobError(f"--{option}", [Problem("", "", f'a bandwidth above 0 and at most 1e18 B/s, not "{text}"')])
    return bandwidth


def check_report(report: Path, source: str, option: str = "--report") -> None:
    """What is written must not land on the file that is read, nor nowhere."""
    if not report.name:
        raise JobError(option, [Problem("", "", "the path of a file to write")])
    if report.is_dir():
        raise JobError(f"{option} {report}", [Problem("", "", "the path of a file, not of a folder")])
    folder = report.parent
    if not folder.is_dir() or not os.access(report if report.exists() else folder, os.W_OK):
        raise JobError(f"{option} {report}", [Problem("", "", "a file in a folder that can be written to")])
    if report.exists() and Path(source).exists() and report.samefile(source):
        raise JobError(f"{option} {report}", [Problem("", "", "another file than the one that is read")])
