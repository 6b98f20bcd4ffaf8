"""``cprmodel sweep``, as a user calls it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cprmodel import Job, plan_many
from cprmodel.bulk import many, writing
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

FLEET = EXAMPLE.parent / "fleet.toml"
VARY = ("--vary", "cluster.embedding_shards=4:64:log5", "--vary", "checkpoint.save=30s:20h:log7")


def test_parquet_csv_and_python_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vary = {"cluster.embedding_shards": [4, 8, 16, 32, 64], "checkpoint.save": np.geomspace(30, 72000, 7)}
    expected = plan_many(Job.from_file(EXAMPLE), vary)
    for name in ("rows.parquet", "rows.csv"):
        out, err = run("sweep", EXAMPLE, *VARY, "--out", tmp_path / name, capsys=capsys)
        assert "35 plans (5 cluster.embedding_shards x 7 checkpoint.save), first-order" in out
        assert f"Rows: {tmp_path / name}" in out.replace("\n", "")
        assert not err
        frame = (
            pd.read_parquet(tmp_path / name)
            if name.endswith("t")
            else pd.read_csv(tmp_path / name, float_precision="round_trip")
        )
        assert list(frame.columns) == list(expected.columns)
        for column, values in expected.columns.items():
            found = frame[column].fillna("") if values.dtype == object else frame[column]
            if values.dtype.kind == "f":
                np.testing.assert_allclose(found, values, rtol=1e-13)
            else:
                assert found.tolist() == values.tolist()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["rows.csv", "rows.parquet"]


def test_rows_are_written_in_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROW_GROUP", 30_000)
    monkeypatch.setattr(many, "BOX", 9_000)
    path = tmp_path / "rows.parquet"
    run("sweep", EXAMPLE, "--vary", "failures.mtbf=1h:1d:log100001", "--out", path, capsys=capsys)
    file = pq.ParquetFile(path)
    assert file.metadata.num_rows == 100_001
    assert file.metadata.num_row_groups == 3
    mtbf = file.read(["failures.mtbf"]).column(0).to_numpy()
    np.testing.assert_allclose(mtbf, np.geomspace(3600, 86400, 100_001), rtol=1e-12)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("sweep", EXAMPLE, *VARY, "--json", capsys=capsys)
    data = json.loads(out)
    found = data["sweep"]
    assert found["rows"] == 35
    assert found["axes"] == {"cluster.embedding_shards": 5, "checkpoint.save": 7}
    assert sum(found["recommended"].values()) + found["infeasible"] == 35
    assert found["best"]["checkpoint.save"] == 30.0
    assert found["best"]["overhead_fraction"] < found["worst"]["overhead_fraction"]
    assert data["nodes"] is None
    assert data["elasticities"]["failures.mtbf"] < 0


def test_without_anything_that_varies(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("sweep", FLEET, capsys=capsys)
    text = " ".join(out.split())
    assert "more nodes slow it down" in text
    assert "nodes in repair on average" in text
    assert "failures.node_mtbf" in text
    data = json.loads(run("sweep", FLEET, "--json", capsys=capsys)[0])
    assert data["sweep"] is None
    assert data["nodes"]["fastest"] == 2048
    assert data["spares"]["needed"] >= 1


def test_other_models_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("sweep", FLEET, "--vary", "failures.nodes=64,128,256", "--minimise", "dollars", "--json")
    first = json.loads(run(*args, capsys=capsys)[0])["sweep"]
    exact = json.loads(run(*args, "--model", "exact", "--workers", "1", capsys=capsys)[0])["sweep"]
    assert (first["model"], exact["model"]) == ("first-order", "exact")
    assert first["minimised"] == "dollars"
    assert exact["best"]["dollars_to_train"] == pytest.approx(first["best"]["dollars_to_train"], rel=0.01)
    assert exact["best"]["dollars_to_train"] != first["best"]["dollars_to_train"]


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.html"
    vary = ("--vary", "failures.nodes=32:2048:log9", "--vary", "checkpoint.bandwidth=1GB/s,50GB/s,2GB/s")
    run("sweep", FLEET, *vary, "--vary", "accuracy.pls_budget=1e-5,0.1", "--report", path, capsys=capsys)
    page = path.read_text(encoding="utf-8")
    for title in (
        "Overhead over both",
        "Overhead against failures.nodes",
        "Time to train against nodes",
        "Spare nodes against waiting for a repair",
        "what nothing beats",
        "What moves the overhead",
    ):
        assert title in page
    assert page.split("const FIGURES = [")[-1].count('\n["') >= 7
    both = tmp_path / "both.html"
    vary = ("--vary", "failures.mtbf=20min:100h:log9", "--vary", "accuracy.pls_budget=1e-4:0.1:log9")
    run("sweep", EXAMPLE, *vary, "--report", both, capsys=capsys)
    assert "Recommended strategy over both" in both.read_text(encoding="utf-8")
    plain = tmp_path / "plain.html"
    run("sweep", EXAMPLE, "--vary", "failures.trainer_share=0.2,0.3", "--report", plain, capsys=capsys)
    assert "cannot be planned: failures.shard_share" in plain.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ("checkpoint.bandwith=1GB/s,2GB/s", '--vary: checkpoint.bandwith: .* perhaps "checkpoint.bandwidth"'),
        ("failures.mtbf", r'--vary: expected KEY=lo:hi:logN, KEY=lo:hi:linN or KEY=a,b,c, not "failures.mtbf"'),
        ("failures.mtbf=", r"--vary: expected KEY="),
        ("failures.mtbf=1h:2h", r'failures.mtbf = "1h:2h": expected lo:hi:logN or lo:hi:linN'),
        ("failures.mtbf=1h:2h:exp4", r"expected lo:hi:logN or lo:hi:linN"),
        ("failures.mtbf=1h:2h:log1", r"expected from 2 to 1e\+08 values"),
        ("failures.mtbf=1h:2h:log999999999", r"expected from 2 to 1e\+08 values"),
        ("failures.mtbf=2h:1h:log4", r'failures.mtbf = "2h:1h:log4": expected a range from less to more'),
        ("failures.mtbf=1:2:log4", r'failures.mtbf = "1": expected a time with its unit'),
        ("failures.mtbf=1h,-2h", r'failures.mtbf = "-2h": .*greater than 0'),
        ("failures.mtbf=1h,2 parsecs", r'failures.mtbf = "2 parsecs": expected a time'),
        ("checkpoint.detect=0s:1h:log4", r"expected a range above 0 for log"),
        ("failures.trainer_share=0.1:1.5:lin4", r'failures.trainer_share = "1.5": expected a number of at most 1'),
        ("cluster.embedding_shards=1.5:8:lin4", r'cluster.embedding_shards = "1.5": expected a whole number'),
        ("failures.trainer_share=a,b", r'failures.trainer_share = "a": expected a number'),
        ("job.current_recovery=full,partial", r"job.current_recovery: expected the key of a number"),
        ("failures.node_mtbf=90d,100d", r"--vary failures.node_mtbf = 7776000: failures.mtbf and node_mtbf"),
    ],
)
def test_bad_values_are_one_line(vary: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    _, err = run("sweep", EXAMPLE, "--vary", vary, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert re.search(expected, err), err


def test_bad_options_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any) -> str:
        _, err = run("sweep", EXAMPLE, *args, capsys=capsys, status=2)
        assert len(err.splitlines()) == 1
        return err

    one = ("--vary", "failures.mtbf=1h,2h")
    assert "failures.mtbf: expected each key once" in wrong(*one, *one)
    assert "a file that ends in .parquet or .csv" in wrong(*one, "--out", tmp_path / "rows.xls")
    assert "a --vary beside it" in wrong("--out", tmp_path / "rows.csv")
    assert "a table of prices" in wrong(*one, "--minimise", "dollars")
    assert "another file than that of --out" in wrong(
        *one, "--out", tmp_path / "r.csv", "--report", tmp_path / "r.csv"
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert 'pip install "cprmodel[bulk]"' in wrong(*one, "--out", tmp_path / "rows.parquet")
    run("sweep", EXAMPLE, *one, "--out", tmp_path / "rows.csv", capsys=capsys)
    with (tmp_path / "rows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_plan_by_money(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("plan", FLEET, "--minimise", "dollars", capsys=capsys)
    for row in ("space kept", "written a month", "cost to train", "of overhead, a month"):
        assert row in out
    data = json.loads(run("plan", FLEET, "--minimise", "dollars", "--json", capsys=capsys)[0])
    assert (data["minimised"], data["currency"]) == ("dollars", "USD")
    least = min(one["dollars_to_train"] for one in data["strategies"] if one["feasible"])
    (best,) = [one for one in data["strategies"] if one["name"] == data["recommended"]]
    assert best["dollars_to_train"] == least
    _, err = run("plan", EXAMPLE, "--minimise", "dollars", capsys=capsys, status=2)
    assert err.strip().endswith("cost: expected a table of prices, for a plan that minimises dollars")
    robust = ("plan", FLEET, "--minimise", "dollars", "--robust")
    _, err = run(*robust, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1


def test_what_changes_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("sweep", EXAMPLE, "--vary", "job.current_interval=10 min,1 h", capsys=capsys)
    assert "warning: job.current_interval changes nothing in what is recommended" in out
    assert "as saved today, least overhead: 9.29% (job.current_interval 1 h)" in out
    assert "least overhead: 1.78%" not in out  # as if it depended on the interval of today
    out, _ = run("sweep", EXAMPLE, "--vary", "cluster.trainers=1,2,3", capsys=capsys)
    assert "()" not in out
    out, _ = run("sweep", EXAMPLE, "--vary", "checkpoint.save=1 min,2 min", capsys=capsys)
    assert "warning" not in out


@pytest.mark.parametrize(
    ("vary", "of"),
    [
        (VARY, 3),  # formulas over boxes
        ((*VARY, "--model", "exact"), 9),
        (
            ("--vary", "checkpoint.save=30s:20h:log7", "--model", "steady-state"),
            10,
        ),  # row by row; parts without any
    ],
)
def test_parts_are_the_whole(
    vary: tuple[str, ...], of: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is merged is what one machine writes and says, to the last byte, whatever order the parts came in."""
    alone, out = tmp_path / "alone.csv", tmp_path / "out.csv"
    said, _ = run("sweep", EXAMPLE, *vary, "--out", alone, "--json", capsys=capsys)
    planned = 0
    for number in reversed(range(1, of + 1)):
        told, _ = run("sweep", EXAMPLE, *vary, "--out", out, "--part", f"{number}/{of}", "--json", capsys=capsys)
        planned += json.loads(told)["rows"]
    assert not out.exists()
    assert planned == len(alone.read_text().splitlines()) - 1
    merged, _ = run("sweep", EXAMPLE, *vary, "--out", out, "--merge", of, "--json", capsys=capsys)
    assert out.read_bytes() == alone.read_bytes()
    assert json.loads(merged) == json.loads(said)
    rows = tmp_path / "out.parquet"
    for number in range(1, of + 1):
        run("sweep", EXAMPLE, *vary, "--out", rows, "--part", f"{number}/{of}", capsys=capsys)
    run("sweep", EXAMPLE, *vary, "--out", rows, "--merge", of, capsys=capsys)
    run("sweep", EXAMPLE, *vary, "--out", tmp_path / "alone.parquet", capsys=capsys)
    pd.testing.assert_frame_equal(
        pd.read_parquet(rows), pd.read_parquet(tmp_path / "alone.parquet"), check_exact=True
    )


def test_parts_that_do_not_fit_together_are_not_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"

    def sweep(*more: object, vary: tuple[str, ...] = VARY, status: int = 0) -> str:
        return run("sweep", EXAMPLE, *vary, "--out", out, *more, capsys=capsys, status=status)[1]

    def refused(*more: object) -> str:
        return sweep(*more, status=2)

    sweep("--part", "1/2")
    second = tmp_path / "out.csv.part-2-of-2"
    assert "2-of-2: expected this part, which is not there" in refused("--merge", "2")
    sweep("--part", "2/2", vary=(*VARY[:3], "checkpoint.save=30s:21h:log7"))
    assert "expected a part of the same sweep: job, values, model and version" in refused("--merge", "2")
    sweep("--part", "2/2")
    whole = second.read_bytes()
    for damaged in (b"", whole[:-40], whole[:100] + bytes([whole[100] ^ 8]) + whole[101:]):
        second.write_bytes(damaged)
        said = refused("--merge", "2")
        assert "expected a part of a sweep as --part writes it" in said or "expected it as it was written" in said
        assert not out.exists()
    second.write_bytes(whole)
    assert "no --report beside it" in refused("--part", "1/2", "--report", tmp_path / "page.html")
    assert "no --merge beside it" in refused("--part", "1/2", "--merge", "2")
    assert "such as 3/8" in refused("--part", "3/2")
    assert sweep("--merge", "2") == ""
    assert out.exists()
