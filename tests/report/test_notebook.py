"""What every answer is in a notebook: a table, one line, data frames, charts to restyle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cprmodel import load_job, load_preset, plan, plan_many, simulate
from cprmodel.facts.drawing import drawer_of
from cprmodel.fitting import analyse, fit_accuracy, read_record, read_trace
from cprmodel.logs import LogOptions
from cprmodel.ordering import Setting
from cprmodel.ordering.found import order
from cprmodel.ordering.readers import read_shards

EXAMPLES = Path(__file__).parents[2] / "examples"


def _answers() -> dict[str, Any]:
    job = load_job(EXAMPLES / "fleet.toml")
    many = {"failures.nodes": [64, 128, 256], "checkpoint.bandwidth": ["5 GB/s", "50 GB/s"]}
    return {
        "plan": plan(job),
        "simulated": simulate(job, "partial", runs=200, seed=1),
        "analysis": analyse(read_trace(EXAMPLES / "logs/alerts.txt", LogOptions())),
        "accuracy": fit_accuracy(read_record(EXAMPLES / "accuracy-record.csv")),
        "ordered": order("shards", read_shards(EXAMPLES / "shards.csv"), Setting(2e9), ("uniform", "best-fixed")),
        "many": plan_many(job, many),
    }


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return _answers()


KINDS = {  #: rows of its frame, and its charts by method
    "plan": (4, ("overhead_chart", "breakdown_chart", "pls_chart")),
    "simulated": (200, ("time_chart", "pls_chart")),
    "analysis": (4, ("survival_chart", "hazard_chart")),
    "accuracy": (80, ("drop_chart",)),
    "ordered": (2, ("bandwidth_chart",)),
    "many": (6, ("overhead_chart", "map_chart")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_polars_and_pandas_hold_the_same(kind: str, answers: dict[str, Any]) -> None:
    answer, (rows, _) = answers[kind], KINDS[kind]
    frame, other = answer.to_frame("polars"), answer.to_frame("pandas")
    assert isinstance(frame, pl.DataFrame)
    assert isinstance(other, pd.DataFrame)
    assert frame.height == len(other) == rows
    assert frame.columns == list(other.columns)
    for name in frame.columns:
        one, two = frame[name].to_list(), other[name].tolist()
        if frame[name].dtype == pl.Float64:
            np.testing.assert_array_equal(np.array(one, float), np.array(two, float))
        elif frame[name].dtype != pl.Null:
            assert one == two


def test_frames_hold_the_answer_s_own_figures(answers: dict[str, Any]) -> None:
    answer = answers["plan"]
    frame = answer.to_frame("polars")
    (best,) = frame.filter(pl.col("recommended")).to_dicts()
    assert best["name"] == answer.recommended
    assert best["overhead_fraction"] == answer.best.overhead_fraction
    assert sum(best[f"overhead_{part}"] for part in ("save", "load", "lost", "reschedule")) == pytest.approx(
        best["overhead_fraction"]
    )
    runs = answers["simulated"].to_frame("polars")
    assert runs["time_to_train_s"].mean() == pytest.approx(float(np.mean(answers["simulated"].times_s)))


def test_frames_and_json_say_how_likely_a_run_is_to_go_over_the_budget() -> None:
    answer = plan(load_preset("cpr-dlrm"))
    over = answer.to_frame("polars")["probability_over_budget"].to_list()
    assert over == [one["probability_over_budget"] for one in answer.to_dict()["strategies"]]
    assert over == [one.probability_over_budget for one in answer.strategies]
    assert [one is not None for one in over] == [one.expected_pls > 0 for one in answer.strategies]
    assert 0 < answer.best.probability_over_budget < 1


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_one_line_and_a_table(kind: str, answers: dict[str, Any]) -> None:
    answer = answers[kind]
    assert len(str(answer).splitlines()) == 1
    assert len(str(answer)) < 200
    html = answer._repr_html_()
    assert html.startswith("<div><p><b>")
    assert html.count("<tr>") >= 2
    assert html.count("<td") == html.count("</td>")


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_of_the_page_can_be_had_and_restyled(kind: str, answers: dict[str, Any]) -> None:
    """By name and by its method; styled, layered beside itself, and valid for Vega-Lite."""
    import altair as alt

    answer, (_, methods) = answers[kind], KINDS[kind]
    found = answer.charts()
    made = [getattr(answer, method)() for method in methods]
    assert len(found) >= len(methods)
    for chart in (*found.values(), *made):
        assert isinstance(chart, alt.Chart | alt.LayerChart)
        assert chart.config is alt.Undefined
        styled = chart.properties(width=300).configure_axis(grid=False).to_dict()
        assert styled["width"] == 300
        assert styled["config"]["axis"]["grid"] is False
    (made[0] & made[0]).to_dict()
    data = {json.dumps(chart.to_dict(), sort_keys=True) for chart in found.values()}
    assert all(json.dumps(chart.to_dict(), sort_keys=True) in data for chart in made)


def test_the_page_has_the_same_charts(answers: dict[str, Any], tmp_path: Path) -> None:
    """And is written by each of them."""
    for kind, answer in answers.items():
        if kind == "many":
            continue
        answer.save_report(tmp_path / "a.html")
        text = (tmp_path / "a.html").read_text(encoding="utf-8")
        for name in answer.charts():
            assert f'id="{name}"' in text, kind


def test_a_deadline_is_drawn(answers: dict[str, Any]) -> None:
    text = json.dumps(answers["simulated"].time_chart(deadline_s=1.9e6).to_dict())
    assert '"deadline"' in text


def test_what_is_in_a_file_is_no_markup() -> None:
    from cprmodel.report.drawers import html_table

    html = html_table("<b>", ["<script>"], ["<i>"], [["<u>", "<s>"]])
    assert not any(tag in html for tag in ("<script>", "<i>", "<u>", "<s>"))


def test_names_serve_where_strategies_do() -> None:
    """As the command line takes them; the interval as planned, or given."""
    job = load_job(EXAMPLES / "production-dlrm.toml")
    planned = plan(job)["partial"].strategy
    by_name, by_object = (simulate(job, one, runs=100, seed=3) for one in ("partial", planned))
    assert by_name.times_s.tolist() == by_object.times_s.tolist()
    every = simulate(job, "full", runs=10, seed=3, interval_s=3600.0)
    assert every.strategy.interval_s == 3600.0


def test_every_kind_is_drawn() -> None:
    for kind in KINDS:
        assert drawer_of(kind) is not None
