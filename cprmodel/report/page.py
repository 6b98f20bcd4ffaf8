"""One self-contained page: text, charts that draw offline, and each chart's data to download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from cprmodel.facts.files import write_whole
from cprmodel.facts.tables import cell
from cprmodel.facts.units import count_of, format_quantity
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import quantity_key
from cprmodel.planning.result import Plan
from cprmodel.report.explain import explain_lines
from cprmodel.report.literals import literal
from cprmodel.report.origin import of, origin_line
from cprmodel.report.text import plan_rows, uncertainty_lines
from cprmodel.report.unchecked import specification, unchecked
from cprmodel.report.vega import vega_bundle

__all__ = ["job_inputs", "plan_figures", "render_page", "render_report", "write_report"]


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
    left_out: Any = {"preset": True, "accuracy": {"model": {"orders"}}}  # played out, as the notes say
    for table, keys in job.model_dump(exclude_none=True, exclude=left_out).items():
        for field, value in _flat(keys):
            known = quantity_key(field)
            key = f"{table}.{known[0] if known else field}"
            each = value if isinstance(value, tuple) else (value,)
            shown = " to ".join(format_quantity(one, known[1]) if known else _number(one) for one in each)
            rows.append((key, shown, notes.get(key, "")))
    return rows


def file_of(name: str, room: str = "cprmodel.report") -> str:
    """A file that a page is made of: its theme, its script."""
    return resources.files(room).joinpath(name).read_text(encoding="utf-8")


def _seven_figures(value: Any) -> Any:
    """Numbers as they are drawn: a page of curves is half as large with seven figures."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: _seven_figures(one) for key, one in value.items()}
    return [_seven_figures(one) for one in value] if isinstance(value, (list, tuple)) else value


def spanned(rows: list[dict[str, Any]]) -> str:
    """How many rows, and from where to where their numbers go: what a chart shows, where nobody said it better.

    >>> spanned([{"spares": 0, "waits": 0.5}, {"spares": 1, "waits": 0.1}])
    '2 points: spares 0 to 1, waits 0.1 to 0.5.'
    """
    said: list[str] = []
    for name in rows[0]:
        values = [row[name] for row in rows if isinstance(row.get(name), (int, float)) and row[name] is not True]
        if values and len(said) < 3:
            said.append(f"{name.replace('_', ' ')} {min(values):.3g} to {max(values):.3g}")
    return f"{count_of(len(rows), 'point')}: {', '.join(said)}." if said else f"{count_of(len(rows), 'point')}."


def render_page(
    template: str, job: Job | None, figures: list[dict[str, Any]], folder: Path | None = None, **values: Any
) -> str:
    """A page from a template (ours, or one in a folder).

    Figures of id, title, caption, chart and rows become drawings with their data.
    """
    import jinja2

    drawn = []
    for figure in figures:
        parts = (f"{figure['title']}.", figure.get("summary") or spanned(figure["rows"]), figure["caption"])
        said = " ".join(part for part in parts if part)
        spec = {**specification(figure["chart"]), "description": said}
        drawn.append({**figure, "spec": literal(_seven_figures(spec)), "csv": _csv(figure["rows"])})
    ours = jinja2.PackageLoader("cprmodel", "report")
    loader = jinja2.ChoiceLoader([ours, *([jinja2.FileSystemLoader(folder)] if folder else [])])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(
        job=job,
        figures=drawn,
        inputs=job_inputs(job) if job else [],
        origin=origin_line(),
        of=of,
        theme=file_of("theme.css"),
        script=file_of("page.js"),
        vega=vega_bundle(),
        **values,
    )


def plan_figures(plan: Plan) -> list[dict[str, Any]]:
    """The charts of a plan's page, with their captions and data."""
    from cprmodel.report import charts

    curves = charts.curve_rows(plan)
    data = charts.data_rows(plan, curves)
    said = charts.in_words(plan)
    figures = [
        {
            "id": "overhead-against-interval",
            "title": "Overhead against the interval",
            "caption": "A curve per recovery; each strategy is marked where it stands (diamond: recommended).",
            "summary": said["interval"],
            "chart": charts.overhead_against_interval(plan, curves),
            "rows": data,
        },
        {
            "id": "breakdown",
            "title": "What the overhead is made of",
            "caption": "Saves, loads, work done again (and saves made void), and detecting and rescheduling.",
            "summary": said["parts"],
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
                "summary": said["accuracy"],
                "chart": against_pls,
                "rows": data,
            }
        )
    return figures


def render_report(plan: Plan) -> str:
    """The page of a plan as HTML text."""
    # the recommended one first, which a phone shows without scrolling
    shown = sorted(plan.strategies, key=lambda one: one.name != plan.recommended)
    return render_page(
        "plan.html.j2",
        plan.job,
        plan_figures(plan),
        plan=plan,
        shown=shown,
        rows=plan_rows(plan, shown),
        sure=uncertainty_lines(plan),
        explanation="\n".join(explain_lines(plan)).rstrip(),
    )


@unchecked()
def write_report(plan: Plan, path: str | Path) -> None:
    """Write the page of a plan; it appears whole or not at all."""
    write_whole(path, render_report(plan))
