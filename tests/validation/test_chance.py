"""What chance had in a run: zero on average whatever the run does, and most of what scatters."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.integrate import quad

from cprmodel.facts.strategies import FailureMix
from validation.experiment.chance import Chance, chance_in

MTBF = 100.0


def started(recovery: str, failures: list[dict[str, Any]], steps: int, shards: int) -> dict[str, Any]:
    case = {
        "strategy": {"recovery": recovery},
        "shards": {"count": shards},
        "data": {"samples": steps * 32, "batch_size": 32},
    }
    return {"event": "start", "at": 0.0, "case": case, "failures": failures}


def failure(kind: str, at_s: float, *shards: int) -> dict[str, Any]:
    return {"kind": kind, "at_s": at_s, "shards": list(shards)}


def by_hand(recovery: str, *failures: dict[str, Any]) -> list[dict[str, Any]]:
    """Ten steps of a second from the fifth second on, two shards, a save after the fourth step."""
    events = [started(recovery, list(failures), 10, 2), {"event": "ready", "at": 5.0, "step": 0}]
    for step in range(1, 11):
        events.append({"event": "step", "at": 5.0 + step, "step": step})
        if step == 4:
            events.append({"event": "save", "at": 9.0})
    return [*events, {"event": "trained", "at": 15.0}, {"event": "stop", "at": 16.0}]


def over(of: Callable[[float], float], *until: float) -> float:
    """The integral of what a failure brings, over stretches from nothing on; in MTBFs."""
    return sum(quad(of, 0.0, end)[0] for end in until) / MTBF


def again(seconds: float) -> float:
    """What a failure after so long brings of the same: it, and what strikes until as much is done again."""
    return MTBF * math.expm1(seconds / MTBF)


def gone_on(events: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    return sorted([*events, {"event": "recovered", "at": at}], key=lambda event: event["at"])


def test_by_hand() -> None:
    """Shard 0 dies after 6.5 s, of 10 steps with 2 shards; training goes on at 8.2 s.

    On average both would have lost, second by second, 0, 1, 2, 3 | 0, 1, 2 for half a second, then 1 (shard 0 has
    nothing more to lose, shard 1 has 2) for the other half, 2, 3, 4: in all 17.5 steps of a shard. Each failure
    brings one stop, of 0.5 s of rescheduling and 1.5 s to load.
    """
    events = gone_on(by_hand("partial", failure("shard", 6.5, 0), failure("shard", 10.5, 1)), 13.2)
    found = chance_in(events, FailureMix(mtbf_s=MTBF), 0.5, 1.5)
    reschedules, loads = again(0.5) * math.exp(1.5 / MTBF), again(1.5)
    at_work = (6.5 + 1.8) / MTBF  # the second one comes too late
    assert found.load_s == pytest.approx(loads * (1 - at_work) - over(again, 1.2))
    meanwhile = over(again, 0.5) + over(lambda x: again(0.5) * math.exp(x / MTBF), 1.2)
    assert found.reschedule_s == pytest.approx(reschedules * (1 - at_work) - meanwhile)
    assert found.pls == pytest.approx(2 / 20 - 17.5 / MTBF / 20)
    assert found.lost_s == 0.0


def test_by_hand_where_a_save_is_struck() -> None:
    """It begins after 3.5 s: in its half second a failure brings what was done of it, and its stops again."""
    events = by_hand("partial", failure("shard", 3.7, 0))
    events.insert(next(at for at, one in enumerate(events) if one["at"] == 9.0), {"event": "begin_save", "at": 8.5})
    found = chance_in(events, FailureMix(mtbf_s=MTBF), 0.0, 2.0)
    assert found.lost_s == pytest.approx(again(0.2) - over(again, 0.2))
    struck = math.exp(0.2 / MTBF) - 3.5 / MTBF - over(lambda x: math.exp(x / MTBF), 0.2)
    assert found.load_s == pytest.approx(again(2.0) * struck - over(again, 6.3))


def test_by_hand_where_everybody_goes_back() -> None:
    """The same for full recovery, saved after 4 s; a second failure strikes the stop, which ends at 8.2 s."""
    events = gone_on(by_hand("full", failure("shard", 6.5, 0), failure("shard", 7.5, 0)), 13.2)
    found = chance_in(events, FailureMix(mtbf_s=MTBF), 0.0, 2.0)
    assert found.lost_s == pytest.approx(again(2.5) - over(again, 4.0, 2.5, 1.8))
    strikes = again(2.0) * math.exp(2.5 / MTBF) + again(1.0)
    at_work = over(lambda x: again(2.0) * math.exp(x / MTBF), 4.0, 2.5, 1.8)
    assert found.load_s == pytest.approx(strikes - at_work - over(again, 1.0, 0.7))
    assert (found.reschedule_s, found.pls) == (0.0, 0.0)
    nobody = chance_in(
        by_hand("partial", failure("trainer", 6.5)), FailureMix(mtbf_s=MTBF, shard_share=0.0, trainer_share=1.0)
    )
    assert (nobody.lost_s, nobody.pls) == (0.0, 0.0)


@given(
    st.floats(0.2, 30.0),
    st.floats(0.0, 3.0),
    st.floats(0.0, 4.0),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 2**32),
)
@example(1.0, 0.3, 0.7, [5, 5, 2], 5)
def test_where_costs_are_what_they_are_no_scatter_is_left(
    mtbf: float, save_s: float, stop_s: float, segments: list[int], seed: int
) -> None:
    """Full recovery with steps of a second, and saves and stops of fixed length that failures strike, too: in every
    run the time without chance is its expectation, M e^(D/M) (e^(L/M) - 1) for each stretch of L with its save
    (docs/models/makespan.md).
    """
    random = Random(seed)
    stretches = [steps + save_s for steps in segments]
    assume(sum(math.exp((one + stop_s) / mtbf) for one in stretches) < 60.0)  # failures on average
    plan: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = [{"event": "ready", "at": 0.0, "step": 0}]
    now, struck = 0.0, random.expovariate(1 / mtbf)

    def done(seconds: float) -> bool:
        nonlocal now, struck
        if struck > now + seconds:
            now += seconds
            return True
        now = struck
        struck += random.expovariate(1 / mtbf)
        plan.append(failure("shard", now, 0))
        return False

    for length in stretches:
        while not done(length):
            while not done(stop_s):
                pass
            events.append({"event": "recovered", "at": now})
        events.append({"event": "save", "at": now})
    events.append({"event": "trained", "at": now})
    log, mix = [started("full", plan, 10, 2), *events], FailureMix(mtbf_s=mtbf)
    exact = sum(math.exp(stop_s / mtbf) * mtbf * math.expm1(one / mtbf) for one in stretches)
    for load_s in (0.0, stop_s / 3, stop_s):  # however a stop is divided
        found = chance_in(log, mix, stop_s - load_s, load_s)
        chance = found.lost_s + found.reschedule_s + found.load_s
        assert now - chance == pytest.approx(exact, rel=1e-9, abs=1e-9 * now)


def run(recovery: str, mix: FailureMix, rng: np.random.Generator) -> tuple[list[dict[str, Any]], float]:
    """Forty steps of random length on three shards, saved every seven, struck at any time; and what it lost.

    A run of its own kind, which no model describes: saves take longer the later, and stops the more failures came
    before, which strike nothing that is not there.
    """
    steps, shards, every = 40, 3, 7
    times = np.cumsum(rng.exponential(mix.mtbf_s, size=400))
    kinds = rng.choice(["shard", "whole_job"], size=400, p=[1 - mix.whole_job_share, mix.whole_job_share])
    plan = [
        failure(kind, float(at), *([int(rng.integers(shards))] if kind == "shard" else []))
        for at, kind in zip(times, kinds, strict=True)
    ]
    events = [started(recovery, plan, steps, shards), {"event": "ready", "at": 0.0, "step": 0}]
    now, done, saved, struck = 0.0, 0, 0, 0
    kept, lost, pending = [0] * shards, 0.0, 0.0

    def spend(seconds: float) -> bool:
        """False where a failure cut it short; then the stop has passed, which later failures lengthen."""
        nonlocal now, done, struck, pending
        if plan[struck]["at_s"] > now + seconds:
            now += seconds
            return True
        back = False
        until = plan[struck]["at_s"]
        while plan[struck]["at_s"] <= until:
            one, struck = plan[struck], struck + 1
            until = one["at_s"] + 1.0 + 0.2 * struck
            if recovery == "full" or one["kind"] == "whole_job":
                back = True
            for shard in one["shards"]:
                pending += done - kept[shard]
                kept[shard] = done
        now = until
        if back:
            done, pending = saved, 0.0
            kept[:] = [saved] * shards
        events.append({"event": "recovered", "at": now})
        return False

    while done < steps:
        if done and done % every == 0 and saved < done:
            if spend(0.3 + 0.02 * done):
                saved, lost, pending = done, lost + pending, 0.0
                kept[:] = [done] * shards
                events.append({"event": "save", "at": now})
            continue
        if spend(float(rng.uniform(0.5, 1.5))):
            done += 1
            events.append({"event": "step", "at": now, "step": done})
    events.append({"event": "trained", "at": now})
    return events, (lost + pending) / (steps * shards)


@pytest.mark.parametrize(("recovery", "whole_job"), [("partial", 0.0), ("partial", 0.2), ("full", 0.0)])
def test_chance_is_zero_on_average_and_most_of_the_scatter(recovery: str, whole_job: float) -> None:
    """1,200 runs each: the mean within four standard errors of zero. PLS without it scatters far less."""
    mix = FailureMix(mtbf_s=9.0, shard_share=1 - whole_job, whole_job_share=whole_job)
    rng = np.random.default_rng(24)
    found, lost = [], []
    for _ in range(1200):
        events, pls = run(recovery, mix, rng)
        found.append(chance_in(events, mix, 1.0, 0.5))
        lost.append(pls)
    for name in ("lost_s", "reschedule_s", "load_s", "pls"):
        of = np.array([getattr(one, name) for one in found])
        assert abs(of.mean()) <= 4 * of.std(ddof=1) / len(of) ** 0.5
    if recovery == "partial":
        without = np.array(lost) - [one.pls for one in found]
        assert without.std() < (0.4 if whole_job == 0 else 0.8) * np.std(lost)
    assert {bool(one.lost_s) for one in found} == {recovery == "full" or whole_job > 0}


def test_failures_at_steps_have_no_chance() -> None:
    events = by_hand("partial", {"kind": "shard", "at_s": None, "at_step": 3, "shards": [0]})
    assert chance_in(events, FailureMix(mtbf_s=float("inf"))) == Chance()
