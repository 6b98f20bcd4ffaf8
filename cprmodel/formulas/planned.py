"""Stops that are known beforehand: maintenance by the calendar."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number

__all__ = ["planned_overhead"]


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "a save just before each stop, half of which comes in the place of a regular one; stops much rarer than saves",
)
def planned_overhead(
    work_s: Number, planned: Number, outage_s: Number, save_s: Number, load_s: Number
) -> Breakdown:
    r"""Overhead of planned stops, beside that of saves and failures.

    .. math:: \frac{O}{T} = \frac{n_p}{T} \left( U + L + \frac{C}{2} \right)

    Parameters
    ----------
    work_s : useful training time, T [s]
    planned : planned stops that fall into the job, nₚ
    outage_s : how long one lasts, U [s]
    save_s : time of the save before it, C [s]: of a regular save half an interval is left, on average
    load_s : time to read a checkpoint back after it, L [s]

    Returns
    -------
    Breakdown as fractions of the useful time; the stop itself is among ``reschedule``.

    Examples
    --------
    >>> planned_overhead(work_s=864000.0, planned=2, outage_s=14400.0, save_s=240.0, load_s=300.0).reschedule
    0.03333333333333333
    """
    each = planned / work_s
    return Breakdown(save=each * save_s / 2, load=each * load_s, lost=0 * each, reschedule=each * outage_s)
