"""From a file to counts: an array of the updates of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem

__all__ = ["read_counts"]


def read_counts(path: str | Path) -> Any:
    """An array of one count a row, written by ``numpy.save``, as float64."""
    source = str(path)
    try:
        counts = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise JobError(source, [Problem("", "", "an array (.npy), but there is no such file")]) from None
    except (ValueError, EOFError):
        raise JobError(source, [Problem("", "", "an array written by numpy.save (.npy)")]) from None
    except OSError as error:
        raise JobError(source, [Problem("", "", f"a file that can be read ({error.strerror or error})")]) from None
    if not isinstance(counts, np.ndarray) or counts.dtype.kind not in "iuf" or counts.ndim != 1 or not counts.size:
        raise JobError(source, [Problem("", "", "an array of numbers in one dimension, one a row")])
    found = counts.astype(np.float64, copy=False)
    if not (found.min() >= 0 and found.max() < np.inf):
        raise JobError(source, [Problem("", "", "finite counts of at least 0")])
    if not found.max() > 0:
        raise JobError(source, [Problem("", "", "at least one row that is updated")])
    return found
