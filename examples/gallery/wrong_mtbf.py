"""What does a wrong MTBF cost?

Extra cost of an interval chosen for a wrong MTBF, as a share of what the best one costs (of the part that
depends on it): to first order, (x + 1/x)/2 - 1 with x the root of the error, and exactly for C = 5 min and μ =
24 h and 6 h.
"""

import altair as alt
import numpy as np

from cprmodel import Exact, Job
from cprmodel.formulas import mtbf_regret
from cprmodel.planning.regret import regret

ERRORS = np.geomspace(1 / 16, 16, 33)


def chart() -> alt.Chart:
    """Regret against the error."""
    rows = [{"error": float(e), "extra": float(mtbf_regret(e)), "model": "first order, any job"} for e in ERRORS]
    for mtbf in ("24 h", "6 h"):
        job = Job.from_mapping(
            {"job": {"work": "2000 d"}, "failures": {"mtbf": mtbf}, "checkpoint": {"save": "5 min"}}
        )
        rows += [
            {"error": float(e), "extra": regret(job, float(e), Exact()).relative, "model": f"exact, μ = {mtbf}"}
            for e in ERRORS
        ]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line()
        .encode(
            alt.X("error:Q", title="MTBF believed / MTBF", scale=alt.Scale(type="log", base=2)),
            alt.Y("extra:Q", title="extra cost", axis=alt.Axis(format="%")),
            alt.Color("model:N", sort=None, title=None),
        )
    )
