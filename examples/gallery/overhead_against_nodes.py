"""When do more nodes stop helping?

The job of `examples/fleet.toml` on more and more nodes: its measured throughput, failures in proportion to the
nodes, each number of nodes with its own best strategy. The mark is where training is fastest.
"""

from pathlib import Path

import altair as alt
import numpy as np

from cprmodel import load_job
from cprmodel.bulk import nodes_answer

JOB = Path(__file__).parent.parent / "fleet.toml"


def chart() -> alt.VConcatChart:
    """Time to train, and overhead, against nodes."""
    found = nodes_answer(load_job(JOB))
    columns = found.planned.columns
    kept = np.flatnonzero(columns["feasible"])
    rows = [
        {
            "nodes": int(columns["failures.nodes"][at]),
            "days": float(columns["time_to_train_s"][at]) / 86400,
            "overhead": float(columns["overhead_fraction"][at]),
        }
        for at in kept
    ]
    best = [{"nodes": found.fastest, "days": found.time_to_train_s / 86400, "text": f"{found.fastest:,} nodes"}]
    x = alt.X("nodes:Q", title="nodes", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("days:Q", title="time to train [days]", scale=alt.Scale(zero=False))
    base = alt.Chart(alt.InlineData(values=rows)).encode(x)
    mark = alt.Chart(alt.InlineData(values=best)).encode(x, y)
    time = alt.layer(
        base.mark_line().encode(y),
        mark.mark_point(shape="diamond", filled=True, size=90),
        mark.mark_text(dy=-14).encode(text="text:N"),
    ).properties(height=200)
    overhead = base.mark_line(color="#c1440e").encode(
        alt.Y("overhead:Q", title="overhead", axis=alt.Axis(format="%"))
    )
    return alt.vconcat(time, overhead.properties(height=140))
