r"""Failures with memory that renew the clock: saving at equal spacing, and by age.

After every failure the job is as new: the time to the next one has the survival function F̄ and the mean μ, counted
from the moment that the job works again; nothing fails during D + L. The work of a piece counts once its save is
complete. So, with x_j the clock at the end of the j-th save and y_j the work before it,

.. math:: \text{efficiency} = \frac{\sum_j y_j \bar F(x_j)}{\mu + D + L}, \qquad x_j = \sum_{i \le j} (y_i + C)

is the share of the time, of a long job under full recovery, that is useful work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.facts.formula import formula
from cprmodel.facts.sources import LING_2001, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["renewal_efficiency", "schedule_efficiency", "weibull_save_time"]

Survival = Callable[[Any], Any]

_RENEWS = "failures renew the clock, nothing fails during D + L, a job much longer than μ"

#: Terms of the sum that are added one by one; the rest is an integral, with an error of S'' over 24.
_TERMS = 20_000
#: Points of that integral, and how far it goes beyond those terms.
_POINTS, _BEYOND = 4_000, 1e9


def renewal_efficiency(
    interval_s: float, save_s: float, mtbf_s: float, survival: Survival, load_s: float = 0, reschedule_s: float = 0
) -> float:
    r"""Useful share of the time when saves are equally spaced and failures renew the clock.

    .. math:: \frac{\tau \sum_{i \ge 1} \bar F(i(\tau + C))}{\mu + D + L}

    Parameters
    ----------
    interval_s : useful work between two saves, τ [s], greater than 0
    save_s : time a save blocks training, C [s]
    mtbf_s : mean of the time to a failure, μ [s], that of ``survival``
    survival : F̄(x), the probability that nothing fails before x [s]; takes arrays, such as a scipy ``law.sf``
    load_s, reschedule_s : L and D [s]

    Notes
    -----
    Derived here (a renewal argument; held to theory.md §2's figures and to a Monte-Carlo in the tests). Its
    greatest value over τ is the best equal spacing. Under exponential failures that is
    :func:`~cprmodel.formulas.exact_interval`.

    Examples
    --------
    >>> import numpy as np
    >>> round(renewal_efficiency(7003, 300, 86400, lambda t: np.exp(-t / 86400)), 4)  # without memory
    0.919
    """
    _check(save_s, mtbf_s, load_s, reschedule_s)
    if not 0 < interval_s < np.inf:
        raise DomainError(f"renewal_efficiency: interval_s = {interval_s!r}: expected a number greater than 0")
    total = _sum_of(survival, 0.0, interval_s + save_s)
    return interval_s * total / (mtbf_s + load_s + reschedule_s)


def _sum_of(survival: Survival, start_s: float, cycle_s: float) -> float:
    """Σ F̄(start + i·cycle) over i = 1, 2, …"""
    terms = survival(start_s + cycle_s * np.arange(1, _TERMS + 1))
    total = float(np.sum(terms))
    if terms[-1] > 0:  # the rest is ∫ S(start + x·cycle) dx from the last term + ½, to second order
        nodes = np.geomspace(_TERMS + 0.5, _TERMS * _BEYOND, _POINTS)
        total += float(np.trapezoid(survival(start_s + cycle_s * nodes) * nodes, np.log(nodes)))
    return total


def schedule_efficiency(
    works_s: Any, save_s: float, mtbf_s: float, survival: Survival, load_s: float = 0, reschedule_s: float = 0
) -> float:
    r"""Useful share of the time when the j-th save since the last failure follows on the j-th of these works.

    .. math:: \frac{\sum_j y_j \bar F\left(\sum_{i \le j} (y_i + C)\right)}{\mu + D + L}

    The last work repeats for ever.

    Parameters
    ----------
    works_s : useful work before each save since the last failure, y₁, y₂, … [s]; the last of them repeats
    save_s : time a save blocks training, C [s]
    mtbf_s : mean of the time to a failure, μ [s], that of ``survival``
    survival : F̄(x), the probability that nothing fails before x [s]; takes arrays
    load_s, reschedule_s : L and D [s]

    Notes
    -----
    Derived here, as :func:`renewal_efficiency`, which it equals for equal works.

    Examples
    --------
    >>> import numpy as np
    >>> round(schedule_efficiency([7003, 7003], 300, 86400, lambda t: np.exp(-t / 86400)), 4)
    0.919
    """
    _check(save_s, mtbf_s, load_s, reschedule_s)
    works = np.asarray(works_s, dtype=float)
    if works.ndim != 1 or not works.size or not np.all(np.isfinite(works)) or np.min(works) < 0:
        raise DomainError("schedule_efficiency: works_s: expected a list of numbers of at least 0")
    ends = np.cumsum(works + save_s)
    committed = float(np.sum(works * survival(ends)))
    if works[-1] > 0:
        committed += float(works[-1]) * _sum_of(survival, float(ends[-1]), float(works[-1] + save_s))
    return committed / (mtbf_s + load_s + reschedule_s)


@formula("t_F", LING_2001, Evidence.DERIVED, (), f"{_RENEWS}; to first order in the save's length")
def weibull_save_time(
    save_number: Number, save_s: Number, weibull_shape: Number, weibull_scale_s: Number
) -> Number:
    r"""When the m_F-th save since the last failure is best complete, under Weibull failures.

    .. math:: t_F = \left[m_F\,\frac{\beta_W + 1}{2}
              \sqrt{\frac{2 C \eta_W^{\beta_W}}{\beta_W}}\right]^{2/(\beta_W + 1)}

    Parameters
    ----------
    save_number : which save since the last failure, m_F = 1, 2, …
    save_s : time a save blocks training, C [s]
    weibull_shape : β_W; below 1 the hazard falls with age and the saves thin out, above 1 they grow denser
    weibull_scale_s : η_W [s]

    Returns
    -------
    Time since the job works again after the last failure [s], saves included.

    Notes
    -----
    The saves lie with the density √(y/2C) that balances their cost against the hazard y: ∫ √(y/2C) dx = m_F. For
    β_W = 1 they are Young's interval apart. Where two are less than C apart (β_W > 1, far beyond the mean) there is
    no room for work between them.

    Examples
    --------
    >>> round(weibull_save_time(1, 300, 1.0, 86400) / 60, 6), round(weibull_save_time(2, 300, 1.0, 86400) / 60, 6)
    (120.0, 240.0)
    """
    root = namespace(save_s, weibull_shape, weibull_scale_s).sqrt(
        2 * save_s * weibull_scale_s**weibull_shape / weibull_shape
    )
    return (save_number * (weibull_shape + 1) / 2 * root) ** (2 / (weibull_shape + 1))


def _check(save_s: float, mtbf_s: float, load_s: float, reschedule_s: float) -> None:
    for name, value in (("save_s", save_s), ("load_s", load_s), ("reschedule_s", reschedule_s)):
        if not 0 <= value < np.inf:
            raise DomainError(f"{name} = {value!r}: expected a number of at least 0")
    if not 0 < mtbf_s < np.inf:
        raise DomainError(f"mtbf_s = {mtbf_s!r}: expected a number greater than 0")
