"""One self-contained page: text, charts that draw offline, and each chart's data to download."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from cprmodel.planning.result import Plan
from cprmodel.report import charts
from cprmodel.report.explain import explain_lines
from cprmodel.report.text import plan_rows

__all__ = ["render_report", "write_report"]


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _inputs(plan: Plan) -> list[tuple[str, str, str]]:
    """(key, value, source) of everything that was understood."""
    notes = plan.job.preset.sources if plan.job.preset else {}
    rows = []
    for table, keys in plan.job.model_dump(exclude_none=True, exclude={"preset"}).items():
        for key, value in keys.items():
            file_key = f"{table}.{key.removesuffix('_bytes_per_s').removesuffix('_bytes').removesuffix('_s')}"
            rows.append(
                (
                    f"{table}.{key}",
                    f"{value:g}" if isinstance(value, float) else str(value),
                    notes.get(file_key, ""),
                )
            )
    return rows


def render_report(plan: Plan) -> str:
    """The page as HTML text."""
    import jinja2
    import vl_convert

    from cprmodel import __version__

    figures: list[dict[str, Any]] = [
        {
            "id": "overhead-against-interval",
            "title": "Overhead against the interval",
            "caption": "A curve per recovery; each strategy is marked where it stands (diamond: recommended).",
            "chart": charts.overhead_against_interval(plan),
            "csv": _csv(charts.data_rows(plan)),
        },
        {
            "id": "breakdown",
            "title": "What the overhead is made of",
            "caption": "Saves, loads, work done again (and saves made void), and detecting and rescheduling.",
            "chart": charts.breakdown_stacked(plan),
            "csv": _csv(charts.breakdown_rows(plan)),
        },
    ]
    against_pls = charts.overhead_against_pls(plan)
    if against_pls is not None:
        figures.append(
            {
                "id": "overhead-against-pls",
                "title": "Overhead against accuracy",
                "caption": "What a larger portion of lost samples (PLS) buys; the budget is the dashed line.",
                "chart": against_pls,
                "csv": _csv(charts.data_rows(plan)),
            }
        )
    for figure in figures:
        spec = json.dumps(figure.pop("chart").to_dict(), allow_nan=False)
        figure["spec"] = spec.replace("</", "<\\/")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cprmodel", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2").render(
        plan=plan,
        rows=plan_rows(plan),
        figures=figures,
        inputs=_inputs(plan),
        explanation="\n".join(explain_lines(plan)).rstrip(),
        version=__version__,
        vega=vl_convert.javascript_bundle(),  # type: ignore[call-arg]  # its stub wants a snippet
    )


def write_report(plan: Plan, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    target = Path(path)
    page = render_report(plan)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_text(page, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        error.filename = str(target)
        error.filename2 = None
        raise
    finally:
        beside.unlink(missing_ok=True)
