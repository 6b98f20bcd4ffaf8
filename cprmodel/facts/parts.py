"""One of several parts of a piece of work that as many machines do, a Slurm array say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cprmodel.facts.errors import JobError, Problem

__all__ = ["MOST_PARTS", "Part", "part_from"]

#: More machines than anybody has.
MOST_PARTS = 10_000


@dataclass(frozen=True)
class Part:
    """One of so many.

    >>> [number for number in range(7) if Part(2, 3).takes(number)]
    [1, 4]
    >>> [Part(2, 3).holds(row, 7) for row in range(7)]
    [False, False, False, True, True, False, False]
    """

    number: int  #: from 1
    of: int

    def takes(self, number: int) -> bool:
        """Whether the piece of this number is in it, where they are dealt out in turn."""
        return number % self.of == self.number - 1

    def holds(self, row: int, rows: int) -> bool:
        """Whether a row is in it, where each part has rows that follow one another."""
        return row * self.of // rows == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def part_from(text: str) -> Part:
    """Of an option such as 3/8; JobError.

    >>> part_from("3/8")
    Part(number=3, of=8)
    >>> part_from("9/8")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: --part 9/8: expected the number of a part and how many there are, such as 3/8
    """
    found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= MOST_PARTS:
        expected = "the number of a part and how many there are, such as 3/8"
        raise JobError(f"--part {text}", [Problem("", "", expected)])
    return Part(int(found[1]), int(found[2]))
