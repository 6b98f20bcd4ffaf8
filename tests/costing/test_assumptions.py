"""What formula and simulator of stored saves both assume: a list, with a test against the world or as untested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "models" / "storage.md"
LIST = re.compile(r"<!-- assumptions -->\n(.*?)<!-- end of assumptions -->", re.S)
ITEM = re.compile(r"^- \*\*(?P<name>[^*]+)\*\*: (?P<text>.*?)(?=^- \*\*|\Z)", re.S | re.M)

#: What the rules of :mod:`cprmodel.costing.storage` take for granted. A new rule is added here and in the chapter.
ASSUMED = {
    "failures without memory",
    "order of levels",
    "stall and copy",
    "merged store",
    "no new base",
    "first save",
    "void saves",
    "restored rows",
    "drain apart",
    "one drain at a time",
    "survival by chance",
    "everybody waits",
    "warned in time",
    "warned rows",
    "each save anew",
    "after a warned save",
    "long job",
}


def listed() -> dict[str, str]:
    (found,) = LIST.findall(PAGE.read_text(encoding="utf-8"))
    return {item["name"]: " ".join(item["text"].split()) for item in ITEM.finditer(found)}


def test_every_assumption_is_in_the_chapter() -> None:
    assert set(listed()) == ASSUMED


@pytest.mark.parametrize("name", sorted(ASSUMED))
def test_an_assumption_has_a_test_or_says_that_it_has_none(name: str) -> None:
    text = listed()[name]
    where = re.search(r"\bTested: .*?`(?P<path>[\w./]+)(?:::(?P<test>\w+))?`", text)
    assert (where is None) == bool(re.search(r"\bUntested\b", text)), (
        "one of the two words, and a test where there is one"
    )
    if where is None:
        return
    path = ROOT / where["path"]
    assert path.is_file(), where["path"]
    if path.suffix == ".py":
        assert where["test"], "which test"
        assert f"def {where['test']}(" in path.read_text(encoding="utf-8")
