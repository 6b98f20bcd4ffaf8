"""Checkpoints of a run at a URL of fsspec: the same promises, whoever keeps the files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cprmodel.checkpoints.folders import folder_at
from cprmodel.facts.errors import JobError
from tests.validation.helpers import small, train
from validation.audit import audit
from validation.checkpoint.manifest import manifests
from validation.events import read_events
from validation.experiment.runner import carry_out

PLAN: list[dict[str, Any]] = [
    {"shards": [1], "step": 3, "phase": "update"},
    {"shards": [0, 2], "step": 14, "phase": "save"},
    {"kind": "trainer", "step": 20},
    {"kind": "whole_job", "step": 30},
]


def name_of(run: Path) -> str:
    return str(next(event["run"] for event in read_events(run / "events.jsonl") if event["event"] == "start"))


def holds_there(url: str, folder: Path) -> None:
    """Killed and rolled back as in a folder, to the same weights; nothing is left in the run's own folder; a bit
    that flips there is noticed, and the checkpoint before is used."""
    _, calm = train(small(training={"evaluate": False}), folder / "calm")
    tables: dict[str, Any] = {"checkpoint": {"folder": url}, "training": {"evaluate": False}}
    case = small(PLAN, strategy={"recovery": "full"}, **tables)
    _, found = train(case, folder / "run")
    assert found.status == "finished"
    assert len(found.failures) == len(PLAN)
    assert found.digests == calm.digests
    assert audit(case, folder / "run").wrong == []
    assert not (folder / "run" / "checkpoints").exists()
    place = folder_at(f"{url}/{name_of(folder / 'run')}")
    kept = list(manifests(place, name_of(folder / "run")))
    assert 2 <= len(kept) <= 3
    assert set(place.names()) == {one.name for one in kept} | set().union(*(one.files for one in kept))

    def damage(event: dict[str, Any]) -> None:
        if event["event"] == "save" and event["step"] == 16:
            there = folder_at(f"{url}/{name_of(folder / 'other')}")
            newest = next(manifests(there, name_of(folder / "other")))
            content = bytearray(there.read(newest.trainer.name))
            content[-1] ^= 1
            there.write(newest.trainer.name, bytes(content))

    plan = [{"kind": "whole_job", "step": 20}]
    case = small(plan, strategy={"recovery": "full"}, **tables)
    _, found = train(case, folder / "other", observe=damage)
    assert [reason for _, reason in found.corrupt] == ["its checksum is another"]
    assert found.failures[0].went_back_to == 8
    assert found.digests == calm.digests
    assert audit(case, folder / "other").wrong == []
    # a run of an experiment takes its own away, and nobody else's
    there = folder_at(url).names()
    assert carry_out(case, folder / "last", [])[0] == "finished"
    assert set(folder_at(url).names()) <= set(there) | {name_of(folder / "last")}
    assert folder_at(f"{url}/{name_of(folder / 'last')}").names() == []
    assert len(list(manifests(place, name_of(folder / "run")))) == len(kept)


def test_fsspec(tmp_path: Path) -> None:
    """Its own file system of this machine, past which nothing of ours writes."""
    holds_there(f"local://{tmp_path}/store", tmp_path)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket of a server that speaks S3."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with open(tmp_path / "server.log", "w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert time.monotonic() < until
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.1)
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket/checkpoints"
    finally:
        server.kill()
        server.wait()


@pytest.mark.framework("moto")
@pytest.mark.filterwarnings("ignore")
def test_s3(s3: str, tmp_path: Path) -> None:
    holds_there(s3, tmp_path)


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        ({"folder": "/tmp/x"}, "checkpoint.folder = /tmp/x: expected a URL such as s3://bucket/folder"),
        (
            {"folder": "memory://x"},
            "checkpoint.folder = memory://x: expected a URL such as s3://bucket/folder, which",
        ),
        ({"folder": "nothing://x"}, "checkpoint.folder = nothing://x: expected a URL to write checkpoints to"),
        ({"folder": "local:///tmp/x", "backend": "dcp"}, 'checkpoint.backend = dcp: expected "files"'),
    ],
)
def test_what_is_no_place_is_one_line(checkpoint: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as caught:
        small(checkpoint=checkpoint)
    assert said in str(caught.value).replace('"', "").replace("files", '"files"')
