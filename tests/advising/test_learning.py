"""The advisor against the best fixed interval, in short; benchmarks/advisor.py is the whole comparison."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from cprmodel.advising import learning
from tests.conftest import load_script
from tests.slow_event_loop import Setting, play

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return load_script(BENCHMARKS / "advisor.py")


def test_the_benchmark_s_fixed_interval_is_that_of_the_slow_loop(bench: ModuleType) -> None:
    """The same failure times, in a loop that was written for another purpose."""
    import random

    save, step, steps = 400.0, 100.0, 90
    times = bench.failure_times(5, 60, bench.MTBF_S)
    ours = bench.play_fixed(times, save, save, step, steps)
    gaps = iter([b - a for a, b in zip([0.0, *times], times, strict=False)])
    setting = Setting(
        work=ours.saved[-1] + 3 * steps * step,  # more than can have been done when the last failure struck
        interval=steps * step,
        save=save,
        full=True,
        reschedule=save / 2,
        load=save / 2,
    )

    out = play(setting, lambda: next(gaps, float("inf")), lambda: "whole_job", random.Random(1))
    assert out.failures == len(times)
    assert out.time == pytest.approx(times[-1] + save + 3 * steps * step + 2 * save)


@pytest.mark.parametrize("wrong", [0.1, 10.0])
def test_within_two_percent_of_the_best_fixed_interval(bench: ModuleType, wrong: float) -> None:
    """40 jobs of 200 failures, C/μ = 0.01, a plan ten times wrong: the last half (its standard error is 0.6%)."""
    weight = learning.PRIOR_FAILURES
    runs = [bench.one_job((seed, 0.01, (wrong,), (weight,), 200)) for seed in range(40)]
    late = bench.compare(runs, f"{weight:g} {wrong:g}", 100, 200)
    assert late.advised / late.best - 1 < 0.02
    early = bench.compare(runs, f"{weight:g} {wrong:g}", 0, 20)
    assert early.advised / early.best > late.advised / late.best  # what is not known yet costs something
