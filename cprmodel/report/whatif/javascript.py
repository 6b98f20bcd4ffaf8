"""Formulas as JavaScript: each body is traced with SymPy symbols and printed by SymPy's printer.

Special functions stay calls (:func:`cprmodel.facts.symbolic.kept`): those that JavaScript has (``Math.expm1``) and
those that ``special.js`` has, after the NumPy backend and with its series' coefficients. So a printed formula has
the digits that the formula has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import sympy as sp
from sympy.printing.jscode import JavascriptCodePrinter

from cprmodel.facts.formula import Formula, Validity
from cprmodel.facts.symbolic import kept
from cprmodel.planning.telling import hours_saved_per_month

__all__ = ["formula_function", "function", "hours_function", "validity_function"]

#: Kept functions → what they are called there; ``special.js`` has those that start with "special.".
CALLS = {
    "cubic_root": "special.cubic_root",
    "expm1": "Math.expm1",
    "exprel": "special.exprel",
    "intervals": "special.intervals",
    "joint_gap": "special.joint_gap",
    "log1p": "Math.log1p",
    "log1p_gap": "special.log1p_gap",
    "maximum": "Math.max",
    "phi2": "special.phi2",
    "phi3": "special.phi3",
    "quotient": "special.quotient",
    "renewal_root": "special.renewal_root",
}


class _Printer(JavascriptCodePrinter):  # type: ignore[misc]
    """SymPy's printer, with calls for the functions that are kept, and an error for any other."""

    def _print_Function(self, expr: Any) -> str:  # noqa: N802 (SymPy's hook)
        name = expr.func.__name__
        if name not in CALLS:
            return str(super()._print_Function(expr))
        return f"{CALLS[name]}({', '.join(self._print(argument) for argument in expr.args)})"


def _symbols(names: list[str]) -> dict[str, Any]:
    """Real, but no more: a share may be 0, and a formula says what it is then."""
    return {name: sp.Symbol(name, real=True) for name in names}


def function(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """A JavaScript function of named arguments (with defaults, or ``inspect.Parameter.empty``).

    It returns an object of the values, or the one that is called "".

    >>> x = sp.Symbol("x", real=True)
    >>> print(function({"x": 1}, {"": sp.sqrt(x)}))
    ({x = 1}) => {
      return Math.sqrt(x);
    }
    """
    printer = _Printer({"strict": True})
    temporaries, results = sp.cse(list(map(sp.sympify, values.values())), order="none")
    given = ", ".join(
        name if default is inspect.Parameter.empty else f"{name} = {printer.doprint(sp.sympify(default))}"
        for name, default in arguments.items()
    )
    lines = [f"  const {name} = {_flat(printer.doprint(part))};" for name, part in temporaries]
    printed = [_flat(printer.doprint(one)) for one in results]
    if list(values) == [""]:
        returned = printed[0]
    else:
        returned = "{" + ", ".join(f"{name}: {text}" for name, text in zip(values, printed, strict=True)) + "}"
    return "\n".join([f"({{{given}}}) => {{", *lines, f"  return {returned};", "}"])


def _flat(text: str) -> str:
    return " ".join(text.split())


def _defaults(of: Callable[..., Any]) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(of).parameters.items()}


def formula_function(formula: Formula[Any, Any]) -> str:
    """A formula's body. Breakdowns become objects of their parts and their total.

    >>> from cprmodel import formulas
    >>> print(formula_function(formulas.exact_interval))
    ({save_s, mtbf_s}) => {
      return mtbf_s*special.renewal_root(save_s/mtbf_s);
    }
    """
    arguments = _defaults(formula.raw)
    with kept():
        found = formula.raw(**_symbols(list(arguments)))
        values = {**found._asdict(), "total": found.total} if hasattr(found, "_asdict") else {"": found}
    return function(arguments, values)


def validity_function(rule: Validity) -> str:
    """What a validity range is about."""
    arguments = _defaults(rule.of)
    with kept():
        return function(arguments, {"": rule.of(**_symbols(list(arguments)))})


def hours_function() -> str:
    """:func:`cprmodel.planning.telling.hours_saved_per_month` of two overheads."""
    best, today = sp.symbols("best today", real=True)
    as_plans: list[Any] = [SimpleNamespace(overhead_fraction=one) for one in (best, today)]
    empty = inspect.Parameter.empty
    return function({"best": empty, "today": empty}, {"": hours_saved_per_month(*as_plans)})
