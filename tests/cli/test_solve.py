"""``cprmodel solve``, as a user calls it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

QUESTION = ("solve", EXAMPLE, "--for", "job.current_interval", "--until")


def test_ranges_in_words_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    vary = ("--vary", "checkpoint.reschedule=1 min,9 h")
    out, _ = run(*QUESTION, "effective_time >= 0.9", *vary, capsys=capsys)
    text = " ".join(out.split())
    assert "for which effective_time >= 0.9, by current (first-order), checkpoint.reschedule = 60 s: from" in text
    assert "none from 1.8 s to 56 h: the highest is 71.8%" in text
    assert "each end was planned, and meets the target" in text
    out, _ = run(*QUESTION, "effective_time >= 0.9", *vary, "--json", capsys=capsys)
    first, second = json.loads(out)["answers"]
    assert first["varied"] == {"checkpoint.reschedule": "60 s"}
    assert len(first["ranges"]) == 1
    assert second["ranges"] == []


def test_a_finish_date(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("solve", EXAMPLE, "--for", "checkpoint.save", "--until", "finish_p90 <= 2026-12-03", "--start")
    out, _ = run(*asked, "2026-12-01", "--points", 7, capsys=capsys)
    text = " ".join(out.split())
    assert "finish_p90 2026-12-03" in text
    assert "from 2,000 played runs for each value" in text


@pytest.mark.parametrize(
    ("more", "apart"),
    [
        (("checkpoint.save",), "1.4% apart"),  # 1,000 values over a factor of a million: 1e6 to the 1/999
        (("failures.mtbf", "--between", "1 h:10000 h", "--points", 3), "each 100 times the one before"),
        (("accuracy.pls_budget", "--between", "0.1:0.2", "--points", 11), "0.01 apart"),
    ],
)
def test_it_says_in_plain_words_what_may_be_missed(
    more: tuple[str | int, ...], apart: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run("solve", EXAMPLE, "--until", "pls <= 0.5", "--for", *more, capsys=capsys)
    assert (
        f"meets the target; the values tried there are {apart}, so a range that lies between two of them may be "
        "missed: give more --points, or a narrower --between, to look closer"
    ) in " ".join(out.split())


def test_components_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "job.toml"
    text = (EXAMPLE.parent / "components.toml").read_text()
    name = tomllib.loads(text)["failures"]["component"][0]["name"]
    file.write_text(f'{text}\n[[failures.component]]\nname = "{name}"\nfit = 3\n')
    out, err = run("plan", file, capsys=capsys, status=2)
    assert not out
    assert f'.name = "{name}": expected a name of its own, which failures.component.0 has' in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("pls <= 1", "--between", "1 s"), '--between: expected LOW:HIGH, not "1 s"'),
        (("pls <= 1", "--vary", "job.current_interval=1h,2h"), "expected another key than that of --for"),
        (("pls <= 1", "--vary", "checkpoint.load=1s:1h:log2000"), "expected at most 1000 combinations, not 2,000"),
        (("pls <= 1", "--minimise", "dollars"), "cost: expected a table of prices"),
        (("pls <= 1", "--vary", "checkpoint.save=1000 h"), "expected a save that is not longer than"),
    ],
)
def test_mistakes_are_one_line(more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(*QUESTION, *more, capsys=capsys, status=2)
    assert not out
    assert said in err
    assert err.count("\n") == 1
