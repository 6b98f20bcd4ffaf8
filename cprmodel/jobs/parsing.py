"""From a TOML file or a mapping to a pydantic model, whichever it is, or to one clear line."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import read_text
from cprmodel.jobs.quantities import Slip, quantity_key
from cprmodel.jobs.slips import toml_slip
from cprmodel.jobs.written import as_written, shown

__all__ = ["model_from_mapping", "problems_of", "toml_from_file", "toml_from_text"]

_LARGEST_BYTES = 4_000_000
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}""")

Model = TypeVar("Model", bound=BaseModel)


def toml_from_file(path: str | Path, what: str) -> dict[str, Any]:
    """A TOML file's tables; ``what`` names it in errors ("a job file"). Raises JobError."""
    name = str(path) or '""'
    if not str(path):
        raise JobError(name, [Problem("", "", f"the path of {what}")])
    if os.path.isdir(path):
        raise JobError(name, [Problem("", "", f"{what}, not a folder")])
    return toml_from_text(read_text(path, what, "a TOML file in UTF-8", _LARGEST_BYTES), name)


def toml_from_text(text: str, source: str) -> dict[str, Any]:
    """The tables of TOML text; ``source`` names it in errors."""
    if _DEEP_KEY.search(text):  # Python's parser takes the square of their length in memory
        raise JobError(source, [Problem("", "", "TOML whose keys have fewer than 50 parts")])
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise JobError(source, [Problem("", "", "TOML without thousands of nested brackets")]) from None
    except tomllib.TOMLDecodeError as error:
        raise JobError(source, [Problem("", "", toml_slip(text, str(error)))]) from None
    except (ValueError, OverflowError):
        raise JobError(source, [Problem("", "", "TOML with numbers of at most some hundred digits")]) from None


def model_from_mapping(
    model: type[Model], data: Mapping[str, Any], source: str, folder: str | Path = ".", written: Any = None
) -> Model:
    """Read nested mappings, such as parsed TOML or JSON; files that they name are looked for from the folder.

    ``written``: as the file has them, for errors to show, where something was put in the place of what it says.
    """
    if not isinstance(data, Mapping):
        raise JobError(source, [Problem("", "", f"a mapping of tables, not {type(data).__name__}")])
    try:
        return model.model_validate(dict(data), context={"folder": folder})
    except ValidationError as error:
        raise JobError(source, problems_of(error, model, data if written is None else written)) from None


def problems_of(error: ValidationError, model: type[BaseModel], data: Any = None) -> list[Problem]:
    """pydantic's findings in our words: field, value, what is expected. ``data``: what was read, to be shown."""
    findings = sorted(error.errors(include_url=False), key=lambda finding: finding["type"] == "missing")
    inside = [finding["loc"] for finding in findings]
    misspelt = [one["loc"] for one in findings if one["type"] == "extra_forbidden"]
    meant = {(*path[:-1], _close_key([str(part) for part in path], model)) for path in misspelt}
    return [
        _problem(dict(finding), model, data)
        for finding in findings
        if not _is_empty_of_slips(finding["type"], finding["loc"], inside)
        and not (finding["type"] == "missing" and _file_path(finding["loc"]) in meant)  # it is told as misspelt
    ]


def _file_path(path: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*path[:-1], *_file_keys([str(path[-1])])) if path else path


def _is_empty_of_slips(kind: str, path: tuple[Any, ...], others: list[tuple[Any, ...]]) -> bool:
    """Whether a list is found too short only for its items, which are told on their own."""
    return kind == "too_short" and any(len(one) > len(path) and one[: len(path)] == path for one in others)


def _problem(finding: dict[str, Any], model: type[BaseModel], data: Any) -> Problem:
    path = [str(part) for part in finding["loc"]]
    kind = finding["type"]
    context = finding.get("ctx", {})
    value = finding.get("input")
    if isinstance(value, Slip):
        return Problem(".".join([*path[:-1], value.field]), shown(value.value), value.expected)
    if kind == "cprmodel":
        field, told = context["field"], context["value"]
        if field:
            *table, last = field.split(".")
            path = [*path, *table, last]
        said = "" if isinstance(told, str) and told == "" else as_written(path, told, data, _section(path, model))
        return Problem(".".join(path), said, context["expected"])
    field = ".".join(_file_keys(path))
    if kind == "missing":
        what = "this table" if len(path) == 1 else "this key"
        return Problem(field, "", f"{what}, but it is missing")
    if kind == "extra_forbidden":
        return Problem(field, "" if isinstance(value, dict) else shown(value), _known_keys(path, model))
    return Problem(field, shown(value), _EXPECTED.get(kind, lambda c: finding["msg"].lower())(context))


_EXPECTED: dict[str, Any] = {
    "greater_than": lambda c: f"a number greater than {c['gt']:g}",
    "greater_than_equal": lambda c: f"a number of at least {c['ge']:g}",
    "less_than_equal": lambda c: f"a number of at most {c['le']:g}",
    "finite_number": lambda c: "a finite number",
    "float_type": lambda c: "a number",
    "float_parsing": lambda c: "a number",
    "int_parsing_size": lambda c: "a whole number of at most 1e+09",
    "int_type": lambda c: "a whole number",
    "int_parsing": lambda c: "a whole number",
    "int_from_float": lambda c: "a whole number",
    "string_type": lambda c: "text in quotes",
    "string_pattern_mismatch": lambda c: " or ".join(f'"{w}"' for w in c["pattern"].strip("^$()").split("|")),
    "model_type": lambda c: "a table",
    "dict_type": lambda c: "a table",
    "tuple_type": lambda c: "a list",
    "bool_type": lambda c: "true or false",
    "bool_parsing": lambda c: "true or false",
    "literal_error": lambda c: c["expected"].replace("'", '"'),
    "less_than": lambda c: f"a number less than {c['lt']:g}",
    "too_short": lambda c: f"at least {c['min_length']} of them",
}


def _file_keys(path: list[str]) -> list[str]:
    last = quantity_key(path[-1]) if path else None
    return [*path[:-1], last[0]] if last else path


def _model_at(path: list[str], model: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        if part.isdigit():  # an item of a list: the annotation of the list has led to its model already
            continue
        model = next(_models_in(model.model_fields[part].annotation))
    return model


def _section(path: list[str], model: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the table in which a path ends; None where it leads to none."""
    try:
        return _model_at(path[:-1], model)
    except (KeyError, StopIteration):
        return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models of an annotation, such as those of a list of tables that may be left out."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _known_keys(path: list[str], model: type[BaseModel]) -> str:
    close = _close_key(path, model)
    return f'a known key, perhaps "{close}"' if close else f"a known key: {', '.join(_keys_beside(path, model))}"


def _close_key(path: list[str], model: type[BaseModel]) -> str:
    """The key that a misspelt one is likely meant to be; "" for none."""
    return next(iter(difflib.get_close_matches(path[-1], _keys_beside(path, model), n=1)), "")


def _keys_beside(path: list[str], model: type[BaseModel]) -> list[str]:
    fields = _model_at(path[:-1], model).model_fields
    return [(quantity_key(field) or (field,))[0] for field in fields]
