"""A signal at any moment of a command: no traceback, nothing half written, and a status that says which it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Runs a command as ``python -m`` does, and sends itself a signal as the call of that number begins (0: never).
MOMENT = """
import os, sys

number, at = int(sys.argv[1]), int(sys.argv[2])
calls = 0


def profile(frame, event, arg):
    global calls
    calls += event == "call"
    if calls == at:
        sys.setprofile(None)
        os.kill(os.getpid(), number)


from cprmodel.cli import main

sys.argv = ["cprmodel", *sys.argv[3:]]
sys.setprofile(profile)
try:
    main()
finally:
    sys.setprofile(None)
    print(calls, file=sys.stderr)
"""


def python(folder: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A module of that name, run from a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return subprocess.run([sys.executable, "-m", name, *words], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_at_any_moment(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "moment.py").write_text(MOMENT)
    out = tmp_path / "out"
    out.mkdir()
    words = ("new", str(out / "a.toml"))
    python(tmp_path, "moment", "2", "0", *words, "--force")  # which keeps what was compiled
    calm = python(tmp_path, "moment", "2", "0", *words, "--force")
    assert calm.returncode == 0, calm.stderr
    whole, calls = (out / "a.toml").read_text(), int(calm.stderr.split()[-1])
    (out / "a.toml").unlink()
    for at in (10, 100, *(calls * part // 8 for part in range(1, 8)), calls - 400):
        done = python(tmp_path, "moment", str(int(number)), str(at), *words)
        assert "Traceback" not in done.stderr, done.stderr
        assert "Exception ignored" not in done.stderr, done.stderr
        by_system = number == signal.SIGTERM and at == 10  # not heard yet, and nothing begun
        assert done.returncode == (-number if by_system else 128 + number), (at, done.stderr)
        for name in os.listdir(out):  # it was written already, and whole
            assert (out / name).read_text() == whole
            (out / name).unlink()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        # CPython remembers an interrupt that left an exec of text, and dies by SIGINT at its end though caught
        ("exec('raise_signal(SIGINT)')", 130),
        ("exec('raise_signal(SIGTERM)')", 143),
        ("raise_signal(SIGHUP)", 129),
        # pressed twice: what is being taken away is taken away
        ("try:\n  raise_signal(SIGINT)\n finally:\n  raise_signal(SIGINT)\n  print('taken away')", 130),
        # swallowed where nobody can raise, it is heard when it comes again
        ("try:\n  raise_signal(SIGINT)\n except BaseException: time.sleep(1.1)\n raise_signal(SIGTERM)", 130),
        ("atexit.register(raise_signal, SIGTERM)", -signal.SIGTERM),  # all is done: as the system has it
        ("return lambda standalone_mode: 3", 3),
    ],
)
def test_how_it_ends(body: str, status: int, tmp_path: Path) -> None:
    program = "import atexit, time\nfrom signal import *\nfrom cprmodel.cli import run_app\n\n"
    program += f"def load():\n {body}\n return lambda standalone_mode: 0\n\nrun_app(load, 'x')\n"
    (tmp_path / "program.py").write_text(program)
    done = python(tmp_path, "program")
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    assert ("taken away" in body) == ("taken away" in done.stdout)


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    program = "from signal import *\nfrom cprmodel.cli import run_app\nsignal(SIGHUP, SIG_IGN)\n"
    program += "def load():\n raise_signal(SIGHUP)\n return lambda standalone_mode: 7\nrun_app(load, 'x')\n"
    (tmp_path / "program.py").write_text(program)
    assert python(tmp_path, "program").returncode == 7


#: Sends itself a signal when a file is whole and about to take its name.
RENAME = """
import os, sys

number, name, replace = int(sys.argv[1]), sys.argv[2], os.replace


def about_to(source, target):
    if str(target).endswith(name):
        os.kill(os.getpid(), number)
    replace(source, target)


os.replace = about_to
from cprmodel.cli import main

sys.argv = ["cprmodel", *sys.argv[3:]]
main()
"""


@pytest.mark.parametrize(
    ("number", "command"),
    [
        (signal.SIGINT, "new {out} --force"),
        (signal.SIGTERM, "plan examples/production-dlrm.toml --report {out}"),
        (signal.SIGINT, "fit examples/logs/sacct.txt --report {out}"),
        (signal.SIGTERM, "fit examples/logs/sacct.txt --job-file {out}"),
        (signal.SIGINT, "accuracy examples/accuracy-record.csv --out {out}"),
        (signal.SIGTERM, "accuracy examples/accuracy-record.csv --report {out}"),
        (signal.SIGINT, "goodput examples/logs/run.jsonl --report {out}"),
        (signal.SIGTERM, "whatif examples/production-dlrm.toml -o {out}"),
        (signal.SIGINT, "order examples/shards.csv --budget 2GB/s --schedule {out} --slots 5 --policy uniform"),
        (signal.SIGHUP, "sweep examples/production-dlrm.toml --vary failures.mtbf=1h:1000h:log20 --out {out}"),
    ],
)
def test_at_the_last_moment_the_old_file_stays(number: signal.Signals, command: str, tmp_path: Path) -> None:
    (tmp_path / "rename.py").write_text(RENAME)
    out = tmp_path / "out" / "a.csv"
    out.parent.mkdir()
    out.write_text("precious")
    words = [word.replace("examples", str(ROOT / "examples")) for word in command.format(out=out).split()]
    done = python(tmp_path, "rename", str(int(number)), out.name, *words)
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(out.parent) == [out.name]
    assert out.read_text() == "precious"
