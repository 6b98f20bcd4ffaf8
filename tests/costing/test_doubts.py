"""Short jobs whose saves may be unreadable: every stack of saves, plays and simpler counts say the same."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from cprmodel import Job, plan, simulate
from cprmodel.costing.doubts import Doubts
from cprmodel.costing.patterns import Checked, Pattern
from cprmodel.costing.short_verified import MOST_DOUBTS, short_latent
from cprmodel.costing.verified import Verified
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.latent import Attempt, attempt_of
from tests import slow_verified_loop as loop
from tests.costing.test_patterns import strategy_of
from tests.costing.test_verified import job_of, setting_of

RECOVERY: dict[str, float] = {
    "load_s": 120.0,
    "reschedule_s": 480.0,
    "partial_load_s": 100.0,
    "partial_reschedule_s": 50.0,
    "shard_share": 0.6,
    "trainer_share": 0.2,
    "whole_job_share": 0.2,
}
#: Of each save: whether it holds the error, whether it is bad, whether a shard lost what it held.
Stack = tuple[tuple[bool, bool, bool], ...]


class Walk:
    """A job as a chain over its saves, whose qualities are drawn when they are made; solved as linear equations."""

    def __init__(self, of: Doubts, hit: float, hit_last: float) -> None:
        self.of, self.hits = of, (hit, hit_last)
        self.states: dict[Stack, int] = {}
        self.rows: list[tuple[dict[int, float], list[float]]] = []
        self.at(())
        size = len(self.rows)
        matrix, gained = np.eye(size), np.array([row for _, row in self.rows])
        for one, (goes, _) in enumerate(self.rows):
            for other, share in goes.items():
                matrix[one, other] -= share
        #: from the beginning: activity, loads that no failure begins, unseen, intervals lost behind their saves
        self.found = np.linalg.solve(matrix, gained)[0]

    def at(self, stack: Stack) -> int:
        if stack not in self.states:
            self.states[stack] = len(self.rows)
            self.rows.append(({}, [0.0] * 4))
            self.leave(stack, *self.rows[self.states[stack]])
        return self.states[stack]

    def leave(self, stack: Stack, goes: dict[int, float], gained: list[float]) -> None:
        """What an attempt at the next interval gains and where it leads."""
        of = self.of
        last = len(stack) == of.saves
        if stack and stack[-1][0]:  # there is an error
            through = math.exp(-(of.rho + of.shows) * of.lengths[last])
            active = (1 - through) / (of.rho + of.shows)
            ends = {True: through}
            fails, shows = of.rho * active, of.shows * active
        else:
            one = of.last if last else of.whole
            ends = {False: one.clean, True: one.dirty}
            active, fails = one.activity, of.rho * one.activity
            shows = 1 - one.clean - one.dirty - fails
        gained[0] += active
        for hit, chance in ((True, self.hits[last]), (False, 1 - self.hits[last])):
            here = taken(stack) if hit else stack
            for dirty, share in ends.items():
                if last:
                    gained[2] += chance * share * dirty
                    gained[3] += chance * share * sum(one[2] for one in here)
                    continue
                for bad, drawn in ((True, of.unreadable), (False, 1 - of.unreadable)):
                    self.go(goes, (*here, (dirty, bad, False)), chance * share * drawn)
        good, vain = readable(stack)
        gained[1] += fails * vain
        self.go(goes, good, fails)
        good, vain = readable(tuple(one for one in stack if not one[0]))
        gained[1] += shows * (1 + vain)
        self.go(goes, good, shows)

    def go(self, goes: dict[int, float], to: Stack, share: float) -> None:
        if share > 0:
            at = self.at(to)
            goes[at] = goes.get(at, 0.0) + share


def readable(stack: Stack) -> tuple[Stack, int]:
    vain = 0
    while stack and stack[-1][1]:
        stack, vain = stack[:-1], vain + 1
    return stack, vain


def taken(stack: Stack) -> Stack:
    good, vain = readable(stack)
    return (*good, *((one[0], True, True) for one in stack[len(stack) - vain :]))


@pytest.mark.parametrize("saves", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_every_stack_of_saves(saves: int, seed: int) -> None:
    """All that a job takes, and what shards lose behind bad saves, to 1e-9, late errors or none."""
    draw = random.Random(seed)
    rho, shows, bad = (10 ** draw.uniform(-2, 0.5) for _ in "...")
    work, save, rest = draw.uniform(0.1, 1), draw.uniform(0.01, 0.5), draw.uniform(0.1, 1)
    bad = min(bad, 0.9)
    late = [attempt_of(rho, length, more, 3.0, 1 / shows) for length, more in ((work, save), (rest, 0.0))]
    found_by_checks = [Attempt(draw.uniform(0.1, 0.9), 0.0, 0.0) for _ in "12"]
    for of in (
        Doubts(
            saves,
            Attempt(*map(float, late[0])),
            Attempt(*map(float, late[1])),
            bad,
            (work + save, rest),
            rho,
            shows,
        ),
        Doubts(saves, *found_by_checks, bad),
    ):
        hit, hit_last = draw.random(), draw.random()
        walk = Walk(of, hit, hit_last)
        assert tuple(map(float, (*of.taken(), of.behind(hit, hit_last)))) == pytest.approx(
            tuple(walk.found), rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize(("work", "every"), [(86400.0, 3000.0), (5e5, 1000.0), (4000.0, 5000.0)])
@pytest.mark.parametrize("recovery", [{"load_s": 100.0, "reschedule_s": 300.0}, RECOVERY])
def test_saves_that_are_hardly_ever_bad(work: float, every: float, recovery: dict[str, float]) -> None:
    """Summed from the end it is what is summed from the beginning, where there are none."""
    given = (work, every, 60.0, 72000.0, 1e5, 36000.0)
    few, none = short_latent(*given, unreadable=1e-13, **recovery), short_latent(*given, **recovery)
    assert few.breakdown == pytest.approx(none.breakdown, rel=1e-9)
    assert few.unseen == pytest.approx(none.unseen, rel=1e-9)


def test_beyond_many_saves_it_is_a_long_jobs() -> None:
    """Where saves are no longer looked at one by one, what they add differs by a two-thousandth of the overhead."""
    given: tuple[float, ...] = (1.0, 72000.0, 1e5, 36000.0)
    each = [
        short_latent(8e5, 8e5 / (MOST_DOUBTS + more), *given, unreadable=0.3, **RECOVERY) for more in (-1, 0, 1, 2)
    ]
    totals = [one.breakdown.total for one in each]
    assert totals == pytest.approx([totals[0]] * 4, rel=5e-4)


def drawn(seed: int, kind: str) -> tuple[Job, Strategy]:
    """A short job at random, and how it is run."""
    draw = random.Random(seed)
    mtbf = 10 ** draw.uniform(4, 5.5)
    save = mtbf * 10 ** draw.uniform(-3, -1.7)
    silent: dict[str, Any] | None = {"mtbf_s": mtbf * 10 ** draw.uniform(-0.5, 1)}
    work = mtbf * 10 ** draw.uniform(-0.8, 0.7)
    load = save * draw.uniform(0.5, 4)
    point: dict[str, Any] = {"save": f"{save} s", "load": f"{load} s", "reschedule": f"{3 * save} s"}
    pattern = (1, 1)
    if "late" in kind:
        assert silent is not None
        silent["latency_s"] = silent["mtbf_s"] * draw.uniform(0.02, 0.5)
    point["verify"] = f"{save * draw.uniform(0.1, 5)} s" if "check" in kind else None
    if "unreadable" in kind:
        point["unreadable"] = draw.uniform(0.05, 0.6)
    if kind == "unreadable":
        silent = None
    if kind == "saves to a check":
        pattern = (draw.randint(2, 12), 1)
    if kind == "checks to a save":
        pattern = (1, draw.randint(2, 5))
    shares = {"trainer_share": draw.uniform(0, 0.3), "whole_job_share": draw.uniform(0.05, 0.6)}
    job = job_of(
        job={"work": f"{work} s"},
        failures={"mtbf": f"{mtbf} s", "silent": silent, **shares},
        checkpoint=point,
        accuracy={"pls_budget": 0.9},
    )
    return job, strategy_of(job, "partial" if seed % 3 else "full", work / draw.uniform(0.8, 25), *pattern)


KINDS = {
    "late, unreadable": 18,
    "late": 3,
    "unreadable": 6,
    "checked, unreadable": 6,
    "checked": 3,
    "saves to a check": 6,
    "checks to a save": 6,
}


def test_random_jobs_against_the_simulation() -> None:
    """48 jobs, overhead and PLS: each within three standard errors but for one of a hundred, and no bias."""
    off: dict[str, list[float]] = {"overhead": [], "pls": []}
    for kind, many in KINDS.items():
        for seed in range(many):
            job, strategy = drawn(seed, kind)
            cost = Verified().cost(job, strategy)
            found = simulate(job, strategy, 12_000, seed=seed, workers=1)
            overhead = found.overhead_fraction
            off["overhead"].append((overhead.mean - cost.breakdown.total) / overhead.standard_error)
            if strategy.name == "partial":
                off["pls"].append((found.pls.mean - cost.pls) / found.pls.standard_error)
    for each in off.values():
        assert sum(abs(one) > 3 for one in each) <= 1
        assert abs(float(np.mean(each))) < 3 / math.sqrt(len(each))


@pytest.mark.parametrize("name", ["full", "partial"])
def test_against_a_play_of_it(name: str) -> None:
    """17.4% had been said where 16.2% is played: of 1 d whose errors take 10 h to show, 38% of the saves bad."""
    failures = {"mtbf": "20 h", "silent": {"mtbf": "30 h", "latency": "10 h"}}
    job = job_of(job={"work": "1 d"}, failures=failures, checkpoint={"verify": None, "unreadable": 0.38})
    strategy = strategy_of(job, name, 3000.0)
    cost = Verified().cost(job, strategy)
    setting, rng = setting_of(job, strategy), random.Random(5)
    found = np.array([loop.play(setting, rng) for _ in range(700)])
    off = found.mean(axis=0) - (job.job.work_s * (1 + cost.breakdown.total), cost.pls)
    assert (abs(off) <= 3 * found.std(axis=0) / math.sqrt(len(found))).all()
    assert not any("unreadable saves add" in one for one in plan(job).warnings)


@pytest.mark.parametrize(
    ("pattern", "point"),
    [
        ((1, 1), {"unreadable": 0.3}),
        ((1, 3), {"unreadable": 0.3}),
        ((4, 1), {}),
        ((1, 4), {}),
        ((1, 1), {"verify": None, "unreadable": 0.3, "latency": "2 h"}),
    ],
)
def test_the_pls_of_a_long_job_is_as_it_was(pattern: tuple[int, int], point: dict[str, Any]) -> None:
    """From 100 patterns on it is a long job's, from which a job of 99 is a hundredth away, at the most."""
    silent = {"mtbf": "5 d", "latency": point.pop("latency", None)}
    failures = {"silent": {key: one for key, one in silent.items() if one is not None}}
    unit = 5400.0 * pattern[0] + (7200.0 if "verify" in point else 0.0)
    each = []
    for units in (99, 101):
        job = job_of(job={"work": f"{unit * units} s"}, failures=failures, checkpoint=point)
        checked = Checked(job, job.partial_recovery, Pattern(*pattern))
        assert bool(checked.is_short(5400.0)) is (units == 99)
        each.append(float(checked.pls(5400.0)))
    assert each[0] == pytest.approx(each[1], rel=0.015)
    assert checked.pls(5400.0) == checked.long_pls(5400.0)
