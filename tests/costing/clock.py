"""A clock that is played: work, saves, failures and planned stops, one after the other, in plain Python.

Nothing here is the package's: no formula, no calendar, no kernel. What it takes for granted is that a save before a
stop ends just as the stop begins, however long it takes, and that nobody begins a regular save that would end after
that one must begin. Lengths of saves, and spells at another speed, are drawn as they come.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Clock"]


class _Failed(Exception):
    """A failure strikes."""


class _Struck(_Failed):
    """It strikes work, and might have been announced."""


class _Warned(Exception):
    """A failure is announced that does not come."""


@dataclass
class Clock:
    """A job whose failures all send everybody back; times in seconds."""

    work: float
    interval: float  #: work before a regular save
    load: float
    down: float  #: after a failure, before the load
    mtbf: float
    every: float = math.inf  #: a planned stop begins each so often
    lasts: float = 0.0
    draw: Callable[[random.Random], float] = lambda rng: 900.0  #: time of one save
    slow_share: float = 0.0  #: of the time, in exponential spells
    slow_rate: float = 1.0  #: speed in them
    spell: float = math.inf  #: their mean length
    recall: float = 0.0  #: of the failures that strike work so many are announced, just in time for a save
    precision: float = 1.0  #: of the announcements so many are followed by a failure
    warned_save: float = 0.0  #: time of such a save

    def overhead(self, rng: random.Random) -> float:
        """Of one run."""
        self.rng, self.now, self.done = rng, 0.0, 0.0
        self.fails, self.stop = rng.expovariate(1 / self.mtbf), self.every
        self.slow = rng.random() < self.slow_share
        self.turns = self._lasts() if 0 < self.slow_share < 1 else math.inf
        saved, waits, last_takes, self.lost = 0.0, 0.0, self.draw(rng), False
        while True:
            try:
                if self.now >= self.stop - 1e-6:  # nothing fails in it; spells go on
                    self.now, self.fails = self.stop + self.lasts, self.fails + self.lasts
                    self._turn()
                    self.stop += self.every
                    self.done, waits, last_takes = saved, self.load, self.draw(rng)
                while waits > 1e-6 and self.now < self.stop - 1e-6:
                    waits -= self._passes(waits)
                if self.now >= self.stop - 1e-6:
                    continue
                until = self.stop - last_takes
                self._works(min(saved + self.interval, self.work), until)
                if self.done >= self.work - 1e-6:
                    return self.now / self.work - 1
                if self.now < until - 1e-6:  # a regular save is due
                    takes = self.draw(rng)
                    if self.now + takes < until:
                        self._passes(takes)
                        saved = self.done
                        continue
                    self._works(self.work, until)
                    if self.done >= self.work - 1e-6:
                        return self.now / self.work - 1
                if self.now > until + 1e-6:  # too late for a save
                    self._passes(math.inf)
                    continue
                speed = self.slow_rate if self.slow else 1.0
                if (self.work - self.done) / speed <= self.stop - self.now:  # the work ends, without a save
                    self._works(self.work, self.stop)
                    if self.done >= self.work - 1e-6:
                        return self.now / self.work - 1
                    continue
                self._passes(math.inf)
                saved = self.done
            except _Warned:
                saved = self._on_warning(saved)
                if self.lost:
                    waits = self.down + self.load
            except _Failed as failure:
                if isinstance(failure, _Struck) and rng.random() < self.recall:
                    saved = self._on_warning(saved)
                self.done, waits = saved, self.down + self.load

    def _on_warning(self, saved: float) -> float:
        """A save begins; the work that is saved then. A failure, or a planned stop, makes it void."""
        self.lost = False
        try:
            took = self._passes(self.warned_save)
        except _Failed:
            self.done, self.lost = saved, True
            return saved
        return self.done if took >= self.warned_save - 1e-6 else saved

    def _lasts(self) -> float:
        """How long it goes on as fast, or slow, as now."""
        share = self.slow_share
        return self.rng.expovariate(1 / (self.spell if self.slow else self.spell * (1 - share) / share))

    def _turn(self) -> None:
        while self.turns <= self.now:
            self.slow = not self.slow
            self.turns += self._lasts()

    def _passes(self, seconds: float) -> float:
        """Time goes by until the stop, or raises where a failure strikes before."""
        until = min(self.now + seconds, self.stop)
        if self.fails < until:
            self.now = self.fails
            self.fails += self.rng.expovariate(1 / self.mtbf)
            self._turn()
            raise _Failed
        took, self.now = until - self.now, until
        self._turn()
        return took

    def _works(self, due: float, until: float) -> None:
        """Work until so much is done, or until a time."""
        while self.done < due - 1e-6 and self.now < until - 1e-6:
            speed = self.slow_rate if self.slow else 1.0
            length = min((due - self.done) / speed, until - self.now, max(self.turns - self.now, 1e-9))
            false = self.recall / self.precision * (1 - self.precision) / self.mtbf
            warns = self.rng.expovariate(false) if false > 0 else math.inf
            began = self.now
            try:
                self._passes(min(length, warns))
            except _Failed:
                self.done += speed * (self.now - began)
                raise _Struck from None
            self.done += speed * min(length, warns)
            if warns < length:
                raise _Warned
