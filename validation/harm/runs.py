"""What labs have in common: a folder for one case, work on several cores, lines on the disk as they are found."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole

__all__ = ["Each", "each_in", "pool_of", "read_lines", "take_folder", "write_lines"]

#: Does a piece of work for each of some arguments, after the case and the folder; says what is done, with them.
Each = Callable[[Callable[..., None], Iterable[tuple[int, ...]], Callable[[tuple[int, ...]], str]], None]


def take_folder(case: BaseModel, folder: Path) -> None:
    """The folder is this case's, new or from before; else JobError."""
    folder.mkdir(parents=True, exist_ok=True)
    text, known = case.model_dump_json(indent=1), folder / "case.json"
    if known.exists() and known.read_text(encoding="utf-8") != text:
        raise JobError(str(folder), [Problem("", "", "a folder of this very case, or a new one")])
    write_whole(known, text)


def pool_of(workers: int) -> ProcessPoolExecutor:
    """Processes that share nothing with this one."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def each_in(pool: ProcessPoolExecutor, case: BaseModel, folder: Path, say: Callable[[str], None]) -> Each:
    """Work on the case in the pool."""

    def each(
        work: Callable[..., None], which: Iterable[tuple[int, ...]], done: Callable[[tuple[int, ...]], str]
    ) -> None:
        futures = {pool.submit(work, case.model_dump_json(), str(folder), *one): one for one in which}
        for future in as_completed(futures):
            future.result()
            say(done(futures[future]))

    return each


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; none where there is none."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """All of them, whole or not at all."""
    write_whole(path, "".join(json.dumps(one) + "\n" for one in lines))
