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


def test_storage_that_the_page_does_not_know_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = EXAMPLE.read_text()
    for key, field in (
        ('overlap = 0.9\ndrain = "4 min"', "checkpoint.overlap"),
        (
            "quantised_bits = 8\nembedding_dim = 64\nquantised_metric_drop = 1e-6",
            "checkpoint.quantised_metric_drop",
        ),
    ):
        job = tmp_path / "JOB.toml"
        changed = text.replace("[checkpoint]\n", f"[checkpoint]\n{key}\n")
        if field.endswith("drop"):
            changed = changed.replace('save = "4 min"', 'size = "1 TB"\nbandwidth = "5 GB/s"')
        job.write_text(changed)
        _, err = run("whatif", job, "-o", tmp_path / "page.html", capsys=capsys, status=2)
        assert err.startswith(f"cprmodel: {job}: {field}: expected no such key: the page only knows")
        assert "cprmodel sweep --vary KEY=VALUES --report draws it" in err  # the nearest answer
        assert not (tmp_path / "page.html").exists()


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
