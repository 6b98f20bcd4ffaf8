"""Whatever happens in whatever order, the advisor knows what work is safe: against a keeper that counts seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Advisor, Job
from tests.advising.book_keeper import BookKeeper

LEVELS = [
    {"name": "memory", "save": "9 s", "load": "9 s", "survives": 0.9},
    {"name": "remote", "save": "30 s", "load": "30 s", "every": 3},
]
PLANS: dict[str, dict[str, Any]] = {
    "blocking": {"save": "30 s", "load": "30 s"},
    "background": {"save": "5 s", "load": "30 s", "overlap": 0.9, "drain": "60 s"},
    "levels": {"level": LEVELS},
    "warnings": {"save": "30 s", "load": "30 s", "warning": {"lead": "2 min", "recall": 0.6}},
}


def plan(kind: str) -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "1000 h"},
            "failures": {"mtbf": "4 h"},
            "checkpoint": {**PLANS[kind], "reschedule": "1 min"},
        }
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


seconds = st.integers(0, 400)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.integers(1, 900)),
        st.tuples(st.just("saved"), seconds),
        st.tuples(st.just("started"), seconds),
        st.tuples(st.just("durable"), st.integers(0, 2)),
        st.tuples(st.just("void"), st.integers(0, 2)),
        st.tuples(st.just("failed"), seconds),
        st.tuples(st.just("healed"), seconds),
        st.tuples(st.just("paused"), seconds),
        st.tuples(st.just("suspended"), st.integers(50_000, 90_000)),
    ),
    max_size=40,
)


class Run:
    """An advisor and a keeper who are told the same."""

    def __init__(self, kind: str, state: Path | None = None) -> None:
        self.job, self.state = plan(kind), state
        self.clock = Clock()
        self.keeper = BookKeeper(len(self.job.checkpoint.level or (1,)))
        self.saves: list[Any] = []
        self.at_risk = self.paused = 0.0
        self.begin()

    def begin(self) -> None:
        self.advisor = Advisor(self.job, "full", self.state, clock=self.clock)
        self.saves = []
        self.tried_again = False

    def passes(self, some: float) -> None:
        self.clock.now += some
        self.at_risk += some

    def level(self) -> int:
        return 0 if self.advisor.level is None else ["memory", "remote"].index(self.advisor.level)

    def do(self, what: str, some: int) -> None:
        getattr(self, f"do_{what}")(some)

    def do_work(self, some: int) -> None:
        """In steps of ten seconds."""
        for step in [10] * (some // 10) + [some % 10] * (some % 10 > 0):
            self.passes(step)
            self.keeper.work(step)
            self.advisor.step()

    def do_saved(self, some: int) -> None:
        level = self.level()
        self.passes(some)
        self.keeper.start(level)
        self.keeper.durable(-1)
        self.advisor.saved(some)
        self.tried_again = False

    def do_started(self, some: int) -> None:
        level = self.level()
        self.passes(some)
        self.keeper.start(level)
        self.saves.append(self.advisor.save_started(some / 2, queued_s=some / 2))

    def do_durable(self, which: int) -> None:
        if which < len(self.saves):
            self.keeper.durable(which)
            self.advisor.save_durable(save=self.saves.pop(which))
            self.tried_again = False

    def do_void(self, which: int) -> None:
        if which < len(self.saves):
            self.keeper.void(which)
            self.tried_again = True
            self.advisor.save_failed(save=self.saves.pop(which))

    def do_failed(self, some: int) -> None:
        level = some % self.keeper.levels
        self.passes(some)
        self.keeper.everybody_returns(level)
        name = None if self.advisor.level is None else ["memory", "remote"][level]
        self.advisor.failed("shard", recovery_s=some, level=name)
        for save in self.saves:  # whatever is said of them now
            self.advisor.save_durable(save=save)
        self.saves = []
        self.tried_again = False

    def do_healed(self, some: int) -> None:
        self.passes(some)
        self.advisor.failed("trainer", recovery_s=some, healed=True)

    def do_paused(self, some: int) -> None:
        with self.advisor.paused():
            self.clock.now += some
        self.paused += some

    def do_suspended(self, some: int) -> None:
        """Between two steps, when their length is known: by nobody told."""
        self.do_work(200)
        self.clock.now += some
        self.paused += some
        self.advisor.step()

    def check(self) -> None:
        advisor, keeper = self.advisor, self.keeper
        assert advisor.unsaved_s == pytest.approx(keeper.unsaved(), abs=1e-6)
        assert advisor.saving == bool(keeper.under_way)
        assert not (advisor.saving and advisor.should_save())
        if advisor.should_save() and not self.tried_again:
            assert keeper.unsaved() >= advisor.interval_s - 1e-6


@pytest.mark.parametrize("kind", PLANS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(events=EVENTS)
def test_what_is_safe(kind: str, events: list[tuple[str, int]]) -> None:
    run = Run(kind)
    for what, some in events:
        before = run.advisor.seen
        run.do(what, some)
        run.check()
        if what in ("healed", "paused", "suspended"):  # nothing for the interval
            assert run.advisor.seen.failures == before.failures
    seen = run.advisor.seen
    assert seen.lost_s == pytest.approx(run.keeper.lost, abs=1e-6)
    assert seen.paused_s == pytest.approx(run.paused, abs=1e-6)
    with run.advisor.paused():
        pass  # all that has passed is counted
    assert run.advisor.seen.exposure_s == pytest.approx(run.at_risk, abs=1e-6)
    assert seen.useful_s <= run.at_risk + 1e-6


@pytest.mark.parametrize("kind", ["blocking", "levels"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(events=EVENTS, crashes=st.lists(st.tuples(st.integers(1, 12), seconds), max_size=4))
def test_what_is_known_after_crashes(
    kind: str, events: list[tuple[str, int]], crashes: list[tuple[int, int]]
) -> None:
    """Killed at any point and started again with what the keeper has: time at risk and losses come out right."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(kind, Path(folder) / "advisor.json")
        left = list(events)
        waited = 0.0  # for saves that were under way: the next process cannot know of that
        for count, recovery in [*crashes, (len(events), 0)]:
            for what, some in left[:count]:
                run.do(what, some)
                run.check()
                waited += some if what in ("started", "healed") else 0.0
            left = left[count:]
            run.do_work(10)
            took = run.keeper.everybody_returns()
            run.at_risk += recovery
            run.clock = Clock()
            run.begin()
            assert run.advisor.interrupted
            run.advisor.failed("whole_job", lost_s=took, recovery_s=recovery)
            run.check()
            assert run.advisor.unsaved_s == 0.0
        assert run.advisor.seen.lost_s == pytest.approx(run.keeper.lost, abs=1e-6)
        assert run.at_risk - waited - 1e-6 <= run.advisor.seen.exposure_s <= run.at_risk + 1e-6


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    worked=st.integers(0, 3600),
    lead=st.integers(1, 1200),
    step=st.sampled_from([1, 7, 10]),
    pending=st.booleans(),
)
def test_no_save_begins_that_cannot_end_in_time(worked: int, lead: int, step: int, pending: bool) -> None:
    """After a notice, every save that is asked for is there before the end, and the last one is a late one."""
    run, background = Run("blocking"), pending
    run.do_work(worked)
    if pending:
        run.do_started(10)
    end = run.clock.now + lead
    run.advisor.warned(lead)
    saves = []
    while run.clock.now < end:
        if pending and run.clock.now > end - lead + 20:
            run.do_durable(0)
            pending = False
        if run.advisor.should_save():
            run.do_saved(30)
            saves.append(run.clock.now)
            assert run.clock.now <= end
        run.do_work(step)
    if lead > 150:  # room for one at once, and one at the end
        assert len(saves) >= 2
    if lead > 150 and not background:  # else a save is believed to take longer
        assert end - saves[-1] <= 30 * 0.25 + 3 * step
