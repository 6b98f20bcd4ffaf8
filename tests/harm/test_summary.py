"""Where the harm of a record sits, against sums and straight lines by hand; and the words and page of it."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from cprmodel import JobError, load_job, plan
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord
from cprmodel.harm.slope import accuracy_model
from cprmodel.harm.summary import by_table, by_use, reach
from cprmodel.jobs.parsing import model_from_mapping
from cprmodel.report.harm import harm_dict
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE
from tests.harm.test_record import BAND, FILE, TABLE, WHOLE

HOT = {**BAND, "accesses_from": 0.25, "accesses_to": 1.0, "rows": 1, "accesses": 0.6, "quadratic": [2e-4, 5e-4]}
ITEMS = {**TABLE, "name": "items", "bands": [{**BAND, "quadratic": [1e-5, 1e-4]}]}


def record_of(**whole: list[float]) -> HarmRecord:
    """Two tables; the true rises, quadratic and gradient terms of the whole state by age, as given."""
    data: dict[str, Any] = copy.deepcopy(FILE)
    point = data["points"][0]
    point["tables"] = [ITEMS, {**TABLE, "bands": [BAND, HOT]}]
    for key, values in whole.items():
        for one, value in zip(point["whole"], values, strict=True):
            one[key] = value
    return model_from_mapping(HarmRecord, data, "test")


def test_tables_and_use_are_sums_over_bands_at_the_largest_age() -> None:
    (point,) = record_of().points
    users, items = by_table(point)
    assert (users.name, items.name) == ("users", "items")
    assert users.quadratic == pytest.approx(3e-4 + 5e-4)
    assert users.rise == pytest.approx(3e-4 + 5e-4 + 2 * 2e-4)
    assert users.rise_error == pytest.approx(math.sqrt(2 * (2e-5**2 + 4e-5**2)))
    assert users.share == pytest.approx(8 / 9)
    assert (users.rows, users.probed, users.accesses) == (4, 82, 1.0)
    rare, often = by_use(point)
    assert (rare.name, often.name) == ("less than once in 4 samples", "once in 1 to 4 samples")
    assert rare.quadratic == pytest.approx(3e-4 + 1e-4)
    assert often.quadratic == pytest.approx(5e-4)
    assert rare.share + often.share == pytest.approx(1)


def test_what_the_page_says_of_the_end_is_a_tenth_where_a_tenth_is_left_of_both_terms() -> None:
    """4,096 of 8,192 samples are to come, after which a tenth is left of all; half-way from 1,024, √(0.5 · 0.1)."""
    gradients, quadratics = [-3e-5, 6e-4], [1e-4 + 2e-4 + 1e-5, 3e-4 + 5e-4 + 1e-4]
    rises = [a + b for a, b in zip(gradients, quadratics, strict=True)]
    record = record_of(rise=rises, quadratic=quadratics, gradient=gradients)
    for age, one in enumerate(harm_dict(record)["ages"]):
        assert one["end_rise"] == pytest.approx(0.1 * rises[age])
        assert one["end_interval_90"][0] < one["end_rise"] < one["end_interval_90"][1]
    later = {**record.model_dump(mode="json"), "samples": 4096 + 2560}
    (first, _) = harm_dict(model_from_mapping(HarmRecord, later, "test"))["ages"]
    assert first["end_rise"] == pytest.approx(math.sqrt(0.5 * 0.1) * rises[0])


@pytest.mark.parametrize(
    ("rises", "expected"),
    [
        ([1.1e-4, 4e-4], 1024),  # 1.1e-4 and 4.1e-4 predicted
        ([1.1e-4, 2e-4], 512),
        ([3e-4, 4e-4], None),
        ([1.1e-4, 5.6e-4], 512),
    ],
)
def test_reach_is_the_largest_age_up_to_which_taylor_holds(rises: list[float], expected: float | None) -> None:
    record = record_of(rise=rises, quadratic=[1e-4, 3e-4], gradient=[1e-5, 1.1e-4])
    assert reach(record) == expected


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "harm.json"
    found.write_text(record_of(rise=[1.1e-4, 2e-4]).to_json())
    return found


def test_the_command_tells_and_draws_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = path.with_name("page.html")
    out, _ = run("accuracy", path, "--report", page, capsys=capsys)
    text = " ".join(out.split())
    assert "a run of 8,192 samples in batches of 64" in text
    assert "within 25% of the truth for rows put back by up to 512 samples" in text
    assert any(line.startswith("users") and "89%" in line for line in out.splitlines())
    assert any(line.startswith("once in 1 to 4 samples") for line in out.splitlines())
    drawn = page.read_text()
    assert all(name in drawn for name in ("rise-by-age", "harm-by-table", "harm-by-use"))
    out, _ = run("accuracy", path, "--json", capsys=capsys)
    data = json.loads(out)
    assert data["reach_samples"] == 512
    assert [one["rise"] for one in data["ages"]] == [1.1e-4, 2e-4]
    assert data["points"][0]["tables"][0]["name"] == "users"


def test_what_is_known_to_be_off_is_said_of_old_records_of_adam_alone(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By the page, and by the model for job files, and from there by the plan."""
    said = "losses were measured 1.2 to 1.6 times as large as predicted from such records"
    model = path.with_name("model.json")
    for name, more in (("rowwise_adagrad", {}), ("adam", {}), ("adam", {"lazy": True}), ("adam", {"lazy": False})):
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "optimizer": {**data["optimizer"], "name": name, **more}}))
        out, _ = run("accuracy", path, "--out", model, capsys=capsys)
        assert (said in " ".join(out.split())) == (name == "adam" and not more)
        written = json.loads(model.read_text())
        assert any(said in note for note in written["notes"]) == (name == "adam" and not more)
        assert written["largest_age"] == pytest.approx(1024 / data["samples"])


@pytest.mark.parametrize("option", ["--pattern", "--test-seeds"])
def test_what_asks_for_paired_runs_is_refused(option: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = run("accuracy", path, option, "1", status=2, capsys=capsys)
    assert f"{option}: expected a record of paired runs, not the harm record" in said


def test_a_job_plans_with_the_model_that_a_record_predicts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The slope that is said is the slope that is planned with; a record that predicts none says so."""
    model, job = path.with_name("model.json"), path.with_name("job.toml")
    out, _ = run("accuracy", path, "--json", capsys=capsys)
    slope = json.loads(out)["auc_fall_per_pls"]
    out, _ = run("accuracy", path, "--out", model, capsys=capsys)
    assert 'In a job file: [accuracy] model = "model.json"' in " ".join(out.split())
    text = EXAMPLE.read_text()
    at = text.index("[accuracy]")
    end = text.find("\n[", at)
    accuracy = '[accuracy]\nmax_metric_drop = 0.0005\nmodel = "model.json"\n'
    job.write_text(text[:at] + accuracy + (text[end:] if end >= 0 else ""))
    planned = load_job(job)
    assert planned.accuracy is not None
    assert planned.accuracy.slope == pytest.approx(slope["value"])
    assert planned.pls_budget == pytest.approx(0.0005 / slope["value"])
    best = plan(planned)["partial"]
    assert best.expected_metric_drop == pytest.approx(best.expected_pls * slope["value"])
    data = json.loads(path.read_text())
    for one in data["points"][0]["tables"]:
        for band in one["bands"]:
            band["gradient"] = [-1e-2, -1e-2]
    path.write_text(json.dumps(data))
    _, said = run("accuracy", path, "--out", model, status=2, capsys=capsys)
    assert "expected to predict a slope above 0 per unit of PLS, not -" in said


def test_names_are_text(path: Path) -> None:
    from cprmodel.harm.record import read_harm
    from cprmodel.report.harm import render_harm

    evil = "</script><script>alert(1)</script>"
    data = copy.deepcopy(FILE)
    data["points"][0]["tables"] = [{**TABLE, "name": evil}]
    data["points"][0]["whole"] = [WHOLE, {**WHOLE, "age_samples": 1024}]
    path.write_text(json.dumps(data))
    assert evil not in render_harm(read_harm(path), str(path))


JOB_OF_RECORD = """
[job]
work = "56 h"
[cluster]
embedding_shards = 4
[failures]
mtbf = "28 h"
[checkpoint]
save = "240 s"
load = "240 s"
reschedule = "600 s"
[accuracy]
max_metric_drop = 0.0001
model = "harm.json"
"""


@pytest.mark.parametrize(("key", "metric"), [("", "auc"), ('metric = "log loss"\n', "log loss")])
def test_a_job_names_the_record_itself(key: str, metric: str, tmp_path: Path) -> None:
    """As if the slope that it predicts for this job's shards were given."""
    record = record_of()
    (tmp_path / "harm.json").write_text(record.to_json())
    (tmp_path / "job.toml").write_text(JOB_OF_RECORD + key)
    job = load_job(tmp_path / "job.toml")
    assert job.accuracy is not None
    assert job.accuracy.model is not None
    assert job.accuracy.model.metric == metric
    expected = accuracy_model(HarmModel(record), 1 / 4, metric)  # type: ignore[arg-type]
    assert job.accuracy.slope == pytest.approx(expected.metric_drop_per_pls)
    assert job.pls_budget == pytest.approx(min(1.0, 0.0001 / expected.metric_drop_per_pls))


@pytest.mark.parametrize(
    ("key", "spoil", "said"),
    [
        ('metric = "recall"', None, 'accuracy.metric = "recall": expected "auc" or "log loss"'),
        ("", "auc_per_nat", 'accuracy.model = "harm.json": expected a record with auc_per_nat; without, take'),
        ("metric_drop_per_pls = 0.1", None, "only one of the two"),
    ],
)
def test_what_cannot_be_planned_is_one_line(key: str, spoil: str | None, said: str, tmp_path: Path) -> None:
    data = json.loads(record_of().to_json())
    if spoil:
        for one in data["points"][0]["whole"]:
            one[spoil] = None
    (tmp_path / "harm.json").write_text(json.dumps(data))
    (tmp_path / "job.toml").write_text(JOB_OF_RECORD + key)
    with pytest.raises(JobError) as caught:
        load_job(tmp_path / "job.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_metric_needs_a_record(tmp_path: Path) -> None:
    text = JOB_OF_RECORD.replace('model = "harm.json"', 'metric_drop_per_pls = 0.1\nmetric = "auc"')
    (tmp_path / "job.toml").write_text(text)
    with pytest.raises(JobError, match='metric = "auc": expected a harm record as model'):
        load_job(tmp_path / "job.toml")
