"""A file of a checkpoint that a thread writes while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cprmodel.checkpoints.files import FileRef
from validation.claim import FolderTaken

__all__ = ["Writing", "seconds_of"]


def seconds_of(arrays: dict[str, Any], bytes_per_s: float | None) -> float:
    """How long storage of this bandwidth takes for them [s]; 0 where it is not limited.

    >>> import numpy as np
    >>> seconds_of({"rows": np.zeros((250, 4), dtype=np.float32)}, 8000.0)
    0.5
    """
    return sum(array.nbytes for array in arrays.values()) / bytes_per_s if bytes_per_s else 0.0


class Writing:
    """``write`` writes it, in a thread that begins at once, or right here.

    ``first_s``: what passes before, for storage of a limited bandwidth.
    """

    def __init__(self, write: Callable[[], FileRef], first_s: float = 0.0, background: bool = True) -> None:
        self._write, self._first_s = write, first_s
        self._void = threading.Event()
        self._found: FileRef | str | None = None
        self._thread: threading.Thread | None = None
        if background:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._go()

    def found(self) -> FileRef | str | None:
        """The file, once it is whole; or why there is none. None while it is written."""
        return self._found

    def wait(self) -> bool:
        """Until that is known; True."""
        if self._thread:
            self._thread.join()
        return True

    def void(self) -> None:
        """It counts no more; nothing is written after this."""
        self._void.set()
        self.wait()

    def _run(self) -> None:
        try:
            self._go()
        except MemoryError:
            self._found = "no memory for it"
        except Exception as error:  # whatever a storage's library raises
            self._found = f"{type(error).__name__}: {error}"

    def _go(self) -> None:
        if self._void.wait(self._first_s):
            return
        try:
            self._found = self._write()
        except FolderTaken as error:
            self._found = str(error)
        except OSError as error:
            self._found = error.strerror or str(error)
