"""Jobs side by side come out as each does alone, to the last bit: intervals, their cost, and what failures do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cprmodel import Job, SteadyState
from cprmodel.costing.columns import rows_of, side_by_side
from cprmodel.costing.given import best_intervals, chosen
from cprmodel.costing.many import Jobs
from cprmodel.costing.setting import Limits, Setting
from cprmodel.costing.stops import stops_of
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, FullRecovery, Strategy
from tests.conftest import EXAMPLE
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


@pytest.mark.parametrize("name", ["storage", "production-dlrm"])
def test_partial_recovery_of_many_jobs_each_at_its_best(name: str) -> None:
    job, model = Job.from_file(EXAMPLE.parent / f"{name}.toml"), SteadyState()
    assert job.accuracy is not None
    budgets = np.geomspace(1e-6, 1.0, 9)
    varied = [job.accuracy.model_copy(update={"pls_budget": float(one)}) for one in budgets]
    jobs = [job.model_copy(update={"accuracy": one}) for one in varied]
    found = model.partial_at_best(jobs)
    assert found is not None
    for one, total, known in zip(jobs, found[0].total, found[1], strict=True):
        choice = model.partial_interval(one, one.pls_budget or 1.0)
        assert choice.saving is not None
        strategy = Strategy("partial", one.partial_recovery, choice.saving, choice.interval_s)
        assert known
        assert total == float(model.cost(one, strategy).breakdown.total)


def test_levels_to_choose_are_looked_at_one_by_one() -> None:
    free = [{"save": "9 s", "survives": 0.9}, {"save": "5 min"}]
    job = Job.from_mapping({"job": {"work": "9 d"}, "failures": {"mtbf": "9 h"}, "checkpoint": {"level": free}})
    assert SteadyState().partial_at_best([job]) is None


def test_no_save_where_none_costs_no_more() -> None:
    """A job of a tenth of the MTBF loses less to a failure than to saves of half its length."""
    level = SaveLevel("remote", 500.0, 1.0, 1.0)
    settings = [Setting(work, 0.0, FailureMix(1e4), 8, FullRecovery(0.0, 1.0)) for work in (1e3, 1e7)]
    choice = chosen(Jobs.of([(one, StoredSave((level,)), Limits()) for one in settings]))
    assert choice.interval_s[0, 0] == 1e3
    assert choice.interval_s[1, 0] < 1e4
    assert choice.bounded.all()
