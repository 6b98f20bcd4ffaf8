"""Commands that are interrupted, terminated, or out of space leave nothing half done behind."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cprmodel.cli import run_app
from cprmodel.cli.ending import Ending

ROOT = Path(__file__).parents[2]
JOB = ROOT / "examples" / "production-dlrm.toml"

#: Commands that take long, and what they write; {out} is the folder.
SWEEP = "sweep {job} --vary failures.mtbf=1h:1000h:log20000 --vary checkpoint.save=1s:1h:log500"
LONG = {
    "sweep to CSV": f"{SWEEP} --out {{out}}/a.csv",
    "sweep to Parquet": f"{SWEEP} --out {{out}}/a.parquet",
    "simulate": "simulate examples/storage.toml --runs 10000000 --report {out}/a.html",
    "order": "order --zipf 1.1 --rows 100000000 --row-bytes 64 --budget 2GB/s --intervals {out}/a.npy",
    "whatif": "whatif {job} -o {out}/a.html",
    "plan": "plan {job} --model exact --report {out}/a.html",
    "fit": "fit {times} --report {out}/a.html",
    "accuracy": "accuracy {record} --report {out}/a.html",
    "solve": "solve examples/storage.toml --for failures.mtbf --until overhead<=0.05 --vary job.work=1d:9d:log999",
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Inputs that take seconds."""
    folder, random = tmp_path_factory.mktemp("large"), np.random.default_rng(1)
    np.savetxt(folder / "times.csv", np.cumsum(random.weibull(0.7, 500_000) * 3600), fmt="%.3f")
    seeds, lost = np.repeat(np.arange(20_000), 4), np.tile([0.01, 0.03, 0.1, 0.3], 20_000)
    rows = np.column_stack([seeds, lost, lost * 0.01 + random.normal(0, 1e-4, len(lost))])
    np.savetxt(
        folder / "record.csv", rows, fmt=["%d", "%g", "%.8f"], delimiter=",", header="seed,pls,drop", comments=""
    )
    return {"times": folder / "times.csv", "record": folder / "record.csv"}


def start(command: str, out: Path, **files: Path) -> subprocess.Popen[str]:
    words = command.format(job=JOB, out=out, **files).split()
    return subprocess.Popen(
        [sys.executable, "-m", "cprmodel", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", LONG)
def test_a_command_that_is_ended_leaves_nothing(
    name: str, number: signal.Signals, tmp_path: Path, large: dict[str, Path]
) -> None:
    """In the middle: as soon as it has begun to write beside, or after a while."""
    (tmp_path / "out").mkdir()
    process = start(LONG[name], tmp_path / "out", **large)
    until = time.monotonic() + (1.5 if name in ("fit", "accuracy", "solve") else 4.0)
    while not os.listdir(tmp_path / "out") and time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    left = os.listdir(tmp_path / "out")
    if left:  # it was faster
        assert name in ("whatif", "plan", "fit", "accuracy")
        assert left == ["a.html"]
        assert (tmp_path / "out" / "a.html").read_text().endswith("</html>")
    else:
        assert process.returncode == 128 + number, said


def full_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("new {out}/a.toml --force", "a.toml"),
        ("plan {job} --report {out}/a.html", "a.html"),
        ("whatif {job} -o {out}/a.html", "a.html"),
        ("sweep {job} --vary failures.mtbf=1h:1000h:log200 --out {out}/a.csv", "a.csv"),
        ("sweep {job} --vary failures.mtbf=1h:1000h:log2000 --out {out}/a.parquet", "a.parquet"),
        ("order --zipf 1.1 --rows 100000 --row-bytes 64 --budget 2GB/s --intervals {out}/a.npy", "a.npy"),
        ("order {shards} --budget 2GB/s --schedule {out}/a.csv --slots 1000", "a.csv"),
        ("simulate {job} --runs 1000 --report {out}/a.html", "a.html"),
    ],
)
def test_a_full_disk_is_blamed_on_the_file_and_leaves_the_old_one(command: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    words = command.format(job=JOB, out=tmp_path, shards=ROOT / "examples" / "shards.csv").split()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path.parent)}  # its charts' cache fails as well
    done = subprocess.run(
        [sys.executable, "-m", "cprmodel", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=full_disk,
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(f"cprmodel: {tmp_path / name}: expected a file that can be read or written (")
    assert "oo large" in line
    assert "Traceback" not in done.stderr
    assert (tmp_path / name).read_text() == "precious"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("command", ["presets", "plan {job}", "schema"])
def test_a_full_standard_output_is_one_line(command: str) -> None:
    words = command.format(job=JOB).split()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cprmodel", *words], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == (
        "cprmodel: standard output: expected a file that can be read or written (No space left on device)\n"
    )


#: Runs commands one after the other; when a file is whole and about to take its name, waits for the other process.
TOGETHER = """
import hashlib, json, os, sys, time

me, other, out, replace, met = sys.argv[1], sys.argv[2], sys.argv[3], os.replace, 0


def together(source, target):
    global met
    if os.path.dirname(target) == out:
        met += 1
        with open(source, "rb") as file, open(f"{me}-{met}", "w") as told:
            told.write(f"{os.path.basename(target)} {hashlib.sha256(file.read()).hexdigest()}")
        until = time.monotonic() + 60
        while not os.path.exists(f"{other}-{met}"):
            assert time.monotonic() < until, (me, target)
            time.sleep(0.001)
    replace(source, target)


os.replace = together
from cprmodel.cli import main

for words in json.load(sys.stdin):
    sys.argv = ["cprmodel", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (words, ended.code)
print(met)
"""

#: All that a command writes.
WRITE = (
    "new {out}/new.toml --force",
    "plan {job} --report {out}/plan.html",
    "whatif {job} -o {out}/whatif.html",
    "sweep {job} --vary failures.mtbf=1h:1000h:log20 --out {out}/sweep.csv --report {out}/sweep.html",
    "sweep {job} --vary failures.mtbf=1h:1000h:log20 --out {out}/sweep.parquet",
    "simulate {job} --runs 20 --workers 1 --report {out}/simulate.html",
    "order {examples}/shards.csv --budget 2GB/s --schedule {out}/order.csv --slots 5 --report {out}/order.html",
    "order --zipf 1.1 --rows 1000 --row-bytes 64 --budget 2GB/s --intervals {out}/order.npy --policy uniform",
    "fit {examples}/logs/sacct.txt --report {out}/fit.html --job-file {out}/fit.toml",
    "accuracy {examples}/accuracy-record.csv --out {out}/model.json --report {out}/accuracy.html",
    "goodput {examples}/logs/run.jsonl --report {out}/goodput.html",
)


def test_two_processes_write_the_same_outputs(tmp_path: Path) -> None:
    """Both are about to give each file its name: what is there is one's or the other's, and nothing is left."""
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "together.py").write_text(TOGETHER)
    commands = [line.format(job=JOB, examples=JOB.parent, out=out).split() for line in WRITE]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "together", *names, str(out)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for names in (("a", "b"), ("b", "a"))
    ]
    for one in both:
        assert one.stdin
        one.stdin.write(json.dumps(commands))
        one.stdin.close()
        one.stdin = None
    for one in both:
        said, wrong = one.communicate(timeout=120)
        assert one.returncode == 0, wrong
        assert said.split()[-1] == "15"
    for met in range(1, 16):
        name, one_hash = (tmp_path / f"a-{met}").read_text().split()
        other_name, other_hash = (tmp_path / f"b-{met}").read_text().split()
        assert name == other_name
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() in (one_hash, other_hash)
    assert sorted(os.listdir(out)) == sorted((tmp_path / f"a-{met}").read_text().split()[0] for met in range(1, 16))


def test_intervals_are_what_numpy_saves(tmp_path: Path) -> None:
    process = start("order --zipf 1.1 --rows 1000 --row-bytes 64 --budget 2GB/s --intervals {out}/a.npy", tmp_path)
    process.communicate()
    assert process.returncode == 0
    found = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert found.shape == (1000,)
    np.save(tmp_path / "b.npy", found)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_a_signal_that_comes_as_a_command_ends_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its last line and the moment from which the process may be ended at once."""

    class Late(Ending):
        def end(self) -> None:
            if not self._over:
                self._over = True
                raise KeyboardInterrupt
            super().end()

    monkeypatch.setattr("cprmodel.cli.Ending", Late)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as ended:
            run_app(lambda: lambda standalone_mode: 130, "cprmodel")
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert ended.value.code == 130
