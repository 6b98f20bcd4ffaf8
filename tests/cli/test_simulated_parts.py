"""``simulate --part i/n`` and ``--merge n``: what one machine finds, to the last bit, whoever plays it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

#: One job for each way to play one, with fewer runs where a run takes long.
JOBS = {
    "production-dlrm": ("--strategy", "partial", "--runs", 20_000),
    "storage": ("--strategy", "full", "--runs", 1_200),
    "time-limit": ("--runs", 5_000),
    "rotating-experts": ("--strategy", "full-rotating", "--runs", 2_000),
    "elastic": ("--runs", 3_000),
    "spares": ("--runs", 9_000),
    "ordered-saves": ("--strategy", "partial-mfu", "--runs", 12_000),
}


@pytest.mark.parametrize("name", JOBS)
def test_all_parts_are_the_whole(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text, the JSON of every figure and its file; also where a part has no batch."""
    words = ("simulate", EXAMPLE.with_name(f"{name}.toml"), *JOBS[name], "--workers", 1)
    alone, _ = run(*words, "--out", tmp_path / "alone.json", capsys=capsys)
    out = tmp_path / "found.json"
    played = []
    for number in (3, 1, 2):
        said, _ = run(*words, "--out", out, "--part", f"{number}/3", "--json", capsys=capsys)
        played.append(json.loads(said))
    assert played[1]["batches"] >= 1  # the first part's
    assert sum(one["batches"] for one in played) == played[1]["of_batches"]
    assert not out.exists()
    together, _ = run(*words, "--out", out, "--merge", 3, capsys=capsys)
    assert together == alone
    assert out.read_text() == (tmp_path / "alone.json").read_text()
    assert json.loads(out.read_text())["runs"] == JOBS[name][-1]


def test_nothing_is_played_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("simulate", EXAMPLE, "--runs", 20_000, "--out", tmp_path / "found.json")
    for number in (1, 2):
        run(*words, "--part", f"{number}/2", capsys=capsys)

    def never(*of: object) -> None:
        raise AssertionError("a batch is played again")

    monkeypatch.setattr("cprmodel.simulation.batches._reduced_batch", never)
    run(*words, "--merge", 2, capsys=capsys)


def test_parts_that_are_none_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    words = ("simulate", EXAMPLE, "--runs", 20_000)
    run(*words, "--out", out, "--part", "1/2", capsys=capsys)
    first, second = (tmp_path / f"found.json.part-{number}-of-2" for number in (1, 2))

    def refused(*more: object) -> str:
        said, err = run(*words, *more, capsys=capsys, status=2)
        assert not said
        assert len(err.splitlines()) == 1
        return err

    merge = ("--out", out, "--merge", 2)
    assert f"{second}: expected this part, which is not there" in refused(*merge)
    second.write_bytes(first.read_bytes())  # another part's
    assert f"{second}: expected a part of the same simulation" in refused(*merge)
    run(*words, "--out", out, "--part", "2/2", capsys=capsys)
    assert f"{first}: expected a part of the same simulation" in refused(*merge, "--seed", 2)
    whole = first.read_bytes()
    first.write_bytes(whole[:1000])
    assert f"{first}: expected a part of a simulation as --part writes it" in refused(*merge)
    spoiled = bytearray(whole)
    spoiled[len(whole) // 3] ^= 0xFF
    first.write_bytes(spoiled)
    assert f"{first}: expected a part of a simulation as --part writes it" in refused(*merge)
    assert not out.exists()
    for more, said in (
        (("--part", "3/2", "--out", out), "--part 3/2: expected the number of a part"),
        (("--part", "1/2"), "--part 1/2: expected --out beside it"),
        (("--part", "1/2", "--merge", 2, "--out", out), "--part 1/2: expected no --merge beside it"),
        (("--merge", 2, "--out", out, "--on", "dask://local"), "--merge 2: expected no --on beside it"),
        (("--part", "1/2", "--out", out, "--report", tmp_path / "a.html"), "expected no --report beside it"),
        (("--out", EXAMPLE), "another file than the one that is read"),
    ):
        assert said in refused(*more)
