"""What saving and failing cost in money."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["cheapest_interval", "price_to_train"]


@formula("τ", DERIVED, Evidence.DERIVED, (), "first order; before an accuracy budget caps it")
def cheapest_interval(
    save_s: Number, mtbf_s: Number, save_price: Number, price_per_s: Number, whole_job_share: Number = 1
) -> Number:
    r"""The interval that costs the least money, where a save has a price beside its time.

    .. math:: \tau = \sqrt{\frac{2 \left(C + c_C/c_t\right) \mu}{w}}

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    save_price : what one save costs beside its time (bytes written), c_C [currency]
    price_per_s : what a second of the job costs, nodes and storage kept, cₜ [currency/s]
    whole_job_share : share of failures that send everybody back, w: 1 under full recovery

    Returns
    -------
    Useful work between two saves, τ [s]; infinite where w = 0.

    Notes
    -----
    Money a second of useful work: cₜ(1 + C/τ + D_L/μ + wτ/(2μ)) + c_C/τ. A price c_C is worth c_C/cₜ seconds, so
    this is Young's interval with a save that is so much longer.

    Examples
    --------
    >>> cheapest_interval(save_s=240, mtbf_s=100800, save_price=0.0, price_per_s=0.1) / 60  # Young's
    115.931...
    >>> cheapest_interval(save_s=240, mtbf_s=100800, save_price=72.0, price_per_s=0.1) / 60
    231.862...
    """
    xp = namespace(save_s, mtbf_s, save_price, price_per_s, whole_job_share)
    interval = xp.sqrt(2 * (save_s + save_price / price_per_s) * mtbf_s / xp.above_zero(whole_job_share))
    return xp.infinite_at_zero(whole_job_share, interval)


@formula("money", DERIVED, Evidence.DEFINITION, (), "every save is charged once, a void one not at all")
def price_to_train(
    work_s: Number, overhead: Number, price_per_s: Number, saves: Number, save_price: Number
) -> Number:
    r"""What a job costs from start to end.

    .. math:: c_t\, T\, (1 + o) + m\, c_C

    Parameters
    ----------
    work_s : useful training time, T [s]
    overhead : extra time as a fraction of the useful time, o
    price_per_s : what a second of the job costs, nodes and storage kept, cₜ [currency/s]
    saves : complete saves, m
    save_price : what one save costs beside its time, c_C [currency]

    Examples
    --------
    >>> price_to_train(work_s=3600.0, overhead=0.25, price_per_s=0.01, saves=4, save_price=2.0)
    53.0
    """
    return price_per_s * work_s * (1 + overhead) + saves * save_price
