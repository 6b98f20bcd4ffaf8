"""Saves by age, played: against the event loop gap by gap, against theory.md section 2, and plain draws."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cprmodel import DomainError, formulas
from cprmodel.simulation import play_renewals
from cprmodel.simulation.renewals import work_kept
from tests.slow_event_loop import Setting, play

MU, C = 24 * 60.0, 5.0  # minutes


def weibull(shape: float) -> Any:
    return stats.weibull_min(shape, scale=MU / math.gamma(1 + 1 / shape))


def by_formula(shape: float, saves: int) -> Any:
    """Works before the saves that theory.md's closed form gives."""
    times = formulas.weibull_save_time(np.arange(1.0, saves + 1), C, shape, MU / math.gamma(1 + 1 / shape))
    return np.maximum(np.diff(times, prepend=0.0) - C, 0.0)


@pytest.mark.parametrize("shape", [0.5, 1.5])
@pytest.mark.parametrize("works", [(90.0, 110.0, 130.0, 135.0), (120.0,)])
def test_the_event_loop_keeps_the_same_work(shape: float, works: tuple[float, ...]) -> None:
    """One long job with these gaps ends when the loop says only if it kept this work of each gap.

    After the last failure the loop has as much left as takes 20 saves, and no failure strikes any more.
    """
    gaps = weibull(shape).rvs(400, random_state=np.random.default_rng(2))
    kept = float(np.sum(work_kept(works, C, gaps)))
    rest = list(itertools.islice(itertools.chain(works, itertools.repeat(works[-1])), 21))
    setting = Setting(
        work=kept + sum(rest),
        interval=0.0,
        works_by_age=works,
        save=C,
        full=True,
        reschedule=7.0,
        free_of_failures_while_rescheduling=True,
    )
    drawn = iter([*gaps, math.inf])
    out = play(setting, lambda: next(drawn), lambda: "whole_job", random.Random(1))
    assert out.failures == len(gaps)
    assert out.time == pytest.approx(gaps.sum() + 7.0 * len(gaps) + sum(rest) + 20 * C, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "saves", "efficiency", "tau", "equal"),
    [
        (0.5, 400, 0.92958, 132.6, 0.92529),
        (0.7, 400, 0.92212, 121.6, 0.92087),
        (1.5, 60, 0.91973, 115.2, 0.91844),
    ],
)
def test_theory(shape: float, saves: int, efficiency: float, tau: float, equal: float) -> None:
    """theory.md section 2, to its last digit and four standard errors; after 60 saves there are none for 1.5."""
    works = by_formula(shape, saves)
    if shape > 1:
        works = np.append(works, 0.0)
    played = play_renewals([works, [tau]], C, weibull(shape).ppf)
    for share, expected in (
        (played.efficiency(0), efficiency),
        (played.efficiency(1), equal),
        (played.gain(0, over=1), efficiency - equal),
    ):
        assert share.standard_error < 3e-5
        assert abs(share.mean - expected) < 4 * share.standard_error + 2.1e-5
    assert played.gain(0, over=1).mean > 20 * played.gain(0, over=1).standard_error


@pytest.mark.parametrize(("law", "shape"), [(stats.gamma, 0.5), (stats.lognorm, 1.5), (stats.weibull_min, 3.0)])
def test_standard_errors_hold(law: Any, shape: float) -> None:
    """Over 60 seeds the distance from the formula, in standard errors, has the spread of Student's t with 24."""
    frozen = law(shape)
    mean = float(frozen.mean())
    works, tau, save = [0.1 * mean, 0.15 * mean, 0.2 * mean], 0.15 * mean, 0.005 * mean
    exact = [
        formulas.schedule_efficiency(works, save, mean, frozen.sf, 0.01 * mean, 0.02 * mean),
        formulas.renewal_efficiency(tau, save, mean, frozen.sf, 0.01 * mean, 0.02 * mean),
    ]
    scores = []
    for seed in range(60):
        played = play_renewals([works, [tau]], save, frozen.ppf, 0.01 * mean, 0.02 * mean, 5000, seed)
        found, gain = played.efficiency(0), played.gain(0, over=1)
        scores.append((found.mean - exact[0]) / found.standard_error)
        scores.append((gain.mean - exact[0] + exact[1]) / gain.standard_error)
    assert abs(np.mean(scores)) < 0.5
    assert 0.75 < np.std(scores) < 1.4


def test_strata_are_the_law() -> None:
    """The mean kept work of stratified gaps is that of plain draws, within the latter's error."""
    law = weibull(0.6)
    works = [80.0, 100.0, 140.0]
    played = play_renewals([works], C, law.ppf, seed=5)
    gaps = law.rvs(400_000, random_state=np.random.default_rng(8))
    plain = work_kept(works, C, gaps) / MU
    error = plain.std() / math.sqrt(len(gaps))
    assert abs(played.kept_s.sum() / (250_000 * MU) - plain.mean()) < 4 * error
    assert played.efficiency(0).standard_error < error / 3  # what the strata are for


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schedules": [[]]}, "schedules: expected lists of numbers"),
        ({"schedules": [[0.0, 0.0]]}, "schedules: expected lists of numbers"),
        ({"schedules": [[5.0, math.nan]]}, "schedules: expected lists of numbers"),
        ({"save_s": -1.0}, "save_s = -1.0: expected a number of at least 0"),
        ({"load_s": math.inf}, "load_s = inf: expected a number of at least 0"),
        ({"failures": 49}, "failures = 49: expected at least 50"),
    ],
)
def test_bad_numbers_are_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(DomainError, match=expected):
        play_renewals(**{"schedules": [[5.0]], "save_s": 1.0, "quantile": stats.expon.ppf, **change})
