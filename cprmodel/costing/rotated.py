"""What saves that rotate over experts lose in a job of finite length, exactly: on average, and its scatter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.costing.models import Step, use
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.special import NUMPY
from cprmodel.formulas.rotating import rotating_loss, rotating_pls

__all__ = ["UpdatesLost", "spread", "steps_of", "updates_lost"]


@dataclass(frozen=True)
class UpdatesLost:
    """Portion of the experts' updates that is lost, of one run or on average, at each of the intervals."""

    pls: Any
    mean: Any  #: of an interval that another save follows
    last: Any  #: of one after the last save


def _turns(saving: RotatingSave) -> int:
    return saving.experts // saving.rotated


def updates_lost(saving: RotatingSave, work_s: float, mtbf_s: float, interval_s: Any) -> UpdatesLost:
    """Expected portion of lost updates in a job of this length; interval by interval where there are many."""
    every = np.atleast_1d(np.asarray(interval_s, dtype=float))
    given = {"experts": saving.experts, "rotated": saving.rotated, "save_s": saving.save_s, "mtbf_s": mtbf_s}
    turns, share = _turns(saving), saving.rotated / saving.experts
    saves = NUMPY.intervals(work_s, every) - 1
    followed = np.maximum(saves - 1, 0)
    known = np.minimum(followed, turns)
    steady = rotating_loss.raw(turns=float(turns), interval_s=every, **given)
    total = _summed(share, (every + saving.save_s) / mtbf_s, known) + (followed - known) * steady
    mean = total / np.maximum(followed, 1)
    at_last = rotating_loss.raw(turns=np.minimum(saves, turns), interval_s=every, **given)
    drain_s, overlap = saving.drain
    pls = rotating_pls.raw(mean, at_last, work_s, every, saving.save_s, mtbf_s, drain_s, overlap)
    found = UpdatesLost(pls, mean, at_last)
    return found if np.ndim(interval_s) else UpdatesLost(*(float(one[0]) for one in (pls, mean, at_last)))


def _summed(share: float, x: Any, turns: Any) -> Any:
    """The sum of ``rotating_loss`` over 1, 2, … saves since a failure, up to so many ``turns`` A.

    With s the share of a turn and D(j) = (1 − q) + … + (1 − q^j) it is (1 − sA) D(A) + 2s (D(0) + … + D(A − 1)).
    Both are geometric sums, written without differences of like numbers: where q = exp(−x) is close to 1 in φ
    functions, as in ``rotating_loss``, and elsewhere in powers of q.
    """
    near, pairs = np.minimum(x, 1.0), turns * (turns + 1) / 2
    e, half, more = NUMPY.exprel(-near), NUMPY.phi2(-near), turns + 1.0
    below = near * (more**2 * NUMPY.phi2(-more * near) - more * half) / e
    sums = more**3 * NUMPY.phi3(-more * near) - more * NUMPY.phi3(-near) - pairs * half
    sums = near * (sums / e - pairs * half) / e
    q, far = np.exp(-np.maximum(x, 1.0)), x > 1
    power = (1 - q**turns) / (1 - q)
    below = np.where(far, turns - q * power, below)
    sums = np.where(far, turns * (turns - 1) / 2 - q * (turns - power) / (1 - q), sums)
    return (1 - share * turns) * below + 2 * share * np.where(turns > 1, sums, 0.0)


def spread(saving: RotatingSave, work_s: float, mtbf_s: float, interval_s: float) -> float:
    """Standard deviation of one run's portion of lost updates, exactly.

    After a save each failure takes S(e) of an interval's updates, e intervals after the failure before it. The
    failures between saves are independent; what one takes hangs on where the one before it was, and on nothing
    earlier. So with X_i what is taken after the i-th save, E[X_i X_k] = E[X_i] E[X_(k-i)].
    """
    turns, saves = _turns(saving), int(NUMPY.intervals(work_s, interval_s)) - 1
    if saves < 1 or saving.rotated == saving.experts:
        return 0.0
    drain_s, overlap = saving.drain
    x = (interval_s + saving.save_s) / mtbf_s
    rest = max(work_s - saves * interval_s - overlap * drain_s, 0.0) / mtbf_s
    struck, at_end = -math.expm1(-x), math.expm1(-rest) / math.expm1(-x)
    age = np.arange(1, turns + 1, dtype=float)
    taken = age - saving.rotated / saving.experts * age * (age + 1) / 2  # S(e) of a failure, in intervals
    weight = struck * np.exp(-x * (age - 1))  # that the one before was so long ago
    stays = np.exp(-x * (age - 1))

    def mean_of(values: Any) -> Any:
        before = np.concatenate([[0.0], np.cumsum(weight * values)[:-1]])
        return struck * (before + stays * values)

    first, second = mean_of(taken), mean_of(taken**2)

    def at(number: Any, of: Any) -> Any:
        return of[np.minimum(number, turns) - 1]

    many = saves - 1  # saves that another one follows
    number = np.arange(1, min(many, 2 * turns) + 1)
    alone = at(number, second) - at(number, first) ** 2
    variance = float(alone.sum()) + max(many - number.size, 0) * float(second[-1] - first[-1] ** 2)
    gaps = first - first[-1]
    sums = np.concatenate([[0.0], np.cumsum(gaps)])
    one = np.arange(1, min(many, turns) + 1)  # soon after the beginning: what follows is not in its stride yet
    later = np.minimum(turns, many - one)
    among = sums[later] + sums[one] - sums[np.minimum(one + later, turns)]
    variance += 2 * float((at(one, first) * among).sum())
    beyond = max(many - turns, 0)
    short = min(beyond, turns)  # the last ones have fewer after them
    variance += 2 * float(first[-1]) * (max(beyond - turns, 0) * sums[-1] + float(sums[:short].sum()))
    last = at(saves, first)
    variance += at_end * float(at(saves, second)) - (at_end * float(last)) ** 2
    near = np.arange(max(1, saves - turns), saves)
    variance += 2 * at_end * float((at(near, first) * (at(saves - near, first) - last)).sum())
    return interval_s / work_s * math.sqrt(max(variance, 0.0))


def steps_of(saving: RotatingSave, work_s: float, mtbf_s: float, every: float) -> tuple[Step, Step]:
    """The formulas as they are used: of an interval in the long run, and of the job."""
    found = updates_lost(saving, work_s, mtbf_s, every)
    given = {"interval_s": every, "save_s": saving.save_s, "mtbf_s": mtbf_s}
    drain_s, overlap = saving.drain
    drains = {"drain_s": drain_s, "overlap": overlap} if drain_s else {}
    experts = {"experts": saving.experts, "rotated": saving.rotated, "turns": _turns(saving)}
    whole = {"updates_lost": found.mean, "last_updates_lost": found.last, "work_s": work_s}
    return use(rotating_loss, **experts, **given), use(rotating_pls, **whole, **given, **drains)
