"""Where Lightning's checkpoints go, and when they are there: local folders and fsspec's URLs, blocking or not."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cprmodel.facts.files import remove, sync

try:
    from lightning.fabric.utilities.cloud_io import get_filesystem
    from lightning.pytorch.plugins.io.wrapper import _WrappingCheckpointIO
except ModuleNotFoundError:  # the same library under its other name
    from lightning_fabric.utilities.cloud_io import get_filesystem
    from pytorch_lightning.plugins.io.wrapper import _WrappingCheckpointIO  # type: ignore[assignment]

__all__ = ["Place", "Watch"]


class Place:
    """A folder of checkpoints. Locally, they are written beside and renamed; elsewhere the store does such a thing.

    >>> Place("s3://bucket/run").path("a.ckpt"), Place("s3://bucket/run").local
    ('s3://bucket/run/a.ckpt', None)
    """

    def __init__(self, dirpath: str) -> None:
        self.dirpath = dirpath.rstrip("/") if "://" in dirpath else dirpath
        self.local = None if "://" in dirpath else Path(dirpath)

    def path(self, name: str) -> str:
        """Where a checkpoint is."""
        return f"{self.dirpath}/{name}" if self.local is None else str(self.local / name)

    def beside(self, name: str, token: str) -> tuple[str, str]:
        """Where it is written, and where it is to be."""
        path = self.path(name)
        return (path if self.local is None else str(self.local / f".advised.{token}.tmp")), path

    def make(self, mine: bool) -> None:
        """Make the folder, and remove what processes that were killed while they saved have left."""
        if not mine:
            return
        if self.local is None:
            get_filesystem(self.dirpath).makedirs(self.dirpath, exist_ok=True)
            return
        self.local.mkdir(parents=True, exist_ok=True)
        for left in self.local.glob(".advised.*.tmp"):
            remove(left)

    def names(self) -> Iterator[str]:
        """Of all that is there."""
        if self.local is not None:
            yield from (path.name for path in self.local.glob("*.ckpt"))
            return
        system = get_filesystem(self.dirpath)
        if system.isdir(self.dirpath):
            yield from (one.rstrip("/").rpartition("/")[2] for one in system.ls(self.dirpath, detail=False))

    def remove(self, name: str) -> None:
        """Remove a checkpoint."""
        if self.local is not None:
            remove(self.local / name)
        else:
            get_filesystem(self.dirpath).rm(self.path(name), recursive=True)


def put_in_place(beside: str, path: str) -> None:
    """A checkpoint that is whole gets its name. OSError where it is not there."""
    if beside == path:
        if not get_filesystem(path).exists(path):
            raise FileNotFoundError(f"{path} was saved, but is not there")
        return
    if os.path.isfile(beside):
        sync(Path(beside))
    os.replace(beside, path)


@dataclass
class _Writing:
    """One save, from its beginning until it is there or has failed."""

    beside: str
    path: str
    mine: bool
    handed: bool = False  # to the checkpoint IO
    error: BaseException | None = None
    there: threading.Event = field(default_factory=threading.Event)


class Watch:
    """Sees each save of a trainer, whoever asked for it, and when its file is there.

    The innermost checkpoint IO returns when a file is written, in whatever thread that is; the trainer's own method
    returns when training goes on.
    """

    def __init__(
        self, trainer: Any, clock: Callable[[], float], tell: Callable[[str, str, float, Any, bool], None]
    ) -> None:
        self._trainer, self._clock, self._tell = trainer, clock, tell
        self._writing: dict[str, _Writing] = {}
        self._background: deque[_Writing] = deque()
        self._io = trainer.strategy.checkpoint_io
        self._inner = self._io
        while isinstance(self._inner, _WrappingCheckpointIO) and self._inner.checkpoint_io is not None:
            self._inner = self._inner.checkpoint_io
        self._trainer_save, self._outer_save, self._inner_save = (
            trainer.save_checkpoint,
            self._io.save_checkpoint,
            self._inner.save_checkpoint,
        )
        if self._inner is not self._io:
            self._io.save_checkpoint = self._handed
        self._inner.save_checkpoint = self._write
        trainer.save_checkpoint = self._count

    def end(self) -> None:
        """The trainer's own methods again."""
        for owner in (self._trainer, self._io, self._inner):
            owner.__dict__.pop("save_checkpoint", None)

    def save(self, beside: str, path: str) -> None:
        """Save ours: written beside, and then in its place. An error of the file is told, not raised."""
        self._run(_Writing(beside, path, mine=True), beside)

    def look(self) -> None:
        """Tell of saves in the background that have ended since."""
        while self._background and self._background[0].there.is_set():
            one = self._background.popleft()
            self._writing.pop(one.beside, None)
            self._tell("ended", one.path, 0.0, one.error, one.mine)

    def wait(self) -> None:
        """Until all are there, or have failed."""
        for one in list(self._background):
            one.there.wait()

    def _count(self, filepath: Any, weights_only: bool | None = None, *args: Any, **kwargs: Any) -> None:
        """In the place of ``trainer.save_checkpoint``: saves of others."""
        if weights_only:
            self._trainer_save(filepath, weights_only, *args, **kwargs)
        else:
            self._run(_Writing(str(filepath), str(filepath), mine=False), filepath, weights_only, *args, **kwargs)

    def _run(self, one: _Writing, *args: Any, **kwargs: Any) -> None:
        begin = self._clock()
        self._writing[one.beside] = one
        try:
            self._trainer_save(*args, **kwargs)
        except BaseException:
            self._writing.pop(one.beside, None)
            raise
        seconds = self._clock() - begin
        if not one.handed and self._trainer.is_global_zero:  # the strategy has written it without the IO
            self._finish(one)
        if not self._trainer.is_global_zero:
            self._writing.pop(one.beside, None)
        elif one.there.is_set():
            self._writing.pop(one.beside, None)
            self._tell("ended", one.path, seconds, one.error, one.mine)
        else:
            self._background.append(one)
            self._tell("begun", one.path, seconds, None, one.mine)

    def _handed(self, checkpoint: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        """The outer IO is asked to save."""
        if str(path) in self._writing:
            self._writing[str(path)].handed = True
        return self._outer_save(checkpoint, path, *args, **kwargs)

    def _write(self, checkpoint: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        """The inner IO writes: perhaps in another thread."""
        one = self._writing.get(str(path))
        if one is None:
            return self._inner_save(checkpoint, path, *args, **kwargs)
        one.handed = True
        try:
            self._inner_save(checkpoint, path, *args, **kwargs)
        except BaseException as error:
            one.error = error
            one.there.set()
            if not one.mine or not isinstance(error, Exception):
                raise
            return None
        self._finish(one)
        return None

    def _finish(self, one: _Writing) -> None:
        """It is written: it gets its name, if it is ours."""
        if one.mine:
            try:
                put_in_place(one.beside, one.path)
            except OSError as error:
                one.error = error
        one.there.set()
