"""Names that somebody chose: what they are in a page's text, its charts and its tables."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.cli import main
from cprmodel.facts.tables import cell
from cprmodel.report.literals import literal

HOSTILE = [
    "<!--<script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\u2028b'\"`${1}\\",
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "[/bold]",
    "{{ 7 * 7 }}",
    "$label$ | x",
]


@given(st.text() | st.lists(st.sampled_from(HOSTILE)) | st.dictionaries(st.text(), st.text()))
def test_a_literal_is_its_value_and_ends_no_script(value: object) -> None:
    text = literal(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@given(st.text() | st.floats(allow_nan=False) | st.integers())
def test_no_cell_is_a_formula(value: object) -> None:
    shown = cell(value)
    if isinstance(value, str):
        assert shown in (value, f"'{value}")
        assert shown[:1] not in tuple("=@\t\r\n＝＋－＠")
        assert shown[:1] not in ("+", "-") or float(shown) == float(value)
    else:
        assert shown is value


def run(*words: str) -> None:
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cprmodel", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0


def shards(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["shard", "bytes", "updates_per_s"])
    writer.writerows([name, "1 GB", 1000 * (number + 1)] for number, name in enumerate(HOSTILE))
    path = folder / "shards.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def record(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["seed", "pls", "drop", "pattern"])
    for seed in range(4):
        for number, name in enumerate(HOSTILE):
            writer.writerow([seed, 0.01 * (number + 1), 0.001 * (number + 1) + 1e-5 * seed, name])
    path = folder / "record.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def log(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["job id", "node", "reason", "start", "end", "state"])
    for number in range(40):
        name = HOSTILE[number % len(HOSTILE)]
        writer.writerow(
            [number, name, name, 100_000 * number, 100_000 * number + 5_000 * (1 + number % 7), "FAILED"]
        )
    path = folder / "log.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


PAGES: dict[str, Callable[[Path], list[str]]] = {
    "order": lambda folder: ["order", str(shards(folder)), "--budget", "2 GB/s"],
    "accuracy": lambda folder: ["accuracy", str(record(folder))],
    "fit": lambda folder: ["fit", str(log(folder))],
}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    path = folder / "a.html"
    run(*PAGES[request.param](folder), "--report", str(path))
    return path


def test_scripts_end_where_they_end(page: Path) -> None:
    """Without the two that are ours, nothing in a script can open or close anything."""
    text = page.read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    assert len(scripts) == text.count("<script>") == text.count("</script>") == 2
    charts = scripts[1]
    assert charts.count("vegaEmbed(") >= 1
    specs = re.findall(r'vegaEmbed\("#[\w-]+", (\{.*?\}), \{renderer', charts, flags=re.S)
    assert len(specs) == charts.count("vegaEmbed(")
    for spec in specs:
        assert not set("<>&") & set(spec)
        json.loads(spec)


def test_tables_hold_no_formulas(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', text)
    assert links
    for link in links:
        for row in csv.reader(io.StringIO(urllib.parse.unquote(link))):
            for one in row:
                assert cell(one) == one


@pytest.mark.browser
def test_the_charts_are_drawn(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page()
        window.on("console", lambda message: said.append(message.text))
        window.on("pageerror", lambda error: said.append(str(error)))
        window.on("dialog", lambda dialog: said.append(dialog.message))
        window.goto(page.as_uri())
        figures = page.read_text(encoding="utf-8").count('vegaEmbed("#')
        window.wait_for_function(f"document.querySelectorAll('svg.marks').length == {figures}")
        browser.close()
    assert said == []


def test_a_schedule_is_a_table_without_formulas(tmp_path: Path) -> None:
    path = tmp_path / "schedule.csv"
    run("order", str(shards(tmp_path)), "--budget", "2 GB/s", "--schedule", str(path))
    names = {row["shard"] for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))}
    assert names <= {cell(name) for name in HOSTILE}
    assert "'=HYPERLINK(1)" in names
