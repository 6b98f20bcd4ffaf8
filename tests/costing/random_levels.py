"""Jobs of two and three levels at random, on a clock of their own: ``python -m tests.costing.random_levels 0 60``.

The clock is plain Python and takes nothing of the package: no recursion, no pattern, no kernel, but a count of the
saves, and of each shard what each level's last save holds of it. All times are fixed but those between failures. A
third argument is how long the jobs are, in MTBFs: ``0 24 short`` plays such as end after three or six.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from dataclasses import dataclass
from typing import Any

from cprmodel import Job, simulate
from cprmodel.costing import model_for, saving_of
from cprmodel.facts.strategies import Strategy

__all__ = ["Compared", "compared"]

#: Lengths of jobs [MTBF], failures in all runs of one.
_LONG, _SHORT, _FAILURES = (20, 150), (3, 6), 40_000


@dataclass(frozen=True)
class _Level:
    save: float
    load: float
    partial_load: float
    survives: float
    every: int  # of so many saves of the level below one goes here


@dataclass(frozen=True)
class _Drawn:
    mtbf: float
    work: float
    shards: int
    levels: list[_Level]
    reschedule: float
    partial_reschedule: float
    whole: float  # share of failures that take the whole job
    partial: bool
    interval: float

    @property
    def job(self) -> Job:
        levels: list[dict[str, Any]] = []
        for one in self.levels:
            levels.append({"save": one.save, "load": one.load, "partial_load": one.partial_load})
            levels[-1] = {key: f"{value} s" for key, value in levels[-1].items()}
            levels[-1] |= {"survives": one.survives} if one.survives < 1 else {}
            levels[-1] |= {"every": one.every} if len(levels) > 1 else {}
        return Job.from_mapping(
            {
                "job": {"work": f"{self.work} s"},
                "cluster": {"embedding_shards": self.shards},
                "failures": {"mtbf": f"{self.mtbf} s", "trainer_share": 0.0, "whole_job_share": self.whole},
                "checkpoint": {
                    "reschedule": f"{self.reschedule} s",
                    "partial_reschedule": f"{self.partial_reschedule} s",
                    "level": levels,
                },
                "accuracy": {"pls_budget": 0.9},
            }
        )


class _Clock:
    """One run."""

    def __init__(self, drawn: _Drawn, rng: random.Random) -> None:
        self.drawn, self.rng = drawn, rng
        self.now = self.done = 0.0
        self.fails = rng.expovariate(1 / drawn.mtbf)
        many = len(drawn.levels)
        self.saved, self.count = [0.0] * many, [0] * many  # of each level's last save or a higher one
        self.gone = [0.0] * drawn.shards  # work that a shard has lost for good, if nothing strikes it
        self.gone_in = [[0.0] * many for _ in range(drawn.shards)]  # as each level's last save has it
        self.saves = 0

    def run(self) -> tuple[float, float]:
        """Its overhead and PLS."""
        drawn, at_once = self.drawn, False
        while True:
            due = self.saved[0] + drawn.interval
            due = drawn.work if due > drawn.work * (1 - 1e-9) else due
            if not at_once:
                if self.fails < self.now + due - self.done:
                    self.done += self.fails - self.now
                    self.now = self.fails
                    self._stop()
                    continue
                self.now += due - self.done
                self.done = due
            if self.done == drawn.work:
                return self.now / drawn.work - 1, sum(self.gone) / drawn.shards / drawn.work
            level = self._goes_to(self.saves + 1)
            takes = drawn.levels[level].save
            at_once = False
            if self.fails < self.now + takes:  # void; once repaired a new one is taken at once
                self.now = self.fails
                at_once = not self._stop()
                continue
            self.now += takes
            self.saves += 1
            for one in range(level + 1):
                self.saved[one], self.count[one] = self.done, self.saves
                for shard, lost in enumerate(self.gone):
                    self.gone_in[shard][one] = lost

    def _goes_to(self, number: int) -> int:
        level, period = 0, 1
        for at, one in enumerate(self.drawn.levels[1:], 1):
            period *= one.every
            level = at if number % period == 0 else level
        return level

    def _stop(self) -> bool:
        """A failure, those that follow in its stop, and what is lost; whether everybody went back."""
        drawn, rng, levels = self.drawn, self.rng, self.drawn.levels
        whole, furthest = False, 0
        while True:
            self.fails = self.now + rng.expovariate(1 / drawn.mtbf)
            takes_all = not drawn.partial or rng.random() < drawn.whole
            luck = rng.random()
            needs = next(at for at, one in enumerate(levels) if luck < one.survives or one.survives == 1)
            furthest = max(furthest, needs)
            whole |= takes_all
            if not takes_all:
                shard = rng.randrange(drawn.shards)
                self.gone[shard] = self.gone_in[shard][needs] + self.done - self.saved[needs]
                for below in range(needs):  # what was there of it is no longer
                    self.gone_in[shard][below] = self.gone_in[shard][needs] + self.saved[below] - self.saved[needs]
            one = levels[furthest]
            waits = drawn.reschedule + one.load if whole else drawn.partial_reschedule + one.partial_load
            if self.fails >= self.now + waits:
                self.now += waits
                break
            self.now = self.fails
        if whole:
            self.done, self.saves = self.saved[furthest], self.count[furthest]
            for below in range(furthest + 1):
                self.saved[below], self.count[below] = self.done, self.saves
                for held in self.gone_in:
                    held[below] = held[furthest]
            self.gone = [held[furthest] for held in self.gone_in]
        return whole


def _drawn(seed: int, lengths: tuple[int, ...]) -> _Drawn:
    draw = random.Random(f"levels {seed}")
    mtbf = 10 ** draw.uniform(4, 5.5)

    def part(low: float, high: float) -> float:
        return mtbf * 10 ** draw.uniform(low, high)

    survives = [*sorted(draw.uniform(0.4, 0.97) for _ in range(draw.choice([1, 2]))), 1.0]
    levels = [
        _Level(
            part(-4 + 0.7 * at, -3 + 0.7 * at),
            part(-4 + 0.5 * at, -3 + 0.5 * at),
            part(-5, -3.5),
            one,
            draw.randint(2, 6),
        )
        for at, one in enumerate(survives)
    ]
    return _Drawn(
        mtbf,
        draw.choice(lengths) * mtbf,
        draw.choice([4, 16]),
        levels,
        part(-4, -1.7),
        part(-4, -2),
        draw.uniform(0.05, 0.5),
        draw.random() < 0.5,
        mtbf * 10 ** draw.uniform(-1.7, -0.8),
    )


@dataclass(frozen=True)
class Compared:
    """What the plan says and what the clock plays of one job: overhead and PLS; and how far simulations are off."""

    said: str
    planned: tuple[float, float]
    played: tuple[float, float]
    errors: tuple[float, float]
    off: tuple[float, float]  #: of plan, in standard errors of the clock
    simulated_off: tuple[float, float]  #: in standard errors of the difference


def compared(seed: int, lengths: tuple[int, ...] = _LONG) -> Compared:
    """A job on the clock, planned and simulated."""
    drawn = _drawn(seed, lengths)
    job, length = drawn.job, drawn.work / drawn.mtbf
    recovery = job.partial_recovery if drawn.partial else job.full_recovery
    strategy = Strategy(recovery.name, recovery, saving_of(job), drawn.interval)
    cost = model_for(job).cost(job, strategy)
    runs = max(60, int(_FAILURES / (1.2 * length)))
    rng = random.Random(seed)
    played = [_Clock(drawn, rng).run() for _ in range(runs)]
    means = tuple(map(statistics.fmean, zip(*played, strict=True)))
    errors = tuple(statistics.stdev(one) / math.sqrt(runs) for one in zip(*played, strict=True))
    found = simulate(job, strategy, 2 * runs, seed=seed)
    planned = (float(cost.breakdown.total), float(cost.pls))
    parts = (found.overhead_fraction, found.pls)
    simulated = tuple(
        (one.mean - mean) / math.hypot(one.standard_error, error) if error else 0.0
        for one, mean, error in zip(parts, means, errors, strict=True)
    )
    off = tuple(
        (one - mean) / error if error else 0.0 for one, mean, error in zip(planned, means, errors, strict=True)
    )
    said = f"{len(drawn.levels)} levels, {recovery.name} recovery, {length:.0f} MTBFs"
    return Compared(said, planned, (means[0], means[1]), (errors[0], errors[1]), off, simulated)  # type: ignore[arg-type]


def main(first: int, last: int, lengths: tuple[int, ...]) -> int:
    """Say what each job comes to; how many simulations, or plans of long jobs, are beyond four standard errors."""
    beyond = 0
    for seed in range(first, last):
        one = compared(seed, lengths)
        judged = (*one.simulated_off, *(one.off if lengths == _LONG else ()))
        far = max(map(abs, judged)) > 4
        beyond += far
        parts = zip(
            ("overhead", "PLS"), one.planned, one.played, one.errors, one.off, one.simulated_off, strict=True
        )
        told = (
            f"{part} planned {planned:.5f}, played {mean:.5f} ± {error:.5f} ({off:+.1f}; simulated {played:+.1f})"
            for part, planned, mean, error, off, played in parts
        )
        print(f"{seed}: {'OFF ' if far else ''}{one.said}: {'; '.join(told)}", flush=True)
    print(f"{beyond} of {last - first} beyond four standard errors")
    return beyond


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), _SHORT if sys.argv[3:] == ["short"] else _LONG) > 0)
