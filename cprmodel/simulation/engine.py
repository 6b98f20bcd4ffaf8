"""From a job and a strategy to distributions: batches, streams, cores, and means with less scatter.

Same result whatever the number of workers: runs go in batches of a size that the job alone sets, each with a
random stream of its own, spawned from the seed (:mod:`cprmodel.simulation.batches`). Means scatter less than those
of the plain runs (:mod:`cprmodel.simulation.control`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cprmodel.costing import CostModel, Exact, model_for
from cprmodel.costing.limited import fits_into_one
from cprmodel.costing.pace import course_of, slower
from cprmodel.costing.paced import Paced
from cprmodel.costing.stored_stops import counts_stops
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.simulation import rotating, rotating_levels, storage  # noqa: F401 (which register who plays their saves)
from cprmodel.simulation.batches import Part, play_all, undisturbed
from cprmodel.simulation.chains import simulate_chains
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike, Replay
from cprmodel.simulation.limits import check_length, most_failures, sizes_of
from cprmodel.simulation.players import player_of
from cprmodel.simulation.result import Estimate, Prediction, Simulated
from cprmodel.simulation.seeds import Seed, sequence
from cprmodel.simulation.setting import KINDS, Setting

__all__ = ["simulate"]

#: The scatter that control variates leave comes from failures. Where all runs together are expected to have fewer
#: than these, a standard error estimated from them would be too small, and the plain mean is used.
FEWEST_FAILURES = 1000

#: Streams of other stops, apart from those of the runs.
_STOPS_BESIDE = 0x5709

#: Each run is kept, for the quantiles, in 32 bytes; this many sort in about a second when interrupted.
MOST_RUNS = 10**7


def simulate(
    job: Job,
    strategy: Strategy,
    runs: int = 10_000,
    seed: Seed = 0,
    *,
    law: FailureLaw | None = None,
    strikes: FailuresStrike = FailuresStrike.ALWAYS,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times, event by event, and return distributions.

    Parameters
    ----------
    job : what is trained, how it fails, what saving costs
    strategy : a recovery, a saving policy and an interval, such as ``plan(job)["partial"].strategy``
    runs : how many times to play it
    seed : an int, a ``SeedSequence`` (not advanced) or a ``Generator`` (advanced once)
    law : law of the time between failures; exponential where not given
    strikes : what failures can strike
    workers : cores to use through joblib, -1 for all; None leaves it to ``joblib.parallel_config``
    progress : called with the number of runs that each batch finished

    Returns
    -------
    :class:`~cprmodel.simulation.Simulated`; of the runs done so far when interrupted by Ctrl-C.

    Raises
    ------
    JobError
        when the job cannot be expected to end.

    Examples
    --------
    >>> from cprmodel import load_preset, plan, simulate
    >>> job = load_preset("cpr-dlrm")
    >>> found = simulate(job, plan(job)["full"].strategy, runs=2000, seed=1)
    >>> abs(found.standard_errors_from_prediction()["overhead_fraction"]) < 4
    True
    """
    if isinstance(runs, bool) or not isinstance(runs, (int, np.integer)) or not 2 <= runs <= MOST_RUNS:
        raise JobError("simulate", [Problem("runs", repr(runs), "a whole number from 2 to 1e7")])
    if strategy.saving.fraction != 1:
        expected = "saves that take everything (cprmodel.simulate plays others, too)"
        raise JobError("simulate", [Problem("strategy.saving.fraction", f"{strategy.saving.fraction:g}", expected)])
    if workers == 0:
        raise JobError("simulate", [Problem("workers", "0", "a number of cores, or -1 for all")])
    # an interval longer than the job is no save at all
    strategy = replace(strategy, interval_s=min(float(strategy.interval_s), job.job.work_s))
    law, streams = Exponential() if law is None else law, sequence(seed)
    memoryless = isinstance(law, Exponential) and strikes is FailuresStrike.ALWAYS
    if (job.waits_for_repairs or job.elastic) and not memoryless:
        expected = "exponential failures that strike always, for jobs that wait for repairs or shrink for them"
        raise JobError("simulate", [Problem("law", law.name, expected)])
    play = partial(_simulate, runs=int(runs), streams=streams, law=law, strikes=strikes, workers=workers)
    if job.elastic and not strategy.plain:
        expected = "saves that block and write everything, for a job that trains on with fewer nodes"
        raise JobError("simulate", [Problem("strategy", strategy.name, expected)])
    if job.paced and job.plain and memoryless and strategy.plain:
        from cprmodel.simulation.paced import simulate_paced

        found = simulate_paced(job, strategy, Paced(Exact()), int(runs), streams, workers, progress)
    elif job.paced:
        found = _at_mean_pace(job, strategy, partial(play, progress=progress))
    else:
        found = play(job, strategy, progress=progress)
    if not job.stops_beside:
        return found
    from cprmodel.simulation.beside import inner_of, with_stops

    model: CostModel = Exact() if job.plain else inner_of(model_for(job))
    if job.paced and not isinstance(model, Paced):
        model = Paced(model)
    apart = np.random.SeedSequence(streams.entropy, spawn_key=(*streams.spawn_key, _STOPS_BESIDE))
    pace = course_of(job).pace
    planned_played = _is_chain(slower(job, pace), replace(strategy, interval_s=strategy.interval_s / pace))
    planned_played |= memoryless and _stops_by_clock(job, strategy)
    return with_stops(found, model, apart, planned_played)


def _stops_by_clock(job: Job, strategy: Strategy) -> bool:
    """Whether planned stops are played in the runs, by the calendar; others come on top, with half a save each."""
    plain = job.plain and strategy.plain and not job.paced
    return bool(job.failures.planned) and (plain or counts_stops(job, strategy))


def _is_chain(job: Job, strategy: Strategy) -> bool:
    return job.job.time_limit_s is not None and not fits_into_one(job, strategy.interval_s)


def _at_mean_pace(job: Job, strategy: Strategy, play: Callable[[Job, Strategy], Simulated]) -> Simulated:
    """A job whose stragglers are played as one that is slower all the time."""
    pace = course_of(job).pace
    found = play(slower(job, pace), replace(strategy, interval_s=strategy.interval_s / pace))
    parts = found.breakdown.scaled(1 / pace)
    predicted = found.predicted
    said = replace(
        predicted,
        overhead_fraction=(1 + predicted.overhead_fraction) / pace - 1,
        model=f"{predicted.model}, at the mean speed that stragglers leave",
    )
    slow = 1 / pace - 1  # in the rescheduling, as in a plan's
    parts = parts._replace(reschedule=parts.reschedule + slow)
    return replace(found, job=job, strategy=strategy, breakdown=parts, predicted=said, stragglers_fraction=slow)


def _simulate(
    job: Job,
    strategy: Strategy,
    runs: int,
    streams: np.random.SeedSequence,
    law: FailureLaw,
    strikes: FailuresStrike,
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> Simulated:
    player = player_of(strategy.saving)
    if player is not None:
        return player(job, strategy, runs, streams, law, strikes, workers, progress)
    memoryless = isinstance(law, Exponential) and strikes is FailuresStrike.ALWAYS
    if memoryless and strategy.plain and _stops_by_clock(job, strategy):
        return simulate_chains(job, strategy, runs, streams, progress)
    if _is_chain(job, strategy) or job.doubts_saves:
        if not memoryless:
            expected = "exponential failures that strike always, for jobs with a time limit or saves in doubt"
            raise JobError("simulate", [Problem("law", law.name, expected)])
        return simulate_chains(job, strategy, runs, streams, progress)
    setting = Setting(job, strategy, law, strikes)
    played = job if setting.mean_gap_s == setting.mtbf else job.with_mtbf(setting.mean_gap_s)
    predicted = _predict(played, strategy, law, strikes)
    setting.refuse_what_never_ends()
    expected_failures = (1 + predicted.overhead_fraction) * job.job.work_s / setting.mean_gap_s
    times = 1 + predicted.overhead_fraction
    reason = f"expected to take {times:.3g} times its work, with {expected_failures:.3g} failures a run"
    check_length(predicted.overhead_fraction, expected_failures, reason)
    setting.limit = most_failures(expected_failures)
    setting.control_time &= runs * expected_failures >= FEWEST_FAILURES
    setting.control_pls &= runs * expected_failures >= FEWEST_FAILURES
    setting.rare_variance_s2 = setting.struck_variance_s2(expected_failures)

    sizes = sizes_of(runs, expected_failures, events=4e6, most=8192)
    parts = play_all(setting, sizes, streams.spawn(len(sizes)), workers, progress)
    return undisturbed(  # type: ignore[no-any-return]
        _summary, job, strategy, law, strikes, setting, parts, runs, predicted
    )


def _predict(job: Job, strategy: Strategy, law: FailureLaw, strikes: FailuresStrike) -> Prediction:
    cost = Exact().cost(job, strategy)
    model = "exact, exponential failures"
    if isinstance(law, Replay):
        model += " of the trace's mean"
    if strikes is not FailuresStrike.ALWAYS:
        model += " that strike recoveries, too"
    return Prediction(float(cost.breakdown.total), cost.pls, model)


def _summary(
    job: Job,
    strategy: Strategy,
    law: FailureLaw,
    strikes: FailuresStrike,
    setting: Setting,
    parts: list[Part],
    wanted: int,
    predicted: Prediction,
) -> Simulated:
    def whole(name: str) -> Any:
        pieces = [getattr(part, name) for part in parts]
        return None if pieces[0] is None else np.concatenate(pieces)

    def mean(name: str) -> float:
        return float(sum(getattr(part, name) for part in parts)) / runs

    times, pls = whole("times"), whole("pls")
    runs = len(times)
    breakdown = Breakdown(
        save=(setting.pieces - 1) * setting.save,
        load=mean("load"),
        lost=mean("lost"),
        reschedule=mean("reschedule"),
    )
    counts = np.sum([part.failures for part in parts], axis=0)
    return Simulated(
        job=job,
        strategy=strategy,
        law=law,
        strikes=strikes,
        runs=runs,
        wanted_runs=wanted,
        time_to_train_s=Estimate.of(times, whole("less_time"), setting.rare_variance_s2),
        pls=Estimate.of(pls, whole("less_pls")),
        breakdown=breakdown.scaled(1 / setting.work),
        failures={kind.value: float(count) / runs for kind, count in zip(KINDS, counts, strict=True)},
        predicted=predicted,
        times_s=times,
        pls_of_runs=pls,
    )
