"""Saves whose time scatters: the lognormal law through two quantiles, and the constant save that costs as much."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.scatter import P90
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["lognormal_mean", "lognormal_scatter", "scattered_save"]


@formula("σ_C", DERIVED, Evidence.DERIVED, (), "a lognormal law")
def lognormal_scatter(p50_s: Number, p90_s: Number) -> Number:
    r"""Scatter of a lognormal law of which two quantiles are known.

    .. math:: \sigma_C = \frac{\ln(P_{90}/P_{50})}{1.28155}

    Parameters
    ----------
    p50_s, p90_s : half and nine tenths of the saves take at most so long [s]

    Returns
    -------
    Standard deviation of the time's logarithm.

    Examples
    --------
    >>> round(lognormal_scatter(40.0, 90.0), 4)
    0.6328
    """
    return namespace(p50_s, p90_s).log(p90_s / p50_s) / P90


@formula("C", DERIVED, Evidence.DERIVED, (), "a lognormal law")
def lognormal_mean(p50_s: Number, scatter: Number) -> Number:
    r"""Mean of a lognormal law.

    .. math:: C = P_{50}\, e^{\sigma_C^2/2}

    Parameters
    ----------
    p50_s : half of the saves take at most so long [s]
    scatter : standard deviation of the time's logarithm, σ_C

    Returns
    -------
    Mean time of a save [s].

    Examples
    --------
    >>> round(lognormal_mean(40.0, lognormal_scatter(40.0, 90.0)), 2)
    48.87
    """
    return p50_s * namespace(p50_s, scatter).exp(scatter**2 / 2)


@formula(
    "C'", DERIVED, Evidence.DERIVED, (), "to second order in C/μ; saves taken anew where a failure strikes them"
)
def scattered_save(save_s: Number, mtbf_s: Number, scatter: Number) -> Number:
    r"""The constant save that costs as much as lognormal ones do.

    .. math:: C' = -\mu \ln \mathrm{E}\left[e^{-X/\mu}\right]
              \approx C - \frac{C^2 \left(e^{\sigma_C^2} - 1\right)}{2\mu}

    Parameters
    ----------
    save_s : mean time of a save, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    scatter : standard deviation of the time's logarithm, σ_C

    Returns
    -------
    Time of such a save [s]: shorter than the mean, since of the saves that no failure strikes more are short.

    Notes
    -----
    Whether a save of length X is struck by memoryless failures is told by the mean of e^(−X/μ) alone, and so is how
    long it takes until one of them is complete, if each is as long as chance has it. The steady-state model has
    that mean exactly; this is its series. With other laws of failures it does not hold.

    Examples
    --------
    >>> round(scattered_save(48.87, 3600.0, 0.6328), 2)
    48.71
    """
    return save_s - save_s**2 * (namespace(save_s, mtbf_s, scatter).exp(scatter**2) - 1) / (2 * mtbf_s)
