"""Saves in the background, what happened, ends that are announced: what is made of each, by hand."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Advisor, AdvisorWarning, DomainError, Job, SteadyState, plan
from cprmodel.advising import on_signals, slurm_time_left_s
from cprmodel.advising.learning import PRIOR_FAILURES
from cprmodel.advising.schedule import Schedule
from cprmodel.formulas import exact_interval

MTBF, HOUR = 28 * 3600.0, 3600.0
BLOCKING: dict[str, Any] = {"save": "4 min", "load": "4 min"}
DRAINS: dict[str, Any] = {"save": "10 s", "overlap": 0.9, "drain": "4 min", "load": "4 min"}
LEVELS: dict[str, Any] = {
    "level": [{"name": "memory", "save": "9 s", "survives": 0.9}, {"name": "remote", "save": "4 min"}]
}
WARNED: dict[str, Any] = {**BLOCKING, "warning": {"lead": "5 min", "recall": 0.6, "precision": 0.8}}


def job(checkpoint: dict[str, Any] = BLOCKING, **others: Any) -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "10000 h", **others},
            "failures": {"mtbf": "28 h"},
            "checkpoint": {**checkpoint, "reschedule": "10 min"},
        }
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# -- as it was planned -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoint", [DRAINS, LEVELS, WARNED], ids=["drains", "levels", "warned"])
def test_it_begins_as_the_plan_does(checkpoint: dict[str, Any], clock: Clock) -> None:
    advisor = Advisor(job(checkpoint), "full", None, clock=clock)
    strategy = plan(job(checkpoint))["full"].strategy
    assert advisor.interval_s == pytest.approx(strategy.interval_s, rel=1e-6)


def test_stall_drain_and_queue_are_learned_apart(clock: Clock) -> None:
    """The plan's 10 s and 4 min count as one more save; what it waited for others is no save's own."""
    advisor = Advisor(job(DRAINS), "full", None, clock=clock)
    for stall, queue, drain in ((20.0, 0.0, 300.0), (30.0, 100.0, 360.0)):
        clock.now += HOUR
        advisor.save_started(stall, queued_s=queue)
        clock.now += drain
        advisor.save_durable()
    assert advisor.save_s == pytest.approx((10 + 20 + 30) / 3)
    assert advisor.seen.queued_s == 100.0
    drain_s = (240 + 300 + 360) / 3
    believed = job({**DRAINS, "save": f"{advisor.save_s} s", "drain": f"{drain_s} s"}).with_mtbf(advisor.mtbf_s)
    found = SteadyState().full_interval(believed).interval_s
    assert advisor.interval_s == pytest.approx(found, rel=1e-6)
    text = advisor.why()
    assert "A save takes 20 s: 2 saves took 25 s on average, and the plan's 10 s counts as 1 more." in text
    assert "It goes on for 5 min in the background (2 saves took that)." in text
    assert "Training waited 1 min 40 s besides for saves before it." in text


def test_a_loop_that_saves_in_the_background_though_the_plan_blocks(clock: Clock) -> None:
    """The interval is set by the stall, and is no shorter than a save takes to be there."""
    advisor = Advisor(job(), "full", None, clock=clock)
    for _ in range(40):
        clock.now += 6000.0
        advisor.save_started(0.0)
        clock.now += 600.0
        advisor.save_durable()
    assert advisor.save_s == pytest.approx(240 / 41)
    assert 600.0 <= advisor.interval_s < exact_interval(240.0, advisor.mtbf_s)


def test_the_levels_take_turns_as_planned(clock: Clock) -> None:
    checkpoint = {"level": [LEVELS["level"][0], {**LEVELS["level"][1], "every": 3}]}
    advisor = Advisor(job(checkpoint), "full", None, clock=clock)
    went = []
    for _ in range(7):
        clock.now += HOUR
        assert advisor.level is not None
        went.append(advisor.level)
        advisor.saved(9.0 if advisor.level == "memory" else 240.0)
    assert went == ["memory", "memory", "remote"] * 2 + ["memory"]
    clock.now += HOUR
    assert advisor.unsaved_s == HOUR
    advisor.failed("shard", recovery_s=0.0, level="remote")  # memory was lost, too: two intervals are
    assert advisor.seen.lost_s == 2 * HOUR - 9.0
    assert "A save to memory takes 9 s: 5 saves took 9 s on average" in advisor.why()
    with pytest.raises(DomainError, match='saved: level = \'disk\': expected one of "memory", "remote"'):
        advisor.saved(1.0, level="disk")
    with pytest.raises(DomainError, match="expected one of none: the plan has no levels"):
        Advisor(job(), "full", None, clock=clock).saved(1.0, level="disk")


def test_announced_failures_count_where_the_plan_saves_on_warnings(clock: Clock) -> None:
    """They are failures like others, of the share that is announced; a plan without warnings leaves them out."""
    warned, plain = (Advisor(job(one), "full", None, clock=clock) for one in (WARNED, BLOCKING))
    for advisor in (warned, plain):
        advisor.warned(300.0)
    clock.now += 240.0
    for advisor in (warned, plain):
        advisor.saved(240.0)
    clock.now += 660.0
    for advisor in (warned, plain):
        advisor.failed("whole_job", lost_s=60.0, recovery_s=600.0)
    assert warned.mtbf_s == pytest.approx((PRIOR_FAILURES * MTBF + 900) / (PRIOR_FAILURES + 1))
    assert plain.mtbf_s == pytest.approx((PRIOR_FAILURES * MTBF + 900) / PRIOR_FAILURES)
    recall = (PRIOR_FAILURES * 0.6 + 1) / (PRIOR_FAILURES + 1)
    believed = job({**BLOCKING, "warning": {"lead": "5 min", "recall": recall, "precision": 0.8}})
    believed = believed.with_mtbf(warned.mtbf_s)
    assert warned.interval_s == pytest.approx(SteadyState().full_interval(believed).interval_s, rel=1e-6)


def test_warnings_that_are_mostly_false_are_not_heeded(clock: Clock) -> None:
    false = {**BLOCKING, "warning": {"lead": "5 min", "recall": 0.1, "precision": 0.001}}
    assert not Advisor(job(false), "full", None, clock=clock).warned(600.0)
    assert Advisor(job(false), "full", None, clock=clock).warned(600.0, save=True)
    assert Advisor(job(WARNED), "full", None, clock=clock).warned(600.0)


# -- saves that fail --------------------------------------------------------------------------------------------


def test_a_save_that_failed_is_tried_again_later_and_later(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += advisor.interval_s
    waits = []
    for _ in range(3):
        assert advisor.should_save()
        advisor.save_failed(60.0)
        asked = clock.now
        while not advisor.should_save():
            clock.now += 1.0
        waits.append(clock.now - asked)
    assert waits == pytest.approx([240.0, 480.0, 960.0])
    advisor.saved(240.0)
    assert advisor.seen.void == 3
    assert advisor.save_s == 240.0  # they are no saves
    clock.now += advisor.interval_s
    advisor.save_failed()
    clock.now += 240.0
    assert advisor.should_save()  # from the start again


def test_nothing_is_asked_for_while_a_save_is_under_way(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += advisor.interval_s
    save = advisor.save_started(10.0)
    clock.now += 300.0
    assert not advisor.should_save()
    assert not advisor.warned(1000.0)
    clock.now += 10.0
    advisor.save_durable(save=save)
    assert advisor.should_save()  # for the notice, which came after it had begun
    with pytest.raises(DomainError, match="save_durable: seconds = -1"):
        advisor.save_durable(-1.0)


def test_a_save_that_a_failure_made_void_is_not_taken_for_another(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += HOUR
    void = advisor.save_started(0.0)
    clock.now += 10.0
    advisor.failed("whole_job", recovery_s=10.0)
    clock.now += 600.0
    advisor.save_started(0.0)
    clock.now += 60.0
    advisor.save_durable(save=void)
    assert (advisor.saving, advisor.seen.saves, advisor.unsaved_s) == (True, 0, 660.0)
    advisor.save_failed(save=void)
    assert advisor.saving
    advisor.save_durable()
    assert (advisor.saving, advisor.seen.saves, advisor.unsaved_s) == (False, 1, 60.0)


# -- what happened ----------------------------------------------------------------------------------------------


def test_what_healed_is_no_failure_for_the_interval(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += HOUR
    advisor.failed("trainer", recovery_s=60.0, healed=True)
    assert advisor.unsaved_s == HOUR - 60.0  # nobody went back
    assert advisor.mtbf_s == pytest.approx((PRIOR_FAILURES * MTBF + HOUR) / PRIOR_FAILURES)
    assert "1 failure more healed without a roll-back." in advisor.why()


def test_time_that_stood_still_is_not_free_of_failures(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    for _ in range(100):
        clock.now += 2.0
        advisor.step()
    with advisor.paused():
        clock.now += 1000.0
        advisor.saved(50.0)  # whatever is told meanwhile
    clock.now += 8 * HOUR  # suspended overnight, between two steps
    assert not advisor.step()
    assert advisor.seen.paused_s == 1000.0 + 8 * HOUR
    assert advisor.seen.exposure_s == 200.0
    assert "It stood still for 8 h 17 min besides." in advisor.why()
    assert advisor.interval_steps == pytest.approx(advisor.interval_s / 2, rel=0.05)
    clock.now += 500.0  # a long step is one
    advisor.step()
    assert advisor.unsaved_s == 500.0


def test_the_length_of_a_step_is_a_recent_one(clock: Clock) -> None:
    """A hundred steps of a minute, then a hundred of a second."""
    advisor = Advisor(job(), "full", None, clock=clock)
    for length in (60.0, 1.0):
        for _ in range(100):
            clock.now += length
            advisor.step()
            if advisor.steps % 20 == 0:
                clock.now += 100.0
                advisor.saved(100.0)
    assert advisor.step_s == pytest.approx(1.0)


def test_an_interruption_that_nobody_explains_is_said_at_the_first_step(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Advisor(job(), "full", path, clock=clock)
    second = Advisor(job(), "full", path, clock=clock)
    with pytest.warns(AdvisorWarning, match="ended without a word: .* else with interrupted = False"):
        second.step()
    second.step()  # once
    third = Advisor(job(), "full", path, clock=clock)
    third.interrupted = False
    third.step()


@pytest.mark.parametrize("lives_s", [7.0, 100.0, 3000.0])
def test_short_crash_loops_keep_the_time_at_risk(lives_s: float, clock: Clock, tmp_path: Path) -> None:
    """Thirty processes that die before their first save, of which nothing is told but that they died."""
    path, recovery = tmp_path / "a.json", 60.0
    for _ in range(30):
        with warnings.catch_warnings():
            advisor = Advisor(job(), "full", path, clock=clock)
        if advisor.interrupted:
            advisor.failed("whole_job", recovery_s=recovery)
        for _ in range(int(lives_s)):
            clock.now += 1.0
            advisor.step()
    advisor = Advisor(job(), "full", path, clock=clock)
    advisor.failed("whole_job", recovery_s=recovery)
    assert advisor.seen.failures == 30
    assert advisor.seen.exposure_s == pytest.approx(30 * (lives_s + recovery), rel=0.35)
    assert 0.6 < advisor.seen.lost_s / (30 * lives_s) < 1.75  # death at the edges of what the file leaves open


# -- ends that are announced ------------------------------------------------------------------------------------


def test_a_deadline_is_a_notice(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    assert not advisor.warned(deadline=time.time() + 100.0)  # no save fits
    assert advisor.ending
    assert advisor.warned(deadline=time.time() + 1000.0)
    assert not advisor.ending
    for bad in ({}, {"lead_s": 3.0, "deadline": 4.0}):
        with pytest.raises(DomainError, match="warned: expected either lead_s or deadline"):
            advisor.warned(**bad)


def test_the_job_s_time_limit(clock: Clock) -> None:
    """The last save is there just before the end, whatever the interval; nothing begins that cannot end."""
    advisor = Advisor(job(step="1 min"), "full", None, clock=clock, time_limit_s=1.5 * HOUR)
    end = clock.now + 1.5 * HOUR
    asked = []
    while clock.now < end:
        clock.now += 60.0
        if advisor.step():
            asked.append(clock.now)
            clock.now += 240.0
            advisor.saved(240.0)
    assert len(asked) == 1
    assert asked[0] < end - 240.0 < asked[0] + 2 * 60.0 + 60.0
    late = Advisor(job(step="1 min"), "full", None, clock=clock, time_limit_s=200.0)
    assert late.ending
    clock.now += 10 * HOUR
    assert not Advisor(job(), "full", None, clock=clock, time_limit_s=0.0).ending  # it has come
    with pytest.raises(DomainError, match="Advisor: time_limit_s = -1"):
        Advisor(job(), "full", None, clock=clock, time_limit_s=-1)


def test_a_due_save_that_no_longer_fits_is_not_asked_for(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    clock.now += advisor.interval_s + 1.0
    assert advisor.should_save()
    advisor.warned(200.0, save=False)
    assert not advisor.should_save()
    clock.now += 300.0  # a false alarm
    advisor.step()
    assert advisor.should_save()


def test_signals_are_notices(clock: Clock) -> None:
    advisor = Advisor(job(), "full", None, clock=clock)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    with on_signals(advisor.warned, {signal.SIGTERM: 30.0, signal.SIGUSR1: 600.0}):
        os.kill(os.getpid(), signal.SIGTERM)
        assert advisor.ending  # 30 s are too few for a save
        os.kill(os.getpid(), signal.SIGUSR1)
        assert advisor.should_save()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_a_notice_in_the_middle_of_reckoning_is_heard(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler runs between any two instructions: here, after the due time was reckoned without it."""
    advisor = Advisor(job(), "full", None, clock=clock)
    reckon = Schedule._due_at

    def interrupted(self: Schedule, now: float, known: Any) -> float:
        due = reckon(self, now, known)
        if not advisor.announced:
            advisor.warned(600.0)
        return due

    monkeypatch.setattr(Schedule, "_due_at", interrupted)
    clock.now += 10.0
    advisor.save_failed()
    assert advisor.should_save()


def test_slurm_says_how_long_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(time.time() - 5))
    assert slurm_time_left_s() == 0.0
    monkeypatch.setenv("SLURM_JOB_END_TIME", "tomorrow")
    assert slurm_time_left_s() is None


def test_the_reasons_as_numbers(clock: Clock) -> None:
    """Plain numbers, as a dashboard takes them, and those that why() says."""
    advisor = Advisor(job(DRAINS), "full", None, clock=clock)
    clock.now += HOUR
    advisor.save_started(20.0)
    clock.now += 300.0
    advisor.save_durable()
    clock.now += 100.0
    found = advisor.numbers()
    assert all(isinstance(one, (int, float)) for one in found.values())
    assert found["interval_s"] == advisor.interval_s
    assert found["save_s"] == 15.0
    assert found["drain_s"] == 270.0
    assert found["unsaved_s"] == 400.0
    assert (found["saves"], found["failures"], found["exposure_s"]) == (1, 0, HOUR + 400.0)
    assert found["due_in_s"] == pytest.approx(advisor.interval_s - 400.0)
    assert found["overhead_fraction"] == pytest.approx(20.0 / (HOUR + 380.0))
