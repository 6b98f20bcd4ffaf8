"""The same simulation on a Dask cluster: joblib hands the batches over, the numbers stay the same.

Run: python examples/simulate_on_dask.py [RUNS]            (a local cluster of two workers)
For a cluster that runs already, give its address to ``Client`` instead of ``LocalCluster``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
from distributed import Client, LocalCluster

from cprmodel import Job, plan, simulate
from cprmodel.simulation import Simulated

JOB = Path(__file__).parent / "production-dlrm.toml"


def on_cluster(client: Client, runs: int) -> Simulated:
    """Simulate partial recovery on the cluster that ``client`` speaks to."""
    job = Job.from_file(JOB)
    strategy = plan(job)["partial"].strategy
    with joblib.parallel_config(backend="dask", client=client):
        return simulate(job, strategy, runs, seed=1, workers=None)


def main() -> None:
    """Simulate on a local cluster and compare with this process alone."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        found = on_cluster(client, runs)
    job = Job.from_file(JOB)
    alone = simulate(job, plan(job)["partial"].strategy, runs, seed=1, workers=1)
    print(f"on the cluster: {found.overhead_fraction.mean:.6f}, in one process: {alone.overhead_fraction.mean:.6f}")
    print("the same, run by run" if (found.times_s == alone.times_s).all() else "NOT the same")


if __name__ == "__main__":
    main()
