"""Every formula that a plan used, with the numbers in it, its source and its validity.

The equations are printed from the formulas' own bodies (:mod:`cprmodel.report.equations`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cprmodel.costing.models import Step
from cprmodel.facts.nomenclature import NOMENCLATURE
from cprmodel.facts.results import Breakdown
from cprmodel.facts.units import format_share, format_time
from cprmodel.planning.result import Plan
from cprmodel.report.equations import equation_of
from cprmodel.report.failing import explained_components

__all__ = ["explain_lines", "explain_step"]


#: What is 1, or 0, where nothing is said of it.
_PATTERN = ("saves_per_check", "checks_per_save", "unreadable")


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


def _value(step: Step) -> str:
    value = step.value
    if isinstance(value, Breakdown):
        if step.formula.about.gives == "O/T":
            return format_share(float(value.total))
        return f"{format_time(float(value.total))} beyond T"
    if step.formula.about.gives == "τ":
        return format_time(float(value))
    return f"{float(value):.4g}"


def explain_step(step: Step) -> Iterator[str]:
    """Lines for one use of a formula."""
    about = step.formula.about
    arguments, numbers = [], {}
    for argument, value in step.arguments.items():
        # a kind of failure that does not occur drops out, and so does a pattern of one save and one check
        drops = argument.endswith("_share") or argument in _PATTERN
        known = int(value) if drops and value in (0, 1) else None
        arguments.append((argument, known))
        if known is None:
            numbers[argument] = _shown(argument, value)
    formula: Any = step.formula
    yield f"  {about.gives} = {_value(step)}   [{formula.__name__}]"
    equation = equation_of(formula, tuple(arguments))
    yield f"      = {equation.lines[0]}"
    yield from (f"        {line}" for line in equation.lines[1:])
    if equation.template is not None:
        yield f"      = {equation.template.format(**numbers)}"
    else:
        yield "      with " + ", ".join(f"{NOMENCLATURE[name].symbol} = {shown}" for name, shown in numbers.items())
    yield f"      source: {about.source} [{about.evidence.value}]"
    yield f"      valid: {about.validity_text()}"


def explain_lines(plan: Plan) -> Iterator[str]:
    """Lines for a whole plan, strategy by strategy; a step met before is not printed again."""
    for said in explained_components(plan.job):
        yield from [said] if isinstance(said, str) else explain_step(said)
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
