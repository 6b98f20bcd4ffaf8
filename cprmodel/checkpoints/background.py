"""Saves that go on in the background: what training has of one, and what its processes still have to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from cprmodel.checkpoints.chosen import Chosen
from cprmodel.checkpoints.files import FileRef
from cprmodel.checkpoints.saving import Saved

__all__ = ["Saving", "Taken", "handed_out"]


@dataclass
class Taken:
    """What a save takes: the rows that were chosen, in files still to be written, and what has been written."""

    sequence: int
    step: int
    begin: float
    chosen: Chosen = field(default_factory=lambda: Chosen((), 0))
    files: Iterable[tuple[str, dict[str, torch.Tensor]]] = ()
    content: bytes | None = None
    failed: Exception | None = None
    refs: tuple[FileRef, ...] = ()  # what has been written of it
    chain: tuple[FileRef, ...] = ()  # once it is complete: base and deltas
    delta_rows: int = 0
    held: list[Any] | None = None  # what the trackers held of the rows, which count as saved already


def handed_out(
    files: Iterable[tuple[str, dict[str, torch.Tensor]]],
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Copied now, all of them; each is forgotten once it is taken."""
    copied = deque(files)

    def each() -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        while copied:
            yield copied.popleft()

    return each()


class Saving:
    """A save that goes on in the background: what :meth:`PartialCheckpoints.async_save` returns.

    With :meth:`done` and :meth:`result` as :meth:`cprmodel.adaptors.torch.AdvisedRanks.save_started` asks for them.
    """

    def __init__(self, future: Any, blocked_s: float, queued_s: float) -> None:
        self._future: Future[Saved] = future
        self.blocked_s = blocked_s  #: for which training has waited while the rows were copied [s]
        self.queued_s = queued_s  #: for which it has waited before, for an earlier save [s]
        self.asked = False  #: whether somebody has heard what became of it

    def done(self) -> bool:
        """Whether it is over: complete, or failed."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Saved:
        """Wait until it is over [s]; SaveFailed where it failed, TimeoutError where it takes longer."""
        found = self.exception(timeout)
        if found is not None:
            raise found
        return self._future.result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait likewise; why it failed, or None."""
        found = self._future.exception(timeout)
        self.asked = True
        return found
