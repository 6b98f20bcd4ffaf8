"""A process whose memory, or whose GPU's, is exhausted: it says so in one line, and ends.

Nothing is lost by it that a kill would not lose: its successor loads what was saved, and the others go on. Where it
cannot have its memory either, a run is given up like for any fault that returns, with that line.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["is_exhausted", "one_line_without_memory"]

#: What torch says of it, on a GPU and on a CPU, where it does not say it by the kind of exception.
_SAID = ("out of memory", "can't allocate memory")


def is_exhausted(error: BaseException) -> bool:
    """Whether it is for want of memory, on whatever device.

    >>> [is_exhausted(error) for error in (MemoryError(), RuntimeError("CUDA error: out of memory"), OSError())]
    [True, True, False]
    """
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


@contextlib.contextmanager
def one_line_without_memory(who: str, device: str, instead: str) -> Iterator[None]:
    """End the process with one line where the block wants memory that is not there. ``instead``: what helps.

    >>> with one_line_without_memory("shard 3", "cuda", "smaller tables"):
    ...     raise MemoryError("no 4 GiB")
    Traceback (most recent call last):
        ...
    SystemExit: shard 3: expected room in the memory of its device (cuda), or smaller tables; no 4 GiB
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        first = str(error).strip().splitlines() or ["there is none left"]
        said = f"{who}: expected room in the memory of its device ({device}), or {instead}; {first[0]}"
        sys.exit(said)
