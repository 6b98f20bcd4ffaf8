"""Files of parts, beside the one that is wanted: read as they were written, or one line says why not."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import open_plain
from cprmodel.facts.parts import Part

__all__ = ["DAMAGED", "about", "array_in", "opened", "part_file", "put_about", "put_array", "wrong"]

_ABOUT = "about.json"

#: What reading says of a file that is not as it was written.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def part_file(out: Path, part: Part) -> Path:
    """Where a part is written.

    >>> part_file(Path("rows.csv"), Part(3, 8)).name
    'rows.csv.part-3-of-8'
    """
    return out.with_name(f"{out.name}.part-{part.number}-of-{part.of}")


def opened(path: Path, what: str) -> BinaryIO:
    """A plain file, which ends; ``what``: it is a part of. JobError."""
    try:
        return open_plain(path, f"a part of a {what}")
    except FileNotFoundError:
        raise wrong(path, "this part, which is not there") from None
    except OSError as error:
        raise wrong(path, f"a file that can be read ({error.strerror})") from None


def put_array(zipped: zipfile.ZipFile, name: str, array: Any) -> None:
    """An array into a part, as NumPy has it."""
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
    zipped.writestr(f"{name}.npy", content.getbuffer())


def array_in(zipped: zipfile.ZipFile, name: str) -> Any:
    """An array of a part."""
    with zipped.open(f"{name}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read()  # to its end, where its checksum is looked at
    return array


def put_about(zipped: zipfile.ZipFile, what: str, which: str, part: Part, **more: Any) -> None:
    """What a part is one of (``which``: its checksum), and more."""
    zipped.writestr(_ABOUT, json.dumps({what: which, "part": str(part), **more}))


def about(zipped: zipfile.ZipFile, what: str, which: str, part: Part) -> dict[str, Any] | None:
    """The same; None where it is another part, or one of another whole. One of DAMAGED where it is none."""
    found: dict[str, Any] = json.loads(zipped.read(_ABOUT))
    return found if found[what] == which and found["part"] == str(part) else None


def wrong(path: Path, expected: str) -> JobError:
    """The error of a file of which something else was expected."""
    return JobError(str(path), [Problem("", "", expected)])
