"""Files that are whole or not there; manifests; what is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cprmodel.checkpoints.files import CorruptError, FileRef, read_arrays, write_arrays
from validation.checkpoint.manifest import Manifest, collect_garbage, manifests, write_manifest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_any_damage_is_detected(tmp_path: Path, data: Any) -> None:
    arrays = {"rows": np.arange(60, dtype=np.float32).reshape(15, 4), "ids": np.arange(15)}
    ref = write_arrays(tmp_path, "a.safetensors", arrays)
    back = read_arrays(tmp_path, ref)
    assert all((back[name] == array).all() for name, array in arrays.items())
    path = tmp_path / ref.name
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    with pytest.raises(CorruptError):
        read_arrays(tmp_path, ref)
    path.unlink()
    with pytest.raises(CorruptError, match="no such file"):
        read_arrays(tmp_path, ref)


def manifest(sequence: int, files_of: list[list[str]]) -> Manifest:
    def ref(name: str) -> FileRef:
        return FileRef(name, 1, "0" * 64)

    chains = tuple(tuple(ref(name) for name in chain) for chain in files_of)
    return Manifest(sequence, 10 * sequence, 1, {"batch": 3}, ref(f"{sequence:08d}.trainer"), chains, "a run")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_a_damaged_manifest_is_no_checkpoint(tmp_path: Path, data: Any) -> None:
    good = manifest(3, [["a", "b"], ["c"]])
    write_manifest(tmp_path, good)
    assert list(manifests(tmp_path, "a run")) == [good]
    path = tmp_path / good.name
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    heard: list[CorruptError] = []
    assert list(manifests(tmp_path, "a run", heard.append)) in (
        [],
        [good],
    )  # a flip between 1 and, say, 1.0 changes nothing
    assert bool(heard) == (not list(manifests(tmp_path, "a run")))


def test_one_checkpoint_is_kept_that_shares_nothing_with_the_newest(tmp_path: Path) -> None:
    chains = [["b0"], ["b0", "d1"], ["b2"], ["b2", "d3"], ["b2", "d3", "d4"], ["b2", "d3", "d4", "d5"]]
    chains = [[f"0000000{name[1]}.{name}" for name in chain] for chain in chains]
    for sequence, chain in enumerate(chains):
        for name in [*chain, f"{sequence:08d}.trainer"]:
            (tmp_path / name).write_text("x")
        write_manifest(tmp_path, manifest(sequence, [chain]))
    (tmp_path / ".left.tmp").write_text("x")
    (tmp_path / "a-users-model.pt").write_text("x")
    (tmp_path / "00000001.dcp").mkdir()
    collect_garbage(tmp_path, "a run")
    assert [one.sequence for one in manifests(tmp_path, "a run")] == [5, 4, 1]
    kept = {path.name.split(".")[-1] if "trainer" not in path.name else path.name for path in tmp_path.iterdir()}
    assert kept - {"json"} == {"b0", "d1", "b2", "d3", "d4", "d5", "pt"} | {
        f"0000000{n}.trainer" for n in (1, 4, 5)
    }


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path, "a.safetensors", {"x": np.zeros(3)})
    before = (tmp_path / "a.safetensors").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_arrays(tmp_path, "a.safetensors", {"x": np.ones(3)})
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert (tmp_path / "a.safetensors").read_bytes() == before
