"""Formulas as text, printed by SymPy from their own bodies: nothing is typed twice.

SymPy takes a second to load, and the formulas change when the library does: so what it prints of those that plans
use lies beside this file, a test holds it to the bodies, and ``make formulas`` renews it. What is not there (a
formula of one's own) is printed when it is asked for.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cprmodel import formulas
from cprmodel.facts.files import write_whole
from cprmodel.facts.formula import Formula
from cprmodel.facts.nomenclature import NOMENCLATURE
from cprmodel.facts.results import Breakdown

__all__ = ["FILE", "Equation", "equation_of", "printed", "renew", "script"]

FILE = Path(__file__).with_name("equations.json")

#: The arguments of a formula by name: 0, 1, or None for a symbol.
Arguments: TypeAlias = tuple[tuple[str, int | None], ...]

_LONG = 150  # an expression longer than this is printed with its common parts named

#: What plans use; a share of failures that is 0 or 1 drops out of an equation.
_USED = {
    "young_1974": "",
    "exact_interval": "",
    "partial_recovery_interval": "whole_job_share",
    "full_recovery_overhead": "",
    "full_recovery_makespan": "",
    "partial_recovery_overhead": "shard_share trainer_share whole_job_share",
    "partial_recovery_makespan": "shard_share trainer_share whole_job_share",
    "partial_recovery_exact_interval": "shard_share trainer_share whole_job_share",
    "exact_pls": "shard_share trainer_share whole_job_share",
    "exact_pls_interval": "shard_share trainer_share whole_job_share",
    "rotating_levels_pls": "",
    "rotating_loss": "",
    "rotating_pls": "",
    "priority_pls": "shard_share trainer_share whole_job_share",
}


@dataclass(frozen=True)
class Equation:
    """A formula with its symbols, line by line."""

    lines: tuple[str, ...]
    template: str | None  #: to fill numbers into, by argument; None: too long for that


def equation_of(formula: Formula[Any, Any], arguments: Arguments) -> Equation:
    """Of a formula whose arguments are symbols, or 0 or 1 where they are given."""
    if getattr(formulas, formula.__name__, None) is formula:
        found = _kept().get(_key(formula.__name__, arguments))
        if found is not None:
            return Equation(tuple(found["lines"]), found["template"])
    whose: Any = formula
    return printed(whose, arguments)


def _key(name: str, arguments: Arguments) -> str:
    said = (key if value is None else f"{key}={value}" for key, value in sorted(arguments, key=lambda one: one[0]))
    return f"{name}({', '.join(said)})"


@functools.lru_cache(maxsize=1)
def _kept() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@functools.lru_cache(maxsize=256)
def printed(formula: Any, arguments: Arguments) -> Equation:
    """The same by SymPy.

    >>> found = printed(formulas.young_1974, (("save_s", None), ("mtbf_s", None)))
    >>> found.lines, found.template
    (('sqrt(2)*sqrt(C*μ)',), 'sqrt(2)*sqrt({save_s}*{mtbf_s})')
    """
    import sympy as sp

    symbols = {
        name: sp.Symbol(NOMENCLATURE[name].symbol) if value is None else sp.Integer(value)
        for name, value in arguments
    }
    expression = formula.raw(**symbols)
    if isinstance(expression, Breakdown):
        expression = expression.total
    plain = _printer({})
    text = plain.doprint(expression)
    if len(text) <= _LONG:
        names = {symbols[name]: f"{{{name}}}" for name, value in arguments if value is None}
        return Equation((text,), _printer(names).doprint(expression))
    parts, (whole,) = sp.cse(expression, symbols=sp.numbered_symbols("x"))
    named = (f"{name} = {plain.doprint(part)}" for name, part in parts)
    return Equation((plain.doprint(whole), *named), None)


def _printer(names: Mapping[Any, str]) -> Any:
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):  # type: ignore[misc]
        def _print_Symbol(self, expr: Any) -> str:  # noqa: N802 (SymPy's hook)
            return names.get(expr, str(expr.name))

    return Printer({"order": "none"})


def _asked() -> Iterator[tuple[Any, Arguments]]:
    """Every equation that a plan can ask for: shares add up to 1."""
    import inspect

    for name, shares in _USED.items():
        formula = getattr(formulas, name)
        given = list(inspect.signature(formula).parameters)
        for values in itertools.product((None, 0, 1), repeat=len(shares.split())):
            known = dict(zip(shares.split(), values, strict=True))
            if len(known) > 1 and (
                sum(value == 1 for value in values) > 1 or (1 in values) != (values.count(0) == len(values) - 1)
            ):
                continue
            yield formula, tuple((one, known.get(one)) for one in given)


def script() -> str:
    """The text of the file."""
    found = {
        _key(formula.__name__, arguments): vars(printed(formula, arguments)) for formula, arguments in _asked()
    }
    return json.dumps(found, ensure_ascii=False, indent=0) + "\n"


def renew() -> None:
    """Print them again."""
    write_whole(FILE, script())
