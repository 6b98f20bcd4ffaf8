"""Work of a lab on several cores, what is done said as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import as_completed

from pydantic import BaseModel

from validation.harm.files import Files
from validation.processes.pool import Submit

__all__ = ["Each", "each_of"]

#: Does a piece of work for each of some arguments, after the case and its files; says what is done, with them.
Each = Callable[[Callable[..., None], Iterable[tuple[int, ...]], Callable[[tuple[int, ...]], str]], None]


def each_of(submit: Submit, case: BaseModel, files: Files, say: Callable[[str], None]) -> Each:
    """Work on the case."""

    def each(
        work: Callable[..., None], which: Iterable[tuple[int, ...]], done: Callable[[tuple[int, ...]], str]
    ) -> None:
        futures = {submit(work, case.model_dump_json(), files, *one): one for one in which}
        for future in as_completed(futures):
            future.result()
            say(done(futures[future]))

    return each
