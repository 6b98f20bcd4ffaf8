"""Every page as people meet it: on a phone, in the dark, on paper, by keyboard, and read aloud."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLE
from tests.report.test_escaping import figures_of, harm, run

EXAMPLES = EXAMPLE.parent

PAGES: dict[str, Callable[[Path], list[str]]] = {
    "plan": lambda folder: ["plan", str(EXAMPLES / "ordered-saves.toml"), "--report"],
    "order": lambda folder: ["order", str(EXAMPLES / "shards.csv"), "--budget", "2 GB/s", "--report"],
    "accuracy": lambda folder: ["accuracy", str(EXAMPLES / "accuracy-record.csv"), "--report"],
    "fit": lambda folder: ["fit", str(EXAMPLES / "logs" / "incidents.csv"), "--report"],
    "harm": lambda folder: ["accuracy", str(harm(folder)), "--report"],
    "sweep": lambda folder: ["sweep", str(EXAMPLE), "--vary", "failures.mtbf=1h:9h:log4", "--report"],
    "simulate": lambda folder: ["simulate", str(EXAMPLE), "--strategy", "partial", "--runs", "99", "--report"],
    "goodput": lambda folder: ["goodput", str(EXAMPLES / "logs" / "run.jsonl"), "--report"],
    "whatif": lambda folder: ["whatif", str(EXAMPLE), "-o"],
}
WITHOUT_WHATIF = [name for name in PAGES if name != "whatif"]

#: Luminance of a colour as the browser computes it, 0 to 1; of contrast, WCAG's ratio.
BRIGHTNESS = """window.bright = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each is written once."""

    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        run(*PAGES[name](folder), str(folder / "a.html"))
        return folder / "a.html"

    return functools.cache(made)


@pytest.fixture
def opened(chromium: Any, pages: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    """A page in a window of some width, whose charts are drawn."""
    contexts = []

    def opens(name: str, width: int = 1400, scheme: str = "light") -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        window = context.new_page()
        window.add_init_script(BRIGHTNESS)
        window.goto(pages(name).as_uri())
        window.wait_for_function(
            "[...document.querySelectorAll('.chart')].filter((one) => one.offsetParent)"
            ".every((one) => one.querySelector('svg'))"
        )
        return window

    yield opens
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["sweep", str(EXAMPLE), "--vary", "cluster.embedding_shards=16:256:log9", "--report"], "240"),
        (["sweep", str(EXAMPLE), "--vary", "cluster.embedding_shards=160:2560:log9", "--report"], "2,400"),
        (["simulate", "JOB", "--runs", "99", "--report"], "1,200"),
    ],
)
def test_hundreds_are_written_out(arguments: list[str], shown: str, tmp_path: Path, chromium: Any) -> None:
    job = tmp_path / "job.toml"
    job.write_text(
        '[job]\nwork = "30 d"\n[failures]\nmtbf = "20 d"\n[checkpoint]\nsave = "1 h"\nreschedule = "7 d"\n'
    )
    page = tmp_path / "a.html"
    run(*(str(job) if one == "JOB" else one for one in arguments), str(page))
    window = chromium.new_context().new_page()
    window.goto(page.as_uri())
    window.wait_for_function("[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")
    ticks = window.eval_on_selector_all(".chart .role-axis-label text", "all => all.map((one) => one.textContent)")
    window.context.close()
    assert shown in ticks
    assert not [one for one in ticks if "e+" in one]


@pytest.mark.browser
def test_a_hazard_of_few_failures_can_be_read(tmp_path: Path, chromium: Any) -> None:
    """Gaps of much the same length: by a lognormal law a failure in the first hour is next to impossible."""
    log, page = tmp_path / "log.csv", tmp_path / "a.html"
    log.write_text("hours,event\n48,1\n51,1\n50,1\n0.5,0\n")
    run("fit", str(log), "--report", str(page))
    window = chromium.new_context().new_page()
    window.goto(page.as_uri())
    window.wait_for_function("[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")
    charts = window.locator("figure, section").filter(has_text="Hazard").last
    ticks = charts.locator(".role-axis-label text").all_text_contents()
    window.context.close()
    hazards = [float(one) for one in ticks if one and float(one) < 1]
    assert hazards
    assert min(hazards) > 1e-8


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_of_a_phone(name: str, opened: Callable[..., Any]) -> None:
    """Wide tables scroll in frames of their own; the page does not."""
    window = opened(name, 390)
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
    charts = "[...document.querySelectorAll('.chart svg')].map((one) => one.getBoundingClientRect().right)"
    assert max(window.evaluate(charts)) <= 391


@pytest.mark.browser
def test_a_phone_shows_the_recommended_strategy_first(opened: Callable[..., Any]) -> None:
    window = opened("plan", 390)
    first = window.locator("thead th.best")
    assert first.count() == 1
    box = first.bounding_box()
    assert box["x"] + box["width"] <= 390
    recommended = window.locator(".recommendation strong").inner_text().split(":")[1].strip()
    assert first.inner_text().lower() == recommended.lower()


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_the_dark_is_dark_and_legible(name: str, opened: Callable[..., Any]) -> None:
    """What is written, on the page and in its charts, stands out from what is behind it by 4.5 to 1."""
    window = opened(name, scheme="dark")
    behind = window.evaluate("bright(getComputedStyle(document.body).backgroundColor)")
    assert behind < 0.03
    for where, style in (("p, li, td, th, h1, h2, figcaption, footer", "color"), (".chart svg text", "fill")):
        darkest = window.evaluate(
            """([where, style]) => Math.min(1, ...[...document.querySelectorAll(where)]
                .filter((one) => one.textContent.trim() && one.getClientRects().length)
                .filter((one) => !one.getAttribute("stroke"))
                .map((one) => getComputedStyle(one)[style]).filter((one) => one.startsWith("rgb")).map(bright))""",
            [where, style],
        )
        assert (darkest + 0.05) / (behind + 0.05) >= 4.5, where
    grounds = window.evaluate(
        "[...document.querySelectorAll('.chart svg > rect')].map((one) => getComputedStyle(one).fill)"
    )
    assert "rgb(255, 255, 255)" not in grounds


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_paper_is_white_whatever_the_screen(name: str, opened: Callable[..., Any]) -> None:
    """Text by its style, charts drawn again before the page is printed, and nothing folded."""
    window = opened(name, scheme="dark")
    window.evaluate("dispatchEvent(new Event('beforeprint'))")
    window.emulate_media(media="print", color_scheme="dark")
    window.wait_for_function(  # drawn again, dark on light
        "[...document.querySelectorAll('.chart svg text')].filter((one) => !one.getAttribute('stroke'))"
        ".every((one) => bright(getComputedStyle(one).fill) < 0.35)"
    )
    grounds = "[...document.querySelectorAll('.chart svg > rect')].map((one) => getComputedStyle(one).fill)"
    assert {*window.evaluate(grounds)} <= {"rgb(255, 255, 255)", "none"}
    window.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")
    for where, style in (("p, li, td, h1", "color"), (".chart svg text", "fill")):
        lightest = window.evaluate(
            """([where, style]) => Math.max(0, ...[...document.querySelectorAll(where)]
                .filter((one) => one.textContent.trim() && !one.getAttribute("stroke"))
                .map((one) => getComputedStyle(one)[style]).filter((one) => one.startsWith("rgb")).map(bright))""",
            [where, style],
        )
        assert 1.05 / (lightest + 0.05) >= 3.0, where
    assert window.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")


@pytest.mark.browser
def test_the_charts_of_the_page_to_play_with_say_where_the_strategies_stand(opened: Callable[..., Any]) -> None:
    window = opened("whatif")
    window.wait_for_function("/Recommended: .*%/.test(document.querySelector('#chart-interval').ariaLabel)")
    before = window.locator("#chart-interval").get_attribute("aria-label")
    window.fill("#field-mtbf", "3 h")
    window.keyboard.press("Enter")
    window.wait_for_function(
        "(before) => document.querySelector('#chart-interval').ariaLabel !== before", arg=before
    )


@pytest.mark.browser
@pytest.mark.parametrize("name", WITHOUT_WHATIF)
def test_each_chart_is_a_sentence_to_a_screen_reader(name: str, opened: Callable[..., Any]) -> None:
    """Its title, and what it shows; marks, axes and legends are not read out one by one."""
    window = opened(name)
    titles = window.locator("figure h2").all_inner_texts()
    labels = window.evaluate(
        "[...document.querySelectorAll('.chart svg')].map((one) => one.getAttribute('aria-label'))"
    )
    assert len(labels) == len(titles) > 0
    for title, label in zip(titles, labels, strict=True):
        assert label.startswith(f"{title}.")
        assert len(label) > len(title) + 20
        assert re.search(r"\d", label)  # it says how much
        assert not re.search(r"\d\.\d{6}", label)  # and no raw number
    inside = window.evaluate("document.querySelectorAll('.chart svg [aria-label]:not([aria-hidden])').length")
    assert inside == 0


@pytest.mark.browser
@pytest.mark.parametrize("name", WITHOUT_WHATIF)
def test_all_can_be_reached_by_keyboard(name: str, opened: Callable[..., Any]) -> None:
    """Links, folded parts and tables that scroll, each with an outline when it has the focus."""
    window = opened(name, 390)
    wanted = window.locator("a[href]:visible, summary:visible, [tabindex='0']:visible").count()
    reached = set()
    for _ in range(wanted + 3):
        window.keyboard.press("Tab")
        found = window.evaluate(
            """() => { const one = document.activeElement; if (!one || one === document.body) return null;
                 const all = [...document.querySelectorAll("a[href], summary, [tabindex='0']")];
                 return [all.indexOf(one), getComputedStyle(one).outlineStyle]; }"""
        )
        if found is not None and found[0] >= 0:
            assert found[1] != "none"
            reached.add(found[0])
    assert len(reached) == wanted > 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_is_of_and_where_it_comes_from(name: str, pages: Callable[[str], Path]) -> None:
    text = pages(name).read_text(encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", text)
    assert title is not None
    assert len(text.encode()) <= 2**20  # a megabyte
    if name != "whatif":
        footer = re.search(r"<footer>(.*?)</footer>", text, flags=re.S)
        assert footer is not None
        assert re.search(r"cprmodel \d+\.\d+\.\d+; \d{4}-\d{2}-\d{2}; cprmodel \w+ ", footer[1])
        assert figures_of(text)


def test_no_two_pages_have_one_title(pages: Callable[[str], Path]) -> None:
    titles = [re.findall(r"<title>(.*?)</title>", pages(name).read_text(encoding="utf-8"))[0] for name in PAGES]
    assert len(set(titles)) == len(titles)
