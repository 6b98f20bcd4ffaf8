r"""Jobs whose failure rate goes on changing with calendar time, as a power law, while they train.

With the MTBF μ at the time y of the observation at which the job begins, the rate at x is (1/μ)(x/y)^(c − 1). Its
integral from x on is exponential with mean 1 at the next failure, so

.. math:: x' = y \left( (x/y)^c + \frac{c \mu}{y} z \right)^{1/c}, \qquad z \sim \mathrm{Exp}(1)

(the power-law process of Crow and AMSAA; derived here). c = 1 is the memoryless law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.costing import Exact
from cprmodel.facts.errors import DomainError, JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, FailureMix, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation.laws import FailuresStrike
from cprmodel.simulation.limits import check_length
from cprmodel.simulation.played import Activity, AtRandom, GivenFailure, play
from cprmodel.simulation.result import Estimate, Prediction, Simulated
from cprmodel.simulation.seeds import Seed, sequence

__all__ = ["AtDriftingRate", "Drifting", "simulate_drifting"]

#: A job with so many times the failures that the rate at its beginning lets expect, and so many more, is given up.
_TIMES, _MORE = 100, 1000


@dataclass(frozen=True)
class Drifting:
    """A failure rate that changes with calendar time: the job's MTBF is that at ``begins_s``, when it begins.

    >>> Drifting(shape=0.5, begins_s=1e6).name
    'power-law process'
    """

    shape: float  #: c; above 1: failures come more and more often
    begins_s: float  #: since the beginning of the observation [s]
    name: str = "power-law process"

    def __post_init__(self) -> None:
        for name, value in (("shape", self.shape), ("begins_s", self.begins_s)):
            if not 0 < value < float("inf"):
                raise DomainError(f"Drifting: {name} = {value!r}: expected a number greater than 0")


class AtDriftingRate(AtRandom):
    """Failures of a mix at a rate that changes with time.

    >>> mix, random = FailureMix(mtbf_s=10.0), np.random.default_rng(1)
    >>> strikes = AtDriftingRate(mix, 8, random, Drifting(shape=3.0, begins_s=100.0))
    >>> found = [strikes.next(Activity.WORK, 1e9) for _ in range(3000)]
    >>> first, last = (sum(one[0] for one in part if one) / 100 for part in (found[:100], found[-100:]))
    >>> first > 5 * last
    True
    """

    def __init__(self, mix: FailureMix, shards: int, random: np.random.Generator, law: Drifting) -> None:
        self._law, self._last = law, law.begins_s
        super().__init__(mix, shards, random)

    def gap(self) -> float:
        """From one failure to the next [s]."""
        begins, shape = self._law.begins_s, self._law.shape
        grown = shape * self._mix.mtbf_s / begins * float(self._random.exponential())
        after = begins * ((self._last / begins) ** shape + grown) ** (1 / shape)
        gap, self._last = after - self._last, after
        return float(gap)


class _Counting(AtDriftingRate):
    """And how many of each kind have struck; no more than ``left``."""

    counts: dict[FailureKind, int]
    left: int

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        struck = super().next(activity, seconds)
        if struck is not None:
            self.counts[struck[1].kind] += 1
            self.left -= 1
            if self.left < 0:
                expected = "a job that ends although its failures come more and more often (this one does not)"
                raise JobError("job", [Problem("failures.rate_at", "", expected)])
        return struck


def simulate_drifting(
    job: Job,
    strategy: Strategy,
    law: Drifting,
    runs: int = 2000,
    seed: Seed = 0,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times whose failure rate goes on changing while it trains.

    Parameters
    ----------
    job : its MTBF is that at its beginning
    strategy : with saves that block while everything is written
    law : how the rate changes
    runs, seed : as for ``cprmodel.simulate``
    progress : called with the number of runs that are done

    Returns
    -------
    A ``Simulated``, beside the prediction at the rate of the beginning.

    Raises
    ------
    JobError
        when a job has a hundred times the failures that its beginning lets expect.
    """
    if job.job.time_limit_s is not None or job.doubts_saves or job.stops_beside or job.paced:
        expected = (
            "no rate that goes on changing beside a time limit, saves in doubt, spares, planned stops, stragglers "
            "or fewer nodes"
        )
        raise JobError("job", [Problem("failures.rate_at", "", expected)])
    predicted = Exact().cost(job, strategy)
    overhead, work = float(predicted.breakdown.total), job.job.work_s
    failures = (1 + overhead) * work / job.failure_mix.mtbf_s
    check_length(overhead, failures, f"expected to take {1 + overhead:.3g} times its work")
    shards, counts = job.cluster.embedding_shards or 1, dict.fromkeys(FailureKind, 0)
    times, lost, parts = np.empty(runs), np.empty(runs), np.zeros(len(Breakdown._fields))
    done = 0
    try:
        for stream in sequence(seed).spawn(runs):
            strikes = _Counting(job.failure_mix, shards, np.random.default_rng(stream), law)
            strikes.counts, strikes.left = counts, int(_TIMES * failures + _MORE)
            found = play(strategy, work, strikes, shards)
            times[done], lost[done] = found.time_to_train_s, found.pls
            parts += found.spent
            done += 1
            if progress is not None:
                progress(1)
    except KeyboardInterrupt:
        if done < 2:
            raise
    spent: Any = parts / done / work
    return Simulated(
        job=job,
        strategy=strategy,
        law=law,
        strikes=FailuresStrike.ALWAYS,
        runs=done,
        wanted_runs=runs,
        time_to_train_s=Estimate.of(times[:done]),
        pls=Estimate.of(lost[:done]),
        breakdown=Breakdown(*map(float, spent)),
        failures={kind.value: number / done for kind, number in counts.items()},
        predicted=Prediction(
            overhead,
            predicted.pls,
            "exact, at the rate of the beginning",
            pls_is_approximate=True,
            overhead_is_approximate=True,
        ),
        times_s=times[:done],
        pls_of_runs=lost[:done],
    )
