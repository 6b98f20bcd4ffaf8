"""In a real browser: keyboard, links, colours, widths, charts that follow, and mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Job, plan
from tests.conftest import EXAMPLE
from tests.report.whatif.helpers import inputs_of, job_of, rows_of, type_into

pytestmark = pytest.mark.browser
Visit = Callable[..., Any]


def test_the_keyboard_is_enough(visit: Visit, sharded_file: Path) -> None:
    page = visit(sharded_file)
    seen: list[str] = []
    while "slider-mtbf" not in seen:
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id"))
        assert len(seen) < 10
    assert seen.index("field-mtbf") < seen.index("slider-mtbf")
    outline = page.evaluate(
        "((style) => [style.outlineStyle, parseFloat(style.outlineWidth)])"
        "(getComputedStyle(document.activeElement))"
    )
    assert outline[0] == "solid"
    assert outline[1] >= 2
    before = inputs_of(page)["mtbf"]
    page.keyboard.press("ArrowRight")
    after = inputs_of(page)["mtbf"]
    assert before is not None
    assert after is not None
    assert before < after < 1.1 * before
    assert page.locator("#slider-mtbf").get_attribute("aria-valuetext") == page.locator("#field-mtbf").input_value()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("14 h")
    page.keyboard.press("Enter")
    assert inputs_of(page)["mtbf"] == 14 * 3600
    while page.evaluate("document.activeElement.id") != "on-budget":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert inputs_of(page)["budget"] is None
    assert page.inner_text("#recommended").lower() == "recommended: full"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, button')].filter((one) => !one.labels?.length"
        " && !one.getAttribute('aria-label') && !one.textContent.trim()).map((one) => one.id)"
    )
    assert unnamed == []
    assert page.locator("#recommendation[aria-live=polite]").count() == 1


def test_shares_keep_summing_to_one(visit: Visit, sharded_file: Path) -> None:
    page = visit(sharded_file)
    for key, value in (("trainer", 0.5), ("shard", 0.0), ("whole-job", 1.0), ("trainer", 0.25), ("shard", 1.0)):
        type_into(page, f"{key}-share", str(value))
        shares = {kind: inputs_of(page)[f"{kind}-share"] for kind in ("shard", "trainer", "whole-job")}
        assert shares[key] == value
        assert sum(filter(None, shares.values())) == pytest.approx(1, abs=1e-12)
        assert min(one for one in shares.values() if one is not None) >= 0
    page.locator("#slider-whole-job-share").fill("100")
    assert inputs_of(page)["whole-job-share"] == pytest.approx(0.5, abs=0.05)
    assert inputs_of(page)["shard-share"] == pytest.approx(0.5, abs=0.05)


def test_a_link_holds_what_is_set(visit: Visit, ordered_file: Path) -> None:
    page = visit(ordered_file)
    assert "#" not in page.url
    page.locator("details summary", has_text="More costs").click()
    type_into(page, "mtbf", "1 d 2 h 0.3 s")
    type_into(page, "save", "1234.5 ms")
    type_into(page, "whole-job-share", "0.3")
    type_into(page, "trainer-reschedule", "90 s")
    page.locator("#slider-shards").fill("77")
    page.locator("#on-interval").uncheck()
    page.locator("#order").select_option("ssu")
    page.locator("#recovery").evaluate(
        "(one) => { one.value = 'partial'; one.dispatchEvent(new Event('change')); }"
    )
    page.wait_for_function("location.hash.includes('recovery=partial')")
    link = page.url.partition("#")[2]
    for part in ("mtbf=93600.3s", "save=1.2345s", "interval=none", "order=ssu", "trainer-reschedule=1.5min"):
        assert part in link
    other = visit(ordered_file, f"#{link}")
    assert inputs_of(other) == inputs_of(page)
    assert rows_of(other) == rows_of(page)
    assert other.inner_text("#sentence") == page.inner_text("#sentence")
    assert other.locator("#ignored").is_hidden()
    other.locator("#reset").click()
    other.wait_for_function("location.hash === ''")
    assert inputs_of(other) == inputs_of(visit(ordered_file))
    assert other.locator("#reset").is_disabled()


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("mtbf=5", 'mtbf = "5": expected a time with its unit, such as "30 min"'),
        ("mtbf=-5h", 'mtbf = "-5h": expected a time with its unit, such as "30 min", greater than 0'),
        ("save=1e400s", 'save = "1e400s": expected a time with its unit, such as "30 min"'),
        ("shards=1.5", 'shards = "1.5": expected a whole number'),
        ("shards=0", 'shards = "0": expected a whole number between 1 and 1e9'),
        ("budget=2", 'budget = "2": expected a number between 0 and 1'),
        ("mtbf=none", 'mtbf = "none": expected a time'),
        ("model=guess", 'model = "guess": expected one of first-order, exact'),
        ("color=red", 'color = "red": expected a known key: mtbf, save'),
        ("trainer-share=0.5", 'trainer-share = "0.5": expected shares that sum to 1'),
        ("%E0%A4%A", '%E0%A4%A = "": expected a known key'),
        ("mtbf=<img src=x onerror=alert(1)>", "onerror=alert(1)"),
        ("__proto__=1&constructor=2", '__proto__ = "1": expected a known key'),
    ],
)
def test_nonsense_in_a_link_is_ignored_and_said(visit: Visit, sharded_file: Path, fragment: str, said: str) -> None:
    page = visit(sharded_file, f"#save=5min&{fragment}")
    box = page.locator("#ignored")
    assert box.is_visible()
    assert said in box.inner_text()
    assert "\n" not in box.inner_text().strip()
    shown = inputs_of(page)
    assert shown.pop("save") == 300  # what can be read is kept
    fresh = inputs_of(visit(sharded_file))
    del fresh["save"]
    assert shown == fresh
    page.evaluate("location.hash = '#save=6min'")  # an address edited by hand on an open page
    page.wait_for_function("document.querySelector('#field-save').value === '6 min'")
    assert box.is_hidden()


def test_a_mistake_in_a_field_is_said_beside_it(visit: Visit, sharded_file: Path) -> None:
    page = visit(sharded_file)
    before = rows_of(page)
    type_into(page, "mtbf", "28")
    problem = page.locator("#problem-mtbf")
    assert problem.inner_text() == 'expected a time with its unit, such as "30 min", not "28"'
    assert page.locator("#field-mtbf").get_attribute("aria-invalid") == "true"
    assert rows_of(page) == before
    type_into(page, "mtbf", "29 h")
    assert problem.is_hidden()
    assert rows_of(page) != before
    type_into(page, "mtbf", "1 min")  # shorter than a save
    assert page.inner_text("#sentence") == (
        "A save (4 min) is longer than the MTBF (1 min): expected a save that is not."
    )
    assert page.locator("#results").is_hidden()
    page.locator("#control-mtbf button").click()
    assert inputs_of(page)["mtbf"] == 28 * 3600
    assert rows_of(page) == before


def _contrast(page: Any, text: str, ground: str) -> float:
    found: float = page.evaluate(
        """([text, ground]) => {
          const probe = document.body.appendChild(document.createElement("i"));
          const light = (name) => {
            probe.style.color = `var(--${name})`;
            const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            const [r, g, b] = getComputedStyle(probe).color.match(/[0-9.]+/g).map((c) => linear(c / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          const [a, b] = [light(text), light(ground)];
          probe.remove();
          return Math.max(a, b) / Math.min(a, b);
        }""",
        [text, ground],
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(visit: Visit, sharded_file: Path, scheme: str) -> None:
    page = visit(sharded_file, color_scheme=scheme)
    grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 25, 28)"}
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == grounds[scheme]
    axis = "#chart-interval .role-axis-label text"
    page.wait_for_function("charts.idle")
    drawn = page.locator(axis).first.get_attribute("fill")
    for text, on in (("ink", "paper"), ("soft", "paper"), ("accent", "wash"), ("ink", "wash"), ("bad", "bad-wash")):
        assert _contrast(page, text, on) >= 4.5, (text, on)
    assert _contrast(page, "edge", "field") >= 3  # the border of a field
    other = "dark" if scheme == "light" else "light"
    page.locator("#theme").select_option(other)
    assert page.evaluate(ground) == grounds[other]
    page.wait_for_function("charts.idle")
    assert page.locator(axis).first.get_attribute("fill") != drawn
    page.locator("#theme").select_option("system")
    assert page.evaluate(ground) == grounds[scheme]


@pytest.mark.parametrize("width", [360, 390, 700, 768, 890, 1024, 1200, 1280])
@pytest.mark.parametrize("which", ["sharded_file", "ordered_file", "dense_file"])
def test_nothing_is_wider_than_the_window(
    visit: Visit, width: int, which: str, request: pytest.FixtureRequest
) -> None:
    page = visit(request.getfixturevalue(which), viewport={"width": width, "height": 800})
    for summary in page.locator("details summary").all():
        summary.click()
    page.wait_for_function("charts.idle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((one) => !one.closest('svg, thead, script, style')"
        " && one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    for chart in page.locator(".chart > svg, .chart-wrapper > svg").all():
        assert chart.bounding_box()["width"] <= width
    cut = page.evaluate(  # every label of a chart lies within its drawing
        "[...document.querySelectorAll('.chart svg')].flatMap((svg) =>"
        " [...svg.querySelectorAll('text')].filter((one) => {"
        " const [a, b] = [one.getBoundingClientRect(), svg.getBoundingClientRect()];"
        " return a.width && (a.left < b.left - 1 || a.right > b.right + 1); }).map((one) => one.textContent))"
    )
    assert cut == []


def _marks(page: Any) -> dict[str, float]:
    """Overheads of the marks in the first chart, read from what a screen reader is told."""
    page.wait_for_function("charts.idle")
    labels = page.locator("#chart-interval .mark-symbol path[aria-label]").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    found = {}
    for label in labels:
        parts = dict(one.split(": ", 1) for one in label.split("; ") if ": " in one)
        if "strategy" in parts:
            found[parts["strategy"]] = parts["overhead"]
    return found


def test_charts_follow(visit: Visit, sharded_file: Path) -> None:
    page = visit(sharded_file)
    first = _marks(page)
    line = "#chart-interval .mark-line path"
    curve = page.locator(line).first.get_attribute("d")
    assert first == {name: row["overhead_fraction"][1] for name, row in rows_of(page).items()}
    for key, text in (("mtbf", "9 h"), ("budget", "0.013"), ("save", "3 min")):
        type_into(page, key, text)
    assert _marks(page) == {name: row["overhead_fraction"][1] for name, row in rows_of(page).items()} != first
    assert page.locator(line).first.get_attribute("d") != curve
    assert page.locator("#chart-pls text", has_text="budget 0.013").count() == 1
    bars = page.locator("#chart-breakdown .mark-rect path").count()
    assert bars == 4 * len(first)
    swept = page.locator("#chart-sweep .mark-line path").first.get_attribute("d")
    page.locator("#against").select_option("whole_job_share")
    page.wait_for_function("charts.idle")
    assert page.locator("#chart-sweep .mark-line path").first.get_attribute("d") != swept
    page.locator("#on-interval").uncheck()
    assert "current" not in _marks(page)
    page.locator("#on-budget").uncheck()
    assert not page.locator("#chart-pls text", has_text=re.compile("budget")).count()


def test_a_sweep_is_a_plan_at_each_point(visit: Visit, sharded_file: Path) -> None:
    """The chart against a setting: its points are plans of jobs with that setting."""
    page, base = visit(sharded_file), Job.from_file(EXAMPLE)
    shown = inputs_of(page)
    for mtbf in (7200.0, 50_000.0, 400_000.0):
        found = page.evaluate(f"planner.plan({{...page.answer.x, mtbf_s: {mtbf}}}, 'first-order')")
        answer = plan(job_of({**shown, "mtbf": mtbf}, base))
        assert found["recommended"] == answer.recommended
        assert found["best"]["overhead_fraction"] == pytest.approx(answer.best.overhead_fraction, rel=1e-9)


def test_out_of_range_formulas_warn(visit: Visit, sharded_file: Path) -> None:
    """The page's notes are the validity ranges that plan warns of, with the same numbers."""
    page, base = visit(sharded_file), Job.from_file(EXAMPLE)
    for key, text in (("mtbf", "20 min"), ("whole-job-share", "0.4"), ("save", "3 min")):
        type_into(page, key, text)
    answer = plan(job_of(inputs_of(page), base))
    expected = {line for line in answer.warnings if " is above " in line}
    assert len(expected) >= 4
    assert expected <= set(page.locator("#notes li").all_inner_texts())
