"""Should saves follow the age of the run?

Where failures follow a Weibull law and each renews the clock, saves can be closer together when failures are
likely. Gain in useful time (points) over the best equal spacing, C = 5 min, against the law's shape (below 1:
bursts; above: wear).
"""

import altair as alt
import numpy as np
from scipy import stats

from cprmodel.formulas import renewal_efficiency, schedule_efficiency, weibull_save_time

SAVE_S = 300.0


def gain(shape: float, mtbf_s: float) -> float:
    """Points of useful time that saves by age gain over the best equal spacing."""
    law = stats.weibull_min(shape, scale=mtbf_s / stats.weibull_min(shape).mean())
    costs = (SAVE_S, mtbf_s, law.sf, 0.0, 0.0)
    equal = max(
        renewal_efficiency(every, *costs) for every in np.geomspace(0.7, 1.5, 25) * (2 * SAVE_S * mtbf_s) ** 0.5
    )
    last = float(law.isf(1e-6))
    times = [0.0]
    while times[-1] < last:
        times.append(float(weibull_save_time(len(times), SAVE_S, shape, law.kwds["scale"])))
    works = np.maximum(np.diff(times) - SAVE_S, 0.0)
    return 100 * (schedule_efficiency(works, *costs) - equal)


def chart() -> alt.Chart:
    """A curve for each MTBF."""
    rows = [
        {"shape": float(shape), "gain": gain(float(shape), hours * 3600), "MTBF": f"μ = {hours} h"}
        for hours in (6, 24, 96)
        for shape in np.round(np.arange(0.5, 2.01, 0.1), 1)
    ]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line()
        .encode(
            alt.X("shape:Q", title="shape of the law", scale=alt.Scale(zero=False)),
            alt.Y("gain:Q", title="gain [points of useful time]"),
            alt.Color("MTBF:N", sort=None, title=None),
        )
    )
