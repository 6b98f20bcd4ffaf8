"""What ``pip install cprmodel`` alone does, with the heavy parts hidden; who needs one is told its name."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel.facts.errors import JobError
from cprmodel.facts.extras import EXTRAS
from cprmodel.logs import LogOptions, read_log, tables
from tests.cli.test_commands import run

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Import names of everything that the core does not bring, what they stand on, and what only tests have.
HIDDEN = (
    *EXTRAS,
    *("llvmlite", "_polars_runtime_32", "pandas", "lifelines", "sklearn", "playwright", "dask", "distributed"),
)

SCRIPT = f"""
import sys
class Without:  # finds what another finds, but for what is hidden: as where it is not installed
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {HIDDEN!r} else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import contextlib, io, json
import cprmodel.cli
answers = []
for words in json.loads(sys.argv[1]):
    out, said = io.StringIO(), io.StringIO()
    sys.argv = ["cprmodel", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            cprmodel.cli.main()
        except SystemExit as ended:
            answers.append([ended.code or 0, out.getvalue(), said.getvalue()])
print(json.dumps(answers))
"""


def core(*commands: list[str]) -> list[tuple[int, str, str]]:
    """Commands without any of the extras, in one process: status, output and errors of each."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [(status, out, said) for status, out, said in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("times") / "times.csv"
    np.savetxt(path, np.random.default_rng(1).exponential(3600, 40), fmt="%.1f")
    return path


ALONE = (
    "plan examples/production-dlrm.toml --explain",
    "plan examples/storage.toml",
    "plan examples/ordered-saves.toml --json",
    "plan preset:deepseek-v3 --model exact",
    "interval --save 5min --mtbf 1d",
    "regret examples/production-dlrm.toml",
    "sweep examples/fleet.toml --vary failures.nodes=64:256:log3",
    "solve examples/production-dlrm.toml --for failures.mtbf --until overhead<=0.02",
    "accuracy examples/accuracy-record.csv",
    "fit examples/logs/alerts.txt",
    "presets",
    "schema",
)


def test_the_core_does_it_alone_and_as_with_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word as with all that is installed."""
    monkeypatch.chdir(ROOT)
    for command, (status, out, said) in zip(ALONE, core(*(one.split() for one in ALONE)), strict=True):
        assert status == 0, said
        assert out == run(*command.split(), capsys=capsys)[0], command


def test_times_alone_are_fitted_and_planned(times: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    ((status, out, said),) = core(["fit", str(times), "--out", str(job)])
    assert status == 0, said
    assert "MTBF" in out
    text = job.read_text().replace('#> work = "30 d"', 'work = "10 d"')
    job.write_text(text.replace('#> save = "5 min"', 'save = "20 s"'))
    ((status, out, said),) = core(["plan", str(job), "--robust"])
    assert status == 0, said
    assert out.startswith("Recommended")


MORE = (
    ("simulate examples/production-dlrm.toml", "numba", "simulate"),
    ("fit examples/logs/sacct.txt", "polars", "logs"),
    ("fit examples/logs/nodes.json", "polars", "logs"),
    ("plan examples/production-dlrm.toml --report {out}/a.html", "vl-convert-python", "report"),
    ("whatif examples/production-dlrm.toml -o {out}/a.html", "vl-convert-python", "report"),
    (
        "sweep examples/production-dlrm.toml --vary failures.mtbf=1h:9h:log3 --out {out}/a.parquet",
        "pyarrow",
        "bulk",
    ),
)


def test_who_needs_more_is_told_the_extra(tmp_path: Path) -> None:
    found = core(*(command.format(out=tmp_path).split() for command, _, _ in MORE))
    for (command, package, extra), (status, _, said) in zip(MORE, found, strict=True):
        assert status == 2, command
        (line,) = said.splitlines()
        assert package in line
        assert f'pip install "cprmodel[{extra}]"' in line
    assert not list(tmp_path.iterdir())


def test_extras_are_those_of_the_project() -> None:
    """Each is asked for under the extra that an error names; ``all`` is what is heavy, together."""
    asked = {name: " ".join(many) for name, many in PROJECT["optional-dependencies"].items()}
    for extra, package in EXTRAS.values():
        assert package in asked[extra]
        assert package not in " ".join(PROJECT["dependencies"])
    heavy = {
        one for name in ("simulate", "logs", "report", "bulk") for one in PROJECT["optional-dependencies"][name]
    }
    assert set(PROJECT["optional-dependencies"]["all"]) == heavy


CELLS = st.one_of(
    st.floats(0, 1e9, allow_nan=False).map(lambda x: f"{x:.3f}"),
    st.integers(0, 10**10).map(str),
    st.sampled_from(["", " ", "nan", "unknown", "0", "1e5", "12.", ".5", "-3", "1_000", "+7"]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELLS, st.sampled_from(["0", "1", ""])), min_size=1, max_size=12),
    st.sampled_from([("time", "failed"), ("duration_h", "event"), None]),
    st.sampled_from([",", "\t", ";", "|"]),
    st.booleans(),
)
def test_numbers_are_read_alike_without_polars(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    heading: tuple[str, str] | None,
    separator: str,
    flags: bool,
) -> None:
    """The same reading, or the same complaint, by the two ways to a table."""
    lines = [separator.join(row) if flags else row[0] for row in rows]
    if heading is not None:
        lines.insert(0, separator.join(heading) if flags else heading[0])
    path = tmp_path_factory.mktemp("log") / "times.csv"
    path.write_text("\n".join(lines) + "\n")

    def reading() -> object:
        try:
            found = read_log(path, LogOptions())
        except JobError as error:
            return str(error)
        except ImportError:
            return None
        return found.gaps_s.tolist(), found.lines(), found.rows, found.used

    usual = reading()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "has_polars", lambda: False)
        plain = reading()
    assert plain is None or plain == usual
