"""Where a run's time went, beside the plan's parts of the overhead: text for a terminal, a page with a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.logs import Goodput
from cprmodel.planning.result import StrategyPlan
from cprmodel.report.charts import framed
from cprmodel.report.looks import OVERHEAD, PART_COLORS, PART_LABELS, SLOWER_COLORS, SLOWER_LABELS

__all__ = ["goodput_lines", "goodput_rows", "print_goodput", "write_goodput_report"]

_LABELS = {**PART_LABELS, **SLOWER_LABELS}


def headings(planned: StrategyPlan | None) -> list[str]:
    """Of the table."""
    return ["part", "measured", "of useful time", *(["planned"] if planned else [])]


def goodput_rows(found: Goodput, planned: StrategyPlan | None) -> list[list[str]]:
    """One row a part; the parts of the model, their sum, and what the model has no part for."""

    def row(name: str, seconds: float, plan: float | None) -> list[str]:
        cells = [name, format_time(seconds), format_share(seconds / found.useful_s)]
        return [*cells, *([("" if plan is None else format_share(plan))] if planned else [])]

    plan = planned.parts if planned else {}
    rows = [row(PART_LABELS[part], seconds, plan.get(part)) for part, seconds in found.parts._asdict().items()]
    slower = {label: plan[part] for part, label in SLOWER_LABELS.items() if plan.get(part)}
    rows += [[label, "", "", format_share(share)] for label, share in slower.items()]  # a log has no part for it
    total = float(planned.breakdown.total) if planned else None
    rows.append(row("overhead", float(found.parts.total), total))
    return [*rows, *(row(f"other: {name}", seconds, None) for name, seconds in found.other)]


def goodput_lines(found: Goodput, planned: StrategyPlan | None) -> list[str]:
    """What the log says, line by line."""
    lines = list(found.reading.lines())
    every = "" if found.interval_s is None else f", one every {format_time(found.interval_s)} of work (median)"
    lines.append(
        f"{format_time(found.wall_s)} in all, {format_time(found.useful_s)} useful: effective time (goodput) "
        f"{format_share(found.effective_time_ratio)}; {count_of(found.steps, 'step')}, "
        f"{count_of(found.saves, 'save')}{every}, {count_of(found.failures)}"
    )
    if planned is not None:
        lines.append(
            f"planned: {planned.name}, a save every {format_time(planned.interval_s)} of work; shares of the same"
        )
    return lines


def print_goodput(found: Goodput, planned: StrategyPlan | None) -> None:
    """Print to standard output."""
    from cprmodel.report.lines import print_lines_and_table

    print_lines_and_table(goodput_lines(found, planned), headings(planned), goodput_rows(found, planned))


def _rows(found: Goodput, planned: StrategyPlan | None) -> list[dict[str, Any]]:
    bars = [("measured", found.overhead._asdict())] + ([("planned", planned.parts)] if planned else [])
    rows: list[dict[str, Any]] = [
        {"run": run, "part": _LABELS[part], "order": at, "fraction": float(fraction)}
        for run, parts in bars
        for at, (part, fraction) in enumerate(parts.items())
        if part in PART_LABELS or fraction
    ]
    other = found.other_s / found.useful_s
    return [*rows, {"run": "measured", "part": "other", "order": len(_LABELS), "fraction": other}]


def _figure(found: Goodput, planned: StrategyPlan | None) -> dict[str, Any]:
    import altair as alt

    rows = _rows(found, planned)
    drawn = {row["part"] for row in rows}
    colors = dict(zip([*_LABELS.values(), "other"], [*PART_COLORS, *SLOWER_COLORS, "#b8bdc0"], strict=True))
    labels = [label for label in colors if label in drawn]
    colour = alt.Color(
        "part:N",
        title=None,
        sort=labels,
        legend=alt.Legend(columns=3, orient="top"),
        scale=alt.Scale(domain=labels, range=[colors[label] for label in labels]),
    )
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("run:N", sort=["measured", "planned"], title=None),
            x=alt.X("sum(fraction):Q", title=OVERHEAD, axis=alt.Axis(format="~%", tickCount=6)),
            color=colour,
            order=alt.Order("order:Q"),
            tooltip=["run:N", "part:N", alt.Tooltip("fraction:Q", title="of useful time", format=".3%")],
        )
    )
    return {
        "id": "parts",
        "title": "Where the time went",
        "caption": "Parts of the overhead as measured, and as planned; grey: what the model has no part for.",
        "chart": framed(chart, 150),
        "rows": rows,
    }


def write_goodput_report(found: Goodput, planned: StrategyPlan | None, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole
    from cprmodel.report.page import render_page

    page = render_page(
        "fitted.html.j2",
        None,
        [_figure(found, planned)],
        question="Where the time went",
        source=Path(found.reading.source).name,
        headings=headings(planned),
        rows=goodput_rows(found, planned),
        lines=goodput_lines(found, planned),
        best=[row[0] for row in goodput_rows(found, planned)].index("overhead"),
    )
    write_whole(path, page)
