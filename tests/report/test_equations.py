"""Equations that lie printed beside the code are those of the formulas' bodies."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from cprmodel import formulas
from cprmodel.facts.special import namespace
from cprmodel.report import equations
from tests.conftest import EXAMPLE


def test_the_file_is_what_the_bodies_print() -> None:
    """Renew it with make formulas."""
    assert equations.FILE.read_text(encoding="utf-8") == equations.script()


def test_an_equation_follows_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(save_s: Any, mtbf_s: Any) -> Any:
        return namespace(save_s, mtbf_s).sqrt(3 * save_s * mtbf_s)

    monkeypatch.setattr(formulas.young_1974, "raw", spoiled)
    equations.printed.cache_clear()
    text = json.loads(equations.script())["young_1974(mtbf_s, save_s)"]["lines"]
    equations.printed.cache_clear()
    assert text == ["sqrt(3)*sqrt(C*μ)"]


def test_a_formula_of_one_s_own_is_printed_when_it_is_asked_for() -> None:
    own = formulas.scaled_work  # no plan uses it
    found = equations.equation_of(own, tuple((name, None) for name in own.symbols()))
    assert found.template == "{work_s}*({reference_nodes}/{nodes})**{throughput_exponent}"


def test_plans_are_explained_without_sympy() -> None:
    """Every equation that the examples and presets ask for is in the file."""
    code = (
        "import sys; from cprmodel import plan, load_job, Exact, FirstOrder\n"
        "from cprmodel.report.explain import explain_lines\n"
        "for name in sys.argv[1:]:\n"
        "    for model in (FirstOrder(), Exact()):\n"
        "        print(len(list(explain_lines(plan(load_job(name), model)))))\n"
        "assert 'sympy' not in sys.modules\n"
    )
    jobs = [
        str(EXAMPLE),
        str(EXAMPLE.with_name("fleet.toml")),
        "preset:bloom-176b",
        "preset:cpr-dlrm",
        "preset:rsc-1",
    ]
    done = subprocess.run([sys.executable, "-c", code, *jobs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(int(lines) > 5 for lines in done.stdout.split())
