"""What chance had in a run: zero on average whatever the run does, and most of what scatters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cprmodel.facts.strategies import FailureMix
from validation.experiment.chance import Chance, chance_in


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


def test_by_hand() -> None:
    """Shard 0 dies after 6.5 s, of 10 steps with 2 shards; MTBF 100 s.

    On average both would have lost, second by second, 0, 1, 2, 3 | 0, 1, 2 for half a second, then 1 (shard 0 has
    nothing more to lose, shard 1 has 2) for the other half, 2, 3, 4: in all 17.5 steps of a shard.
    """
    events = by_hand("partial", failure("shard", 6.5, 0), failure("shard", 10.5, 1))
    found = chance_in(events, FailureMix(mtbf_s=100.0))
    assert found.failures == pytest.approx(1 - 10 / 100)  # the second one comes too late
    assert found.pls == pytest.approx(2 / 20 - 17.5 / 100 / 20)
    assert found.steps == 0.0


def test_by_hand_where_everybody_goes_back() -> None:
    """The same for full recovery; the step under way then is done all the same and rolled back at 7.2 s."""
    events = by_hand("full", failure("shard", 6.5, 0))
    at = next(number for number, event in enumerate(events) if event["at"] == 13.0)
    events.insert(at, {"event": "recovered", "at": 12.2})
    found = chance_in(events, FailureMix(mtbf_s=100.0))
    told = (
        6 + 0 + 1 + 0.5 * 2 + 0.2 * 1 + 0 + 1 + 2
    )  # seconds 1-4, 5, 6, 7 (half; then 0; then 1 until 7.2), 8 to 10
    assert found == Chance(pytest.approx(0.9), pytest.approx(2 - told / 100), 0.0)
    nobody = chance_in(
        by_hand("partial", failure("trainer", 6.5)), FailureMix(mtbf_s=100.0, shard_share=0.0, trainer_share=1.0)
    )
    assert (nobody.steps, nobody.pls) == (0.0, 0.0)


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
        found.append(chance_in(events, mix))
        lost.append(pls)
    for name in ("failures", "steps", "pls"):
        of = np.array([getattr(one, name) for one in found])
        assert abs(of.mean()) <= 4 * of.std(ddof=1) / len(of) ** 0.5
    if recovery == "partial":
        without = np.array(lost) - [one.pls for one in found]
        assert without.std() < (0.4 if whole_job == 0 else 0.8) * np.std(lost)
    assert {bool(one.steps) for one in found} == {recovery == "full" or whole_job > 0}


def test_failures_at_steps_have_no_chance() -> None:
    events = by_hand("partial", {"kind": "shard", "at_s": None, "at_step": 3, "shards": [0]})
    assert chance_in(events, FailureMix(mtbf_s=float("inf"))) == Chance()
