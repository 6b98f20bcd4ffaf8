"""The simulator against closed forms that share no algebra with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from cprmodel import Accuracy, Checkpoint, Cluster, Exact, Failures, Job, Work, formulas, simulate
from cprmodel.facts.strategies import FullRecovery, PartialRecovery, Strategy
from cprmodel.simulation import FailuresStrike, Weibull
from cprmodel.simulation.laws import FailureLaw

RUNS = 40_000


def job_of(work: float, save: float, mtbf: float, shards: int = 8, k: float = 1.0, **shares: float) -> Job:
    return Job(
        job=Work(work_s=work),
        cluster=Cluster(embedding_shards=shards),
        failures=Failures(mtbf_s=mtbf, shards_per_failure=k, **shares),
        checkpoint=Checkpoint(save_s=save),
        accuracy=Accuracy(pls_budget=0.1),
    )


def full(tau: float, job: Job, reschedule: float, load: float) -> Strategy:
    return Strategy("full", FullRecovery(reschedule, load), job.saving, tau)


def partial(tau: float, job: Job, *times: float) -> Strategy:
    return Strategy("partial", PartialRecovery(*times), job.saving, tau)


# a dozen points of C/μ from 1e-4 to 1: C, τ, L, D in units of μ
POINTS = [
    (1e-4, 0.014, 1e-4, 1e-3),
    (3e-4, 0.024, 0.0, 2e-3),
    (1e-3, 0.044, 1e-3, 0.0),
    (1e-3, 0.2, 1e-3, 0.01),
    (3e-3, 0.07, 3e-3, 0.01),
    (0.01, 0.14, 0.01, 0.05),
    (0.01, 0.5, 0.02, 0.1),
    (0.03, 0.23, 0.03, 0.1),
    (0.1, 0.4, 0.1, 0.2),
    (0.1, 1.0, 0.2, 0.5),
    (0.3, 0.6, 0.1, 0.3),
    (1.0, 0.84, 0.2, 0.4),
]


@pytest.mark.parametrize(("save", "tau", "load", "reschedule"), POINTS)
def test_full_recovery(save: float, tau: float, load: float, reschedule: float) -> None:
    """Mean makespan, plain and with control variates; variance; every part of the overhead."""
    work = 30 * tau + tau / 3
    job = job_of(work, save, 1.0)
    found = simulate(job, full(tau, job, reschedule, load), RUNS, seed=2)
    parts = formulas.full_recovery_makespan(work, tau, save, 1.0, load, reschedule)
    exact = work + parts.total
    times = found.times_s
    plain_error = times.std() / RUNS**0.5
    assert plain_error / exact < 2e-3
    assert abs(times.mean() - exact) < 3.5 * plain_error
    estimate = found.time_to_train_s
    assert estimate.standard_error / exact < 2e-3
    assert abs(estimate.mean - exact) < 3.5 * estimate.standard_error
    assert estimate.standard_error < plain_error * (1 + 1 / RUNS)  # where no control is used they are equal
    variance = formulas.full_recovery_variance(work, tau, save, 1.0, load, reschedule)
    fourth = np.mean((times - times.mean()) ** 4)
    assert abs(times.var() - variance) < 4 * ((fourth - times.var() ** 2) / RUNS) ** 0.5
    scale = 4 * plain_error / work
    for mean, expected in zip(found.breakdown, parts.scaled(1 / work), strict=True):
        assert abs(mean - expected) < scale + 1e-12
    assert sum(found.breakdown) == pytest.approx(times.mean() / work - 1, abs=1e-9)


@pytest.mark.parametrize(("save", "tau", "load", "reschedule"), POINTS[3::2])
def test_nothing_fails_while_rescheduling(save: float, tau: float, load: float, reschedule: float) -> None:
    """Bougeret's cost, chunk by chunk."""
    work = 20 * tau
    job = job_of(work, save, 1.0)
    found = simulate(
        job,
        full(tau, job, reschedule, load),
        RUNS,
        seed=3,
        strikes=FailuresStrike.NOT_WHILE_RESCHEDULING,
    )
    exact = 19 * formulas.bougeret_2011_chunk(tau, save, 1.0, load, reschedule)
    exact += formulas.bougeret_2011_chunk(tau, 0.0, 1.0, load, reschedule)
    for values in (found.times_s,):
        assert abs(values.mean() - exact) < 3.5 * values.std() / RUNS**0.5
    assert abs(found.time_to_train_s.mean - exact) < 3.5 * found.time_to_train_s.standard_error
    assert sum(found.breakdown) == pytest.approx(found.times_s.mean() / work - 1, abs=1e-9)


# work, τ, C, μ, L', D', s, t, w, Dₜ, L, D, shards, k
PARTIAL = [
    (100.0, 30.0, 4.0, 20.0, 1.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8, 1.0),
    (100.0, 30.0, 4.0, 20.0, 1.0, 3.0, 0.6, 0.25, 0.15, 6.0, 5.0, 8.0, 8, 1.0),
    (100.0, 50.0, 2.0, 15.0, 1.0, 2.0, 0.5, 0.5, 0.0, 6.0, 0.0, 0.0, 4, 2.0),
    (200.0, 9.0, 1.0, 40.0, 2.0, 9.0, 0.3, 0.6, 0.1, 4.0, 5.0, 20.0, 16, 3.0),
    (60.0, 100.0, 1.0, 30.0, 2.0, 3.0, 0.9, 0.05, 0.05, 3.0, 4.0, 10.0, 8, 1.5),
    (60.0, 5.0, 6.0, 10.0, 0.5, 1.0, 0.7, 0.1, 0.2, 1.0, 1.0, 2.0, 3, 3.0),
    (300.0, 20.0, 0.5, 12.0, 0.2, 0.5, 0.95, 0.0, 0.05, 0.0, 2.0, 4.0, 64, 2.25),
]


@pytest.mark.parametrize("case", PARTIAL)
def test_partial_recovery(case: tuple[float, ...]) -> None:
    """Mean makespan and PLS, plain and controlled, and every part, with failures in saves and recoveries."""
    work, tau, save, mtbf, pl, pd, s, t, w, dt, load, d, shards, k = case
    job = job_of(work, save, mtbf, int(shards), k, shard_share=s, trainer_share=t, whole_job_share=w)
    found = simulate(job, partial(tau, job, d, load, pd, pl, dt), RUNS, seed=4)
    parts = formulas.partial_recovery_makespan(work, tau, save, mtbf, pl, pd, s, t, w, dt, load, d)
    pls = formulas.exact_pls(work, tau, mtbf, shards, s, k, save, pl, pd, t, w, dt)
    for values, estimate, exact in (
        (found.times_s, found.time_to_train_s, work + parts.total),
        (found.pls_of_runs, found.pls, pls),
    ):
        assert abs(values.mean() - exact) < 3.5 * values.std() / RUNS**0.5
        assert abs(estimate.mean - exact) < 3.5 * estimate.standard_error
    scale = 4 * found.times_s.std() / RUNS**0.5 / work
    for mean, expected in zip(found.breakdown, parts.scaled(1 / work), strict=True):
        assert abs(mean - expected) < scale + 1e-12
    spread = formulas.exact_pls_deviation(work, tau, mtbf, shards, s, k, save, pl, pd, t, w, dt)
    kurtosis = ((found.pls_of_runs - found.pls_of_runs.mean()) ** 4).mean() / found.pls_of_runs.var() ** 2
    assert found.pls_of_runs.std() == pytest.approx(spread, rel=3.5 * ((kurtosis - 1) / RUNS) ** 0.5 / 2)
    assert found.pls_of_runs.max() <= 1
    assert found.predicted.pls == pytest.approx(pls)


@pytest.mark.parametrize(
    ("work", "tau", "mtbf", "shards", "k"),
    [(56.0, 44.8, 28.0, 8, 1.0), (100.0, 12.0, 3.0, 6, 2.0), (40.0, 40.0, 5.0, 4, 1.0), (60.0, 8.0, 2.0, 2, 1.0)],
)
def test_pls_where_saves_and_recoveries_take_no_time(
    work: float, tau: float, mtbf: float, shards: int, k: float
) -> None:
    """The finite-job expression holds, and the first-order one visibly does not where x > 0.5."""
    job = job_of(work, 1e-9, mtbf, shards, k)
    found = simulate(job, partial(tau, job, 0.0, 0.0, 0.0, 0.0, 0.0), RUNS, seed=5)
    exact = formulas.exact_pls(work, tau, mtbf, shards, 1, k)
    for mean, error in (
        (found.pls_of_runs.mean(), found.pls_of_runs.std() / RUNS**0.5),
        (found.pls.mean, found.pls.standard_error),
    ):
        assert abs(mean - exact) < 3.5 * error
        if k * tau / (mtbf * shards) > 0.5:
            assert abs(mean - formulas.cpr_2021_pls.raw(tau, mtbf, shards, 1, k)) > 20 * error


def renewal_efficiency(shape: float, tau: float, save: float, mtbf: float) -> float:
    """τ Σ S(k(τ + C))/μ: theory.md section 2, rejuvenating failures."""
    scale = mtbf / math.gamma(1 + 1 / shape)
    k = np.arange(1, 200_000)
    return tau * float(np.exp(-((k * (tau + save) / scale) ** shape)).sum()) / mtbf


@pytest.mark.parametrize(
    ("shape", "tau_min", "published"),
    [(0.5, 132.6, 0.92529), (0.7, 121.6, 0.92087), (1.5, 115.2, 0.91844)],  # theory.md section 2
)
def test_weibull_renewals(shape: float, tau_min: float, published: float) -> None:
    """Efficiency of a long job; what its two ends cost falls out of the difference of two lengths."""
    mtbf, save, tau = 24 * 60.0, 5.0, tau_min
    assert renewal_efficiency(shape, tau, save, mtbf) == pytest.approx(published, abs=1.5e-5)
    law = stats.weibull_min(shape, scale=mtbf / math.gamma(1 + 1 / shape))
    own = formulas.renewal_efficiency(tau, save, mtbf, law.sf)
    assert own == pytest.approx(renewal_efficiency(shape, tau, save, mtbf), rel=1e-9)
    pieces = 1500
    means, errors = [], []
    for length in (pieces, 2 * pieces):
        job = job_of(length * tau, save, mtbf)
        found = simulate(
            job,
            full(tau, job, 0.0, 0.0),
            6000,
            seed=6,
            law=Weibull(shape),
            strikes=FailuresStrike.ONLY_AT_WORK,
        )
        means.append(found.times_s.mean())
        errors.append(found.times_s.std() / 6000**0.5)
    efficiency = pieces * tau / (means[1] - means[0])
    error = efficiency * math.hypot(*errors) / (means[1] - means[0])
    assert error < 3e-4
    assert abs(efficiency - published) < 3.5 * error


@pytest.mark.parametrize("law", ["gamma", "lognormal", "weibull"])
def test_every_law_has_the_job_s_mtbf_as_its_mean(law: str) -> None:
    from cprmodel.simulation.laws import LAWS

    one: FailureLaw = LAWS[law](0.8)
    job = job_of(20_000.0, 0.01, 10.0)
    strategy = partial(1e4, job, 0.0, 0.0, 0.0, 0.0, 0.0)
    found = simulate(job, strategy, 300, seed=7, law=one)
    rate = sum(found.failures.values()) / found.times_s.mean()
    # 300 runs of 2,000 failures; the coefficient of variation of a gap is below 1.3 for all three
    assert abs(rate - 1 / 10.0) < 4 * 1.3 * 0.1 / (300 * 2000) ** 0.5


def test_gamma_of_shape_one_is_exponential() -> None:
    from cprmodel.simulation import Gamma

    job = job_of(300.0, 1.0, 20.0)
    strategy = full(15.0, job, 2.0, 1.0)
    found = simulate(job, strategy, RUNS, seed=8, law=Gamma(1.0))
    exact = 300 + formulas.full_recovery_makespan(300.0, 15.0, 1.0, 20.0, 1.0, 2.0).total
    assert abs(found.times_s.mean() - exact) < 3.5 * found.times_s.std() / RUNS**0.5
    assert found.time_to_train_s.fewer_runs == 1.0  # no control variates without a memoryless clock


def test_control_variates_save_runs_where_closed_forms_are_good() -> None:
    from cprmodel import plan
    from tests.conftest import EXAMPLE

    job = Job.from_file(EXAMPLE)
    for name in ("full", "partial", "partial-at-full-interval", "current"):
        found = simulate(job, plan(job, Exact())[name].strategy, 20_000, seed=9)
        assert found.time_to_train_s.fewer_runs > 5
        if name.startswith("partial"):
            assert found.pls.fewer_runs > 5
