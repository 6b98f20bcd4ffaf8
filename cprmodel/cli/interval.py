"""``cprmodel interval``: the pocket calculator."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import typer

from cprmodel.cli.options import time_option
from cprmodel.facts.units import format_share, format_time
from cprmodel.formulas.interval import daly_2006, exact_interval, young_1974
from cprmodel.formulas.makespan import full_recovery_chunk

__all__ = ["compare", "run"]

_METHODS = {"young_1974": young_1974, "daly_2006": daly_2006, "exact": exact_interval}
_LABELS = {"young_1974": "Young 1974", "daly_2006": "Daly 2006", "exact": "exact"}


def compare(save_s: float, mtbf_s: float, load_s: float = 0.0, reschedule_s: float = 0.0) -> dict[str, Any]:
    """Each method's interval, the overhead it really costs under the exact model, and warnings.

    >>> round(compare(save_s=300, mtbf_s=86400)["exact_s"] / 60, 2)
    116.69
    """
    answer: dict[str, Any] = {}
    overhead: dict[str, float | None] = {}
    warnings = []
    for name, formula in _METHODS.items():
        tau = float(formula.raw(save_s, mtbf_s))
        answer[f"{name}_s"] = tau
        with np.errstate(over="ignore"):
            chunk = full_recovery_chunk.raw(tau, save_s, mtbf_s, load_s, reschedule_s)
        costs = float(chunk) / tau - 1
        overhead[name] = costs if math.isfinite(costs) else None
        warnings += [f"{_LABELS[name]}: {text}" for text in formula.outside(save_s=save_s, mtbf_s=mtbf_s)]
    if save_s >= 2 * mtbf_s:
        warnings.append("Daly 2006: C is at least 2μ, where the method only says τ = μ")
    if save_s > mtbf_s:
        warnings.append("a save takes longer than the job runs between failures: most saves are made void")
    return {**answer, "overhead": overhead, "warnings": warnings}


def run(save: str, mtbf: str, load: str | None, reschedule: str | None, as_json: bool) -> None:
    """Print the comparison."""
    save_s, mtbf_s = time_option("save", save), time_option("mtbf", mtbf)
    load_s = time_option("load", load, may_be_zero=True) if load else 0.0
    reschedule_s = time_option("reschedule", reschedule, may_be_zero=True) if reschedule else 0.0
    answer = compare(save_s, mtbf_s, load_s, reschedule_s)
    if as_json:
        given = {"save_s": save_s, "mtbf_s": mtbf_s, "load_s": load_s, "reschedule_s": reschedule_s}
        typer.echo(json.dumps({**answer, "inputs": given}, indent=2, allow_nan=False))
        return
    best = answer["overhead"]["exact"]
    typer.echo(f"save {format_time(save_s)}, MTBF {format_time(mtbf_s)} (C/μ = {save_s / mtbf_s:.3g})")
    typer.echo(f"{'':12}{'save every':>16} {'':>15} {'overhead':>14}{'above the best':>15}")
    for name, label in _LABELS.items():
        tau, costs = answer[f"{name}_s"], answer["overhead"][name]
        shown = "never ends" if costs is None else format_share(costs)
        excess = "" if costs is None or best is None else f"{max(0.0, costs / best - 1):.2%}"
        typer.echo(f"{label:12}{format_time(tau):>16} {f'({tau:.5g} s)':>15} {shown:>14}{excess:>15}")
    for line in answer["warnings"]:
        typer.echo(f"warning: {line}")
