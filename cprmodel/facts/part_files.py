"""Files of parts, beside the one that is wanted: read as they were written, or one line says why not."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import open_plain
from cprmodel.facts.parts import Part

__all__ = ["DAMAGED", "opened", "part_file", "wrong"]

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


def wrong(path: Path, expected: str) -> JobError:
    """The error of a file of which something else was expected."""
    return JobError(str(path), [Problem("", "", expected)])
