"""What a cost is made of."""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.special import Number

__all__ = ["Breakdown", "parts_of"]


class Breakdown(NamedTuple):
    """Where the time goes; the parts sum to ``total``.

    As an overhead the unit is the useful time (a fraction of it), as a makespan it is seconds.

    >>> Breakdown(save=0.02, load=0.01, lost=0.02, reschedule=0.005).total
    0.055
    """

    save: Number  #: saves that were completed
    load: Number  #: checkpoints read back
    lost: Number  #: work done again after a roll-back, and saves that a failure made void
    reschedule: Number  #: failures detected, nodes found, processes restarted

    @property
    def total(self) -> Number:
        """The sum of the parts."""
        return self.save + self.load + self.lost + self.reschedule

    def in_floats(self) -> Breakdown:
        """Plain numbers, of arrays of one each."""
        return Breakdown(*(float(part) for part in self))

    def scaled(self, factor: Number) -> Breakdown:
        """Every part times a factor."""
        return Breakdown(*(part * factor for part in self))


def parts_of(spent: Breakdown, fewer_nodes: float, stragglers: float) -> dict[str, float]:
    """The parts by name, which sum to the total: slower training apart from the rescheduling that it is added to.

    >>> parts_of(Breakdown(save=0.02, load=0.01, lost=0.02, reschedule=0.75), fewer_nodes=0.5, stragglers=0.125)
    {'save': 0.02, 'load': 0.01, 'lost': 0.02, 'reschedule': 0.125, 'fewer_nodes': 0.5, 'stragglers': 0.125}
    """
    found = {name: float(part) for name, part in spent._asdict().items()}
    found["reschedule"] -= fewer_nodes + stragglers
    return {**found, "fewer_nodes": fewer_nodes, "stragglers": stragglers}
