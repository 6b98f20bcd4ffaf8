"""``cprmodel regret``."""

from __future__ import annotations

import json
import math
from typing import Any

import typer

from cprmodel.costing import CostModel, Exact, FirstOrder, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job
from cprmodel.loading import load_job
from cprmodel.planning.regret import Regret, exact_failures_to_see, expected_regret, failures_to_see, regret

__all__ = ["run"]

SETTLED = (0.1, 0.05, 0.01)


def run(source: str, mtbf_error: float | None, observed_failures: int | None, as_json: bool) -> None:
    """Print what a wrong MTBF costs, first-order and exact side by side."""
    job = load_job(source)
    if mtbf_error is not None and not (math.isfinite(mtbf_error) and 0 < mtbf_error <= 1e6):
        expected = f"a number greater than 0 and at most 1e6, not {mtbf_error:g}"
        raise JobError("--mtbf-error", [Problem("", "", expected)])
    if mtbf_error is None and observed_failures is None:
        mtbf_error = 2.0
    models: list[CostModel] = [FirstOrder(), Exact()] if job.plain else [model_for(job)]
    rows: list[tuple[str, Regret]] = []
    if mtbf_error is not None:
        factor = max(mtbf_error, 1 / mtbf_error)
        for model in models:
            rows.append((f"MTBF taken {factor:g}x too short", regret(job, 1 / factor, model)))
            rows.append((f"MTBF taken {factor:g}x too long", regret(job, factor, model)))
    if observed_failures is not None:
        what = f"MTBF from {observed_failures} failures, mean"
        rows += [(what, expected_regret(job, observed_failures, model)) for model in models]
    for _, one in rows:
        if not math.isfinite(one.overhead_fraction + one.best_overhead_fraction + one.best_depending_fraction):
            expected = f"a job that full recovery can finish (by the {one.model} model it never ends)"
            raise JobError(source, [Problem("", "", expected)])
    settled = {model.name: dict(zip(SETTLED, _to_see(job, model), strict=True)) for model in models}
    if as_json:
        failures = {name: {f"{share:g}": n for share, n in one.items()} for name, one in settled.items()}
        data = {"schema_version": 1, "regrets": [_plain(*row) for row in rows], "failures_to_see": failures}
        typer.echo(json.dumps(data, indent=2))
        return
    best = {one.model: one for _, one in rows}
    for name, one in best.items():
        typer.echo(
            f"{name}: best every {format_time(one.best_interval_s)}, overhead "
            f"{format_share(one.best_overhead_fraction)}, of which {format_share(one.best_depending_fraction)} "
            "depend on the interval (saves and lost work)"
        )
    headings = f"{'model':>12}{'save every':>14}{'overhead':>10}{'extra':>9}{'of that part':>14}"
    typer.echo(f"\n{'full recovery':36}{headings}")
    for what, one in rows:
        typer.echo(
            f"{what:36}{one.model:>12}{format_time(one.interval_s):>14}{format_share(one.overhead_fraction):>10}"
            f"{format_share(one.extra_fraction):>9}{f'+{100 * one.relative:.3g}%':>14}"
        )
    if job.checkpoint.rotates or job.pls_budget is not None:
        typer.echo(
            "(of full recovery with saves of everything, whatever plan recommends; of that it says itself, under\n"
            ' "What would change it", what a wrong MTBF costs; of each MTBF\'s own plan tells '
            "cprmodel sweep --vary failures.mtbf=...)"
        )
    typer.echo("\nFailures to observe until a wrong MTBF costs, on average, no more than so much of that part")
    for name in best:
        shown = ", ".join(f"{100 * share:g}% after {settled[name][share] or 'very many'}" for share in SETTLED)
        typer.echo(f"{name:>12}: {shown}")


def _to_see(job: Job, model: CostModel) -> list[int | None]:
    if isinstance(model, FirstOrder):
        return [*map(failures_to_see, SETTLED)]
    return exact_failures_to_see(job, SETTLED, model)


def _plain(what: str, one: Regret) -> dict[str, Any]:
    return {
        "case": what,
        "model": one.model,
        "mtbf_error": one.mtbf_error,
        "interval_s": one.interval_s,
        "best_interval_s": one.best_interval_s,
        "overhead_fraction": one.overhead_fraction,
        "best_overhead_fraction": one.best_overhead_fraction,
        "relative_regret": one.relative,
    }
