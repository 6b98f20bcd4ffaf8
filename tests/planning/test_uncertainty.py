"""What few failures leave open of a plan: coverage by Monte-Carlo, the robust interval in closed form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from cprmodel import Exact, FirstOrder, Job, JobError, formulas, plan
from cprmodel.costing import kinds
from cprmodel.facts.strategies import Strategy
from cprmodel.fitting.likelihood import fit_weibull
from cprmodel.jobs import FailureModel
from cprmodel.planning.candidates import candidates
from cprmodel.planning.robust_orders import beyond_robust, robust_order
from cprmodel.planning.telling import about_robust_orders
from cprmodel.planning.uncertainty import ROBUST, Posterior, about_fit, uncertainty_of
from cprmodel.planning.uncertainty import expected as mean_of

HOUR = 3600.0
BOTH = [FirstOrder(), Exact()]


def job(fit: FailureModel | dict[str, Any] | None, **changes: Any) -> Job:
    data = {
        "job": {"work": "400 h"},
        "cluster": {"embedding_shards": 8},
        "failures": {"whole_job_share": 0.05, **({"fit": fit} if fit else {"mtbf": "28 h"})},
        "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min", "partial_reschedule": "3 min"},
        "accuracy": {"pls_budget": 0.1},
    }
    return Job.from_mapping({**data, **changes})


def dense_job(fit: FailureModel | None) -> Job:
    return job(fit, cluster={}, accuracy=None)


def seen(events: int, mtbf_h: float = 28.0, **more: Any) -> FailureModel:
    return FailureModel(events=events, exposure_s=events * mtbf_h * HOUR, **more)


@pytest.mark.parametrize("shape", [0.7, 1.0])
@pytest.mark.parametrize("expected_events", [3, 12, 40])
def test_coverage_of_interval_and_overhead(expected_events: int, shape: float) -> None:
    """Of 300 windows each; benchmarks/uncertainty.py plays 2,000 of more, of full and partial recovery.

    At least 90% with few failures, from ten failures on 90 ± 2 points, all within three standard errors of 300
    (binomial); with 12 expected, half of the windows have fewer than ten, and wider intervals.
    """
    rng = np.random.default_rng([expected_events, int(10 * shape)])
    truth = dense_job(None)
    window, right, runs = expected_events * 28 * HOUR, 0, 0
    scale = 28 * HOUR / math.gamma(1 + 1 / shape)
    best = formulas.young_1974(truth.save_s, 28 * HOUR)
    model = FirstOrder()
    while runs < 300:
        times = np.cumsum(scale * rng.weibull(shape, 8 * expected_events + 80))
        times = times[times < window]
        if len(times) == 0:
            continue
        runs += 1
        durations = np.diff(np.append(times, window), prepend=0.0)
        found = fit_weibull(durations, np.append(np.ones(len(times), bool), False))
        fit = FailureModel(
            events=len(times), exposure_s=window, weibull_shape=found.shape if found and found.shape else None
        )
        one = plan(dense_job(fit), model)["full"]
        low, high = one.interval_ci90_s or (math.inf, 0)
        least, most = one.overhead_ci90 or (math.inf, 0)
        paid = model.cost(truth, one.strategy).breakdown.total
        inside = low <= best and (high is None or best <= high)
        assert inside == (least <= paid * (1 + 1e-12) and (most is None or paid <= most * (1 + 1e-12)))
        right += inside
    wanted = 0.9 if expected_events < 10 else 0.88
    assert right / runs > wanted - 3 * math.sqrt(wanted * (1 - wanted) / runs)
    if expected_events >= 10:
        assert right / runs < (0.92 if expected_events > 20 else 0.95) + 3 * math.sqrt(0.09 / runs)


def test_coverage_of_the_posterior() -> None:
    """Jeffreys' gamma: with 12 expected failures without memory its 90% cover 90%, by the Poisson law itself."""
    counts = np.arange(1, 60)
    weights = stats.poisson(12).pmf(counts)
    inside = []
    for n in counts:
        low, high = Posterior(n + 0.5, 12.0).mtbf_s([0.05, 0.95])
        inside.append(low <= 1 <= high)
    assert float(weights @ np.array(inside)) == pytest.approx(0.9, abs=0.03)


def test_posterior_agrees_with_scipy_and_with_the_limits_of_the_fit() -> None:
    plain = Posterior.of(seen(20))
    law = stats.gamma(20.5, scale=1 / (20 * 28 * HOUR))
    assert plain.mtbf_s(0.3) == pytest.approx(1 / law.ppf(0.7))
    for shape in (0.6, 1.0, 1.4):
        fit = seen(40, weibull_shape=shape)
        bursts = Posterior.of(fit)
        found = plan(job(fit)).uncertainty
        assert found is not None
        assert list(found.mtbf_ci90_s) == pytest.approx(list(bursts.mtbf_s([0.05, 0.95])))


def test_few_failures_cannot_tell_bursts() -> None:
    """Below ten the posterior is the memoryless one, whatever shape was fitted; the limits stay the fit's."""
    for events in (1, 2, 9):
        for shape in (0.3, 4.0):
            assert Posterior.of(seen(events, weibull_shape=shape)) == Posterior.of(seen(events))
    assert Posterior.of(seen(10, weibull_shape=0.6)).shape < 5


@dataclass(frozen=True)
class Growing:
    """Stands for a cost model: an overhead of e^(aλ), of mean (1 − a/T)^−n over Gamma(n)/T; no bound from T on."""

    a_s: float

    def cost(self, job: Job, strategy: Strategy) -> Any:
        total = math.exp(min(self.a_s / job.failure_mix.mtbf_s, 700.0))
        return SimpleNamespace(breakdown=SimpleNamespace(total=total), pls=0.25)


def test_means_over_the_posterior_and_where_they_have_no_bound() -> None:
    one = dense_job(None)
    strategy = Strategy("full", one.full_recovery, one.saving, HOUR)
    for events in (1, 3, 12):
        posterior = Posterior(events + 0.5, events * 28 * HOUR)
        assert sum(weight for _, weight in posterior.points()) == pytest.approx(1)
        rate = sum(weight / mtbf for mtbf, weight in posterior.points())
        assert rate == pytest.approx((events + 0.5) / (events * 28 * HOUR), rel=2e-3)
        for share in (0.1, 0.3):
            model: Any = Growing(share * posterior.exposure_s)
            exact = (1 - share) ** -(events + 0.5)
            assert mean_of(one, model, strategy, posterior) == pytest.approx((exact, 0.25), rel=0.03)
        for share in (1.1, 2.0):
            model = Growing(share * posterior.exposure_s)
            assert mean_of(one, model, strategy, posterior) == (math.inf, pytest.approx(0.25))
            inner, _ = mean_of(one, model, strategy, posterior, inner_90=True)
            rates = stats.gamma(posterior.shape, scale=1 / posterior.exposure_s)
            low, high = rates.ppf([0.05, 0.95])
            mean = rates.expect(lambda x, m=model: np.exp(m.a_s * x), lb=low, ub=high, conditional=True)
            assert inner == pytest.approx(mean, rel=0.1)


def test_a_mean_without_bound_is_said_in_words() -> None:
    from cprmodel.report.text import uncertainty_lines

    answer = plan(job(seen(1, 0.3)), Exact(), robust=True)
    robust = (answer.uncertainty and answer.uncertainty.robust) or ()
    assert {one.name for one in robust} == {"full", "partial"}
    lines = uncertainty_lines(answer)
    assert "from 1 failure (" in lines[0]
    for one, line in zip(robust, lines[1:], strict=False):
        assert one.inner_90
        assert one.expected_overhead_fraction is None
        assert 0 < one.interval_s < one.plain_interval_s
        assert "by the mean over the inner 90% of what the MTBF may be" in line
        assert "for 1 failure cannot rule out an MTBF so short" in line
    assert not any(word in " ".join([*lines, answer.sentence]) for word in ("None", "nan", "inf "))
    plain = uncertainty_lines(plan(job(seen(3)), Exact(), robust=True))
    assert "inner 90%" not in " ".join(plain)


def test_limits_are_the_plans_of_the_limits() -> None:
    fit = seen(14, weibull_shape=0.8)
    for model in BOTH:
        answer = plan(job(fit), model)
        assert answer.uncertainty is not None
        low, high = answer.uncertainty.mtbf_ci90_s
        assert high is not None
        ends = [plan(job(None).with_mtbf(mtbf), model) for mtbf in (low, high)]
        for name in ("full", "partial"):
            one = answer[name]
            assert list(one.interval_ci90_s or ()) == pytest.approx([end[name].interval_s for end in ends])
            costs = [model.cost(job(None).with_mtbf(mtbf), one.strategy) for mtbf in (high, low)]
            assert list(one.overhead_ci90 or ()) == pytest.approx([cost.breakdown.total for cost in costs])
        same = plan(job(None), model)
        assert answer["full"].interval_s == pytest.approx(
            same["full"].interval_s
        )  # the estimate is exposure/events


def test_robust_interval_is_the_closed_form() -> None:
    """First order: E[C/τ + λ(L + D + τ/2)] is least at √(2C/E[λ]), and E[λ] = (n + ½)/T."""
    for events in (2, 5, 30):
        answer = plan(job(seen(events)), robust=True)
        found = {one.name: one for one in (answer.uncertainty and answer.uncertainty.robust) or ()}
        rate = (events + 0.5) / (events * 28 * HOUR)
        best = math.sqrt(2 * 240 / rate)
        assert answer["full"].interval_s == found["full"].interval_s == pytest.approx(best, rel=0.02)
        gain = 240 / found["full"].plain_interval_s + rate * found["full"].plain_interval_s / 2
        gain -= 240 / best + rate * best / 2
        assert found["full"].gain_fraction == pytest.approx(gain, rel=0.3)
        assert (found["full"].gain_fraction or 0) > 0


@pytest.mark.parametrize("model", BOTH)
def test_robust_is_never_beaten_by_any_interval(model: Exact | FirstOrder) -> None:
    """Against other intervals, with draws from the posterior in the place of quantiles."""
    fit = seen(6)
    one = job(fit)
    answer = plan(one, model, robust=True)
    robust = answer["full"].interval_s
    draws = 6 * 28 * HOUR / np.random.default_rng(1).gamma(6.5, size=400)
    jobs = [one.with_mtbf(float(mtbf)) for mtbf in draws]

    def mean(interval_s: float) -> float:
        strategy = Strategy("x", one.full_recovery, one.saving, interval_s)
        return float(np.mean([model.cost(each, strategy).breakdown.total for each in jobs]))

    pieces = one.job.work_s / robust
    others = [mean(one.job.work_s / (pieces * factor)) for factor in (0.6, 0.85, 1.2, 1.6)]
    assert mean(robust) < min(others) * 1.001


def test_a_robust_budget_is_kept_in_expectation() -> None:
    tight = job(seen(4), accuracy={"pls_budget": 0.01})
    answer = plan(tight, robust=True)
    (found,) = [one for one in (answer.uncertainty and answer.uncertainty.robust) or () if one.name == "partial"]
    assert found.expected_pls <= 0.01 * (1 + 1e-9) < found.plain_expected_pls
    assert found.expected_pls == pytest.approx(0.01, rel=0.05)
    assert (found.gain_fraction or 0) < 0  # the budget is bought
    # E[PLS] = skτE[λ]/(2N): the plain one's is (n + ½)/n of the budget
    assert found.plain_expected_pls == pytest.approx(0.01 * 4.5 / 4, rel=0.03)


def test_probability_that_the_other_recovery_is_better() -> None:
    """Partial wins below an MTBF of x: the posterior's share there, by scipy."""
    for events in (1, 10):
        fit = seen(events)
        one = job(fit)

        def wins(other: Job) -> bool:
            return other.failure_mix.mtbf_s < 40 * HOUR

        share = stats.gamma(events + 0.5, scale=1 / fit.exposure_s).sf(1 / (40 * HOUR))
        for recommended, expected in (("full", share), ("partial", 1 - share)):
            found = uncertainty_of(one, fit, wins, recommended).other_recovery_better
            assert found == pytest.approx(expected, abs=1 / 60)
    dense = Job.from_mapping(
        {"job": {"work": "40 h"}, "failures": {"fit": seen(9)}, "checkpoint": {"save": "4 min"}}
    )
    sure = plan(dense).uncertainty
    assert sure is not None
    assert sure.other_recovery_better is None
    assert "better with probability" not in plan(dense).sentence


def test_drift_is_said() -> None:
    assert about_fit(seen(30, trend_p_value=0.3)) == []
    (line,) = about_fit(seen(30, trend_p_value=0.3, change_p_value=0.001))
    assert "p = 0.001" in line
    assert line in plan(job(seen(30, change_p_value=0.001))).warnings


def test_robust_needs_a_fit() -> None:
    with pytest.raises(JobError, match="failures: expected a trace or a fit of one"):
        plan(job(None), robust=True)


@settings(max_examples=15)
@example(1, 0.3, None, Exact(), True)  # the mean overhead has no bound
@example(10, 0.3, 0.05, Exact(), True)
@given(
    st.integers(1, 60),
    st.floats(0.3, 3000.0),
    st.one_of(st.none(), st.floats(0.05, 20.0)),
    st.sampled_from(BOTH),
    st.booleans(),
)
def test_any_fit_plans(events: int, mtbf_h: float, shape: float | None, model: Any, robust: bool) -> None:
    answer = plan(job(seen(events, mtbf_h, weibull_shape=shape)), model, robust)
    data = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    low, high = data["failures"]["mtbf_ci90_s"]
    assert low < data["failures"]["mtbf_s"]
    assert high is None or high > data["failures"]["mtbf_s"]
    for one in data["strategies"]:
        least, most = one["overhead_ci90"]
        assert most is None or least <= most
        assert one["overhead_fraction"] >= least * (1 - 1e-9)
    assert Job.from_mapping(data["inputs"]) == answer.job


def ordered_job(fit: FailureModel, **more: Any) -> Job:
    table = {"rows": 1_000_000, "zipf": 1.05, "updates_per_second": 1e5}
    return job(fit, access={"tables": [table]}, accuracy={"pls_budget": 0.01}, **more)


@pytest.mark.parametrize("whole_job_share", [0.0, 0.3])
def test_no_interval_of_an_order_is_better_over_what_the_mtbf_may_be(whole_job_share: float) -> None:
    """Within the budget, which sets the interval, or where failures of the whole job do."""
    fit = seen(5)
    budget = {"pls_budget": 0.01 if whole_job_share == 0 else 0.5}
    one = ordered_job(fit).model_copy(update={"accuracy": job(fit, accuracy=budget).accuracy})
    failures = one.failures.model_copy(update={"whole_job_share": whole_job_share})
    one = one.model_copy(update={"failures": failures})
    (candidate,) = (each for each in candidates(one)[0] if each.name == "partial-best-fixed")
    choice, said = robust_order(one, Exact(), fit, candidate)
    assert choice.set_by == ROBUST
    assert said.expected_pls <= budget["pls_budget"] * (1 + 1e-9)
    posterior, best = Posterior.of(fit), math.inf
    for ratio in np.geomspace(0.25, 4, 24):
        each = candidate.at(said.plain_interval_s * float(ratio))
        points = posterior.points()
        lost = sum(w * kinds.cost(one.with_mtbf(mtbf), Exact(), each).pls for mtbf, w in points)
        if lost <= budget["pls_budget"]:
            best = min(best, mean_of(one, Exact(), each, posterior)[0])
    assert said.expected_overhead_fraction is not None
    assert said.expected_overhead_fraction < best * 1.001


def test_a_robust_plan_says_where_orders_keep_their_intervals() -> None:
    """Beside warnings."""
    warned = ordered_job(
        seen(5), checkpoint={"save": "4 min", "warning": {"lead": "1 min", "recall": 0.5, "precision": 1.0}}
    )
    assert beyond_robust(warned)
    assert not beyond_robust(ordered_job(seen(5)))
    (said,) = about_robust_orders(plan(ordered_job(seen(5)), Exact()).strategies)
    assert "partial-mfu" in said
    assert "for the estimated MTBF" in said
