"""The page of settings that were planned beforehand: what it shows is what ``plan`` says of that job file."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import Job, plan
from cprmodel.bulk.grid import grid_of
from cprmodel.facts.units import format_time, parse_quantity
from cprmodel.loading import load_job
from cprmodel.report.plan_table import plan_rows, shown_strategies
from cprmodel.report.whatif import has_formulas, write_whatif
from cprmodel.report.whatif.settings import settings_of
from tests.conftest import EXAMPLE

Visit = Callable[..., Any]
#: Jobs of kinds that have no formulas on the page, with a number of each that moves it.
KINDS = {
    "time-limit": "job.requeue",
    "late-errors": "failures.silent.mtbf",
    "silent-errors": "checkpoint.verify",
    "spares": "cluster.spares",
    "elastic": "job.elastic.reshape",
    "rotating-experts": "cluster.experts",
    "storage": "checkpoint.level.0.save",
    "components": "failures.component.0.count",
}


def example(name: str) -> Path:
    return EXAMPLE.with_name(f"{name}.toml")


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    """Pages of all the numbers that move two jobs, and of two numbers of a third."""
    found = {name: folder / f"{name}.html" for name in ("time-limit", "late-errors", "rotating-experts")}
    for name, path in found.items():
        job = load_job(example(name))
        vary = {"failures.mtbf": ["2 h", "8 h", "1 d"], "cluster.experts": [8, 16, 32]}
        write_whatif(job, path, grid_of(job, vary) if name == "rotating-experts" else None)
    return found


def changed(name: str, key: str, text: str) -> Job:
    """The job of the file in which a person has written another value."""
    data = tomllib.loads(example(name).read_text())
    *tables, last = key.split(".")
    table: Any = data
    for one in tables:
        table = table[int(one)] if isinstance(table, list) else table.setdefault(one, {})
    plain = text.replace(",", "")
    table[last] = json.loads(plain) if plain.replace(".", "").replace("e-", "").isdigit() else text
    return Job.from_mapping(data)


def shown_by(page: Any) -> Any:
    """The sentence, the table as text, and overheads as they are."""
    return page.evaluate(
        "({sentence: document.querySelector('#sentence').textContent,"
        " names: [...document.querySelectorAll('#strategies thead th')].map((one) => one.textContent),"
        " best: [...document.querySelectorAll('#strategies thead .best')].map((one) => one.textContent),"
        " rows: [...document.querySelectorAll('#strategies tbody tr')].map((row) =>"
        "   [...row.children].map((one) => one.textContent)),"
        " notes: [...document.querySelectorAll('#notes li')].map((one) => one.textContent),"
        " problem: page.answer.problem || null,"
        " overheads: (page.answer.strategies || []).map((one) => one.overhead_fraction)})"
    )


@pytest.mark.browser
def test_a_hundred_settings_are_plan_s(visit: Visit, files: dict[str, Path]) -> None:
    """Moved to at random as a person does, one after another; each is what the changed job file gives."""
    rng, checked = random.Random(20261130), 0
    for name, count in (("time-limit", 45), ("late-errors", 45), ("rotating-experts", 10)):
        page = visit(files[name])
        numbers = page.evaluate("NUMBERS.map((one) => [one.key, one.texts, one.at])")
        assert all(len(set(texts)) == len(texts) for _, texts, _ in numbers)
        for _ in range(count):
            at = rng.randrange(len(numbers))
            key, texts, own = numbers[at]
            stop = rng.randrange(len(texts))
            page.locator(f"#slider-{at}").fill(str(stop))
            assert page.locator(f".control:nth-of-type({at + 1}) output").inner_text() == texts[stop]
            answer = plan(load_job(example(name)) if stop == own else changed(name, key, texts[stop]))
            strategies, _ = shown_strategies(answer)
            shown = shown_by(page)
            assert shown["problem"] is None
            assert shown["sentence"] == answer.sentence
            assert shown["names"] == [one.name for one in strategies]
            assert shown["best"] == [answer.recommended]
            assert shown["rows"] == [[label.strip(), *cells] for label, cells in plan_rows(answer, strategies)]
            assert shown["notes"] == list(answer.warnings)
            np.testing.assert_allclose(shown["overheads"], [one.overhead_fraction for one in strategies], rtol=1e-9)
            checked += 1
    assert checked == 100


@pytest.mark.browser
def test_one_number_moves_at_a_time_and_back(visit: Visit, files: dict[str, Path]) -> None:
    page = visit(files["rotating-experts"])
    first = shown_by(page)
    assert page.locator("#reset").is_disabled()
    page.locator("#slider-0").fill("0")
    moved = shown_by(page)
    assert moved["sentence"] != first["sentence"]
    page.locator("#slider-1").focus()
    page.keyboard.press("ArrowRight")
    outputs = page.locator("output").all_inner_texts()
    assert outputs == ["8 h", "32"]  # the first went back
    assert page.locator("#slider-1").get_attribute("aria-valuetext") == "32"
    assert page.locator("#against").inner_text() == "cluster.experts"
    page.wait_for_function("location.hash === '#cluster.experts=32'")
    page.locator(".control:nth-of-type(2) .back").click()
    assert shown_by(page) == first
    page.locator("#slider-0").fill("2")
    page.locator("#reset").click()
    assert shown_by(page) == first
    page.wait_for_function("location.hash === ''")


@pytest.mark.browser
def test_a_link_holds_the_setting(visit: Visit, files: dict[str, Path]) -> None:
    page = visit(files["rotating-experts"], "#failures.mtbf=1d")
    assert page.locator("output").all_inner_texts() == ["24 h", "16"]
    assert page.locator("#ignored").is_hidden()
    for fragment, said in (
        ("#failures.mtbf=3h", 'Ignored in the link: failures.mtbf = "3h": expected one of 2h, 8h, 24h'),
        ("#mtbf=8h", 'Ignored in the link: mtbf = "8h": expected a known key: failures.mtbf, cluster.experts'),
        ("#%zz", 'Ignored in the link: %zz = "": expected a known key: failures.mtbf, cluster.experts'),
    ):
        page = visit(files["rotating-experts"], fragment)
        assert page.locator("#ignored").inner_text() == said
        assert page.locator("output").all_inner_texts() == ["8 h", "16"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(visit: Visit, files: dict[str, Path], width: int) -> None:
    """But for the table, which scrolls in a frame of its own."""
    page = visit(files["rotating-experts"], viewport={"width": width, "height": 800})
    page.locator("details summary").click()
    page.wait_for_function("charts.idle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart svg").all():
        assert chart.bounding_box()["width"] <= width
    assert page.locator("#chart-sweep .mark-symbol.role-mark path").count() == 3 * 3  # strategies, settings


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_job_has_its_settings(name: str) -> None:
    """The file's own, and its neighbours; a setting that cannot be planned says why."""
    job, key = load_job(example(name)), KINDS[name]
    assert not has_formulas(job)
    chosen = grid_of(job, {"checkpoint.reschedule": ["4 min", "7 min"]})
    found = settings_of(job, chosen)
    assert found.own["sentence"] == plan(job).sentence
    (number,) = found.numbers
    assert number.points[number.at or 0] is found.own
    assert {"4 min", "7 min", format_time(job.checkpoint.reschedule_s or 0)} == set(number.texts)
    for text, point in zip(number.texts, number.points, strict=True):
        assert point["sentence"] == plan(changed(name, "checkpoint.reschedule", text)).sentence
        for one in point["strategies"]:  # the parts of the overhead are all of it
            assert sum(one["parts"].values()) == pytest.approx(one["overhead_fraction"], rel=1e-9)
    if name in ("time-limit", "late-errors", "silent-errors", "spares", "elastic"):  # planned in milliseconds
        assert key in [one.key.name for one in settings_of(job).numbers]


def test_values_read_well_and_are_what_they_say() -> None:
    """Text in the page, written into a job file, is the value that was planned; but for the file's own, rounded."""
    for number in settings_of(load_job(example("time-limit"))).numbers:
        assert number.values == sorted(number.values)
        for text, value, at in zip(number.texts, number.values, range(len(number.values)), strict=True):
            if number.key.kind is not None and at != number.at:
                assert parse_quantity(text, number.key.kind) == pytest.approx(value, rel=1e-12)
        assert number.values[0] <= number.values[number.at or 0] / 4
        assert number.values[-1] >= number.values[number.at or 0] * 4


def test_a_setting_that_cannot_be_planned_says_why() -> None:
    job = load_job(example("time-limit"))
    (number,) = settings_of(job, grid_of(job, {"job.time_limit": ["10 s", "9 h", "20 h"]})).numbers
    assert "expected" in number.points[0]["problem"]
    assert "sentence" in number.points[1]


def test_a_fitted_mtbf_has_a_slider() -> None:
    """In the middle the plan from the log, with what it leaves open; beside it those of a known MTBF."""
    fit = {"source": "a log", "events": 12, "exposure_s": 12 * 50_000.0, "weibull_shape": 1.0}
    told = tomllib.loads(example("time-limit").read_text())
    known = Job.from_mapping({**told, "failures": {"mtbf": "12 h"}})
    fitted = Job.from_mapping({**told, "failures": {"fit": fit}})
    (number,) = settings_of(fitted, grid_of(fitted, {"failures.mtbf": ["12 h", "1 d"]})).numbers
    assert number.texts == ["12 h", "13 h 53 min", "24 h"]
    assert number.at == 1
    assert "12 failures leave the MTBF uncertain" in number.points[1]["sentence"]
    assert number.points[0]["sentence"] == plan(known).sentence
    assert "failures.mtbf" in [one.key.name for one in settings_of(fitted).numbers]


@pytest.mark.browser
def test_whole_numbers_have_ticks_at_whole_numbers(visit: Visit, folder: Path) -> None:
    """Also where they begin at none, on an axis that is not logarithmic."""
    job, path = load_job(example("spares")), folder / "spares.html"
    write_whatif(job, path, grid_of(job, {"cluster.spares": [0, 1, 2, 3, 5], "failures.nodes": [256, 512, 1024]}))
    page = visit(path)
    page.wait_for_function("charts.idle")
    ticks = page.locator("#chart-sweep .role-axis-label").first.locator("text")
    assert ticks.all_text_contents() == ["0", "1", "2", "3", "4", "5"]
    assert page.evaluate("charts.ticksOf(100, 2000, 'count')") == [100, 200, 500, 1000, 2000]
