"""Values as the job file has them, for an error to show: units and all, lists and tables as TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from cprmodel.facts.units import format_quantity
from cprmodel.jobs.quantities import quantity_key

__all__ = ["PLACEHOLDER", "as_written", "shown"]

#: Stands for a value that a validator does not print itself.
PLACEHOLDER = "..."


def shown(value: Any) -> str:
    """A value as it would stand in a job file.

    >>> print(shown({"every": "30 d", "dates": ["2027-01-05"], "on": True}), shown(0.25))
    { every = "30 d", dates = ["2027-01-05"], on = true } 0.25
    """
    text = _text(value)
    return text if isinstance(value, str) or len(text) <= 60 else f"{text[:57]}..."


def _text(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 80 else f'"{value[:77]}..."'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(one) for one in value[:30])}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_text(one)}" for key, one in list(value.items())[:30])
        return f"{{ {inside} }}" if inside else "{}"
    return str(value)


def as_written(path: Sequence[str], value: Any, data: Any, section: type[BaseModel] | None) -> str:
    """What is shown of the value at a path: as ``data`` has it, else a quantity in units that people use.

    ``value``: what a validator saw, a number in SI units or :data:`PLACEHOLDER`; words of its own are left alone.
    A path may end in several keys ("fit and mttf"), with a value for each. ``section``: the model of its table.

    >>> as_written(["stop", "lasts"], 2592000.0, {"stop": {"lasts": "30 d"}}, None)
    '"30 d"'
    >>> as_written(["stop", "lasts and every"], (86400.0, 3.0), {"stop": {"lasts_s": 86400}}, None)
    '"24 h" and 3'
    """
    *table, last = path
    keys = last.split(" and ")
    if isinstance(value, tuple):
        if len(keys) != len(value):
            return " and ".join(shown(one) for one in value if one != PLACEHOLDER)
        each = [_one([*table, key], one, data, section) for key, one in zip(keys, value, strict=True)]
        return " and ".join(one for one in each if one)
    return _one(path, value, data, section)


def _one(path: Sequence[str], value: Any, data: Any, section: type[BaseModel] | None) -> str:
    placeholder = isinstance(value, str) and value == PLACEHOLDER
    if not placeholder and not isinstance(value, (int, float)):
        return shown(value)
    *table, key = path
    inside = _at(data, table)
    given = inside.get(key) if isinstance(inside, Mapping) else None
    if given is not None and (placeholder or isinstance(given, (int, float, str))):
        return shown(given)
    kinds = _quantities(
        key, [*(inside if isinstance(inside, Mapping) else ()), *(section.model_fields if section else ())]
    )
    if placeholder:
        value = next((inside[field] for field in kinds if isinstance(inside, Mapping) and field in inside), None)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not kinds:
        return shown(value)
    return shown(format_quantity(value, next(iter(kinds.values()))))


def _quantities(key: str, fields: Sequence[Any]) -> dict[str, str]:
    """Those of some fields in SI units that have a file key, and what kind of quantity each is."""
    found = {}
    for field in fields:
        known = quantity_key(field) if isinstance(field, str) else None
        if known is not None and known[0] == key:
            found[field] = known[1]
    return found


def _at(data: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data
