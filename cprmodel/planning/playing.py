"""Playing a job with a strategy, or with the one of that name that is planned for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cprmodel.costing import model_for, saving_of
from cprmodel.costing.kinds import LeftOut
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.planning.planner import plan, priced

if TYPE_CHECKING:
    from cprmodel.simulation import FailureLaw, FailuresStrike, Seed, Simulated

__all__ = ["simulate", "strategy_named"]


def strategy_named(job: Job, name: str, interval_s: float | None = None) -> Strategy:
    """The strategy of that name as it is planned, at another interval where one is given.

    JobError for a name that plan has not.

    >>> from cprmodel import load_preset
    >>> strategy_named(load_preset("cpr-dlrm"), "full", interval_s=3600.0).interval_s
    3600.0
    """
    found = priced(job, model_for(job), only={name})
    strategy = {one.name: one.strategy for one in found.strategies}.get(name)
    if strategy is None and name == "partial" and job.cluster.embedding_shards and interval_s:
        strategy = Strategy("partial", job.partial_recovery, saving_of(job), job.job.work_s)
    if strategy is None:
        known = ", ".join(one.name for one in plan(job).strategies)
        expected = f"one that can be planned: {known}{_why_not(name, found.about)}"
        raise JobError("job", [Problem("strategy", f'"{name}"', expected)])
    return strategy if interval_s is None else replace(strategy, interval_s=interval_s)


def _why_not(name: str, about: Sequence[str]) -> str:
    """Why there is none of this name, where a note says so."""
    said = [one for one in about if isinstance(one, LeftOut) and name.startswith(one.of)]
    return f" ({max(said, key=lambda one: len(one.of))})" if said else ""


def simulate(
    job: Job,
    strategy: Strategy | str,
    runs: int = 10_000,
    seed: Seed = 0,
    *,
    interval_s: float | None = None,
    law: FailureLaw | None = None,
    strikes: FailuresStrike | None = None,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times, event by event, and return distributions.

    Whoever fails rolls back, whatever is saved is safe: nothing of a formula is in it. Strategies that save some
    rows before others are played with the very tracker that a training loop would use, over rows that stand for
    all, in fewer runs.

    Parameters
    ----------
    job : what is trained, how it fails, what saving costs; with ``[access]`` where some rows are saved first
    strategy : ``"full"``, ``"partial"`` or another name that ``plan(job)`` has; or a strategy, such as
        ``plan(job)["partial"].strategy``
    runs : how many times to play it; row by row never more often than that, and often enough for a small error
    seed : an int, a ``SeedSequence`` (not advanced) or a ``Generator`` (advanced once)
    interval_s : useful work between two saves [s]; as planned where not given
    law : law of the time between failures; exponential where not given
    strikes : what failures can strike; anything where not given, and where some rows are saved first
    workers : cores to use through joblib, -1 for all; None leaves it to ``joblib.parallel_config``
    progress : called with the number of runs that each batch finished

    Returns
    -------
    :class:`~cprmodel.simulation.Simulated`; of the runs done so far when interrupted by Ctrl-C.

    Raises
    ------
    JobError
        for a strategy that is not planned for the job; when it cannot be expected to end, has no ``[access]`` where
        that is needed, or for another law there.
    ExtraMissing
        where ``cprmodel[simulate]`` is not installed.

    Examples
    --------
    >>> from cprmodel import load_preset, simulate
    >>> found = simulate(load_preset("cpr-dlrm"), "full", runs=2000, seed=1)
    >>> abs(found.standard_errors_from_prediction()["overhead_fraction"]) < 4
    True
    """
    from cprmodel.facts.extras import for_extra

    with for_extra("a simulation"):
        from cprmodel.ordering.simulated import simulate as play
        from cprmodel.simulation import FailuresStrike as Strikes

    one = strategy_named(job, strategy, interval_s) if isinstance(strategy, str) else strategy
    if interval_s is not None and one.interval_s != interval_s:
        one = replace(one, interval_s=interval_s)
    return play(
        job, one, runs, seed, law=law, strikes=strikes or Strikes.ALWAYS, workers=workers, progress=progress
    )
