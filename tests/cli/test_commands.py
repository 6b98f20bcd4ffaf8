"""The command as a person or a script meets it: whole processes where it matters, one line where it is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cprmodel import Exact, Job, formulas, plan
from cprmodel.cli import main
from cprmodel.presets import preset_names
from tests.conftest import EXAMPLE, literature


def run(*arguments: object, capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[str, str]:
    """The command in this process: its exit status checked, its output and errors returned."""
    old = sys.argv
    sys.argv = ["cprmodel", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        sys.argv = old
    out, err = capsys.readouterr()
    assert caught.value.code == status, err
    return out, err


def test_plan_prints_strategies_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run("plan", EXAMPLE, capsys=capsys)
    assert not err
    for text in ("full", "partial *", "current", "155,538", "15.1%", "Recommended (*)", "hours saved a month"):
        assert text in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_plan_json(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("plan", EXAMPLE, "--json", capsys=capsys)
    answer = json.loads(out)
    assert answer == json.loads(json.dumps(plan(Job.from_file(EXAMPLE)).to_dict()))
    assert answer["schema_version"] == 1
    assert {"cprmodel_version", "inputs", "recommended", "warnings", "strategies"} <= set(answer)
    assert [one["name"] for one in answer["strategies"]] == [
        "full",
        "partial-at-full-interval",
        "partial",
        "current",
    ]
    for one in answer["strategies"]:
        assert set(one["breakdown"]) == {"save", "load", "lost", "reschedule", "fewer_nodes", "stragglers"}
        assert sum(one["breakdown"].values()) == pytest.approx(one["overhead_fraction"], rel=1e-14)
        assert {"feasible", "model", "interval_s", "expected_pls", "expected_metric_drop"} <= set(one)


def test_plan_exact(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("plan", EXAMPLE, "--json", "--model", "exact", capsys=capsys)
    answer = json.loads(out)
    assert {one["model"] for one in answer["strategies"]} == {"exact"}
    assert (
        answer["strategies"]
        == json.loads(json.dumps(plan(Job.from_file(EXAMPLE), Exact()).to_dict()))["strategies"]
    )


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("model", ["first-order", "exact"])
def test_every_preset_plans_and_explains(name: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run("plan", f"preset:{name}", "--model", model, "--explain", capsys=capsys)
    assert not err
    assert "source: " in out
    assert "valid: " in out


def test_explain_prints_numbers_in_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("plan", EXAMPLE, "--explain", capsys=capsys)
    assert "= sqrt(2)*sqrt(C*μ)" in out
    assert "= sqrt(2)*sqrt(4 min*28 h)" in out
    assert "[derived here" in out
    assert "CACM 17(9), 1974" in out


def test_interval(capsys: pytest.CaptureFixture[str]) -> None:
    for row in literature("daly")["interval"]:
        out, _ = run(
            "interval",
            "--save",
            f"{row['save_min']} min",
            "--mtbf",
            f"{row['mtbf_min']} min",
            "--json",
            capsys=capsys,
        )
        answer = json.loads(out)
        assert answer["young_1974_s"] / 60 == pytest.approx(row["young_min"], abs=6e-4)
        assert answer["daly_2006_s"] / 60 == pytest.approx(row["eq37_min"], abs=6e-4)
        assert answer["exact_s"] / 60 == pytest.approx(row["exact_min"], abs=6e-4)
        assert answer["overhead"]["exact"] <= min(answer["overhead"].values())
    out, _ = run(
        "interval", "--save", "5 min", "--mtbf", "24 h", "--load", "5 min", "--reschedule", "0 s", capsys=capsys
    )
    assert "Young 1974" in out
    assert "1 h 57 min" in out


def test_interval_really_costs(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(
        "interval",
        "--save",
        "5 min",
        "--mtbf",
        "24 h",
        "--load",
        "4 min",
        "--reschedule",
        "9 min",
        "--json",
        capsys=capsys,
    )
    costs = json.loads(out)["overhead"]["young_1974"]
    tau = formulas.young_1974(300, 86400)
    assert costs == pytest.approx(formulas.full_recovery_chunk(tau, 300, 86400, 240, 540) / tau - 1)


def test_interval_warns_plainly_out_of_range(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("interval", "--save", "5 min", "--mtbf", "2 min", capsys=capsys)
    assert "warning: Young 1974: C/μ = 2.5" in out
    assert "warning: Daly 2006" in out
    out, _ = run("interval", "--save", "1000 h", "--mtbf", "1 s", capsys=capsys)
    assert "never ends" in out
    assert "nan" not in out
    out, _ = run("interval", "--save", "1000 h", "--mtbf", "1 s", "--json", capsys=capsys)
    assert json.loads(out)["overhead"]["exact"] is None


def test_presets(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("presets", capsys=capsys)
    for name in preset_names():
        assert f"preset:{name}" in out
    whole = json.loads(run("presets", "--json", capsys=capsys)[0])
    for name in preset_names():
        job = whole[name]
        keys = {
            f"{table}.{key.removesuffix('_bytes_per_s').removesuffix('_bytes').removesuffix('_s')}"
            for table in ("job", "cluster", "failures", "checkpoint", "accuracy")
            for key, value in job.get(table, {}).items()
            if (key, value) not in DEFAULTS
        }
        assert keys == set(job["preset"]["sources"]), name  # each figure has its source, no source lacks its figure


DEFAULTS = [
    ("current_recovery", "full"),
    ("trainer_share", 0.0),
    ("whole_job_share", 0.0),
    ("shards_per_failure", 1.0),
    ("detect_s", 0.0),
    ("retained", 2),
    ("surely", 0.9999),
]


def test_new_writes_a_file_that_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "JOB.toml"
    run("new", path, capsys=capsys)
    assert plan(Job.from_file(path)).recommended == "partial"
    path.write_text("mine")
    _, err = run("new", path, capsys=capsys, status=2)
    assert "--force" in err
    assert path.read_text() == "mine"
    run("new", path, "--force", capsys=capsys)
    assert "[job]" in path.read_text()


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert "embedding_shards" in json.loads(run("schema", capsys=capsys)[0])["$defs"]["Cluster"]["properties"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plan", "nope.toml"], "nope.toml: expected a job file, but there is no such file"),
        (["plan", "preset:nope"], "preset:nope: expected a known preset: bloom-176b"),
        (["plan"], "JOB.toml"),
        (["plan", EXAMPLE, "--model", "guess"], "'first-order', 'exact'"),
        (["plan", EXAMPLE, "--report", "/nowhere/at/all.html"], "/nowhere/at/all.html: expected"),
        (["plan", EXAMPLE, "--nope"], "--nope"),
        (["frobnicate"], "frobnicate"),
        (
            ["interval", "--save", "5", "--mtbf", "24 h"],
            '--save: expected a time with its unit, such as "30 min", not "5"',
        ),
        (["interval", "--save", "5 min", "--mtbf", "24 GB"], "--mtbf: expected a time"),
        (["interval", "--save", "0 s", "--mtbf", "24 h"], "--save: expected a time greater than 0"),
        (["interval", "--save", "-5 min", "--mtbf", "24 h"], "--save: expected a time greater than 0"),
        (["interval", "--save", "5 min"], "--mtbf"),
        (["new", "/nowhere/JOB.toml"], "/nowhere/JOB.toml"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[object], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = run(*arguments, capsys=capsys, status=2)
    assert err.startswith("cprmodel: ")
    assert len(err.splitlines()) == 1
    assert expected in err
    assert "Traceback" not in err


def test_a_job_that_never_ends_names_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "JOB.toml"
    path.write_text(EXAMPLE.read_text().replace('reschedule = "9 min"', 'reschedule = "9000 h"'))
    _, err = run("plan", path, "--model", "exact", capsys=capsys, status=2)
    assert err.startswith(f"cprmodel: {path}: expected a job that some strategy can finish")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert "interval" in run(capsys=capsys)[0]
    assert "--explain" in run("plan", "--help", capsys=capsys)[0]
    assert run("--version", capsys=capsys)[0].startswith("cprmodel 0.")


HEAVY = {"sympy", "altair", "vl_convert", "jinja2", "mpmath", "pandas", "scipy.optimize", "scipy.stats"}


def loaded_by(*arguments: object) -> set[str]:
    code = (
        "import sys\n"
        "sys.modules['dask'] = None  # pint would load it where it is installed, as the tests need it\n"
        "import cprmodel.cli\n"
        f"sys.argv = {['cprmodel', *map(str, arguments)]!r}\n"
        "try: cprmodel.cli.main()\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out[out.index("MODULES") :].split())


def test_light_commands_load_nothing_heavy() -> None:
    assert not loaded_by("interval", "--save", "5 min", "--mtbf", "24 h") & (HEAVY | {"rich"})
    assert not loaded_by("plan", EXAMPLE, "--json") & (HEAVY | {"rich"})
    assert not loaded_by("plan", EXAMPLE) & HEAVY
    assert not loaded_by("plan", EXAMPLE, "--model", "exact") & HEAVY
    assert not loaded_by("--version") & (HEAVY | {"numpy", "pint"})


#: What a plan of saves that block, with an MTBF that is given, needs of the package.
OF_A_PLAIN_PLAN = {
    "cprmodel": {"loading"},
    "cli": None,  # thin: each command loads its own room
    "costing": {"blocking", "kinds", "models", "rotating", "saving", "terms", "which"},
    "facts": None,
    "formulas": None,
    "jobs": None,
    "ordering": {"kind", "ways"},
    "planning": {
        "candidates",
        "changes",
        "choosing",
        "planner",
        "pricing",
        "ranking",
        "result",
        "scatter",
        "telling",
        "upkeep",
    },
    "presets": set(),
    "report": {"drawers", "plan_table", "text"},
}


def test_a_plain_plan_loads_what_it_needs_alone() -> None:
    loaded = {name for name in loaded_by("plan", EXAMPLE) if not name.startswith("_")}
    for name in sorted(one for one in loaded if one.startswith("cprmodel.")):
        room, _, module = name.removeprefix("cprmodel.").partition(".")
        if not module and room in OF_A_PLAIN_PLAN["cprmodel"]:
            continue
        assert room in OF_A_PLAIN_PLAN, name
        allowed = OF_A_PLAIN_PLAN[room]
        assert not module or allowed is None or module in allowed, name


def test_importing_the_package_costs_next_to_nothing() -> None:
    code = "import sys, cprmodel; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not set(out.split()) & (HEAVY | {"numpy", "pydantic", "pint"})


def test_as_a_module_and_through_a_closed_pipe() -> None:
    command = f"{sys.executable} -m cprmodel presets | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("preset:")
    assert "Traceback" not in done.stderr


def test_files_are_there_though_nobody_reads_what_is_printed(tmp_path: Path) -> None:
    """`| head` closes the pipe at the first line: what was asked for in files had been lost."""
    (tmp_path / "log.csv").write_text("time,event\n" + "3,1\n5,1\n" * 8)
    commands = ("fit log.csv --out job.toml --report fit.html", f"plan {EXAMPLE.resolve()} --report plan.html")
    for command in commands:
        line = f"{sys.executable} -m cprmodel {command} | true"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.html", "job.toml", "log.csv", "plan.html"]


def test_a_report_never_lands_on_the_job_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "JOB.toml"
    path.write_text(EXAMPLE.read_text())
    _, err = run("plan", path, "--report", path, capsys=capsys, status=2)
    assert "another file than the one that is read" in err
    assert path.read_text() == EXAMPLE.read_text()
    _, err = run("plan", path, "--report", "", capsys=capsys, status=2)
    assert "--report: expected the path of a file" in err


def test_a_report_goes_through_links_and_keeps_the_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    run("plan", EXAMPLE, "--report", link, capsys=capsys)
    assert link.is_symlink()
    assert target.read_text().startswith("<!DOCTYPE html>")
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_report_to_a_device_leaves_it_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", EXAMPLE, "--report", "/dev/null", capsys=capsys)
    assert Path("/dev/null").is_char_device()


def test_json_with_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(run("plan", EXAMPLE, "--json", "--explain", capsys=capsys)[0])
    assert any("sqrt(4 min*28 h)" in line for line in answer["explanation"])


@pytest.mark.parametrize("columns", ["0", "1", "40", "200"])
def test_any_terminal_width_and_no_greek(columns: str) -> None:
    environment = {**os.environ, "COLUMNS": columns, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "cprmodel", "plan", str(EXAMPLE), "--explain"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "rescheduling" in done.stdout
    assert not done.stderr


def test_no_control_characters_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "JOB.toml"
    path.write_text(EXAMPLE.read_text().replace('detect = "1 min"', 'detect = "\\u001b[31m\\n 4 min"'))
    _, err = run("plan", path, capsys=capsys, status=2)
    assert "\x1b" not in err
    assert r"\x1b[31m 4 min" in err
    path.write_text(EXAMPLE.read_text() + '[preset]\ntitle = "\\u001b[31mred"\n')
    out, _ = run("plan", path, capsys=capsys)
    assert "\x1b" not in out


def test_a_dense_job_has_no_rows_about_lost_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dense.toml"
    file.write_text(
        '[job]\nwork = "30 d"\n[failures]\nmtbf = "1 d"\n[checkpoint]\nsave = "4 min"\n'
        "[accuracy]\npls_budget = 0.1\n"
    )
    out, _ = run("plan", file, capsys=capsys)
    assert "PLS" not in out
    assert "keeps the budget" not in out
