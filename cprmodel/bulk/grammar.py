"""``--vary KEY=lo:hi:logN``: what the command line says of the values of a key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cprmodel.bulk.grid import Grid, grid_of
from cprmodel.bulk.keys import key_of, number_of, values_of
from cprmodel.facts.errors import JobError, Problem
from cprmodel.jobs import Job

__all__ = ["grid_from_options"]

_SPACING = re.compile(r"(log|lin)([0-9]+)")
_FORM = "KEY=lo:hi:logN, KEY=lo:hi:linN or KEY=a,b,c"
_MOST = 10**8


def grid_from_options(job: Job, options: Sequence[str], source: str = "--vary") -> Grid:
    """The grid that several ``--vary`` make.

    >>> from cprmodel import load_preset
    >>> grid = grid_from_options(load_preset("cpr-dlrm"), ["cluster.embedding_shards=2:32:log5", "job.work=1h,2h"])
    >>> [values.tolist() for axis in grid.axes for values in axis.values()]
    [[2, 4, 8, 16, 32], [3600.0, 7200.0]]
    """
    vary: dict[str, Any] = {}
    for option in options:
        name, equals, text = (part.strip() for part in option.partition("="))
        if not equals or not name or not text:
            raise JobError(source, [Problem("", "", f'{_FORM}, not "{option}"')])
        if name in vary:
            raise JobError(source, [Problem(name, "", "each key once")])
        vary[name] = _values(job, name, text, source)
    return grid_of(job, vary, source=source)


def _values(job: Job, name: str, text: str, source: str) -> np.ndarray:
    key = key_of(job, name, source)
    if ":" not in text:
        listed = [part.strip() for part in text.split(",")]
        values = values_of(key, listed, source)
        return np.unique(values) if key.integer else values
    parts = [part.strip() for part in text.split(":")]
    spacing = _SPACING.fullmatch(parts[-1])
    if len(parts) != 3 or spacing is None:
        raise JobError(source, [Problem(name, f'"{text}"', "lo:hi:logN or lo:hi:linN, such as 8:512:log24")])
    low, high = (number_of(key, part, source) for part in parts[:2])
    number = int(spacing[2])
    if not 2 <= number <= _MOST:
        raise JobError(source, [Problem(name, f'"{text}"', f"from 2 to {_MOST:.0e} values")])
    values_of(key, parts[:2], source)
    if not low < high:
        raise JobError(source, [Problem(name, f'"{text}"', "a range from less to more")])
    if spacing[1] == "log" and low <= 0:
        raise JobError(source, [Problem(name, f'"{text}"', "a range above 0 for log")])
    values = (np.geomspace if spacing[1] == "log" else np.linspace)(low, high, number)
    values[0], values[-1] = low, high
    return np.unique(np.round(values)) if key.integer else values
