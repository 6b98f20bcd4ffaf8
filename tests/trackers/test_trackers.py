"""The trackers against plain dictionaries, their state, and the memory that they state."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel import DomainError
from cprmodel.trackers import (
    GrownSums,
    LargestChange,
    LeastHarm,
    MostFrequentlyUpdated,
    SubSampledUpdated,
    Tracker,
    UpdateAge,
    choose,
)

ROWS = 12
MAKE: dict[str, Callable[[], Tracker]] = {
    "mfu": lambda: MostFrequentlyUpdated(ROWS),
    "ssu": lambda: SubSampledUpdated(ROWS, 4),
    "scar": lambda: LargestChange(np.zeros((ROWS, 3), dtype=np.float32)),
    "update-age": lambda: UpdateAge(ROWS),
    "least-harm": lambda: LeastHarm(np.zeros((ROWS, 3), dtype=np.float32)),
    "grown-sums": lambda: GrownSums(np.zeros(ROWS, dtype=np.float32)),
}

batches = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=8), max_size=12)


def best(priority: dict[int, float], n: int) -> list[float]:
    """The n largest positive priorities."""
    return sorted((value for value in priority.values() if value > 0), reverse=True)[:n]


@given(steps=batches, n=st.integers(0, ROWS + 2))
def test_counts_and_ages_against_dictionaries(steps: list[list[int]], n: int) -> None:
    mfu, age = MostFrequentlyUpdated(ROWS), UpdateAge(ROWS)
    for tracker in (mfu, age):
        updates: Counter[int] = Counter()
        since = dict.fromkeys(range(ROWS), 0)
        for rows in steps:
            tracker.record(rows)
            tracker.tick()
            updates.update(rows)
            since = {row: ticks + 1 for row, ticks in since.items()}
            priority = {row: updates[row] * (since[row] if tracker is age else 1) for row in range(ROWS)}
            chosen = tracker.select(n).tolist()
            assert len(set(chosen)) == len(chosen)
            assert sorted((priority[row] for row in chosen), reverse=True) == best(priority, n)
            tracker.saved(chosen)
            for row in chosen:
                updates[row], since[row] = 0, 0


def test_age_before_the_first_tick_is_no_reason_to_save_nothing() -> None:
    tracker = UpdateAge(5)
    tracker.record([1, 1, 2])
    assert tracker.select(1).tolist() == [1]


def test_age_stops_at_its_largest() -> None:
    tracker = UpdateAge(2)
    tracker.age[:] = 65_534
    for _ in range(3):
        tracker.tick()
    assert tracker.age.tolist() == [65_535, 65_535]


@given(
    moves=st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(-3, 3), st.integers(-3, 3)), max_size=30),
    n=st.integers(0, ROWS + 2),
    root=st.tuples(*[st.integers(-2, 2)] * 4),
)
def test_least_harm_against_sums_row_by_row(
    moves: list[tuple[int, int, int]], n: int, root: tuple[int, int, int, int]
) -> None:
    """Whole numbers, so that nothing is rounded but the curvature's root."""
    curvature = np.array(root, dtype=float).reshape(2, 2)
    curvature = curvature @ curvature.T
    table = np.zeros((ROWS, 2), dtype=np.float64)
    tracker, accesses = LeastHarm(table, curvature), Counter[int]()
    saved = table.copy()
    for row, x, y in moves:
        table[row] += x, y
        tracker.record([row])
        accesses[row] += 1
    for _ in range(2):  # what is saved has nothing to lose, and keeps its accesses
        apart = table - saved
        harm = {row: accesses[row] * float(apart[row] @ curvature @ apart[row]) for row in range(ROWS)}
        chosen = tracker.select(n).tolist()
        assert len(set(chosen)) == len(chosen) <= n
        found = sorted((harm[row] for row in chosen), reverse=True)
        expected = best(harm, n)
        assert np.allclose([one for one in found if one > 1e-4], [one for one in expected if one > 1e-4], rtol=1e-5)
        tracker.saved(chosen)
        saved[chosen] = table[chosen]
    tracker.renew(1.0)
    apart = table - saved
    harm = {row: accesses[row] * float(apart[row] @ apart[row]) for row in range(ROWS)}
    assert sorted((harm[row] for row in tracker.select(n).tolist()), reverse=True) == best(harm, n)


@pytest.mark.parametrize(
    ("curvature", "said"),
    [
        ([1.0, 2.0], "expected one finite number, 3, or a matrix of 3 × 3, not shape (2,)"),
        (np.full((3, 3), np.nan), "expected one finite number"),
        (np.triu(np.ones((3, 3))), "expected a symmetric matrix"),
        ([1.0, -1.0, 1.0], "expected none below 0, not -1"),
        (-np.eye(3), "expected none below 0, not -1"),
    ],
)
def test_a_curvature_that_is_none_is_refused(curvature: Any, said: str) -> None:
    with pytest.raises(DomainError) as caught:
        LeastHarm(np.zeros((4, 3)), curvature)
    assert said in str(caught.value)


@given(steps=batches, n=st.integers(0, ROWS + 2))
def test_grown_sums_against_squares_added_up(steps: list[list[int]], n: int) -> None:
    """A gradient of 1 an access: what grew is how often a row was accessed since its save."""
    sums = np.zeros(ROWS, dtype=np.float32)
    tracker, since = GrownSums(sums), Counter[int]()
    for rows in steps:
        for row in rows:
            sums[row] += 1
        tracker.record(rows)
        since.update(rows)
        chosen = tracker.select(n).tolist()
        assert sorted((float(since[row]) for row in chosen), reverse=True) == best(dict(since), n)
        tracker.saved(chosen)
        for row in chosen:
            since[row] = 0


def test_sums_put_back_by_a_recovery_have_grown_by_nothing() -> None:
    sums = np.array([5.0, 1.0], dtype=np.float32)
    tracker = GrownSums(sums)
    sums[:] = 2.0
    assert tracker.select(2).tolist() == [1]  # the first fell
    assert tracker.nbytes == 4 * 2
    tracker.restored([0, 1])
    assert not tracker.select(2).size
    with pytest.raises(DomainError, match="GrownSums: expected a NumPy array of floats of one axis"):
        GrownSums(np.zeros((2, 2)))


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=40), n=st.integers(0, 16))
def test_tables_are_chosen_from_together(steps: list[tuple[int, int]], n: int) -> None:
    """As one table that holds the rows of all."""
    apart, together = [MostFrequentlyUpdated(5) for _ in range(3)], MostFrequentlyUpdated(15)
    updates: Counter[int] = Counter()
    for table, row in steps:
        apart[table].record([row])
        together.record([5 * table + row])
        updates[5 * table + row] += 1
    chosen = choose(apart, n)
    assert len(chosen) == 3
    flat = [5 * table + int(row) for table, rows in enumerate(chosen) for row in rows]
    assert len(set(flat)) == len(flat) <= n
    assert sorted((updates[row] for row in flat), reverse=True) == best(dict(updates), n)
    assert sorted(flat) == sorted(together.select(n).tolist())
    assert choose([], 3) == []


def test_the_largest_change_is_a_distance() -> None:
    table = np.zeros((5, 2), dtype=np.float32)
    tracker = LargestChange(table)
    table[1] = [3, 4]
    table[2] = [1, 1]
    tracker.record([1, 2])
    assert tracker.select(1).tolist() == [1]
    tracker.saved([1])
    assert tracker.select(5).tolist() == [2]
    table[1] = [3, 5]
    assert sorted(tracker.select(2).tolist()) == [1, 2]
    tracker.record([4], np.array([[9.0, 9.0]], dtype=np.float32))  # a table of its own
    assert tracker.select(1).tolist() == [4]


@given(steps=batches)
def test_the_list_is_bounded_and_holds_what_was_updated(steps: list[list[int]]) -> None:
    tracker = SubSampledUpdated(ROWS, 4, seed=1)
    seen: set[int] = set()
    for rows in steps:
        tracker.record(rows)
        seen |= set(rows)
        chosen = tracker.select(ROWS).tolist()
        assert len(chosen) == len(set(chosen)) <= 4
        assert set(chosen) <= seen
        assert sorted(np.flatnonzero(tracker.listed)) == sorted(chosen)
        tracker.saved(chosen[:1])
        assert set(tracker.select(ROWS).tolist()) == set(chosen[1:])


def test_every_second_update_is_sampled_over_calls() -> None:
    tracker = SubSampledUpdated(10, 10)
    for row in range(10):
        tracker.record([row])
    assert sorted(tracker.select(10)) == [0, 2, 4, 6, 8]
    whole = SubSampledUpdated(10, 10)
    whole.record([0, 1, 2])
    whole.record([3, 4, 5, 6])
    whole.record([7, 8, 9])
    assert sorted(whole.select(10)) == [0, 2, 4, 6, 8]


def test_who_is_on_a_full_list_is_a_matter_of_frequency() -> None:
    """Stationary: on the list with probability λ/(λ + ε), ε such that the list is full (a mean field, derived)."""
    rows, capacity, rng = 4000, 1000, np.random.default_rng(8)
    rates = np.where(np.arange(rows) < 400, 20.0, 1.0)
    tracker = SubSampledUpdated(rows, capacity, seed=2)
    listed, looks = np.zeros(rows), 600
    for _ in range(looks):
        tracker.record(rng.choice(rows, 2000, p=rates / rates.sum()))
        listed += tracker.listed
    share = listed / looks
    low, high = 1e-3, 1e3
    for _ in range(200):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if (rates / (rates + middle)).sum() > capacity else (low, middle)
    expected = rates / (rates + low)
    assert share[:400].mean() == pytest.approx(expected[0], abs=0.03)
    assert share[400:].mean() == pytest.approx(expected[-1], abs=0.01)


@pytest.mark.parametrize("name", MAKE)
def test_state_saves_and_restores(name: str) -> None:
    rng = np.random.default_rng(3)
    one, other = MAKE[name](), MAKE[name]()

    def step(tracker: Tracker, rows: Any, values: Any) -> list[int]:
        tracker.record(rows, values if name == "scar" else None)
        tracker.tick()
        chosen = tracker.select(2)
        tracker.saved(chosen)
        return sorted(chosen.tolist())

    for _ in range(5):
        step(one, rng.integers(0, ROWS, 6), rng.random((6, 3), dtype=np.float32))
    state = {key: np.asarray(value) for key, value in one.state_dict().items()}  # copies already
    if isinstance(one, LargestChange) and isinstance(other, LargestChange):
        other.values[...] = one.values  # the table is the caller's
    other.load_state_dict(state)
    for _ in range(20):
        rows, values = rng.integers(0, ROWS, 6), rng.random((6, 3), dtype=np.float32)
        assert step(one, rows, values) == step(other, rows, values)
    assert {key: value.tolist() for key, value in one.state_dict().items()} == {
        key: value.tolist() for key, value in other.state_dict().items()
    }


def feed(tracker: Tracker, rows: list[int], number: float) -> None:
    """An update of these rows, of a size that is its own."""
    if isinstance(tracker, GrownSums):
        tracker.sums[rows] += number
    elif isinstance(tracker, LargestChange):
        tracker.record(rows, tracker.values[rows] + np.float32(number))
    else:
        tracker.record(rows)
    tracker.tick()


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"ssu"}))
@given(before=batches, after=batches, n=st.integers(0, ROWS))
def test_a_save_that_failed_is_as_if_it_had_not_been(
    name: str, before: list[list[int]], after: list[list[int]], n: int
) -> None:
    """Beside a twin of which no row was saved, whatever was recorded since."""
    tracker, twin = MAKE[name](), MAKE[name]()
    for at, rows in enumerate(before):
        for one in (tracker, twin):
            feed(one, rows, 1.0 + at)
    chosen = tracker.select(n)
    held = tracker.held(chosen)
    tracker.saved(chosen)
    assert not np.isin(chosen, tracker.select(ROWS)).any()
    for at, rows in enumerate(after):
        for one in (tracker, twin):
            feed(one, rows, 100.0 + at)
    tracker.unsaved(chosen, held)
    state, expected = tracker.state_dict(), twin.state_dict()
    assert state.keys() == expected.keys()
    for part, array in state.items():
        assert np.array_equal(array, expected[part]), part
    for one in (tracker, twin):
        one.tick()
    assert np.array_equal(np.sort(tracker.select(n)), np.sort(twin.select(n)))


@given(before=batches, after=batches, capacity=st.integers(1, ROWS), every=st.integers(1, 3))
def test_rows_whose_save_failed_are_on_the_list_again(
    before: list[list[int]], after: list[list[int]], capacity: int, every: int
) -> None:
    tracker = SubSampledUpdated(ROWS, capacity, every)
    for rows in before:
        tracker.record(rows)
    chosen = tracker.select(capacity)
    tracker.saved(chosen)
    for rows in after:
        tracker.record(rows)
    came, pass_over = set(tracker.select(ROWS).tolist()), int(tracker.counters[1])
    tracker.unsaved(chosen, tracker.held(chosen))
    now = set(tracker.select(ROWS).tolist())
    assert now == set(np.flatnonzero(tracker.listed).tolist())
    assert now <= came | set(chosen.tolist())
    assert len(now) == min(capacity, len(came | set(chosen.tolist())))
    assert tracker.counters[1] == pass_over


def test_ages_given_back_stop_at_their_largest() -> None:
    tracker = UpdateAge(2)
    tracker.age[:] = 65_000
    held = tracker.held([0])
    tracker.saved([0])
    tracker.age[0] = 1000
    tracker.unsaved([0], held)
    assert tracker.age.tolist() == [65_535, 65_000]


def test_a_tracker_that_holds_nothing_records_what_was_not_saved() -> None:
    class Dirty(Tracker):
        def __init__(self) -> None:
            super().__init__(ROWS)
            self.rows_due: set[int] = set()

        def record(self, rows: Any, values: Any = None) -> None:
            self.rows_due |= set(self.ids(rows).tolist())

        def select(self, n: int) -> Any:
            return np.array(sorted(self.rows_due)[:n], dtype=np.intp)

        def saved(self, rows: Any) -> None:
            self.rows_due -= set(self.ids(rows).tolist())

    tracker = Dirty()
    tracker.record([3, 5])
    tracker.saved([3])
    tracker.unsaved([3], tracker.held([3]))
    assert tracker.select(ROWS).tolist() == [3, 5]


@pytest.mark.parametrize("name", MAKE)
def test_restored_rows_have_nothing_to_lose(name: str) -> None:
    tracker = MAKE[name]()
    tracker.record([3, 3, 5, 5], np.ones((4, 3), dtype=np.float32) if name in ("scar", "least-harm") else None)
    if isinstance(tracker, GrownSums):
        tracker.sums[[3, 5]] = 1.0
    assert sorted(tracker.select(ROWS).tolist()) == [3, 5]
    tracker.restored([3])
    assert tracker.select(ROWS).tolist() == [5]


@pytest.mark.parametrize(
    ("make", "stated"),
    [
        (lambda n: MostFrequentlyUpdated(n), 4.0),
        (lambda n: UpdateAge(n), 6.0),
        (lambda n: SubSampledUpdated(n, n // 8), 1 + 4 / 8),
    ],
)
def test_memory_is_as_stated(make: Callable[[int], Tracker], stated: float) -> None:
    """What the interpreter allocates for a tracker of a million rows, and what it says it holds."""
    rows = 1_000_000
    tracemalloc.start()
    tracker = make(rows)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / rows == pytest.approx(stated, rel=0.01)
    assert tracker.nbytes / rows == pytest.approx(stated, rel=0.001)


def test_memory_of_the_copy() -> None:
    table = np.zeros((1000, 16), dtype=np.float32)
    assert LargestChange(table).nbytes == table.nbytes


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("rows", [[-1], [ROWS], [[1]], [0.5], ["a"]])
def test_rows_that_are_none(name: str, rows: Any) -> None:
    with pytest.raises(DomainError, match="expected row numbers"):
        MAKE[name]().record(rows)
    MAKE[name]().record([])


@pytest.mark.parametrize("name", MAKE)
def test_state_of_another_tracker(name: str) -> None:
    tracker = MAKE[name]()
    state = tracker.state_dict()
    first = next(iter(state))
    with pytest.raises(DomainError, match=rf"{first}: expected .* of shape"):
        tracker.load_state_dict({**state, first: state[first][:-1]})
    with pytest.raises(DomainError, match=f"not without {first}"):
        tracker.load_state_dict({key: value for key, value in state.items() if key != first})


def test_bad_sizes() -> None:
    with pytest.raises(DomainError, match="rows = 0: expected"):
        MostFrequentlyUpdated(0)
    with pytest.raises(DomainError, match="capacity = 5: expected"):
        SubSampledUpdated(4, 5)
    with pytest.raises(DomainError, match="every = 0: expected"):
        SubSampledUpdated(4, 2, every=0)
    with pytest.raises(DomainError, match="expected a NumPy array of floats"):
        LargestChange(np.zeros(4))
