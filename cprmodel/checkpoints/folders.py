"""Where checkpoints lie: a folder of this machine, or one of fsspec's URLs (``s3://…``, ``gs://…``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import remove, sync, write_whole

__all__ = ["Folder", "folder_at"]


class Folder(Protocol):
    """Files by their names. What fails is an OSError."""

    def names(self) -> list[str]:
        """Of all that is there; none where the folder is not."""

    def read(self, name: str) -> bytes:
        """All of a file."""

    def write(self, name: str, content: bytes) -> None:
        """A file that is there whole or not at all."""

    def remove(self, name: str) -> None:
        """A file, or a folder in it."""

    def sync(self) -> None:
        """Make the names in it durable."""


def folder_at(where: str | Path | Folder) -> Folder:
    """The folder that a path or a URL means.

    >>> type(folder_at("run/checkpoints")).__name__, type(folder_at("memory://run")).__name__
    ('_Local', '_Url')
    """
    if isinstance(where, str) and "://" in where and not where.startswith("file://"):
        return _Url(where)
    if isinstance(where, str | Path):
        return _Local(Path(str(where).removeprefix("file://")))
    return where


class _Local:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / name, content)

    def remove(self, name: str) -> None:
        remove(self.path / name)

    def sync(self) -> None:
        sync(self.path)


class _Url:
    """In a store of objects each write is whole, and durable once it returns."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            self.system, path = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise JobError(
                "checkpoints", [Problem("folder", url, f"a URL that fsspec can open ({error})")]
            ) from None
        self.path: str = path.rstrip("/")

    def __str__(self) -> str:
        return self.url

    def names(self) -> list[str]:
        with _as_os_errors():
            self.system.invalidate_cache()
            try:
                there = self.system.ls(self.path, detail=False)
            except FileNotFoundError:
                return []
        return [str(one).rstrip("/").rpartition("/")[2] for one in there]

    def read(self, name: str) -> bytes:
        with _as_os_errors():
            return bytes(self.system.cat_file(f"{self.path}/{name}"))

    def write(self, name: str, content: bytes) -> None:
        with _as_os_errors():
            try:
                self.system.pipe_file(f"{self.path}/{name}", content)
            except FileNotFoundError:  # a file system that knows folders
                self.system.makedirs(self.path, exist_ok=True)
                self.system.pipe_file(f"{self.path}/{name}", content)

    def remove(self, name: str) -> None:
        with _as_os_errors(), contextlib.suppress(FileNotFoundError):
            self.system.rm(f"{self.path}/{name}", recursive=self.system.isdir(f"{self.path}/{name}"))

    def sync(self) -> None:
        pass


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    """Whatever a store's own library raises is an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        text: Any = f"{type(error).__name__}: {error}"
        raise OSError(text) from error
