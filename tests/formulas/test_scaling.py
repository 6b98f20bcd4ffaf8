"""Node counts: optima proved by SymPy, and against a numerical minimum."""

from __future__ import annotations

import math

import pytest
import sympy as sp
from scipy.optimize import minimize_scalar

from cprmodel import formulas

_NODES, _MTBF, _SAVE, _STOP, _SHARE = sp.symbols("n mu C R w", positive=True)
_EXPONENT = sp.Symbol("alpha", positive=True)


def test_the_node_count_is_where_the_time_to_train_stops_falling() -> None:
    """With Young's interval put into the overhead, the derivative of the time to train vanishes at the formula."""
    mtbf = _MTBF / _NODES
    interval = formulas.partial_recovery_interval.raw(_SAVE, mtbf, _SHARE)
    overhead = formulas.partial_recovery_overhead.raw(
        interval, _SAVE, mtbf, shard_share=0, whole_job_share=_SHARE, load_s=_STOP / _SHARE
    ).total  # R is the mean stop over all failures
    time = formulas.scaled_work.raw(1, _NODES, 1, _EXPONENT) * (1 + overhead)
    y = sp.Symbol("y", positive=True)
    slope = sp.simplify((sp.diff(sp.log(time), _NODES) * _NODES).subs(_NODES, _MTBF * y**2))
    numerator = sp.fraction(sp.together(slope))[0]
    quadratic = sp.Poly(sp.expand(numerator), y)
    assert quadratic.degree() == 2
    a, b, c = quadratic.all_coeffs()
    found = sp.sqrt(formulas.fastest_nodes.raw(_MTBF, _SAVE, _STOP, _EXPONENT, _SHARE) / _MTBF)
    values = {_SAVE: sp.Rational(7, 3), _STOP: sp.Rational(31, 5), _SHARE: sp.Rational(2, 7)}
    for exponent in (sp.Rational(1, 3), sp.Rational(1, 2), sp.Rational(17, 20)):
        point = {**values, _EXPONENT: exponent, _MTBF: sp.Integer(10**6)}
        at = found.subs(point)
        assert sp.simplify(sp.expand((a * at**2 + b * at + c).subs(point))) == 0
        # sign of the derivative: from falling to rising, at the one positive root
        signs = [sp.sign(slope.subs(point).subs(y, at * factor)) for factor in (sp.Rational(1, 2), 2)]
        assert signs == [-1, 1]


def test_the_node_count_at_a_budget_is_where_the_time_to_train_stops_falling() -> None:
    pls, shards = sp.symbols("p N", positive=True)
    mtbf = _MTBF / _NODES
    interval = formulas.cpr_2021_interval.raw(pls, mtbf, shards)
    overhead = formulas.partial_recovery_overhead.raw(interval, _SAVE, mtbf, partial_load_s=_STOP).total
    time = _NODES ** (-_EXPONENT) * (1 + overhead)
    found = formulas.fastest_nodes_at_budget.raw(_MTBF, _SAVE, _STOP, _EXPONENT, pls, shards)
    assert sp.simplify(sp.diff(time, _NODES).subs(_NODES, found)) == 0
    second = sp.simplify(sp.diff(time, _NODES, 2).subs(_NODES, found))
    assert second.subs({_EXPONENT: sp.Rational(3, 4), _MTBF: 10, _SAVE: 1, _STOP: 1, pls: 1, shards: 1}) > 0


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("share", [1.0, 0.05])
def test_against_a_numerical_minimum(exponent: float, share: float) -> None:
    mtbf, save, stop = 150 * 86400.0, 240.0, 840.0

    def log_time(log_nodes: float) -> float:
        nodes = math.exp(log_nodes)
        overhead = math.sqrt(2 * save * share * nodes / mtbf) + stop * nodes / mtbf
        return -exponent * log_nodes + math.log1p(overhead)

    lowest = minimize_scalar(log_time, bounds=(0, 40), method="bounded", options={"xatol": 1e-9})
    assert math.log(formulas.fastest_nodes(mtbf, save, stop, exponent, share)) == pytest.approx(lowest.x, abs=1e-6)


def test_perfect_scaling_never_slows() -> None:
    assert formulas.fastest_nodes(1e7, 240.0, 840.0, 1.0) == math.inf
    assert formulas.fastest_nodes_at_budget(1e7, 240.0, 840.0, 1.0, pls=0.1, shards=8) == math.inf
