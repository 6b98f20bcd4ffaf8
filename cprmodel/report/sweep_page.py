"""The page of a sweep: maps and curves of the overhead, nodes, spares, the front, elasticities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from cprmodel.bulk import (
    Elasticity,
    Front,
    Grid,
    NodesAnswer,
    PlannedMany,
    SparesAnswer,
    plan_many,
)
from cprmodel.bulk.keys import Key
from cprmodel.costing import CostModel
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.report.charts import OVERHEAD, framed
from cprmodel.report.page import render_page, write_page
from cprmodel.report.sweep import shown

__all__ = ["Answers", "render_sweep", "write_sweep_report"]

Rows = list[dict[str, Any]]
Figure = dict[str, Any]

_COLORS = {
    "full": "#c1440e",
    "partial": "#1f6f8b",
    "partial-at-full-interval": "#99c1b9",
    "current": "#8e6c8a",
    "partial-mfu": "#f2b880",
    "partial-ssu": "#5b6468",
    "partial-update-age": "#2a9d5c",
    "partial-best-fixed": "#1d2326",
}
_MOST = {1: 200, 2: 32}  # values of a key that are drawn, by the number of keys that vary in a figure
_UNITS = {"time": (3600.0, "h"), "size": (1e9, "GB"), "bandwidth": (1e9, "GB/s")}


class Answers:
    """What a page shows beside the sweep; None where a job says nothing of it."""

    def __init__(
        self,
        elasticities: Sequence[Elasticity] = (),
        nodes: NodesAnswer | None = None,
        spares: SparesAnswer | None = None,
        front: Front | None = None,
    ) -> None:
        self.elasticities, self.nodes, self.spares, self.front = tuple(elasticities), nodes, spares, front


def _some(values: np.ndarray, most: int) -> np.ndarray:
    different: np.ndarray = np.unique(values)
    if len(different) <= most:
        return different
    kept: np.ndarray = different[np.linspace(0, len(different) - 1, most).round().astype(int)]
    return kept


def _slice(job: Job, grid: Grid, keys: Sequence[Key], model: CostModel, minimise: str) -> PlannedMany:
    """The sweep along some of its keys, at the middle of the others."""
    vary = {key.name: _some(grid.values(key), _MOST[len(keys)]) for key in keys}
    for key in grid.keys:
        if key not in keys:
            values = np.sort(grid.values(key))
            vary[key.name] = values[[len(values) // 2]]
    return plan_many(job, vary, model, minimise=minimise)


def _rows(found: PlannedMany, names: Sequence[str]) -> Rows:
    kept = np.flatnonzero(found["feasible"])
    return [{name: _plain(found[name][at]) for name in names if name in found.columns} for at in kept.tolist()]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _strategies(rows: Rows, field: str) -> alt.Scale:
    present = [name for name in _COLORS if any(row[field] == name for row in rows)]
    return alt.Scale(domain=present, range=[_COLORS[name] for name in present])


def _color(rows: Rows, field: str = "recommended") -> alt.Color:
    return alt.Color(f"{field}:N", title=None, scale=_strategies(rows, field))


def _axis(key: Key, values: Sequence[float]) -> tuple[float, str, Any]:
    """The divisor of a key's axis, its title and its scale."""
    size, unit = _UNITS.get(key.kind or "", (1.0, ""))
    title = f"{key.name} [{unit}]" if unit else key.name
    low, high = min(values), max(values)
    scale = alt.Scale(type="log", nice=False) if low > 0 and high / low > 20 else alt.Scale(nice=False, zero=False)
    return size, title, scale


_READ = ("recommended", "interval_s", "overhead_fraction", "expected_pls", "time_to_train_s", "dollars_to_train")


def _curve(key: Key, found: PlannedMany, note: str) -> Figure | None:
    rows = _rows(found, (key.name, *_READ))
    if not rows:
        return None
    size, title, scale = _axis(key, [row[key.name] for row in rows])
    drawn = [{**row, "x": row[key.name] / size, "every": format_time(row["interval_s"])} for row in rows]
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        x=alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(format="~g", tickCount=8)),
        y=alt.Y("overhead_fraction:Q", title=OVERHEAD, axis=alt.Axis(format="~%")),
    )
    tooltip = [
        alt.Tooltip("x:Q", title=title, format=".4~g"),
        alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
        alt.Tooltip("recommended:N"),
        alt.Tooltip("every:N", title="save every"),
    ]
    line = base.mark_line(color="#8a9396", strokeWidth=1.5)
    points = base.mark_point(filled=True, size=34, opacity=1).encode(color=_color(rows), tooltip=tooltip)
    return {
        "id": f"against-{key.name.replace('.', '-').replace('_', '-')}",
        "title": f"Overhead against {key.name}",
        "caption": f"The recommended strategy at each value{note}.",
        "chart": framed(alt.layer(line, points), 300),
        "rows": rows,
    }


def _map(keys: Sequence[Key], found: PlannedMany, note: str, color: str) -> Figure | None:
    rows = _rows(found, (keys[0].name, keys[1].name, *_READ))
    if not rows:
        return None
    # cells are drawn by rank, and labelled with some of their values: any spacing looks even
    orders = [sorted({row[key.name] for row in rows}) for key in keys]
    drawn: Rows = []
    for row in rows:
        cell = {f"k{n}": shown(key, row[key.name]) for n, key in enumerate(keys)}
        at = {f"i{n}": orders[n].index(row[key.name]) for n, key in enumerate(keys)}
        drawn.append({**cell, **at, "every": format_time(row["interval_s"]), **{n: row[n] for n in _READ[:4]}})
    axes = []
    for number, key in enumerate(keys):
        order = orders[number]
        ticks = sorted({round(at) for at in np.linspace(0, len(order) - 1, min(len(order), 7))})
        labels = {str(at): shown(key, order[at]) for at in ticks}
        axis = alt.Axis(values=ticks, labelExpr=f"({labels!r})[datum.value]", grid=False, ticks=True, labelAngle=0)
        scale = alt.Scale(domain=[-0.5, len(order) - 0.5], nice=False, zero=False)
        axes.append((axis, scale, key.name))
    for one in drawn:
        for number in (0, 1):
            # a little over the next cell, else hairlines show between them
            one[f"a{number}"], one[f"b{number}"] = one[f"i{number}"] - 0.5, one[f"i{number}"] + 0.53
    fill: Any = _color(rows)
    if color == "overhead_fraction":
        values = [row["overhead_fraction"] for row in rows]
        kind: Any = "log" if max(values) > 20 * min(values) > 0 else "linear"
        scale = alt.Scale(type=kind, scheme="yellowgreenblue", nice=False)
        legend = alt.Legend(type="gradient", format="~p", gradientLength=260, titleOrient="left", tickCount=4)
        fill = alt.Color("overhead_fraction:Q", title="overhead", scale=scale, legend=legend)
    (x_axis, x_scale, x_title), (y_axis, y_scale, y_title) = axes
    chart = (
        alt.Chart(alt.InlineData(values=drawn))
        .mark_rect(clip=True)
        .encode(
            x=alt.X("a0:Q", title=x_title, scale=x_scale, axis=x_axis),
            x2="b0:Q",
            y=alt.Y("a1:Q", title=y_title, scale=y_scale, axis=y_axis),
            y2="b1:Q",
            color=fill,
            tooltip=[
                alt.Tooltip("k0:N", title=keys[0].name),
                alt.Tooltip("k1:N", title=keys[1].name),
                alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
                alt.Tooltip("recommended:N"),
                alt.Tooltip("every:N", title="save every"),
            ],
        )
    )
    what = "overhead" if color == "overhead_fraction" else "strategy"
    return {
        "id": f"map-{what}",
        "title": f"{'Overhead' if what == 'overhead' else 'Recommended strategy'} over both",
        "caption": f"Of the recommended strategy{note}; white cells cannot be planned.",
        "chart": framed(chart, 340),
        "rows": rows,
    }


def _nodes(answer: NodesAnswer) -> Figure:
    rows = _rows(answer.planned, ("failures.nodes", *_READ))
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


def _spares(answer: SparesAnswer, job: Job) -> Figure:
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


def _front(front: Front) -> Figure | None:
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
        color=_color(rows, "strategy"), tooltip=tooltip
    )
    return {
        "id": "front",
        "title": "Overhead against accuracy: what nothing beats",
        "caption": "No strategy or interval has less overhead and loses less than one of these points.",
        "chart": framed(alt.layer(line, points), 300),
        "rows": rows,
    }


def _tornado(found: Sequence[Elasticity]) -> Figure:
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
        "title": "What the overhead hangs on",
        "caption": "Elasticities of the recommended strategy's first-order overhead, from the formulas' "
        "derivatives; the interval follows what sets it.",
        "chart": framed(alt.layer(bars, right.encode(text=label), left.encode(text=label)), 24 * len(rows) + 24),
        "rows": rows,
    }


def _figures(job: Job, grid: Grid | None, model: CostModel, minimise: str, answers: Answers) -> list[Figure]:
    found: list[Figure | None] = []
    keys = () if grid is None else tuple(key for key in grid.keys if len(np.unique(grid.values(key))) > 1)
    others = ", others at the middle of their values" if len(keys) > 1 else ""
    if grid is not None and len(keys) >= 2:
        both = _slice(job, grid, keys[:2], model, minimise)
        middle = ", others at the middle of their values" if len(keys) > 2 else ""
        found.append(_map(keys[:2], both, middle, "overhead_fraction"))
        if len({name for name in both["recommended"] if name}) > 1:
            found.append(_map(keys[:2], both, middle, "recommended"))
    if grid is not None:
        found += [_curve(key, _slice(job, grid, [key], model, minimise), others) for key in keys]
    if answers.nodes is not None:
        found.append(_nodes(answers.nodes))
    if answers.spares is not None:
        found.append(_spares(answers.spares, job))
    if answers.front is not None:
        found.append(_front(answers.front))
    if answers.elasticities:
        found.append(_tornado(answers.elasticities))
    return [one for one in found if one is not None]


def render_sweep(
    job: Job,
    grid: Grid | None,
    model: CostModel,
    minimise: str,
    answers: Answers,
    lines: Sequence[str],
    source: str,
) -> str:
    """The page as HTML text."""
    return render_page(
        "fitted.html.j2",
        job,
        _figures(job, grid, model, minimise, answers),
        question="What if",
        source=Path(source).name,
        headings=[],
        rows=[],
        lines=list(lines),
    )


def write_sweep_report(page: str, path: str | Path) -> None:
    """Write the page; it appears whole or not at all."""
    write_page(page, path)
