"""How often to memory, how often to disk?

Efficiency of two levels of saves on the machine that Moody et al. (SC'10) call atlas: cheap saves of 9 s
survive 94% of the failures, dear ones of 438 s all of them. Each curve has its number of cheap saves to a dear
one; the published optimum is 0.96695, near 1,500 s and 27 segments.
"""

import altair as alt
import numpy as np

from cprmodel.costing.stops import stops_of
from cprmodel.costing.storage import long_run
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, FullRecovery

RATES, COSTS = (7.78e-6, 5.19e-7), (9.0, 438.0)


def efficiency(segments: int, interval_s: object) -> object:
    """Useful time over elapsed time."""
    mtbf = 1 / sum(RATES)
    low = SaveLevel("low", COSTS[0], COSTS[0], COSTS[0], survives=RATES[0] * mtbf)
    levels = (low, SaveLevel("high", COSTS[1], COSTS[1], COSTS[1]))
    stops = stops_of(FailureMix(mtbf), FullRecovery(0.0, 0.0), levels, 1)
    return 1 / (1 + long_run(StoredSave(levels, (segments,)), interval_s, mtbf, stops).breakdown.total)


def chart() -> alt.LayerChart:
    """A curve for each number of segments."""
    every = np.geomspace(200, 12_000, 90)
    rows = [
        {"interval": float(s), "efficiency": float(e), "segments": str(n)}
        for n in (1, 5, 27, 100)
        for s, e in zip(every, efficiency(n, every), strict=True)
        if e > 0.9
    ]
    best = [{"interval": 1500.0, "efficiency": 0.96695}]
    x = alt.X(
        "interval:Q",
        title="useful work between two saves of any level [s]",
        scale=alt.Scale(type="log", nice=False),
    )
    y = alt.Y("efficiency:Q", scale=alt.Scale(domain=[0.9, 0.97]), axis=alt.Axis(format=".0%"))
    order = ["1", "5", "27", "100"]
    return alt.layer(
        alt.Chart(alt.InlineData(values=rows))
        .mark_line()
        .encode(x, y, alt.Color("segments:N", sort=order, title="segments to a dear save")),
        alt.Chart(alt.InlineData(values=best))
        .mark_point(shape="diamond", filled=True, size=90, color="black")
        .encode(x, y),
    )
