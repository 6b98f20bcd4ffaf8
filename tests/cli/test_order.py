"""``cprmodel order``, as a user calls it."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

SHARDS = EXAMPLE.parent / "shards.csv"
NAMES = ["uniform", "round-robin", "mfu", "ssu", "scar", "update-age", "best-fixed"]


def test_policies_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run("order", SHARDS, "--budget", "2 GB/s", capsys=capsys)
    assert not err
    for name in NAMES:
        assert name in out
    assert "emb-7  never" in out
    assert "8 shards, 830 GB" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("order", SHARDS, "--budget", "2 GB/s", "--json", capsys=capsys)
    data = json.loads(out)
    assert [one["name"] for one in data["policies"]] == NAMES
    found = {one["name"]: one for one in data["policies"]}
    keys = {
        "name",
        "lost_updates_fraction",
        "standard_error",
        "tracker_bytes",
        "bandwidth_bytes_per_s",
        "predicted_by",
    }
    assert all(set(one) == keys for one in data["policies"])
    assert found["uniform"]["lost_updates_fraction"] == 0.5
    for name in ("mfu", "scar", "update-age"):
        assert found[name]["predicted_by"] == "simulation"
        assert 0 < found[name]["standard_error"] < 0.01
    assert (found["ssu"]["predicted_by"], found["ssu"]["standard_error"]) == ("count", None)
    with SHARDS.open() as file:
        rows = [(float(row["bytes"].split()[0]) * 1e9, float(row["updates_per_s"])) for row in csv.DictReader(file)]
    sizes, rates = np.array(rows).T
    root = np.sqrt(sizes * rates).sum()  # the law, written out
    assert found["best-fixed"]["lost_updates_fraction"] == pytest.approx(root**2 / (2 * sizes.sum() * rates.sum()))
    wanted = data["best_fixed"]["interval_s"]
    assert wanted[:7] == pytest.approx(np.sqrt(sizes[:7] / rates[:7]) * root / 2e9)
    assert wanted[7] is None
    assert data["best_fixed"]["shards"][0] == "emb-0"
    better = [
        one for one in found.values() if one["lost_updates_fraction"] < found["best-fixed"]["lost_updates_fraction"]
    ]
    assert [one["name"] for one in better] == ["update-age"]  # which looks at what was counted; and it is said
    assert f"({better[0]['lost_updates_fraction']:.4f}) than the best fixed intervals" in data["warnings"][0]


def test_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "schedule.csv"
    out, _ = run(
        "order",
        SHARDS,
        "--budget",
        "2 GB/s",
        "--json",
        "--schedule",
        path,
        "--slot",
        "20 s",
        "--policy",
        "best-fixed",
        capsys=capsys,
    )
    wanted = dict(
        zip(json.loads(out)["best_fixed"]["shards"], json.loads(out)["best_fixed"]["interval_s"], strict=True)
    )
    used: dict[int, int] = defaultdict(int)
    begun: dict[str, list[float]] = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            used[int(row["slot"])] += int(row["bytes"])
            if row["first_byte"] == "0":
                begun[row["shard"]].append(float(row["start_s"]))
    assert max(used.values()) <= 40e9
    assert min(used.values()) > 39.999e9
    assert "emb-7" not in begun
    assert len(begun["emb-0"]) > 5
    for shard, moments in begun.items():
        assert all(abs(apart - wanted[shard]) <= 20 * (1 + 1e-6) for apart in np.diff(moments))


def test_zipf_as_theory_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Theory notes, section 4: .205 and .175 simulated, 0.318 of the uniform loss at best."""
    arguments = ("--zipf", "1.05", "--rows", "2e4", "--row-bytes", "64", "--budget", "1 MB/s", "--json")
    asked = [word for name in ("mfu", "update-age", "best-fixed") for word in ("--policy", name)]
    out, _ = run("order", *arguments, *asked, capsys=capsys)
    data = json.loads(out)
    mfu, age, best = (one["lost_updates_fraction"] for one in data["policies"])
    assert mfu == pytest.approx(0.205, rel=0.005)
    assert age == pytest.approx(0.175, rel=0.03)
    assert 2 * best == pytest.approx(0.318, abs=5e-4)
    assert data["best_fixed"] == {"shards": None, "interval_s": None, "file": None}


def test_a_hundred_million_rows(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--zipf", "1.05", "--rows", "1e8", "--row-bytes", "64", "--budget", "2 GB/s", "--json")
    out, _ = run("order", *arguments, "--policy", "mfu", "--policy", "best-fixed", capsys=capsys)
    mfu, best = (one["lost_updates_fraction"] for one in json.loads(out)["policies"])
    assert 0 < best < mfu < 0.5


def test_counts_and_a_file_of_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = np.array([9, 4, 1, 0], dtype=np.uint32)
    np.save(tmp_path / "counts.npy", counts)
    path = tmp_path / "intervals"
    arguments = ("--counts", tmp_path / "counts.npy", "--row-bytes", "100", "--budget", "60 B/s")
    out, _ = run("order", *arguments, "--intervals", path, "--json", "--policy", "best-fixed", capsys=capsys)
    data = json.loads(out)
    expected = [100 / 60 * 6 / 3, 100 / 60 * 6 / 2, 100 / 60 * 6]
    assert data["best_fixed"]["interval_s"] == [pytest.approx(x) for x in expected] + [None]
    assert data["best_fixed"]["file"] == str(path)
    assert np.load(path)[:3] == pytest.approx(expected)


@pytest.mark.parametrize("objective", ["age", "freshness"])
def test_other_objectives(objective: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cho.csv"
    path.write_text("shard,bytes,updates_per_s\n" + "".join(f"{rate},1,{rate}\n" for rate in range(1, 6)))
    asked = ("--objective", objective, "--policy", "best-fixed", "--json")
    out, _ = run("order", path, "--budget", "5 B/s", *asked, capsys=capsys)
    data = json.loads(out)
    assert data["objective"] == objective
    every = data["best_fixed"]["interval_s"]
    assert (every[4] is None) is (objective == "freshness")
    assert (data["policies"][0]["lost_updates_fraction"] is None) is (objective == "freshness")
    assert "another aim" in data["warnings"][-1]


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "r.html"
    asked = [word for name in ("uniform", "mfu", "update-age", "best-fixed") for word in ("--policy", name)]
    run("order", SHARDS, "--budget", "2 GB/s", "--report", page, *asked, capsys=capsys)
    text = page.read_text()
    assert text.count('<a download="') == 1
    assert "Lost updates against bandwidth" in text
    assert "NaN" not in text.split("const FIGURES = [")[-1]


def test_a_budget_above_the_rate_of_change(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "--zipf",
        "1",
        "--rows",
        "1e4",
        "--row-bytes",
        "64",
        "--budget",
        "1 GB/s",
        "--updates-per-row",
        "0.01",
    )
    out, _ = run("order", *arguments, "--policy", "mfu", "--json", capsys=capsys)
    data = json.loads(out)
    assert data["policies"][0]["lost_updates_fraction"] == pytest.approx(0.0625)
    assert data["policies"][0]["bandwidth_bytes_per_s"] < 1e9
    assert "above the rate at which rows change" in data["warnings"][0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "columns: expected one shard"),
        ("shard,bytes\n", "expected one updates_per_s"),
        ("shard,bytes,updates_per_s\n", "expected at least one shard"),
        ("shard,bytes,updates_per_s\na,5 s,1\n", 'line 2, bytes = "5 s": expected a size with its unit'),
        ("shard,bytes,updates_per_s\na,-5,1\n", 'line 2, bytes = "-5": expected a number from 0'),
        ("shard,bytes,updates_per_s\na,5,x\n", 'line 2, updates_per_s = "x": expected a number'),
        ("shard,bytes,updates_per_s\na,5,nan\n", 'line 2, updates_per_s = "nan": expected a number from 0'),
        ("shard,bytes,updates_per_s\na,5\n", 'line 2, updates_per_s = "": expected a number'),
        ("shard,bytes,updates_per_s\na,5,1\na,5,1\n", 'shard = "a": expected each shard once'),
        ("shard,bytes,updates_per_s\na,0,1\n", "bytes: expected at least one shard that has some"),
        ("shard,bytes,updates_per_s\na,5,0\n", "updates_per_s: expected at least one shard with bytes"),
    ],
)
def test_bad_shards_are_one_line(
    content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shards.csv"
    path.write_text(content)
    _, err = run("order", path, "--budget", "1 GB/s", capsys=capsys, status=2)
    assert expected in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((SHARDS, "--budget", "2 GB"), "--budget: expected a bandwidth with its unit"),
        ((SHARDS, "--budget", "0 GB/s"), "--budget: expected a bandwidth above 0"),
        (("--budget", "2 GB/s"), "expected one of SHARDS.csv, --counts, --zipf and --harm"),
        (("--budget", "2 GB/s", "--zipf", "1"), "--row-bytes: expected the bytes of a row"),
        (("--budget", "2 GB/s", "--zipf", "1", "--row-bytes", "64"), "--rows: expected how many rows"),
        (
            ("--budget", "2 GB/s", "--zipf", "-1", "--row-bytes", "64", "--rows", "5"),
            "--zipf: expected an exponent",
        ),
        ((SHARDS, "--budget", "2 GB/s", "--row-bytes", "0"), "--row-bytes: expected a number greater than 0"),
        ((SHARDS, "--budget", "2 GB/s", "--row-bytes", "1e12"), "--row-bytes: expected at most all bytes"),
        ((SHARDS, "--budget", "2 GB/s", "--policy", "best"), "--policy: expected one of uniform, "),
        ((SHARDS, "--budget", "2 GB/s", "--priority-fraction", "2"), "--priority-fraction: expected a number from"),
        ((SHARDS, "--budget", "2 GB/s", "--slot", "5 s"), "--slot, --slots: expected a --schedule beside them"),
        (("no.csv", "--budget", "2 GB/s"), "no.csv: expected a CSV of shards, but there is no such file"),
        (
            ("--counts", SHARDS, "--row-bytes", "64", "--budget", "2 GB/s"),
            "expected an array written by numpy.save",
        ),
        ((SHARDS, "--budget", "2 GB/s", "--report", "/no/r.html"), "expected a file in a folder"),
    ],
)
def test_bad_options_are_one_line(
    arguments: tuple[object, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = run("order", *arguments, capsys=capsys, status=2)
    assert expected in err
    assert err.count("\n") == 1


def test_bad_schedules_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.csv"
    base = ("--budget", "2 GB/s", "--policy", "best-fixed", "--schedule", path)
    _, err = run("order", SHARDS, *base, "--slot", "2 h", capsys=capsys, status=2)
    assert "--slot: expected a time greater than 0 and at most the shortest interval" in err
    _, err = run("order", SHARDS, *base, "--slots", "1000000", capsys=capsys, status=2)
    assert "--slots: expected at most 142,857 slots for 7 shards" in err
    zipf = ("--zipf", "1", "--rows", "100", "--row-bytes", "64")
    _, err = run("order", *zipf, *base, capsys=capsys, status=2)
    assert "--schedule: expected SHARDS.csv: rows are chosen by a tracker" in err
    assert not path.exists()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Few rows that are used often, many that are seldom used."""
    from tests.harm.test_orders import SKEWED

    path = tmp_path / "harm.json"
    path.write_text(SKEWED.record.to_json())
    return path


HARM = (
    "--budget",
    "64 B/s",
    "--row-bytes",
    "64",
    "--samples-per-s",
    "100",
)  # a full save: 1,000 s, 100,000 samples


def test_orders_in_the_metric(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    asked = ("--harm", record, *HARM, "--priority-fraction", "0.02", "--policy", "uniform")
    out, _ = run("order", *asked, "--report", page, capsys=capsys)
    assert "1,000 rows, 64 kB" in out
    assert "puts 0.125 of the rows back at a random moment" in " ".join(out.split())
    assert "log loss rises" in out
    assert "least-harm" in out
    assert "harm-by-order" in page.read_text()
    text, _ = run("order", *asked, "--json", capsys=capsys)
    data = json.loads(text)
    found = {one["order"]: one["rise"] for one in data["harm"]}
    assert list(found.values()) == sorted(found.values())
    assert found["everything"] < found["mfu"] < 0.5 * found["uniform"]
    assert data["lost_share"] == 0.125
    assert data["updates_per_s"] == pytest.approx(100 * 20.99)


def test_without_a_record_nothing_is_said_of_the_metric(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(run("order", SHARDS, "--budget", "2 GB/s", "--json", capsys=capsys)[0])
    assert data["harm"] is data["lost_share"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (HARM[:4], "--samples-per-s: expected the samples trained in a second, such as 1e6"),
        ((*HARM[:4], "--samples-per-s", "-1"), "such as 1e6, not -1"),
        ((*HARM[:2], *HARM[4:]), "--row-bytes: expected the bytes of a row"),
        ((*HARM, "--lost-share", "0"), "--lost-share: expected a share above 0, at most 1, not 0"),
        (("--budget", "1 B/s", *HARM[2:]), "--budget: expected a bandwidth that saves 0.125 of the rows twice in"),
        (
            (*HARM, "--zipf", "1.1", "--rows", "10"),
            "order: expected one of SHARDS.csv, --counts, --zipf and --harm",
        ),
    ],
)
def test_bad_options_of_harm_are_one_line(
    options: tuple[str, ...], said: str, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = run("order", "--harm", record, *options, status=2, capsys=capsys)
    assert not out
    assert said in err
    assert err.count("\n") == 1


def test_samples_per_s_without_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run("order", SHARDS, "--budget", "2 GB/s", "--samples-per-s", "5", status=2, capsys=capsys)
    assert err == "cprmodel: --samples-per-s: expected --harm beside it\n"
