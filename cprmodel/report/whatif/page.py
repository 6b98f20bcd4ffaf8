"""The page to play with: controls, formulas as JavaScript, and charts, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cprmodel.bulk.grid import Grid
from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.files import write_whole
from cprmodel.facts.special import series
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.planning.pricing import NEVER
from cprmodel.planning.ranking import AS_MUCH, TIE
from cprmodel.planning.telling import FIRST
from cprmodel.report.looks import PART_LABELS
from cprmodel.report.whatif.controls import Control, controls_of, fixed_of
from cprmodel.report.whatif.drawn import drawn
from cprmodel.report.whatif.frame import rendered
from cprmodel.report.whatif.orders import OrderTable, order_tables
from cprmodel.report.whatif.printed import printed_formulas

__all__ = ["has_formulas", "render_whatif", "write_whatif"]

_SCRIPTS = (
    "special.js",
    "formulas.js",
    "quantities.js",
    "planner.js",
    "charts.js",
    "colours.js",
    "frame.js",
    "page.js",
)
_COLUMNS = {
    "interval_s": "save every",
    "overhead_fraction": "overhead",
    **PART_LABELS,
    "effective_time_ratio": "effective time",
    "expected_pls": "expected PLS ± SD of a run",
    "expected_metric_drop": "metric drop",
    "feasible": "keeps budget",
}
_OF_LOSSES = ("expected_pls", "expected_metric_drop", "feasible")
_ORDERS = {"all": "compare all orders", "none": "no order: saves take all"}


def _orders(job: Job, tables: list[OrderTable]) -> dict[str, Any]:
    """The tables, and why there are none."""
    absent = None
    if not tables:
        absent = (
            "The job file has no [access] section, which says how rows are updated: no order of saving can be "
            "compared."
        )
    return {
        "absent": absent,
        "tables": [one.to_dict() for one in tables],
        "fraction": job.access.priority_fraction if job.access else None,
        "work_s": job.job.work_s,
        "first": FIRST,
        "options": [*_ORDERS.items(), *((one.order, f"{one.order} only") for one in tables)]
        if tables
        else [("none", _ORDERS["none"])],
    }


def _choices(job: Job, orders: dict[str, Any]) -> list[dict[str, Any]]:
    """What is chosen rather than set: name, options, and the one at first."""
    found = [{"name": "model", "options": [("first-order", ""), ("exact", "")], "value": "first-order"}]
    if job.cluster.embedding_shards is not None:
        recoveries = [("full", ""), ("partial", "")]
        found.append({"name": "recovery", "options": recoveries, "value": job.job.current_recovery})
        found.append({"name": "order", "options": orders["options"], "value": orders["options"][0][0]})
    return found


def _about(job: Job, tables: list[OrderTable]) -> list[str]:
    """What a reader should know of the numbers."""
    said = [
        "The page computes with JavaScript printed from cprmodel's own formulas, and decides as cprmodel plan "
        "does; the first-order model is the published one, the exact model drops its approximation.",
    ]
    if tables:
        every = tables[0].interval_s
        said.append(
            "Orders of saving are not computed here: what they leave unsaved was found when the page was made, "
            f"at {len(every)} intervals from {format_time(every[0])} to {format_time(every[-1])}. The page takes "
            "the best of them that keeps the budget; cprmodel plan also looks between them. The exact model has no "
            "orders."
        )
    if job.failures.fit is not None:
        said.append(
            f"The MTBF was fitted to {job.failures.fit.events:,} failures: how sure it is, and what that leaves "
            "open, cprmodel plan says."
        )
    if job.accuracy is not None and job.accuracy.model is not None:
        said.append("The metric drop's slope was fitted: cprmodel plan gives the drop's interval.")
        if job.accuracy.model.orders and tables:
            said.append(
                "A lost update is taken to cost the same under each order of saving: cprmodel plan takes what it "
                "costs under each, and weighs the order of least harm, too."
            )
    if job.failure_mix.shards_per_failure != 1:
        said.append(f"A shard failure takes {job.failure_mix.shards_per_failure:.4g} shards on average.")
    return [*said, *(f"In the file: {line}." for line in job.assumptions())]


def _follows(controls: list[Control]) -> dict[str, str]:
    labels = {
        "save_s": "as long as a save",
        "load_s": "a load shared by the shards",
        "reschedule_s": "as for the job",
        "partial_reschedule_s": "as for a shard",
    }
    return {one.name: labels[one.follows] for one in controls if one.follows}


def _against(controls: list[Control]) -> dict[str, str]:
    """The controls' labels, as they read behind "Overhead against"."""
    own = {
        "mtbf_s": "the MTBF",
        "save_s": "the time of a save",
        "shards": "the number of shards",
        "pls": "the budget of lost samples",
        "shard_share": "the share of shard failures",
        "trainer_share": "the share of trainer failures",
        "whole_job_share": "the share of whole-job failures",
    }
    return {one.name: own.get(one.name, f"the time: {one.label.lower()}") for one in controls}


def render_whatif(job: Job, grid: Grid | None = None, progress: Callable[[int, int], None] | None = None) -> str:
    """The page of a job as HTML text.

    It computes as its sliders move where its formulas describe the job. Any other job is planned at settings of the
    numbers that move it most, one at a time; so is every job where a ``grid`` says which numbers and values.
    ``progress`` is told how many of how many are planned. JobError where the job itself cannot be planned.
    """
    if grid is not None or not has_formulas(job):
        from cprmodel.report.whatif.settings_page import render_settings

        return render_settings(job, grid, progress)
    return _render_formulas(job)


def _render_formulas(job: Job) -> str:
    controls, tables = controls_of(job), order_tables(job)
    sharded = job.cluster.embedding_shards is not None
    orders = _orders(job, tables)
    rules = {
        "WHOLE_JOB": WHOLE_JOB,
        "OPTIMUM": OPTIMUM,
        "BUDGET": BUDGET,
        "WITHIN": WITHIN,
        "TIE": TIE,
        "AS_MUCH": AS_MUCH,
        "NEVER": NEVER,
    }
    data = {
        "SERIES": series(),
        "RULES": rules,
        "CONTROLS": [one.to_dict() for one in controls],
        "FIXED": fixed_of(job),
        "CHOICES": _choices(job, orders),
        "ORDERS": orders,
        "PARTS": PART_LABELS,
        "DRAWINGS": drawn(sharded),
    }
    left_out = set() if sharded else set(_OF_LOSSES)
    if job.accuracy is None or job.accuracy.slope is None:
        left_out.add("expected_metric_drop")
    return rendered(
        "page.html.j2",
        job,
        data,
        _SCRIPTS,
        _about(job, tables),
        controls=controls,
        follows=_follows(controls),
        against=_against(controls),
        sharded=sharded,
        orders=orders,
        columns=[
            (key, label.replace("resch", "re\u00adsch")) for key, label in _COLUMNS.items() if key not in left_out
        ],
        formulas=[(name, one.about) for name, one in printed_formulas()],
    )


def has_formulas(job: Job) -> bool:
    """Whether the page's formulas describe all of a job: saves that block and write everything, and no other stops.

    >>> from cprmodel import load_preset
    >>> has_formulas(load_preset("cpr-dlrm"))
    True
    """
    beside = job.stops_beside or job.paced or job.checkpoint.rotating is not None
    return job.plain and not beside and not job.checkpoint.quantised_metric_drop


def write_whatif(
    job: Job, path: str | Path, grid: Grid | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the page; it appears whole or not at all."""
    write_whole(path, render_whatif(job, grid, progress))
