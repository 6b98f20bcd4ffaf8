"""Processes that are forked from a warm one are processes like any other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from validation.processes.launcher import LocalLauncher
from validation.processes.nursery import gpu_in_use
from validation.processes.warm import WarmLauncher, _Nursery, _nursery

PROGRAM = """
import json, os, sys, time
secret = sys.stdin.readline().strip() if sys.argv[1] != "deaf" else ""
print(json.dumps([secret, sys.argv[1:], os.getcwd(), os.environ.get("COLOUR"), os.getsid(0) == os.getpid(), __name__]), flush=True)
if sys.argv[1] == "exit":
    sys.exit(int(sys.argv[2]))
if sys.argv[1] == "say":
    sys.exit("no more")
if sys.argv[1] == "raise":
    raise ValueError("of its own")
if sys.argv[1] == "listen":
    sys.stdin.read()
    sys.exit(9)
time.sleep(60)
"""  # noqa: E501


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "some_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("COLOUR", "green")
    monkeypatch.chdir(tmp_path)
    return "some_program"


def gone(pid: int) -> bool:
    """Dead, though perhaps not yet fetched by the system's first process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("launcher", [LocalLauncher, WarmLauncher])
@pytest.mark.parametrize(
    ("arguments", "status", "last"),
    [(["exit", "7"], 7, "__main__"), (["say"], 1, "no more"), (["raise"], 1, "ValueError: of its own")],
)
def test_it_is_told_and_says_what_a_new_one_is_and_does(
    launcher: type[LocalLauncher], arguments: list[str], status: int, last: str, program: str, tmp_path: Path
) -> None:
    here = launcher(tmp_path / "logs")
    process = here.start("one", program, arguments, "a secret")
    assert wait([process], timeout=60) == [process]
    assert process.wait() == status
    assert process.dead
    assert process.wait() == status  # however often it is asked
    said = (tmp_path / "logs" / "one.log").read_text()
    assert json.loads(said.splitlines()[0]) == ["a secret", arguments, str(tmp_path), "green", True, "__main__"]
    assert last in here.last_line("one")


def test_signals_reach_it_and_it_alone(program: str, tmp_path: Path) -> None:
    here = WarmLauncher(tmp_path / "logs")
    first, second = (here.start(name, program, ["sleep"], "x") for name in ("first", "second"))
    first.send_signal(signal.SIGSTOP)
    assert not wait([first, second], timeout=0.2)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    first.send_signal(signal.SIGKILL)  # to nobody
    assert not second.dead
    second.send_signal(signal.SIGTERM)
    assert second.wait() == -signal.SIGTERM


def test_what_it_hears_ends_with_the_one_that_started_it(program: str, tmp_path: Path) -> None:
    process = WarmLauncher(tmp_path / "logs").start("one", program, ["listen"], "x")
    os.close(process._told)  # type: ignore[attr-defined]
    assert wait([process], timeout=60)
    process._told = os.dup(2)  # type: ignore[attr-defined]
    assert process.wait() == 9


def test_a_nursery_that_is_killed_takes_its_own_along_and_is_followed_by_another(
    program: str, tmp_path: Path
) -> None:
    here = WarmLauncher(tmp_path / "logs")
    process = here.start("one", program, ["sleep"], "x")
    _nursery._process.kill()
    assert wait([process], timeout=60)
    assert process.wait() == -signal.SIGKILL
    assert here.start("two", program, ["exit", "0"], "x").wait() == 0


def test_without_a_nursery_it_is_started_afresh(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_nursery, "fork", lambda wish, descriptors: None)
    before = len(os.listdir("/proc/self/fd"))
    assert WarmLauncher(tmp_path / "logs").start("one", program, ["exit", "3"], "x").wait() == 3
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("begun", [False, True])
def test_where_a_gpu_is_in_use_nothing_is_forked(
    begun: bool, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that the nursery loads has begun to use one: the process is started afresh, each time."""
    (tmp_path / "greedy.py").write_text(
        "import sys\nimport types\ntorch = types.ModuleType('torch')\n"
        f"torch.cuda = types.SimpleNamespace(is_initialized=lambda: {begun})\nsys.modules['torch'] = torch\n"
    )
    monkeypatch.setattr("validation.processes.warm._LOADED", ("greedy",))
    own = _Nursery()
    monkeypatch.setattr("validation.processes.warm._nursery", own)
    before = len(os.listdir("/proc/self/fd"))
    try:
        for number in range(2):
            process = WarmLauncher(tmp_path / "logs").start(f"p{number}", program, ["exit", "5"], "a secret")
            parent = int(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            assert (parent == os.getpid()) == begun
            assert (parent == own._process.pid) != begun
            assert process.wait() == 5
            said = json.loads((tmp_path / "logs" / f"p{number}.log").read_text())
            assert said[:2] == ["a secret", ["exit", "5"]]
        assert len(os.listdir("/proc/self/fd")) == before + 1  # the line to the nursery
    finally:
        own.end()


def test_a_gpu_that_was_begun_past_torch_is_seen_by_its_open_devices(tmp_path: Path) -> None:
    """As by NVML, or by ``torch.cuda.is_available()``, after which torch says that nothing is initialised."""
    assert not gpu_in_use()
    for name, target in (("0", "/dev/null"), ("1", "socket:[7]"), ("2", "/dev/nvidiactl")):
        (tmp_path / name).symlink_to(target)
        assert gpu_in_use(str(tmp_path)) == (name == "2")


def test_what_a_nursery_loads_begins_no_gpu() -> None:
    """Nothing that it imports asks torch for one, which would be enough."""
    code = """
import importlib, torch
from validation.processes.warm import _LOADED
asked = []
def watch(module, name):
    real = getattr(module, name)
    def watched(*arguments, **named):
        asked.append(name)
        return real(*arguments, **named)
    setattr(module, name, watched)
for name in ("is_available", "device_count", "init", "_lazy_init", "current_device", "get_device_properties"):
    watch(torch.cuda, name)
watch(torch._C, "_accelerator_getAccelerator")
for name in _LOADED:
    importlib.import_module(name)
print(asked)
torch.accelerator.current_accelerator()
assert asked  # who asks is noticed
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_whoever_started_them_takes_them_along_even_when_killed_and_they_stopped(
    program: str, tmp_path: Path
) -> None:
    (tmp_path / "starter.py").write_text(
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from validation.processes.warm import WarmLauncher\n"
        "here = WarmLauncher(Path(sys.argv[1]))\n"  # no guard against being imported: it runs once all the same
        f"started = [here.start(str(number), '{program}', ['deaf'], 'x') for number in range(3)]\n"
        "started[1].send_signal(signal.SIGSTOP)\n"
        "print(*[one.pid for one in started], flush=True)\n"
        "time.sleep(60)\n"
    )
    search = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    command = [sys.executable, str(tmp_path / "starter.py"), str(tmp_path / "logs")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": search}
    ) as starter:
        assert starter.stdout
        numbers = [int(word) for word in starter.stdout.readline().split()]
        assert len(numbers) == 3
        starter.kill()
    until = time.monotonic() + 30
    while not all(map(gone, numbers)):
        assert time.monotonic() < until
        time.sleep(0.01)
