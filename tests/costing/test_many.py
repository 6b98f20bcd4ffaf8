"""Jobs side by side come out as each does alone, to the last bit: intervals, their cost, and what failures do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cprmodel.costing.columns import rows_of, side_by_side
from cprmodel.costing.given import best_intervals, chosen
from cprmodel.costing.many import Jobs
from cprmodel.costing.setting import Limits, Setting
from cprmodel.costing.stops import stops_of
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, FullRecovery
from tests.costing.judge import drawn

Case = tuple[Setting, StoredSave, Limits]


def groups(seeds: range) -> Iterator[list[Case]]:
    """Jobs at random whose numbers of saves are given, those of one shape together."""
    found: dict[tuple[object, ...], list[Case]] = {}
    for seed in seeds:
        case, random = drawn(seed), np.random.default_rng(seed)
        if case.limits.shared is not None:
            continue
        levels = tuple(
            replace(one, every=int(random.integers(1, 8)) if at else None)
            for at, one in enumerate(case.saving.levels)
        )
        counts = tuple(one.every or 1 for one in levels[1:])
        saving = replace(case.saving, levels=levels, counts=counts, dirty=None)
        of = case.setting
        shape = (len(levels), saving.overlap > 0, type(of.recovery), of.step_s > 0, case.limits.budget is None)
        found.setdefault(shape, []).append((of, saving, case.limits))
    yield from found.values()


def test_each_job_is_as_it_is_alone() -> None:
    together = 0
    for cases in groups(range(160)):
        jobs = Jobs.of(cases)
        intervals, values, unbounded = best_intervals(jobs)
        priced = jobs.priced(intervals[:, None])
        together = max(together, len(cases))
        for at, case in enumerate(cases):
            one = Jobs.of([case])
            alone = [part[0] for part in best_intervals(one)]
            assert alone == [intervals[at], values[at], unbounded[at]]
            own = one.priced(np.array([[intervals[at]]]))
            for part, other in zip((*priced.breakdown, *priced[1:]), (*own.breakdown, *own[1:]), strict=True):
                assert np.broadcast_to(part, (len(cases), 1))[at, 0] == np.broadcast_to(other, (1, 1))[0, 0]
    assert together >= 8


def test_the_stops_of_columns_are_those_of_each() -> None:
    for cases in groups(range(60)):
        setting, saving, _ = side_by_side(cases)
        columns = stops_of(setting.mix, setting.recovery, saving.levels, setting.shards)
        for at, (of, own, _) in enumerate(cases):
            alone, row = stops_of(of.mix, of.recovery, own.levels, of.shards), rows_of(columns, [at])
            for name in ("back", "hit"):
                assert tuple(float(one[0, 0]) for one in getattr(row, name)) == getattr(alone, name)
            assert (row.load_s[0, 0], row.reschedule_s[0, 0]) == (alone.load_s, alone.reschedule_s)


def test_stops_without_an_end_are_so_for_their_own_job_alone() -> None:
    """A load of 1000 MTBFs begins again for ever."""
    level = SaveLevel("remote", 1.0, 1.0, 1.0)
    slow = replace(level, load_s=1e6)
    mixes = [FailureMix(1e3)] * 2
    recoveries, levels = [FullRecovery(0.0, 1.0)] * 2, [(level,), (slow,)]
    found = stops_of(side_by_side(mixes), side_by_side(recoveries), side_by_side(levels), side_by_side([8.0, 8.0]))
    assert found.back[0].tolist() == [[1.0], [1.0]]
    assert found.load_s[0, 0] == pytest.approx(1e3 * np.expm1(1e-3))
    assert found.load_s[1, 0] == np.inf


def test_no_save_where_none_costs_no_more() -> None:
    """A job of a tenth of the MTBF loses less to a failure than to saves of half its length."""
    level = SaveLevel("remote", 500.0, 1.0, 1.0)
    settings = [Setting(work, 0.0, FailureMix(1e4), 8, FullRecovery(0.0, 1.0)) for work in (1e3, 1e7)]
    choice = chosen(Jobs.of([(one, StoredSave((level,)), Limits()) for one in settings]))
    assert choice.interval_s[0, 0] == 1e3
    assert choice.interval_s[1, 0] < 1e4
    assert choice.bounded.all()
