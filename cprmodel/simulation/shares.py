"""A simulation in parts, on as many machines as there are parts: each plays some of the batches.

Batches have a random stream each, whoever plays them. What a part's gave is put where one machine would have it:
so what comes of all parts is what one machine finds, to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from cprmodel.facts.errors import CprModelError
from cprmodel.facts.parts import Part

__all__ = ["Batches", "NothingToPlay", "Share", "sharing"]


class NothingToPlay(CprModelError):
    """There are fewer batches than parts, and this part has none."""


class Share:
    """What is played here, and what others have played: by the loop over batches, and the batch's number in it.

    With a ``part``, every so manyth batch is played, and what it gave is in ``gave``; nothing is made of the
    rest. Without one, all that is not ``known`` is played.
    """

    def __init__(self, part: Part | None = None, known: Mapping[tuple[int, int], Any] | None = None) -> None:
        self.part, self.known = part, dict(known or {})
        self.gave: dict[tuple[int, int], Any] = {}
        self.batches = 0  #: of all parts
        self.cut_off = False
        self._loops = 0

    def loop(self) -> int:
        """The number of the loop that begins."""
        self._loops += 1
        return self._loops - 1


_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def sharing(share: Share) -> Iterator[None]:
    """Simulations within play their share."""
    before = _SHARE.set(share)
    try:
        yield
    finally:
        _SHARE.reset(before)


class Batches:
    """A loop over so many batches: which are played here, and what all of them gave.

    >>> Batches(3).numbers
    [0, 1, 2]
    >>> share = Share(Part(2, 2))
    >>> with sharing(share):
    ...     loop = Batches(3)
    ...     loop.numbers, loop.all(["the second"])
    ([1], ['the second'])
    >>> with sharing(Share(known=share.gave)):
    ...     loop = Batches(3)
    ...     loop.numbers, loop.all(["the first", "the third"])
    ([0, 2], ['the first', 'the second', 'the third'])
    """

    def __init__(self, count: int) -> None:
        self._share, self.numbers = _SHARE.get(), list(range(count))
        if self._share is None:
            return
        self._loop, part = self._share.loop(), self._share.part
        self._share.batches += count
        known = {number for loop, number in self._share.known if loop == self._loop}
        taken = [number for number in self.numbers if part is None or part.takes(number)]
        self.numbers = [number for number in taken if number not in known]

    def of(self, each: list[Any]) -> list[Any]:
        """Of what there is for each batch, what is of those that are played here."""
        return [each[number] for number in self.numbers]

    def all(self, played: list[Any]) -> list[Any]:
        """What all batches gave, where these are of those played here, in order; a part has its own alone."""
        share = self._share
        if share is None:
            return played
        share.cut_off |= len(played) < len(self.numbers)
        gave = {(self._loop, number): one for number, one in zip(self.numbers, played, strict=False)}
        if share.part is not None:
            share.gave |= copy.deepcopy(gave)
            if not played:
                raise NothingToPlay(f"part {share.part}: expected a part with at least one batch of runs")
            return played
        found = gave | {key: one for key, one in share.known.items() if key[0] == self._loop}
        return [found[key] for key in sorted(found)]
