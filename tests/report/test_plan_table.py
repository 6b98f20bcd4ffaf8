"""The answer in a terminal: the recommendation first, a table that fits, what is left out said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cprmodel import Job, Plan, load_job, plan
from cprmodel.planning.ranking import best_of
from cprmodel.planning.telling import why_starred
from cprmodel.report.plan_table import MOST, blocks, plan_rows, shown_strategies
from cprmodel.report.text import print_plan

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def eight() -> Plan:
    """Eight strategies."""
    return plan(load_job(EXAMPLES / "ordered-saves.toml"))


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("width", [60, 70, 80, 100, 134, 200])
def test_no_line_is_wider_than_the_terminal(
    eight: Plan,
    width: int,
    everything: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_plan(eight, everything)
    out = capsys.readouterr().out
    assert out.startswith("Recommended (*): ")
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    said = out.replace("-\n", "-")
    shown, others = shown_strategies(eight, everything)
    assert len(shown) == (len(eight.strategies) if everything else MOST)
    assert {one.name for one in [*shown, *others]} == {one.name for one in eight.strategies}
    for one in others:  # what is left out is named, with its overhead
        assert one.name in " ".join(said.split())
    assert ("--all shows everything" in " ".join(out.split())) == (not everything)


def test_with_all_every_cell_is_there(eight: Plan) -> None:
    cells = {(label, cell) for label, row in plan_rows(eight) for cell in row if cell}
    found = {(row[0], cell) for block in blocks(eight, 60, True) for row in block.rows for cell in row[1:] if cell}
    assert found == cells
    assert len(blocks(eight, 60, True)) > 1


def test_the_recommended_and_what_it_is_compared_with_stay(eight: Plan) -> None:
    names = [one.name for one in shown_strategies(eight)[0]]
    assert {"full", "partial", "current", eight.recommended} <= set(names)


def test_rows_of_nothing_but_zeros_are_left_out() -> None:
    """A dense job whose load and restart take no time."""
    job = Job.from_mapping(
        {
            "job": {"work": "30 d", "current_interval": "1 h"},
            "failures": {"mtbf": "1 d"},
            "checkpoint": {"save": "4 min", "load": "0 s"},
        }
    )
    labels = [label.strip() for label, _ in plan_rows(plan(job))]
    assert "loads" not in labels
    assert "rescheduling" not in labels
    assert "expected PLS" not in labels
    assert {"overhead", "saves", "lost work"} <= set(labels)


def test_ties_are_broken_by_loss_and_said(eight: Plan) -> None:
    """Two strategies of one overhead: the one that loses less, wherever it stands in the list."""
    best = eight.best
    worse = replace(best, strategy=replace(best.strategy, name="first"), expected_pls=best.expected_pls * 1.02)
    assert best_of([worse, best]).name == best.name
    assert best_of([best, worse]).name == best.name
    as_much = replace(worse, expected_pls=best.expected_pls * 1.001)  # less than simulations scatter
    assert best_of([as_much, best]).name == as_much.name
    tied = replace(eight, strategies=(worse, best))
    assert (
        why_starred(tied) == "first costs as much to the digits shown: the star is with what loses fewest samples."
    )
    same = replace(worse, expected_pls=best.expected_pls)
    assert why_starred(replace(eight, strategies=(best, same))).endswith("the star is with the first of them.")
    assert why_starred(replace(eight, strategies=(best,))) == ""
    assert "they differ by at most" in why_starred(eight)  # best-fixed, by less than the third digit
