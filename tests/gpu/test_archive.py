"""What travels: an archive that is small enough, and the folder again when it is unpacked."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation.gpu.archive import ARCHIVE, LARGEST_BYTES, pack

RUN = "experiment/seed-01/full-25"


def write(folder: Path, files: dict[str, int]) -> dict[str, bytes]:
    """Files of so many bytes that nothing makes smaller."""
    rng = random.Random(1)
    found = {}
    for name, size in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found[name] = rng.randbytes(size)
        path.write_bytes(found[name])
    return found


def test_unpacked_it_is_the_folder_again(tmp_path: Path) -> None:
    kept = write(
        tmp_path / "gpu",
        {
            "report.md": 100,
            "session.json": 50,
            "experiment/experiment.jsonl": 500,
            f"{RUN}/events.jsonl": 4_000,
            f"{RUN}/logs/trainer.log": 30,
            f"{RUN}.cut-off-1/events.jsonl": 200,
        },
    )
    write(
        tmp_path / "gpu",
        {"lock": 10, ARCHIVE: 9, f"{RUN}/checkpoints/a.safetensors": 10, f"{RUN}/replica.bin": 9, "probe/x": 3},
    )
    assert pack(tmp_path / "gpu") == []
    with zipfile.ZipFile(tmp_path / "gpu" / ARCHIVE) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == kept
    assert LARGEST_BYTES == 16 * 1024 * 1024
    first = (tmp_path / "gpu" / ARCHIVE).stat().st_size
    assert pack(tmp_path / "gpu") == []  # another day; it does not pack itself
    assert (tmp_path / "gpu" / ARCHIVE).stat().st_size == first


def test_without_room_what_tells_least_stays_behind(tmp_path: Path) -> None:
    names = ["report.md", "experiment/experiment.jsonl", f"{RUN}/events.jsonl", f"{RUN}/logs/trainer.log"]
    cut_off = f"{RUN}.cut-off-1/events.jsonl"
    write(tmp_path, dict.fromkeys([cut_off, *names], 10_000))
    assert pack(tmp_path, 45_000) == [cut_off]
    assert pack(tmp_path, 35_000) == [names[3], cut_off]
    assert pack(tmp_path, 25_000) == [*names[2:], cut_off]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3_000), max_size=12), st.integers(2_000, 20_000))
def test_it_is_never_larger_than_asked(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], largest: int
) -> None:
    folder = tmp_path_factory.mktemp("packed")
    write(folder, {f"runs/{'long-' * 9}{number}/events.jsonl": size for number, size in enumerate(sizes)})
    left = pack(folder, largest)
    assert (folder / ARCHIVE).stat().st_size <= largest
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        assert len(archive.namelist()) + len(left) == len(sizes)
