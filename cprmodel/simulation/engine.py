r"""From a job and a strategy to distributions: batches, streams, cores, and means with less scatter.

Same result whatever the number of workers: runs go in batches of a size that the job alone sets, each with a
random stream of its own, spawned from the seed.

Means with less scatter
    Under exponential failures the count of failures of a kind, less its rate times the time at risk, is a
    martingale; so is the work that roll-backs took, less the rate times the integral of the work at stake.
    Stopped at the end of the job their expectation is exactly 0 (optional stopping; the job ends almost surely
    and has a finite mean). Subtracting a *constant* multiple of them from the time to train therefore changes
    its mean by nothing, whatever the constant; the constants used make it nearly free of scatter. In the same way
    the expected loss at each shard failure, k/N of the unsaved and unrestored samples, replaces the losses.
    Quantiles are those of the plain runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.costing import Exact
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import FailureKind, RollBack, Strategy, together
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.simulation import kernel
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike, Replay
from cprmodel.simulation.limits import check_length, most_failures, never_ends, sizes_of
from cprmodel.simulation.result import Estimate, Prediction, Simulated
from cprmodel.simulation.storage import simulate_stored

__all__ = ["Seed", "sequence", "simulate"]

Seed = int | np.random.SeedSequence | np.random.Generator

#: The scatter that control variates leave comes from failures. Where all runs together are expected to have fewer
#: than these, a standard error estimated from them would be too small, and the plain mean is used.
FEWEST_FAILURES = 1000

#: Share of the time that failures take beyond which the plain mean scatters less than the controlled one.
STRONGEST_PULL = 0.4

#: Each run is kept, for the quantiles, in 32 bytes; this many sort in about a second when interrupted.
MOST_RUNS = 10**7

_KINDS = (FailureKind.SHARD, FailureKind.TRAINER, FailureKind.WHOLE_JOB)


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
    law = Exponential() if law is None else law
    if isinstance(strategy.saving, StoredSave):
        if not isinstance(law, Exponential) or strikes is not FailuresStrike.ALWAYS:
            expected = "exponential failures that strike always, for saves that are not blocking ones of everything"
            raise JobError("simulate", [Problem("law", law.name, expected)])
        return simulate_stored(job, strategy, int(runs), sequence(seed), workers, progress)
    setting = _Setting(job, strategy, law, strikes)
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

    sizes = sizes_of(int(runs), expected_failures, events=4e6, most=8192)
    streams = sequence(seed).spawn(len(sizes))
    parts = _play_all(setting, sizes, streams, workers, progress)
    return _undisturbed(  # type: ignore[no-any-return]
        _summary, job, strategy, law, strikes, setting, parts, int(runs), predicted
    )


class _Setting:
    """A job and a strategy as the kernels take them; plain numbers, so that they travel to other processes."""

    def __init__(self, job: Job, strategy: Strategy, law: FailureLaw, strikes: FailuresStrike) -> None:
        mix = job.failure_mix
        self.work = job.job.work_s
        self.tau = float(strategy.interval_s)  # no longer than the work
        self.save = float(strategy.saving.save_s)
        self.pieces = int(NUMPY.intervals(self.work, self.tau))
        self.rest = self.work - (self.pieces - 1) * self.tau
        self.shards = job.cluster.embedding_shards or 1
        self.shares = [mix.share(kind) for kind in _KINDS]
        self.failed = float(mix.shards_per_failure)
        self.mtbf = mix.mtbf_s
        self.law = law.parameters(mix.mtbf_s)
        self.mean_gap_s = float(np.mean(self.law[3])) if self.law[0] == kernel.REPLAY else mix.mtbf_s
        self.limit = 0

        # what is pending, as the kernels number it: shard, trainer, whole job, shard and trainer, nothing
        shard, trainer, whole_job = ({kind} for kind in _KINDS)
        pending = (shard, trainer, whole_job, shard | trainer, set[FailureKind]())
        responses = [together(strategy.recovery, kinds) for kinds in pending]
        self.full = all(
            response.rolls_back is RollBack.EVERYBODY
            for response, share in zip(responses, self.shares, strict=False)
            if share > 0
        )
        #: For each kind, whose stop a failure of it begins: under full recovery always the whole job's.
        self.stop_of_kind = [2, 2, 2] if self.full else [0, 1, 2]
        reschedule = np.array([response.reschedule_s for response in responses])
        load = np.array([response.load_s for response in responses])
        safe = np.zeros_like(reschedule)
        if strikes is not FailuresStrike.ALWAYS:
            safe, reschedule = reschedule, safe.copy()
        self.safe_load = np.zeros_like(load)
        if strikes is FailuresStrike.ONLY_AT_WORK:
            self.safe_load, load = load, np.zeros_like(load)
            safe = safe + self.safe_load
        self.safe, self.reschedule, self.load = safe, reschedule, load
        self.rare_variance_s2 = 0.0
        self.stop = np.zeros(1, dtype=np.uint8)  # set: the kernels end

        exponential = self.law[0] == kernel.EXPONENTIAL
        self.control_time = exponential and self.pull() < STRONGEST_PULL
        self.control_pls = exponential and not self.full

    def struck_variance_s2(self, failures: float) -> float:
        """Variance of a run's controlled time to train that comes from stops struck again, to first order.

        They can be too rare for the runs to show it: the standard error gets it from here. A stop of length R is
        struck with probability R/μ, at a time uniform in it, and what the control leaves of that is within R.
        """
        stops = self.reschedule + self.load
        pairs = zip(self.shares, self.stop_of_kind, strict=True)
        struck = sum(share * float(stops[index]) for share, index in pairs) / self.mtbf
        longest = max(float(stops[index]) for index in self.stop_of_kind)
        return float(failures * struck * longest**2 / 3 / (1 - min(self.pull(), STRONGEST_PULL)) ** 2)

    def pull(self) -> float:
        """Share of the time that failures take, to first order."""
        rate = 1 / self.mtbf
        stops = sum(
            share * float(self.mean_stop()[index])
            for share, index in zip(self.shares, self.stop_of_kind, strict=True)
        )
        rolling = 1.0 if self.full else self.shares[2]
        return rate * (stops + rolling * (self.tau + self.save) / 2)

    def mean_stop(self) -> Any:
        """Expected length of each kind's stop, until its end or the next failure."""
        return self.safe - np.expm1(-(self.reschedule + self.load) / self.mtbf) * self.mtbf

    def refuse_what_never_ends(self) -> None:
        """A replay without one gap that is long enough for a stop and for what must follow it in one go."""
        if self.law[0] != kernel.REPLAY:
            return
        longest = float(np.max(self.law[3]))
        stops = self.reschedule + self.load
        stop = min(float(stops[i]) for share, i in zip(self.shares, self.stop_of_kind, strict=True) if share > 0)
        save = self.save if self.pieces > 1 else 0.0
        needed = stop + (min(self.tau + save, self.work) if self.full else save)
        if longest <= needed:
            what = "a recovery, an interval and its save" if self.full else "a recovery and a save"
            reason = f"the longest is {format_time(longest)}; {what} take {format_time(needed)}"
            raise JobError(
                "job", [Problem("", "", f"times between failures in which the job can go on ({reason})")]
            )

    def batch(self, runs: int, stream: np.random.SeedSequence) -> Any:
        """Play a batch; rows of kernel.COLUMNS, or None when a run does not end."""
        rng = np.random.Generator(np.random.PCG64(stream))
        out = np.empty((runs, len(kernel.COLUMNS)))
        times = self.law[3]
        replays = self.law[0] == kernel.REPLAY
        offsets = rng.integers(times.size, size=runs) if replays else np.zeros(runs, dtype=np.int64)
        common = (*self.law, self.tau, self.save, self.rest, self.pieces)
        if self.full:
            stop = (self.safe[2], self.reschedule[2], self.load[2])
            ended = kernel.play_full(out, offsets, rng, (*common, *self.shares[:2], *stop, self.limit, self.stop))
        else:
            stops = (self.safe, self.reschedule, self.load)
            setting = (*common, self.shards, *self.shares[:2], self.failed, *stops, self.limit, self.stop)
            lanes = int(np.clip(65_536 // self.shards, 8, kernel.LANES))  # the shards' account stays in cache
            ended = kernel.play_partial(out, offsets, rng, setting, lanes)
        if not ended:
            return None
        return out


def _play_all(
    setting: _Setting,
    sizes: list[int],
    streams: list[np.random.SeedSequence],
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> list[_Part]:
    """Every batch, in order; those finished so far when interrupted.

    None is played in this thread, so that Ctrl-C is heard at once; ``setting.stop`` then ends the kernels.
    """
    parts: list[_Part] = []
    pairs = zip(sizes, streams, strict=True)
    with warnings.catch_warnings():
        # joblib says that work in flight is thrown away when a run is given up: that is the point
        warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)
        if len(sizes) == 1 or workers == 1:
            batches = _one_after_the_other(setting, pairs)
        else:
            from joblib import Parallel, delayed

            parallel = Parallel(n_jobs=workers, prefer="threads", return_as="generator", batch_size=1)
            batches = parallel(delayed(_reduced_batch)(setting, *pair) for pair in pairs)
        try:
            for part in batches:
                if part is None:
                    raise never_ends(setting.limit)
                parts.append(part)
                if progress:
                    progress(part.runs)
        except KeyboardInterrupt:
            if not parts:
                raise
        finally:
            setting.stop[0] = 1
            batches.close()
    return parts


def _one_after_the_other(setting: _Setting, pairs: Iterable[Any]) -> Generator[Any, None, None]:
    with ThreadPoolExecutor(1) as thread:
        try:
            for pair in pairs:
                yield thread.submit(_reduced_batch, setting, *pair).result()
        finally:
            setting.stop[0] = 1  # before the thread is waited for


def _undisturbed(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, however often somebody presses Ctrl-C meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work, *arguments)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                continue


def sequence(seed: Seed) -> np.random.SeedSequence:
    """The seeds of all streams, from what a user may give."""
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence([int(word) for word in seed.integers(2**32, size=8)])
    if isinstance(seed, np.random.SeedSequence):
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise JobError(
            "simulate", [Problem("seed", repr(seed), "a whole number of at least 0, or NumPy's own seeds")]
        )
    return np.random.SeedSequence(int(seed))


def _predict(job: Job, strategy: Strategy, law: FailureLaw, strikes: FailuresStrike) -> Prediction:
    cost = Exact().cost(job, strategy)
    model = "exact, exponential failures"
    if isinstance(law, Replay):
        model += " of the trace's mean"
    if strikes is not FailuresStrike.ALWAYS:
        model += " that strike recoveries, too"
    return Prediction(float(cost.breakdown.total), cost.pls, model)


@dataclass(frozen=True)
class _Part:
    """What is kept of a batch: 32 bytes a run at most, and the sums of the rest."""

    runs: int
    times: Any
    pls: Any
    less_time: Any
    less_pls: Any
    failures: list[float]
    load: float
    reschedule: float
    lost: float


def _reduced_batch(setting: _Setting, runs: int, stream: np.random.SeedSequence) -> _Part | None:
    rows = setting.batch(runs, stream)
    if rows is None:
        return None
    column = {name: rows[:, i] for i, name in enumerate(kernel.COLUMNS)}
    times = column["time_s"].copy()
    samples = setting.shards * setting.work
    less_time, less_pls = None, None
    if setting.control_time:
        less_time = times - _time_control(setting, column)
    if setting.control_pls:
        less_pls = _expected_losses(setting, column) / samples
    useful = setting.work + (setting.pieces - 1) * setting.save
    # stops that no failure can strike are not in risk_s; those of loading among them are counted by kind
    safe_load = _safe_loads(setting, column)
    return _Part(
        runs=len(rows),
        times=times,
        pls=column["lost"] / samples,
        less_time=less_time,
        less_pls=less_pls,
        failures=[float(column[kind.value].sum()) for kind in _KINDS],
        load=float((column["stopped_s"] - column["reschedule_s"] + safe_load).sum()),
        reschedule=float((column["reschedule_s"] + (times - column["risk_s"]) - safe_load).sum()),
        lost=float((column["risk_s"] - useful - column["stopped_s"]).sum()),
    )


def _summary(
    job: Job,
    strategy: Strategy,
    law: FailureLaw,
    strikes: FailuresStrike,
    setting: _Setting,
    parts: list[_Part],
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
        failures={kind.value: float(count) / runs for kind, count in zip(_KINDS, counts, strict=True)},
        predicted=predicted,
        times_s=times,
        pls_of_runs=pls,
    )


def _safe_loads(setting: _Setting, column: dict[str, Any]) -> Any:
    """Time of loads that no failure could strike: none pend together then, so kinds can be counted."""
    total = np.zeros_like(column["time_s"])
    for kind, index in zip(_KINDS, setting.stop_of_kind, strict=True):
        total += column[kind.value] * setting.safe_load[index]
    return total


def _time_control(setting: _Setting, column: dict[str, Any]) -> Any:
    """A multiple of martingales, hence of expectation 0, that follows the scatter of the time to train.

    Where failures take a large share of the time (a constant of the job) the control would scatter more than what
    it follows, and is not used.
    """
    rate = 1 / setting.mtbf
    mean_stop = setting.mean_stop()
    followed = np.zeros_like(column["time_s"])
    for kind, share, index in zip(_KINDS, setting.shares, setting.stop_of_kind, strict=True):
        followed += mean_stop[index] * (column[kind.value] - share * rate * column["risk_s"])
    rolling = rate * (1.0 if setting.full else setting.shares[2])
    followed += column["rolled_s"] - rolling * column["stake_s2"]
    return followed / (1 - setting.pull())


def _expected_losses(setting: _Setting, column: dict[str, Any]) -> Any:
    """Expected losses: k/N of what is unsaved and unrestored at each failure, less what is replayed."""
    rate = 1 / setting.mtbf
    unsaved = setting.shards * column["stake_s2"] - column["stake_kept"]
    lost = setting.shares[0] * rate * setting.failed / setting.shards * unsaved
    return lost - setting.shares[2] * rate * column["stake_lost"]
