"""Prices: the cheapest interval is one, by SymPy and against what a job costs written out."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from cprmodel import formulas


def test_the_cheapest_interval_is_a_minimum_of_the_price() -> None:
    tau = sp.Symbol("tau", positive=True)
    names = formulas.cheapest_interval.symbols()
    save, mtbf, price, per_s, share = names.values()
    overhead = formulas.partial_recovery_overhead.raw(
        tau, save, mtbf, shard_share=0, whole_job_share=share, load_s=11, reschedule_s=13
    ).total
    total = formulas.price_to_train.raw(1, overhead, per_s, 1 / tau, price)
    best = formulas.cheapest_interval.raw(**names)
    assert sp.simplify(sp.diff(total, tau).subs(tau, best)) == 0
    second = sp.diff(total, tau, 2).subs(tau, best)
    assert second.subs({save: 3, mtbf: 5, price: 7, per_s: 2, share: sp.Rational(1, 3)}) > 0


def test_a_job_written_out() -> None:
    """10 hours of work at 25% overhead on nodes of 3 a second, 20 saves of 5: 10·3600·1.25·3 + 100."""
    assert formulas.price_to_train(36000.0, 0.25, 3.0, 20, 5.0) == 135_100.0


def test_without_a_price_of_writing_it_is_young_s() -> None:
    saves = np.geomspace(1, 1000, 7)
    assert formulas.cheapest_interval(saves, 1e5, 0.0, 0.3) == pytest.approx(formulas.young_1974(saves, 1e5))
