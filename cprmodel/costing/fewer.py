"""How many nodes are out at once, and on how many replicas a job trains meanwhile: a birth-death chain.

Each failure that needs a repair takes a node, and each node comes back after a repair of its own, so with i broken
there are i repairs at once. Nodes that stand by take the place of broken ones first: spares, and those that are
left of a replica that is not whole. With i broken the job has c(i) whole replicas, and failures come in proportion
to them. Below the fewest it waits, and then nothing fails. Whatever the law of the repairs, the share of the time
with i broken is in proportion to

    ρ_r^i / i! · c(0) c(1) … c(i − 1) / c^i,

with ρ_r the nodes in repair on average were there always all of c replicas: failures that depend on the number of
customers, and a server for each, are Erlang's system with another input, and as insensitive. With one replica that
waits it is his formula; with replicas of one node and no spares a binomial law, for then each node breaks and is
repaired for itself (tests/costing/test_elastic.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["Crossing", "Fleet", "fleet_of"]

#: Of what is less likely than this nothing is told.
_NEVER = 1e-18


@dataclass(frozen=True)
class Crossing:
    """A failure after which there is a replica less."""

    replicas: int  #: before it
    share: float  #: of the time in which the next node that breaks would bring it
    broken: int  #: nodes that are broken after it


@dataclass(frozen=True)
class Fleet:
    """On how many replicas the job trains for which share of its time."""

    replicas: tuple[int, ...]
    shares: tuple[float, ...]
    waits: float  #: share of the time in which it waits for a node
    crossings: tuple[Crossing, ...]
    broken: float  #: nodes that are broken at once, on average

    def share_of(self, replicas: int) -> float:
        """Share of the time with so many replicas."""
        return dict(zip(self.replicas, self.shares, strict=True)).get(replicas, 0.0)


def _likely(load: float, last: int, replicas_at: Any, all_replicas: int) -> Any:
    """Shares of the time with 0, 1, … broken nodes, up to where they are nothing."""
    most = min(last, int(load + 12 * math.sqrt(load)) + 60)
    broken = np.arange(most)
    grows = np.log(load * replicas_at(broken) / all_replicas) - np.log(broken + 1.0)
    logs = np.concatenate([[0.0], np.cumsum(grows)])
    shares = np.exp(logs - logs.max())
    return shares / shares.sum()


@lru_cache(maxsize=4096)
def fleet_of(nodes: int, group: int, least: int, spares: int, load: float) -> Fleet:
    """Of ``nodes`` in replicas of ``group``, which wait below ``least`` nodes; ``load``: ρ_r.

    >>> round(fleet_of(nodes=4, group=1, least=4, spares=1, load=0.2).waits, 6)  # Erlang's loss of 2 lines
    0.016393
    """
    everything, fewest = nodes // group, -(-least // group)
    last = nodes + spares - group * fewest + 1  # so many broken: it waits

    def replicas_at(broken: Any) -> Any:
        return np.minimum(everything, (nodes + spares - broken) // group)

    if not load > 0:
        return Fleet((everything,), (1.0,), 0.0, (), 0.0)
    shares = _likely(load, last, replicas_at, everything)
    running = replicas_at(np.arange(len(shares)))
    waits = float(shares[last]) if len(shares) > last else 0.0
    trains = np.arange(len(shares)) < last
    found, at = np.unique(running[trains], return_inverse=True)
    each = np.bincount(at, weights=shares[trains])
    kept = [(int(r), float(share)) for r, share in zip(found, each, strict=True) if share > _NEVER][::-1]
    crossings = [
        Crossing(int(running[b]), float(shares[b]), b + 1)
        for b in range(min(len(shares), last) - 1)
        if running[b + 1] < running[b] and shares[b + 1] > _NEVER
    ]
    number = float((shares * np.arange(len(shares))).sum())
    return Fleet(tuple(c for c, _ in kept), tuple(s for _, s in kept), waits, tuple(crossings), number)
