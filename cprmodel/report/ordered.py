"""What to save first, as text for a terminal, and as a page with loss against bandwidth."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import one_line
from cprmodel.facts.units import format_bytes, format_time
from cprmodel.ordering.found import Ordered
from cprmodel.ordering.policies import PolicyLoss, predict
from cprmodel.report.looks import RECOVERY_COLORS, distinct
from cprmodel.report.unchecked import unchecked

__all__ = [
    "HEADINGS",
    "bandwidth_figure",
    "harm_figure",
    "ordered_lines",
    "ordered_rows",
    "print_ordered",
    "render_ordered",
    "write_ordered_report",
]

HEADINGS = ["policy", "lost updates", "± SE", "of uniform", "memory", "bandwidth", "by"]
HARM_HEADINGS = ["order", "log loss rises", "± SE", "AUC falls", "lost updates"]
_POLICIES = ("mfu", "update-age", "ssu", "best-fixed", "scar", "uniform", "round-robin")
#: Of an axis of counts: 10 billion, where SI has 10G.
_IN_WORDS = (
    "replace(replace(replace(format(datum.value, '~s'), 'T', ' trillion'), 'G', ' billion'), 'M', ' million')"
)
_SHOWN = 20  # shards in the terminal
_FACTORS = np.geomspace(0.25, 4.0, 9)
_PLAYED_FACTORS = (0.25, 1.0, 4.0)
_DRAWN_ERROR = 0.02  # of what is simulated for the curve alone: less than a line is wide


def ordered_rows(found: Ordered) -> list[list[str]]:
    """One row a policy."""
    return [
        [
            one.name,
            f"{one.lost_updates_fraction:.4f}" if math.isfinite(one.lost_updates_fraction) else "no bound",
            "" if one.standard_error is None else f"{one.standard_error:.4f}",
            f"{2 * one.lost_updates_fraction:.1%}" if math.isfinite(one.lost_updates_fraction) else "",
            format_bytes(one.tracker_bytes),
            f"{format_bytes(one.bandwidth_bytes_per_s)}/s",
            one.predicted_by,
        ]
        for one in found.policies
    ]


def ordered_lines(found: Ordered) -> list[str]:
    """What was asked, what the numbers mean, and what to mind."""
    rows, setting = found.rows, found.setting
    what = "shards" if rows.names else "rows"
    lost = rows.total_updates_per_s * found.full_save_s
    size, budget = format_bytes(rows.total_bytes), format_bytes(setting.bandwidth_bytes_per_s)
    return [
        f"{found.rows.number:,.0f} {what}, {size}, {rows.total_updates_per_s:,.0f} updates a second; at {budget}/s "
        f"everything is saved once in {format_time(found.full_save_s)}",
        f"lost updates: what a failure takes on average, as a share of the {lost:.4g} updates in that time; rows "
        f"are chosen every {format_time(setting.slot_s(rows))}",
        *(f"note: {line}" for line in found.warnings),
    ]


def _interval_lines(found: Ordered) -> list[str]:
    every = found.intervals_s() if found.rows.number <= 1e6 else None
    if every is None:
        return []
    names = [one_line(name) for name in found.rows.names or ()]
    if names and len(names) <= _SHOWN:
        width = max(len(name) for name in names)
        shown = [f"  {name:{width}}  {_every(one)}" for name, one in zip(names, every, strict=True)]
        return [f"best fixed intervals ({found.setting.objective.value}), save every:", *shown]
    finite = every[np.isfinite(every)]
    if not finite.size:
        return []
    low, middle, high = np.quantile(finite, [0, 0.5, 1])
    return [
        f"best fixed intervals ({found.setting.objective.value}), save every: {format_time(low)} (shortest), "
        f"{format_time(middle)} (median), {format_time(high)} (longest); {every.size - finite.size:,} never"
    ]


def _joined(lines: list[str]) -> list[str]:
    """A list under its heading, as the one line that a page has for it."""
    if len(lines) < 2:
        return lines
    return [f"{lines[0]} {'; '.join(' '.join(one.split()) for one in lines[1:])}"]


def _every(seconds: float) -> str:
    return format_time(seconds) if math.isfinite(seconds) else "never"


def harm_rows(found: Ordered) -> list[list[str]]:
    """One row an order, the cheapest first."""
    return [
        [
            one.order,
            f"{one.rise:.2e}",
            f"{one.standard_error:.0e}",
            "" if one.auc_fall is None else f"{one.auc_fall:.2e}",
            f"{one.lost_updates:.3g}",
        ]
        for one in found.harm
    ]


def harm_lines(found: Ordered) -> list[str]:
    """What they mean, and what to do."""
    if not found.harm:
        return []
    by = {one.order: one for one in found.harm}
    floor, mfu = by["everything"], by["mfu"]
    sure = 2 * max(one.standard_error for one in (floor, mfu))
    lines = [
        f"What one failure costs at the end of the run in which {Path(found.source).name} was probed, by order: it "
        f"puts {found.lost_share:.3g} of the rows back at a random moment. Saving everything each time, at any "
        "bandwidth, is what no order can go below."
    ]
    if mfu.rise > 0 and mfu.rise - floor.rise <= max(0.1 * mfu.rise, sure):
        lines.append("MFU is about as good as any order can be here.")
    return lines


def print_ordered(found: Ordered) -> None:
    """Print to standard output."""
    from cprmodel.report.lines import print_lines_and_table

    print_lines_and_table(ordered_lines(found), HEADINGS, ordered_rows(found))
    if found.harm:
        print()
        print_lines_and_table(harm_lines(found), HARM_HEADINGS, harm_rows(found))
    for line in _interval_lines(found):
        print(line)


def curve_rows(found: Ordered) -> list[dict[str, Any]]:
    """Loss against bandwidth: formulas at nine bandwidths, simulations at three, in updates of one time span."""
    rows: list[dict[str, Any]] = []
    for factor in _FACTORS:
        bandwidth = float(factor) * found.setting.bandwidth_bytes_per_s
        updates = found.rows.total_updates_per_s * found.rows.total_bytes / bandwidth
        policies = _at_bandwidth(found, float(factor), bandwidth)
        rows += [_point(one, bandwidth, updates) for one in policies if math.isfinite(one.lost_updates_fraction)]
    return rows


def _at_bandwidth(found: Ordered, factor: float, bandwidth: float) -> list[PolicyLoss]:
    """Simulated at few bandwidths, and not again where that would be the same simulation.

    It is at the budget itself, and where the updates of a row are not known: then a full-save interval has as many
    at any bandwidth, and a failure takes the same share of them.
    """
    played = [one for one in found.policies if one.predicted_by == "simulation"]
    known = [one.name for one in found.policies if one.predicted_by != "simulation"]
    if not any(math.isclose(factor, one) for one in _PLAYED_FACTORS):
        played = []
    elif not math.isclose(factor, 1.0) and found.rows.row_bytes is not None:
        known, played = [one.name for one in found.policies], []
    setting = replace(found.setting, bandwidth_bytes_per_s=bandwidth, played_error=_DRAWN_ERROR)
    again = predict(found.rows, setting, known)
    by_name = {one.name: one for one in (*again, *played)}
    return [by_name[one.name] for one in found.policies if one.name in by_name]


def _point(one: PolicyLoss, bandwidth: float, updates: float) -> dict[str, Any]:
    return {
        "policy": one.name,
        "bandwidth_bytes_per_s": bandwidth,
        "lost_updates": one.lost_updates_fraction * updates,
        "lost_updates_fraction": one.lost_updates_fraction,
        "by": one.predicted_by,
    }


def bandwidth_figure(found: Ordered) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    rows = curve_rows(found)
    present = [one.name for one in found.policies if any(row["policy"] == one.name for row in rows)]
    colors, marks = distinct(_POLICIES)
    number = [_POLICIES.index(name) for name in present]
    scale = alt.Scale(domain=present, range=[colors[at] for at in number])
    shapes = alt.Scale(domain=present, range=[marks[at] for at in number])
    tooltip = [
        alt.Tooltip("policy:N"),
        alt.Tooltip("lost_updates:Q", title="lost updates", format=".4s"),
        alt.Tooltip("lost_updates_fraction:Q", title="of a full save's", format=".3f"),
        alt.Tooltip("by:N"),
    ]
    x = alt.X(
        "bandwidth_bytes_per_s:Q",
        title="bandwidth [B/s]",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format="~s"),
    )
    y = alt.Y(
        "lost_updates:Q",
        title="updates lost to a failure",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(labelExpr=_IN_WORDS),
    )
    color = alt.Color("policy:N", title=None, scale=scale)
    base = alt.Chart(alt.InlineData(values=rows))
    points = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=x, y=y, color=color, shape=alt.Shape("policy:N", title=None, scale=shapes), tooltip=tooltip
    )
    chart = alt.layer(base.mark_line().encode(x=x, y=y, color=color), points)
    return {
        "id": "loss-against-bandwidth",
        "title": "Lost updates against bandwidth",
        "caption": "What one failure takes on average, from a quarter to four times the budget; lower is better.",
        "summary": _in_words(found),
        "chart": framed(chart, 340),
        "rows": rows,
    }


def _in_words(found: Ordered) -> str:
    ranked = sorted(found.policies, key=lambda one: one.lost_updates_fraction)
    said = ", ".join(f"{one.name} {one.lost_updates_fraction:.3f}" for one in ranked)
    return f"At the budget, of the updates of a full save's time, from the least lost: {said}."


def harm_figure(found: Ordered) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    rows = [
        {
            "order": one.order,
            "rise": one.rise,
            "low": one.rise - one.standard_error,
            "high": one.rise + one.standard_error,
            "auc_fall": one.auc_fall,
            "lost_updates": one.lost_updates,
        }
        for one in found.harm
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("order:N", title=None, sort=[one.order for one in found.harm])
    )
    tooltip = [
        alt.Tooltip("order:N"),
        alt.Tooltip("rise:Q", title="log loss rises", format=".2e"),
        alt.Tooltip("auc_fall:Q", title="AUC falls", format=".2e"),
        alt.Tooltip("lost_updates:Q", title="lost updates", format=".3s"),
    ]
    title = "rise of the log loss at the end of the run"
    bars = base.mark_bar(color=RECOVERY_COLORS[1]).encode(
        x=alt.X("rise:Q", title=title, axis=alt.Axis(format=".1e", tickCount=5)), tooltip=tooltip
    )
    error = base.mark_rule(color="#1d2326", strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return {
        "id": "harm-by-order",
        "title": "What one failure costs, by order",
        "summary": "From the cheapest: " + ", ".join(f"{one.order} {one.rise:.2e}" for one in found.harm) + ".",
        "caption": " ".join(harm_lines(found)) + " Lines: a standard error to either side, of the simulation.",
        "chart": framed(bars + error, 220),
        "rows": rows,
    }


def render_ordered(found: Ordered) -> str:
    """The page as HTML text."""
    from cprmodel.report.page import render_page

    return render_page(
        "fitted.html.j2",
        None,
        [*([harm_figure(found)] if found.harm else []), bandwidth_figure(found)],
        question="What to save first",
        source=Path(found.source).name,
        headings=HEADINGS,
        rows=ordered_rows(found),
        best=min(
            range(len(found.policies)), key=lambda at: (round(found.policies[at].lost_updates_fraction, 9), -at)
        ),
        lines=[*ordered_lines(found), *_joined(_interval_lines(found))],
    )


@unchecked()
def write_ordered_report(found: Ordered, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    from cprmodel.facts.files import write_whole

    write_whole(path, render_ordered(found))
