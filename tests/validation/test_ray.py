"""Shards and trainer as Ray's actors on a cluster of several nodes, killed one by one and by the node.

The cluster is Ray's own for tests: its nodes are processes of one machine. A run is held to what holds one on this
machine: the auditor's replay of the journal, and the weights of a local run without failures.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import CprModelError
from tests.conftest import alone_with_ray, folder_of
from tests.validation.helpers import SHARDS, STEPS, small, train
from tests.validation.test_processes import gone
from validation.audit import audit
from validation.engines.on_ray import RayEngine

pytestmark = [pytest.mark.framework("ray"), pytest.mark.filterwarnings("ignore")]

OWN = {"RAY_USAGE_STATS_ENABLED": "0"}
ROOM = {"object_store_memory": 80_000_000}
#: A node is missed, and a process that does not hear is ended, sooner than on a cluster of many.
QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
    "kill_worker_timeout_milliseconds": 500,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head, for the trainer and this process, and three nodes for shards."""
    with (
        alone_with_ray(),
        pytest.MonkeyPatch.context() as patched,
        tempfile.TemporaryDirectory(prefix="ray-") as own,
    ):
        folder = str(folder_of("ray"))
        patched.setattr(sys, "path", [*sys.path, folder])
        patched.setenv("PYTHONPATH", os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), folder]))
        for name, value in {"RAY_TMPDIR": own, **OWN}.items():
            patched.setenv(name, value)
        yield from begun()


@pytest.fixture(autouse=True)
def as_the_cluster_was_begun(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls nobody outside."""
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)


def begun() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    heard = signal.getsignal(signal.SIGTERM)
    head = {
        "num_cpus": 2,
        "num_gpus": 1,
        "include_dashboard": False,
        "_system_config": QUICK,
        "resources": {"head": 4},
    }
    found = Cluster(initialize_head=True, head_node_args={**head, **ROOM})
    for _ in range(3):
        found.add_node(num_cpus=SHARDS, resources={"shards": SHARDS}, wait=False, **ROOM)
    found.wait_for_nodes()
    signal.signal(signal.SIGTERM, heard)  # Ray's nodes in this process would have tests after these end by a status
    yield found
    ray.shutdown()
    found.shutdown()


def on(cluster: Any, plan: list[dict[str, Any]], recovery: str = "partial", **needs: float) -> Any:
    engine = {
        "name": "ray",
        "address": cluster.address,
        "shard_resources": needs or {"CPU": 1, "shards": 1},
        "trainer_resources": {"CPU": 1, "head": 1},
    }
    strategy, timeouts = {"recovery": recovery}, {"shard": "2 s", "start": "60 s"}
    return small(plan, engine=engine, strategy=strategy, timeouts=timeouts, training={"evaluate": False})


def started(engine: RayEngine, module: str, name: str = "shard-0") -> Any:
    """Whatever is imported by this name, as an actor's process."""
    assert engine._desk
    return engine.start(name, module, [], engine._desk.meeting.key)


def is_gone(pid: int) -> None:
    until = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert gone(pid)


def standing(process: Any) -> Any:
    while not process.pid:
        time.sleep(0.01)
    return process


def test_an_actor_is_a_process_like_any_other(cluster: Any, tmp_path: Path) -> None:
    engine = RayEngine(on(cluster, []), tmp_path)
    with engine.meeting(tmp_path / "sockets"):
        ends = started(engine, "this", "one"), started(engine, "validation.no_such_module", "two")
        waiting = standing(started(engine, "code", "three"))  # for more on its standard input
        assert wait(ends, 60.0)
        assert [process.wait() for process in ends] == [0, 1]
        assert "No module named validation.no_such_module" in engine.last_line("two")
        assert "Namespaces are one honking great idea" in (tmp_path / "logs" / "one.log").read_text()
        assert not waiting.dead
        os.kill(waiting.pid, signal.SIGSTOP)  # nor does it hear Ray
        waiting.send_signal(signal.SIGKILL)
        assert waiting.wait() == -signal.SIGKILL
        is_gone(waiting.pid)  # it has closed its files; the system has yet to say so
        stopped = standing(started(engine, "code", "four"))
        stopped.send_signal(signal.SIGTERM)
        assert wait([stopped], 60.0)
        assert stopped.wait() == -signal.SIGKILL  # Ray does not say by which signal
        orphan = standing(started(engine, "code", "five"))
    is_gone(orphan.pid)  # the run is over


def test_what_ray_cannot_give_is_one_line(cluster: Any, tmp_path: Path) -> None:
    engine = RayEngine(on(cluster, [], unicorn=1), tmp_path)
    with engine.meeting(tmp_path / "sockets"):
        none = started(engine, "code")
        assert re.fullmatch(
            r"expected room in Ray's cluster for \{'unicorn': 1.0\} within 60 s \(free: \{\}\)",
            engine.cannot_start(none),
        )
        none.send_signal(signal.SIGKILL)
        assert none.wait() == -signal.SIGKILL
    engine = RayEngine(on(cluster, [], head=1, GPU=0.25), tmp_path)
    with engine.meeting(tmp_path / "sockets"):
        here = standing(started(engine, "code"))
        until = time.monotonic() + 30
        while engine.ray.available_resources()["GPU"] != 0.75 and time.monotonic() < until:
            time.sleep(0.05)
        assert engine.ray.available_resources()["GPU"] == 0.75
        with pytest.raises(
            CprModelError, match="shard-0 on a node that can be spared; it stands on the node of Ray"
        ):
            engine.kill_node("shard-0", {"shard-0": here})
        here.send_signal(signal.SIGKILL)
        here.wait()


def test_what_is_killed_on_several_nodes_is_killed_here(cluster: Any, tmp_path: Path) -> None:
    """Actors, the trainer and nodes, by the plan and by nobody's; then the same shards at the same steps on this
    machine. The same samples are lost, the same rows learned, to the last bit, and the auditor agrees."""
    import ray

    plan: list[dict[str, Any]] = [
        {"shards": [1], "step": 3, "phase": "update"},
        {"kind": "trainer", "step": 12, "phase": "applied"},
        {"shards": [0], "step": 20, "phase": "update", "node": True},
        {"shards": [2], "step": 27, "hang": True},
        {"shards": [1], "step": 35},
    ]
    taken: list[Any] = []

    def take(failure: Any, processes: Any) -> None:
        if failure.at_step == 35:
            alive = {one["NodeID"] for one in ray.nodes() if one["Alive"]}
            standing = {process.node for name, process in processes.items() if name != "trainer"}
            taken.extend(one for one in cluster.worker_nodes if one.node_id in alive & standing)
            cluster.remove_node(taken[0], allow_graceful=False)
            for process in processes.values():  # a step later than the node they would have answered once more
                if process.node == taken[0].node_id:
                    is_gone(process.pid)

    case = on(cluster, plan, "partial")
    events, found = train(case, tmp_path / "run", sabotage=take)
    assert found.status == "finished"
    assert len(found.failures) == len(plan)
    assert found.wrong_statuses == 0
    struck = [event for event in events if event["event"] == "failure"]
    assert struck[2]["node"]
    assert 0 in struck[2]["shards"]
    assert taken
    died = {
        event["what"] for event in events if event["event"] == "died" and event["cause"] not in ("killed", "hung")
    }
    assert len(died) == found.unplanned_deaths
    last = {1, *(int(name.removeprefix("shard-")) for name in died)}
    assert {taken[0].node_id} & {one["NodeID"] for one in ray.nodes() if not one["Alive"]}
    checked = audit(case, tmp_path / "run")
    assert checked.wrong == []
    missing = {shard: sorted(set(range(1, STEPS + 1)) - held) for shard, held in checked.held_steps.items()}
    assert missing == found.lost_steps

    here = [plan[0], plan[1], {"shards": struck[2]["shards"], "step": 20, "phase": "update"}]
    here += [{"shards": [2], "step": 27}, {"shards": sorted(last), "step": 35}]
    _, local = train(small(here, training={"evaluate": False}), tmp_path / "local")
    assert found.lost_samples == local.lost_samples > 0
    assert found.lost_steps == local.lost_steps
    assert found.digests == local.digests


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text('[engine]\nname = "ray"\naddress = "127.0.0.1:1"\n')
    command = [sys.executable, "-m", "validation", "train", str(path), "--out", str(tmp_path / "run")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2
    assert (
        found.stderr.strip()
        .splitlines()[-1]
        .startswith('validation: case: engine.address = "127.0.0.1:1": expected a cluster of Ray that answers')
    )
