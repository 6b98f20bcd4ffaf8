"""Where first-order formulas err: Young, Daly and first-order partial recovery against simulation.

Run: python examples/validity_map.py [FOLDER]      (writes validity-*.svg and validity.csv; default docs/_static)
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from cprmodel import Accuracy, Checkpoint, Cluster, Failures, Job, Work, simulate
from cprmodel.facts.files import write_whole
from cprmodel.facts.strategies import FullRecovery, PartialRecovery, Strategy
from cprmodel.formulas import (
    cpr_2021_pls,
    daly_2006,
    full_recovery_overhead,
    partial_recovery_overhead,
    young_1974,
)

SHARDS = 8
SAVES = np.geomspace(1e-4, 1, 13)  # C/μ
REACHES = np.geomspace(0.01, 2, 12)  # τ/(μN)
PIECES = 40
RUNS = 4000

Row = dict[str, Any]


def job_of(work: float, save: float) -> Job:
    """A job in units of its MTBF; recoveries take no time, so that only saves and lost work err."""
    return Job(
        job=Work(work_s=work),
        cluster=Cluster(embedding_shards=SHARDS),
        failures=Failures(mtbf_s=1.0),
        checkpoint=Checkpoint(save_s=save, load_s=0),
        accuracy=Accuracy(pls_budget=0.1),
    )


def full_row(method: str, save: float) -> Row:
    """What first order says of the overhead at the method's interval, against simulation."""
    tau = float({"Young 1974": young_1974, "Daly 2006": daly_2006}[method].raw(save, 1.0))
    job = job_of(PIECES * tau, save)
    found = simulate(job, Strategy("full", FullRecovery(0.0, 0.0), job.saving, tau), RUNS, seed=1)
    simulated = found.overhead_fraction.mean + save / job.job.work_s  # the last piece has no save: charge one
    claimed = float(full_recovery_overhead.raw(tau, save, 1.0).total)
    return {"what": f"overhead, {method}", "save_over_mtbf": save, "reach": tau, "error": claimed / simulated - 1}


def partial_rows(save: float, reach: float) -> list[Row]:
    """First-order overhead and PLS of partial recovery, against simulation."""
    tau = reach * SHARDS
    job = job_of(PIECES * tau, save)
    recovery = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    found = simulate(job, Strategy("partial", recovery, job.saving, tau), RUNS, seed=1)
    simulated = found.overhead_fraction.mean * PIECES / (PIECES - 1)
    pairs = {
        "overhead, partial": (float(partial_recovery_overhead.raw(tau, save, 1.0).total), simulated),
        "PLS, partial": (float(cpr_2021_pls.raw(tau, 1.0, SHARDS)), found.pls.mean),
    }
    return [
        {"what": what, "save_over_mtbf": save, "reach": reach, "error": claimed / measured - 1}
        for what, (claimed, measured) in pairs.items()
    ]


def rows() -> list[Row]:
    """The whole map."""
    lines = [full_row(method, float(save)) for method in ("Young 1974", "Daly 2006") for save in SAVES]
    cells = [row for save in SAVES for reach in REACHES for row in partial_rows(float(save), float(reach))]
    return lines + cells


def lines_chart(table: list[Row]) -> Any:
    """Full recovery: the error of the first-order overhead over C/μ."""
    shown = [row for row in table if row["what"] in ("overhead, Young 1974", "overhead, Daly 2006")]
    return (
        alt.Chart(alt.InlineData(values=shown))
        .mark_line(point=True)
        .encode(
            x=alt.X("save_over_mtbf:Q", title="C/μ", scale=alt.Scale(type="log"), axis=alt.Axis(format="~g")),
            y=alt.Y("error:Q", title="first-order overhead against simulation", axis=alt.Axis(format="~%")),
            color=alt.Color("what:N", title=None),
        )
        .properties(width=520, height=260)
    )


def map_chart(table: list[Row], what: str, title: str) -> Any:
    """Partial recovery: a cell for each C/μ and τ/(μN)."""
    shown = [
        {
            **row,
            "x": f"{row['reach']:.2g}",
            "y": f"{row['save_over_mtbf']:.1g}",
            "label": f"{100 * row['error']:+.1f}",
        }
        for row in table
        if row["what"] == what
    ]
    x = alt.X("x:O", title="τ/(μN)", sort=[f"{v:.2g}" for v in REACHES], axis=alt.Axis(labelAngle=0))
    y = alt.Y("y:O", title="C/μ", sort=[f"{v:.1g}" for v in SAVES[::-1]])
    base = alt.Chart(alt.InlineData(values=shown)).encode(x=x, y=y)
    scale = alt.Scale(domain=[-0.5, 0, 0.5], range=["#1f6f8b", "#ffffff", "#c1440e"], clamp=True, interpolate="rgb")
    cells = base.mark_rect().encode(
        color=alt.Color("error:Q", title="error", scale=scale, legend=alt.Legend(format="~%"))
    )
    labels = base.mark_text(fontSize=10).encode(text="label:N")
    return alt.layer(cells, labels).properties(width=520, height=300, title=title)


def main() -> None:
    """Write the pictures and their data."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "_static"
    table = rows()
    lines = io.StringIO()
    writer = csv.DictWriter(lines, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    write_whole(folder / "validity.csv", lines.getvalue())
    overhead = map_chart(table, "overhead, partial", "First-order overhead of partial recovery, error [%]")
    draw(lines_chart(table), folder / "validity-full.svg")
    draw(overhead, folder / "validity-partial-overhead.svg")
    draw(map_chart(table, "PLS, partial", "First-order PLS, error [%]"), folder / "validity-partial-pls.svg")


def draw(chart: Any, path: Path) -> None:
    """A picture, whole or not at all."""
    drawn = io.StringIO()
    chart.save(drawn, format="svg")
    write_whole(path, drawn.getvalue())


if __name__ == "__main__":
    main()
