r"""How one run's PLS scatters where saves in an order follow warnings: a compound Poisson sum, stretch by stretch.

A failure of a shard that nobody announced takes what saves left out, s, and what was done since, a; where everybody
goes back, s alone, of all shards at once; one that was announced, what the save on the warning left out, r. With H
and B the expected numbers of such losses of one shard, k shards a failure,

.. math:: \sigma = \frac1T \sqrt{\frac{\mathrm{E}[k^2]}{\mathrm{E}[k] N} \sum H x^2 + \sum B y^2}

[derived here; tests/ordering/test_warned_scatter.py plays it row by row]. What later failures would have taken all
the same is not counted.
"""

from __future__ import annotations

import numpy as np

from cprmodel.costing.warned import Stretches
from cprmodel.ordering.warned_rows import Followed
from cprmodel.rows import Floats

__all__ = ["squares_of"]

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def squares_of(found: Followed, of: Stretches, many: int, hit_in_saves: float) -> tuple[Floats, Floats]:
    """Mean squares [slots²] of what is taken from one shard, and from all at once; by the stretches since it began.

    ``hit_in_saves``: failures of the given shard in one save; ``many``: stretches of the job.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        stale, struck, told = (
            np.where(found.weight > 0, one / found.weight, 0.0) for one in (found.stale, found.struck, found.told)
        )
        left = np.where(found.told > 0, (found.lost - struck * found.stale) / found.told, 0.0)
    left = np.maximum(left, 0.0)
    again = _again((struck * stale + told * left).mean(0), 1 - (struck + told).mean(0), many)
    lost = struck.mean()
    # ages at which work is struck, and in a save
    carry, leaves = min(of.carry_s / of.slot_s, 1.0), of.leaves_per_s * of.slot_s
    ages = carry + (1 - carry) * (1 + _POINTS) / 2
    often = _WEIGHTS / 2 * (1 - carry) * np.exp(-leaves * (ages - carry)) * of.hit_per_s * of.slot_s
    ages = np.append(ages, 1.0)
    often = np.append(often, np.exp(-leaves * (1 - carry)) * hit_in_saves)
    often /= often.sum() if often.sum() > 0 else 1.0

    def taken(what: Floats, by: Floats | float = 1.0) -> Floats:
        net: Floats = np.maximum(what * by - again, 0.0) ** 2
        return net

    of_hits = sum(share * taken(stale + age, 1 - lost * (1 - age)) for age, share in zip(ages, often, strict=True))
    hits = of.hit_per_s / of.lost_per_s if of.lost_per_s > 0 else 0.0
    then = of.then_hit / of.then_lost if of.then_lost > 0 else 0.0
    shard = found.weight * (struck * hits * of_hits + told * then * taken(left))
    everybody = found.weight * (struck * (1 - hits) * taken(stale) + told * (1 - then) * taken(left))
    return shard, everybody


def _again(lost: Floats, stays: Floats, many: int) -> Floats:
    """What later failures would take of what a shard has at stake, more than of one that begins again.

    By the stretches since it began, of a stretch somewhere in the job; after those that are known nothing changes.
    """
    known = lost.size
    lost = np.append(lost, np.full(known, lost[known // 2 :].mean()))
    ahead = np.arange(known)
    weight = np.cumprod(np.append(1.0, stays[:-1])) * np.maximum(1 - ahead / many, 0.0)
    more: Floats = np.correlate(lost[1:], weight, "valid") - float(weight @ lost[:known])
    return np.maximum(more, 0.0)
