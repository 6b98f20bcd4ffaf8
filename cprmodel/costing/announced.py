"""What one announcement of a failure comes to: a save just in time, or one that is struck, or too slow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.storage import WarnedSave

__all__ = ["Announcement", "announcement", "begun_later"]


#: Probabilities to be in time with which a save on a warning is begun, where its time scatters.
_IN_TIME = (0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985)


class Announcement(NamedTuple):
    """Probabilities and expectations, of one announcement."""

    void: Any  #: another failure strikes the save
    missed: Any  #: the announced failure comes before the save is complete
    saved: Any  #: the save is complete
    then_other: Any  #: ... and then another failure comes before the one that is announced
    then_told: Any  #: ... and then that one
    activity_s: Any  #: until the failure, or until training goes on
    saving_s: Any  #: time of the complete save


def announcement(warned: WarnedSave, rate: Any) -> Announcement:
    """With failures at a rate; a save whose time scatters begins ``ahead_s`` before the announced failure.

    A true announcement lasts until its failure, or until another strikes before: what is done between the save and
    that is lost. A false one lasts as long as its save.

    >>> from cprmodel.facts.scatter import Scatter
    >>> sure = WarnedSave(60.0, recall=0.6, precision=1.0)
    >>> slow = WarnedSave(60.0, 0.6, 1.0, scatter=Scatter(sigma=0.5), ahead_s=100.0)
    >>> [round(float(announcement(one, 1e-5).missed), 3) for one in (sure, slow)]
    [0.0, 0.102]
    """
    true, save_s = warned.precision, warned.save_s
    if warned.scatter is None or warned.ahead_s is None:
        void = -np.expm1(-rate * save_s)
        return Announcement(void, 0.0, 1 - void, 0.0, true * (1 - void), void / rate, (1 - void) * save_s)
    scatter, in_time, scatters_s = warned.scatter, warned.in_time, save_s - warned.fixed_s
    comes = -np.expm1(-rate * warned.ahead_s)  # another failure comes before the announced one
    x, fixed = rate * scatters_s, np.exp(-rate * warned.fixed_s)
    within = warned.share, np.inf  # of a true announcement the saves that are in time, of a false one all
    spared = [fixed * scatter.spared(x, most) for most in within]
    struck = [scatter.struck(x, most) + (1 - fixed) * scatter.spared(x, most) for most in within]
    spent = [fixed * (warned.fixed_s * scatter.spared(x, m) + scatters_s * scatter.spent(x, m)) for m in within]
    return Announcement(
        void=true * (struck[0] + (1 - in_time) * comes) + (1 - true) * struck[1],
        missed=true * (1 - in_time) * (1 - comes),
        saved=true * spared[0] + (1 - true) * spared[1],
        then_other=true * (in_time * comes - struck[0]),
        then_told=true * (1 - comes) * in_time,
        activity_s=(true * comes + (1 - true) * struck[1]) / rate,
        saving_s=true * spent[0] + (1 - true) * spent[1],
    )


def begun_later(warned: WarnedSave) -> list[WarnedSave]:
    """A save on a warning, and where its time scatters those that begin later: less surely in time, and less wait.

    >>> from cprmodel.facts.scatter import Scatter
    >>> slow = WarnedSave(60.0, 0.6, 1.0, scatter=Scatter(sigma=0.5), ahead_s=100.0)
    >>> [round(one.in_time, 2) for one in begun_later(slow)]
    [0.9, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87]
    """
    found = [warned]
    if warned.scatter is None or warned.ahead_s is None:
        return found
    for probability in _IN_TIME:
        ahead_s = warned.fixed_s + (warned.save_s - warned.fixed_s) * warned.scatter.quantile(probability)
        if ahead_s < warned.ahead_s:
            found.append(replace(warned, ahead_s=ahead_s))
    return found
