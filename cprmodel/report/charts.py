"""Charts of a plan, in Altair; each also hands out its data as rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import altair as alt
import numpy as np

from cprmodel.costing.blocking import recoveries_of, terms_of
from cprmodel.facts.strategies import Strategy, loses_samples
from cprmodel.facts.units import format_share, format_time
from cprmodel.formulas.exact_loss import exact_pls_interval
from cprmodel.planning.pricing import price
from cprmodel.planning.result import Plan, StrategyPlan
from cprmodel.report.looks import (
    OVERHEAD,
    PART_COLORS,
    PART_LABELS,
    RECOVERIES,
    RECOVERY_COLORS,
    SLOWER_COLORS,
    SLOWER_LABELS,
)

__all__ = [
    "breakdown_rows",
    "breakdown_stacked",
    "curve_rows",
    "data_rows",
    "framed",
    "in_words",
    "overhead_against_interval",
    "overhead_against_pls",
    "strategy_rows",
    "time_axis",
]

Rows = list[dict[str, Any]]

_POINTS_PER_CURVE = 160


def clean(rows: Rows) -> Rows:
    """Rows without numbers that JSON cannot hold."""
    return [row for row in rows if all(math.isfinite(v) for v in row.values() if isinstance(v, float))]


def strategy_rows(plan: Plan) -> Rows:
    """One row per strategy: interval, overhead, PLS."""
    named = min((one for one in plan.strategies if one.order), key=lambda one: one.overhead_fraction, default=None)
    return clean(
        [
            {
                "strategy": one.name,
                "recovery": one.strategy.recovers,
                "interval_s": one.interval_s,
                "interval": format_time(one.interval_s),
                "overhead_fraction": one.overhead_fraction,
                "expected_pls": one.expected_pls,
                "feasible": one.feasible,
                "recommended": one.name == plan.recommended,
                "label": "" if one.order and one is not named else one.name,  # orders lie close together
            }
            for one in plan.strategies
        ]
    )


def curve_rows(plan: Plan) -> Rows:
    """Overhead and PLS over a range of intervals around the strategies', for each recovery."""
    job = plan.job
    recoveries: list[Any] = [job.full_recovery]
    intervals = [one.interval_s for one in plan.strategies]
    if job.cluster.embedding_shards is not None:
        recoveries.append(job.partial_recovery)
        if job.pls_budget is not None and job.pls_budget < 1 and job.failure_mix.shard_share > 0:
            budget_s = float(exact_pls_interval.raw(job.pls_budget, **terms_of(job).losses))
            if budget_s > 0:
                intervals.append(min(budget_s, job.job.work_s))
    low = min(intervals) / 4
    high = max(min(max(intervals) * 4, job.job.work_s), max(intervals))
    like = {one.strategy.recovery.name: one.strategy for one in reversed(plan.strategies) if one.order is None}
    every = np.geomspace(low, high, _POINTS_PER_CURVE)
    rows: Rows = []
    for recovery in recoveries:
        overheads, losses = _curve(plan, like[recovery.name], every)
        rows += [
            {
                "recovery": recovery.name,
                "interval_s": float(interval),
                "overhead_fraction": float(overhead),
                "expected_pls": float(lost),
            }
            for interval, overhead, lost in zip(every, overheads, losses, strict=True)
        ]
    return clean(rows)


def _curve(plan: Plan, strategy: Strategy, every: Any) -> tuple[Any, Any]:
    """Overhead and PLS at each interval, all at once where the model's formulas take arrays."""
    which, of = recoveries_of(plan.model), terms_of(plan.job)
    at_once = getattr(plan.model, "curve", None)
    if at_once is not None:
        return at_once(plan.job, strategy, every)  # type: ignore[no-any-return]
    if which is None or strategy.saving != plan.job.saving:
        tried = [price(plan.job, plan.model, replace(strategy, interval_s=float(one))) for one in every]
        return [one.overhead_fraction for one in tried], [one.expected_pls for one in tried]
    if loses_samples(strategy.recovery):
        return which.partial.overhead(of, every).total, np.broadcast_to(of.pls(every), every.shape)
    return which.full.overhead(of, every).total, np.zeros(every.shape)


def data_rows(plan: Plan, curves: Rows | None = None) -> Rows:
    """What the two curve charts draw: the curves, and the strategies under their names."""
    keys = ("strategy", "recovery", "interval_s", "overhead_fraction", "expected_pls")
    rows = (*strategy_rows(plan), *(curve_rows(plan) if curves is None else curves))
    return [{key: row.get(key, "") for key in keys} for row in rows]


def _parts(plan: Plan) -> dict[str, str]:
    """The parts of its overheads, with their labels."""
    slower = {
        part: label for part, label in SLOWER_LABELS.items() if any(one.parts[part] for one in plan.strategies)
    }
    return PART_LABELS | slower


def breakdown_rows(plan: Plan) -> Rows:
    """One row per strategy and part of its overhead."""
    labels = _parts(plan)
    return clean(
        [
            {
                "strategy": one.name,
                "part": labels[part],
                "order": order,
                "fraction": one.parts[part],
            }
            for one in plan.strategies
            for order, part in enumerate(labels)
        ]
    )


def _chart(rows: Rows) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))


def _color(marks: Rows) -> alt.Color:
    present = [name for name in RECOVERIES if any(row["recovery"] == name for row in marks)]
    scale = alt.Scale(domain=present, range=[RECOVERY_COLORS[RECOVERIES.index(name)] for name in present])
    return alt.Color("recovery:N", title="recovery", scale=scale)


def _time_unit(rows: Rows) -> tuple[str, float]:
    middle = sorted(row["interval_s"] for row in rows)[len(rows) // 2]
    if middle >= 3600:
        return "h", 3600.0
    return ("min", 60.0) if middle >= 60 else ("s", 1.0)


def _ceiling(marks: Rows, curves: Rows) -> float:
    top = max(row["overhead_fraction"] for row in marks)
    return 1.5 * max(top, min(row["overhead_fraction"] for row in curves)) or 1.0


def _marks(marks: Rows, x: str, x_title: str) -> Any:
    base = _chart(sorted(marks, key=lambda row: bool(row["recommended"])))  # what is drawn last lies on top
    tooltip = [
        alt.Tooltip("strategy:N"),
        alt.Tooltip("interval:N", title="save every"),
        alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
        alt.Tooltip("expected_pls:Q", title="expected PLS", format=".3g"),
    ]
    points = base.mark_point(filled=True, size=130, opacity=1).encode(
        x=alt.X(x, title=x_title),
        y="overhead_fraction:Q",
        color=_color(marks),
        shape=alt.Shape(
            "recommended:N", legend=None, scale=alt.Scale(domain=[True, False], range=["diamond", "circle"])
        ),
        tooltip=tooltip,
    )
    where: dict[str, Any] = {"x": alt.X(x), "y": alt.Y("overhead_fraction:Q"), "text": alt.Text("label:N")}
    beside: dict[str, Any] = {"align": "left", "dx": 8, "dy": -9, "fontSize": 12}
    halo = base.mark_text(**beside, stroke="white", strokeWidth=4, strokeJoin="round").encode(**where)
    labels = base.mark_text(**beside).encode(**where, color=_color(marks))
    return alt.layer(halo, points, labels)


def overhead_against_interval(plan: Plan, curves: Rows | None = None) -> Any:
    """Overhead against the interval, a curve per recovery, each strategy marked (diamond: recommended)."""
    marks = strategy_rows(plan)
    unit, seconds = _time_unit(marks)
    curves, marks = (
        [{**row, "x": row["interval_s"] / seconds} for row in rows]
        for rows in (curve_rows(plan) if curves is None else curves, marks)
    )
    title = f"useful work between two saves [{unit}]"
    x = alt.X("x:Q", title=title, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~g", tickCount=8))
    y = alt.Y(
        "overhead_fraction:Q",
        title=OVERHEAD,
        axis=alt.Axis(format="~%"),
        scale=alt.Scale(domain=[0, _ceiling(marks, curves)], nice=True),
    )
    lines = _chart(curves).mark_line(clip=True, strokeWidth=2.5).encode(x=x, y=y, color=_color(marks))
    return framed(alt.layer(lines, _marks(marks, "x:Q", title)), 320)


def breakdown_stacked(plan: Plan) -> Any:
    """What each strategy's overhead is made of."""
    order = [one.name for one in plan.strategies]
    labels = list(_parts(plan).values())
    colors = dict(
        zip([*PART_LABELS.values(), *SLOWER_LABELS.values()], [*PART_COLORS, *SLOWER_COLORS], strict=True)
    )
    chart = (
        _chart(breakdown_rows(plan))
        .mark_bar()
        .encode(
            y=alt.Y("strategy:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X(
                "sum(fraction):Q",
                title=OVERHEAD,
                axis=alt.Axis(format="~%", tickCount=6),
            ),
            color=alt.Color(
                "part:N",
                title=None,
                sort=labels,
                legend=alt.Legend(columns=2),
                scale=alt.Scale(domain=labels, range=[colors[label] for label in labels]),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("strategy:N"),
                alt.Tooltip("part:N"),
                alt.Tooltip("fraction:Q", title="overhead", format=".3%"),
            ],
        )
    )
    return framed(chart, 44 * len(order) + 20)


def overhead_against_pls(plan: Plan, curves: Rows | None = None) -> Any:
    """What accuracy buys: overhead against expected PLS, the budget ruled in; None for a dense model."""
    curves = curve_rows(plan) if curves is None else curves
    curves = [row for row in curves if row["recovery"] == "partial" and row["expected_pls"] > 0]
    marks = strategy_rows(plan)
    if not curves:
        return None
    title = "expected portion of lost samples (PLS)"
    budget = plan.job.pls_budget
    widest = max([row["expected_pls"] for row in marks] + ([budget] if budget else []))
    curves = [row for row in curves if row["expected_pls"] <= 1.3 * widest] or curves
    x = alt.X("expected_pls:Q", title=title, axis=alt.Axis(format="~g", tickCount=8))
    y = alt.Y(
        "overhead_fraction:Q",
        title=OVERHEAD,
        axis=alt.Axis(format="~%"),
        scale=alt.Scale(domain=[0, _ceiling(marks, curves)], nice=True),
    )
    layers: list[Any] = [
        _chart(curves).mark_line(clip=True, strokeWidth=2.5).encode(x=x, y=y, color=_color(marks)),
    ]
    if budget is not None:
        rule = _chart([{"budget": budget, "label": f"budget {budget:.3g}"}])
        layers.append(rule.mark_rule(strokeDash=[5, 4], color="#777").encode(x="budget:Q"))
        layers.append(
            rule.mark_text(align="right", dx=-5, dy=8, baseline="top", color="#777").encode(
                x="budget:Q", y=alt.value(0), text="label:N"
            )
        )
    layers.append(_marks(marks, "expected_pls:Q", title))
    return framed(alt.layer(*layers), 320)


def in_words(plan: Plan) -> dict[str, str]:
    """What the three charts of a plan show, for whoever cannot see them."""
    best = plan.best
    others = sorted((one for one in plan.strategies if one is not best), key=lambda one: one.overhead_fraction)

    def stands(one: StrategyPlan) -> str:
        return f"{one.name} {format_share(one.overhead_fraction)} at {format_time(one.interval_s)}"

    interval = f"Recommended: {stands(best)}."
    if others:
        interval += f" Others: {', '.join(map(stands, others))}."
    parts = {label: best.parts[part] for part, label in _parts(plan).items()}
    largest = max(parts, key=lambda label: parts[label])
    made = f"Of the {format_share(best.overhead_fraction)} of {best.name}, {largest} are the most, "
    accuracy = f"{best.name} loses a portion of {best.expected_pls:.3g} of the samples"
    if best.pls_budget is not None:
        accuracy += f", of a budget of {best.pls_budget:.3g}"
    return {"interval": interval, "parts": f"{made}{format_share(parts[largest])}.", "accuracy": f"{accuracy}."}


def framed(chart: Any, height: int = 280) -> Any:
    """A chart as wide as its page, in the style of all of them."""
    return (
        chart.properties(width="container", height=height)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#eee")
        .configure_legend(labelFontSize=12, titleFontSize=12, orient="top")
    )


def time_axis(longest_s: float) -> tuple[float, str]:
    """The unit that times up to so many seconds are drawn in: its seconds and its name."""
    return (3600.0, "h") if longest_s >= 7200 else (60.0, "min") if longest_s >= 120 else (1.0, "s")
