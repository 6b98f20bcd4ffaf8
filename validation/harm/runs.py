"""Work of a lab on several cores, what is done said as it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed
from pathlib import Path

from pydantic import BaseModel

from validation.harm.files import Files, taken
from validation.processes.pool import workers

__all__ = ["Each", "at_work"]

#: Does a piece of work for each of some arguments, after the case and its files; says what is done, with them.
Each = Callable[[Callable[..., None], Iterable[tuple[int, ...]], Callable[[tuple[int, ...]], str]], None]


@contextlib.contextmanager
def at_work(case: BaseModel, folder: Path, count: int, say: Callable[[str], None]) -> Iterator[tuple[Files, Each]]:
    """The case's folder, taken, and processes that work on it, so many at a time; damage in it is said first."""
    with taken(case, folder) as files, workers(count) as submit:
        for name in files.damaged():
            say(f"{name} is damaged: what was in it is done again")

        def each(
            work: Callable[..., None], which: Iterable[tuple[int, ...]], done: Callable[[tuple[int, ...]], str]
        ) -> None:
            futures = {submit(work, case.model_dump_json(), files, *one): one for one in which}
            for future in as_completed(futures):
                future.result()
                say(done(futures[future]))

        yield files, each
