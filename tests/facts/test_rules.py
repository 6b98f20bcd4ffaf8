"""Every formula keeps the rules, exported or not; and whoever breaks one is told which."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

from cprmodel import formulas
from cprmodel.facts.formula import formula
from cprmodel.facts.rules import broken_rules
from cprmodel.facts.sources import DERIVED, Evidence


def in_the_rooms() -> dict[str, Any]:
    """Every formula of the modules of formulas, exported or not."""
    found = {}
    for one in pkgutil.walk_packages(formulas.__path__, "cprmodel.formulas."):
        module = importlib.import_module(one.name)
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == one.name and inspect.isfunction(value)
            if own and hasattr(value, "about"):
                found[f"{one.name}.{name}"] = value
    return found


FOUND = in_the_rooms()


def test_all_are_found() -> None:
    """What is exported is among them; not the three that are a search, or sums over a survival function."""
    exported = {name for name in formulas.__all__ if hasattr(getattr(formulas, name), "about")}
    assert exported <= {name.rpartition(".")[2] for name in FOUND}
    assert len(exported) >= 100


@pytest.mark.parametrize("name", FOUND)
def test_every_formula_keeps_the_rules(name: str) -> None:
    assert broken_rules(FOUND[name]) == []


@pytest.mark.parametrize("name", FOUND)
def test_every_formula_is_exported_by_its_room_and_its_house(name: str) -> None:
    module, _, short = name.rpartition(".")
    assert short in importlib.import_module(module).__all__
    assert short in formulas.__all__


GOOD = r"""Overhead of saves.

    .. math:: \frac{C}{\tau}

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    interval_s : useful work between two saves, τ [s]

    Examples
    --------
    >>> saves(save_s=1.0, interval_s=10.0)
    0.1
"""


def made(text: str, argument: str = "save_s", decorated: bool = True) -> Any:
    """A formula with this docstring, whose first argument has this name."""
    names: dict[str, Any] = {}
    exec(f"def saves({argument}, interval_s):\n    return {argument} / interval_s", names)
    body = names["saves"]
    body.__doc__ = text
    return formula("O/T", DERIVED, Evidence.DEFINITION)(body) if decorated else body


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (made(GOOD), None),
        (made(GOOD, decorated=False), "no source and evidence"),
        (made(GOOD.replace("save_s", "wait"), "wait"), "wait is no name of the nomenclature"),
        (made(GOOD.replace(".. math::", "equation:")), "no equation"),
        (made(GOOD.replace("C [s]", "C")), "no unit [s] in the line of save_s"),
        (made(GOOD.replace("τ [s]", "τ [h]")), "no unit [s] in the line of interval_s"),
        (made(GOOD.replace("    interval_s : useful work between two saves, τ [s]\n", "")), 'no line "interval_s'),
        (made(GOOD.replace(">>> saves(", ">>> other(")), "no example"),
        (made(""), "no equation"),
    ],
)
def test_whoever_breaks_a_rule_is_told_which(broken: Any, said: str | None) -> None:
    found = broken_rules(broken)
    if said is None:
        assert found == []
    else:
        assert any(said in one for one in found), found
        assert all(one.startswith("saves: ") for one in found)
