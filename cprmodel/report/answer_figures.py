"""Charts of what stands beside a sweep: nodes, spares, what nothing beats, what moves the overhead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from cprmodel.bulk import Elasticity, Front, NodesAnswer, SparesAnswer
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.report.charts import framed
from cprmodel.report.looks import OVERHEAD
from cprmodel.report.sweep_figures import READ, Figure, color_of, rows_of

__all__ = ["front_figure", "nodes_figure", "spares_figure", "tornado"]


def nodes_figure(answer: NodesAnswer) -> Figure:
    """Time to train, and overhead, against nodes."""
    rows = rows_of(answer.planned, ("failures.nodes", *READ))
    # far out the overhead grows without bound: draw to where training takes three times its best
    top = 3 * answer.time_to_train_s
    drawn = [
        {**row, "nodes": row["failures.nodes"], "days": row["time_to_train_s"] / 86400}
        for row in rows
        if row["time_to_train_s"] <= max(top, rows[0]["time_to_train_s"])
    ]
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        x=alt.X("nodes:Q", title="nodes", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~s")),
    )
    days = base.mark_line(strokeWidth=2.5, color="#1f6f8b").encode(
        y=alt.Y("days:Q", title="time to train [days]", scale=alt.Scale(type="log", nice=False)),
        tooltip=[
            alt.Tooltip("nodes:Q", format=","),
            alt.Tooltip("days:Q", title="days to train", format=".3~g"),
            alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
            alt.Tooltip("recommended:N"),
        ],
    )
    share = base.mark_line(strokeWidth=2, color="#c1440e", strokeDash=[5, 3]).encode(
        y=alt.Y("overhead_fraction:Q", title="overhead (dashed)", axis=alt.Axis(format="~%", grid=False)),
    )
    mark = [{"nodes": answer.fastest, "label": f"{answer.fastest:,} nodes"}]
    rule = alt.Chart(alt.InlineData(values=mark)).mark_rule(color="#777", strokeDash=[2, 3]).encode(x="nodes:Q")
    label = (
        alt.Chart(alt.InlineData(values=mark))
        .mark_text(align="right", dx=-5, baseline="top", color="#555")
        .encode(x="nodes:Q", y=alt.value(2), text="label:N")
    )
    chart = alt.layer(alt.layer(days, rule, label), share).resolve_scale(y="independent")
    end = "beyond the dotted line more nodes slow training down"
    if answer.at_the_end:
        end = "the dotted line is where the figures end: more nodes are still faster"
    return {
        "id": "nodes",
        "title": "Time to train against nodes",
        "caption": f"The recommended strategy on each number of nodes, {answer.planned.model} model; {end}.",
        "chart": framed(chart, 320),
        "rows": rows,
    }


def spares_figure(answer: SparesAnswer, job: Job) -> Figure:
    """Failures that wait, and idle nodes, against spares."""
    most = int(max(answer.needed, answer.cheapest) * 1.4) + 4
    paid = answer.dollars_per_month(job)
    unit = f"{job.cost.currency} a month" if job.cost is not None and paid is not None else "node-hours a month"
    cost = answer.node_hours_per_month if paid is None else paid
    rows = [
        {
            "spares": int(m),
            "failures_waiting": float(answer.failures_waiting[m]),
            "time_waiting": float(answer.time_waiting[m]),
            "idle_cost": float(cost[m]),
        }
        for m in answer.spares[: most + 1]
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=alt.X("spares:Q", title="spare nodes"))
    tooltip = [
        alt.Tooltip("spares:Q"),
        alt.Tooltip("failures_waiting:Q", title="failures that wait", format=".3%"),
        alt.Tooltip("time_waiting:Q", title="of the time", format=".3%"),
        alt.Tooltip("idle_cost:Q", title=unit, format=",.0f"),
    ]
    line = base.mark_line(strokeWidth=2.5, color="#c1440e", point=True).encode(
        y=alt.Y(
            "failures_waiting:Q",
            title="failures that wait",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format="~%"),
        ),
        tooltip=tooltip,
    )
    idle = base.mark_line(strokeWidth=2, color="#1f6f8b", strokeDash=[5, 3]).encode(
        y=alt.Y("idle_cost:Q", title=f"idle nodes, {unit} (dashed)", axis=alt.Axis(format="~s", grid=False)),
    )
    chart = alt.layer(line, idle).resolve_scale(y="independent")
    return {
        "id": "spares",
        "title": "Spare nodes against waiting for a repair",
        "caption": "Share of the failures that find every spare in repair, and what spares and waiting leave idle.",
        "chart": framed(chart, 300),
        "rows": rows,
    }


def front_figure(front: Front) -> Figure | None:
    """Overhead against lost samples where nothing beats it; None for a single point."""
    rows = [
        {
            "strategy": one.name,
            "interval_s": one.interval_s,
            "overhead_fraction": one.overhead_fraction,
            "expected_pls": one.expected_pls,
            "expected_metric_drop": one.expected_metric_drop,
        }
        for one in front.points
    ]
    if len(rows) < 2:
        return None
    drawn = [{**row, "every": format_time(row["interval_s"])} for row in rows]  # type: ignore[arg-type]
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        x=alt.X("expected_pls:Q", title="expected portion of lost samples (PLS)", axis=alt.Axis(format="~g")),
        y=alt.Y("overhead_fraction:Q", title=OVERHEAD, axis=alt.Axis(format="~%"), scale=alt.Scale(zero=True)),
    )
    tooltip = [
        alt.Tooltip("strategy:N"),
        alt.Tooltip("every:N", title="save every"),
        alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
        alt.Tooltip("expected_pls:Q", title="expected PLS", format=".3g"),
    ]
    line = base.mark_line(color="#8a9396", strokeWidth=1.5)
    points = base.mark_point(filled=True, size=44, opacity=1).encode(
        color=color_of(rows, "strategy"), tooltip=tooltip
    )
    return {
        "id": "front",
        "title": "Overhead against accuracy: what nothing beats",
        "caption": "No strategy or interval has less overhead and loses less than one of these points.",
        "chart": framed(alt.layer(line, points), 300),
        "rows": rows,
    }


def tornado(found: Sequence[Elasticity]) -> Figure:
    """What moves the overhead, most first."""
    rows = [
        {"key": one.key, "value": one.value, "elasticity": one.elasticity}
        for one in found[:15]
        if abs(one.elasticity) >= 0.005
    ]
    drawn = [{**row, "up": float(row["elasticity"]) > 0} for row in rows]  # type: ignore[arg-type]
    color = alt.Scale(domain=[True, False], range=["#c1440e", "#1f6f8b"])
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        y=alt.Y("key:N", sort=[str(row["key"]) for row in rows], title=None, axis=alt.Axis(labelLimit=260)),
        x=alt.X("elasticity:Q", title="% more overhead for 1% more of the number", scale=alt.Scale(padding=34)),
    )
    bars = base.mark_bar().encode(
        color=alt.Color("up:N", scale=color, legend=None),
        tooltip=[alt.Tooltip("key:N"), alt.Tooltip("elasticity:Q", format="+.3f")],
    )
    text: dict[str, Any] = {"fontSize": 11, "color": "#5b6468"}
    right = base.transform_filter("datum.elasticity > 0").mark_text(align="left", dx=4, **text)
    left = base.transform_filter("datum.elasticity <= 0").mark_text(align="right", dx=-4, **text)
    label = alt.Text("elasticity:Q", format="+.2f")
    return {
        "id": "elasticity",
        "title": "What moves the overhead",
        "caption": "Elasticities of the recommended strategy's first-order overhead, from the formulas' "
        "derivatives; the interval follows what sets it.",
        "chart": framed(alt.layer(bars, right.encode(text=label), left.encode(text=label)), 24 * len(rows) + 24),
        "rows": rows,
    }
