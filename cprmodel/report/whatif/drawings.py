"""The page's charts, drawn in Altair: over data and scales that the page fills in as controls move.

Times on axes are seconds; the page writes them (``quantity``, a function that it gives to Vega) and chooses the
ticks. Colours are parameters too: there are a light and a dark set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from cprmodel.report.looks import (
    OVERHEAD,
    PART_COLORS,
    PART_LABELS,
    RECOVERIES,
    RECOVERY_COLORS,
    SLOWER_COLORS,
    distinct,
)
from cprmodel.report.unchecked import specification

__all__ = ["DARK", "LIGHT", "drawings", "settings_drawings"]

LIGHT = {
    "ink": "#1d2326",
    "soft": "#5b6468",
    "line": "#e3e7e8",
    "paper": "#ffffff",
    **dict(zip(RECOVERIES, RECOVERY_COLORS, strict=True)),
    "parts": PART_COLORS,
}
DARK = {
    "ink": "#e8ecee",
    "soft": "#a9b4b9",
    "line": "#333c41",
    "paper": "#14191c",
    "full": "#f0794a",
    "partial": "#5fb4d1",
    "parts": ["#4a9fc0", "#b5d8d1", "#e8703f", "#f2c893"],
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def _expr(text: str) -> Any:
    return alt.ExprRef(expr=text)


def _colors(theme: dict[str, Any], present: list[str]) -> alt.Color:
    scale = alt.Scale(domain=present, range=[theme[name] for name in present])
    return alt.Color("recovery:N", title="recovery", scale=scale)


def _quantity_axis(title: str | None) -> alt.Axis:
    return alt.Axis(
        title=title,
        values=_expr("ticks"),
        labelExpr="quantity(datum.value, kind)",
        labelOverlap=True,
        labelFlush=False,
    )


def _overhead() -> alt.Y:
    scale = alt.Scale(domainMin=0, domainMax=_expr("ceiling"), nice=True, clamp=False)
    return alt.Y("overhead_fraction:Q", title=OVERHEAD, axis=alt.Axis(format="~%", tickCount=6), scale=scale)


def _ranged(field: str, title: str, kind: str) -> alt.X:
    more: dict[str, Any] = {"type": "log"} if kind == "log" else {"type": "linear", "zero": False}
    scale = alt.Scale(**more, nice=False, domainMin=_expr("low"), domainMax=_expr("high"))
    return alt.X(f"{field}:Q", scale=scale, axis=_quantity_axis(title))


def _marks(theme: dict[str, Any], present: list[str], x: alt.X) -> Any:
    base = alt.Chart(alt.NamedData("marks"))
    tooltip = [
        alt.Tooltip("strategy:N"),
        alt.Tooltip("interval:N", title="save every"),
        alt.Tooltip("overhead:N", title="overhead"),
        alt.Tooltip("pls:N", title="expected PLS"),
    ]
    color = _colors(theme, present)
    shape = alt.Shape(
        "recommended:N", legend=None, scale=alt.Scale(domain=[True, False], range=["diamond", "circle"])
    )
    points = base.mark_point(filled=True, size=130, opacity=1, stroke=theme["paper"], strokeWidth=1).encode(
        x=x, y=_overhead(), color=color, shape=shape, tooltip=tooltip
    )
    look: dict[str, Any] = {
        "align": _expr("datum.side === 'right' ? 'left' : 'right'"),
        "dx": _expr("datum.side === 'right' ? 9 : -9"),
        "dy": -9,
        "fontSize": 12,
    }
    where: dict[str, Any] = {"x": x, "y": _overhead(), "text": alt.Text("label:N")}
    halo = base.mark_text(**look, stroke=theme["paper"], strokeWidth=4, strokeJoin="round").encode(**where)
    return alt.layer(halo, points, base.mark_text(**look, color=theme["ink"]).encode(**where))


def _framed(chart: Any, theme: dict[str, Any], height: int, **params: Any) -> dict[str, Any]:
    chart = chart.add_params(*(alt.param(name=name, value=value) for name, value in params.items()))
    words: dict[str, Any] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    framed = (
        chart.properties(width="container", height=height, background="transparent")
        .configure(font=FONT)  # measured as it is drawn, so that no label is cut
        .configure_view(stroke=None)
        .configure_axis(
            **words,
            labelColor=theme["soft"],
            titleColor=theme["soft"],
            gridColor=theme["line"],
            domainColor=theme["soft"],
            tickColor=theme["soft"],
        )
        .configure_legend(**words, labelColor=theme["ink"], titleColor=theme["soft"], orient="top")
    )
    return specification(framed)


def _curve(theme: dict[str, Any], present: list[str], x: alt.X) -> Any:
    line = alt.Chart(alt.NamedData("curves")).mark_line(clip=True, strokeWidth=2.5)
    return line.encode(x=x, y=_overhead(), color=_colors(theme, present))


def _against_interval(theme: dict[str, Any], present: list[str]) -> dict[str, Any]:
    x = _ranged("interval_s", "useful work between two saves", "log")
    chart = alt.layer(_curve(theme, present, x), _marks(theme, present, x))
    return _framed(chart, theme, 320, low=1, high=10, ceiling=1, ticks=[], kind="time")


def _breakdown(theme: dict[str, Any], strategies: int, labels: Sequence[str] = (*PART_LABELS.values(),)) -> Any:
    labels = list(labels)
    scale = alt.Scale(domain=labels, range=[*theme["parts"], *SLOWER_COLORS][: len(labels)])
    chart = (
        alt.Chart(alt.NamedData("parts"))
        .mark_bar()
        .encode(
            y=alt.Y(
                "strategy:N", sort=alt.EncodingSortField("at", op="min"), title=None, axis=alt.Axis(labelLimit=170)
            ),
            x=alt.X("fraction:Q", title="overhead", axis=alt.Axis(format="~%", tickCount=5)),
            color=alt.Color("part:N", title=None, sort=labels, legend=alt.Legend(columns=2), scale=scale),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("strategy:N"), alt.Tooltip("part:N"), alt.Tooltip("overhead:N")],
        )
    )
    return _framed(chart, theme, 40 * strategies + 20)


def _against_pls(theme: dict[str, Any], present: list[str]) -> dict[str, Any]:
    title = "expected portion of lost samples (PLS)"
    scale = alt.Scale(domainMin=0, domainMax=_expr("high"), nice=False)
    x = alt.X("expected_pls:Q", title=title, scale=scale, axis=alt.Axis(format="~g", tickCount=6))
    rule = alt.Chart(alt.NamedData("budget"))
    text: dict[str, Any] = {"align": "right", "dx": -5, "dy": 4, "baseline": "top", "color": theme["soft"]}
    chart = alt.layer(
        _curve(theme, present, x),
        rule.mark_rule(strokeDash=[5, 4], color=theme["soft"]).encode(x=x),
        rule.mark_text(**text).encode(x=x, y=alt.value(0), text="label:N"),
        _marks(theme, present, x),
    )
    return _framed(chart, theme, 300, high=1, ceiling=1)


def _sweep(theme: dict[str, Any], present: list[str], kind: str) -> dict[str, Any]:
    """Overhead of each recovery at its best interval against one control; ``kind`` of its axis."""
    x = _ranged("setting", "", kind)
    rule = alt.Chart(alt.NamedData("now")).mark_rule(strokeDash=[5, 4], color=theme["soft"])
    chart = alt.layer(
        _curve(theme, present, x),
        rule.encode(x=x, tooltip=[alt.Tooltip("label:N", title="now")]),
    )
    return _framed(chart, theme, 280, low=1, high=10, ceiling=1, ticks=[], kind="time")


def drawings(theme: dict[str, Any], sharded: bool, strategies: int) -> dict[str, Any]:
    """The specifications by the charts' names."""
    present = RECOVERIES if sharded else RECOVERIES[:1]
    found = {
        "interval": _against_interval(theme, present),
        "breakdown": _breakdown(theme, strategies),
        "sweep-log": _sweep(theme, present, "log"),
        "sweep-linear": _sweep(theme, present, "linear"),
    }
    return {**found, "pls": _against_pls(theme, present)} if sharded else found


def settings_drawings(names: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Those of a page of settings, by colours and names: a curve each strategy, bars of parts with these labels."""
    colors, _ = distinct(names)
    found = {}
    for name, theme in (("light", LIGHT), ("dark", {**DARK, "curves": [_lighter(one) for one in colors]})):
        curves = theme.get("curves", colors)
        scale = alt.Scale(domain=list(names), range=curves)
        color = alt.Color("strategy:N", title=None, scale=scale, legend=alt.Legend(columns=3, labelLimit=220))
        found[name] = {
            "breakdown": _breakdown(theme, len(names), labels),
            "sweep-log": _against_number(theme, color, "log"),
            "sweep-linear": _against_number(theme, color, "linear"),
        }
    return found


def _against_number(theme: dict[str, Any], color: alt.Color, kind: str) -> dict[str, Any]:
    """Overhead of each strategy at the settings of a number, where each was planned."""
    x = _ranged("setting", "", kind)
    line = alt.Chart(alt.NamedData("curves")).mark_line(
        clip=True, strokeWidth=2.5, point={"filled": True, "size": 30}
    )
    tooltip = [alt.Tooltip("strategy:N"), alt.Tooltip("text:N", title="at"), alt.Tooltip("overhead:N")]
    rule = alt.Chart(alt.NamedData("now")).mark_rule(strokeDash=[5, 4], color=theme["soft"])
    chart = alt.layer(
        line.encode(x=x, y=_overhead(), color=color, tooltip=tooltip),
        rule.encode(x=x, tooltip=[alt.Tooltip("label:N", title="now")]),
    )
    return _framed(chart, theme, 280, low=1, high=10, ceiling=1, ticks=[], kind="time")


def _lighter(color: str) -> str:
    """A colour of paper's for a dark page: nearer to white."""
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one + 0.4 * (255 - one)):02x}" for one in parts)
