"""On a warning the advisor asks for a save to the level that the plan saves to then."""

from __future__ import annotations

from typing import Any

from cprmodel import Advisor, Job


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def advisor(clock: Clock, **warning: Any) -> Advisor:
    levels = [
        {"name": "memory", "save": "9 s", "load": "9 s", "survives": 0.9},
        {"name": "remote", "save": "4 min", "load": "4 min", "every": 1},
    ]
    point = {"level": levels, "reschedule": "1 min", "warning": {"recall": 0.6, **warning}}
    data = {"job": {"work": "1000 h"}, "failures": {"mtbf": "4 h"}, "checkpoint": point}
    return Advisor(Job.from_mapping(data), "full", None, clock=clock)


def test_a_warned_save_goes_to_the_level_that_can_be_written_in_time() -> None:
    clock = Clock()
    asked = advisor(clock, lead="2 min")
    clock.now = 60.0
    assert asked.level == "remote"  # every save goes there
    assert asked.warned(120.0)  # 4 min would not fit
    assert asked.level == "memory"
    clock.now += 9
    asked.saved(9.0)
    assert asked.unsaved_s == 0


def test_a_warned_save_goes_to_the_last_level_where_that_can_be_written() -> None:
    clock = Clock()
    asked = advisor(clock, lead="5 min")
    clock.now = 60.0
    assert not asked.warned(120.0)  # this notice comes later than planned
    asked = advisor(clock, lead="5 min", level="memory")
    assert asked.warned(120.0)
    assert asked.level == "memory"
