"""Charts of an experiment; each hands out its data as rows."""

from __future__ import annotations

from typing import Any

from validation.experiment.outcome import Outcome, Run

__all__ = ["figures"]

_COLORS = {"full": "#c1440e", "partial": "#1f6f8b"}
_QUANTITIES = ["saves", "loads", "lost work", "rescheduling", "total overhead", "PLS"]


def figures(outcome: Outcome) -> list[dict[str, Any]]:
    """Differences with their intervals and tolerances; run by run; the metric's drop."""
    found = []
    if outcome.comparisons:
        found.append(_differences(outcome))
    if outcome.tried():
        found.append(_run_by_run(outcome))
    if outcome.orders:
        found.append(_lost_by_order(outcome))
    drops = _drops(outcome)
    return [*found, *([drops] if drops else [])]


def _pattern(run: Run) -> str:
    return run.name if run.role in ("loss", "order") else f"{run.recovery} recovery"


def _color() -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(_COLORS), range=list(_COLORS.values()))
    return alt.Color("recovery:N", title=None, scale=scale, legend=alt.Legend(orient="top"))


def _differences(outcome: Outcome) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    names = dict(zip(("save", "load", "lost", "reschedule", "total", "pls"), _QUANTITIES, strict=True))
    rows = [
        {
            "recovery": one.recovery,
            "part": names[one.quantity],
            "difference": one.difference,
            "low": max(-1.5, one.low),
            "high": min(1.5, one.high),
            "asked_low": -(one.tolerance or 0.0),
            "asked_high": one.tolerance or 0.0,
            "verdict": one.verdict.value if one.verdict else "",
        }
        for one in outcome.comparisons
        if one.against == "executed" and abs(one.difference) < 1.5
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    y = alt.Y("part:N", title=None, sort=_QUANTITIES)
    offset = alt.YOffset("recovery:N")
    x = alt.X(
        "low:Q", title="difference from the prediction for the failures as they struck", axis=alt.Axis(format="%")
    )
    asked = base.mark_bar(opacity=0.18, color="#5b6468", size=16).encode(
        x=alt.X("asked_low:Q"), x2="asked_high:Q", y=y, yOffset=offset
    )
    bars = base.mark_rule(strokeWidth=2.5).encode(x=x, x2="high:Q", y=y, yOffset=offset, color=_color())
    points = base.mark_circle(size=70, opacity=1).encode(
        x="difference:Q", y=y, yOffset=offset, color=_color(), tooltip=["part:N", "recovery:N", "difference:Q"]
    )
    return {
        "id": "differences",
        "title": "Measured against predicted",
        "caption": "Relative difference with its 90% interval. PASS: it lies inside the grey bar, which was asked.",
        "chart": framed(alt.layer(asked, bars, points)),
        "rows": rows,
    }


def _run_by_run(outcome: Outcome) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    rows, totals = [], []
    for run in outcome.tried():
        assert run.measured is not None
        if run.executed is None:
            continue
        measured = float(run.measured.spent.total) / run.measured.useful_s
        predicted = float(run.executed.spent.total) / run.executed.useful_s
        totals.append((measured, predicted))
        rows.append(
            {
                "recovery": run.recovery,
                "run": f"seed {run.seed + 1}: {run.name}",
                "measured": measured,
                "predicted": predicted,
                "measured_pls": run.measured.summary.pls,
                "predicted_pls": run.executed.pls,
            }
        )
    top = max((max(pair) for pair in totals), default=1.0)
    diagonal = alt.Chart(alt.InlineData(values=[{"x": 0.0, "y": 0.0}, {"x": top, "y": top}]))
    line = diagonal.mark_line(color="#5b6468", strokeDash=[5, 4]).encode(x="x:Q", y="y:Q")
    percent = alt.Axis(format="~%")
    points = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_circle(size=70, opacity=0.8)
        .encode(
            x=alt.X("predicted:Q", title="overhead, predicted for the failures as they struck", axis=percent),
            y=alt.Y("measured:Q", title="overhead, measured", axis=percent),
            color=_color(),
            tooltip=["run:N", "predicted:Q", "measured:Q"],
        )
    )
    return {
        "id": "runs",
        "title": "Run by run",
        "caption": "A point a run, every seed and interval; on the dashed line measured is what was predicted.",
        "chart": framed(alt.layer(line, points)),
        "rows": rows,
    }


def _lost_by_order(outcome: Outcome) -> dict[str, Any]:
    import altair as alt

    from cprmodel.report.charts import framed

    rows = [
        {"order": one.name, "seed": seed + 1, "predicted": predicted, "measured": measured}
        for one in outcome.orders
        for seed, predicted, measured in zip(one.seeds, one.predicted, one.measured, strict=True)
    ]
    order = alt.Y("order:N", title=None, sort=[one.name for one in outcome.orders])
    base = alt.Chart(alt.InlineData(values=rows))
    title = "share of the updates that was lost"
    points = base.mark_circle(size=60, color="#1f6f8b", opacity=0.7).encode(
        x=alt.X("measured:Q", title=title, axis=alt.Axis(format="~%")),
        y=order,
        tooltip=["order:N", "seed:O", "predicted:Q", "measured:Q"],
    )
    ticks = base.mark_tick(color="#c1440e", thickness=2, size=18).encode(x="predicted:Q", y=order)
    return {
        "id": "orders",
        "title": "Which rows to save first",
        "caption": "A point a run (a seed), a tick the prediction for its failures, which every order shares.",
        "chart": framed(alt.layer(ticks, points)),
        "rows": rows,
    }


def _drops(outcome: Outcome) -> dict[str, Any] | None:
    import altair as alt

    from cprmodel.report.charts import framed

    rows = [
        {
            "pattern": _pattern(run),
            "seed": run.seed + 1,
            "pls": run.pls,
            "drop": run.metric_drop,
        }
        for run in outcome.runs
        if run.measured and run.metric_drop is not None and run.recovery == "partial"
    ]
    if not rows:
        return None
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X("pls:Q", title="portion of lost samples (PLS)"),
            y=alt.Y("drop:Q", title="drop of the AUC (paired)"),
            color=alt.Color(
                "pattern:N",
                title=None,
                scale=alt.Scale(scheme="tableau20"),
                legend=alt.Legend(columns=4, symbolLimit=40),
            ),
            tooltip=["pattern:N", "seed:O", "pls:Q", "drop:Q"],
        )
    )
    return {
        "id": "drops",
        "title": "What lost samples cost",
        "caption": "Drop of the AUC against the run of the same seed and data without failures; a point a run.",
        "chart": framed(chart),
        "rows": rows,
    }
