"""How flat is the optimum? Daly's curves

Overhead of a 500-hour job (C = 5 min, R = 10 min) against the interval, exactly, at the three MTBFs that Daly
(2006) published optima for: 117, 57 and 9.1 min (the diamonds). Twice the best interval costs a few percent of
the overhead, unless failures come as often as saves.
"""

import altair as alt
import numpy as np

from cprmodel.formulas import full_recovery_makespan

SAVE_S, RECOVERY_S, WORK_S = 300.0, 600.0, 500 * 3600.0
#: MTBF [h] → published optimum [min]
PUBLISHED = {24.0: 117.0, 6.0: 57.0, 0.25: 9.1}


def overhead(interval_s: object, mtbf_h: float) -> object:
    """Extra time over useful time."""
    return full_recovery_makespan.raw(WORK_S, interval_s, SAVE_S, mtbf_h * 3600, 0.0, RECOVERY_S).total / WORK_S


def chart() -> alt.LayerChart:
    """The curves, and Daly's optima on them."""
    rows, marks = [], []
    for mtbf_h, best_min in PUBLISHED.items():
        label = f"μ = {mtbf_h:g} h" if mtbf_h >= 1 else f"μ = {60 * mtbf_h:g} min"
        every = np.geomspace(best_min / 8, best_min * 8, 121)
        rows += [
            {"MTBF": label, "interval": float(minutes), "overhead": float(overhead(60 * minutes, mtbf_h))}
            for minutes in every
        ]
        marks.append(
            {
                "MTBF": label,
                "interval": best_min,
                "overhead": float(overhead(60 * best_min, mtbf_h)),
                "text": f"{best_min:g}",
            }
        )
    x = alt.X("interval:Q", title="useful work between two saves [min]", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("overhead:Q", title="overhead", axis=alt.Axis(format="%"), scale=alt.Scale(type="log", nice=False))
    color = alt.Color("MTBF:N", sort=None, title=None)
    lines = alt.Chart(alt.InlineData(values=rows)).mark_line().encode(x, y, color)
    base = alt.Chart(alt.InlineData(values=marks))
    points = base.mark_point(shape="diamond", filled=True, size=90).encode(x, y, color)
    text = base.mark_text(dy=-12).encode(x, y, color, text="text:N")
    return alt.layer(lines, points, text)
