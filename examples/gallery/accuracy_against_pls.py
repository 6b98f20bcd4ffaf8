"""What do lost samples cost in accuracy?

Real paired training runs of a reduced DLRM with really killed shards (`examples/accuracy-record.csv`, 8 seeds):
AUC lost against the portion of lost samples, the line that `cprmodel accuracy` fits, and its 90% interval.
"""

from pathlib import Path

import altair as alt
import numpy as np

from cprmodel.fitting.accuracy import fit_accuracy
from cprmodel.fitting.paired import read_record

RECORD = Path(__file__).parent.parent / "accuracy-record.csv"


def chart() -> alt.LayerChart:
    """Runs, line and band."""
    record = read_record(RECORD)
    found = fit_accuracy(record)
    slope = found.slope.value
    low, high = found.slope.interval_90
    runs = [{"pls": one.pls, "drop": one.drop, "seed": str(one.seed)} for one in record.runs]
    most = max(one.pls for one in record.runs)
    line = [
        {"pls": x, "drop": slope * x, "low": low * x, "high": high * x} for x in np.linspace(0, most, 30).tolist()
    ]
    x = alt.X("pls:Q", title="portion of lost samples (PLS)")
    y = alt.Y("drop:Q", title="AUC lost")
    base = alt.Chart(alt.InlineData(values=line)).encode(x)
    return alt.layer(
        base.mark_area(opacity=0.2).encode(alt.Y("low:Q", title="AUC lost"), alt.Y2("high:Q")),
        base.mark_line().encode(y),
        alt.Chart(alt.InlineData(values=runs)).mark_circle(size=40).encode(x, y, alt.Color("seed:N")),
    )
