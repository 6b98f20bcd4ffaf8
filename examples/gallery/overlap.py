"""What is asynchronous saving worth?

Least overhead of full recovery against the share of the compute that goes on while a save drains for 5 min,
exactly, each point at its own best interval. Even where nothing blocks, a failure takes what was done since the
snapshot that is safe.
"""

import altair as alt
import numpy as np

from cprmodel import Job, SteadyState
from cprmodel.facts.strategies import Strategy


def least_overhead(overlap: float, mtbf: str) -> float:
    """At the best interval."""
    job = Job.from_mapping(
        {
            "job": {"work": "500 d"},
            "failures": {"mtbf": mtbf},
            "checkpoint": {"overlap": overlap, "drain": "5 min", "load": "5 min", "reschedule": "5 min"},
        }
    )
    choice = SteadyState().full_interval(job)
    return float(
        SteadyState()
        .cost(job, Strategy("full", job.full_recovery, choice.saving, choice.interval_s))
        .breakdown.total
    )


def chart() -> alt.Chart:
    """A curve for each MTBF."""
    rows = [
        {"overlap": float(w), "overhead": least_overhead(float(w), mtbf), "MTBF": f"μ = {mtbf}"}
        for mtbf in ("3 h", "12 h", "48 h")
        for w in np.linspace(0, 1, 21)
    ]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line()
        .encode(
            alt.X("overlap:Q", title="compute that goes on while a save drains", axis=alt.Axis(format="%")),
            alt.Y("overhead:Q", axis=alt.Axis(format="%")),
            alt.Color("MTBF:N", sort=None, title=None),
        )
    )
