"""The figures of a fitted trace: survival, hazard, and drift."""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.facts.units import format_time
from cprmodel.fitting import Analysis, Fit
from cprmodel.fitting.likelihood import FITTED
from cprmodel.fitting.survival import kaplan_meier, survival_and_hazard

__all__ = ["fitted_figures"]

_COLORS = {
    "observed": "#1d2326",
    "exponential": "#f2b880",
    "weibull": "#1f6f8b",
    "gamma": "#c1440e",
    "lognormal": "#8aa29e",
}
_LEAST_HAZARD = 1e-6  # of the greatest: what is below is not drawn


def _survival_rows(found: Analysis, unit: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Kaplan-Meier with its 90% band (log-log), and each fitted survival function, at up to 300 times."""
    trace = found.trace
    x, y, low, high = kaplan_meier(trace.durations_s, trace.observed)
    pick = np.unique(np.linspace(0, len(x) - 1, 300).astype(int))
    steps = [
        {
            "time": float(x[i]) / unit,
            "survival": float(y[i]),
            "low": float(low[i]) if np.isfinite(low[i]) else float(y[i]),
            "high": float(high[i]) if np.isfinite(high[i]) else float(y[i]),
            "law": "observed",
        }
        for i in pick
    ]
    times = np.geomspace(max(float(x[0]), float(x[-1]) * 1e-4), float(x[-1]), 120)
    smooth = [
        {"time": float(t) / unit, "survival": float(s), "hazard": float(h) * unit, "law": one.name}
        for one in found.models
        for t, s, h in _curves(one, times)
    ]
    return steps, smooth


def _curves(one: Fit, times: Any) -> list[tuple[float, float, float]]:
    survival, hazard = survival_and_hazard(one, times)
    return [
        (float(t), float(s), float(h))
        for t, s, h in zip(times, survival, hazard, strict=True)
        if np.isfinite(h) and h > 0 and s > 0
    ]


def fitted_figures(found: Analysis) -> list[dict[str, Any]]:
    """Survival, hazard, and the MTBF over calendar time where that was looked at."""
    import altair as alt

    from cprmodel.report.charts import framed, time_axis

    scale = found.mtbf_s or found.trace.exposure_s
    unit, name = time_axis(scale)
    steps, smooth = _survival_rows(found, unit)
    color, color_of_fits = _color("observed", *FITTED), _color(*FITTED)
    x = alt.X("time:Q", title=f"time since the last interruption [{name}]", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("survival:Q", title="share still without an interruption", axis=alt.Axis(format="~%"))
    kaplan = alt.Chart(alt.InlineData(values=steps))
    shade = kaplan.mark_area(interpolate="step-after", opacity=0.18, color="#1d2326")
    band = shade.encode(x=x, y="low:Q", y2="high:Q")
    line = kaplan.mark_line(interpolate="step-after", strokeWidth=2.5).encode(x=x, y=y, color=color)
    fits = alt.Chart(alt.InlineData(values=smooth)).mark_line().encode(x=x, y=y, color=color)
    figures = [
        {
            "id": "survival",
            "title": "Time without an interruption",
            "caption": "Kaplan-Meier with its 90% band, and the fitted laws.",
            "summary": _in_words(found),
            "chart": framed(alt.layer(band, line, fits)),
            "rows": steps,
        },
        {
            "id": "hazard",
            "title": "Hazard",
            "caption": "Failures per unit of time, given the time since the last one. Level: no memory.",
            "chart": framed(
                alt.Chart(alt.InlineData(values=smooth))
                .mark_line(clip=True)
                .encode(
                    x=x,
                    y=alt.Y(
                        "hazard:Q",
                        title=f"hazard [1/{name}]",
                        scale=_readable(smooth),
                        axis=alt.Axis(format="~g"),
                    ),
                    color=color_of_fits,
                )
            ),
            "rows": smooth,
        },
    ]
    if found.drift is not None:
        figures.append(_drift_figure(found, unit, name))
    return figures


def _readable(smooth: list[dict[str, Any]]) -> Any:
    """The scale of hazards: a law of few failures may leave all but none, and all others in one line."""
    import altair as alt

    known = [one["hazard"] for one in smooth if one["hazard"] > 0]
    if known and min(known) < max(known) * _LEAST_HAZARD:
        return alt.Scale(type="log", nice=False, padding=8, domainMin=max(known) * _LEAST_HAZARD)
    return alt.Scale(type="log", nice=False, padding=8)


def _in_words(found: Analysis) -> str:
    if found.mtbf_s is None:
        return f"No interruption in {format_time(found.trace.exposure_s)}."
    said = f"One interruption in {format_time(found.mtbf_s)} on average"
    return f"{said}; {found.models[0].name} fits best." if found.models else f"{said}."


def _color(*laws: str) -> Any:
    import altair as alt

    scale = alt.Scale(domain=laws, range=[_COLORS[law] for law in laws])
    return alt.Color("law:N", title=None, scale=scale, legend=alt.Legend(orient="top"))


def _drift_figure(found: Analysis, unit: float, name: str) -> dict[str, Any]:
    import altair as alt

    from cprmodel.fitting.analysis import mtbf_interval
    from cprmodel.report.charts import framed

    drift = found.drift
    assert drift is not None
    rows = []
    for number, events in enumerate(drift.events):
        low, high = mtbf_interval(drift.window_s, events, None)
        rows.append(
            {
                "window": number + 1,
                "mtbf": drift.window_s / events / unit if events else None,
                "low": low / unit,
                "high": high / unit if high is not None else low / unit,
                "events": events,
            }
        )
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X("window:O", title=f"window of {format_time(drift.window_s)}", axis=alt.Axis(labelAngle=0))
    rule = base.mark_rule(color="#1f6f8b").encode(x=x, y=alt.Y("low:Q", title=f"MTBF [{name}]"), y2="high:Q")
    points = base.mark_circle(size=60, color="#1f6f8b").encode(x=x, y="mtbf:Q", tooltip=["events:Q", "mtbf:Q"])
    mean = [{"mean": (found.mtbf_s or 0.0) / unit}]
    level = alt.Chart(alt.InlineData(values=mean)).mark_rule(color="#c1440e", strokeDash=[5, 4]).encode(y="mean:Q")
    return {
        "id": "drift",
        "title": "Over calendar time",
        "caption": "MTBF in each window with its 90% interval (as if without memory); dashed: of all.",
        "chart": framed(alt.layer(rule, points, level)),
        "rows": rows,
    }
