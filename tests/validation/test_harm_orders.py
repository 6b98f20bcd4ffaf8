"""Orders compared in the metric: predictions first, the library's trackers at work, a verdict that can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import JobError
from validation.harm.bench import Bench
from validation.harm.files import taken
from validation.harm_orders.case import OrdersCase
from validation.harm_orders.judging import judge
from validation.harm_orders.lab import SPOILED, measured, predictions, run_case
from validation.harm_orders.report import markdown, overall
from validation.harm_orders.running import strikes
from validation.harm_orders.savers import Saver

SETTING: dict[str, Any] = {
    "name": "tiny",
    "every": 5,
    "fraction": 0.25,
    "data": {"samples": 1920, "test_samples": 512, "batch_size": 64},
    "model": {"largest_table": 100, "embedding_dim": 4, "dense_arch": [8], "over_arch": [8]},
}
TINY: dict[str, Any] = {
    "seeds": [1, 2],
    "probe_seeds": [11, 12],
    "probe_samples": 256,
    "failures": 3,
    "settings": [SETTING],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[OrdersCase, Path, list[str]]:
    case, folder, said = OrdersCase.from_mapping(TINY), tmp_path_factory.mktemp("orders"), []
    run_case(case, folder, 1, said.append)
    return case, folder, said


def test_predictions_are_there_before_anything_is_measured(ran: tuple[OrdersCase, Path, list[str]]) -> None:
    case, folder, said = ran
    assert said == [
        "tiny: seed 11 probed",
        "tiny: seed 12 probed",
        "tiny: predicted",
        "predictions written",
        "tiny: seed 1 measured",
        "tiny: seed 2 measured",
    ]
    (setting,) = case.settings
    told, found = predictions(folder)["tiny"], measured(folder, case, setting)
    assert set(told) == {"", *SPOILED}
    assert set(found) == {1, 2}
    for seed, lines in found.items():
        assert set(lines) == set(setting.orders)
        assert set(told[""][str(seed)]) == set(setting.orders) - {"grown-sums"}
        # all rows every time: no order loses fewer updates
        assert min(one["lost_updates"] for one in lines.values()) == lines["everything"]["lost_updates"] > 0


def test_it_goes_on_where_it_ended(ran: tuple[OrdersCase, Path, list[str]]) -> None:
    case, folder, _ = ran
    path = folder / "tiny" / "seed-2.jsonl"
    whole = path.read_text()
    path.write_text("".join(line + "\n" for line in whole.splitlines()[:3]))
    run_case(case, folder, 1, lambda said: None)
    assert path.read_text() == whole  # bit by bit
    with pytest.raises(JobError, match="expected a folder of this very case"):
        run_case(case.model_copy(update={"failures": 2}), folder, 1, lambda said: None)


def test_the_verdict_can_fail(ran: tuple[OrdersCase, Path, list[str]], tmp_path: Path) -> None:
    """Where everything came out as predicted (in an order that can be told) it passes; else it fails."""
    case, _, _ = ran
    orders = [one for one in case.settings[0].orders if one != "grown-sums"]
    setting = case.settings[0].model_copy(update={"orders": tuple(orders)})
    case = case.model_copy(update={"settings": (setting,)})
    rises = {order: 1e-4 * (1 + number) for number, order in enumerate(orders)}

    def write(factor: float, turned: bool) -> None:
        names = orders[::-1] if turned else orders
        told = {str(s): {o: [rises[o], 1.5 * rises[o], 1e3] for o in orders} for s in case.seeds}
        with taken(case, tmp_path) as files:
            files.write(tmp_path / "predictions.json", [{"tiny": {"": told}}])
            for seed in case.seeds:
                lines = [
                    {
                        "order": o,
                        "rise": factor * rises[n] * (1 + 0.001 * seed),
                        "auc_fall": 1e-4,
                        "lost_updates": 1e3,
                    }
                    for o, n in zip(orders, names, strict=True)
                ]
                files.write(tmp_path / "tiny" / f"seed-{seed}.jsonl", lines)

    write(1.0, False)
    (right,) = judge(case, tmp_path)
    assert right.verdict == "PASS"
    assert all(one.verdict == "PASS" for one in right.compared)
    assert (right.pairs.right, right.pairs.wrong) == (15, ())
    write(1.6, False)
    (large,) = judge(case, tmp_path)
    assert {one.verdict for one in large.compared} == {"FAIL"}
    assert not large.pairs.wrong
    write(1.0, True)
    (turned,) = judge(case, tmp_path)
    assert turned.verdict == "FAIL"
    assert len(turned.pairs.wrong) == 15


def test_the_report_says_what_was_measured(ran: tuple[OrdersCase, Path, list[str]]) -> None:
    case, folder, _ = ran
    found = {how: judge(case, folder, how) for how in ("", *SPOILED)}
    text = markdown(case, "tiny", found)
    assert f"**{overall(found[''])}.**" in text
    seen = measured(folder, case, case.settings[0])
    for order in case.settings[0].orders:
        mean = np.mean([lines[order]["rise"] for lines in seen.values()])
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {order} |")]
        assert f"| {1e4 * mean:.1f} ±" in row
    assert "no order could save more than" in text


def test_every_order_meets_the_same_failures() -> None:
    case = OrdersCase.from_mapping(TINY)
    one = strikes(case, case.settings[0], 1)
    assert one == strikes(case, case.settings[0], 1) != strikes(case, case.settings[0], 2)
    assert len(one) == 3
    assert all(5 <= step < 30 and len(set(shards)) == 3 for step, shards in one)


@pytest.mark.parametrize("order", ["scar", "update-age", "mfu", "least-harm", "grown-sums"])
def test_a_saver_keeps_what_it_saved(order: str) -> None:
    """Rows that move by known lengths: those that moved most are saved, a recovery brings the others back."""
    case = OrdersCase.from_mapping(TINY)
    setting = case.settings[0]
    bench = Bench((20, 20), 13, setting.model, setting.training, 1)
    saver = Saver(bench, order, 0.25, lambda step: [np.eye(4)] * 2)
    before = bench.rows.rows.copy()
    for row in range(40):
        bench.rows.rows[row] += 0.01 * row
        bench.rows.sums[row] += 0.01 * row
        saver.record(np.full(row, row))
    saved = saver.save()
    assert sorted(saved) == list(range(30, 40))
    now = bench.rows.rows.copy()
    saver.put_back(np.arange(40))
    assert np.array_equal(bench.rows.rows[:30], before[:30])
    assert np.array_equal(bench.rows.rows[30:], now[30:])
    assert not saver.save().size  # nothing is left that could be lost


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [1, 1]}, "seeds = [1, 1]: expected distinct seeds"),
        ({"probe_seeds": [2, 3]}, "probe_seeds = [2]: expected other seeds than"),
        ({"lost_shards": 9}, "lost_shards = 9: expected at most shards (8)"),
        ({"failures": 26}, "failures = 26: expected at most one a step after the first save of 'tiny'"),
        ({"against": "scar", "settings": [{**SETTING, "orders": ["mfu", "everything"]}]}, "against = "),
        ({"settings": [SETTING, SETTING]}, "expected a name for one setting only"),
        ({"settings": [{**SETTING, "every": 30}]}, "every = 30: expected fewer than the run's 30 steps"),
        ({"settings": [{**SETTING, "training": {"embedding_optimizer": "sgd"}}]}, "without grown-sums for sgd"),
    ],
)
def test_what_a_case_may_not_say(change: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as caught:
        OrdersCase.from_mapping({**TINY, **change})
    assert said in str(caught.value)
