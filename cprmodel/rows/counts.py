"""From a file to counts: an array of the updates of each row."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import open_plain

__all__ = ["read_counts"]


def read_counts(path: str | Path) -> Any:
    """An array of one count a row, written by ``numpy.save``, as float64."""
    source = str(path)
    try:
        with open_plain(path, "an array (.npy)") as file:
            counts = _array(file)
    except FileNotFoundError:
        raise JobError(source, [Problem("", "", "an array (.npy), but there is no such file")]) from None
    except OSError as error:
        raise JobError(source, [Problem("", "", f"a file that can be read ({error.strerror or error})")]) from None
    if counts is None:
        raise JobError(source, [Problem("", "", "an array written by numpy.save (.npy)")])
    if counts.dtype.kind not in "iuf" or counts.ndim != 1 or not counts.size:
        raise JobError(source, [Problem("", "", "an array of numbers in one dimension, one a row")])
    found = counts.astype(np.float64, copy=False)
    if not (found.min() >= 0 and found.max() < np.inf):
        raise JobError(source, [Problem("", "", "finite counts of at least 0")])
    if not found.max() > 0:
        raise JobError(source, [Problem("", "", "at least one row that is updated")])
    return found


def _array(file: BinaryIO) -> Any:
    """The array in a file, or None: what its heading claims is compared with the file's size before it is read."""
    form = np.lib.format
    try:
        version = form.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            return None
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, fortran, dtype = read(file)
        size = os.fstat(file.fileno()).st_size - file.tell()
        count = math.prod(shape)
        if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != size:
            return None
        return np.fromfile(file, dtype, count).reshape(shape, order="F" if fortran else "C")
    except OSError:
        raise
    except Exception:  # what numpy raises on a damaged heading is of many kinds
        return None
