"""What every formula must be: checked, documented, broadcast, symbolic, with a source."""

from __future__ import annotations

import inspect
import math
import re
import warnings

import mpmath
import numpy as np
import pytest
import sympy as sp

from cprmodel import DomainError, ValidityWarning, formulas
from cprmodel.facts.nomenclature import NOMENCLATURE, Domain
from cprmodel.facts.results import Breakdown

FORMULAS = {name: getattr(formulas, name) for name in formulas.__all__ if hasattr(getattr(formulas, name), "about")}

#: A point inside every formula's domain, one value per argument name.
POINT = {
    "work_s": 200_000.0,
    "interval_s": 7_100.0,
    "save_s": 241.0,
    "load_s": 233.0,
    "reschedule_s": 611.0,
    "partial_load_s": 31.0,
    "partial_reschedule_s": 127.0,
    "trainer_reschedule_s": 143.0,
    "mtbf_s": 100_801.0,
    "node_mtbf_s": 1e7,
    "nodes": 128.0,
    "per_1000_node_days": 6.5,
    "fit": 5_000.0,
    "shards": 8.0,
    "failed_shards": 1.5,
    "failed_scatter": 0.7,
    "waits": 0.07,
    "shard_share": 0.85,
    "trainer_share": 0.1,
    "whole_job_share": 0.05,
    "limit_s": 71_900.0,
    "last_s": 2_300.0,
    "requeue_s": 1_511.0,
    "more": 0.41,
    "planned": 3.0,
    "verify_s": 131.0,
    "silent_mtbf_s": 432_000.0,
    "saves_per_check": 2.0,
    "latency_s": 22_000.0,
    "checks_per_save": 3.0,
    "unreadable": 0.03,
    "surely": 0.999,
    "kept": 7.0,
    "outage_s": 14_400.0,
    "unsaved_s": 1_700.0,
    "idle_s": 11.0,
    "more_saves": 0.61,
    "more_lost_s": -17.0,
    "spared_starts": 0.47,
    "spared_limits": 0.43,
    "spared_queues": 0.45,
    "pls": 0.1,
    "metric_drop_per_pls": 0.005,
    "max_metric_drop": 0.0005,
    "loss_price": 3.0,
    "size_bytes": 1e12,
    "bandwidth_bytes_per_s": 5e9,
    "overhead": 0.08,
    "mtbf_error": 3.0,
    "observed_failures": 7.0,
    "prior_mtbf_s": 90_000.0,
    "prior_failures": 0.5,
    "seen_failures": 3.0,
    "exposure_s": 310_000.0,
    "row_bytes": 72.0,
    "updates_per_s": 0.31,
    "row_interval_s": 11.0,
    "total_updates_per_s": 2_900.0,
    "root_sum": 3_100.0,
    "least_interval_s": 17.0,
    "threshold_updates": 23.0,
    "threshold_update_s": 410.0,
    "price_s_per_byte": 0.023,
    "stale_s": 1400.0,
    "fresh_lost": 0.012,
    "stale_lost": 0.004,
    "last_fresh_lost": 0.011,
    "last_stale_lost": 0.003,
    "last_stale_s": 1600.0,
    "work_square_s2": 2.7e7,
    "save_square_s2": 8.1e7,
    "stale_square_s2": 2.3e6,
    "failure_probability": 0.03,
    "period_s": 2.6e6,
    "group_mtbf_s": 3e7,
    "groups": 16.0,
    "group_nodes": 8.0,
    "alone": 1.5,
    "save_number": 3.0,
    "p50_s": 41.0,
    "p90_s": 97.0,
    "scatter": 0.6,
    "experts": 16.0,
    "rotated": 3.0,
    "rotated_last": 2.0,
    "last_every": 6.0,
    "turns": 5.0,
    "updates_lost": 0.11,
    "last_updates_lost": 0.12,
    "reference_nodes": 64.0,
    "throughput_exponent": 0.85,
    "recovery_s": 701.0,
    "repair_s": 43_000.0,
    "spares": 5.0,
    "in_repair": 2.3,
    "slow_share": 0.12,
    "slow_rate": 0.62,
    "spell_s": 3_100.0,
    "save_overhead": 0.03,
    "pace": 0.94,
    "fewer_pace": 0.71,
    "reshape_s": 173.0,
    "return_s": 31_000.0,
    "cycle_s": 8_300.0,
    "rolled_back": 0.6,
    "net_pace": 0.87,
    "reshaping": 0.013,
    "save_price": 37.0,
    "price_per_s": 0.11,
    "saves": 29.0,
    "weibull_shape": 0.7,
    "weibull_scale_s": 80_000.0,
    "drain_s": 251.0,
    "overlap": 0.83,
    "high_save_s": 438.0,
    "survives": 0.94,
    "machine_nodes": 512.0,
    "multiplier": 0.2,
    "recall": 0.7,
    "precision": 0.8,
    "warned_save_s": 61.0,
    "bits": 8.0,
    "embedding_dim": 64.0,
    "accesses_per_sample": 0.013,
    "curvature": 0.21,
    "contraction": 0.9,
    "crossed": 0.7,
    "twin_contraction": 0.6,
    "contraction_of_age": 0.4,
    "last_ratio": 0.8,
    "mean_step": 0.03,
    "last_step": 0.02,
    "gradient": -0.004,
    "moved": 0.11,
    "probability": 0.23,
    "logit_change": 0.31,
    "learning_rate": 0.017,
    "batch_samples": 512.0,
    "divisor": 0.0031,
    "gradient_sum": 1.1e-5,
    "gradient_square": 8.3e-7,
    "accesses_left": 71.0,
    "relearning": 0.0079,
    "relearning_per_sample": 1.3e-6,
    "run_samples": 450_000.0,
    "age_samples": 9_000.0,
    "interval_samples": 47_000.0,
    "drift": 1.7e-13,
    "noise": 2.9e-9,
    "harm_price": 1.9e-7,
    "bytes_per_sample": 350.0,
    "cube_root_sum": 0.037,
    "put_backs": 3.0,
    "lost_share": 0.125,
    "rise": 0.0003,
    "auc_per_nat": 1.5,
}


def at(formula: object) -> dict[str, float]:
    return {name: POINT[name] for name in inspect.signature(formula).parameters}  # type: ignore[arg-type]


def total(value: object) -> object:
    return value.total if isinstance(value, Breakdown) else value


def test_all_are_here() -> None:
    assert len(FORMULAS) >= 24
    others = {
        "optimal_chunks",
        "renewal_efficiency",
        "schedule_efficiency",
    }  # a search, sums over any survival function
    assert set(formulas.__all__) - set(FORMULAS) == others


@pytest.mark.parametrize("name", FORMULAS)
def test_names_are_the_nomenclature_s(name: str) -> None:
    assert set(inspect.signature(FORMULAS[name]).parameters) <= set(NOMENCLATURE)


@pytest.mark.parametrize("name", FORMULAS)
def test_docstring_says_what_it_must(name: str) -> None:
    text = FORMULAS[name].__doc__
    assert "Parameters" in text
    assert ">>> " in text
    for argument in inspect.signature(FORMULAS[name]).parameters:
        assert argument in text, argument


@pytest.mark.parametrize("name", FORMULAS)
def test_numbers_arrays_symbols_and_mpmath_agree(name: str) -> None:
    formula = FORMULAS[name]
    point = at(formula)
    number = total(formula(**point))
    assert type(number) is float
    arrays = {key: np.array([value, value]) for key, value in point.items()}
    assert total(formula(**arrays)) == pytest.approx([number, number], rel=1e-15)
    symbols = formula.symbols()
    expression = sp.sympify(total(formula(**symbols)))
    special = {
        "RenewalRoot": lambda c: 1 + mpmath.lambertw(-mpmath.exp(-1 - c)).real,
        "CubicRoot": lambda a, b: mpmath.findroot(lambda x: x**3 - a * x - b, (mpmath.sqrt(a) + mpmath.cbrt(b), 1)),
    }
    known = [special, "mpmath"]
    symbolic = sp.lambdify([symbols[key] for key in point], expression, modules=known, cse=True)
    with mpmath.workdps(50):
        found = symbolic(*(mpmath.mpf(value) for value in point.values()))
        assert float(found) == pytest.approx(number, rel=1e-12)
        precise = total(formula(**{key: mpmath.mpf(value) for key, value in point.items()}))
        assert float(precise) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_latex_is_printable(name: str) -> None:
    """Longer ones (some would fill ten pages) print their docstring's equation."""
    expression = sp.sympify(total(FORMULAS[name].expression()))
    if expression.count_ops() > 500:
        assert ".. math::" in (FORMULAS[name].__doc__ or "")
    else:
        assert len(sp.latex(expression)) > 2


@pytest.mark.parametrize("name", FORMULAS)
def test_a_number_outside_its_domain_is_named(name: str) -> None:
    formula = FORMULAS[name]
    for argument in at(formula):
        domain = NOMENCLATURE[argument].domain
        bad = [math.nan, math.inf, "5", 1j, [math.nan]]
        if domain is not Domain.REAL:
            bad.append(-1.0)
        if domain in (Domain.POSITIVE, Domain.AT_LEAST_ONE):
            bad.append(0.0)
        if domain in (Domain.SHARE, Domain.OPEN_SHARE):
            bad.append(1.5)
        for value in bad:
            with pytest.raises(DomainError, match=f"{name}: {argument} = .*expected"):
                formula(**{**at(formula), argument: value})


#: Intervals, queues and budgets that are too large, and too small for their saves.
FAR = (
    {"requeue_s": 1e6, "pls": 0.5, "interval_s": 30 * POINT["mtbf_s"], "save_s": POINT["mtbf_s"]},
    {"pls": 1e-6, "interval_s": POINT["mtbf_s"], "save_s": POINT["mtbf_s"]},
)


@pytest.mark.parametrize("name", [name for name in FORMULAS if FORMULAS[name].about.validity])
def test_leaving_the_validity_range_warns(name: str) -> None:
    formula = FORMULAS[name]
    long, short = ({key: value for key, value in far.items() if key in at(formula)} for far in FAR)
    for number, rule in enumerate(formula.about.validity):  # the second one is about saves that are not short
        far = {**at(formula), **(short if number else long)}
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            formula(**far)
        said = [str(one.message) for one in found if issubclass(one.category, ValidityWarning)]
        assert any(re.match(f"{name}: .*is above {rule.at_most:g}", line) for line in said), said


def test_every_formula_has_a_source_and_evidence() -> None:
    for name, formula in FORMULAS.items():
        about = formula.about
        assert str(about.source), name
        assert about.evidence.value, name
        assert about.validity_text(), name
        if about.source.key == "derived":
            assert about.evidence.name in ("DERIVED", "DEFINITION"), name  # nothing derived poses as published


@pytest.mark.parametrize("name", FORMULAS)
def test_arguments_broadcast(name: str) -> None:
    """One argument varies along rows, the others along columns: every cell is the scalar call's value."""
    formula = FORMULAS[name]
    point = at(formula)
    first = next(iter(point))
    factors = np.array([0.9, 1.0])
    grid = {key: value * factors[None, :] ** 0.1 for key, value in point.items()}
    grid[first] = point[first] * factors[:, None] ** 0.1
    whole = np.broadcast_to(total(formula(**grid)), (2, 2 if len(point) > 1 else 1))
    for row, column in np.ndindex(whole.shape):
        cell = {key: float(np.broadcast_to(value, (2, 2))[row, column]) for key, value in grid.items()}
        assert whole[row, column] == pytest.approx(total(formula(**cell)), rel=1e-14)


def test_arrays_that_do_not_belong_together_are_one_line() -> None:
    with pytest.raises(DomainError) as caught:
        formulas.exact_interval(save_s=np.array([1.0, 2.0]), mtbf_s=np.array([1.0, 2.0, 3.0]))
    assert str(caught.value) == (
        "exact_interval: expected arrays that broadcast together, not of shapes save_s (2,), mtbf_s (3,)"
    )
    side = formulas.exact_interval(save_s=np.array([[1.0], [2.0]]), mtbf_s=np.array([1.0, 2.0, 3.0]))
    assert np.shape(side) == (2, 3)


def test_nothing_is_ever_nan() -> None:
    never = formulas.full_recovery_makespan(1e9, 1e8, 1.0, 1.0, 1.0, 1.0)
    assert never.total == math.inf
    with pytest.raises(DomainError, match="a float can hold"):
        formulas.partial_recovery_makespan(1e3, 1.0, 1.0, 1.0, 1e6, 1e6, 0.5, 0.5, 0.0, 1e6)


def test_every_kind_of_real_number() -> None:
    from decimal import Decimal
    from fractions import Fraction

    expected = formulas.young_1974(300, 86400)
    assert formulas.young_1974(Fraction(300), Decimal(86400)) == expected
    assert formulas.young_1974(np.float32(300), np.array(86400)) == expected
    assert (formulas.young_1974([300, 300], 86400) == expected).all()
    assert formulas.young_1974(np.array([]), 86400).size == 0
    assert formulas.young_1974(10**40, 10**42) > 0


def test_chunks_broadcast() -> None:
    assert (formulas.optimal_chunks([200.0, 200.0], 5.0, [360.0, 1e9]) == [3, 1]).all()
