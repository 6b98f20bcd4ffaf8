"""Speed and memory of the simulator, as ratios in one run; medians of several, the limit beside each.

* against the bare time to draw the random numbers needed (NumPy, into a buffer that stays in cache);
* against the plain event loop of the tests, on a failure-heavy job (80 failures, 60 saves) and on one with
  1,000 saves and 5 failures;
* the second core; the memory of a million runs; and what the control variates save.

Run: python benchmarks/simulation.py
"""

from __future__ import annotations

import random
import resource
import statistics
import sys
import threading
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from timing import ratio, seconds

from cprmodel import Accuracy, Checkpoint, Cluster, Exact, Failures, Job, Work, plan, simulate
from cprmodel.facts.strategies import FullRecovery, PartialRecovery, Strategy
from cprmodel.simulation.laws import Exponential, FailuresStrike
from cprmodel.simulation.setting import Setting as Played
from tests.slow_event_loop import Setting, many

FEW = 30  # runs of the event loop
BUFFER = np.empty(4096)


def draw(exponentials: int, uniforms: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(exponentials // BUFFER.size):
        rng.standard_exponential(out=BUFFER)
    for _ in range(uniforms // BUFFER.size):
        rng.random(out=BUFFER)


def job_of(work: float, save: float, mtbf: float) -> Job:
    return Job(
        job=Work(work_s=work),
        cluster=Cluster(embedding_shards=8),
        failures=Failures(mtbf_s=mtbf),
        checkpoint=Checkpoint(save_s=save),
        accuracy=Accuracy(pls_budget=0.1),
    )


#: name → work, interval, save, MTBF: about 80 failures and 60 saves; 1,000 saves and 5 failures
JOBS = {"80 failures, 60 saves": (61.0, 1.0, 0.02, 1.25), "5 failures, 1,000 saves": (1001.0, 1.0, 0.01, 205.0)}


def two_halves(job: Job, strategy: Strategy) -> float:
    """What a second core is worth here: batches without anything around them, in one thread and in two."""
    setting = Played(job, strategy, Exponential(), FailuresStrike.ALWAYS)
    setting.limit = 10**6
    streams = np.random.SeedSequence(1).spawn(36)

    def play(first: int, of: int) -> None:
        for stream in streams[first::of]:
            setting.batch(8192, stream)

    def both() -> None:
        threads = [threading.Thread(target=play, args=(k, 2)) for k in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return ratio(lambda: play(0, 1), both)


def report(what: str, value: float, limit: float, at_most: bool) -> bool:
    good = value <= limit if at_most else value >= limit
    print(f"{what:66} {value:9.2f}   {'at most' if at_most else 'at least'} {limit:g}: {'yes' if good else 'NO'}")
    return good


def main() -> int:
    """Print the ratios; the exit status is the number of limits that are not met."""
    met = []
    for name, (work, tau, save, mtbf) in JOBS.items():
        job = job_of(work, save, mtbf)
        full = Strategy("full", FullRecovery(0.1, 0.05), job.saving, tau)
        partial = Strategy("partial", PartialRecovery(0.1, 0.05, 0.1, 0.05, 0.1), job.saving, tau)
        heavy = name.startswith("80")
        runs = 100_000 if heavy else 400_000
        for strategy, limit, uniforms in ((full, 1.5, 0), (partial, 3.0, 1)):
            found = simulate(job, strategy, runs, seed=1, workers=1)
            failures = sum(found.failures.values())
            print(
                f"{name}, {strategy.name}: {failures:.0f} failures and "
                f"{found.breakdown.save * work / save:.0f} saves a run"
            )
            gaps = int(runs * (failures + 1))
            if heavy:
                value = ratio(
                    lambda s=strategy, j=job, n=runs: simulate(j, s, n, seed=1, workers=1),
                    lambda g=gaps, u=uniforms, f=failures, n=runs: draw(g, int(u * f * n)),
                )
                met.append(report(f"  {strategy.name}: time over the bare draws", value, limit, at_most=True))
            setting = Setting(work, tau, save, strategy.name == "full", 0.1, 0.05, 0.1, 0.05, 0.1, shards=8)
            slow = statistics.median(
                seconds(lambda s=setting, m=mtbf: many(s, FEW, random.randrange(10**6), m, (1, 0, 0)))
                for _ in range(5)
            )
            fast = statistics.median(
                seconds(lambda s=strategy, j=job, n=runs: simulate(j, s, n, seed=1, workers=1)) for _ in range(5)
            )
            value = (slow / FEW) / (fast / runs)
            met.append(
                report(
                    f"  {strategy.name}: event loop over this, per run and core", value, 15 if heavy else 100, False
                )
            )
    job = job_of(*(JOBS["80 failures, 60 saves"][i] for i in (0, 2, 3)))
    strategy = Strategy("partial", PartialRecovery(0.1, 0.05, 0.1, 0.05, 0.1), job.saving, 1.0)
    value = ratio(
        lambda: simulate(job, strategy, 300_000, seed=1, workers=1),
        lambda: simulate(job, strategy, 300_000, seed=1, workers=2),
    )
    met.append(report("one core over two", value, 1.8, at_most=False))
    print(f"{'  (two halves that share nothing gain on this machine)':66} {two_halves(job, strategy):9.2f}")
    example = Job.from_file(Path(__file__).parent.parent / "examples" / "production-dlrm.toml")
    planned = plan(example, Exact())
    for name in ("full", "partial"):
        found = simulate(example, planned[name].strategy, 20_000, seed=1)
        met.append(
            report(f"{name}: fewer runs for the same standard error", found.time_to_train_s.fewer_runs, 5, False)
        )
    simulate(example, planned["partial"].strategy, 1_000_000, seed=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    met.append(report("peak memory after a million runs [GiB]", peak, 1.0, at_most=True))
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
