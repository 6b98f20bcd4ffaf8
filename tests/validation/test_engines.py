"""What a case says of the machines that its processes stand on; nothing here needs a cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from tests.validation.helpers import small, train
from tests.validation.test_shards import Heard
from validation.case import Case
from validation.engines.guest import Guest
from validation.shards.desk import desk

RAY = {"name": "ray"}


def test_a_gpu_is_asked_for_where_the_device_is_one() -> None:
    case = small(engine=RAY, shards={"device": "cuda"})
    assert case.needs_of("shard") == {"CPU": 1.0, "GPU": 1.0}
    assert case.needs_of("trainer") == {"CPU": 1.0}
    shared = {**RAY, "shard_resources": {"CPU": 0.5, "GPU": 0.25}, "trainer_resources": {"head": 1}}
    case = small(engine=shared, shards={"device": "cuda"})
    assert case.needs_of("shard") == {"CPU": 0.5, "GPU": 0.25}
    assert case.needs_of("trainer") == {"head": 1.0}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"engine": {"name": "slurm"}}, "engine.name"),
        ({"engine": {"address": "auto"}}, 'engine.name = "local": expected "ray", where address is said'),
        ({"engine": {**RAY, "shard_resources": {"CPU": -1}}}, "engine.shard_resources"),
        (
            {"plan": [{"shards": [0], "step": 3, "node": True}]},
            'failures.plan.node = true: expected [engine] name = "ray"',
        ),
        ({"engine": RAY, "plan": [{"shards": [0, 1], "step": 3, "node": True}]}, "a shard failure of one shard"),
        ({"engine": RAY, "plan": [{"kind": "trainer", "step": 3, "node": True}]}, "a shard failure of one shard"),
        (
            {"engine": RAY, "plan": [{"shards": [0], "step": 3, "node": True, "hang": True}]},
            "and no hang beside it",
        ),
    ],
)
def test_what_no_engine_can_do_is_one_line(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as caught:
        small(**tables)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_ray_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(
        JobError, match=r'engine.name = "ray": expected Ray, which is not installed \(pip install ray\)'
    ):
        train(small(engine=RAY), tmp_path / "run")


def test_a_folder_that_a_node_does_not_see_is_named(tmp_path: Path) -> None:
    """Before the process becomes anything: this one goes on."""
    status, said = Guest().run({"logs": str(tmp_path / "nowhere")})
    assert status == 1
    assert said.startswith(
        f"{tmp_path}/nowhere: expected the run's folder on every node, on a file system that all share"
    )


def test_the_example_is_a_case() -> None:
    case = Case.from_file(Path(__file__).parents[2] / "validation" / "cases" / "ray.toml")
    assert case.engine.name == "ray"
    assert [failure.node for failure in case.failure_plan()] == [False, True, False]


COUNTS = """
import json, mmap, os, sys, threading
from validation.engines.guest import _obey
from validation.shards.places import at_desk
place, path = sys.argv[1:]
line = at_desk(place, "key")
line.send_bytes(json.dumps({"life": "token", "pid": os.getpid()}).encode())
threading.Thread(target=_obey, args=(line, os.dup(0)), daemon=True).start()
with open(path, "r+b") as file:
    shared = mmap.mmap(file.fileno(), 8)
number = 0
while True:
    number += 1
    shared[:] = number.to_bytes(8, "little")
"""


def test_who_is_said_to_be_stopped_does_nothing_more(tmp_path: Path) -> None:
    """It counts in memory that is shared, in another thread than the one that hears."""
    counted = tmp_path / "counted"
    counted.write_bytes(bytes(8))
    with desk("127.0.0.1", "key") as found:
        who = Heard()
        found.expect("token", who)
        process = subprocess.Popen([sys.executable, "-c", COUNTS, found.meeting.place, str(counted)])
        try:
            until = time.monotonic() + 30.0
            while not who.lines or counted.read_bytes() == bytes(8):
                assert time.monotonic() < until
                time.sleep(0.001)
            who.lines[0][0].send_bytes(json.dumps({"kill": int(signal.SIGSTOP)}).encode())
            assert who.stopped.wait(30.0)
            stood = counted.read_bytes()
            time.sleep(0.1)
            assert counted.read_bytes() == stood
            assert not who.gone.is_set()
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert who.gone.wait(30.0)
