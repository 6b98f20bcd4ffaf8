"""What is kept between planned stops beside saves on warnings: the long run, and the grid that follows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cprmodel import Job
from cprmodel.costing import warned_stops as counting
from cprmodel.costing.setting import Setting
from cprmodel.costing.warned_stops import until_warned
from cprmodel.facts.strategies import Strategy
from tests.costing.test_stored_stops import DAY, HOUR, NIGHT, PLAIN, SHARDED, as_played, job_of, strategy_of

SURE = {"lead": "31 min", "recall": 0.7, "precision": 0.6, "save": "4 min"}
LATE = {**SURE, "lead": "5 min", "save": ["4 min", "7 min"]}


def warned(warning: dict[str, Any], mtbf: str, planned: Any = NIGHT, **job: Any) -> Job:
    tables = {name: keys for name, keys in SHARDED.items() if name != "checkpoint"}
    return job_of({**PLAIN, "warning": warning, **SHARDED["checkpoint"]}, planned, mtbf, **tables, job=job)


def whole(job: Job, hours: float, partial: bool = False) -> tuple[Strategy, float, float]:
    """A strategy, and work and saves in a second of the long run."""
    strategy = strategy_of(job, hours, partial)
    run = Setting.of(job, strategy.recovery).run(strategy.saving, strategy.interval_s).breakdown  # type: ignore[arg-type]
    total, save = (float(np.ravel(one)[0]) for one in (run.total, run.save))
    return strategy, 1 / (1 + total), save / (1 + total)


@pytest.mark.parametrize(
    ("warning", "mtbf", "within"),
    [(SURE, "3 h", 1e-9), (SURE, "2 d", 1e-9), (SURE, "1000 d", 1e-9), (LATE, "2 d", 2e-4), (LATE, "1000 d", 2e-4)],
)
def test_the_long_run_is_that_of_jobs_without_stops(warning: dict[str, Any], mtbf: str, within: float) -> None:
    """From one new beginning to the next, and block by block: derived apart, of saves that do not scatter the same.

    Of others each is as long as the mean one that is in time.
    """
    job = warned(warning, mtbf)
    strategy, work, saves = whole(job, 5.0)
    found = until_warned(job, strategy).of.in_the_long_run()
    assert found == pytest.approx([work, saves], rel=within)


def test_repairs_of_a_part_in_the_long_run() -> None:
    """They take their mean of the clock: within .05 points of work."""
    for mtbf in ("12 h", "5 d"):
        job = warned(SURE, mtbf)
        strategy, work, _ = whole(job, 5.0, partial=True)
        assert until_warned(job, strategy).of.in_the_long_run()[0] == pytest.approx(work, abs=5e-4)


@pytest.mark.parametrize("partial", [False, True])
def test_a_long_time_keeps_as_much_as_the_long_run(partial: bool) -> None:
    """What is beyond so many cycles is not followed: a time that is longer by one keeps as much more."""
    job = warned(SURE, "2 d")
    strategy, _, _ = whole(job, 5.0, partial)
    until = until_warned(job, strategy)
    cycle = until.of.cycle_s
    times = np.array([60.3, 150.3, 150.3 + 1000.0]) * cycle
    kept, saves = until.kept_in(times, np.zeros(3, dtype=bool))
    for found, each in zip((kept, saves), until.of.in_the_long_run(), strict=True):
        assert (found[1] - found[0]) / (90 * cycle) == pytest.approx(each, rel=1e-4)
        assert (found[2] - found[1]) / (1000 * cycle) == pytest.approx(each, rel=1e-4)


def test_the_grid_is_fine_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many points change the work of a day by less than a second and a half, .002 points."""
    job = warned(SURE, "1 d")
    times = np.array([23 * HOUR, 7 * DAY, 1.5 * DAY])
    for hours in (2.7, 7.5, 19.0):
        until = until_warned(job, strategy_of(job, hours))
        coarse = until.kept_in(times, np.array([False, True, False]))[0]
        with monkeypatch.context() as change:
            change.setattr(counting, "_POINTS", 4 * counting._POINTS)
            change.setattr(counting, "_LEAST", 4 * counting._LEAST)
            fine = until.kept_in(times, np.array([False, True, False]))[0]
        assert np.max(np.abs(coarse - fine) / times) < 1.5 / DAY


def test_where_nothing_fails_it_is_what_a_clock_has_room_for() -> None:
    """Of 23 h a load and the last save leave 22 h 35 min: two times 8 h 15 min, and 6 h 5 min."""
    job = warned(SURE, "11000000 d")
    until = until_warned(job, strategy_of(job, 8.0))
    work, saves = until.kept_in(np.array([23 * HOUR, 24 * 60.0]), np.zeros(2, dtype=bool))
    assert work == pytest.approx([22 * HOUR + 300.0, 0.0], abs=0.1)
    assert saves == pytest.approx([2700.0, 0.0], abs=0.1)


@pytest.mark.parametrize(
    ("warning", "mtbf", "hours", "partial", "step"),
    [
        (SURE, "1 d", 5.0, True, "25 min"),
        ({**SURE, "save": "30 min"}, "1 d", 5.0, True, None),
        (LATE, "1 d", 5.0, False, None),
        (LATE, "2 d", 7.0, True, None),
    ],
)
def test_overhead_and_losses_are_as_they_are_played(
    warning: dict[str, Any], mtbf: str, hours: float, partial: bool, step: str | None
) -> None:
    """Within three errors, and .05 points, or a twentieth of what is lost for good."""
    job = warned(warning, mtbf, **({"step": step} if step else {}))
    cost, found = as_played(job, strategy_of(job, hours, partial), 600)
    assert abs(cost.pls - found.pls.mean) <= 3 * found.pls.standard_error + 0.05 * cost.pls


def test_beside_stragglers() -> None:
    tables = {"cluster": {"stragglers": {"share": 0.2, "rate": 0.5, "lasts": "6 h"}}, "job": {"work": "60 d"}}
    job = job_of({**PLAIN, "warning": SURE}, NIGHT, "5 d", **tables)
    as_played(job, strategy_of(job, 9.0), 600)
