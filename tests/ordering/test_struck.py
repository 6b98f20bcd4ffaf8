"""What failures take of updates that are not saved, in closed form, and shards that begin again."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import FirstOrder, plan
from cprmodel.formulas import exact_pls, fresh_loss, priority_pls, stale_loss
from cprmodel.jobs import Access, Job, job_from_mapping
from cprmodel.ordering import expected_pls, unsaved
from cprmodel.planning.planner import priced
from tests.conftest import EXAMPLE
from tests.ordering.test_finite import ACCESS, TABLE

EVERYTHING = Access(priority_fraction=1.0, tables=(TABLE,))


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0.05, 300),
    st.floats(0.01, 3),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 0.3),
    st.integers(1, 16),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
)
def test_saving_everything_is_the_exact_pls(
    pieces: float, rate: float, s: float, t: float, save: float, shards: int, stop: float, trainer: float
) -> None:
    """With all rows in every save nothing is stale: the formula with recoveries of plain saves must come out."""
    work, interval, mtbf = 1.0, 1.0 / pieces, 1.0 / rate
    share, of_trainers = s, (1 - s) * t
    given = {
        "work_s": work,
        "interval_s": interval,
        "save_s": save * interval,
        "mtbf_s": mtbf,
        "shards": shards,
        "partial_reschedule_s": stop * mtbf,
        "shard_share": share,
        "trainer_share": of_trainers,
        "trainer_reschedule_s": trainer * mtbf,
    }
    whole = {"whole_job_share": 1 - share - of_trainers}
    found = unsaved("round-robin", EVERYTHING, work, interval)
    assert not found.stale_s.any()
    assert priority_pls.raw(stale_s=0.0, last_stale_s=0.0, **given) == pytest.approx(
        exact_pls.raw(**given, **whole), rel=1e-9, abs=1e-15
    )


def test_a_stale_update_is_lost_to_whatever_hits_it() -> None:
    """Failures at work alone: e^(−aτ) stay, a the rate at which its shard or the whole job fails."""
    given = {
        "interval_s": 30.0,
        "save_s": 0.0,
        "mtbf_s": 100.0,
        "shards": 4,
        "shard_share": 0.6,
        "trainer_share": 0.1,
    }
    assert stale_loss(**given) == pytest.approx(-np.expm1(-0.3 * (0.6 / 4 + 0.3)))
    assert fresh_loss(**given) == pytest.approx(1 + np.expm1(-0.3 * 0.15) / (0.3 * 0.15))


def test_a_struck_shard_begins_again() -> None:
    """The renewal sum, against shards played slot by slot."""
    random, lost, kept = np.random.default_rng(4), 0.1, 0.4
    found = unsaved("update-age", ACCESS, 30 * 1e4 / 8, 1e4)
    stale = np.append(found.stale_s.mean(0), found.steady_s.mean())
    age, expected = np.zeros(200_000, dtype=int), found.struck(lost, kept).stale_s.mean(0)
    for slot in range(found.slots):
        each = stale[age]
        assert abs(each.mean() - expected[slot]) < 5 * each.std() / len(age) ** 0.5 + 1e-9
        again = random.random(age.size) < lost
        age = np.where(again, (random.random(age.size) < kept).astype(int), age + 1)


def tight(save: str, budget: float, mtbf: str = "28 h", step: bool = True) -> Job:
    """The example of ordered saves with short saves and a small budget: slots can then take all that is dirty."""
    data = tomllib.loads((EXAMPLE.parent / "ordered-saves.toml").read_text(encoding="utf-8"))
    data["checkpoint"]["save"], data["failures"]["mtbf"] = save, mtbf
    data["accuracy"] = {"pls_budget": budget}
    data["job"] = {key: data["job"][key] for key in ("work", "step")[: 1 + step]}
    return job_from_mapping(data)


@pytest.mark.parametrize(
    ("save", "budget", "mtbf"), [("2 s", 1e-4, "28 h"), ("60 s", 3e-4, "28 h"), ("4 s", 2e-4, "14 h")]
)
@pytest.mark.parametrize("step", [False, True])
def test_small_budgets_find_their_interval(save: str, budget: float, mtbf: str, step: bool) -> None:
    """The loss is no line in the interval, and simulated: it is not given up, nor ends just above."""
    job = tight(save, budget, mtbf, step)
    found = {one.name: one for one in priced(job, FirstOrder()).strategies}
    for name in ("partial-mfu", "partial-update-age"):
        one = found[name]
        assert one.feasible, (name, one.reason)
        longer = replace(one.strategy, interval_s=1.03 * one.interval_s)
        assert expected_pls(job, longer, False).pls > budget  # and no interval much longer keeps it
    best = min((one for one in found.values() if one.feasible), key=lambda one: one.overhead_fraction)
    assert best.order is not None
    assert best.overhead_fraction < 0.5 * found["full"].overhead_fraction * 1.5


def test_thresholds_say_what_they_are_about_where_orders_compete() -> None:
    answer = plan(tight("60 s", 3e-4))
    said = " ".join(answer.what_would_change_it)
    assert "with saves of everything" in said
    worse = plan(tight("60 s", 3e-4, "14 h"))
    assert f"({worse.recommended}, " in said  # the best then, of all
