"""In a real browser: sliders and fields are set, and the numbers shown are Python's to 1e-9."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, Plan, formulas, plan
from cprmodel.costing.models import BUDGET
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.loading import load_job
from cprmodel.planning.pricing import price
from cprmodel.planning.result import StrategyPlan
from tests.conftest import EXAMPLE
from tests.report.whatif.conftest import ORDERED
from tests.report.whatif.helpers import inputs_of, job_of, rows_of, type_into

pytestmark = pytest.mark.browser
MODELS = {"first-order": FirstOrder(), "exact": Exact()}
SETTINGS = 100


def _texts(one: StrategyPlan) -> dict[str, str]:
    """What the terminal prints of a strategy."""
    drop = one.expected_metric_drop
    return {
        "interval_s": format_time(one.interval_s),
        "interval_steps": "" if one.interval_steps is None else f"{one.interval_steps:,} steps",
        "overhead_fraction": format_share(one.overhead_fraction),
        **{part: format_share(value) for part, value in one.breakdown._asdict().items()},
        "effective_time_ratio": format_share(one.effective_time_ratio),
        "expected_pls": f"{one.expected_pls:.3g}",
        "pls_standard_deviation": f"± {one.pls_standard_deviation:.2g}" if one.expected_pls else "",
        "expected_metric_drop": "" if drop is None else f"{drop:.2g}",
        "feasible": "yes" if one.feasible else "no",
    }


def _values(one: StrategyPlan) -> dict[str, float]:
    """The same at full precision."""
    names = ("interval_s", "overhead_fraction", "effective_time_ratio", "expected_pls", "pls_standard_deviation")
    found = {name: float(getattr(one, name)) for name in names} | one.breakdown._asdict()
    if one.interval_steps is not None:
        found["interval_steps"] = one.interval_steps
    if one.expected_metric_drop is not None:
        found["expected_metric_drop"] = one.expected_metric_drop
    return found


def _close(text: str, value: float) -> bool:
    return math.isclose(float(text), value, rel_tol=1e-9, abs_tol=1e-15)


def _compare_strategy(shown: dict[str, tuple[str, str]], one: StrategyPlan) -> None:
    texts = _texts(one)
    for key, value in _values(one).items():
        if key not in shown:
            assert key in ("expected_pls", "pls_standard_deviation", "expected_metric_drop"), key
            continue
        assert _close(shown[key][0], value), (one.name, key, shown[key], value)
    for key, (full, text) in shown.items():
        if key != "interval_steps" or full == str(one.interval_steps):
            assert _same_text(text, texts[key]), (one.name, key, full, text, texts[key])
    assert "feasible" not in shown or shown["feasible"][0] == str(one.feasible).lower()


def _same_text(left: str, right: str) -> bool:
    """Equal, or one unit of the last place apart where a rounding error of 1e-16 decides it."""
    if left == right:
        return True
    digits = [[int(n) for n in "".join(c if c.isdigit() else " " for c in text).split()] for text in (left, right)]
    units = ["".join(c for c in text if not c.isdigit()) for text in (left, right)]
    return (
        units[0] == units[1]
        and len(digits[0]) == len(digits[1])
        and sum(abs(a - b) for a, b in zip(*digits, strict=True)) <= 1
    )


def _compare(page: Any, answer: Plan, slope: float | None = None) -> None:
    """``slope``: of the file; without a budget the page still shows what lost samples cost."""
    rows = rows_of(page)
    assert list(rows) == [one.name for one in answer.strategies]
    for one in answer.strategies:
        if answer.job.accuracy is None and slope is not None:
            one = replace(one, expected_metric_drop=formulas.metric_drop(one.expected_pls, slope))
        _compare_strategy(rows[one.name], one)
    assert page.inner_text("#recommended").lower() == f"recommended: {answer.recommended}"
    said = page.locator("#sentence")
    hours = answer.hours_saved_per_month
    if hours is None:
        assert said.get_attribute("data-hours") == ""
    else:
        assert math.isclose(float(said.get_attribute("data-hours")), hours, rel_tol=1e-9, abs_tol=1e-9)
    assert _same_text(said.inner_text(), answer.sentence)


def _random_text(random: np.random.Generator, control: dict[str, Any]) -> str:
    """A value as a person may type it."""
    low, high = max(control["least"], 1e-12), control["most"]
    value = float(np.exp(random.uniform(np.log(low), np.log(high))))
    if control["kind"] == "count":
        return str(round(value))
    if control["kind"] != "time":
        return f"{value:.4g}"
    if control["may_be_zero"] and random.random() < 0.1:
        return "0 s"
    unit, size = [("s", 1), ("min", 60), ("h", 3600), ("d", 86400)][random.integers(4)]
    return f"{value / size:.5g} {unit}"


def _at_random(
    random: np.random.Generator, controls: list[dict[str, Any]], chance: float = 1.0
) -> Iterator[tuple[str, str, str | float | bool]]:
    """What a person may do to each control, with a chance: its key, which part of it, and to what it is set."""
    for control in controls:
        key = control["key"]
        if random.random() > chance:
            continue
        if control["optional"]:
            yield key, "on", bool(random.random() < 0.85)
        if control["kind"] == "share" and random.random() < 0.5:
            continue
        if random.random() < 0.5:
            yield key, "slider", random.random()
        elif control["kind"] == "share":
            yield key, "field", f"{random.uniform():.4g}"
        else:
            yield key, "field", _random_text(random, control)


def _set_by_hand(page: Any, key: str, part: str, to: str | float | bool) -> None:
    """With a mouse and keys; what is off stays as it is."""
    if part == "on":
        page.locator(f"#on-{key}").set_checked(to)
    elif page.locator(f"#field-{key}").is_disabled():
        return
    elif part == "slider":
        slider = page.locator(f"#slider-{key}")
        slider.fill(str(round(to * int(slider.get_attribute("max")))))
    else:
        type_into(page, key, str(to))


#: The same by the events that a person's hands cause, without drawing in between.
SET = """([model, recovery, done]) => {
  const one = (id) => document.getElementById(id);
  document.querySelector(`input[name=model][value=${model}]`).click();
  one("recovery").value = recovery;
  one("recovery").dispatchEvent(new Event("change", { bubbles: true }));
  for (const [key, part, to] of done) {
    const control = one(`${part}-${key}`);
    if (part === "on") {
      if (control.checked !== to) control.click();
    } else if (!one(`field-${key}`).disabled) {
      control.value = part === "slider" ? String(Math.round(to * Number(control.max))) : to;
      control.dispatchEvent(new Event(part === "slider" ? "input" : "change", { bubbles: true }));
    }
  }
}"""
BY_HAND = 3  # settings


def _answer(shown: dict[str, float | None], base: Job, recovery: str, model: str) -> Plan | None:
    """Python's plan of what is shown; None where there is none."""
    try:
        return plan(job_of(shown, base, recovery), MODELS[model])
    except JobError:
        return None


def test_numbers_are_python_s_at_random_settings(visit: Callable[..., Any], sharded_file: Path) -> None:
    page, base, random = visit(sharded_file), Job.from_file(EXAMPLE), np.random.default_rng(2021)
    page.locator("details summary", has_text="More costs").click()
    controls = page.evaluate("CONTROLS")
    planned = dict.fromkeys(MODELS, 0)
    for at in range(SETTINGS):
        name = list(MODELS)[at % 2]
        recovery = str(random.choice(["full", "partial"]))
        done = _at_random(random, controls, 1.0 if at < BY_HAND else 0.4)
        if at < BY_HAND:
            page.locator(f"input[name=model][value={name}]").check()
            page.locator("#on-interval").check()
            page.locator("#recovery").select_option(recovery)
            for one in done:
                _set_by_hand(page, *one)
        else:
            page.evaluate(SET, [name, recovery, [("interval", "on", True), *done]])
        shown = inputs_of(page)
        answer = _answer(shown, base, recovery, name)
        if answer is None:
            assert page.inner_text("#recommended").lower() == "no plan", shown
            assert page.locator("#results").is_hidden()
            continue
        planned[name] += 1
        _compare(page, answer, base.accuracy.slope if base.accuracy else None)
    assert min(planned.values()) > 0.4 * SETTINGS  # most settings have a plan


def test_at_first_the_page_says_what_plan_says(visit: Callable[..., Any], sharded_file: Path) -> None:
    page = visit(sharded_file)
    for name, model in MODELS.items():
        page.locator(f"input[name=model][value={name}]").check()
        answer = plan(Job.from_file(EXAMPLE), model)
        _compare(page, answer)
        assert page.inner_text("#sentence") == answer.sentence


@pytest.mark.parametrize("name", list(MODELS))
def test_a_dense_job(visit: Callable[..., Any], dense_file: Path, name: str) -> None:
    page, base = visit(dense_file), load_job("preset:bloom-176b")
    assert not page.locator("#field-shards, #field-budget, #field-shard-share, #order, #chart-pls").count()
    assert "no embedding shards" in page.inner_text("#controls")
    page.locator(f"input[name=model][value={name}]").check()
    random = np.random.default_rng(7)
    for _ in range(10):
        for one in _at_random(random, [one for one in page.evaluate("CONTROLS") if one["group"] == "main"]):
            _set_by_hand(page, *one)
        answer = _answer(inputs_of(page), base, "full", name)
        if answer is None:
            assert page.inner_text("#recommended").lower() == "no plan"
        else:
            _compare(page, answer)


def test_what_the_file_leaves_out_follows(visit: Callable[..., Any], folder: Path) -> None:
    """Without load and the rest, a longer save means a longer load, more shards a shorter one of each."""
    from cprmodel.report.whatif import write_whatif

    mapping: dict[str, Any] = {
        "job": {"work": "56 h"},
        "cluster": {"embedding_shards": 8},
        "failures": {"mtbf": "28 h", "trainer_share": 0.1, "whole_job_share": 0.1},
        "checkpoint": {"save": "4 min", "reschedule": "10 min"},
        "accuracy": {"pls_budget": 0.1},
    }
    write_whatif(Job.from_mapping(mapping), folder / "follows.html")
    page = visit(folder / "follows.html")
    type_into(page, "save", "7 min")
    type_into(page, "shards", "12")
    mapping["checkpoint"]["save"] = "7 min"
    mapping["cluster"]["embedding_shards"] = 12
    _compare(page, plan(Job.from_mapping(mapping)))
    page.locator("details summary", has_text="More costs").click()
    type_into(page, "reschedule", "3 min")
    type_into(page, "load", "1 min")
    mapping["checkpoint"] |= {"reschedule": "3 min", "load": "1 min"}
    _compare(page, plan(Job.from_mapping(mapping)))
    page.locator("#control-load button").click()  # back to following
    del mapping["checkpoint"]["load"]
    _compare(page, plan(Job.from_mapping(mapping)))


def test_orders_of_saving(visit: Callable[..., Any], ordered_file: Path) -> None:
    """For the file's job, plan's own; elsewhere Python's figures at an interval that keeps the budget."""
    page, base = visit(ordered_file), load_job(ORDERED)
    answer = plan(base)
    _compare(page, answer)
    assert page.locator("#order-absent").is_hidden()
    every = page.evaluate("Object.fromEntries(ORDERS.tables.map((one) => [one.order, one.interval_s]))")
    random = np.random.default_rng(5)
    controls = [one for one in page.evaluate("CONTROLS") if one["key"] in ("mtbf", "shards", "save", "shard-share")]
    set_by = set()
    for _ in range(8):
        type_into(page, "budget", f"{10 ** random.uniform(-3.3, -0.7):.3g}")
        for one in _at_random(random, controls):
            _set_by_hand(page, *one)
        try:
            job = job_of(inputs_of(page), base)
        except JobError:  # a save longer than the MTBF
            continue
        rows = rows_of(page)
        assert set(rows) >= {f"partial-{order}" for order in every}
        for order, intervals in every.items():
            shown = rows[f"partial-{order}"]
            interval = float(shown["interval_s"][0])
            assert interval in intervals
            fraction = base.access.priority_fraction  # type: ignore[union-attr]
            saving = PrioritySave(job.save_s * fraction, fraction, order)

            def at(
                interval_s: float, saving: PrioritySave = saving, job: Job = job, name: str = f"partial-{order}"
            ) -> StrategyPlan:
                return price(job, FirstOrder(), Strategy(name, job.partial_recovery, saving, interval_s))

            one = at(interval)
            _compare_strategy(shown, one)
            error = page.evaluate(f"page.answer.strategies.find((one) => one.name === 'partial-{order}')")
            assert error["pls_standard_error"] == pytest.approx(one.pls_standard_error, rel=1e-9)
            set_by.add(error["set_by"])
            longer = [wider for wider in intervals if wider > interval]
            if error["set_by"] == BUDGET and longer:
                assert one.feasible or interval == min(intervals)
                assert not at(longer[0]).feasible
    assert len(set_by) > 1  # the budget, and the least overhead or the job's length


def test_which_orders_and_why_there_are_none(
    visit: Callable[..., Any], ordered_file: Path, sharded_file: Path
) -> None:
    page = visit(ordered_file)
    page.locator("#order").select_option("mfu")
    assert [name for name in rows_of(page) if name.startswith("partial-")] == [
        "partial-at-full-interval",
        "partial-mfu",
    ]
    page.locator("#order").select_option("none")
    assert "partial-mfu" not in rows_of(page)
    page.locator("#order").select_option("all")
    page.locator("input[name=model][value=exact]").check()
    assert "cprmodel plan --model exact" in page.inner_text("#order-absent")
    assert "partial-mfu" not in rows_of(page)
    page.locator("input[name=model][value=first-order]").check()
    page.locator("details summary", has_text="More costs").click()
    type_into(page, "work", "57 h")
    assert "a job of 56 h of work" in page.inner_text("#order-absent")
    type_into(page, "work", "56 h")
    assert "partial-mfu" in rows_of(page)
    page.locator("#on-budget").uncheck()
    assert "need a budget" in page.inner_text("#order-absent")
    other = visit(sharded_file)
    assert "no [access] section" in other.inner_text("#order-absent")
    assert other.locator("#order").is_disabled()
