"""When a failure comes that aims into a step or a reading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from validation.supervisor.pace import Pace

STEP: dict[str, Any] = {"data_s": 0.1, "lookup_s": 0.1, "compute_s": 0.6, "update_s": 0.1, "copy_s": 0.1}


def told(*events: tuple[str, float]) -> Pace:
    pace = Pace()
    for event, at in events:
        pace.stop(at) if event == "dead" else pace.hear(event, at, {**STEP, "shards": [0, 1]})
    return pace


@pytest.mark.parametrize(
    ("events", "at", "moment"),
    [
        ([("ready", 0.0)], 0.5, math.inf),  # how long a step takes is not known yet
        ([("step", 5.0)], 4.2, 5.3),
        ([("step", 5.0)], 5.3, 5.3),
        ([("step", 5.0)], 5.4, math.inf),  # the next step
        ([("step", 5.0), ("begin_save", 5.1)], 5.2, 5.2),  # whatever of the save has passed
        ([("step", 5.0), ("begin_save", 5.1)], 5.05, math.inf),  # it has waited for a step
        ([("step", 5.0), ("begin_save", 5.1), ("save", 6.0)], 5.05, 6.3),
        ([("begin_save", 0.0), ("save", 1.0)], 0.5, math.inf),  # before the first step
        ([("step", 5.0), ("dead", 5.4)], 5.6, 5.6),  # in a stop
        ([("step", 5.0), ("dead", 5.4), ("save", 5.5)], 5.6, 5.6),  # ... where a save was completed all the same
        ([("step", 5.0), ("dead", 5.4)], 5.2, math.inf),
        ([("step", 5.0), ("dead", 5.4), ("step", 6.0)], 6.5, 6.5),  # a step that was done in it all the same
        ([("step", 5.0), ("dead", 5.4), ("recovered", 6.0)], 5.6, math.inf),  # a step that has gone on before
        ([("step", 5.0), ("dead", 5.4), ("recovered", 6.0), ("step", 6.6)], 5.6, 6.9),
    ],
)
def test_one_aims_into_a_step_and_comes_in_saves_and_stops_when_it_may(
    events: list[tuple[str, float]], at: float, moment: float
) -> None:
    assert told(*events).moment(at, 0.3) == pytest.approx(moment)
    assert told(*events).moment(at, None) == at


def test_a_step_that_was_done_some_time_before_tells_nothing() -> None:
    """A trainer that starts anew tells of one that nobody had heard of, without its parts."""
    pace = told(("ready", 0.0))
    pace.hear("step", 1.0, {"step": 3, "samples": 32, "loss": None, "replayed": False, "unheard": True})
    assert pace.moment(1.2, 0.3) == math.inf


def test_whatever_its_time_one_strikes_so_far_into_a_step() -> None:
    """A clock of steps of one second and saves of a half, every third step: shares of the time are kept, too."""
    in_saves, tries = 0, 4000
    rng = np.random.default_rng(7)
    for _ in range(tries):
        at, into = float(rng.uniform(3.5, 3.5 + 100 * 3.5)), 0.7
        pace, now, struck = Pace(), 0.0, math.inf
        for number in range(1, 400):
            now += 1.0
            pace.hear("step", now, STEP)
            until = now if number % 3 == 0 else now + 1.0
            struck = pace.moment(at, into)
            if struck < until:
                assert struck == pytest.approx(now + into)
                break
            if number % 3 == 0:
                pace.hear("begin_save", now, {})
                struck = pace.moment(at, into)
                if struck < now + 0.5:
                    in_saves += 1
                    assert struck == at
                    break
                now += 0.5
                pace.hear("save", now, {})
                struck = pace.moment(at, into)
                if struck < now + 1.0:
                    assert struck == pytest.approx(now + into)
                    break
        assert at <= struck < at + 2.6
    share = 0.5 / 3.5
    assert in_saves / tries == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / tries))


def test_into_a_reading_it_is_by_the_last_one_of_as_many_shards() -> None:
    pace = Pace()
    assert not pace.has_read
    for shards, seconds in ((8, 4.0), (1, 1.0), (8, 2.0)):
        pace.hear("begin_load", 10.0, {"shards": list(range(shards))})
        pace.hear("recovered", 10.0 + seconds, {})
    assert pace.has_read
    for shards, whole in ((8, 2.0), (1, 1.0), (2, 1.0)):  # of two shards none was seen: the shortest
        pace.hear("begin_load", 20.0, {"shards": list(range(shards))})
        assert pace.into_reading_s(0.25) == pytest.approx(0.25 * whole)
    pace.stop(20.5)
    pace.hear("recovered", 30.0, {})  # struck: how long it takes is not known from it
    assert pace.into_reading_s(1.0) == pytest.approx(1.0)
