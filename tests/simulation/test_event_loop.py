"""The kernels against a plain event loop, run by run, fed the same times, kinds and shards."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel.simulation import kernel
from tests.slow_event_loop import Outcome, Setting, play

COLUMN = {name: i for i, name in enumerate(kernel.COLUMNS)}
NO_TIMES = np.zeros(1)
ONE = np.array([[1.0, 1.0]])  # shard, whatever fails
GO = np.zeros(1, dtype=np.uint8)


class Numbers:
    """The kernel's random numbers, drawn in its order: a gap, a kind, a shard, and more shards when asked."""

    def __init__(self, seed: int, mtbf: float, shares: tuple[float, float, float], shards: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.mtbf, self.shares = mtbf, shares
        self.mixed = max(shares) < 1
        self.permutation = list(range(shards))

    def gap(self) -> float:
        gap = self.mtbf * self.rng.standard_exponential()
        self.kind_number = self.rng.random() if self.mixed else 0.0
        self.first_pick = self.rng.random() if self.shares[0] > 0 else 0.0
        return gap

    def kind(self) -> str:
        if not self.mixed:
            return ("shard", "trainer", "whole_job")[self.shares.index(1.0)]
        s, t, _ = self.shares
        return "shard" if self.kind_number < s else "trainer" if self.kind_number < s + t else "whole_job"

    def sample(self, population: range, k: int) -> list[int]:
        picked = []
        for n in range(k):
            u = self.first_pick if n == 0 else self.rng.random()
            j = n + int(u * (len(population) - n))
            if k == 1:
                return [j]
            self.permutation[j], self.permutation[n] = self.permutation[n], self.permutation[j]
            picked.append(self.permutation[n])
        return picked


def kernel_run(setting: Setting, seed: int, mtbf: float, shares: tuple[float, float, float]) -> Any:
    pieces = int(np.maximum(np.ceil(setting.work / setting.interval * (1 - 1e-12)), 1))
    rest = setting.work - (pieces - 1) * setting.interval
    both = max(setting.partial_reschedule, setting.trainer_reschedule - setting.partial_load)
    reschedule = np.array([setting.partial_reschedule, setting.trainer_reschedule, setting.reschedule, both, 0.0])
    load = np.array([setting.partial_load, 0.0, setting.load, setting.partial_load, 0.0])
    out = np.empty((1, len(kernel.COLUMNS)))
    tau = min(setting.interval, setting.work)
    rng = np.random.default_rng(seed)
    zero = np.zeros(1, dtype=np.int64)
    law = (kernel.EXPONENTIAL, 1.0, mtbf, NO_TIMES, tau, setting.save, rest, pieces)
    counts = (
        setting.shards,
        *((0.0, 0.0) if setting.full else shares[:2]),
        np.array([[1.0, setting.failed_shards]]),
    )
    numbers = kernel.Numbers(*law, *counts, np.zeros(5), reschedule, load, 10**6, GO)
    if setting.full:
        assert kernel.play_full(out, zero, rng, numbers)
    else:
        assert kernel.play_partial(out, zero, rng, numbers, 1)
    return out[0]


def loop_run(setting: Setting, seed: int, mtbf: float, shares: tuple[float, float, float]) -> Outcome:
    numbers = Numbers(seed, mtbf, shares, setting.shards)
    return play(setting, numbers.gap, numbers.kind, numbers)  # type: ignore[arg-type]


def agree(setting: Setting, seed: int, mtbf: float, shares: tuple[float, float, float]) -> None:
    row, slow = kernel_run(setting, seed, mtbf, shares), loop_run(setting, seed, mtbf, shares)
    assert row[COLUMN["time_s"]] == pytest.approx(slow.time, rel=1e-9)
    assert row[COLUMN["lost"]] == pytest.approx(slow.lost_samples, rel=1e-9, abs=1e-9 * setting.work)
    assert sum(row[COLUMN[name]] for name in ("shard", "trainer", "whole_job")) == slow.failures
    assert row[COLUMN["reschedule_s"]] == pytest.approx(slow.parts["reschedule"], rel=1e-9, abs=1e-9)
    load = row[COLUMN["stopped_s"]] - row[COLUMN["reschedule_s"]]
    assert load == pytest.approx(slow.parts["load"], rel=1e-9, abs=1e-9 * (1 + slow.time))


TIME = st.floats(0, 3)


@st.composite
def settings_of(draw: st.DrawFn) -> tuple[Setting, float, tuple[float, float, float]]:
    full = draw(st.booleans())
    shards = draw(st.integers(1, 9))
    work, interval = draw(st.floats(1, 60)), draw(st.floats(0.5, 80))
    # a ratio within 1e-12 of a whole number counts as it (intervals); the plain loop knows no such rule, and is
    # told the work that the rule reads
    whole = round(work / interval)
    if whole and work != whole * interval and abs(work / interval - whole) <= 1e-12 * whole:
        work = whole * interval
    setting = Setting(
        work=work,
        interval=interval,
        save=draw(st.floats(0.01, 3)),
        full=full,
        reschedule=draw(TIME),
        load=draw(TIME),
        partial_reschedule=draw(TIME),
        partial_load=draw(TIME),
        trainer_reschedule=draw(TIME),
        shards=shards,
        failed_shards=draw(st.integers(1, shards)),
    )
    shares = draw(
        st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.3, 0.2), (0.0, 0.5, 0.5)])
    )
    # an MTBF that lets the job end: a few failures in the longest piece at most
    longest = min(setting.interval, setting.work) + setting.save + 3
    recovery = setting.reschedule + setting.load + setting.partial_reschedule + setting.trainer_reschedule
    mtbf = draw(st.floats(0.4, 10)) * (longest + recovery)
    return setting, mtbf, (0.0, 0.0, 1.0) if full else shares


@given(case=settings_of(), seed=st.integers(0, 2**32))
@settings(max_examples=200)
def test_run_by_run(case: tuple[Setting, float, tuple[float, float, float]], seed: int) -> None:
    setting, mtbf, shares = case
    if setting.full:  # its kernel draws a gap alone
        numbers = np.random.default_rng(seed)
        slow = play(setting, lambda: mtbf * numbers.standard_exponential(), lambda: "whole_job", None)  # type: ignore[arg-type]
        row = kernel_run(setting, seed, mtbf, shares)
        assert row[COLUMN["time_s"]] == pytest.approx(slow.time, rel=1e-9)
        assert row[COLUMN["whole_job"]] == slow.failures
        assert row[COLUMN["rolled_s"]] == pytest.approx(slow.parts["lost"], rel=1e-6, abs=1e-6 * setting.work)
        assert row[COLUMN["reschedule_s"]] == pytest.approx(slow.parts["reschedule"], rel=1e-9, abs=1e-9)
    else:
        agree(setting, seed, mtbf, shares)


def test_replayed_times_reach_both_kernels() -> None:
    """Given times instead of drawn ones, from a given offset on, round and round."""
    times = np.array([3.0, 11.0, 0.5, 27.0, 6.0])
    setting = Setting(work=90.0, interval=7.0, save=1.0, full=True, reschedule=1.5, load=0.5)
    for offset in range(5):
        endless = itertools.cycle(np.roll(times, -offset))
        slow = play(setting, lambda gaps=endless: next(gaps), lambda: "whole_job", None)  # type: ignore[misc,arg-type]
        law = (kernel.REPLAY, 1.0, 1.0, times, 7.0, 1.0, 6.0, 13)
        first = (np.array([offset]), np.random.default_rng(0))
        out = np.empty((1, len(kernel.COLUMNS)))
        stops = np.array([1.5, 0, 1.5, 1.5, 0]), np.array([0.5, 0, 0.5, 0.5, 0])
        numbers = kernel.Numbers(*law, 8, 0.0, 0.0, ONE, np.zeros(5), *stops, 10**6, GO)
        assert kernel.play_full(out, *first, numbers)
        assert out[0, COLUMN["time_s"]] == pytest.approx(slow.time)
        assert kernel.play_partial(out, *first, numbers, 1)
        assert out[0, COLUMN["time_s"]] == pytest.approx(slow.time)


def test_a_run_that_never_ends_is_given_up() -> None:
    out = np.empty((1, len(kernel.COLUMNS)))
    first = (np.zeros(1, dtype=np.int64), np.random.default_rng(0))
    law = (kernel.EXPONENTIAL, 1.0, 1.0, NO_TIMES, 100.0, 1.0, 100.0, 1)
    stop = (np.zeros(5), np.ones(5), np.ones(5))
    assert not kernel.play_full(out, *first, kernel.Numbers(*law, 8, 0.0, 0.0, ONE, *stop, 1000, GO))
    stop = (np.zeros(5), np.array([1.0, 1, 1, 1, 0]), np.zeros(5))
    assert not kernel.play_partial(out, *first, kernel.Numbers(*law, 8, 0.0, 0.0, ONE, *stop, 1000, GO), 1)
