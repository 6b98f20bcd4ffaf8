"""Who plays a kind of saving policy, where its saves are more than one blocking copy.

A kind registers its player with :func:`register`, in the room that owns it; :func:`cprmodel.simulate` plays all
others as saves that block while everything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from cprmodel.facts.strategies import SavingPolicy, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation.laws import FailureLaw, FailuresStrike
from cprmodel.simulation.result import Simulated

__all__ = ["Player", "player_of", "register"]


class Player(Protocol):
    """As :func:`cprmodel.simulate`, which calls it."""

    def __call__(
        self,
        job: Job,
        strategy: Strategy,
        runs: int,
        streams: np.random.SeedSequence,
        law: FailureLaw,
        strikes: FailuresStrike,
        workers: int | None,
        progress: Callable[[int], None] | None,
    ) -> Simulated: ...


_PLAYERS: dict[type, Player] = {}


def register(policy: type, player: Player) -> None:
    """Have jobs with saves of a kind, or of kinds made from it, played so."""
    _PLAYERS[policy] = player


def player_of(saving: SavingPolicy) -> Player | None:
    """The player of a saving policy; None where its saves block while everything is written."""
    return next((_PLAYERS[base] for base in type(saving).__mro__ if base in _PLAYERS), None)
