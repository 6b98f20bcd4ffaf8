"""What it costs not to know the MTBF."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["expected_regret", "mtbf_regret"]

_FIRST_ORDER = "first order: C ≪ μ; the part of the overhead that depends on τ"


@formula("regret", DERIVED, Evidence.DERIVED, (), _FIRST_ORDER)
def mtbf_regret(mtbf_error: Number) -> Number:
    r"""Extra overhead of an interval that was chosen for a wrong MTBF, relative to the best one's.

    .. math:: \frac{O(\hat\tau)}{O(\tau)} - 1 = \frac12\left(\sqrt{\epsilon} + \frac1{\sqrt{\epsilon}}\right) - 1

    Parameters
    ----------
    mtbf_error : MTBF believed over MTBF, ε

    Notes
    -----
    C/τ + τ/(2μ) at τ = √(2Cμε). The same for an MTBF too long and too short by the same factor.

    Examples
    --------
    >>> mtbf_regret(mtbf_error=4.0), mtbf_regret(mtbf_error=0.25)
    (0.25, 0.25)
    """
    x = namespace(mtbf_error).sqrt(mtbf_error)
    return (x + 1 / x) / 2 - 1


@formula("regret", DERIVED, Evidence.DERIVED, (), _FIRST_ORDER + "; exponential failures")
def expected_regret(observed_failures: Number) -> Number:
    r"""Expected :func:`mtbf_regret` of an MTBF that was estimated from n_τ failures; about 1/(8n_τ).

    .. math:: \frac12\left(\frac{\Gamma(n_\tau+\frac12)}{\Gamma(n_\tau)\sqrt{n_\tau}}
              + \frac{\sqrt{n_\tau}\,\Gamma(n_\tau-\frac12)}{\Gamma(n_\tau)}\right) - 1

    Parameters
    ----------
    observed_failures : failures that were seen before the interval was chosen, n_τ

    Notes
    -----
    The estimate over the truth, the time until the last of these failures over n_τμ, is Gamma(n_τ)/n_τ.

    Examples
    --------
    >>> round(expected_regret(observed_failures=10.0), 5)
    0.01357
    """
    n = observed_failures
    xp = namespace(n)
    more = xp.gamma_ratio(n + xp.half, n) / xp.sqrt(n)
    less = xp.gamma_ratio(n - xp.half, n) * xp.sqrt(n)
    return (more + less) / 2 - 1
