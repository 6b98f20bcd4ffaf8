"""Everything that a session has found, in one archive that is small enough to carry away.

Unpacked, it is the folder again: with it, ``--resume`` goes on, and ``python -m validation report`` compares anew.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cprmodel.facts.files import write_whole

__all__ = ["ARCHIVE", "LARGEST_BYTES", "pack"]

ARCHIVE = "archive.zip"
#: What an archive may have at most.
LARGEST_BYTES = 16 * 2**20
#: What a file takes in an archive beside its content and twice its name, at most.
_AROUND = 256
#: Never packed: what stands for the run under way, and what was only there to load from.
_LEFT = {"lock", "sockets", "replica.bin", "checkpoints", "journal", "probe", ARCHIVE}


def pack(folder: Path, largest_bytes: int = LARGEST_BYTES) -> list[str]:
    """Write ``archive.zip`` into the folder, the most telling files first; the names of those without room."""
    out, left, size = io.BytesIO(), [], 1024
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            takes = len(zlib.compress(content, 9)) + 2 * len(name.encode()) + _AROUND
            if size + takes > largest_bytes:
                left.append(name)
                continue
            size += takes
            archive.writestr(name, content)
    write_whole(folder / ARCHIVE, out.getvalue())
    return left


def _files(folder: Path) -> Iterator[Path]:
    """Reports and what is needed to go on; then event logs of runs that ended; then what processes said."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]

    def rank(path: Path) -> tuple[int, str]:
        parts = path.relative_to(folder).parts
        aside = any(".cut-off-" in part for part in parts)
        number = (
            1 if len(parts) == 1 or path.name == "experiment.jsonl" else 2 if path.name == "events.jsonl" else 3
        )
        return number + 2 * aside, str(path)

    for path in sorted(found, key=rank):
        if not _LEFT & set(path.relative_to(folder).parts):
            yield path
