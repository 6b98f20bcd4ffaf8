"""What a lab reads back says of which run it is, and whether it is as it was written; if not, it is not there."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import LARGEST_BYTES, read_bytes, write_whole
from cprmodel.harm.record import HarmRecord, write_harm
from validation.claim import Claim, alone, new_run
from validation.events import sealed, unsealed

__all__ = ["Files", "read", "run_in", "taken"]

_CASE = "case.json"


@dataclass(frozen=True)
class Files:
    """Those of one run of a lab, in a folder that no other has taken."""

    claim: Claim

    @property
    def folder(self) -> Path:
        """Where they are."""
        return Path(self.claim.folder)

    def write(self, path: Path, lines: Iterable[dict[str, Any]]) -> None:
        """All of the lines, whole or not at all; FolderTaken where the folder is another's now."""
        self.claim.check()
        path.parent.mkdir(exist_ok=True)
        write_whole(path, "".join(sealed({"run": self.claim.run, **line}) for line in lines))

    def read(self, path: Path) -> list[dict[str, Any]]:
        """The lines that are whole and of this run."""
        return read(path, self.claim.run)

    def write_record(self, path: Path, record: HarmRecord) -> None:
        """A record in its own form, and beside it what it is known by."""
        self.claim.check()
        path.parent.mkdir(exist_ok=True)
        write_harm(record, path)
        self.write(path.with_suffix(".sum"), [{"sha256": _sha256(path)}])

    def vouched(self, path: Path) -> bool:
        """Whether a record is there as it was written."""
        noted = self.read(path.with_suffix(".sum"))
        return path.exists() and noted == [{"sha256": _sha256(path)}]

    def damaged(self) -> list[str]:
        """Names of files that are not as this run wrote them; they are not used."""
        found = []
        for path in sorted(self.folder.rglob("*.json*")):
            if path.with_suffix(".sum").exists():
                whole = self.vouched(path)
            else:
                whole = len(self.read(path)) == len(_lines(path))
            if not whole:
                found.append(str(path.relative_to(self.folder)))
        return found


def read(path: Path, run: str) -> list[dict[str, Any]]:
    """The lines of a file that are whole and of that run; none where there is no file."""
    found = map(unsealed, _lines(path) if path.exists() else [])
    return [line for line in found if line is not None and line.pop("run", None) == run]


def run_in(folder: Path) -> str:
    """The run whose folder it is; JobError where nobody can tell."""
    return _case(folder)[0]


@contextlib.contextmanager
def taken(case: BaseModel, folder: Path) -> Iterator[Files]:
    """The folder is this case's, new or from before, and no other run's until the end; else JobError."""
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder) as word:
        asked = json.loads(case.model_dump_json())
        if any(one.name != "lock" for one in folder.iterdir()):
            run, known = _case(folder)
            if known != asked:
                raise JobError(str(folder), [Problem("", "", "a folder of this very case, or a new one")])
            yield Files(Claim(str(folder), word, run))
            return
        files = Files(Claim(str(folder), word, new_run()))
        files.write(folder / _CASE, [{"case": asked}])
        yield files


def _case(folder: Path) -> tuple[str, Any]:
    """Run and case of a folder."""
    path = folder / _CASE
    lines = _lines(path) if path.exists() else []
    found = unsealed(lines[0]) if len(lines) == 1 else None
    if found is None:
        raise JobError(str(folder), [Problem("", "", f"a folder of this lab, whose {_CASE} is as it was written")])
    return found["run"], found["case"]


def _lines(path: Path) -> list[str]:
    content = read_bytes(path, "a file of a lab", LARGEST_BYTES)
    return content.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
