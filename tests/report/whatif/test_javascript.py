"""The printed formulas, the special functions, and quantities: JavaScript against Python, in a real browser."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from cprmodel import formulas
from cprmodel.facts.nomenclature import NOMENCLATURE, Domain
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY, namespace
from cprmodel.facts.units import QuantityError, format_share, format_time, parse_quantity
from cprmodel.loading import load_job
from cprmodel.report.whatif import drawn, javascript, page, printed
from tests.facts.test_formula import FORMULAS, POINT

#: Formulas with special functions that the page has no JavaScript for.
NOT_PRINTED = {"erlang_1917_loss", "expected_regret", "freshness_interval", "waiting_overhead"}
Visit = Callable[..., Any]


def test_a_formula_is_printed_from_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    before = printed.script_of_formulas()
    assert "return Math.sqrt(2)*Math.sqrt(mtbf_s*save_s);" in before

    def spoiled(save_s: Any, mtbf_s: Any) -> Any:
        return namespace(save_s, mtbf_s).sqrt(3 * save_s * mtbf_s)

    monkeypatch.setattr(formulas.young_1974, "raw", spoiled)
    assert "return Math.sqrt(3)*Math.sqrt(mtbf_s*save_s);" in printed.script_of_formulas()


def test_what_the_page_holds_is_what_the_bodies_print() -> None:
    """Renew it with make formulas."""
    assert printed.FILE.read_text(encoding="utf-8") == printed.script_of_formulas() + "\n"


def test_what_the_page_draws_is_what_altair_makes() -> None:
    """With its checks against the schema. Renew it with make formulas."""
    assert drawn.FILE.read_text(encoding="utf-8") == drawn.text()
    assert set(drawn.drawn(sharded=True)["light"]) - set(drawn.drawn(sharded=False)["light"]) == {"pls"}


@pytest.mark.parametrize("name", sorted(NOT_PRINTED))
def test_what_cannot_be_printed_is_an_error(name: str) -> None:
    with pytest.raises(NotImplementedError):
        javascript.formula_function(FORMULAS[name])


def test_special_functions_are_expanded_again_afterwards() -> None:
    import sympy as sp

    javascript.formula_function(formulas.exact_pls)
    assert namespace(sp.Symbol("z")).name == "sympy"
    assert "phi2" not in str(formulas.exact_pls.expression())


def test_markup_in_a_job_is_text() -> None:
    job = load_job("preset:cpr-dlrm")
    evil = "</script><script>alert(1)</script>"
    titled = job.preset.model_copy(update={"title": evil, "summary": evil})  # type: ignore[union-attr]
    assert evil not in page.render_whatif(job.model_copy(update={"preset": titled}))


@pytest.mark.browser
def test_every_formula_is_python_s(visit: Visit, dense_file: Path) -> None:
    """At random points around a typical one, 1e-11 apart at most (1e-9 is what the page promises)."""
    view, random = visit(dense_file), np.random.default_rng(4)
    for name in sorted(set(FORMULAS) - NOT_PRINTED):
        one = FORMULAS[name]
        names = list(inspect.signature(one).parameters)
        points = []
        for _ in range(20):
            point = {key: POINT[key] * math.exp(random.uniform(-0.7, 0.7)) for key in names}
            for key in names:  # what is at most 1 stays below it
                if NOMENCLATURE[key].domain in (Domain.SHARE, Domain.OPEN_SHARE):
                    point[key] = min(point[key], random.uniform(0.9, 1.0))
            shares = [key for key in names if key.endswith("_share")]
            point |= {key: POINT[key] for key in shares}
            point |= {key: 0.0 for key in shares if random.random() < 0.3 and key != "shard_share"}
            points.append(point)
        text = javascript.formula_function(one)
        found = view.evaluate(f"(points) => points.map({text})", points)
        for point, value in zip(points, found, strict=True):
            expected = one.raw(**point)
            wanted = (
                {**expected._asdict(), "total": expected.total} if isinstance(expected, Breakdown) else expected
            )
            if isinstance(wanted, dict):
                assert value == pytest.approx(wanted, rel=1e-11, abs=1e-16), (name, point)
            else:
                assert value == pytest.approx(float(wanted), rel=1e-11), (name, point)


@pytest.mark.browser
def test_special_functions(visit: Visit, dense_file: Path) -> None:
    """Against mpmath at 50 digits, as the NumPy backend is."""
    view = visit(dense_file)
    wide = [*np.geomspace(1e-18, 700, 400).tolist(), 0.0, 0.5, 0.49999999, 0.50000001, 1.0]
    both = [*wide, *(-x for x in wide)]
    mixed = [x for x in both if x > -0.999]
    grids: dict[str, list[float]] = {
        "renewal_root": wide,
        "phi2": both,
        "phi3": both,
        "exprel": both,
        "log1p_gap": mixed,
    }
    with mpmath.workdps(50):
        exact = namespace(mpmath.mpf(1))
        for name, grid in grids.items():
            found = view.evaluate(f"(grid) => grid.map(special.{name})", grid)
            for x, value in zip(grid, found, strict=True):
                truth = float(getattr(exact, name)(mpmath.mpf(x)))
                assert value == pytest.approx(truth, rel=2e-13, abs=0), (name, x)
                assert value == pytest.approx(float(getattr(NUMPY, name)(x)), rel=4e-13, abs=0), (name, x)
    pieces = [(a, b) for a in (1.0, 3.0, 200_000.0) for b in (a / 7, a / 7 * (1 + 1e-15), a / 7.5, 2 * a, a, 0.1)]
    found = view.evaluate("(pairs) => pairs.map((pair) => special.intervals(...pair))", pieces)
    assert found == [float(NUMPY.intervals(*pair)) for pair in pieces]
    ends = [(a, b) for a in (0.0, 1e-120, 1e-9, 2.0, 7e90) for b in (0.0, 3e-160, 1e-7, 5.0, 1e80)]
    found = view.evaluate("(pairs) => pairs.map((pair) => special.cubic_root(...pair))", ends)
    with mpmath.workdps(50):
        truth = [float(exact.cubic_root(mpmath.mpf(a), mpmath.mpf(b))) for a, b in ends]
    assert found == pytest.approx(truth, rel=1e-15, abs=0)
    assert [float(NUMPY.cubic_root(*pair)) for pair in ends] == pytest.approx(truth, rel=1e-15, abs=0)
    assert view.evaluate("[special.quotient(1, 0) === Infinity, special.quotient(0, 0) === Infinity]") == [
        True,
        True,
    ]
    assert view.evaluate("special.quotient(3, 2)") == 1.5


@pytest.mark.browser
def test_numbers_are_written_as_python_writes_them(visit: Visit, dense_file: Path) -> None:
    view, random = visit(dense_file), np.random.default_rng(11)
    ties = [
        0.5,
        1.5,
        2.5,
        0.125,
        0.375,
        1.125,
        2.675,
        0.00125,
        1e22,
        9.995,
        99.95,
        999.5,
        0.9995,
        59.95,
        3599.5,
        1e-7,
    ]
    numbers = [*ties, *(i / 8 for i in range(200)), *np.exp(random.uniform(-25, 25, 1500)).tolist(), 0.0]
    for count in (2, 3):
        found = view.evaluate(f"(all) => all.map((one) => quantities.general(one, {count}))", numbers)
        assert found == [f"{one:.{count}g}" for one in numbers]
    for places in (0, 1, 3):
        found = view.evaluate(f"(all) => all.map((one) => quantities.fixed(one, {places}))", numbers)
        assert found == [f"{one:.{places}f}" for one in numbers]
    shares = view.evaluate("(all) => all.map(quantities.formatShare)", numbers)
    assert shares == [format_share(one) for one in numbers]
    times = [one for one in numbers if one <= 1e12]
    assert view.evaluate("(all) => all.map(quantities.formatTime)", times) == [format_time(one) for one in times]
    # what a field shows reads as exactly what is computed with, in either language
    written = view.evaluate("(all) => all.map((one) => quantities.write(one, 'time'))", times)
    assert view.evaluate("(all) => all.map((one) => quantities.parse(one, 'time'))", written) == times
    assert [parse_quantity(text, "time") for text in written] == times


TEXTS = [
    "30 min", "1 h 30 min", "1h30min", "28 h", "5", "", " ", "4 m", "1.2 TB", "1 h -5 min", "30 s 1 h", "-5 min",
    "1_000 s", "1e3 s", ".5 h", "5. h", "1e400 s", "2 hours", "2 days 3 hours", "3 wk", "1 yr", "7 ms",
    "9 us", "5 ns", "1 h 1 h", "1h ", "h", "5 H", "5 GB/s", "١ h", "1 constructor", "0 s", "1 min 1.5 s", "1 sec",
    "2 mins", "3 hrs",
]  # fmt: skip


@pytest.mark.browser
def test_times_are_read_as_python_reads_them(visit: Visit, dense_file: Path) -> None:
    view = visit(dense_file)
    found = view.evaluate("(all) => all.map((one) => quantities.parse(one, 'time'))", TEXTS)
    for text, value in zip(TEXTS, found, strict=True):
        try:
            expected: float | None = parse_quantity(text, "time")
        except QuantityError:
            expected = None
        assert value == expected, text
    plain = view.evaluate(
        "['0.1', '10%', '1e-3', 'x', '', '8', '8.5'].map((one) => quantities.parse(one, 'share'))"
    )
    assert plain == [0.1, 0.1, 1e-3, None, None, 8, 8.5]
    assert view.evaluate("['8', '8.5', '8%'].map((one) => quantities.parse(one, 'count'))") == [8, None, None]
    assert json.loads(view.evaluate("JSON.stringify(SERIES.renewal_root.slice(0, 3))"))[1:] == [1.0, -1 / 3]
