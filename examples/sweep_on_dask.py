"""The same sweep on a Dask cluster: joblib hands the rows over, the columns stay the same.

Run: python examples/sweep_on_dask.py [ROWS]               (a local cluster of two workers)
For a cluster that runs already, give its address to ``Client`` instead of ``LocalCluster``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from distributed import Client, LocalCluster

from cprmodel import Exact, Job, plan_many
from cprmodel.bulk import PlannedMany

JOB = Path(__file__).parent / "fleet.toml"


def what_varies(rows: int) -> dict[str, Any]:
    """About so many rows: bandwidths, and numbers of nodes."""
    side = max(2, round(rows**0.5))
    return {
        "checkpoint.bandwidth": np.geomspace(1e9, 1e11, side),
        "failures.nodes": np.unique(np.geomspace(32, 4096, side).astype(int)),
    }


def on_cluster(client: Client, rows: int) -> PlannedMany:
    """Plan on the cluster that ``client`` speaks to, with the exact model."""
    with joblib.parallel_config(backend="dask", client=client):
        return plan_many(Job.from_file(JOB), what_varies(rows), Exact(), workers=None)


def main() -> None:
    """Plan on a local cluster and compare with this process alone."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        found = on_cluster(client, rows)
    alone = plan_many(Job.from_file(JOB), what_varies(rows), Exact(), workers=1)
    same = True
    for name, column in alone.columns.items():
        same &= bool(np.array_equal(found[name], column, equal_nan=column.dtype.kind == "f"))
    best = int(np.nanargmin(alone["time_to_train_s"]))
    print(f"{len(found):,} rows; fastest on {alone['failures.nodes'][best]:,} nodes")
    print("the same, column by column" if same else "NOT the same")


if __name__ == "__main__":
    main()
