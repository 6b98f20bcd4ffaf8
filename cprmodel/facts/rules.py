"""The rules that a formula keeps, as something that says which one is broken; tests hold every formula to them."""

from __future__ import annotations

import inspect
import re
from typing import Any

from cprmodel.facts.nomenclature import NOMENCLATURE

__all__ = ["broken_rules"]

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?:\n\n\w[^\n]*\n-+\n|\Z)", re.M | re.S)


def broken_rules(formula: Any) -> list[str]:
    """What a formula lacks, a sentence each: none for one that can be exported.

    Each argument's name is the nomenclature's, and its line in the docstring has the unit that is there; the
    docstring has the equation and an example that calls it; source and evidence are attached.

    >>> from cprmodel.formulas import young_1974
    >>> broken_rules(young_1974)
    []
    >>> def overhead_of(save_s: float, wait: float) -> float:
    ...     "The overhead."
    ...     return save_s / wait
    >>> for one in broken_rules(overhead_of): print(one)
    overhead_of: no source and evidence: decorate it with cprmodel.facts.formula.formula
    overhead_of: wait is no name of the nomenclature (cprmodel/facts/nomenclature.py)
    overhead_of: no equation in its docstring (.. math::)
    overhead_of: no line "save_s : ..." under Parameters in its docstring
    overhead_of: no line "wait : ..." under Parameters in its docstring
    overhead_of: no example in its docstring that calls it (>>> overhead_of(...))
    """
    name, text = formula.__name__, inspect.getdoc(formula) or ""
    arguments = list(inspect.signature(formula).parameters)
    found = []
    if not hasattr(formula, "about"):
        found.append("no source and evidence: decorate it with cprmodel.facts.formula.formula")
    for argument in arguments:
        if argument not in NOMENCLATURE:
            found.append(f"{argument} is no name of the nomenclature (cprmodel/facts/nomenclature.py)")
    if ".. math::" not in text:
        found.append("no equation in its docstring (.. math::)")
    section = _PARAMETERS.search(text)
    for argument in arguments:
        line = _line(argument, section[1] if section else "")
        if line is None:
            found.append(f'no line "{argument} : ..." under Parameters in its docstring')
        elif argument in NOMENCLATURE and not _says(NOMENCLATURE[argument].unit, line):
            found.append(f"no unit [{NOMENCLATURE[argument].unit}] in the line of {argument}")
    if not re.search(rf">>> .*\b{name}\(", text):
        found.append(f"no example in its docstring that calls it (>>> {name}(...))")
    return [f"{name}: {one}" for one in found]


def _line(argument: str, section: str) -> str | None:
    """What is said of an argument, which may share its line with others."""
    found = re.search(rf"^[^\n:]*\b{argument}\b[^\n:]* :(.*(?:\n[ ]+.*)*)", section, re.M)
    return found[1] if found else None


def _says(unit: str, line: str) -> bool:
    """Whether a line has a unit; a pure number needs none."""
    return unit == "1" or f"[{unit}]" in line
