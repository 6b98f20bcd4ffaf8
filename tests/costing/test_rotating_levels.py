"""Saves that rotate at two levels: losses against every history of failures, and what is played."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, Job, SteadyState, plan, plan_many, simulate
from cprmodel.costing import kinds
from cprmodel.costing.rotated import updates_lost as lost_at_one
from cprmodel.costing.rotated_levels import updates_lost
from cprmodel.costing.rotating import rotating_levels_of, rotating_of
from cprmodel.costing.stops import Stops
from cprmodel.facts.errors import JobError
from cprmodel.facts.rotation import RotatingLevelSave, RotatingSave
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import BlockingSave, Strategy
from cprmodel.formulas import rotating_levels_pls
from cprmodel.simulation import FailuresStrike, LogNormal, Weibull
from tests.combinations.search import job_of
from tests.combinations.search_levels import levels_worse_than_by_force
from tests.combinations.search_many_experts import drawn_of_many
from tests.conftest import literature

LEVELS = [
    {"name": "memory", "save": "4 s", "load": "5 s", "survives": 0.7, "rotating": True},
    {"name": "storage", "save": "16 s", "load": "20 s", "rotating": True},
]


def leveled(first: Any = True, last: Any = True, every: int | None = None, **more: Any) -> Job:
    """A job of two levels that rotate; what is None is not said."""
    said = ({"rotating": first}, {"rotating": last, "every": every})
    tables: dict[str, Any] = {
        "job": {"work": "10000 s"},
        "cluster": {"experts": more.pop("experts", 16)},
        "failures": {"mtbf": "2000 s"},
        "checkpoint": {
            "detect": "5 s",
            "reschedule": "60 s",
            "level": [_said(one | own) for one, own in zip(LEVELS, said, strict=True)],
        },
        "accuracy": {"pls_budget": 0.1},
    }
    for table, keys in more.items():
        tables[table] = _said(tables[table] | keys)
    return Job.from_mapping(tables)


def _said(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def strategy_of(job: Job, rotated: tuple[int, int], every: int, interval_s: float) -> Strategy:
    saving = rotating_levels_of(job, rotated)
    saving = replace(saving, whole=replace(saving.whole, counts=(every,)))
    return Strategy("full-rotating", job.full_recovery, saving, interval_s)


# every history, state by state


def played_out(
    orders: tuple[tuple[int, ...], tuple[int, ...]],
    rotated: tuple[int, int],
    every: int,
    saves: int,
    strikes: Any,
    readable: float,
) -> float:
    """Intervals that an expert lacks in the end, on average, in the mean over all histories of failures.

    A state is the number of the last save, whether what was done while it drained is there, what each expert has
    learned (a set of intervals, as bits), and its copies at either level with their numbers. ``strikes``: the
    probability that a failure strikes before the next save, by (number, drained).
    """
    experts = len(orders[0])
    nothing = (0,) * experts
    start = (0, False, nothing, (nothing, nothing), (nothing, nothing))
    mass: dict[Any, float] = {start: 1.0}
    lost = 0.0
    for _ in range(4000):
        after: dict[Any, float] = defaultdict(float)
        for (number, drained, learned, near, far), weight in mass.items():
            struck = strikes(number, drained)
            done = tuple(one | 1 << number for one in learned)
            if number == saves:
                lost += weight * (1 - struck) * sum(saves + 1 - one.bit_count() for one in done) / experts
            else:
                new, copies, stored = number + 1, [list(one) for one in near], [list(one) for one in far]
                turn = new * rotated[0]
                for which in (orders[0][(turn + more) % experts] for more in range(rotated[0])):
                    copies[0][which], copies[1][which] = done[which], new
                if new % every == 0:
                    turn = new // every * rotated[1]
                    for which in (orders[1][(turn + more) % experts] for more in range(rotated[1])):
                        stored[0][which], stored[1][which] = done[which], new
                kept = tuple(map(tuple, copies)), tuple(map(tuple, stored))
                after[new, new % every == 0, done, *kept] += weight * (1 - struck)
            newest = tuple(a if at >= bt else b for a, at, b, bt in zip(*near, *far, strict=True))
            after[number, False, newest, near, far] += weight * struck * readable
            back = number - number % every
            empty = nothing, (-1,) * experts
            after[back, False, far[0], empty, far] += weight * struck * (1 - readable)
        mass = {state: weight for state, weight in after.items() if weight > 1e-13}
        if not mass:
            return lost
    raise AssertionError("a history without an end")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 5),
    st.floats(0.05, 0.9),
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.9),
    st.floats(0.05, 1.0),
)
def test_losses_are_those_of_every_history(
    experts: int,
    first: int,
    last: int,
    every: int,
    saves: int,
    per_interval: float,
    readable: float,
    carry: float,
    rest: float,
) -> None:
    """All orders of three experts at the last level, all failures, memory emptied and filled again."""
    rotated, rest = (min(first, experts), min(last, experts)), min(max(rest, carry + 0.01), 1.0)
    snapshot, store, drain, overlap = 0.1, 0.3, 0.95, carry / 0.95
    rate = per_interval / (1 + store + drain)

    def strikes(number: int, drained: bool) -> float:
        work = (1.0 if number < saves else rest) - (carry if drained else 0.0)
        if number < saves:
            work += store + drain if (number + 1) % every == 0 else snapshot
        return -math.expm1(-rate * work)

    own, others = tuple(range(experts)), list(itertools.permutations(range(experts)))
    found = [played_out((own, other), rotated, every, saves, strikes, readable) for other in others]
    levels = SaveLevel("memory", snapshot, 0.0, 0.0, 0.5), SaveLevel("storage", store, 0.0, 0.0)
    whole = StoredSave(levels, (every,), drain, overlap)
    saving = RotatingLevelSave(whole, experts, rotated, always=1.0)  # so that a save takes what is given
    stops = Stops((readable, 1 - readable), (0.0, 0.0), 0.0, 0.0)
    work = saves + rest
    expected = sum(found) / len(found) / work
    assert updates_lost(saving, work, 1 / rate, stops, 1.0) == pytest.approx(expected, rel=1e-8, abs=1e-11)


# limits


def test_where_no_failure_spares_the_memory_it_is_one_level() -> None:
    for rotated, every in (((4, 3), 77.0), ((16, 1), 32.0), ((1, 5), 400.0)):
        one = RotatingSave(BlockingSave(8.0), 16, rotated[1], always=0.2)
        levels = SaveLevel("memory", 1e-9, 0.0, 0.0, 0.5), SaveLevel("storage", 8.0, 0.0, 0.0)
        two = RotatingLevelSave(StoredSave(levels, (1,)), 16, rotated, always=0.2)
        stops = Stops((0.0, 1.0), (0.0, 0.0), 0.0, 0.0)
        found = updates_lost(two, 1e5, 2000.0, stops, every)
        assert found == pytest.approx(lost_at_one(one, 1e5, 2000.0, every).pls, rel=1e-9)


def test_where_every_failure_spares_it_it_is_the_first_level_alone() -> None:
    """… where the last level holds nothing that is newer: it is written once in a job."""
    levels = SaveLevel("memory", 3.0, 0.0, 0.0, 0.5), SaveLevel("storage", 3.0, 0.0, 0.0)
    stops = Stops((1.0, 0.0), (0.0, 0.0), 0.0, 0.0)
    one = RotatingSave(BlockingSave(3.0), 8, 2, always=1.0)
    two = RotatingLevelSave(StoredSave(levels, (10**6,)), 8, (2, 8), always=1.0)
    found = updates_lost(two, 1e5, 2000.0, stops, 50.0)
    assert found == pytest.approx(lost_at_one(one, 1e5, 2000.0, 50.0).pls, rel=1e-9)


def test_all_experts_at_both_levels_are_full_recovery_from_levels() -> None:
    job = leveled(16, 16, 3)
    for every in (50.0, 333.0):
        rotated = kinds.cost(job, SteadyState(), strategy_of(job, (16, 16), 3, every))
        whole = kinds.cost(
            job, SteadyState(), Strategy("full", job.full_recovery, rotating_levels_of(job, (16, 16)).whole, every)
        )
        assert float(rotated.breakdown.total) == pytest.approx(float(whole.breakdown.total), rel=1e-12)
        assert rotated.pls == rotated.pls_standard_deviation == 0
    both, memory, storage = (
        kinds.cost(job, SteadyState(), strategy_of(job, rotated, 3, 50.0)).pls
        for rotated in ((4, 4), (16, 4), (4, 16))
    )
    assert 0 < memory < both  # a level that holds all loses nothing of what it can give back
    assert 0 < storage < both


def test_all_experts_at_one_place_only_lose_what_it_cannot_give_back() -> None:
    """With everything in memory, what is lost is what one level loses whose gaps are its patterns."""
    levels = SaveLevel("memory", 1e-12, 0.0, 0.0, 0.5), SaveLevel("storage", 1e-12, 0.0, 0.0)
    saving = RotatingLevelSave(StoredSave(levels, (4,)), 16, (16, 2), always=0.0)
    stops = Stops((0.6, 0.4), (0.0, 0.0), 0.0, 0.0)
    found = updates_lost(saving, 1e7, 2000.0, stops, 1.0)
    one = RotatingSave(BlockingSave(1e-12), 16, 2, always=0.0)  # failures that spare the memory take nothing
    assert found == pytest.approx(lost_at_one(one, 1e7, 2000.0 / 0.4, 4.0).pls, rel=1e-3)


# orders, and what others found


def in_one_order(experts: int, rotated: tuple[int, int], every: int, per_gap: float, readable: float) -> float:
    """The loss where both levels go through the experts in one order: save by save, expert by expert."""
    q = math.exp(-per_gap)
    r = 1 - (1 - q) * readable
    y = q / r
    saves, kept = every * experts, 0.0
    for k, expert in itertools.product(range(1, saves + 1), range(experts)):
        pattern = -(-k // every)
        waits = (expert - k * rotated[0]) % experts // rotated[0]
        at_last = pattern * every - k + every * ((expert - pattern * rotated[1]) % experts // rotated[1])
        own = pattern * every - k
        copied = min(waits, at_last)
        kept += r ** min(copied, own) * q ** max(copied - own, 0) * y ** (at_last - max(copied, own))
    return 1 - kept / (saves * experts)


@pytest.mark.parametrize(
    ("experts", "rotated", "every", "same"),
    [
        (16, (4, 1), 1, True),
        (16, (4, 2), 1, True),
        (12, (5, 2), 3, True),
        (8, (3, 1), 1, False),
        (8, (2, 2), 1, False),
    ],
)
def test_one_order_at_both_levels_is_the_same_where_the_page_says(
    experts: int, rotated: tuple[int, int], every: int, same: bool
) -> None:
    assert same == (rotated[0] % math.gcd(every * rotated[0] - rotated[1], experts) == 0)
    levels = SaveLevel("memory", 1e-12, 0.0, 0.0, 0.5), SaveLevel("storage", 1e-12, 0.0, 0.0)
    saving = RotatingLevelSave(StoredSave(levels, (every,)), experts, rotated)
    found = updates_lost(saving, 1e8, 50.0, Stops((0.8, 0.2), (0.0, 0.0), 0.0, 0.0), 1.0)
    one = in_one_order(experts, rotated, every, 0.02, 0.8)
    assert (found == pytest.approx(one, rel=1e-5)) is same


def test_the_figures_of_the_theory_notes() -> None:
    """One place, as two of which no failure leaves the first: within 3%, for their digits and their runs."""
    notes = literature("rotating")["theory"]
    levels = SaveLevel("memory", 1e-9, 0.0, 0.0, 0.5), SaveLevel("storage", 1e-9, 0.0, 0.0)
    for experts, rotated, played in zip(notes["experts"], notes["rotated"], notes["played"], strict=True):
        saving = RotatingLevelSave(StoredSave(levels, (1,)), experts, (1, rotated))
        stops = Stops((0.0, 1.0), (0.0, 0.0), 0.0, 0.0)
        found = updates_lost(saving, notes["work"], notes["mtbf"], stops, notes["interval"])
        assert found == pytest.approx(played, rel=0.03)


def test_to_first_order_it_is_the_formula_s() -> None:
    """… where storage holds no copies that are newer than the memory's: a loss of either kind of failure alone."""
    levels = SaveLevel("memory", 1e-12, 0.0, 0.0, 0.5), SaveLevel("storage", 1e-12, 0.0, 0.0)
    for rotated, every, readable in (((16, 4), 3, 0.7), ((4, 16), 10**5, 0.999999), ((2, 8), 10**6, 1 - 1e-9)):
        saving = RotatingLevelSave(StoredSave(levels, (every,)), 16, rotated)
        stops = Stops((readable, 1 - readable), (0.0, 0.0), 0.0, 0.0)
        found = updates_lost(saving, 1e8, 1e8, stops, 1.0)
        said = rotating_levels_pls(16, *rotated, every, 1.0, 1e8, readable)
        assert found == pytest.approx(float(said), rel=2e-3)


def kept_in_a_job(
    experts: int, rotated: tuple[int, int], every: int, saves: int, gap: tuple[float, float], readable: float
) -> float:
    """Intervals that an expert keeps, one by one and turn by turn; ``gap``: rates over one, over the last."""

    def factors(per_gap: float) -> tuple[float, float, float]:
        q = math.exp(-per_gap)
        return q, 1 - (1 - q) * readable, q / (1 - (1 - q) * readable)

    inner, last = factors(gap[0]), factors(gap[1])

    def product(of: int, first: int, end: int) -> float:
        """Of the gaps after these saves."""
        end = min(end, saves + 1)
        if end <= first:
            return 1.0
        return inner[of] ** (end - first - 1) * (last if end > saves else inner)[of]

    def turns(many: int) -> list[tuple[int, float]]:
        full = experts // many
        return [(at, many / experts) for at in range(full)] + [(full, 1 - full * many / experts)]

    kept = 0.0
    for k in range(1, saves + 1):
        pattern = -(-k // every) * every
        for wait, share in turns(rotated[0]):
            if pattern > saves:  # everybody returns beyond k where the memory goes, and does it again
                kept += share * product(1, k, k + wait)
                continue
            for later, other in turns(rotated[1]):
                at_last = pattern + every * later
                copied = max(min(k + wait, at_last), pattern)
                struck = product(1, k, min(k + wait, pattern)) * product(0, pattern, copied)
                kept += share * other * struck * product(2, copied, at_last)
    return kept


@pytest.mark.parametrize("seed", range(8))
def test_in_long_jobs_the_loss_is_the_sum_over_intervals_and_turns(seed: int) -> None:
    """… that end before every expert had its turn at the last level, or long after."""
    random = np.random.default_rng([seed, 3])
    experts = int(random.integers(2, 30))
    rotated = int(random.integers(1, experts + 1)), int(random.integers(1, max(experts // 3, 1) + 1))
    every, saves = int(random.integers(1, 7)), int(random.integers(3, 90))
    per_gap, rest, readable = (
        float(10 ** random.uniform(-3, 0)),
        float(random.uniform(0.2, 1)),
        float(random.random()),
    )
    levels = SaveLevel("memory", 1e-12, 0.0, 0.0, 0.5), SaveLevel("storage", 1e-12, 0.0, 0.0)
    saving = RotatingLevelSave(StoredSave(levels, (every,)), experts, rotated)
    stops = Stops((readable, 1 - readable), (0.0, 0.0), 0.0, 0.0)
    kept = kept_in_a_job(experts, rotated, every, saves, (per_gap, per_gap * rest), readable)
    found = updates_lost(saving, saves + rest, 1 / per_gap, stops, 1.0)
    assert found == pytest.approx((saves - kept) / (saves + rest), rel=1e-9, abs=1e-12)


def test_experts_in_groups_are_one_way_to_save_more_of_them() -> None:
    """256 experts in groups of 16 are 16 of them: what is planned costs no more."""
    few, many = (leveled(experts=one, checkpoint={"always_written": 0.2}) for one in (16, 256))
    grouped, found = (plan(one)["full-rotating"] for one in (few, many))
    assert found.overhead_fraction <= grouped.overhead_fraction * (1 + 1e-5)
    assert found.expected_pls <= 0.1 * (1 + 1e-9)


# played


CASES: dict[str, tuple[dict[str, Any], tuple[int, int], int, float]] = {
    "sixteen": ({}, (4, 1), 1, 32.0),
    "not divisors, and a dense part": ({"experts": 7, "checkpoint": {"always_written": 0.4}}, (3, 2), 4, 60.0),
    "few patterns": ({"experts": 8, "job": {"work": "5000 s"}}, (2, 3), 5, 200.0),
    "drains": ({"checkpoint": {"overlap": 0.7, "drain": "90 s"}}, (5, 2), 3, 90.0),
}


@pytest.mark.parametrize("case", CASES)
def test_simulation_finds_what_is_planned(case: str) -> None:
    more, rotated, every, interval = CASES[case]
    job = leveled(**more)
    strategy = strategy_of(job, rotated, every, interval)
    cost = kinds.cost(job, SteadyState(), strategy)
    found = simulate(job, strategy, runs=4000, seed=12, workers=1)
    assert abs(found.pls.mean - cost.pls) < 3.5 * found.pls.standard_error
    # a job of finite length begins saved, and ends without a save: about a pattern of its overhead
    over, total = found.overhead_fraction, float(cost.breakdown.total)
    ends = total * interval * every / job.job.work_s
    assert abs(over.mean - total) < 3.5 * over.standard_error + ends
    # by what failures take on their own: an upper estimate, the nearer the less is lost
    assert cost.pls_standard_deviation is not None
    assert 0.95 < cost.pls_standard_deviation / float(found.pls_of_runs.std()) < 1.2


@pytest.mark.parametrize("law", [Weibull(0.7), LogNormal(1.0)])
def test_any_law_is_played(law: Any) -> None:
    """With one expert, and both levels each time, the times are those of one level, from another kernel."""
    levels = [LEVELS[0] | {"load": "20 s", "rotating": 1}, LEVELS[1] | {"rotating": 1, "every": 1}]
    alike = leveled(experts=1, checkpoint={"level": levels})
    plain = job_of(experts=1, checkpoint={"save": "16 s", "load": "20 s", "rotating": 1})
    for strikes in (FailuresStrike.ALWAYS, FailuresStrike.ONLY_AT_WORK):
        two = simulate(alike, strategy_of(alike, (1, 1), 1, 250.0), 5000, 3, law=law, strikes=strikes, workers=1)
        full = Strategy("full-rotating", plain.full_recovery, rotating_of(plain, 1), 250.0)
        one = simulate(plain, full, 5000, 4, law=law, strikes=strikes, workers=1)
        gap = two.overhead_fraction.mean - one.overhead_fraction.mean
        assert abs(gap) < 3.5 * math.hypot(
            two.overhead_fraction.standard_error, one.overhead_fraction.standard_error
        )
        assert two.pls.mean == pytest.approx(0, abs=1e-12)


# chosen, and said


@pytest.mark.parametrize("seed", range(4))
def test_no_numbers_and_no_interval_are_better(seed: int) -> None:
    """``python -m tests.combinations --search-levels 100`` looks at more jobs."""
    assert levels_worse_than_by_force(seed) < 0.001


@pytest.mark.parametrize(
    ("seed", "rotated", "count", "every_s"),
    [
        # by --search-many: a step of one expert was too small to get there, or the way there took more than 100 s
        (5, (923, 1276), 4, 42 * 7.894284705986371),
        (10, (1707, 1776), 1, 256.648),
        (29, (208, 1812), 17, 4 * 13.99424136776905),  # intervals of few steps
        (30, (1798, 1768), 2, 780.0503155359538),  # a job of few saves, whose loss is rugged
    ],
)
def test_of_thousands_of_experts_the_best_numbers_are_found(
    seed: int, rotated: tuple[int, int], count: int, every_s: float
) -> None:
    job = drawn_of_many(seed)
    saving, budget = rotating_levels_of(job, rotated), job.pls_budget or 0.0
    by_force = replace(saving, whole=replace(saving.whole, counts=(count,)))
    known = Strategy("full-rotating", job.full_recovery, by_force, every_s)
    choice = kinds.choose(job, SteadyState(), known, budget)
    assert isinstance(choice.saving, RotatingLevelSave)
    best = replace(known, saving=choice.saving, interval_s=choice.interval_s)
    cost, other = (kinds.cost(job, SteadyState(), one) for one in (best, known))
    assert cost.pls <= budget * (1 + 1e-9)
    assert other.pls <= budget * (1 + 1e-9)
    assert float(cost.breakdown.total) < float(other.breakdown.total) * 1.001


def test_what_is_planned_is_said() -> None:
    answer = plan(leveled(job={"step": "1 s"}))
    best = answer.best
    assert best.name == "full-rotating"
    assert best.experts_by_level is not None
    assert best.level_intervals_s is not None
    first, last = best.experts_by_level.values()
    said = f"Save {first} of 16 experts in turn to memory, and all that is none of theirs, every "
    assert said in answer.sentence
    assert f"and {last} to storage every " in answer.sentence
    assert best.to_dict()["experts_by_level"] == {"memory": first, "storage": last}
    assert best.expected_pls <= 0.1 * (1 + 1e-9)
    assert any("each level in an order of its own" in note for note in answer.warnings)
    today = {"current_interval": "32 s", "current_recovery": "rotating"}
    given_both = plan(leveled(4, 1, 2, job=today))
    for name in ("current", "full-rotating"):
        assert given_both[name].experts_by_level == {"memory": 4, "storage": 1}
    assert given_both["current"].level_intervals_s == {"memory": 32.0, "storage": 64.0}
    one_whole = plan(leveled(None, 1, 2, job=today))
    assert one_whole["current"].experts_by_level == {"memory": 16, "storage": 1}


def test_what_nothing_keeps_is_shown_as_such() -> None:
    answer = plan(leveled(1, 1, 2, accuracy={"pls_budget": 1e-7}, job={"work": "1000000 s", "step": "10 s"}))
    assert "is above the budget 1e-07" in answer["full-rotating"].reason
    assert answer.best.name == "full"
    short = plan(leveled(1, 1, 2, accuracy={"pls_budget": 1e-7}, job={"work": "500 s", "step": "10 s"}))
    assert short["full-rotating"].interval_s == 500  # no save at all loses nothing
    assert short["full-rotating"].expected_pls == 0


def test_numbers_are_columns_of_a_sweep() -> None:
    found = plan_many(leveled(experts=3), {"failures.mtbf": ["1000 s", "4000 s"]}, workers=1).columns
    for at, mtbf in enumerate((1000.0, 4000.0)):
        alone = plan(leveled(experts=3, failures={"mtbf_s": mtbf, "mtbf": None})).best
        assert alone.experts_by_level is not None
        numbers = [found[name][at] for name in ("experts_saved", "experts_at_last_level", "last_level_s")]
        assert numbers == [*alone.experts_by_level.values(), alone.last_level_s]


def test_what_is_not_modelled_is_a_sentence() -> None:
    warned = leveled(checkpoint={"warning": {"lead": "1 h", "recall": 0.5}})
    assert any("left out: beside checkpoint.warning" in one for one in plan(warned).warnings)
    scatters = [
        LEVELS[0],
        {key: one for key, one in LEVELS[1].items() if key != "save"} | {"save": ["9 s", "30 s"]},
    ]
    found = plan(leveled(checkpoint={"level": scatters})).warnings
    assert any("left out: beside checkpoint.level.1.save (it scatters)" in one for one in found)
    unbound = leveled().model_copy(update={"accuracy": None})
    assert any("budget says how many updates" in one for one in plan(unbound).warnings)
    with pytest.raises(JobError, match="--model steady-state"):
        plan(leveled(), Exact())


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"first": 17}, "checkpoint.level.0.rotating = 17: expected at most cluster.experts (16)"),
        ({"last": 0}, "checkpoint.level.1.rotating = 0: expected true, or a whole number of experts"),
        ({"last": "all"}, 'checkpoint.level.1.rotating = "all": expected true, or a whole number'),
        ({"cluster": {"experts": None}}, "cluster.experts: expected experts (or embedding_shards)"),
        ({"checkpoint": {"rotating": 3}}, "checkpoint.rotating = 3: expected it with each level"),
        (
            {"job": {"current_recovery": "rotating"}},
            "checkpoint.level.0.rotating = true: expected how many experts (or shards) a save holds today",
        ),
        (
            {"first": None, "last": None, "job": {"current_recovery": "rotating"}},
            'job.current_recovery = "rotating": expected rotating in a level of checkpoint.level',
        ),
        (
            {"checkpoint": {"level": [LEVELS[0], {**LEVELS[0], "survives": 0.8}, LEVELS[1]]}},
            "checkpoint.level.0.rotating = true: expected no such key beside 3 levels: saves that rotate are",
        ),
        (
            {"checkpoint": {"level": [LEVELS[1]]}},
            "checkpoint.level.0.rotating = true: expected no such key beside one level",
        ),
    ],
)
def test_bad_jobs_are_one_line(job: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as error:
        leveled(**job)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
