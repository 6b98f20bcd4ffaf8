"""harm.json reads back as it was written, and what is wrong with a file is said in one line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from cprmodel.harm.record import HarmRecord, read_harm, write_harm
from cprmodel.jobs.parsing import model_from_mapping

BAND: dict[str, Any] = {
    "accesses_from": 0.0,
    "accesses_to": 0.25,
    "rows": 3,
    "accesses": 0.4,
    "probed": 41,
    "quadratic": [1e-4, 3e-4],
    "quadratic_error": [1e-5, 2e-5],
    "gradient": [-1e-5, 2e-4],
    "gradient_error": [1e-5, 4e-5],
    "quadratic_left": [[0.9, 0.5, 0.1]] * 2,
    "gradient_left": [[0.9, 0.5, 0.1]] * 2,
}
TABLE: dict[str, Any] = {
    "name": "users",
    "rows": 3,
    "embedding_dim": 2,
    "curvature_trace": 0.3,
    "curvature_eigenvalues": [0.2, 0.1],
    "curvature": [[0.2, 0.0], [0.0, 0.1]],
    "bands": [BAND],
}
WHOLE: dict[str, Any] = {
    "age_samples": 512,
    "quadratic": 1e-4,
    "quadratic_error": 1e-5,
    "gradient": 1e-5,
    "gradient_error": 1e-5,
    "rise": 2e-4,
    "rise_error": 1e-5,
    "auc_fall": 1e-4,
    "auc_per_nat": 0.5,
}
FILE: dict[str, Any] = {
    "schema_version": 1,
    "kind": "harm record",
    "samples": 8192,
    "batch_size": 64,
    "probe_samples": 100,
    "optimizer": {"name": "rowwise_adagrad", "learning_rate": 0.02, "eps": 1e-8},
    "points": [
        {
            "position_samples": 4096,
            "log_loss": 0.5,
            "auc": 0.7,
            "ages_samples": [512, 1024],
            "left_samples": [512, 1024, 4096],
            "tables": [TABLE],
            "whole": [WHOLE, {**WHOLE, "age_samples": 1024}],
        }
    ],
}


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    record = model_from_mapping(HarmRecord, FILE, "test")
    write_harm(record, tmp_path / "harm.json")
    assert read_harm(tmp_path / "harm.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["harm.json"]


def test_keys_of_a_later_minor_format_are_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "harm.json"
    path.write_text(json.dumps({**FILE, "new": 1}))
    assert read_harm(path).samples == 8192


POINT = ("points", 0)
FIRST_BAND = (*POINT, "tables", 0, "bands", 0)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("schema_version",), 2, "schema_version = 2: expected 1"),
        (("kind",), "accuracy model", "expected a JSON file that a harm probe wrote"),
        (("samples",), 100, "points = 4096: expected positions of at most samples (100)"),
        (("points",), [], "points = []: expected at least 1 of them"),
        (("optimizer", "name"), "lamb", 'optimizer.name = "lamb": expected "sgd"'),
        (("optimizer", "learning_rate"), "0.1", "expected a plain number, without quotes"),
        ((*POINT, "ages_samples"), [1024, 512], "ages_samples = [1024, 512]: expected ascending numbers"),
        ((*POINT, "ages_samples"), [512, 5000], "expected at most position_samples (4096)"),
        ((*POINT, "whole"), [WHOLE], "whole = 1: expected as many numbers as ages_samples (2)"),
        ((*POINT, "whole"), [WHOLE, WHOLE], "expected an entry for each of ages_samples, here for 1024"),
        ((*POINT, "tables"), [TABLE, TABLE], "tables: expected a name for one table only"),
        ((*FIRST_BAND, "quadratic"), [1e-4], "quadratic = 1: expected as many numbers as ages_samples (2)"),
        ((*FIRST_BAND, "quadratic"), [1e-4, -1.0], "expected a number of at least 0"),
        ((*FIRST_BAND, "quadratic"), [1e-4, float("nan")], "quadratic.1 = nan: expected"),
        ((*FIRST_BAND, "quadratic_left"), [[2.0] * 3] * 2, "expected shares of at most 1"),
        ((*FIRST_BAND, "gradient_left"), [[1.0]] * 2, "expected as many numbers as left_samples (3)"),
        ((*FIRST_BAND, "accesses_to"), 1e-300, "rows"),
        ((*POINT, "tables", 0, "curvature"), [[1.0]], "expected a matrix of 2 × 2"),
        ((*POINT, "tables", 0, "curvature"), [[1.0, 2.0], [3.0, 4.0]], "expected a symmetric matrix"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, where: tuple[Any, ...], value: Any, said: str) -> None:
    data = copy.deepcopy(FILE)
    at: Any = data
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    path = tmp_path / "harm.json"
    path.write_text(json.dumps(data))
    if where[-1] == "accesses_to":
        at["accesses_from"], said = 1e-3, "accesses_to = 1e-300: expected more than accesses_from (0.001)"
        path.write_text(json.dumps(data))
    with pytest.raises(JobError) as caught:
        read_harm(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"kind": 1}'])
def test_damage_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "harm.json"
    path.write_bytes(content)
    with pytest.raises(JobError, match=r"harm\.json: expected"):
        read_harm(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    text = json.dumps(FILE)
    path = tmp_path / "harm.json"
    for end in range(0, len(text), 97):
        path.write_text(text[:end])
        with pytest.raises(JobError):
            read_harm(path)
