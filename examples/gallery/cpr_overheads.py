"""What does partial recovery buy? CPR's overhead bars

Overhead of the CPR-like DLRM that ships as a preset, beside the ranges of CPR's abstract (Maeng et al., 2021:
8.2-8.5% with full recovery, 0.53-0.68% with CPR-MFU and CPR-SSU). The paper does not publish its costs; ours
were chosen so that full recovery lands in its range, and nothing was chosen to make partial recovery land
anywhere.
"""

import altair as alt

from cprmodel import load_preset, plan

#: Ranges of the paper's abstract.
PAPER = {"full": (0.082, 0.085), "partial": (0.0053, 0.0068)}
PARTS = {"save": "saves", "load": "loads", "lost": "lost work", "reschedule": "rescheduling"}


def chart() -> alt.LayerChart:
    """Stacked bars of ours, ranges of the paper's."""
    answer = plan(load_preset("cpr-dlrm"))
    names = ["full", "partial-at-full-interval", "partial"]
    rows = [
        {"strategy": name, "part": label, "overhead": float(getattr(answer[name].breakdown, part)), "order": order}
        for name in names
        for order, (part, label) in enumerate(PARTS.items())
    ]
    ranges = [{"strategy": name, "low": low, "high": high} for name, (low, high) in PAPER.items()]
    y = alt.Y("strategy:N", sort=names, title=None)
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            alt.X("sum(overhead):Q", title="overhead", axis=alt.Axis(format="%")),
            y,
            alt.Color(
                "part:N",
                title=None,
                sort=list(PARTS.values()),
                scale=alt.Scale(domain=list(PARTS.values()), range=["#1f6f8b", "#99c1b9", "#c1440e", "#f2b880"]),
            ),
            alt.Order("order:Q"),
        )
    )
    paper = (
        alt.Chart(alt.InlineData(values=ranges))
        .mark_bar(height=34, fillOpacity=0, stroke="black", strokeWidth=1.5)
        .encode(alt.X("low:Q", title="overhead"), alt.X2("high:Q"), y)
    )
    return alt.layer(bars, paper)
