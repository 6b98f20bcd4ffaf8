"""One symbol means one thing: in the table, in what the documentation adds to it, in equations, and on pages."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from pathlib import Path

import pytest

from cprmodel import formulas
from cprmodel.facts.nomenclature import NOMENCLATURE
from tests.facts.symbols import symbols_in

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "nomenclature.md"
FORMULAS = {name: getattr(formulas, name) for name in formulas.__all__}

#: A symbol of the table, as an equation has it, and its argument.
ARGUMENTS = {symbol: name.argument for name in NOMENCLATURE.values() for symbol in symbols_in(name.latex)}

#: Where an equation speaks of a quantity that is no argument of its formula, but stands in the table all the same.
MENTIONED = {
    "adam_relearning": "relearning_per_sample",
    "drained_priority_pls": "fresh_lost stale_lost last_stale_lost",
    "exact_pls": "fresh_lost",
    "expected_gradient_square": "probability",
    "harm_at_once": "probability",
    "mean_harm": "age_samples",
    "mtbf_regret": "interval_s",
    "no_clean_save": "surely",
    "priority_pls": "fresh_lost stale_lost last_fresh_lost last_stale_lost",
    "relearning_rate": "gradient_sum",
    "straggling_overhead": "pace",
    "transfer_time": "save_s",
}


def sharing(forms: list[tuple[str, str]]) -> dict[str, list[str]]:
    """What stands for several things, and for which."""
    found = defaultdict(list)
    for symbol, thing in forms:
        found[symbol].append(thing)
    return {symbol: things for symbol, things in found.items() if len(things) > 1}


def computed() -> list[tuple[str, str]]:
    """The symbols of the page's own table, each with what it says of it."""
    rows = re.findall(r"^\| \$(.*?)\$ \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    return [(next(symbols_in(symbol)), meaning) for symbol, meaning in rows]


def free_letters() -> set[str]:
    """The letters that the page says to stand for nothing."""
    found = re.search(r"^The letters (.*?) stand for nothing", PAGE.read_text(encoding="utf-8"), re.M)
    assert found
    return set(re.findall(r"\$(\w)\$", found[1]))


@pytest.mark.parametrize("form", ["symbol", "latex"])
def test_no_two_names_share_a_symbol(form: str) -> None:
    assert sharing([(getattr(name, form), name.argument) for name in NOMENCLATURE.values()]) == {}


def test_a_symbol_is_one_symbol_to_latex() -> None:
    """With its index and its dash; else the tests below would not see it."""
    assert [name.latex for name in NOMENCLATURE.values() if list(symbols_in(name.latex)) != [name.latex]] == []
    assert len(ARGUMENTS) == len(NOMENCLATURE)


def test_what_is_computed_shares_no_symbol_with_what_is_given() -> None:
    table = computed()
    assert len(table) > 20
    given = [(name.latex, name.argument) for name in NOMENCLATURE.values()]
    assert sharing(table + given) == {}


def test_letters_that_stand_for_nothing_are_no_one_s() -> None:
    free = free_letters()
    assert len(free) > 5
    taken = {name.symbol for name in NOMENCLATURE.values()} | {symbol for symbol, _ in computed()}
    assert free & taken == set()


def spoken_of(name: str) -> set[str]:
    """The quantities that the equation of a formula may have: its arguments, and what it gives."""
    formula = FORMULAS[name]
    gives = getattr(formula, "about", None) and formula.about.gives
    given = {known.argument for known in NOMENCLATURE.values() if known.symbol == gives}
    return {*inspect.signature(formula).parameters, *given, *MENTIONED.get(name, "").split(), "work_s", "saves"}


def equations_of(text: str) -> list[str]:
    """In a docstring."""
    found = re.findall(r"\.\. math:: *(.*?)(?:\n\s*\n|\Z)|:math:`([^`]*)`", text, re.S)
    return [" ".join(one) for one in found]


@pytest.mark.parametrize("name", FORMULAS)
def test_an_equation_uses_a_symbol_for_what_the_table_says(name: str) -> None:
    """A symbol of the table stands for an argument, for what the formula gives, or for T and m of every job."""
    equations = equations_of(inspect.getdoc(FORMULAS[name]) or "")
    assert equations
    used = {ARGUMENTS[symbol] for one in equations for symbol in symbols_in(one) if symbol in ARGUMENTS}
    assert used - spoken_of(name) == set(), equations


@pytest.mark.parametrize("name", MENTIONED)
def test_what_is_said_to_be_mentioned_is(name: str) -> None:
    used = {
        ARGUMENTS.get(symbol)
        for one in equations_of(inspect.getdoc(FORMULAS[name]) or "")
        for symbol in symbols_in(one)
    }
    assert set(MENTIONED[name].split()) <= used


#: What any page may speak of, and what a page speaks of without the formula that takes it.
EVERYWHERE = "work_s interval_s save_s mtbf_s"
SAID = {
    "cheatsheet": "pls shards",
    "choose": "accesses_per_sample",
    "models/fleet": "reschedule_s",
    "models/interval": "mtbf_error",
    "models/pace": "nodes node_mtbf_s spares repair_s in_repair",
    "simulation": (
        "shards failed_shards partial_load_s partial_reschedule_s trainer_reschedule_s seen_failures exposure_s"
    ),
    "validation-harm": "accesses_per_sample",
}
PAGES = {
    page.relative_to(DOCS).with_suffix("").as_posix(): page.read_text(encoding="utf-8")
    for page in sorted([*DOCS.glob("*.md"), *DOCS.glob("models/*.md")])
    if page != PAGE
}


def equations_on(page: str) -> list[str]:
    """In its text, whatever its boxes hold."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", PAGES[page], flags=re.S | re.M)
    return ["".join(one) for one in re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+)\$", text, re.S)]


@pytest.mark.parametrize("page", [page for page in PAGES if equations_on(page)])
def test_a_page_uses_a_symbol_for_what_the_table_says(page: str) -> None:
    """What stands in its text is of a formula on the page, or is said here; any other letter is free."""
    shown = [name for name in re.findall(r"cprmodel\.formulas\.(\w+)", PAGES[page]) if name in FORMULAS]
    known = set(f"{EVERYWHERE} {SAID.get(page, '')}".split()).union(*map(spoken_of, shown))
    for one in equations_on(page):
        used = {ARGUMENTS[symbol] for symbol in symbols_in(one) if symbol in ARGUMENTS}
        assert used - known == set(), one
