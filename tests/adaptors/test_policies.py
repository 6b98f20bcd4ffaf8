"""Policies asked as Orbax and Composer ask them, by their sources, on a clock of the test's own.

``tests/adaptors/test_frameworks.py`` has the real ones.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from cprmodel import Advisor, Job
from cprmodel.adaptors.policies import OrbaxPolicy, composer_interval
from cprmodel.facts.errors import DomainError

PLAN: dict[str, Any] = {
    "job": {"work": "10000 h"},
    "failures": {"mtbf": "28 h"},
    "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
}
STEP_S, STALL_S, DRAIN_S = 60.0, 30.0, 600.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Manager:
    """What Orbax 0.12.8's CheckpointManager does around a policy, where saves go on in the background."""

    def __init__(self, policy: OrbaxPolicy, clock: Clock, drain_s: float) -> None:
        self.policy, self.clock, self.drain_s = policy, clock, drain_s
        self.infos: list[Any] = []
        self.until = -1.0
        self.preempted_at = -1

    def save(self, step: int, force: bool = False) -> bool:
        context = SimpleNamespace(
            is_saving_in_progress=self.clock.now < self.until, reached_preemption=step == self.preempted_at
        )
        info = SimpleNamespace(step=step)
        if not force and not self.policy.should_save(info, self.infos, context=context):
            return False
        self.clock.now += STALL_S + max(0.0, self.until - self.clock.now)  # it waits for an earlier one
        self.infos.append(info)
        self.until = self.clock.now + self.drain_s
        return True


def played(drain_s: float, steps: int = 2000, force_at: int = -1) -> tuple[Advisor, Manager, list[int]]:
    clock = Clock()
    advisor = Advisor(Job.from_mapping(PLAN), "full", None, clock=clock)
    manager = Manager(OrbaxPolicy(advisor, clock=clock), clock, drain_s)
    saved = []
    for step in range(1, steps):
        clock.now += STEP_S
        if manager.save(step, force=step == force_at):
            saved.append(step)
    return advisor, manager, saved


def test_orbax_saves_that_go_on_in_the_background_are_learned() -> None:
    """The stall less a step, and the drain to a step."""
    advisor, _, saved = played(DRAIN_S)
    seen = advisor.seen
    assert len(saved) > 5
    assert seen.drains == seen.saves == len(saved)
    assert seen.saving_s / seen.saves == pytest.approx(STALL_S, abs=1.0)
    assert seen.drain_s / seen.drains == pytest.approx(DRAIN_S, abs=STEP_S)
    gaps = [after - before for before, after in pairwise(saved)]
    alone = advisor.interval_s / STEP_S
    assert gaps[-1] == pytest.approx(alone, abs=2)


def test_orbax_saves_that_block_are_learned() -> None:
    advisor, _, saved = played(0.0)
    assert advisor.seen.drains == 0
    assert advisor.seen.saves == len(saved)
    assert advisor.seen.saving_s / len(saved) == pytest.approx(STALL_S, abs=1.0)


def test_orbax_saves_that_were_forced_count() -> None:
    advisor, _, saved = played(0.0, steps=60, force_at=40)
    assert saved == [40]
    assert advisor.seen.saves == 1
    assert advisor.seen.saving_s == pytest.approx(STALL_S, abs=1.0)
    assert advisor.unsaved_s < 25 * STEP_S


def test_orbax_a_preemption_is_saved_for_and_no_failure_of_the_interval() -> None:
    clock = Clock()
    advisor = Advisor(Job.from_mapping(PLAN), "full", None, clock=clock)
    manager = Manager(OrbaxPolicy(advisor, clock=clock), clock, 0.0)
    manager.preempted_at = 20
    found = []
    for step in range(1, 21):
        clock.now += STEP_S
        found.append(manager.save(step))
    assert found == [False] * 19 + [True]
    assert advisor.announced


def test_orbax_many_processes_save_in_the_same_steps_and_seldom_talk() -> None:
    """Clocks differ; a broadcast that not all processes called would hang: there are as many on each."""
    barrier, box = threading.Barrier(2), [[0.0]]
    talks, saved = [0, 0], [list[int](), list[int]()]

    def process(rank: int) -> None:
        clock = Clock()
        clock.now = 5000.0 * rank

        def broadcast(numbers: list[float]) -> list[float]:
            talks[rank] += 1
            if rank == 0:
                box[0] = numbers
            barrier.wait(30)
            given = box[0]
            barrier.wait(30)
            return given

        advisor = Advisor(Job.from_mapping(PLAN), "full", None, clock=clock) if rank == 0 else None
        policy = OrbaxPolicy(advisor, broadcast=broadcast, notice_s=1800.0, clock=clock)
        manager = Manager(policy, clock, 0.0)
        for step in range(1, 1000):
            clock.now += STEP_S * (1.0 + 0.1 * rank)
            if manager.save(step):
                saved[rank].append(step)

    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert saved[0] == saved[1]
    assert len(saved[0]) > 3
    assert talks[0] == talks[1] < 1000 / 30 + 6 * len(saved[0]) + 12


def test_orbax_needs_an_advisor_or_somebody_who_has_one() -> None:
    with pytest.raises(DomainError, match="expected an advisor, or the broadcast of process 0"):
        OrbaxPolicy(None)


@pytest.mark.parametrize("epochs", [1, 4])
def test_composer_learns_what_a_save_costs_and_saves_the_last_state(epochs: int) -> None:
    """Batches, and after each epoch a question more; its CheckpointSaver never saves one batch twice."""
    clock = Clock()
    advisor = Advisor(Job.from_mapping(PLAN), "full", None, clock=clock)
    save_interval, steps = composer_interval(advisor, clock=clock), 1003
    saved: list[int] = []
    for batch in range(1, steps + 1):
        clock.now += STEP_S
        elapsed = batch / steps
        state = SimpleNamespace(
            timestamp=SimpleNamespace(batch=batch), get_elapsed_duration=lambda now=elapsed: now
        )
        events = ["batch_checkpoint"] + ["epoch_checkpoint"] * (batch % (steps // epochs) == 0)
        for event in events:
            if save_interval(state, SimpleNamespace(value=event)):
                assert saved[-1:] != [batch]
                saved.append(batch)
                clock.now += STALL_S
    assert saved[-1] == steps
    assert len(saved) > 5
    assert advisor.seen.saves == len(saved) - 1  # nobody asks after the last
    assert advisor.seen.saving_s / advisor.seen.saves == pytest.approx(STALL_S, abs=1.0)


def test_a_process_that_died_is_one_failure(tmp_path: Any) -> None:
    for times in (1, 2):
        advisor = Advisor(Job.from_mapping(PLAN), "full", tmp_path / f"{times}.json")
        del advisor
        again = Advisor(Job.from_mapping(PLAN), "full", tmp_path / f"{times}.json")
        assert again.interrupted
        if times == 1:
            calm = SimpleNamespace(is_saving_in_progress=False, reached_preemption=False)
            OrbaxPolicy(again).should_save(SimpleNamespace(step=1), [], context=calm)
        else:
            state = SimpleNamespace(timestamp=SimpleNamespace(batch=1), get_elapsed_duration=lambda: None)
            composer_interval(again)(state, "batch_checkpoint")
        assert again.seen.failures == 1
        again.close()
