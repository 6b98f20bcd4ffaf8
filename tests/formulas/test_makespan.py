"""Exact makespans against the slow event loop, part by part, and against each other in their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from cprmodel.formulas import (
    bougeret_2011_chunk,
    exact_interval,
    full_recovery_chunk,
    full_recovery_makespan,
    full_recovery_overhead,
    partial_recovery_exact_interval,
    partial_recovery_makespan,
    partial_recovery_overhead,
)
from tests.slow_event_loop import Outcome, Setting, many

RUNS = 5000
Z = 4.0  # seeds are fixed: a miss is a fault, not chance (one in 16,000 a comparison)


def near(sample: list[float], expected: float) -> None:
    values = np.array(sample)
    assert abs(values.mean() - expected) <= Z * values.std() / len(values) ** 0.5 + 1e-9 * abs(expected)


def parts_agree(outcomes: list[Outcome], expected: object) -> None:
    for part in ("save", "load", "lost", "reschedule"):
        near([o.parts[part] for o in outcomes], getattr(expected, part))


FULL = [
    # work, interval, save, mtbf, load, reschedule: C/μ from 1e-4 to 1
    (2000.0, 30.0, 0.1, 1000.0, 2.0, 5.0),
    (500.0, 20.0, 1.0, 100.0, 2.0, 5.0),
    (100.0, 30.0, 4.0, 20.0, 5.0, 8.0),
    (100.0, 7.0, 3.0, 20.0, 0.0, 10.0),
    (30.0, 4.0, 5.0, 5.0, 1.0, 1.0),
    (50.0, 80.0, 1.0, 30.0, 3.0, 0.0),
]


@pytest.mark.parametrize("case", FULL)
def test_full_recovery_part_by_part(case: tuple[float, ...]) -> None:
    work, tau, save, mtbf, load, reschedule = case
    setting = Setting(work, tau, save, full=True, load=load, reschedule=reschedule)
    outcomes = many(setting, RUNS, 7, mtbf, (0, 0, 1))
    expected = full_recovery_makespan(work, tau, save, mtbf, load, reschedule)
    near([o.time for o in outcomes], work + expected.total)
    parts_agree(outcomes, expected)


@pytest.mark.parametrize("case", FULL[:4])
def test_bougeret_when_nothing_fails_during_rescheduling(case: tuple[float, ...]) -> None:
    _, tau, save, mtbf, load, reschedule = case
    pieces = 5
    # a job of five chunks whose last save is charged as work, so that every chunk is τ + C
    setting = Setting(
        pieces * (tau + save) - save,
        tau,
        save,
        full=True,
        load=load,
        reschedule=reschedule,
        free_of_failures_while_rescheduling=True,
    )
    setting.work = pieces * tau
    outcomes = many(setting, RUNS, 8, mtbf, (0, 0, 1))
    expected = (pieces - 1) * bougeret_2011_chunk(tau, save, mtbf, load, reschedule)
    expected += bougeret_2011_chunk(tau, 0.0, mtbf, load, reschedule)
    near([o.time for o in outcomes], expected)


PARTIAL = [
    # work, interval, save, mtbf, L', D', s, t, w, Dₜ, L, D
    (100.0, 30.0, 4.0, 20.0, 1.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (100.0, 30.0, 4.0, 20.0, 1.0, 3.0, 0.6, 0.25, 0.15, 6.0, 5.0, 8.0),
    (100.0, 50.0, 2.0, 15.0, 1.0, 2.0, 0.5, 0.5, 0.0, 6.0, 0.0, 0.0),
    (200.0, 9.0, 1.0, 40.0, 2.0, 9.0, 0.3, 0.6, 0.1, 4.0, 5.0, 20.0),
    (60.0, 100.0, 1.0, 30.0, 2.0, 3.0, 0.9, 0.05, 0.05, 3.0, 4.0, 10.0),
    (60.0, 5.0, 6.0, 10.0, 0.5, 1.0, 0.7, 0.1, 0.2, 1.0, 1.0, 2.0),
]


@pytest.mark.parametrize("case", PARTIAL)
def test_partial_recovery_part_by_part(case: tuple[float, ...]) -> None:
    work, tau, save, mtbf, pl, pd, s, t, w, dt, load, d = case
    setting = Setting(work, tau, save, False, d, load, pd, pl, dt)
    outcomes = many(setting, RUNS, 9, mtbf, (s, t, w))
    expected = partial_recovery_makespan(work, tau, save, mtbf, pl, pd, s, t, w, dt, load, d)
    near([o.time for o in outcomes], work + expected.total)
    parts_agree(outcomes, expected)


def test_shard_failures_alone_give_theory_s_closed_form() -> None:
    work, tau, save, mtbf, load, d = 100.0, 12.0, 1.5, 9.0, 0.7, 2.0
    saves = math.ceil(work / tau) - 1
    closed = (work + saves * mtbf * math.expm1(save / mtbf)) * math.exp((load + d) / mtbf)
    assert work + partial_recovery_makespan(work, tau, save, mtbf, load, d).total == pytest.approx(
        closed, rel=1e-14
    )


TIMES = st.floats(0, 3)


@given(
    work=st.floats(1, 100),
    pieces=st.floats(0.3, 40),
    save=st.floats(0.001, 3),
    load=TIMES,
    reschedule=TIMES,
)
def test_whole_job_failures_alone_are_full_recovery(
    work: float, pieces: float, save: float, load: float, reschedule: float
) -> None:
    tau = max(work / pieces, 1e-3)
    full = full_recovery_makespan(work, tau, save, 10.0, load, reschedule)
    partial = partial_recovery_makespan(
        work, tau, save, 10.0, shard_share=0, whole_job_share=1, load_s=load, reschedule_s=reschedule
    )
    for one, other in zip(full, partial, strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-12)


def test_the_parts_of_a_chunk_sum_to_its_closed_form() -> None:
    names = full_recovery_chunk.symbols()
    tau, save, mu = names["interval_s"], names["save_s"], names["mtbf_s"]
    parts = full_recovery_makespan(2 * tau, tau, save, mu, names["load_s"], names["reschedule_s"]).total
    whole = full_recovery_chunk.expression() + full_recovery_chunk(
        tau, sp.Integer(0), mu, names["load_s"], names["reschedule_s"]
    )
    assert sp.simplify(sp.expand(parts + 2 * tau - whole)) == 0


@given(
    save=st.floats(1e-4, 0.5),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1)),
    pl=st.floats(0, 0.5),
    pd=st.floats(0, 0.5),
    dt=st.floats(0, 0.5),
    load=st.floats(0, 0.5),
    d=st.floats(0, 0.5),
)
def test_the_partial_optimum_against_a_numerical_minimiser(
    save: float, shares: tuple[float, float, float], pl: float, pd: float, dt: float, load: float, d: float
) -> None:
    s, t, w = (share / sum(shares) for share in shares)
    rest = (pl, pd, s, t, w, dt, load, d)
    tau = partial_recovery_exact_interval(save, 1.0, *rest)

    def cost(x: float) -> float:  # one saved chunk of a long job, per unit of work
        two = partial_recovery_makespan.raw(2 * x, x, save, 1.0, *rest).total
        one = partial_recovery_makespan.raw(x, x, save, 1.0, *rest).total
        return float(two - one) / x

    found = minimize_scalar(cost, bounds=(tau / 4, 4 * tau), method="bounded", options={"xatol": 1e-9 * tau})
    assert cost(tau) <= found.fun + 1e-9 * (1 + found.fun)


def test_sympy_proves_the_partial_optimum_s_equation() -> None:
    """A e^(ρW) + G − A over W is least where W = R(−log(1 − G/A))/ρ."""
    work, rho, grows, x = sp.symbols("W rho A x", positive=True)
    fixed = grows * (1 - (1 - x) * sp.exp(x))  # −x − log(1 − x) = −log(1 − G/A)
    slope = sp.diff((grows * sp.exp(rho * work) + fixed - grows) / work, work)
    assert sp.simplify(slope.subs(work, x / rho)) == 0


def test_with_whole_job_failures_alone_it_is_the_exact_interval() -> None:
    for ratio in (1e-6, 1e-3, 0.1, 1.0):
        alone = partial_recovery_exact_interval(ratio, 1.0, shard_share=0, whole_job_share=1, load_s=0.3)
        assert alone == pytest.approx(exact_interval(ratio, 1.0), rel=1e-13)


def test_no_whole_job_failures_no_optimum() -> None:
    assert partial_recovery_exact_interval(1.0, 10.0) == math.inf


def in_range(formula: object, rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    def times(low: float, high: float) -> np.ndarray:
        return 10 ** rng.uniform(np.log10(low), np.log10(high), n)

    shares = rng.dirichlet([1, 1, 1], n)
    return {
        "interval_s": times(1e-5, 100),
        "save_s": times(1e-7, 0.14),
        "mtbf_s": np.ones(n),
        "load_s": times(1e-6, 0.1),
        "reschedule_s": times(1e-6, 0.1),
        "partial_load_s": times(1e-6, 0.1),
        "partial_reschedule_s": times(1e-6, 0.1),
        "trainer_reschedule_s": times(1e-6, 0.1),
        "shard_share": shares[:, 0],
        "trainer_share": shares[:, 1],
        "whole_job_share": shares[:, 2],
    }


@pytest.mark.parametrize(
    ("first_order", "exact"),
    [(full_recovery_overhead, full_recovery_makespan), (partial_recovery_overhead, partial_recovery_makespan)],
)
def test_first_order_is_within_ten_percent_inside_its_range(first_order: object, exact: object) -> None:
    """The stated validity range, on a cloud of points inside it; a very long job: its end does not count."""
    (rule,) = first_order.about.validity  # type: ignore[attr-defined]
    cloud = in_range(first_order, np.random.default_rng(1), 20_000)
    names = first_order.symbols()  # type: ignore[attr-defined]
    given_ = {name: cloud[name] for name in names}
    inside = rule.of(
        **{name: given_[name] for name in rule.of.__code__.co_varnames[: rule.of.__code__.co_argcount]}
    )
    keep = inside <= rule.at_most
    assert keep.sum() > 1000
    given_ = {name: values[keep] for name, values in given_.items()}
    work = 1e6 * given_["interval_s"]
    real = exact.raw(work_s=work, **given_).total / work  # type: ignore[attr-defined]
    approximate = first_order.raw(**given_).total  # type: ignore[attr-defined]
    assert np.max(np.abs(approximate / real - 1)) < 0.10
