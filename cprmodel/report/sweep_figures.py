"""Charts of a sweep: the best along one of its keys, and over two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from cprmodel.bulk import Grid, PlannedMany, plan_many
from cprmodel.bulk.keys import Key
from cprmodel.costing import CostModel
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job
from cprmodel.report.charts import framed
from cprmodel.report.looks import OVERHEAD
from cprmodel.report.sweep import shown

__all__ = ["READ", "Asked", "Figure", "Rows", "color_of", "curve_figure", "map_figure", "rows_of", "slice_of"]

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
    "partial-least-harm": "#d6478a",
    "full-rotating": "#e0a100",
}
_OTHERS = "#7d8a90"

_MOST = {1: 200, 2: 32}  # values of a key that are drawn, by the number of keys that vary in a figure

_UNITS = {"time": (3600.0, "h"), "size": (1e9, "GB"), "bandwidth": (1e9, "GB/s")}

READ = ("recommended", "interval_s", "overhead_fraction", "expected_pls", "time_to_train_s", "dollars_to_train")


@dataclass(frozen=True)
class Asked:
    """What the page is of."""

    job: Job
    grid: Grid | None  #: None where nothing varies
    model: CostModel
    minimise: str


def _some(values: np.ndarray, most: int) -> np.ndarray:
    different: np.ndarray = np.unique(values)
    if len(different) <= most:
        return different
    kept: np.ndarray = different[np.linspace(0, len(different) - 1, most).round().astype(int)]
    return kept


def slice_of(asked: Asked, grid: Grid, keys: Sequence[Key]) -> PlannedMany:
    """The sweep along some of its keys, at the middle of the others."""
    vary = {key.name: _some(grid.values(key), _MOST[len(keys)]) for key in keys}
    for key in grid.keys:
        if key not in keys:
            values = np.sort(grid.values(key))
            vary[key.name] = values[[len(values) // 2]]
    return plan_many(asked.job, vary, asked.model, minimise=asked.minimise)


def rows_of(found: PlannedMany, names: Sequence[str]) -> Rows:
    """The cells in which something may be recommended, with these columns."""
    kept = np.flatnonzero(found["feasible"])
    return [{name: _plain(found[name][at]) for name in names if name in found.columns} for at in kept.tolist()]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _strategies(rows: Rows, field: str) -> alt.Scale:
    there = {str(row[field]) for row in rows}
    present = [*(name for name in _COLORS if name in there), *sorted(there - _COLORS.keys())]
    return alt.Scale(domain=present, range=[_COLORS.get(name, _OTHERS) for name in present])


def color_of(rows: Rows, field: str = "recommended") -> alt.Color:
    """A colour for each strategy that is there."""
    return alt.Color(f"{field}:N", title=None, scale=_strategies(rows, field))


def _axis(key: Key, values: Sequence[float]) -> tuple[float, str, Any, Any]:
    """The divisor of a key's axis, its title, its scale and its marks."""
    size, unit = _UNITS.get(key.kind or "", (1.0, ""))
    title = f"{key.name} [{unit}]" if unit else key.name
    low, high = min(values), max(values)
    if low > 0 and high / low > 20:
        return size, title, alt.Scale(type="log", nice=False), alt.Axis(format="~g", tickCount=8)
    # of a linear axis ~g keeps as many digits as tell its marks apart: 1.2e+2
    return size, title, alt.Scale(nice=False, zero=False), alt.Axis(format=",~r", tickCount=8)


def curve_figure(key: Key, found: PlannedMany, note: str) -> Figure | None:
    """Overhead along one key; None where nothing may be recommended."""
    rows = rows_of(found, (key.name, *READ))
    if not rows:
        return None
    size, title, scale, axis = _axis(key, [row[key.name] for row in rows])
    drawn = [{**row, "x": row[key.name] / size, "every": format_time(row["interval_s"])} for row in rows]
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        x=alt.X("x:Q", title=title, scale=scale, axis=axis),
        y=alt.Y("overhead_fraction:Q", title=OVERHEAD, axis=alt.Axis(format="~%")),
    )
    tooltip = [
        alt.Tooltip("x:Q", title=title, format=".4~g"),
        alt.Tooltip("overhead_fraction:Q", title="overhead", format=".3%"),
        alt.Tooltip("recommended:N"),
        alt.Tooltip("every:N", title="save every"),
    ]
    line = base.mark_line(color="#8a9396", strokeWidth=1.5)
    points = base.mark_point(filled=True, size=34, opacity=1).encode(color=color_of(rows), tooltip=tooltip)
    return {
        "id": f"against-{key.name.replace('.', '-').replace('_', '-')}",
        "title": f"Overhead against {key.name}",
        "caption": f"The recommended strategy at each value{note}.",
        "summary": _in_words(rows),
        "chart": framed(alt.layer(line, points), 300),
        "rows": rows,
    }


def _in_words(rows: Rows) -> str:
    """From the least overhead to the most, and what is recommended where."""
    by = sorted(rows, key=lambda row: float(row["overhead_fraction"]))
    least, most = (f"{format_share(row['overhead_fraction'])} ({row['recommended']})" for row in (by[0], by[-1]))
    return f"Overhead from {least} to {most}, at {count_of(len(rows), 'value')}."


def map_figure(keys: Sequence[Key], found: PlannedMany, note: str, color: str) -> Figure | None:
    """A map over two keys; None where nothing may be recommended."""
    rows = rows_of(found, (keys[0].name, keys[1].name, *READ))
    if not rows:
        return None
    # cells are drawn by rank, and labelled with some of their values: any spacing looks even
    orders = [sorted({row[key.name] for row in rows}) for key in keys]
    drawn: Rows = []
    for row in rows:
        cell = {f"k{n}": shown(key, row[key.name]) for n, key in enumerate(keys)}
        at = {f"i{n}": orders[n].index(row[key.name]) for n, key in enumerate(keys)}
        drawn.append({**cell, **at, "every": format_time(row["interval_s"]), **{n: row[n] for n in READ[:4]}})
    axes = []
    for number, key in enumerate(keys):
        order = orders[number]
        ticks = sorted({round(at) for at in np.linspace(0, len(order) - 1, min(len(order), 9))})
        labels = {str(at): shown(key, order[at]) for at in ticks}
        axis = alt.Axis(values=ticks, labelExpr=f"({labels!r})[datum.value]", grid=False, ticks=True, labelAngle=0)
        scale = alt.Scale(domain=[-0.5, len(order) - 0.5], nice=False, zero=False)
        axes.append((axis, scale, key.name))
    for one in drawn:
        for number in (0, 1):
            # a little over the next cell, else hairlines show between them
            one[f"a{number}"], one[f"b{number}"] = one[f"i{number}"] - 0.5, one[f"i{number}"] + 0.53
    fill: Any = color_of(rows)
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
        "summary": _in_words(rows),
        "chart": framed(chart, 340),
        "rows": rows,
    }
