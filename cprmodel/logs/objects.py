"""Tables in JSON: a list of objects, an object that holds one, JSON lines; jobs with a list of attempts each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cprmodel.logs.table import Table, wrong

__all__ = ["table_of_json"]

#: Tables of runs or events within one JSON object: sacct's, Kubernetes', most APIs'.
_LISTS = ("items", "jobs", "events", "records", "data", "rows", "results", "attempts")


def table_of_json(text: str, source: str) -> Table:
    """The table in a JSON text; JobError says what is wrong with it."""
    form, place = "JSON", "entry"
    try:
        data = json.loads(text)
    except RecursionError:
        raise wrong(source, "JSON without thousands of nested brackets") from None
    except ValueError as error:
        rows = _json_lines(text, source, error)
        return _of_objects(rows, source, "JSON lines", "line")
    found = _list_in(data)
    if found is None:
        raise wrong(source, "a JSON list of objects, or an object with one (items, jobs, events)")
    rows = [(number, entry) for number, entry in enumerate(found, start=1)]
    return _of_objects(rows, source, form, place)


def _json_lines(text: str, source: str, error: ValueError) -> list[tuple[int, Any]]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    rows = []
    for at, (number, line) in enumerate(lines):
        try:
            rows.append((number, json.loads(line)))
        except (ValueError, RecursionError):
            if at == 0 or len(lines) == 1:
                raise wrong(source, f"JSON ({str(error).lower()})") from None
            if at == len(lines) - 1:
                break  # cut short when its writer was killed
            raise wrong(source, "a JSON object", f"line {number}") from None
    return rows


def _list_in(data: Any) -> list[Any] | None:
    """The list of objects that a JSON value is, or holds."""
    if isinstance(data, list):
        return data
    if not isinstance(data, Mapping):
        return None
    for name in _LISTS:
        inner = data.get(name)
        if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
            return inner
    lists = [
        value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], Mapping)
    ]
    if len(lists) == 1:
        return list(lists[0])
    if data and all(isinstance(value, list) for value in data.values()):
        length = {len(value) for value in data.values()}
        if len(length) == 1:  # a table by its columns
            return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]
    return [data] if any(not isinstance(value, (Mapping, list)) for value in data.values()) else None


def _of_objects(rows: list[tuple[int, Any]], source: str, form: str, place: str) -> Table:
    import numpy as np
    import polars as pl

    if not rows:
        raise wrong(source, "at least one entry")
    if all(not isinstance(entry, (Mapping, list)) for _, entry in rows):
        cells = pl.Series("column 1", [_text(entry) for _, entry in rows], dtype=pl.String)
        return Table(
            source, f"a {form} list of values", pl.DataFrame([cells]), np.array([n for n, _ in rows]), place, False
        )
    flat: list[dict[str, str | None]] = []
    lines = []
    notes = []
    attempts = 0
    for number, entry in rows:
        if not isinstance(entry, Mapping):
            raise wrong(source, "an object", f"{place} {number}", _text(entry) or "")
        inner = entry.get("attempts")
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) for one in inner):
            outer = {key: value for key, value in entry.items() if key != "attempts"}
            for at, one in enumerate(inner):
                # all but the last attempt were tried again: they failed
                made = {**_flat(outer), **_flat(one)}
                if at < len(inner) - 1 and not any(key in one for key in ("state", "status")):
                    made.update({key: "FAILED" for key in ("status", "state") if key in made})
                flat.append(made)
                lines.append(number)
            attempts += len(inner)
            continue
        flat.append(_flat(entry))
        lines.append(number)
    if attempts:
        notes.append(
            f"{attempts:,} attempts, one row each; an attempt that another followed is taken to have failed"
        )
    names = list(dict.fromkeys(key for one in flat for key in one))
    if not names:
        raise wrong(source, "objects with values")
    frame = pl.DataFrame([pl.Series(name, [one.get(name) for one in flat], dtype=pl.String) for name in names])
    return Table(source, form, frame, np.array(lines), place, True, tuple(notes))


def _flat(entry: Mapping[str, Any], before: str = "") -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for key, value in entry.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            if set(value) >= {"set", "number"}:  # Slurm's numbers: {"set": true, "infinite": false, "number": 4}
                out[name] = _text(value["number"]) if value["set"] else None
            elif len(out) < 2000:
                out.update(_flat(value, f"{name}."))
        elif isinstance(value, list):
            if len(value) == 1 and not isinstance(value[0], (Mapping, list)):
                out[name] = _text(value[0])
            elif all(isinstance(one, str) for one in value):
                out[name] = ",".join(value)
        else:
            out[name] = _text(value)
    return out


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
