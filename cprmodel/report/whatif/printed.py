"""``formulas.js``, printed from the formulas' bodies.

SymPy takes a second to load, and the formulas change when the library does: so what it prints lies beside this
file, a test holds it to the bodies, and ``make formulas`` renews it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cprmodel import formulas
from cprmodel.facts.files import write_whole
from cprmodel.facts.formula import Formula
from cprmodel.report.literals import literal

__all__ = ["FILE", "PRINTED", "printed_formulas", "renew", "script_of_formulas"]

FILE = Path(__file__).with_name("formulas.js")

#: The formulas that the page evaluates.
PRINTED = (
    "young_1974",
    "partial_recovery_interval",
    "full_recovery_overhead",
    "partial_recovery_overhead",
    "priority_pls",
    "priority_pls_deviation",
    "exact_interval",
    "exact_pls_interval",
    "partial_recovery_exact_interval",
    "full_recovery_makespan",
    "partial_recovery_makespan",
    "exact_pls",
    "exact_pls_deviation",
    "metric_drop",
    "effective_time_ratio",
)


def printed_formulas() -> list[tuple[str, Formula[Any, Any]]]:
    """The formulas that the page evaluates, by name."""
    return [(name, getattr(formulas, name)) for name in PRINTED]


def script_of_formulas() -> str:
    """The formulas as JavaScript; what they call is in ``special.js``.

    >>> script_of_formulas().count("renewal_root(") >= 2
    True
    """
    from cprmodel.report.whatif.javascript import formula_function, hours_function, validity_function

    bodies = ["// Printed by make formulas: do not edit.", "const formulas = {"]
    bodies += [f"{name}: {formula_function(one)}," for name, one in printed_formulas()]
    bodies += ["};", "const validity = {"]
    for name, one in printed_formulas():
        rules = [
            f"{{quantity: {literal(rule.quantity)}, at_most: {rule.at_most!r}, because: {literal(rule.because)}, "
            f"of: {validity_function(rule)}}}"
            for rule in one.about.validity
        ]
        bodies += [f"{name}: [{', '.join(rules)}],"] if rules else []
    bodies += ["};", f"const hours_saved_per_month = {hours_function()};"]
    return "\n".join(bodies)


def renew() -> None:
    """Print them again."""
    write_whole(FILE, script_of_formulas() + "\n")
