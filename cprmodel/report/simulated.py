"""A simulation as text for a terminal, and as a page with its distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.units import format_share, format_time
from cprmodel.report.looks import SLOWER_LABELS
from cprmodel.report.unchecked import unchecked
from cprmodel.simulation import Estimate, Simulated

__all__ = [
    "HEADINGS",
    "heading",
    "print_simulated",
    "render_simulated",
    "simulated_figures",
    "simulated_lines",
    "simulated_rows",
    "write_simulated_report",
]

HEADINGS = ["", "mean", "± SE", "P5", "P50", "P90", "P99"]
_BINS = 80


#: Quantiles of a table, and how many runs it takes for one of them to lie beyond.
_QUANTILES = {"p5": 20, "p50": 1, "p90": 10, "p99": 100}


def _row(label: str, estimate: Estimate, runs: int, show: Any, show_error: Any) -> list[str]:
    quantiles = [show(getattr(estimate, name)) if runs >= few else "" for name, few in _QUANTILES.items()]
    return [label, show(estimate.mean), show_error(estimate.standard_error), *quantiles]


def _error(value: float) -> str:
    return f"{value:.1g}"


def simulated_rows(found: Simulated) -> list[list[str]]:
    """Time to train, overhead and PLS: mean, standard error, quantiles; none that no run lies beyond."""

    def share(value: float) -> str:
        return format_share(value) if value >= 0 else f"-{format_share(-value)}"

    rows = [
        _row("time to train", found.time_to_train_s, found.runs, format_time, format_time),
        _row("overhead", found.overhead_fraction, found.runs, share, lambda e: f"{100 * e:.1g}%"),
    ]
    if found.pls.p99 > 0 or found.predicted.pls > 0:
        rows.append(_row("PLS", found.pls, len(found.pls_of_runs), lambda v: f"{v:.4g}", _error))
    return rows


def simulated_lines(found: Simulated, deadline_s: float | None) -> list[str]:
    """What else there is to say, line by line."""
    apart = found.standard_errors_from_prediction()
    lines = []
    for name, label, show, mean, expected in (
        ("overhead_fraction", "overhead", format_share, found.overhead_fraction, found.predicted.overhead_fraction),
        ("pls", "PLS", lambda v: f"{v:.4g}", found.pls, found.predicted.pls),
    ):
        if expected > 0 or mean.mean > 0:
            away = apart[name]
            distance = f"{show(mean.mean)}, without scatter" if away is None else _from_it(away)
            by = found.predicted
            if by.pls_is_approximate if name == "pls" else by.overhead_is_approximate:
                distance = f"{100 * (mean.mean / expected - 1):+.2g}% from it"
            lines.append(
                f"{label}: the formula gives {show(expected)} ({found.predicted.model}); simulated {distance}"
            )
    rows = len(found.pls_of_runs)
    if 0 < rows < found.runs and (found.pls.mean > 0 or found.predicted.pls > 0):
        lines.append(f"PLS is of {rows:,} runs that were played row by row, which takes long; the time is of all")
    sharded = found.job.cluster.embedding_shards is not None
    by_kind = ", ".join(
        f"{mean:.3g} {kind.replace('_', ' ') if sharded else ''}".strip()
        for kind, mean in found.failures.items()
        if mean > 0
    )
    lines.append(f"failures in a run, mean: {by_kind or 'none'}")
    parts = found.parts
    slower = [(label, parts[part]) for part, label in SLOWER_LABELS.items() if parts[part]]
    named = [("rescheduling", parts["reschedule"]), *slower]
    rest = ", ".join(f"{label} {format_share(share)}" for label, share in named)
    plain = " (plain means, which scatter more)" if found.time_to_train_s.fewer_runs > 1 else ""
    lines.append(
        f"overhead, mean parts{plain}: saves {format_share(parts['save'])}, loads {format_share(parts['load'])}, "
        f"lost work {format_share(max(parts['lost'], 0.0))}, {rest}"
    )
    if deadline_s is not None:
        share, error = found.probability_by(deadline_s)
        lines.append(
            f"finished within {format_time(deadline_s)}: {100 * share:.2f}% ± {100 * error:.1g}% of the runs"
        )
    if found.time_to_train_s.fewer_runs > 1:
        lines.append(
            "the mean is corrected by the failure counts, whose expectation is known exactly; without, as small a "
            f"standard error would take {found.time_to_train_s.fewer_runs:,.0f} times as many runs"
        )
    return lines


def _from_it(away: float) -> str:
    """How far the simulated mean is from what was predicted."""
    return f"{abs(away):.1f} standard errors {'above' if away > 0 else 'below'} that"


def heading(found: Simulated) -> str:
    """What was played."""
    saving = found.strategy.saving
    what = "a save" if saving.fraction == 1 else f"{format_share(saving.fraction)} of the rows saved"
    if found.strategy.order is not None:
        what += f" (in the order {found.strategy.order})"
    every = format_time(found.strategy.saves_every_s)
    return (
        f"{found.strategy.recovery.name} recovery, {what} every {every} of work{found.strategy.checked}, "
        f"{found.law.name} failures; {found.runs:,} runs"
    )


def print_simulated(found: Simulated, deadline_s: float | None) -> None:
    """Print to standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(heading(found), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(HEADINGS):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in simulated_rows(found):
        table.add_row(*row)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=999)).maximum)
    console.print(table)
    console.print()
    for line in simulated_lines(found, deadline_s):
        console.print(Text(line))


def _marks(marks: dict[str, float], unit: float) -> list[dict[str, Any]]:
    return [
        {"label": label, "at": value / unit, "level": 14 * index}
        for index, (label, value) in enumerate(marks.items())
    ]


def _finished_by(values: Any, unit: float) -> list[dict[str, Any]]:
    """The distribution function, at quantiles dense enough to draw."""
    shares = np.unique(np.concatenate([np.linspace(0, 1, 201), 1 - np.geomspace(1e-3, 0.05, 30)]))
    times = np.quantile(values, shares)
    keep = shares <= 0.999
    return [{"time": float(t) / unit, "finished": float(q)} for t, q in zip(times[keep], shares[keep], strict=True)]


def _histogram(values: Any) -> list[dict[str, Any]]:
    high = float(np.quantile(values, 0.9995)) or 1e-9
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, high))
    return [
        {"from": float(a), "to": float(b), "zero": 0.0, "share": int(n) / values.size}
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _with_marks(drawing: Any, marks: list[dict[str, Any]], title: str) -> Any:
    import altair as alt

    from cprmodel.report.charts import framed

    rules = alt.Chart(alt.InlineData(values=marks))
    at = alt.X("at:Q", title=title)
    lines = rules.mark_rule(color="#c1440e", strokeDash=[5, 4]).encode(x=at)
    beside: dict[str, Any] = {"align": "left", "dx": 4, "baseline": "top"}
    where: dict[str, Any] = {"x": at, "y": alt.Y("level:Q", scale=None), "text": "label:N"}
    halo = rules.mark_text(**beside, stroke="white", strokeWidth=4).encode(**where)
    labels = rules.mark_text(**beside, color="#c1440e").encode(**where)
    return framed(alt.layer(drawing, lines, halo, labels))


def time_figure(found: Simulated, deadline_s: float | None) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import time_axis

    times = found.time_to_train_s
    unit, name = time_axis(times.p50)
    marks = {"P50": times.p50, "P90": times.p90, "P99": times.p99}
    if deadline_s is not None:
        marks["deadline"] = deadline_s
    rows, title = _finished_by(found.times_s, unit), f"time to train [{name}]"
    drawing = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(color="#1f6f8b", strokeWidth=2.5)
        .encode(
            x=alt.X("time:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format=",~r", tickCount=8)),
            y=alt.Y("finished:Q", title="share of the runs that have finished", axis=alt.Axis(format="~%")),
            tooltip=["time:Q", alt.Tooltip("finished:Q", format=".1%")],
        )
    )
    return {
        "id": "time-to-train",
        "title": "Time to train",
        "caption": "The share of the runs that have finished by then, up to the last in a thousand.",
        "summary": f"Half of the runs end within {format_time(times.p50)}, nine of ten within "
        f"{format_time(times.p90)}, 99 of 100 within {format_time(times.p99)}.",
        "chart": _with_marks(drawing, _marks(marks, unit), title),
        "rows": rows,
    }


def pls_figure(found: Simulated) -> dict[str, Any]:
    import altair as alt

    rows, title = _histogram(found.pls_of_runs), "portion of lost samples (PLS)"
    drawing = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(color="#1f6f8b", stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", title=title, axis=alt.Axis(format="~g", tickCount=8)),
            x2="to:Q",
            y=alt.Y("share:Q", title="share of the runs", axis=alt.Axis(format="~%")),
            y2="zero:Q",
            tooltip=["from:Q", alt.Tooltip("share:Q", format=".2%")],
        )
    )
    marks = {"P50": found.pls.p50, "P90": found.pls.p90, "P99": found.pls.p99}
    return {
        "id": "pls",
        "title": "Portion of lost samples",
        "caption": "One bar a bin.",
        "summary": f"Half of the runs lose no more than {found.pls.p50:.3g}, nine of ten {found.pls.p90:.3g}, 99 "
        f"of 100 {found.pls.p99:.3g}.",
        "chart": _with_marks(drawing, _marks(marks, 1.0), title),
        "rows": rows,
    }


def simulated_figures(found: Simulated, deadline_s: float | None = None) -> list[dict[str, Any]]:
    """The charts of the page, with their captions and data."""
    figures = [time_figure(found, deadline_s)]
    return [*figures, pls_figure(found)] if found.pls.p99 > 0 else figures


def render_simulated(found: Simulated, deadline_s: float | None) -> str:
    """The page as HTML text."""
    from cprmodel.report.page import render_page

    return render_page(
        "simulated.html.j2",
        found.job,
        simulated_figures(found, deadline_s),
        heading=heading(found),
        headings=HEADINGS,
        rows=simulated_rows(found),
        lines=simulated_lines(found, deadline_s),
    )


@unchecked()
def write_simulated_report(found: Simulated, deadline_s: float | None, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole

    write_whole(path, render_simulated(found, deadline_s))
