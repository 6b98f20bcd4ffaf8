"""An advisor's numbers as Prometheus reads them: its text format, by a reader of the test's own."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel import Advisor, load_preset
from cprmodel.advising import prometheus_text

Samples = dict[str, tuple[dict[str, str], float]]


def read(text: str) -> tuple[Samples, dict[str, str]]:
    """Samples and types of the text format 0.0.4 (prometheus.io, "Exposition formats"): one line each."""
    samples: Samples = {}
    types: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            assert re.fullmatch(r"# HELP [a-zA-Z_:][a-zA-Z0-9_:]* [^\\\n]+", line)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
        else:
            found = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"\\]|"(?:[^"\\]|\\.)*")*)\})? (\S+)', line)
            assert found, line
            labels = {}
            for name, value in re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', found[2] or ""):
                labels[name] = re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), value)
            samples[found[1]] = (labels, float(found[3].replace("Inf", "inf").replace("NaN", "nan")))
    return samples, types


@given(st.dictionaries(st.sampled_from(["job", "a_b", "_x"]), st.text(st.characters(exclude_categories=["Cs"]))))
def test_labels_come_back_whatever_is_in_them(labels: dict[str, str]) -> None:
    samples, _ = read(prometheus_text({"save_s": 1.5}, labels))
    assert samples == {"cprmodel_advisor_save_seconds": (labels, 1.5)}


@given(st.floats())
def test_numbers_come_back_to_the_last_digit(value: float) -> None:
    ((_, found),) = read(prometheus_text({"x": value}))[0].values()
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_all_that_an_advisor_says_has_a_meaning_and_a_unit() -> None:
    now = 0.0
    advisor = Advisor(load_preset("rsc-1"), state=None, clock=lambda: now)
    for _ in range(50):
        now += 600.0
        if advisor.step():
            now += 400.0
            advisor.saved(400.0)
    advisor.failed("whole_job", recovery_s=60.0)
    numbers = advisor.numbers()
    text = prometheus_text(numbers)
    samples, types = read(text)
    assert len(samples) == len(numbers) == len(types) == text.count("# HELP ")
    assert {one for one, kind in types.items() if kind == "counter"} == {one for one in samples if "_total" in one}
    assert samples["cprmodel_advisor_interval_seconds"] == ({}, advisor.interval_s)
    assert samples["cprmodel_advisor_failures_total"] == ({}, 1.0)
    assert not [one for one in samples if re.search("_s(_|$)", one)]


@pytest.mark.parametrize("bad", [{"prefix": "a b"}, {"labels": {"__name__": "x"}}, {"labels": {"1": "x"}}])
def test_what_prometheus_does_not_take_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected letters, digits and underscores"):
        prometheus_text({"x": 1.0}, **bad)
