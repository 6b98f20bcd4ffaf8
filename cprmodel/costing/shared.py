r"""Storage that jobs share: what a second of writing is worth when all of them together want to write more.

Each job saves every τᵢ, writing for Cᵢ at the full bandwidth while the others wait, so Σ nᵢCᵢ/τᵢ ≤ 1. The least
overhead of all nodes together under that bound has one multiplier Λ for all jobs (Herault et al., RR-9109): a
neighbour's interval is :func:`~cprmodel.formulas.herault_2018_interval`, and this job minimises its own overhead,
whatever its storage, plus Λ times what it writes, weighed by its nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cprmodel.facts.errors import JobError, Problem
from cprmodel.formulas.storage import herault_2018_interval
from cprmodel.jobs import Job, Storage

__all__ = ["Shared"]


@dataclass(frozen=True)
class Shared:
    """The storage of a job and its neighbours; prices are per node of this job (NΛ/q of the formula)."""

    storage: Storage
    node_mtbf_s: float

    @classmethod
    def of(cls, job: Job) -> Shared:
        """From a job with ``[storage]``."""
        assert job.storage is not None
        given = job.storage.node_mtbf_s
        return cls(job.storage, job.failure_mix.mtbf_s * job.storage.nodes if given is None else given)

    def neighbours_s(self, price: float) -> list[float]:
        """The neighbours' intervals at a price [s]."""
        worth = price * self.storage.nodes
        pairs = [(self.storage.save_of(one), one.nodes) for one in self.storage.jobs]
        # of a machine of one node: N(q/N + Λ) is then q + NΛ
        return [float(herault_2018_interval.raw(save, self.node_mtbf_s, q, 1.0, worth)) for save, q in pairs]

    def others(self, price: float) -> float:
        """Share of the time in which the neighbours write."""
        pairs = zip(self.storage.jobs, self.neighbours_s(price), strict=True)
        return sum(one.count * self.storage.save_of(one) / interval for one, interval in pairs)

    def used(self, own: float, price: float) -> float:
        """Share of the time in which somebody writes, over the share in which somebody may."""
        if self.storage.share is not None:
            return own / self.storage.share
        return own + self.others(price)

    def fits(self, own: float) -> bool:
        """Whether there is room for all where writing has no price."""
        return self.used(own, 0.0) <= 1

    def settle(self, used: Callable[[float], float]) -> float:
        """The price at which all of the time is written, no more."""
        from scipy.optimize import brentq

        high = 1e-6
        while used(high) > 1:
            high *= 8
            if high > 1e15:
                expected = "storage on which all jobs can save at all (what this job must write leaves no room)"
                raise JobError("job", [Problem("storage", "", expected)])
        return float(brentq(lambda price: used(price) - 1, 0.0, high, xtol=1e-12 * high, rtol=1e-10))
