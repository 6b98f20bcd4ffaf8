"""``cprmodel whatif``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE


def test_writes_one_page_that_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "whatif.html"
    out, err = run("whatif", EXAMPLE, "-o", path, capsys=capsys)
    assert out == f"Page: {path}\n"
    assert not err
    assert [one.name for one in tmp_path.iterdir()] == ["whatif.html"]
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r'(src|href)="(https?:)?//', markup)
    assert "default-src 'none'" in markup  # the browser itself refuses to fetch anything
    assert len(page.encode()) < 1.2e6


def test_a_job_without_formulas_is_planned_at_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    out, err = run("whatif", EXAMPLE.with_name("late-errors.toml"), "-o", page, capsys=capsys)
    assert out == f"Page: {page}\n"
    assert not err
    text = page.read_text(encoding="utf-8")
    assert "<title>What if: late-errors.toml</title>" in text
    assert "<code>failures.silent.mtbf</code>" in text
    assert re.search(r"those of cprmodel plan: \d+ plans", text)
    assert len(text.encode()) < 1.3e6


def test_numbers_and_values_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of any job, and with two numbers each on its own; the file's own values are there to come back to."""
    page = tmp_path / "page.html"
    vary = ("--vary", "failures.mtbf=14 h,56 h", "--vary", "cluster.embedding_shards=4,16")
    run("whatif", EXAMPLE, *vary, "-o", page, capsys=capsys)
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'class="control" data-key="([^"]*)"', text) == ["failures.mtbf", "cluster.embedding_shards"]
    assert re.findall(r'"texts": (\[[^]]*\])', text) == ['["14 h", "28 h", "56 h"]', '["4", "8", "16"]']
    assert "those of cprmodel plan: 5 plans" in text
    for wrong, said in (
        ("failures.mtbf", "KEY=lo:hi:logN"),
        ("failures.mtb=1 h", 'failures.mtb: expected a number of the job file, perhaps "failures.mtbf"'),
        ("failures.mtbf=0 h", 'failures.mtbf = "0 h": expected a time'),
        (
            "failures.silent.mtbf=1 d,5 d",
            "values that can be planned (checkpoint.verify: expected the time of a check",
        ),
    ):
        _, err = run("whatif", EXAMPLE, "--vary", wrong, "-o", tmp_path / "no.html", capsys=capsys, status=2)
        assert err.startswith(("cprmodel: --vary: ", f"cprmodel: {EXAMPLE}: "))
        assert said in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "no.html").exists()


def test_never_over_the_job_file_nor_into_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = tmp_path / "JOB.toml"
    job.write_text(EXAMPLE.read_text())
    for output, expected in (
        (job, "another file than the one that is read"),
        (tmp_path / "nowhere" / "page.html", "a file in a folder that can be written to"),
        (tmp_path, "the path of a file, not of a folder"),
    ):
        _, err = run("whatif", job, "-o", output, capsys=capsys, status=2)
        assert err.startswith(f"cprmodel: --out {output}: expected {expected}")
        assert len(err.splitlines()) == 1
    assert job.read_text() == EXAMPLE.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["JOB.toml"]
    assert "--out" in run("whatif", job, capsys=capsys, status=2)[1]
    assert "no such file" in run("whatif", "nope.toml", "-o", tmp_path / "p.html", capsys=capsys, status=2)[1]
