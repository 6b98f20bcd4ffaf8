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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.storage import SaveLevel, WarnedSave
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    Recovery,
    RollBack,
    loses_samples,
    together,
)

__all__ = ["Stops", "at_level", "severities", "stops_of", "told_apart"]


@dataclass(frozen=True)
class Stops:
    """What one failure comes to, in the end. Probabilities sum to 1 with those of ``spared``."""

    back: tuple[Any, ...]  #: everybody rolls back, to a save of this level or a higher one
    hit: tuple[Any, ...]  #: it is repaired, and one given shard was read from this level
    load_s: Any  #: expected time of loading, until training goes on
    reschedule_s: Any
    announced: Stops | None = None  #: of a failure that was announced, where these are of another kind
    unannounced: Stops | None = None

    @property
    def total_s(self) -> Any:
        """Expected length [s]."""
        return self.load_s + self.reschedule_s

    @property
    def spared(self) -> Any:
        """It is repaired, and the given shard has lost nothing."""
        return 1 - sum(self.back) - sum(self.hit)


class _State(NamedTuple):
    pending: frozenset[FailureKind]
    level: int  # the furthest that must be read
    own: int  # the furthest for the given shard, −1: not hit


def severities(levels: Sequence[SaveLevel]) -> tuple[Any, ...]:
    """Share of the failures that need each level: what it survives and the one below does not.

    >>> severities([SaveLevel("memory", 1.0, 1.0, 1.0, 0.9), SaveLevel("remote", 5.0, 5.0, 5.0)])
    (0.9, 0.09999999999999998)
    """
    survives = [0.0, *(one.survives for one in levels)]
    return tuple(high - low for low, high in pairwise(survives))


def told_apart(needs: Sequence[Any], warned: WarnedSave) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Of failures that need each level so often: how often announced ones do, and those that no one announces.

    >>> told_apart((0.5, 0.25, 0.25), WarnedSave(30.0, recall=0.5, precision=1.0, leaves=0))
    ((1.0, 0.0, 0.0), (0.0, 0.5, 0.5))
    """
    if warned.leaves is None:
        return tuple(needs), tuple(needs)
    within = sum(needs[: warned.leaves + 1])
    announced = tuple(one / within if at <= warned.leaves else 0.0 * one for at, one in enumerate(needs))
    if warned.recall == 1:
        return announced, announced
    pairs = zip(needs, announced, strict=True)
    rest = tuple(np.maximum(every - warned.recall * one, 0.0) / (1 - warned.recall) for every, one in pairs)
    return announced, tuple(one if np.ndim(one) else float(one) for one in rest)


def stops_of(
    mix: FailureMix,
    recovery: Recovery,
    levels: Sequence[SaveLevel],
    shards: Any,
    warned: WarnedSave | None = None,
) -> Stops:
    """The stops of a recovery from these levels, with failures of a mix, memoryless.

    Where announced failures are of another kind than all, theirs and those of the others stand beside. Of many jobs
    at once where numbers are columns, a row for each; all of them have failures of the same kinds.

    >>> from cprmodel.facts.strategies import FullRecovery
    >>> one = SaveLevel("remote", save_s=60.0, load_s=60.0, partial_load_s=10.0)
    >>> stops = stops_of(FailureMix(mtbf_s=3600.0), FullRecovery(0.0, 60.0), [one], shards=8)
    >>> round(stops.load_s, 3)  # 3600 (e^(60/3600) − 1)
    60.503
    """
    severity = severities(levels)
    every = _stops_from(mix, recovery, levels, shards, severity)
    if warned is None or warned.leaves is None:
        return every
    apart = [_stops_from(mix, recovery, levels, shards, one) for one in told_apart(severity, warned)]
    return replace(every, announced=apart[0], unannounced=apart[1])


def _stops_from(
    mix: FailureMix, recovery: Recovery, levels: Sequence[SaveLevel], shards: Any, first: Sequence[Any]
) -> Stops:
    """Stops that begin with a failure that needs each level so often."""
    full, severity = not loses_samples(recovery), severities(levels)
    strikes = _strikes(mix, full, severity, shards)
    chain = _chain(tuple(state for state, _ in strikes), len(severity))
    reschedule, load = _lengths(chain, recovery, levels)
    rate = 1 / _column(mix.mtbf_s)
    rows, many = max(len(rate), len(load), *(np.size(share) for _, share in strikes)), len(chain.states)
    after, start = np.zeros((rows, many, many)), np.zeros((rows, many))
    begins = _strikes(mix, full, first, shards)
    for at, to, (_, share), (_, begin) in zip(chain.first, chain.leads, strikes, begins, strict=True):
        start[:, at] += np.ravel(begin)
        after[:, np.arange(many), to] += _column(share)
    clear, struck = np.exp(-rate * (reschedule + load)), -np.expm1(-rate * (reschedule + load))
    visits, endless = _solved((np.eye(many) - struck[:, :, None] * after).transpose(0, 2, 1), start)
    ends = visits * clear  # visits: expected, of each state
    back, hit = np.zeros((len(levels), rows)), np.zeros((len(levels), rows))
    everybody = {kinds for kinds in chain.pending if together(recovery, kinds).rolls_back is RollBack.EVERYBODY}
    for at, state in enumerate(chain.states):
        if state.pending in everybody:
            back[state.level] += ends[:, at]
        elif state.own >= 0:
            hit[state.own] += ends[:, at]
    loading, waiting = np.exp(-rate * reschedule) * -np.expm1(-rate * load), -np.expm1(-rate * reschedule)
    # added up one after the other: the same for a job alone and among others
    times = [np.add.accumulate(visits * part, axis=1)[:, -1] / rate[:, 0] for part in (loading, waiting)]
    back[:, endless], hit[:, endless] = 0.0, 0.0  # failures come so fast that no stop ever ends
    back[0, endless], times[0][endless], times[1][endless] = 1.0, np.inf, np.inf
    given = (mix.mtbf_s, recovery.response(FailureKind.WHOLE_JOB).load_s, shards, *severity)
    plain = rows == 1 and not any(np.ndim(one) for one in given)
    found = [[float(one[0]) if plain else one[:, None] for one in part] for part in (back, hit, times)]
    return Stops(tuple(found[0]), tuple(found[1]), found[2][0], found[2][1])


def _column(value: Any) -> Any:
    """A number, or a column of them, as a column."""
    return np.reshape(np.asarray(value, dtype=float), (-1, 1))


def _solved(matrices: Any, right: Any) -> tuple[Any, Any]:
    """The solutions of many systems, and which have none."""
    none = np.zeros(len(matrices), dtype=bool)
    try:
        return np.linalg.solve(matrices, right[:, :, None])[:, :, 0], none
    except np.linalg.LinAlgError:
        found = np.zeros(right.shape)
        for at in range(len(matrices)):
            try:
                found[at] = np.linalg.solve(matrices[at : at + 1], right[at : at + 1, :, None])[0, :, 0]
            except np.linalg.LinAlgError:
                none[at] = True
        return found, none


class _Chain(NamedTuple):
    """What a stop may be in, and where strikes lead."""

    states: tuple[_State, ...]
    first: tuple[int, ...]  # numbers of the states that each strike begins with
    leads: Any  # of each strike, the numbers of the states that it leads to from each
    pending: tuple[frozenset[FailureKind], ...]
    waits: tuple[tuple[frozenset[FailureKind], int], ...]  # what a state's length depends on, ...
    length: tuple[int, ...]  # ... and which of these each state has


@lru_cache(maxsize=64)
def _chain(strikes: tuple[_State, ...], many: int) -> _Chain:
    kinds = {state.pending for state in strikes}
    pending = tuple(sorted({_pending(one, other) for one in kinds for other in kinds}, key=_order))
    states = tuple(
        _State(each, level, own)
        for each, level, own in product(pending, range(many), range(-1, many))
        if own <= level
    )
    index = {state: at for at, state in enumerate(states)}
    leads = np.array([[index[_worse(state, strike)] for state in states] for strike in strikes])
    waits = tuple(product(pending, range(many)))
    length = tuple(waits.index((state.pending, state.level)) for state in states)
    return _Chain(states, tuple(index[strike] for strike in strikes), leads, pending, waits, length)


def _order(kinds: frozenset[FailureKind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _strikes(mix: FailureMix, full: bool, severity: Sequence[Any], shards: Any) -> list[tuple[_State, Any]]:
    """The states that a first failure leads to, with their probabilities."""
    found: list[tuple[_State, Any]] = []
    if full:
        return [
            (_State(frozenset({FailureKind.WHOLE_JOB}), level, -1), share) for level, share in enumerate(severity)
        ]
    for kind in FailureKind:
        share = mix.share(kind)
        if not np.any(np.greater(share, 0)):
            continue
        pending = frozenset({kind})
        if kind is FailureKind.TRAINER:
            found.append((_State(pending, 0, -1), share))
            continue
        for level, needs in enumerate(severity):
            hit = mix.shards_at(level) / shards if kind is FailureKind.SHARD else 0.0
            found.append((_State(pending, level, -1), share * needs * (1 - hit)))
            if kind is FailureKind.SHARD:
                found.append((_State(pending, level, level), share * needs * hit))
    return found


def _pending(one: frozenset[FailureKind], other: frozenset[FailureKind]) -> frozenset[FailureKind]:
    both = one | other
    return frozenset({FailureKind.WHOLE_JOB}) if FailureKind.WHOLE_JOB in both else both


def _worse(state: _State, strike: _State) -> _State:
    """What is pending when a second failure strikes; a trainer's needs no level."""
    pending = _pending(state.pending, strike.pending)
    return _State(pending, max(state.level, strike.level), max(state.own, strike.own))


def _lengths(chain: _Chain, recovery: Recovery, levels: Sequence[SaveLevel]) -> tuple[Any, Any]:
    """Rescheduling and loading in each state [s], a row for each job."""
    places = [at_level(recovery, level) for level in levels]
    responses = [together(places[level], pending) for pending, level in chain.waits]
    found = []
    for times in ([one.reschedule_s for one in responses], [one.load_s for one in responses]):
        columns = [np.ravel(one) for one in times]
        rows = max(map(len, columns))
        table = np.empty((rows, len(columns)))
        for at, one in enumerate(columns):
            table[:, at] = one
        found.append(table[:, chain.length])
    return found[0], found[1]


def at_level(recovery: Recovery, level: SaveLevel) -> Recovery:
    """The recovery with the loads of a level."""
    loading: Callable[[float, float], Recovery] | None = getattr(recovery, "loading", None)
    if loading is None:
        raise TypeError(f"no cost model for recovery {recovery.name!r}")
    return loading(level.load_s, level.partial_load_s)
