"""Where an advisor's file lies: on this machine, or at a URL of fsspec's (``s3://…``, ``gs://…``).

A store of objects knows no locks. There each process that takes the file up begins an object of its own, whose
number is one more than the last one's, and writes into no other: whoever had the file before cannot spoil it, and
finds the higher number when it next writes.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cprmodel.advising.state import (
    LARGEST_BYTES,
    State,
    StateDamaged,
    StateTaken,
    parsed,
    put_aside,
    put_state,
    read_state,
    sweep,
    turn,
    write_state,
    written,
)
from cprmodel.facts.errors import JobError, Problem

__all__ = ["LocalStore", "Store", "UrlStore", "store_at"]


class Store(Protocol):
    """One advisor's file. What fails is an OSError."""

    name: str

    def turn(self) -> contextlib.AbstractContextManager[None]:
        """Alone with the file, as far as it knows locks."""

    def read(self) -> State | None:
        """What is there; None without a file, StateDamaged where it is not whole."""

    def put_aside(self) -> str:
        """Keep a damaged file; under which name."""

    def take(self, state: State) -> None:
        """This process's from now on."""

    def write(self, state: State) -> None:
        """In the place of the last state; StateTaken where another process has the file."""


def store_at(where: str | Path) -> Store:
    """The store that a path or a URL means.

    >>> type(store_at("run/advisor.json")).__name__, type(store_at("s3://bucket/advisor.json")).__name__
    ('LocalStore', 'UrlStore')
    """
    if isinstance(where, str) and "://" in where and not where.startswith("file://"):
        return UrlStore(where)
    return LocalStore(Path(str(where).removeprefix("file://")))


class LocalStore:
    """A file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path

    def turn(self) -> contextlib.AbstractContextManager[None]:
        """Others on this machine wait."""
        return turn(self._path)

    def read(self) -> State | None:
        """As :func:`~cprmodel.advising.state.read_state`."""
        return read_state(self._path)

    def put_aside(self) -> str:
        """Under another name."""
        return put_aside(self._path).name

    def take(self, state: State) -> None:
        """Whoever had it before."""
        sweep(self._path)
        put_state(self._path, state)

    def write(self, state: State) -> None:
        """As :func:`~cprmodel.advising.state.write_state`."""
        write_state(self._path, state)


class UrlStore:
    """Objects ``NAME.NUMBER``, of which the one with the highest number is the file."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._mine: int | None = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Whatever a store's own library raises is an OSError."""
        try:
            yield
        except (OSError, JobError, StateTaken, StateDamaged):
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def read(self) -> State | None:
        """The object with the highest number."""
        system, path = self._system()
        last = max(self._numbers(), default=None)
        return None if last is None else parsed(system.cat_file(_of(path, last), end=LARGEST_BYTES))

    def put_aside(self) -> str:
        """It stays what it is: the next one has a higher number."""
        return _of(self.name, max(self._numbers()))

    def take(self, state: State) -> None:
        """Begin the next object; older ones than the last go."""
        system, path = self._system()
        numbers = sorted(self._numbers())
        number = numbers[-1] + 1 if numbers else 1
        while True:  # another process may begin in the same moment
            try:
                system.pipe_file(_of(path, number), written(state).encode(), mode="create")
                break
            except FileExistsError:
                number += 1
        self._mine = number
        for old in numbers[:-1]:
            with contextlib.suppress(OSError):
                system.rm_file(_of(path, old))

    def write(self, state: State) -> None:
        """Into this process's object alone."""
        assert self._mine is not None
        if max(self._numbers(), default=0) > self._mine:
            raise StateTaken
        system, path = self._system()
        system.pipe_file(_of(path, self._mine), written(state).encode())

    def _numbers(self) -> list[int]:
        system, path = self._system()
        folder, _, name = path.rpartition("/")
        system.invalidate_cache()
        try:
            there = system.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        named = (re.fullmatch(re.escape(name) + r"\.(\d{8})", one.rpartition("/")[2]) for one in there)
        return [int(match[1]) for match in named if match]

    def _system(self) -> tuple[Any, str]:
        """fsspec's file system, and the path in it; JobError where there is none."""
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            system, path = url_to_fs(self.name)
        except (ImportError, ValueError) as error:
            expected = f"a URL that fsspec can open ({error})"
            raise JobError("Advisor", [Problem("state", self.name, expected)]) from None
        return system, path


def _of(path: str, number: int) -> str:
    return f"{path}.{number:08d}"
