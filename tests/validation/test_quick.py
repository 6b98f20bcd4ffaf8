"""The quick case, as CI runs it: alone on the machine, for its times are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation.experiment.compare import compare
from validation.experiment.design import Experiment
from validation.experiment.runner import Runner
from validation.experiment.verdict import Verdict

pytestmark = pytest.mark.experiment

QUICK = Path(__file__).parents[2] / "validation" / "cases" / "quick.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("quick") / "out"
    Runner(Experiment.from_file(QUICK), out).run()
    return out


def test_no_prediction_fails(folder: Path) -> None:
    outcome = compare(folder)
    failed = [one for one in outcome.comparisons if one.verdict is Verdict.FAIL]
    assert failed == []
    assert outcome.status == 0
    lost = [one for one in outcome.comparisons if one.quantity == "pls" and one.against == "executed"]
    assert [one.verdict for one in lost] == [Verdict.PASS]


@pytest.mark.parametrize(("spoil", "quantity"), [("mtbf", "reschedule"), ("load", "load")])
def test_a_spoiled_model_is_caught(folder: Path, spoil: str, quantity: str) -> None:
    outcome = compare(folder, spoil)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.status == 1
    assert any(one.verdict is Verdict.FAIL and one.quantity == quantity for one in outcome.comparisons)
