"""One name for one option everywhere, pages to standard output, completion, what an interrupted command leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from cprmodel import load_job, plan
from cprmodel.cli.app import app
from cprmodel.cli.completing import policies, strategies
from cprmodel.ordering import ORDERS
from cprmodel.ordering.policies import POLICIES
from cprmodel.planning.telling import FIRST
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

ROOT = Path(__file__).parents[2]
COMMANDS = {one.name: one for one in typer.main.get_command(app).commands.values()}  # type: ignore[attr-defined]


def options(command: str) -> dict[str, list[str]]:
    """The visible options of a command: parameter and names."""
    return {
        one.name: [*one.opts, *one.secondary_opts]
        for one in COMMANDS[command].params
        if one.param_type_name == "option" and not getattr(one, "hidden", False)
    }


def test_what_a_command_writes_is_named_alike_everywhere() -> None:
    """--report for its page, and --out, -o for what else it is for."""
    found = {name: options(name) for name in COMMANDS}
    assert {name for name, given in found.items() if "report" in given} == {
        "plan",
        "simulate",
        "fit",
        "goodput",
        "accuracy",
        "sweep",
        "order",
    }
    for given in found.values():
        assert given.get("report", ["--report"]) == ["--report"]
        assert given.get("out", ["--out", "-o"]) == ["--out", "-o"]
        assert not {"output", "job_file"} & set(given)
    assert {name for name, given in found.items() if "out" in given} == {
        "fit",
        "accuracy",
        "simulate",
        "sweep",
        "whatif",
    }


def test_old_names_still_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("whatif", EXAMPLE, "--output", tmp_path / "a.html", capsys=capsys)
    run("fit", ROOT / "examples/logs/sacct.txt", "--job-file", tmp_path / "a.toml", capsys=capsys)
    run("fit", ROOT / "examples/logs/sacct.txt", "-o", tmp_path / "b.toml", capsys=capsys)
    assert (tmp_path / "a.html").exists()
    first, second = ((tmp_path / name).read_text().splitlines() for name in ("a.toml", "b.toml"))
    assert first == second


def test_a_page_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page alone; what is said goes to standard error."""
    run("plan", EXAMPLE, "--report", tmp_path / "a.html", capsys=capsys)
    out, err = run("plan", EXAMPLE, "--report", "-", capsys=capsys)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert out == page.replace(str(tmp_path / "a.html"), "-")  # the command that made it stands in it
    assert err.startswith("Recommended (*): ")
    _, err = run("plan", EXAMPLE, "--report", "-", "--json", capsys=capsys, status=2)
    assert err == "cprmodel: --report -: expected a file, since --json takes standard output\n"


def test_names_that_a_shell_offers_are_those_there_are() -> None:
    assert tuple(policies("")) == POLICIES
    planned = {one.name for one in plan(load_job(ROOT / "examples/ordered-saves.toml")).strategies}
    assert planned <= set(strategies(""))
    assert {f"partial-{order}" for order in (*ORDERS, *FIRST)} <= set(strategies(""))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cprmodel pl", ["plan"]),
        ("cprmodel plan preset:rsc", ["preset:rsc-1", "preset:rsc-2"]),
        ("cprmodel order --policy s", ["ssu", "scar"]),
    ],
)
def test_a_shell_is_offered_words(words: str, offered: list[str]) -> None:
    """As bash asks: by environment variables that its completion script sets."""
    asked = {"_CPRMODEL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    script = "import sys; sys.argv = ['cprmodel']; from cprmodel.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == offered, done.stderr


LONG = {
    "sweep": (
        "sweep {job} --vary failures.mtbf=1h:1000h:log20000 --vary checkpoint.save=1s:1h:log500 --out {out}/a.csv",
        "plans",
    ),
    "solve": (
        "solve examples/storage.toml --for failures.mtbf --until overhead<=0.05 --vary job.work=1d:9d:log999",
        "questions",
    ),
    "simulate": ("simulate examples/rotating-experts.toml --strategy full-rotating --runs 10000000", "runs"),
}


@pytest.mark.parametrize("name", LONG)
def test_an_interrupted_command_tells_what_it_found(name: str, tmp_path: Path) -> None:
    """Interrupted as late as it takes for something to be found: partial results, status 130, no file."""
    command, what = LONG[name]
    words = command.format(job=EXAMPLE, out=tmp_path).split()
    for wait_s in (3.0, 9.0, 27.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "cprmodel", *words, "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in said
        assert not os.listdir(tmp_path)
        if out:
            break
    assert f" {what}." in said
    assert said.startswith("Interrupted: ")
    data = json.loads(out)
    assert data.get("sweep", data)["interrupted"] is True


def test_presets_are_a_list_and_one_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    listed = run("presets", capsys=capsys)[0]
    assert len(listed.splitlines()) <= 12
    whole = run("presets", "preset:rsc-1", capsys=capsys)[0]
    assert "failures.nodes: chosen" in " ".join(whole.split())
    assert "failures.nodes" not in listed
