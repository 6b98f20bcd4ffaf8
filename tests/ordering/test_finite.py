"""Orders of saving in a job of finite length: what is unsaved, what failures take, what a plan makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, FirstOrder, Job, JobError, load_job, load_preset, plan, simulate
from cprmodel.facts.errors import DomainError
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    FullRecovery,
    PartialRecovery,
    PrioritySave,
    Recovery,
    Strategy,
)
from cprmodel.jobs import Access, Table
from cprmodel.ordering import Setting, expected_pls, interval_for_pls, predict, unsaved, zipf_rows
from cprmodel.ordering.ledger import UpdateLedger
from cprmodel.rows import classes_of
from cprmodel.simulation import AtRandom, AtTimes, Estimate, GivenFailure, play

TABLE = Table(rows=10**6, zipf=1.05, updates_per_second=1e4)
ACCESS = Access(tables=(TABLE,))


def job(**failures: float) -> Job:
    """A production job of CPR's size with accesses."""
    found = load_preset("cpr-dlrm").model_copy(update={"access": ACCESS})
    return found.model_copy(update={"failures": found.failures.model_copy(update=failures)})


def ordered(of: Job, order: str, interval_s: float, fraction: float = 0.125) -> Strategy:
    saving = PrioritySave(of.save_s * fraction, fraction, order)
    return Strategy(f"partial-{order}", of.partial_recovery, saving, interval_s)


@pytest.mark.parametrize("order", ["mfu", "ssu", "update-age", "round-robin"])
def test_a_long_job_is_in_the_steady_state(order: str) -> None:
    """The play of a job's beginning leads to what ``cprmodel order`` predicts of a steady state."""
    interval = 1e4  # 100 updates of a row, on average
    found = unsaved(order, ACCESS, 1e4 * interval, interval)
    rows = zipf_rows(TABLE.zipf or 0.0, TABLE.rows or 0, 1.0, TABLE.updates_per_second or 0.0)
    (said,) = predict(rows, Setting(rows.total_bytes / interval), [order])
    # 1,000 rows stand for all; SSU's rows wait long, and the beginning is taken to go on after 16 intervals
    lost = float(found.mean_s.mean()) / interval + 1 / 16
    assert lost == pytest.approx(said.lost_updates_fraction, rel=0.08 if order == "ssu" else 0.02)


def test_no_save_before_the_end_loses_as_if_nothing_were_saved() -> None:
    found = unsaved("update-age", ACCESS, 1000.0, 1e6)
    assert (found.slots, found.rest_s, found.mean_s.tolist(), found.last_s.tolist()) == (1, 1000.0, [0.0], [0.0])
    with pytest.raises(DomainError, match="one of round-robin"):
        unsaved("best", ACCESS, 1000.0, 100.0)
    with pytest.raises(DomainError, match="'scar': expected an order that goes by updates"):
        unsaved("scar", ACCESS, 1000.0, 100.0)


def test_what_is_unsaved_in_turn_is_known() -> None:
    """In turn each row is saved every τ: U₀ = τ/2 − δ/2, once the first round is over."""
    found = unsaved("round-robin", ACCESS, 1e7, 1e4)
    assert found.mean_s.mean() == pytest.approx(5000 - 625, rel=0.01)


@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0), (0.6, 0.1, 0.3)])
@pytest.mark.parametrize("order", ["mfu", "ssu", "update-age", "best-fixed"])
def test_predicted_losses_are_those_of_played_failures(order: str, shares: tuple[float, float, float]) -> None:
    """Row by row, with failures that strike saves and stops, too, against the prediction."""
    of = job(mtbf_s=6 * 3600.0, shard_share=shares[0], trainer_share=shares[1], whole_job_share=shares[2])
    strategy = ordered(of, order, 4 * 3600.0)
    found = simulate(of, strategy, runs=16 if order == "ssu" else 100, seed=3)
    said = expected_pls(of, strategy, exact=True)
    error = 4 * np.hypot(found.pls.standard_error, said.standard_error)
    # a shard's tracker has 125 of the 1,000 rows; SSU's list takes pieces that are large for 16 places
    assert abs(found.pls.mean - said.pls) < error + (0.08 if order == "ssu" else 0.01) * said.pls
    assert found.standard_errors_from_prediction()["pls"] is None  # it is an approximation
    assert found.predicted.pls == said.pls
    plain = Estimate.of(found.pls_of_runs)
    apart = np.hypot(plain.standard_error, found.pls.standard_error)
    assert abs(plain.mean - found.pls.mean) < 4 * apart  # what is expected, and what was lost
    assert found.pls.standard_error <= plain.standard_error


def test_time_is_that_of_smaller_and_more_frequent_saves() -> None:
    of = job(trainer_share=0.0, whole_job_share=0.0)
    strategy = ordered(of, "update-age", 8 * 3600.0)
    cost = Exact().cost(of, strategy)
    every_hour = Strategy("partial", of.partial_recovery, replace(of.saving, save_s=of.save_s / 8), 3600.0)
    assert cost.breakdown == Exact().cost(of, every_hour).breakdown
    found = simulate(of, strategy, runs=2000, seed=1)
    assert abs(found.standard_errors_from_prediction()["overhead_fraction"] or 0.0) < 4
    assert found.to_dict()["strategy"]["saves_every_s"] == 3600.0


def test_a_ledger_by_hand() -> None:
    """Two rows on each of two shards, a certain number of updates, saved in turn."""

    class Even:
        """Updates without scatter."""

        def poisson(self, mean: Any) -> Any:
            return np.round(mean).astype(int)

        def permutation(self, of: Any) -> Any:
            return of

        def integers(self, high: int) -> int:
            return 0

    rates = np.array([2.0, 1.0, 4.0, 3.0])  # rows 0 and 2 on shard 0; rows 0 and 1 are saved at 10, 2 and 3 at 20
    nothing = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    halves = Strategy("partial", nothing, PrioritySave(0.0, 0.5, "round-robin"), 20.0)

    def lost(*failures: GivenFailure, recovery: Recovery = nothing) -> float:
        ledger = UpdateLedger("round-robin", rates, 0.5, 2, FailureMix(1.0), 40.0, Even())  # type: ignore[arg-type]
        return play(replace(halves, recovery=recovery), 40.0, AtTimes(failures), 2, ledger=ledger).pls * 400

    shard, whole = FailureKind.SHARD, FailureKind.WHOLE_JOB
    assert lost() == 0
    assert lost(GivenFailure(shard, (0,), 15.0)) == pytest.approx(5 * 2 + 15 * 4)
    assert lost(GivenFailure(shard, (1,), 15.0)) == pytest.approx(5 * 1 + 15 * 3)
    again = GivenFailure(shard, (1,), 15.0), GivenFailure(shard, (1,), 25.0)
    assert lost(*again) == pytest.approx(5 * 1 + 15 * 3 + 10 * 1 + 5 * 3)
    assert lost(GivenFailure(whole, (), 15.0)) == pytest.approx(10 * 4 + 10 * 3)  # the rest is done again
    both = GivenFailure(shard, (0, 1), 15.0), GivenFailure(whole, (), 18.0)
    assert lost(*both) == pytest.approx(70)  # what shards had lost since the save is done again, too
    assert lost(GivenFailure(shard, (0,), 15.0), recovery=FullRecovery(0.0, 0.0)) == pytest.approx(70)


def test_random_failures_follow_their_mix() -> None:
    mix = FailureMix(10.0, 0.7, 0.2, 0.1, shards_per_failure=1.4)
    strikes = AtRandom(mix, 4, np.random.default_rng(1))
    struck = [strikes.next(None, 1.0) for _ in range(200_000)]  # type: ignore[arg-type]
    failures = [one[1] for one in struck if one is not None]
    expected = 200_000 / 10  # in a stretch the clock stops at a failure: so many stretches hold one
    hit = 200_000 * -np.expm1(-0.1)
    assert abs(len(failures) - hit) < 4 * hit**0.5 < 0.1 * expected
    shards = [one.shards for one in failures if one.kind is FailureKind.SHARD]
    share = len(shards) / len(failures)
    assert abs(share - 0.7) < 4 * (0.21 / len(failures)) ** 0.5
    assert abs(np.mean([len(one) for one in shards]) - 1.4) < 4 * (0.24 / len(shards)) ** 0.5
    assert abs(np.mean([0 in one for one in shards]) - 1.4 / 4) < 4 * (0.25 / len(shards)) ** 0.5


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(["mfu", "ssu", "update-age", "best-fixed"]), st.floats(0.001, 0.2), st.booleans())
def test_the_interval_keeps_the_budget_and_uses_it(order: str, budget: float, exact: bool) -> None:
    of = job()
    strategy = ordered(of, order, 3600.0)
    interval = interval_for_pls(of, strategy, budget, exact)
    assert interval is not None
    pls = expected_pls(of, replace(strategy, interval_s=interval), exact).pls
    assert pls <= budget
    longest = of.job.work_s / 0.125
    assert interval == longest or pls > 0.98 * budget


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_a_better_order_buys_a_longer_interval(model: Any) -> None:
    of = job().model_copy(update={"accuracy": job().accuracy.model_copy(update={"pls_budget": 0.01})})  # type: ignore[union-attr]
    answer = plan(of, model)
    names = [one.name for one in answer.strategies]
    assert names[-4:] == ["partial-mfu", "partial-ssu", "partial-update-age", "partial-best-fixed"]
    every = {one.name: one.interval_s for one in answer.strategies}
    assert every["partial"] < every["partial-ssu"]
    assert every["partial"] < every["partial-mfu"] < every["partial-update-age"]
    cost = {one.name: one.overhead_fraction for one in answer.strategies}
    assert cost["partial-update-age"] < cost["partial-mfu"] < cost["partial"]
    for one in answer.strategies[-4:]:
        assert one.feasible
        assert 0.97 * 0.01 < one.expected_pls <= 0.01
        assert one.strategy.saves_every_s == pytest.approx(one.interval_s / 8)
        data = one.to_dict()
        assert (data["order"], data["save_fraction"]) == (one.name.removeprefix("partial-"), 0.125)
        assert 0 <= data["pls_standard_error"] < 0.02 * one.expected_pls
    assert answer.recommended in ("partial-update-age", "partial-best-fixed")
    assert "12.5% of the rows every" in answer.sentence
    assert any("twice as often" in line and answer.recommended in line for line in answer.what_would_change_it)
    assert Job.from_mapping(answer.to_dict()["inputs"]) == of


def test_rows_that_are_updated_very_often_do_not_scatter() -> None:
    """At 100,000 updates of a row and interval, against the real tracker's steady state."""
    access = Access(tables=(Table(rows=10**6, zipf=1.05, updates_per_second=1e7),))
    found = unsaved("mfu", access, 1e8, 1e4)
    rows = zipf_rows(1.05, 10**6, 1.0, 1e7)
    (said,) = predict(rows, Setting(rows.total_bytes / 1e4), ["mfu"])
    assert found.mean_s.mean() / 1e4 + 1 / 16 == pytest.approx(said.lost_updates_fraction, rel=0.01)
    few = unsaved("mfu", ACCESS, 1e8, 1e4)  # 100 of them
    assert few.mean_s.mean() < 0.97 * found.mean_s.mean()


def long_saves(budget: float) -> Job:
    """Saves of half an hour and stops of 40 minutes, a failure every six hours."""
    of = job(mtbf_s=6 * 3600.0)
    point = of.checkpoint.model_copy(update={"save_s": 1800.0, "partial_reschedule_s": 2400.0})
    allowed = of.accuracy.model_copy(update={"pls_budget": budget})  # type: ignore[union-attr]
    return of.model_copy(update={"checkpoint": point, "accuracy": allowed})


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_failures_in_saves_and_stops_count(model: Any) -> None:
    of = long_saves(0.01)
    answer = plan(of, model)
    one = answer["partial-update-age"]
    found = simulate(of, one.strategy, runs=100, seed=2)
    assert one.feasible
    assert not any("leaves out" in note for note in answer.warnings)
    assert found.pls.mean < 0.01 + 3 * found.pls.standard_error + 0.01 * 0.01
    assert found.pls.mean == pytest.approx(one.expected_pls, rel=0.05 if model.name == "first-order" else 0.01)


def test_a_budget_that_saves_alone_break() -> None:
    """However short the interval: what fails in a save takes what was not saved."""
    of = long_saves(1e-5)
    one = plan(of, Exact())["partial-update-age"]
    assert not one.feasible
    assert "is above the budget 1e-05" in one.reason


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
@pytest.mark.parametrize("step", [7.0, 900.0])
def test_saves_come_after_whole_steps(model: Any, step: float) -> None:
    """The last number of them that keeps the budget; with few to choose from it shows."""
    of = long_saves(0.01)
    of = of.model_copy(update={"job": of.job.model_copy(update={"step_s": step})})
    for one in plan(of, model).strategies[-4:]:
        steps = one.strategy.saves_every_s / step
        assert steps == pytest.approx(round(steps), abs=1e-6)
        assert one.expected_pls == expected_pls(of, one.strategy, model.name == "exact").pls
        if not one.feasible:
            assert steps == pytest.approx(1)
            continue
        assert one.expected_pls <= 0.01
        longer = replace(one.strategy, interval_s=one.interval_s + max(step, 0.02 * one.interval_s * 0.125) / 0.125)
        assert expected_pls(of, longer, model.name == "exact").pls > 0.01


def test_an_interval_to_the_end_of_the_job_is_no_save() -> None:
    of = job()
    of = of.model_copy(update={"accuracy": of.accuracy.model_copy(update={"pls_budget": 0.9})})  # type: ignore[union-attr]
    of = of.model_copy(update={"job": of.job.model_copy(update={"step_s": 0.7})})
    of = of.model_copy(
        update={
            "failures": of.failures.model_copy(
                update={"whole_job_share": 0.0, "shard_share": 1.0, "trainer_share": 0.0}
            )
        }
    )
    answer = plan(of, Exact())
    one = answer["partial-update-age"]
    assert one.strategy.saves_every_s == pytest.approx(of.job.work_s)
    assert one.breakdown.save == 0
    assert any(line.startswith("partial-update-age: ") and "no save is needed" in line for line in answer.warnings)


def test_whole_job_failures_make_saves_worth_while() -> None:
    """They replay from the last save: with many of them it is the overhead that sets the interval."""
    of = job(mtbf_s=4 * 3600.0, shard_share=0.3, trainer_share=0.0, whole_job_share=0.7)
    one = plan(of, Exact())["partial-update-age"]
    costs = [
        Exact().cost(of, replace(one.strategy, interval_s=one.interval_s * factor)).breakdown.total
        for factor in (0.8, 1.0, 1.25)
    ]
    assert one.reason == "interval set by the least overhead"
    assert costs[1] <= min(costs) * (1 + 1e-3)


def test_counts_and_a_law_are_the_same_accesses(tmp_path: Path) -> None:
    ranks = np.arange(1, 5001) ** -1.05
    np.save(tmp_path / "counts.npy", np.random.default_rng(1).permutation(ranks))
    text = (Path(__file__).parents[2] / "examples" / "production-dlrm.toml").read_text()
    table = '[access]\n[[access.tables]]\ncounts = "counts.npy"\nupdates_per_second = 1000.0\n'
    (tmp_path / "job.toml").write_text(f"{text}\n{table}")
    access = load_job(tmp_path / "job.toml").access
    assert access is not None
    law = Access(tables=(Table(rows=5000, zipf=1.05, updates_per_second=1000.0),))
    mine, theirs = classes_of(access), classes_of(law)
    assert mine.rows == pytest.approx(theirs.rows)
    assert mine.total_updates == pytest.approx(theirs.total_updates) == pytest.approx(1000)
    pair = [unsaved("update-age", one, 1e4, 1e3).mean_s.mean() for one in (access, law)]
    assert pair[0] == pytest.approx(pair[1], rel=0.01)
    counted = Table(counts=str(tmp_path / "counts.npy"), counted_over_s=10.0)
    assert classes_of(Access(tables=(counted,))).total_updates == pytest.approx(ranks.sum() / 10)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("rows = 10", "zipf"),
        ("zipf = 1.0", "rows"),
        ("rows = 10\nzipf = 1.0", "updates_per_second"),
        ('rows = 10\nzipf = 1.0\nupdates_per_second = 1\ncounted_over = "1 h"', "counts beside it"),
        ('counts = "nowhere.npy"\nupdates_per_second = 1', "no such file"),
        ('counts = "job.toml"', "counted_over and updates_per_second"),
        ('counts = "job.toml"\nupdates_per_second = 1\nzipf = 1', "either counts, or zipf"),
        ("rows = 10\nzipf = -1\nupdates_per_second = 1", "at least 0"),
        ("rows = 0\nzipf = 1\nupdates_per_second = 1", "at least 1"),
        ("rows = 10\nzipf = 1\nupdates_per_second = inf", "finite"),
        ("rows = 10\nzipf = 1\nupdate_per_second = 1", 'perhaps "updates_per_second"'),
    ],
)
def test_wrong_accesses_say_so(table: str, expected: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "examples" / "production-dlrm.toml").read_text()
    (tmp_path / "job.toml").write_text(f"{text}\n[access]\n[[access.tables]]\n{table}\n")
    with pytest.raises(JobError, match=r"access\.tables") as caught:
        load_job(tmp_path / "job.toml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_mistakes_say_so(tmp_path: Path) -> None:
    of = job()
    strategy = ordered(of, "mfu", 3600.0)
    with pytest.raises(JobError, match=r"access: expected how rows are accessed"):
        simulate(of.model_copy(update={"access": None}), strategy, 100)
    from cprmodel.simulation import FailuresStrike
    from cprmodel.simulation import simulate as simulate_time

    with pytest.raises(JobError, match=r"strategy.recovery = full: expected partial recovery"):
        simulate(of, replace(strategy, recovery=of.full_recovery), 100)
    with pytest.raises(JobError, match="failures that strike always"):
        simulate(of, strategy, 100, strikes=FailuresStrike.ONLY_AT_WORK)
    with pytest.raises(JobError, match=r"strategy.saving.fraction = 0.125: expected saves that take everything"):
        simulate_time(of, strategy, 100)
    np.save(tmp_path / "counts.npy", np.array([["a"]]))
    broken = Access(tables=(Table(counts=str(tmp_path / "counts.npy"), updates_per_second=1.0),))
    with pytest.raises(JobError, match=r"counts.npy: expected an array of numbers"):
        plan(of.model_copy(update={"access": broken}))
    no_budget = of.model_copy(update={"accuracy": None})
    assert any("[access] is not used for ordered saves" in line for line in plan(no_budget).warnings)
