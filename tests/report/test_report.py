"""The page and its charts: what they say is what the plan says, and a browser draws it without a network."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from cprmodel import Exact, FirstOrder, Job, Plan, load_job, load_preset, plan
from cprmodel.costing import MODELS
from cprmodel.presets import preset_names
from cprmodel.report import charts
from cprmodel.report.explain import explain_lines
from cprmodel.report.page import render_report, write_report
from tests.conftest import EXAMPLE


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(Job.from_file(EXAMPLE))


@pytest.fixture(scope="module")
def page(answer: Plan) -> str:
    return render_report(answer)


def test_nothing_is_fetched(page: str) -> None:
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r'(src|href)="(https?:)?//', markup)
    assert "cdn." not in markup
    assert page.count('<div class="chart"') == 3


def test_the_page_says_what_the_plan_says(page: str, answer: Plan) -> None:
    import html

    text = html.unescape(page)
    assert answer.sentence in text
    for line in answer.what_would_change_it:
        assert line in text
    assert "sqrt(2)*sqrt(C*μ)" in text


def test_each_chart_s_data_downloads_as_csv(page: str, answer: Plan) -> None:
    links = re.findall(r'<a download="([^"]+)" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    assert [name for name, _ in links] == [
        "overhead-against-interval.csv",
        "breakdown.csv",
        "overhead-against-pls.csv",
    ]
    tables = {name: list(csv.DictReader(io.StringIO(urllib.parse.unquote(data)))) for name, data in links}
    for one in answer.strategies:
        parts = [float(row["fraction"]) for row in tables["breakdown.csv"] if row["strategy"] == one.name]
        assert sum(parts) == pytest.approx(one.overhead_fraction)
        (mark,) = [row for row in tables["overhead-against-interval.csv"] if row["strategy"] == one.name]
        assert float(mark["interval_s"]) == one.interval_s
        assert float(mark["expected_pls"]) == one.expected_pls


def test_charts_mark_every_strategy(answer: Plan) -> None:
    spec = json.dumps(answer.chart().to_dict(), allow_nan=False)
    for one in answer.strategies:
        assert f'"{one.name}"' in spec


#: A job whose recommended strategy is neither the last of its plan nor alone.
CROWDED = {
    "job": {"work": "200 h", "current_interval": "2 h"},
    "cluster": {"embedding_shards": 8},
    "failures": {"mtbf": "20 h"},
    "checkpoint": {"save": "30 s", "load": "30 s", "reschedule": "5 min"},
    "accuracy": {"pls_budget": 1e-4},
}


@pytest.mark.parametrize("name", ["overhead_against_interval", "overhead_against_pls"])
def test_the_recommended_mark_is_drawn_over_the_others(name: str) -> None:
    import vl_convert

    found = plan(Job.from_mapping(CROWDED))
    names = [one.name for one in found.strategies]
    assert names.index(found.recommended) < len(names) - 1
    drawn = vl_convert.vegalite_to_svg(getattr(charts, name)(found).to_dict())
    marks = re.findall(r'<path aria-label="([^"]*recommended[^"]*)"', drawn)  # an SVG's later elements lie on top
    assert ["recommended: true" in one for one in marks] == [False] * (len(names) - 1) + [True]
    assert f"strategy: {found.recommended};" in marks[-1]


def test_the_curve_passes_through_the_marks(answer: Plan) -> None:
    """The full-recovery curve's lowest point is Young's interval."""
    full = [row for row in charts.curve_rows(answer) if row["recovery"] == "full"]
    lowest = min(full, key=lambda row: row["overhead_fraction"])
    assert lowest["overhead_fraction"] == pytest.approx(answer["full"].overhead_fraction, rel=1e-3)
    assert lowest["interval_s"] == pytest.approx(answer["full"].interval_s, rel=0.06)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("model", list(MODELS))
def test_every_preset_has_a_report(name: str, model: str) -> None:
    assert "</html>" in render_report(plan(load_preset(name), MODELS[model]()))


@pytest.mark.parametrize("model", [FirstOrder(), Exact()])
def test_extreme_jobs_have_charts(model: FirstOrder | Exact) -> None:
    text = EXAMPLE.read_text().replace('"28 h"', '"5 min"').replace('"56 h"', '"3 s"')
    text = text.replace('"30 min"', '"1 s"').replace('step = "0.2 s"', "")
    from cprmodel.jobs import job_from_text

    extreme = plan(job_from_text(text), model)
    for chart in (charts.overhead_against_interval, charts.breakdown_stacked, charts.overhead_against_pls):
        json.dumps(chart(extreme).to_dict(), allow_nan=False)


def test_the_page_appears_whole_or_not_at_all(answer: Plan, tmp_path: Path) -> None:
    write_report(answer, tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(OSError, match="nowhere"):
        write_report(answer, tmp_path / "nowhere" / "r.html")


def test_markup_in_a_job_is_text(tmp_path: Path) -> None:
    job = load_preset("cpr-dlrm")
    evil = job.preset.model_copy(update={"title": "<script>alert(1)</script>"})  # type: ignore[union-attr]
    text = render_report(plan(job.model_copy(update={"preset": evil})))
    assert "<script>alert" not in text


@pytest.mark.browser
def test_a_browser_draws_it_offline(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    quiet = ["networking", "timer-throttling"]
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += [f"--disable-background-{what}" for what in quiet]
    command += ["--disable-component-update", "--disable-sync", "--virtual-time-budget=8000"]
    command += ["--enable-logging=stderr", "--v=0", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert len(re.findall(r'<svg[^>]*class="marks"', done.stdout)) == 3
    for name in ("full", "partial-at-full-interval", "partial", "current"):
        assert f">{name}</text>" in done.stdout  # each strategy is labelled in the drawing
    assert not re.search(r"CONSOLE.*(error|uncaught)", done.stderr, re.I)


def test_a_plan_of_storage_is_explained_in_numbers() -> None:
    """Each level's saves, what is written, and what a failure comes to: as the job file's figures make them."""
    lines = list(explain_lines(plan(load_job(EXAMPLE.parent / "storage.toml"))))
    text = "\n".join(lines)
    for level in ("memory", "disk", "remote"):
        assert f"  to {level}: after " in text
    assert "70.0% of the failures need it" in text
    assert "25.0% of the failures need it" in text
    assert "338 GB, 28.1% of 1.2 TB   [quantised_share]" in text  # 8/32 + 2/64
    assert "compute going on at 90.0%" in text
    assert "everybody rolls back with probability 1," in text  # full recovery
