"""The lab: predictions before measurements, runs paired bit by bit, a verdict that can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cprmodel import JobError
from validation.harm.case import HarmCase
from validation.harm.files import taken
from validation.harm.jitter import jitter_by_use
from validation.harm.judging import against_line, judge
from validation.harm.lab import measured, predictions, run_case
from validation.harm.patterns import patterns_of
from validation.harm.report import judged, markdown
from validation.harm.spoiling import SPOILED

TINY: dict[str, Any] = {
    "seeds": [1, 2, 3, 4],
    "probe_samples": 512,
    "data": {"samples": 3200, "test_samples": 512, "batch_size": 64},
    "model": {"largest_table": 300, "embedding_dim": 4, "dense_arch": [8], "over_arch": [8]},
    "losses": {
        "moments": [20, 40],
        "lost": [5, 15],
        "groups": ["shard", "sharp tables", "all rows"],
        "repeated": [{"name": "two", "at": [20, 40], "lost": 5}],
    },
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[HarmCase, Path, list[str]]:
    case, folder, said = HarmCase.from_mapping(TINY), tmp_path_factory.mktemp("lab"), []
    run_case(case, folder, 1, said.append)
    return case, folder, said


def test_predictions_are_there_before_anything_is_measured(ran: tuple[HarmCase, Path, list[str]]) -> None:
    case, folder, said = ran
    assert said.index("predictions written") == 4  # after four probed runs, before four measured ones
    told, found = predictions(folder), measured(folder, case)
    names = {one.name for one in patterns_of(case)}
    assert set(told) == {"", "tables", *SPOILED}
    assert set(found) == {1, 2, 3, 4}
    for seed, lines in found.items():
        assert {line["pattern"] for line in lines} == names == set(told[""][str(seed)])
    written = (folder / "predictions.json").stat().st_mtime_ns
    assert all((folder / f"seed-{seed}" / "measured.jsonl").stat().st_mtime_ns > written for seed in found)


def test_all_rows_put_back_cost_what_the_probe_saw_of_them(ran: tuple[HarmCase, Path, list[str]]) -> None:
    """Other samples of the same law: within 4 standard errors of both."""
    case, folder, _ = ran
    for seed, lines in measured(folder, case).items():
        points = json.loads((folder / f"seed-{seed}" / "harm.json").read_text())["points"]
        for line in lines:
            if line["group"] == "all rows":
                point = next(one for one in points if one["position_samples"] == 64 * line["at"][0])
                whole = next(one for one in point["whole"] if one["age_samples"] == 64 * line["lost"])
                apart = line["at_once"]["rise"] - whole["rise"]
                assert abs(apart) < 4 * (line["at_once"]["error"] ** 2 + whole["rise_error"] ** 2) ** 0.5


def test_it_goes_on_where_it_ended(ran: tuple[HarmCase, Path, list[str]]) -> None:
    case, folder, _ = ran
    path = folder / "seed-2" / "measured.jsonl"
    whole = path.read_text()
    path.write_text("".join(line + "\n" for line in whole.splitlines()[:3]))
    run_case(case, folder, 1, lambda said: None)
    assert path.read_text() == whole  # bit by bit
    with pytest.raises(JobError, match="expected a folder of this very case"):
        run_case(case.model_copy(update={"probe_samples": 256}), folder, 1, lambda said: None)


def test_the_verdict_can_fail(ran: tuple[HarmCase, Path, list[str]], tmp_path: Path) -> None:
    """Where everything came out as predicted it passes; the same runs with spoiled predictions fail."""
    case, folder, _ = ran
    told = predictions(folder)[""]
    with taken(case, tmp_path) as files:
        files.write(tmp_path / "predictions.json", [predictions(folder)])
        for seed, lines in measured(folder, case).items():
            for line in lines:
                once, end, _, fall = told[str(seed)][line["pattern"]]
                line["at_once"]["rise"], line["at_end"]["rise"], line["at_end"]["auc_fall"] = once, end, fall
            files.write(tmp_path / f"seed-{seed}" / "measured.jsonl", lines)
    found = judged(case, tmp_path)
    assert found[""].verdict == "PASS"
    assert all(one.verdict == "PASS" for one in found[""].compared)
    assert found[""].rms == 0
    line = against_line(case, tmp_path)
    assert line is not None
    assert line.predicted == 0 < line.line
    moment, lost, rows = jitter_by_use(case, folder)
    assert (moment, lost) == (max(case.losses.moments), max(case.losses.lost))
    assert all(0.2 < one.jitter / one.quadratic < 5 for one in rows if one.quadratic > 1e-5)
    text = markdown(case, "tiny", found, line, (moment, lost, rows))
    assert "## Jitter" in text
    assert "The prediction is nearer." in text
    assert "**PASS.**" in text
    for how in SPOILED:
        assert found[how].rms > 0
        assert any(abs(one.apart) > 0.1 for one in found[how].compared)
    assert found["no-relearning"].verdict == found["shuffled-accesses"].verdict == "FAIL"


def test_it_really_judges_what_was_measured(ran: tuple[HarmCase, Path, list[str]]) -> None:
    case, folder, _ = ran
    (group,) = [one for one in judge(case, folder).compared if (one.name, one.when) == ("all rows", "at_once")]
    told, found = predictions(folder)[""], measured(folder, case)
    names = [one.name for one in patterns_of(case) if one.group == "all rows"]
    assert group.losses == len(names) == 4
    assert group.predicted == pytest.approx(sum(told[str(s)][name][0] for s in found for name in names) / 4)
    seen = [line["at_once"]["rise"] for lines in found.values() for line in lines if line["group"] == "all rows"]
    assert group.measured == pytest.approx(sum(seen) / 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [1]}, "seeds"),
        ({"seeds": [1, 1]}, "seeds = [1, 1]: expected distinct seeds"),
        ({"shards": 2}, "shards = 2: expected at least 3"),
        ({"losses": {"moments": [10], "lost": [15]}}, "losses.moments = 10: expected from losses.lost (15)"),
        ({"losses": {"moments": [20], "lost": [5], "groups": ["cool rows"]}}, "groups"),
    ],
)
def test_what_a_case_may_not_say(change: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as caught:
        HarmCase.from_mapping({**TINY, **change})
    assert said in str(caught.value)
