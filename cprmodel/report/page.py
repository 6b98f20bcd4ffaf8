"""One self-contained page: text, charts that draw offline, and each chart's data to download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cprmodel.facts.files import write_whole
from cprmodel.facts.tables import cell
from cprmodel.facts.units import format_time
from cprmodel.facts.version import __version__
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import quantity_key
from cprmodel.planning.result import Plan
from cprmodel.report.explain import explain_lines
from cprmodel.report.literals import literal
from cprmodel.report.text import plan_rows, uncertainty_lines
from cprmodel.report.unchecked import specification, unchecked
from cprmodel.report.vega import vega_bundle

__all__ = ["job_inputs", "render_page", "render_report", "write_report"]


UNITS = {"size": " B", "bandwidth": " B/s"}


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(name) for name in rows[0]])
    writer.writerows([cell(row.get(name, "")) for name in rows[0]] for row in rows)
    return text.getvalue()


def _flat(keys: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, value in keys.items():
        if isinstance(value, dict):
            yield from ((f"{field}.{inner}", one) for inner, one in _flat(value))
        else:
            yield field, value


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def job_inputs(job: Job) -> list[tuple[str, str, str]]:
    """(key, value, source) of everything that was understood."""
    notes = job.preset.sources if job.preset else {}
    rows = []
    for table, keys in job.model_dump(exclude_none=True, exclude={"preset"}).items():
        for field, value in _flat(keys):
            known = quantity_key(field)
            key = f"{table}.{known[0] if known else field}"
            if known and known[1] == "time":
                shown = format_time(value)
            else:
                shown = " to ".join(_number(one) for one in (value if isinstance(value, tuple) else (value,)))
            rows.append((key, shown + (UNITS.get(known[1], "") if known else ""), notes.get(key, "")))
    return rows


def render_page(
    template: str, job: Job | None, figures: list[dict[str, Any]], folder: Path | None = None, **values: Any
) -> str:
    """A page from a template (ours, or one in a folder).

    Figures of id, title, caption, chart and rows become drawings with their data.
    """
    import jinja2

    drawn = []
    for figure in figures:
        drawn.append({**figure, "spec": literal(specification(figure["chart"])), "csv": _csv(figure["rows"])})
    ours = jinja2.PackageLoader("cprmodel", "report")
    loader = jinja2.ChoiceLoader([ours, *([jinja2.FileSystemLoader(folder)] if folder else [])])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(
        job=job,
        figures=drawn,
        inputs=job_inputs(job) if job else [],
        version=__version__,
        vega=vega_bundle(),
        **values,
    )


def render_report(plan: Plan) -> str:
    """The page of a plan as HTML text."""
    from cprmodel.report import charts

    curves = charts.curve_rows(plan)
    data = charts.data_rows(plan, curves)
    figures = [
        {
            "id": "overhead-against-interval",
            "title": "Overhead against the interval",
            "caption": "A curve per recovery; each strategy is marked where it stands (diamond: recommended).",
            "chart": charts.overhead_against_interval(plan, curves),
            "rows": data,
        },
        {
            "id": "breakdown",
            "title": "What the overhead is made of",
            "caption": "Saves, loads, work done again (and saves made void), and detecting and rescheduling.",
            "chart": charts.breakdown_stacked(plan),
            "rows": charts.breakdown_rows(plan),
        },
    ]
    against_pls = charts.overhead_against_pls(plan, curves)
    if against_pls is not None:
        figures.append(
            {
                "id": "overhead-against-pls",
                "title": "Overhead against accuracy",
                "caption": "What a larger portion of lost samples (PLS) buys; the budget is the dashed line.",
                "chart": against_pls,
                "rows": data,
            }
        )
    return render_page(
        "plan.html.j2",
        plan.job,
        figures,
        plan=plan,
        rows=plan_rows(plan),
        sure=uncertainty_lines(plan),
        explanation="\n".join(explain_lines(plan)).rstrip(),
    )


@unchecked()
def write_report(plan: Plan, path: str | Path) -> None:
    """Write the page of a plan; it appears whole or not at all."""
    write_whole(path, render_report(plan))
