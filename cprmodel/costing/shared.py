r"""Storage that jobs share: what a second of writing is worth when all of them together want to write more.

Each job saves every τᵢ, writing for Cᵢ at the full bandwidth while the others wait, so Σ Cᵢ/τᵢ ≤ 1 over all jobs.
The least overhead of all nodes together under that bound has one multiplier Λ_B for all jobs (Herault et al.,
RR-9109): a neighbour's interval is :func:`~cprmodel.formulas.herault_2018_interval`. What is left to the neighbours
when this job writes a share of the time sets their intervals, hence what they lose; this job minimises its own
overhead, whatever its storage, plus that loss, weighed by nodes. No price has to be found by trial: the loss is a
function of the share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cprmodel.formulas.storage import herault_2018_interval
from cprmodel.jobs import Job, Storage

__all__ = ["Shared"]

#: Halvings of a price, and the highest that is tried.
_HALVINGS, _DEAREST = 60, 1e15


@dataclass(frozen=True)
class Shared:
    """The storage of a job and its neighbours; prices are per node of this job (n_MΛ_B/n of the formula)."""

    storage: Storage
    node_mtbf_s: float

    @classmethod
    def of(cls, job: Job) -> Shared:
        """From a job with ``[storage]``."""
        assert job.storage is not None
        given = job.storage.node_mtbf_s
        return cls(job.storage, job.failure_mix.mtbf_s * job.storage.nodes if given is None else given)

    @cached_property
    def _classes(self) -> tuple[Any, Any, Any]:
        """Of the neighbours: how many, nodes of each, time of a save."""
        jobs = self.storage.jobs
        columns = [
            [one.count for one in jobs],
            [one.nodes for one in jobs],
            [self.storage.save_of(one) for one in jobs],
        ]
        count, nodes, saves = (np.array(column, dtype=float) for column in columns)
        return count, nodes, saves

    def _neighbours_s(self, price: Any) -> Any:
        """The neighbours' intervals at prices [s]."""
        _, nodes, saves = self._classes
        worth = np.multiply.outer(np.asarray(price, dtype=float), np.full(len(nodes), float(self.storage.nodes)))
        # of a machine of one node: n_M(n/n_M + Λ_B) is then n + n_MΛ_B
        return herault_2018_interval.raw(saves, self.node_mtbf_s, nodes, 1.0, worth)

    def others(self, price: Any) -> Any:
        """Share of the time in which the neighbours write at a price."""
        count, _, saves = self._classes
        return (count * saves / self._neighbours_s(price)).sum(axis=-1)

    def fits(self, own: float) -> bool:
        """Whether there is room for all where writing has no price."""
        if self.storage.share is not None:
            return own <= self.storage.share
        return own + float(self.others(0.0)) <= 1

    def price(self, own: Any) -> Any:
        """What a second of writing is worth where this job writes such a share of the time; ∞ without room."""
        own = np.asarray(own, dtype=float)
        if self.storage.share is not None:
            return np.where(own <= self.storage.share * (1 + 1e-12), 0.0, np.inf)
        room = 1 - own
        low, high = np.full(own.shape, -30.0), np.full(own.shape, np.log(_DEAREST))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            more = self.others(np.exp(middle)) > room
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        price = np.where(self.others(0.0) <= room, 0.0, np.exp(high))
        return np.where(self.others(_DEAREST) < room, price, np.inf)

    def loss(self, own: Any) -> Any:
        """What the neighbours lose then beyond their own optimum, per node of this job, in overheads."""
        price = self.price(own)
        if self.storage.share is not None:
            return price
        known = np.where(np.isfinite(price), price, 0.0)
        return np.where(np.isfinite(price), self._overheads(known) - self._overheads(0.0), np.inf)

    def _overheads(self, price: Any) -> Any:
        count, nodes, saves = self._classes
        every = self._neighbours_s(price)
        waste = saves / every + nodes * every / (2 * self.node_mtbf_s)
        return (count * nodes * waste).sum(axis=-1) / self.storage.nodes
