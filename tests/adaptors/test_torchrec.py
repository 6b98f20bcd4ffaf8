"""torchrec's collections, sharded over two real ranks or not: saved, killed, read back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torchrec
SCRIPT = Path(__file__).parent / "torchrec_script.py"


def ranks(world: int, *arguments: str, status: int) -> list[dict[str, Any]]:
    """What each of these processes has printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    began = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT), *arguments],
            env={**os.environ, **given, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    found = []
    try:
        for one in began:
            output, errors = one.communicate(timeout=150)
            assert one.returncode == status, errors
            found.append(json.loads(output.splitlines()[-1]))
    finally:
        for one in began:
            one.kill()
    return found


def test_collections_are_saved_killed_and_read_back(tmp_path: Path) -> None:
    trained = ranks(2, "train", str(tmp_path), status=-signal.SIGKILL)
    rows, table, columns = (
        f"{where}.embedding_bags.{name}.weight"
        for where, name in (("main", "rows"), ("main", "table"), ("more", "columns"))
    )
    assert trained[0]["keys"] == [f"{rows}[0,0]", f"{columns}[0,0]"]
    assert trained[1]["keys"] == [f"{rows}[12,0]", table, f"{columns}[0,4]"]  # data_parallel is left out
    for rank in trained:
        assert rank["rows"][0][0]  # a base
        for base, saved, changed in rank["rows"][1:]:
            assert not base  # the last one was written while training went on
            assert saved == changed > 0  # the rows whose sums have grown, and no more
        assert rank["whole"]
        assert rank["plain"]
        assert rank["types"] == ["torch.bfloat16", "torch.float32"]
        assert all(saved == changed > 0 for saved, changed in rank["plain rows"])
        assert rank["refused"] == (
            "embedding_tables: expected a model with an EmbeddingBagCollection, sharded or not"
        )
    assert trained[1]["shard"]
    (again,) = ranks(1, "read", str(tmp_path), status=0)
    assert again == {"step": 4, "again": True}
