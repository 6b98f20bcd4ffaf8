"""Every formula that a plan used, with the numbers in it, its source and its validity.

The text is printed by SymPy from the formula's own body: nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from cprmodel.costing.models import Step
from cprmodel.facts.formula import Formula
from cprmodel.facts.nomenclature import NOMENCLATURE
from cprmodel.facts.results import Breakdown
from cprmodel.facts.units import format_share, format_time
from cprmodel.planning.result import Plan

__all__ = ["explain_lines", "explain_step"]

_LONG = 150  # an expression longer than this is printed with its common parts named


def _shown(argument: str, value: Any) -> str:
    if argument.endswith("_s"):
        return _one_unit(float(value))
    return f"{float(value):.6g}"


def _one_unit(seconds: float) -> str:
    """A time in one unit, so that it can stand in an expression."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.5g} {unit}"
    return f"{seconds:.5g} s"


def _printer(numbers: dict[Any, str]) -> Any:
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):  # type: ignore[misc]
        def _print_Symbol(self, expr: Any) -> str:  # noqa: N802 (SymPy's hook)
            return numbers.get(expr, str(expr.name))

    return Printer({"order": "none"})


def _value(step: Step) -> str:
    value = step.value
    if isinstance(value, Breakdown):
        if step.formula.about.gives == "O/T":
            return format_share(float(value.total))
        return f"{format_time(float(value.total))} beyond T"
    if step.formula.about.gives == "τ":
        return format_time(float(value))
    return f"{float(value):.4g}"


@lru_cache(maxsize=256)
def _printed(formula: Formula[Any, Any], symbols: tuple[tuple[str, Any], ...]) -> tuple[Any, tuple[str, ...]]:
    """A formula in its symbols, line by line; and its expression where that is short enough for numbers in it."""
    import sympy as sp

    expression = formula.raw(**dict(symbols))
    if isinstance(expression, Breakdown):
        expression = expression.total
    plain = _printer({})
    text = plain.doprint(expression)
    if len(text) <= _LONG:
        return expression, (f"      = {text}",)
    parts, (whole,) = sp.cse(expression, symbols=sp.numbered_symbols("x"))
    named = (f"        {name} = {plain.doprint(part)}" for name, part in parts)
    return None, (f"      = {plain.doprint(whole)}", *named)


def explain_step(step: Step) -> Iterator[str]:
    """Lines for one use of a formula."""
    import sympy as sp

    about = step.formula.about
    symbols, numbers = {}, {}
    for argument, value in step.arguments.items():
        name = NOMENCLATURE[argument].symbol
        if argument.endswith("_share") and value in (0, 1):
            symbols[argument] = sp.Integer(int(value))  # a kind of failure that does not occur drops out
            continue
        symbol = sp.Symbol(name)
        symbols[argument] = symbol
        numbers[symbol] = _shown(argument, value)
    yield f"  {about.gives} = {_value(step)}   [{step.formula.__name__}]"
    formula: Any = step.formula
    expression, lines = _printed(formula, tuple(symbols.items()))
    yield from lines
    if expression is not None:
        yield f"      = {_printer(numbers).doprint(expression)}"
    else:
        yield "      with " + ", ".join(f"{symbol} = {shown}" for symbol, shown in numbers.items())
    yield f"      source: {about.source} [{about.evidence.value}]"
    yield f"      valid: {about.validity_text()}"


def explain_lines(plan: Plan) -> Iterator[str]:
    """Lines for a whole plan, strategy by strategy; a step met before is not printed again."""
    seen: list[tuple[Any, Any]] = []
    for one in plan.strategies:
        yield f"{one.name}: {one.reason}"
        if plan.model.name == "steady-state":
            from cprmodel.report.stored import explain_stored

            yield from explain_stored(plan.job, one)
        for step in one.steps:
            key = (step.formula.__name__, step.arguments)
            if key in seen:
                yield f"  {step.formula.about.gives} = {_value(step)}   [{step.formula.__name__}, as above]"
                continue
            seen.append(key)
            yield from explain_step(step)
        yield ""
