r"""What shards lose in a job of few patterns whose saves are doubted, from its beginning to its end.

Of every interval the pass that stands counts: nobody went back in it, and no check found an error. What a shard
learned before it is hit, in the work or in a check, is lost, and all of the interval where it is hit in the save.
Which of several checks it is matters: those in the middle find less to lose. The end is checked and not saved.

Where saves turn out unreadable, a shard that is hit later loses what it had kept, too, as long as the saves since
are bad. How many of those there are until the next good one, or until the end, is :meth:`.doubts.Doubts.behind`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.doubts import Doubts
from cprmodel.costing.short_verified import cut_of
from cprmodel.facts.special import NUMPY
from cprmodel.formulas.exact_loss import Hits, lost_whole

__all__ = ["Stands", "short_lost"]


class Stands(NamedTuple):
    """What hits a shard in passes that stand."""

    hits: Hits
    check: float  #: probability that it is hit in a check


def _checked(of: Stands, pieces: Any, piece_s: Any, last_s: Any, saved: int) -> tuple[Any, Any]:
    """Work lost of an interval with a check after each piece and the last one; how likely it is hit."""
    rate, check = of.hits.rate, -np.log1p(-of.check)
    after_last = check - saved * np.log1p(-of.hits.saving)
    # pieces, each with the next ones and their checks after it, too
    decay, after = rate * piece_s + check, after_last + rate * last_s + check
    share = NUMPY.exprel(-pieces * decay) / NUMPY.exprel(-decay)
    fewer = pieces * decay * NUMPY.phi2(-pieces * decay) - decay * NUMPY.phi2(-decay)
    hit = np.where(pieces > 0, fewer / NUMPY.exprel(-decay), 0.0) - share * np.expm1(-after)
    still = np.exp(-after) * share * rate * piece_s * NUMPY.phi2(-rate * piece_s)
    lost = pieces * piece_s * (hit + still)
    at_last = np.exp(-after_last) * rate * last_s * NUMPY.phi2(-rate * last_s)
    lost = lost + last_s * (at_last - np.expm1(-after_last))
    return lost, -np.expm1(-after_last - rate * last_s - pieces * decay)


def short_lost(
    of: Stands,
    work_s: float,
    interval_s: Any,
    saves_per_check: Any = 1,
    checks_per_save: Any = 1,
    doubts: Callable[[Any, Any], Doubts] | None = None,
) -> Any:
    """Share of the job's work that a shard loses, over arrays of intervals and patterns.

    ``doubts``: where saves may be unreadable, of an interval and the checks in it.

    >>> from cprmodel.formulas.exact_loss import hits_of, lost_of
    >>> hits = hits_of(1e5, 8.0, 0.6, 1.0, 60.0, 100.0, 300.0, 0.2, 0.2, 400.0)
    >>> bool(np.isclose(short_lost(Stands(hits, 0.0), 1e4, 3000.0), lost_of(hits, 1e4, 3000.0), rtol=1e-12))
    True
    """
    interval_s, intervals, patterns, rest, piece, pieces = cut_of(
        work_s, interval_s, saves_per_check, checks_per_save
    )
    alone = interval_s * lost_whole(of.hits, interval_s)
    lost, hit = _checked(of, checks_per_save - 1, piece, piece, 1)
    at_last, hit_last = _checked(of, pieces, piece, rest - pieces * piece, 0)
    total = patterns * lost + (intervals - 1 - patterns) * alone + at_last
    if doubts is not None:
        total = total + (interval_s - lost) * doubts(interval_s, checks_per_save).behind(hit, hit_last)
    return total / work_s
