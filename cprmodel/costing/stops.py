r"""A failure and all that it brings until training goes on: an absorbing Markov chain, solved exactly.

A stop begins with a failure. While everybody waits, another failure starts the wait again, for all that is pending
then: the larger kind counts (:func:`~cprmodel.facts.strategies.together`), and the furthest level that must be
read. So a stop is in a state (what is pending, furthest level, what it did to one given shard), of known length;
it ends where no failure strikes within that length, probability :math:`e^{-\lambda \ell}`. With T the probability
that a strike leads from one state to another, the expected times are
:math:`(I - \mathrm{diag}(1 - e^{-\lambda \ell})\,T)^{-1}` times those of each state. [derived here; simulated in
tests/costing/test_storage.py, and equal to the exact makespan's for one level]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.storage import SaveLevel
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    FullRecovery,
    PartialRecovery,
    Recovery,
    RollBack,
    together,
)

__all__ = ["Stops", "at_level", "severities", "stops_of"]


@dataclass(frozen=True)
class Stops:
    """What one failure comes to, in the end. Probabilities sum to 1 with those of ``spared``."""

    back: tuple[float, ...]  #: everybody rolls back, to a save of this level or a higher one
    hit: tuple[float, ...]  #: it is repaired, and one given shard was read from this level
    load_s: float  #: expected time of loading, until training goes on
    reschedule_s: float

    @property
    def total_s(self) -> float:
        """Expected length [s]."""
        return self.load_s + self.reschedule_s

    @property
    def spared(self) -> float:
        """It is repaired, and the given shard has lost nothing."""
        return 1 - sum(self.back) - sum(self.hit)


class _State(NamedTuple):
    pending: frozenset[FailureKind]
    level: int  # the furthest that must be read
    own: int  # the furthest for the given shard, −1: not hit


def severities(levels: Sequence[SaveLevel]) -> tuple[float, ...]:
    """Share of the failures that need each level: what it survives and the one below does not.

    >>> severities([SaveLevel("memory", 1.0, 1.0, 1.0, 0.9), SaveLevel("remote", 5.0, 5.0, 5.0)])
    (0.9, 0.09999999999999998)
    """
    survives = [0.0, *(one.survives for one in levels)]
    return tuple(high - low for low, high in pairwise(survives))


def stops_of(mix: FailureMix, recovery: Recovery, levels: Sequence[SaveLevel], shards: int) -> Stops:
    """The stops of a recovery from these levels, with failures of a mix, memoryless.

    >>> from cprmodel.facts.strategies import FullRecovery
    >>> one = SaveLevel("remote", save_s=60.0, load_s=60.0, partial_load_s=10.0)
    >>> stops = stops_of(FailureMix(mtbf_s=3600.0), FullRecovery(0.0, 60.0), [one], shards=8)
    >>> round(stops.load_s, 3)  # 3600 (e^(60/3600) − 1)
    60.503
    """
    states, after, start = _chain(mix, isinstance(recovery, FullRecovery), severities(levels), shards)
    rate = 1 / mix.mtbf_s
    reschedule, load = np.array([_lengths(state, recovery, levels) for state in states]).T
    clear = np.exp(-rate * (reschedule + load))
    chain = np.eye(len(states)) - (-np.expm1(-rate * (reschedule + load)))[:, None] * after
    try:
        visits = np.linalg.solve(chain.T, start)  # expected, of each state
    except np.linalg.LinAlgError:  # failures come so fast that no stop ever ends
        return Stops((1.0, *[0.0] * (len(levels) - 1)), (0.0,) * len(levels), np.inf, np.inf)
    ends = visits * clear
    back, hit = np.zeros(len(levels)), np.zeros(len(levels))
    for state, probability in zip(states, ends, strict=True):
        if together(recovery, state.pending).rolls_back is RollBack.EVERYBODY:
            back[state.level] += probability
        elif state.own >= 0:
            hit[state.own] += probability
    return Stops(
        back=tuple(map(float, back)),
        hit=tuple(map(float, hit)),
        load_s=float(visits @ (np.exp(-rate * reschedule) * -np.expm1(-rate * load))) / rate,
        reschedule_s=float(visits @ -np.expm1(-rate * reschedule)) / rate,
    )


@lru_cache(maxsize=64)
def _chain(
    mix: FailureMix, full: bool, severity: tuple[float, ...], shards: int
) -> tuple[tuple[_State, ...], Any, Any]:
    """The states of a stop, where a strike in each leads to, and where the first one does; probabilities."""
    first = _strikes(mix, full, severity, shards)
    kinds = {state.pending for state, _ in first}
    combined = {_pending(one, other) for one in kinds for other in kinds}
    many = len(severity)
    states = tuple(
        _State(pending, level, own)
        for pending, level, own in product(sorted(combined, key=_order), range(many), range(-1, many))
        if own <= level
    )
    index = {state: at for at, state in enumerate(states)}
    after, start = np.zeros((len(states), len(states))), np.zeros(len(states))
    for strike, probability in first:
        start[index[strike]] += probability
        for at, state in enumerate(states):
            after[at, index[_worse(state, strike)]] += probability
    return states, after, start


def _order(kinds: frozenset[FailureKind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _strikes(mix: FailureMix, full: bool, severity: Sequence[float], shards: int) -> list[tuple[_State, float]]:
    """The states that a first failure leads to, with their probabilities."""
    found: list[tuple[_State, float]] = []
    if full:
        return [
            (_State(frozenset({FailureKind.WHOLE_JOB}), level, -1), share) for level, share in enumerate(severity)
        ]
    for kind in FailureKind:
        share = mix.share(kind)
        if share <= 0:
            continue
        pending = frozenset({kind})
        if kind is FailureKind.TRAINER:
            found.append((_State(pending, 0, -1), share))
            continue
        hit = mix.shards_per_failure / shards if kind is FailureKind.SHARD else 0.0
        for level, needs in enumerate(severity):
            found.append((_State(pending, level, -1), share * needs * (1 - hit)))
            if hit > 0:
                found.append((_State(pending, level, level), share * needs * hit))
    return found


def _pending(one: frozenset[FailureKind], other: frozenset[FailureKind]) -> frozenset[FailureKind]:
    both = one | other
    return frozenset({FailureKind.WHOLE_JOB}) if FailureKind.WHOLE_JOB in both else both


def _worse(state: _State, strike: _State) -> _State:
    """What is pending when a second failure strikes; a trainer's needs no level."""
    pending = _pending(state.pending, strike.pending)
    return _State(pending, max(state.level, strike.level), max(state.own, strike.own))


def _lengths(state: _State, recovery: Recovery, levels: Sequence[SaveLevel]) -> tuple[float, float]:
    """Rescheduling and loading [s]."""
    response = together(at_level(recovery, levels[state.level]), state.pending)
    return response.reschedule_s, response.load_s


def at_level(recovery: Recovery, level: SaveLevel) -> Recovery:
    """The recovery with the loads of a level."""
    if isinstance(recovery, FullRecovery):
        return replace(recovery, load_s=level.load_s)
    if isinstance(recovery, PartialRecovery):
        return replace(recovery, load_s=level.load_s, partial_load_s=level.partial_load_s)
    raise TypeError(f"no cost model for recovery {recovery.name!r}")
