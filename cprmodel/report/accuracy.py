"""A fitted accuracy model as text for a terminal, and as a page with its chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import one_line
from cprmodel.facts.units import count_of
from cprmodel.fitting.accuracy import AccuracyFit, HeldOut, Patterns
from cprmodel.fitting.accuracy_line import LINEAR_WITHIN
from cprmodel.fitting.clusters import Estimate
from cprmodel.report.looks import distinct
from cprmodel.report.unchecked import unchecked

__all__ = [
    "HEADINGS",
    "accuracy_figure",
    "accuracy_lines",
    "accuracy_rows",
    "print_accuracy",
    "render_accuracy",
    "write_accuracy_report",
]

WITHIN = f"{LINEAR_WITHIN:.0%}"
HEADINGS = ["runs of", "slope", "90% interval", "runs", "seeds", "PLS up to"]


def accuracy_rows(found: AccuracyFit) -> list[list[str]]:
    """A row for all runs, one for the seeds that the test's line was fitted to, and one per pattern."""
    record = found.record
    rows = [_row("all seeds", found.slope, len(record.runs), len(record.seeds), record.largest_pls)]
    if found.held_out is not None:
        fitted = record.of_seeds(found.held_out.fit_seeds)
        counts = len(fitted.runs), len(fitted.seeds), fitted.largest_pls
        rows.append(_row("fit seeds alone", found.held_out.line.slope, *counts))
    for one in found.patterns.slopes if found.patterns else ():
        rows.append(_row(one_line(one.name), one.slope, one.runs, one.seeds, one.largest_pls))
    return rows


def _row(name: str, slope: Estimate, runs: int, seeds: int, largest_pls: float) -> list[str]:
    return [name, f"{slope.value:.4g}", _range(slope), f"{runs:,}", f"{seeds:,}", f"{largest_pls:.3g}"]


def _range(one: Estimate) -> str:
    interval = one.interval_90
    return "unknown" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"


def accuracy_lines(found: AccuracyFit) -> list[str]:
    """What the record says, line by line; the warnings last."""
    record, interval = found.record, found.slope.interval_90
    metric = one_line(record.metric)
    slope = f"drop of {metric} = {found.slope.value:.3g} x PLS"
    lines = [
        f"{count_of(len(record.runs), 'paired run')} of {count_of(len(record.seeds), 'seed')}, PLS up to "
        f"{record.largest_pls:.3g}",
        slope + (f", slope's 90% interval {_range(found.slope)} (seeds as clusters)" if interval else ""),
    ]
    lines += _about_noise(found)
    lines += _about_the_bend(found)
    if found.held_out is not None:
        lines += _about_the_test(found.held_out)
    if found.patterns is not None:
        lines += _about_patterns(found.patterns)
    return [*lines, *(f"warning: {one}" for one in found.warnings)]


def _about_noise(found: AccuracyFit) -> list[str]:
    noise = found.line.noise
    if noise.of_another_seed is not None:
        said = f"scatter (SD): {noise.of_another_seed:.2g} around the line for a run of another seed"
        return [said if noise.within_seed is None else f"{said}, {noise.within_seed:.2g} between runs of one seed"]
    return [] if noise.within_seed is None else [f"scatter (SD): {noise.within_seed:.2g} between runs of one seed"]


def _about_the_bend(found: AccuracyFit) -> list[str]:
    bend, largest = found.bend, found.record.largest_pls
    if bend.per_pls is None:
        return ["one PLS alone, or no drop: the record cannot tell how far the line holds"]
    shown = f"bend: drop = slope x PLS x (1 {'-' if bend.per_pls < 0 else '+'} {abs(bend.per_pls):.2g} x PLS)"
    if bend.interval_90 is None or bend.linear_to_pls is None:
        return [f"{shown}, but any bend fits: the record cannot tell how far the line holds"]
    low, high = bend.interval_90
    said = f"{shown}, 90% interval {low:.2g} to {high:.2g}"
    if bend.linear_to_pls >= largest:
        return [f"{said}: the line holds within {WITHIN} over the whole record, up to PLS {largest:.3g}"]
    up_to = f"within {WITHIN} only up to PLS {bend.linear_to_pls:.2g}"
    if bend.bends:
        return [f"{said}: it is no straight line, which can be relied on {up_to}"]
    said = f"{said}: no bend to be seen, but the record bears the straight line out {up_to}"
    if bend.linear_to_pls < min(run.pls for run in found.record.runs if run.pls > 0):
        said += ", below any PLS in the record: it cannot tell how far the line holds"
    return [said]


def _about_the_test(test: HeldOut) -> list[str]:
    noise = test.line.noise.of_another_seed
    expected = "" if noise is None else f" (expected from the fit seeds' noise: {noise:.2g})"
    said = (
        f"test: a line fitted to {_seeds(test.fit_seeds)} misses the {count_of(test.runs, 'drop')} of "
        f"{_seeds(test.test_seeds)} by {test.rmse:.2g} RMSE{expected}; predicting no drop at all misses by "
        f"{test.rmse_no_drop:.2g}"
    )
    if test.inside_90 is None:
        return [said]
    return [said, f"test: {test.inside_90:.0%} of these drops are inside their 90% prediction intervals"]


def _seeds(seeds: tuple[int, ...]) -> str:
    shown = [str(seed) for seed in seeds]
    listed = ", ".join(shown if len(shown) <= 6 else [*shown[:5], "...", shown[-1]])
    return f"seed{'s' if len(shown) > 1 else ''} {listed}"


def _about_patterns(patterns: Patterns) -> list[str]:
    lines = []
    if patterns.p_value is None:
        lines.append("patterns: too few seeds have them to tell whether they share one slope")
    else:
        verdict = "do not share one slope" if patterns.differ else "one slope does for all of them"
        lines.append(f"patterns: {verdict} (p = {patterns.p_value:.2g}, Bonferroni over pairs, within seeds)")
    if len(patterns.differences) <= 6:
        for one in patterns.differences:
            what = f"slope of {one_line(one.one)} less that of {one_line(one.other)}"
            lines.append(f"{what}: {one.difference.value:.3g}, 90% interval {_range(one.difference)}")
    return lines


def print_accuracy(found: AccuracyFit) -> None:
    """Print to standard output."""
    from cprmodel.report.lines import print_lines_and_table

    print_lines_and_table(accuracy_lines(found), HEADINGS, accuracy_rows(found))


def _point_rows(found: AccuracyFit) -> list[dict[str, Any]]:
    tested = found.held_out.test_seeds if found.held_out else ()
    return [
        {
            "seed": run.seed,
            "pls": run.pls,
            "drop": run.drop,
            "pattern": one_line(run.pattern or "not named"),
            "use": "test" if run.seed in tested else "fit",
        }
        for run in found.record.runs
    ]


def _line_rows(found: AccuracyFit) -> list[dict[str, Any]]:
    """The line at some PLS, with the slope's interval and where runs of other seeds fall."""
    rows = []
    slope = found.slope
    for pls in np.linspace(0.0, found.record.largest_pls, 41):
        low, high = slope.interval_90 or (slope.value, slope.value)
        run = found.line.prediction_interval(float(pls)) or (slope.value * pls, slope.value * pls)
        rows.append(
            {
                "pls": float(pls),
                "drop": float(slope.value * pls),
                "low": float(low * pls),
                "high": float(high * pls),
                "run_low": float(run[0]),
                "run_high": float(run[1]),
            }
        )
    return rows


def accuracy_figure(found: AccuracyFit) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    points, line = _point_rows(found), _line_rows(found)
    names = sorted({row["pattern"] for row in points})
    x = alt.X("pls:Q", title="portion of lost samples (PLS)")
    title = f"drop of {one_line(found.record.metric)}"
    base = alt.Chart(alt.InlineData(values=line))
    runs = base.mark_area(opacity=0.1, color="#1d2326").encode(
        x=x, y=alt.Y("run_low:Q", title=title), y2="run_high:Q"
    )
    band = base.mark_area(opacity=0.25, color="#1d2326").encode(x=x, y="low:Q", y2="high:Q")
    middle = base.mark_line(strokeWidth=2.5, color="#1d2326").encode(x=x, y="drop:Q")
    colors, marks_of = distinct(names)
    drawn = [{**row, "filled": 0.85 if row["use"] == "fit" else 0.0} for row in points]
    marks = (
        alt.Chart(alt.InlineData(values=drawn))
        .mark_point(size=70)
        .encode(
            x=x,
            y=alt.Y("drop:Q", title=title),
            color=alt.Color("pattern:N", title=None, scale=alt.Scale(domain=names, range=colors)),
            fill=alt.Fill("pattern:N", title=None, scale=alt.Scale(domain=names, range=colors)),
            shape=alt.Shape("pattern:N", title=None, scale=alt.Scale(domain=names, range=marks_of)),
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            tooltip=["seed:N", "pls:Q", "drop:Q", "pattern:N", "use:N"],
        )
    )
    return {
        "id": "drop-against-pls",
        "title": "Drop against lost samples",
        "summary": f"{count_of(len(points), 'run')}, which lose up to {max(row['pls'] for row in points):.3g} of "
        f"the samples and up to {max(row['drop'] for row in points):.2g} of the metric.",
        "caption": "A point a run (hollow: seeds of the test). The line of all runs with its slope's 90% "
        "interval, and, lighter, where nine of ten runs of other seeds fall.",
        "chart": framed(alt.layer(runs, band, middle, marks), 340),
        "rows": points,
    }


def render_accuracy(found: AccuracyFit) -> str:
    """The page as HTML text."""
    from cprmodel.report.page import render_page

    return render_page(
        "fitted.html.j2",
        None,
        [accuracy_figure(found)],
        question="What lost samples cost",
        source=Path(found.record.source).name,
        headings=HEADINGS,
        rows=accuracy_rows(found),
        lines=accuracy_lines(found),
    )


@unchecked()
def write_accuracy_report(found: AccuracyFit, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole

    write_whole(path, render_accuracy(found))
