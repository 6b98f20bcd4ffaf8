"""The first rows to a level, and everything to a higher one now and then: what is lost, planned and said."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Job, SteadyState, plan, simulate
from cprmodel.costing import kinds
from cprmodel.costing.stops import at_level
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import StoredSave, WarnedSave
from cprmodel.facts.strategies import FailureKind, FailureMix, PartialRecovery, Strategy
from cprmodel.ordering.draining import Announced
from cprmodel.ordering.levelled import LevelledLedger, play_levels
from cprmodel.ordering.pls import expected_pls, interval_for_pls
from cprmodel.ordering.stored import stored_saves
from cprmodel.ordering.topped_slots import Chances, Slots
from cprmodel.planning.telling import advice
from cprmodel.simulation import AtTimes, GivenFailure, Played

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "ordered-flash.toml"
JOB = Job.from_file(EXAMPLE)


def job_with(**more: Any) -> Job:
    """The example with other keys in some of its tables; ``low``: in its first level."""
    data = JOB.model_dump(exclude_none=True)
    low, *others = data["checkpoint"]["level"]
    data["checkpoint"]["level"] = [low | more.pop("low", {}), *others]
    for table, keys in more.items():
        data[table] = {key: value for key, value in (data[table] | keys).items() if value is not None}
    return Job.from_mapping(data)


#: Of one level, what a job loses at its beginning is known, too, which is after no drain.
NO_DRAIN = {"overlap": None, "drain_s": None}


def saving_of(job: Job = JOB, order: str = "best-fixed", counts: tuple[int, ...] = (6,)) -> StoredPrioritySave:
    (saving,) = stored_saves(job, [order])
    return replace(saving, whole=replace(saving.whole, counts=counts))


def strategy(saving: StoredPrioritySave, every_s: float) -> Strategy:
    return Strategy("partial-any", JOB.partial_recovery, saving, every_s / saving.fraction)


def everything(saving: StoredPrioritySave, every_s: float, job: Job = JOB) -> Any:
    return SteadyState().cost(job, Strategy("partial", job.partial_recovery, saving.timed, every_s))


# limits


@pytest.mark.parametrize("case", ["all rows at a time", "each save goes higher"])
def test_where_nothing_is_left_out_saves_are_of_everything(case: str) -> None:
    job = job_with(access={"priority_fraction": 1.0}) if case == "all rows at a time" else JOB
    saving = saving_of(job, counts=(6,) if job is not JOB else (1,))
    found, plain = kinds.cost(job, SteadyState(), strategy(saving, 1800.0)), everything(saving, 1800.0, job)
    assert found.pls == pytest.approx(plain.pls, rel=1e-9)
    for part, expected in zip(found.breakdown, plain.breakdown, strict=True):
        assert float(part) == pytest.approx(float(expected), rel=1e-9)


def test_a_level_that_survives_nothing_takes_rows_for_nothing() -> None:
    """All failures leave the last level: the order is no matter, nor is the level where its saves take no time."""
    job = job_with(low={"survives": 1e-13, "save_s": 1e-9})
    saving = saving_of(job)
    found = kinds.cost(job, SteadyState(), strategy(saving, 1800.0))
    alone = replace(saving.whole, levels=saving.whole.levels[1:], counts=())
    plain = SteadyState().cost(job, Strategy("partial", JOB.partial_recovery, alone, 6 * 1800.0))
    assert found.pls == pytest.approx(plain.pls, rel=1e-9)
    assert float(found.breakdown.total) == pytest.approx(float(plain.breakdown.total), rel=1e-9)


@pytest.mark.parametrize("order", ["best-fixed", "ssu", "update-age"])
def test_a_level_that_survives_all_loses_what_its_order_does_alone(order: str) -> None:
    """With everything saved to the other level no more often than the job is long."""
    job = job_with(low={"survives": 1 - 1e-13}, job={"work_s": 200 * 1800.0}, checkpoint=NO_DRAIN)
    saving = saving_of(job, order, (500,))
    with_it = expected_pls(job, strategy(saving, 1800.0), exact=True).pls
    alone = replace(saving, whole=StoredSave(saving.whole.levels[:1]), level=None)
    left_out = with_it - everything(saving, 1800.0, job).pls
    assert left_out == pytest.approx(_stale_of_one_level(job, alone, 1800.0), rel=1e-9)


def _stale_of_one_level(job: Job, saving: StoredPrioritySave, every_s: float) -> float:
    """What the closed form says is lost because it was left out."""
    there = at_level(JOB.partial_recovery, saving.whole.levels[0])
    found = expected_pls(job, replace(strategy(saving, every_s), recovery=there), exact=True).step
    values = dict(found.arguments)
    none = {**values, "stale_s": 0.0, "last_stale_s": 0.0}
    return float(found.value) - float(found.formula.raw(**none))


def test_the_last_level_takes_the_rows_where_the_file_does_not_say() -> None:
    data = JOB.model_dump(exclude_none=True)
    del data["checkpoint"]["level"][0]["ordered"]
    default = Job.from_mapping(data)
    data["checkpoint"]["level"][1]["ordered"] = True
    said = Job.from_mapping(data)
    one, other = (stored_saves(job, ["mfu"]) for job in (default, said))
    assert one == other
    assert one[0].at == 1
    assert not one[0].topped


# what is lost, another way


def by_histories(x: list[float], slots: list[Chances], made: float, ended: Chances | None = None) -> float:
    """Over all histories of a block's slots: nothing takes what was left out, the level's failures do, or others.

    ``x``: left out after so many saves. What the level's failures take is lost because it was left out, unless
    others take everything later; a save on a warning may have taken it before. ``ended``: the chances of a last
    slot, which a save on a warning ends.
    """

    def left(since: int, begun: bool) -> float:
        return made * x[since + 1] + (1 - made) * x[since] if begun else x[since]

    total = 0.0
    for history in product(("untaken", "taken", "saved", "hit"), repeat=len(slots)):
        chance, lost, since, begun = 1.0, 0.0, 0, False
        for slot, one in zip(slots, history, strict=True):
            q, unhit, saved = slot
            chance *= {"untaken": q, "taken": unhit - q - saved, "saved": saved, "hit": 1 - unhit}[one]
            if one == "untaken":
                since += 1
                continue
            lost = {"taken": lost + left(since, begun), "saved": lost, "hit": 0.0}[one]
            since, begun = 0, True
        if ended is not None:
            total += chance * (lost * ended.unhit + left(since, begun) * (ended.unhit - ended.untaken))
            continue
        total += chance * lost
    return total


_share = st.floats(0.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(_share, min_size=7, max_size=7),
    st.tuples(*[_share] * 6),
    st.lists(_share, min_size=8, max_size=8),
    st.integers(1, 5),
    st.integers(1, 6),
)
def test_what_is_lost_is_that_of_all_histories(
    x: list[float], shares: tuple[float, ...], more: list[float], count: int, changes: int
) -> None:
    """Of any chances; from some number of saves on nothing changes any more. Saves on warnings end blocks, too."""
    left, made = [0.0, *x[1:changes], *[x[changes]] * (9 - changes)], more[0]
    unhit, last_unhit = 1 - 0.9 * shares[0], 1 - 0.9 * shares[1]
    first = Chances(shares[4], 1.0, 0.5 * (1 - shares[4]) * shares[5])
    each, last = (
        Chances(q * u, u, (1 - q) * u * saved)
        for q, u, saved in ((shares[2], unhit, shares[5]), (shares[3], last_unhit, more[1]))
    )
    slots = Slots.of(
        np.array(left[: changes + 2]),
        *map(_arrays, (each, first, last)),
        np.array([made]),
        np.array([float(count)]),
    )
    of_block = [first, *[each] * (count - 2), last][:count]
    expected = by_histories(left, of_block, made) if count > 1 else 0.0
    assert float(slots.lost()[0]) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    head, done = 1 - 0.9 * more[2], 1 - 1e-3 - 0.9 * more[3]
    ends = [Chances(u * q, u) for u, q in (more[4:6], more[6:8])]  # of most slots, and of the last one
    reached = [1.0, *(head * done**at for at in range(count - 1))]
    expected = sum(
        chance * by_histories(left, [first, *[each] * at][:at], made, ends[at == count - 1])
        for at, chance in enumerate(reached)
        if at
    )
    found = slots.lost_then(np.array([head]), np.array([done]), *map(_arrays, ends))
    assert float(found[0]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def _arrays(one: Chances) -> Chances:
    return Chances(*(np.array([number]) for number in one))


class Levels:
    """Random numbers, of which the levels that failures need are given one by one."""

    def __init__(self, levels: list[int]) -> None:
        self.others, self.levels, self.lots = np.random.default_rng(1), levels, [0.0]

    def choice(self, number: int, p: Any) -> int:
        return self.levels.pop(0)

    def random(self) -> float:
        """The lot by which a failure is announced: the first one is."""
        return self.lots.pop(0) if self.lots else 1.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.others, name)


@pytest.mark.parametrize(
    ("strikes", "lost"),
    [
        # saves of the more updated row of each shard at 100 and 200, everything to the other level at 300
        ([(FailureKind.SHARD, 250.0, 0)], 150 + 50),  # a row saved at 100, and one at 200
        ([(FailureKind.SHARD, 250.0, 1)], 2 * 250),  # all since the beginning
        ([(FailureKind.SHARD, 350.0, 0)], 2 * 50),  # of both, everything was saved at 300
        ([(FailureKind.SHARD, 350.0, 1)], 2 * 50),
        ([(FailureKind.WHOLE_JOB, 250.0, 0)], 2 * 100),  # on both shards; what was done since 200 is done again
        ([(FailureKind.WHOLE_JOB, 250.0, 1)], 0),  # all is done again
        ([(FailureKind.SHARD, 250.0, 0), (FailureKind.WHOLE_JOB, 280.0, 1)], 0),  # … what was lost before, too
        ([(FailureKind.SHARD, 250.0, 0), (FailureKind.WHOLE_JOB, 280.0, 0)], 2 * 100),  # … but what is older
        ([(FailureKind.SHARD, 250.0, 0), (FailureKind.WHOLE_JOB, 320.0, 1)], 150 + 50),  # for good since 300
    ],
)
def test_failures_by_hand(strikes: list[tuple[FailureKind, float, int]], lost: float) -> None:
    """Two shards of two rows, each updated once a second; half the rows every 100 s, every third time all."""
    assert played_by_hand(strikes).pls == pytest.approx(lost / (4 * 400))


def played_by_hand(strikes: list[tuple[FailureKind, float, int]], warned: WarnedSave | None = None) -> Played:
    """The first failure is announced, if any is."""
    recovery = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    saving = saving_of(job_with(access={"priority_fraction": 0.5}), "mfu", (3,))
    levels = tuple(
        replace(one, save_s=0.0, stall_s=0.0, load_s=0.0, partial_load_s=0.0) for one in saving.whole.levels
    )
    saving = replace(saving, whole=StoredSave(levels, (3,), warned=warned))
    given = ("mfu", np.ones(4), 0.5, 2, FailureMix(1e9, 0.9, 0.0, 0.1), 400.0, np.random.default_rng(1), 1.0)
    ledger = LevelledLedger(*given, needs=dict.fromkeys(Announced, (0.8, 0.2)), at=0)
    ledger.random = Levels([level for *_, level in strikes])  # type: ignore[assignment]
    failures = [GivenFailure(kind, (0,) if kind is FailureKind.SHARD else (), at_s=at) for kind, at, _ in strikes]
    return play_levels(Strategy("x", recovery, saving, 200.0), 400.0, AtTimes(failures), ledger)


# plans


def chosen(job: Job) -> Strategy:
    """The best fixed intervals of rows, as a plan has them."""
    one = strategy(saving_of(job), job.job.work_s)
    choice = kinds.choose(job, SteadyState(), one, job.pls_budget)
    assert isinstance(choice.saving, StoredPrioritySave)
    return replace(one, interval_s=choice.interval_s, saving=choice.saving)


def test_nothing_else_costs_less_within_the_budget() -> None:
    """Numbers of saves to one of everything, each at the longest interval within the budget, and shorter ones."""
    job = job_with(job={"step_s": None})
    budget, best = job.pls_budget or 0.0, math.inf
    planned = chosen(job)
    for count in (1, 4, 7, 9, 10, 11, 13, 16, 25):
        one = strategy(saving_of(job, counts=(count,)), 1800.0)
        within = interval_for_pls(job, one, budget, exact=True)
        assert within is not None
        tried = (replace(one, interval_s=within * shorter) for shorter in (1.0, 0.8, 0.6))
        best = min(best, *(float(SteadyState().cost(job, each).breakdown.total) for each in tried))
    cost = kinds.cost(job, SteadyState(), planned)
    assert float(cost.breakdown.total) < best * 1.001
    assert cost.pls <= budget * (1 + 1e-9)


def test_the_plan_says_what_goes_where() -> None:
    answer = plan(JOB)
    best = answer.best
    assert best.order is not None
    said = advice(best, JOB)
    assert said.startswith("save 12.5% of the rows every")
    assert " to flash, and everything to remote every" in said
    every, step_s = best.level_intervals_s, JOB.job.step_s or 0.0
    assert every is not None
    assert every["flash"] == pytest.approx(best.strategy.saves_every_s)
    assert every["flash"] / step_s == pytest.approx(round(every["flash"] / step_s), abs=1e-6)  # whole steps
    assert every["remote"] / every["flash"] == pytest.approx(best.strategy.saving.whole.counts[0])  # type: ignore[attr-defined]
    assert best.overhead_fraction < answer["partial"].overhead_fraction


def warned_at(level: int | None, recall: float = 0.6, **more: Any) -> StoredPrioritySave:
    one = saving_of()
    return replace(one, whole=replace(one.whole, warned=WarnedSave(60.0, recall, 0.8, level, **more)))


@pytest.mark.parametrize("level", [0, None])
def test_where_hardly_a_failure_is_announced_there_is_no_warning(level: int | None) -> None:
    one = strategy(warned_at(level, 1e-13), 1800.0)
    found, none = (kinds.cost(JOB, SteadyState(), each) for each in (one, strategy(saving_of(), 1800.0)))
    assert found.pls == pytest.approx(none.pls, rel=1e-9)
    assert float(found.breakdown.total) == pytest.approx(float(none.breakdown.total), rel=1e-9)


@pytest.mark.parametrize("level", [0, None])
def test_beside_warnings_where_nothing_is_left_out_saves_are_of_everything(level: int | None) -> None:
    job = job_with(access={"priority_fraction": 1.0})
    saving = replace(saving_of(job), whole=warned_at(level).whole)
    found, plain = kinds.cost(job, SteadyState(), strategy(saving, 1800.0)), everything(saving, 1800.0, job)
    assert found.pls == pytest.approx(plain.pls, rel=1e-9)


def test_on_a_warning_everything_is_saved_where_that_costs_less() -> None:
    warning = {"lead_s": 120.0, "recall": 0.5, "level": "flash"}
    job = job_with(checkpoint={"warning": warning})
    one, without = chosen(job), chosen(JOB)
    assert isinstance(one.saving, StoredPrioritySave)
    assert one.saving.warned is not None
    assert one.saving.warned.level == 0
    cost, other = kinds.cost(job, SteadyState(), one), kinds.cost(JOB, SteadyState(), without)
    assert cost.pls <= (job.pls_budget or 0.0)
    assert float(cost.breakdown.total) < float(other.breakdown.total)
    # hardly ever right: it is not heeded
    false = chosen(job_with(checkpoint={"warning": warning | {"precision": 0.002}}))
    assert isinstance(false.saving, StoredPrioritySave)
    assert false.saving.warned is None


@pytest.mark.parametrize(
    ("level", "strikes", "lost"),
    [
        # saves of the more updated row of each shard at 100 and 200; then warned at 250, and so next at 350
        (0, [(FailureKind.SHARD, 250.0, 0)], 0),  # everything was saved there
        (0, [(FailureKind.SHARD, 250.0, 1)], 2 * 250),  # nothing was saved here
        (0, [(FailureKind.SHARD, 250.0, 0), (FailureKind.SHARD, 300.0, 0)], 2 * 50),  # of what came since
        (0, [(FailureKind.WHOLE_JOB, 250.0, 0)], 0),
        (1, [(FailureKind.SHARD, 250.0, 1)], 0),
        (1, [(FailureKind.SHARD, 250.0, 0), (FailureKind.SHARD, 300.0, 1)], 2 * 50),
    ],
)
def test_warnings_by_hand(level: int, strikes: list[tuple[FailureKind, float, int]], lost: float) -> None:
    """As above, of which the first failure is announced, and everything is saved in no time."""
    found = played_by_hand(strikes, WarnedSave(0.0, 0.5, 1.0, level))
    assert found.pls == pytest.approx(lost / (4 * 400))


def test_a_job_of_few_saves_of_everything_is_told_so() -> None:
    short, one = job_with(job={"work_s": 20 * 3600.0}), strategy(saving_of(), 1800.0)
    assert any("of saves to remote long" in line for line in kinds.remarks(short, SteadyState(), one))
    assert not any("of saves to remote long" in line for line in kinds.remarks(JOB, SteadyState(), one))


def test_it_is_played_as_it_is_planned() -> None:
    """Time and losses within three standard errors, and the scatter of one run within a fifth."""
    job = job_with(job={"work_s": 60 * 6 * 3600.0}, cluster={"embedding_shards": 1}, accuracy={"pls_budget": 0.2})
    one = strategy(saving_of(job, "update-age", (5,)), 2400.0)
    cost, played = kinds.cost(job, SteadyState(), one), simulate(job, one, runs=60, seed=7, workers=1)
    over, pls = played.overhead_fraction, played.pls
    assert over.mean == pytest.approx(float(cost.breakdown.total), abs=3 * over.standard_error)
    assert pls.mean == pytest.approx(cost.pls, abs=3 * pls.standard_error)
    assert played.pls_of_runs is not None
    scatter, runs = float(np.std(played.pls_of_runs, ddof=1)), len(played.pls_of_runs)
    # the standard error of a standard deviation is nearly 1/√(2n) of it; of skewed losses more
    assert scatter == pytest.approx(cost.pls_standard_deviation, rel=4 / math.sqrt(2 * runs))
