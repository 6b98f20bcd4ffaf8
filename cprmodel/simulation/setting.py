"""A job and a strategy as the kernels take them, and a batch of runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import FailureKind, RollBack, Strategy, together
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.simulation import kernel
from cprmodel.simulation.laws import FailureLaw, FailuresStrike
from cprmodel.simulation.taken import taken_of

__all__ = ["KINDS", "Setting"]

#: Share of the time that failures take beyond which the plain mean scatters less than the controlled one.
STRONGEST_PULL = 0.4

KINDS = (FailureKind.SHARD, FailureKind.TRAINER, FailureKind.WHOLE_JOB)


class Setting:
    """A job and a strategy as the kernels take them; plain numbers, so that they travel to other processes."""

    def __init__(self, job: Job, strategy: Strategy, law: FailureLaw, strikes: FailuresStrike) -> None:
        mix = job.failure_mix
        self.work = job.job.work_s
        self.tau = float(strategy.interval_s)  # no longer than the work
        self.save = float(strategy.saving.save_s)
        self.pieces = int(NUMPY.intervals(self.work, self.tau))
        self.rest = self.work - (self.pieces - 1) * self.tau
        self.shards = job.cluster.embedding_shards or 1
        self.shares = [mix.share(kind) for kind in KINDS]
        self.failed, self.taken = float(mix.shards_per_failure), taken_of(mix)
        self.mtbf = mix.mtbf_s
        self.law = law.parameters(mix.mtbf_s)
        self.mean_gap_s = float(np.mean(self.law[3])) if self.law[0] == kernel.REPLAY else mix.mtbf_s
        self.limit = 0

        # what is pending, as the kernels number it: shard, trainer, whole job, shard and trainer, nothing
        shard, trainer, whole_job = ({kind} for kind in KINDS)
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

        They can be too rare for the runs to show it: the standard error gets it from here. A stop of length x is
        struck with probability x/μ, at a time uniform in it, and what the control leaves of that is within x.
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
        law, shape, scale, times = self.law
        replays = law == kernel.REPLAY
        offsets = rng.integers(times.size, size=runs) if replays else np.zeros(runs, dtype=np.int64)
        shard_share, trainer_share, _ = self.shares
        numbers = kernel.Numbers(
            law=law,
            shape=shape,
            scale=scale,
            times=times,
            tau=self.tau,
            save=self.save,
            rest=self.rest,
            pieces=self.pieces,
            shards=self.shards,
            shard_share=shard_share,
            trainer_share=trainer_share,
            taken=self.taken,
            safe=self.safe,
            reschedule=self.reschedule,
            load=self.load,
            limit=self.limit,
            halt=self.stop,
        )
        if self.full:
            ended = kernel.play_full(out, offsets, rng, numbers)
        else:
            lanes = int(np.clip(65_536 // self.shards, 8, kernel.LANES))  # the shards' account stays in cache
            ended = kernel.play_partial(out, offsets, rng, numbers, lanes)
        if not ended:
            return None
        return out
