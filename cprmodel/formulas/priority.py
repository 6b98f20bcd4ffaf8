r"""What to save first: rows (or shards) that share the bandwidth to checkpoint storage.

Row i is updated at rate λᵢ, has sᵢ bytes, and is saved every Pᵢ. The budget is Σ sᵢ/Pᵢ = B bytes a second. A
failure at any moment loses what the row learned since it was last saved: λᵢPᵢ/2 updates on average. Sums over
the rows (Λ of the rates, S of the sizes, Q of the roots √(λᵢsᵢ)) are arguments, so that every formula here is
one row's and broadcasts; :mod:`cprmodel.ordering` adds up.

A row that is never updated need not be saved: its interval is infinite. A row of no bytes costs nothing: its
interval is 0 where the budget sets it.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import CHO_2000, DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "cho_2000_age",
    "cho_2000_freshness",
    "fluid_mfu_interval",
    "fluid_update_age_interval",
    "freshness_interval",
    "lost_updates",
    "marginal_age",
    "proportional_interval",
    "square_root_interval",
    "square_root_lost_updates",
    "uniform_lost_updates",
]

_AT_RANDOM = "a failure strikes at a random moment between two saves"
_FLUID = "updates come evenly (no scatter), and the threshold is such that the saves use the budget"
_POISSON = "updates are Poisson; a row is saved at fixed times"


@formula("lost updates", DERIVED, Evidence.DERIVED, (), _AT_RANDOM)
def lost_updates(updates_per_s: Number, row_interval_s: Number) -> Number:
    r"""Updates of one row that a failure takes, on average.

    .. math:: \frac{\lambda_i P_i}{2}

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    row_interval_s : time between two saves of the row, Pᵢ [s]

    Examples
    --------
    >>> lost_updates(updates_per_s=3.0, row_interval_s=600.0)
    900.0
    """
    return updates_per_s * row_interval_s / 2


@formula("lost updates", DERIVED, Evidence.DERIVED, (), _AT_RANDOM)
def uniform_lost_updates(total_updates_per_s: Number, size_bytes: Number, bandwidth_bytes_per_s: Number) -> Number:
    r"""Updates that a failure takes when every row is saved every S/B.

    .. math:: \frac{\Lambda S}{2 B}

    Parameters
    ----------
    total_updates_per_s : updates of all rows together, Λ [1/s]
    size_bytes : all rows together, S [B]
    bandwidth_bytes_per_s : what saving may use, B [B/s]

    Notes
    -----
    Bandwidth in proportion to the rate (:func:`proportional_interval`) loses exactly as much.

    Examples
    --------
    >>> uniform_lost_updates(total_updates_per_s=1e6, size_bytes=1.2e12, bandwidth_bytes_per_s=2e9)
    300000000.0
    """
    return total_updates_per_s * size_bytes / (2 * bandwidth_bytes_per_s)


@formula("Pᵢ", DERIVED, Evidence.DERIVED, (), "any rates and sizes")
def proportional_interval(
    row_bytes: Number, updates_per_s: Number, total_updates_per_s: Number, bandwidth_bytes_per_s: Number
) -> Number:
    r"""Interval of a row that gets its share of the updates as its share of the bandwidth.

    .. math:: P_i = \frac{s_i \Lambda}{\lambda_i B}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    updates_per_s : updates of the row, λᵢ [1/s]
    total_updates_per_s : updates of all rows together, Λ [1/s]
    bandwidth_bytes_per_s : what saving may use, B [B/s]

    Notes
    -----
    No gain at all: Σ λᵢPᵢ/2 = ΛS/(2B), the loss of :func:`uniform_lost_updates`, whatever the rates.

    Examples
    --------
    >>> proportional_interval(64.0, updates_per_s=2.0, total_updates_per_s=10.0, bandwidth_bytes_per_s=32.0)
    10.0
    """
    xp = namespace(row_bytes, updates_per_s, total_updates_per_s, bandwidth_bytes_per_s)
    return xp.quotient(row_bytes * total_updates_per_s / bandwidth_bytes_per_s, updates_per_s)


@formula("Pᵢ", DERIVED, Evidence.DERIVED, (), _AT_RANDOM)
def square_root_interval(
    row_bytes: Number, updates_per_s: Number, root_sum: Number, bandwidth_bytes_per_s: Number
) -> Number:
    r"""The fixed interval that loses the fewest updates: the square-root law.

    .. math:: P_i = \sqrt{\frac{s_i}{\lambda_i}} \cdot \frac{Q}{B}, \qquad Q = \sum_j \sqrt{\lambda_j s_j}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    updates_per_s : updates of the row, λᵢ [1/s]
    root_sum : Σ √(λⱼsⱼ) over all rows, Q [√(B/s)]
    bandwidth_bytes_per_s : what saving may use, B [B/s]

    Returns
    -------
    Time between two saves of the row, Pᵢ [s]; infinite for a row that is never updated.

    Notes
    -----
    Minimises Σ λᵢPᵢ/2 under Σ sᵢ/Pᵢ = B (Lagrange; docs/models/priority.md). Best of fixed intervals: an order
    that looks at what was counted can lose fewer where a row gets few updates in its interval.

    Examples
    --------
    >>> square_root_interval(row_bytes=4.0, updates_per_s=1.0, root_sum=6.0, bandwidth_bytes_per_s=2.0)
    6.0
    """
    xp = namespace(row_bytes, updates_per_s, root_sum, bandwidth_bytes_per_s)
    return xp.sqrt(xp.quotient(row_bytes, updates_per_s)) * (root_sum / bandwidth_bytes_per_s)


@formula("lost updates", DERIVED, Evidence.DERIVED, (), _AT_RANDOM)
def square_root_lost_updates(root_sum: Number, bandwidth_bytes_per_s: Number) -> Number:
    r"""Updates that a failure takes under the square-root law: no fixed intervals at this bandwidth lose fewer.

    .. math:: \frac{Q^2}{2 B}, \qquad Q = \sum_j \sqrt{\lambda_j s_j}

    Parameters
    ----------
    root_sum : Σ √(λⱼsⱼ) over all rows, Q [√(B/s)]
    bandwidth_bytes_per_s : what saving may use, B [B/s]

    Notes
    -----
    At most ΛS/(2B), by Cauchy and Schwarz; as much where all rows have the same rate per byte.

    Examples
    --------
    >>> square_root_lost_updates(root_sum=6.0, bandwidth_bytes_per_s=2.0)
    9.0
    """
    return root_sum**2 / (2 * bandwidth_bytes_per_s)


@formula("Pᵢ", DERIVED, Evidence.DERIVED, (), _FLUID)
def fluid_mfu_interval(updates_per_s: Number, least_interval_s: Number, threshold_updates: Number) -> Number:
    r"""Interval of a row when the rows with the most updates since their last save go first (CPR-MFU).

    .. math:: P_i = \max\left(\delta, \frac{\theta}{\lambda_i}\right)

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    least_interval_s : time between two choices of rows, δ [s]
    threshold_updates : updates at which a row is saved, θ

    Notes
    -----
    Above what is lost: updates scatter, and saves come in batches. 7% to 10% at 100 updates of a row and full
    save, far more at few; :func:`cprmodel.ordering.predict` counts both.

    Examples
    --------
    >>> fluid_mfu_interval(updates_per_s=2.0, least_interval_s=10.0, threshold_updates=50.0)
    25.0
    """
    xp = namespace(updates_per_s, least_interval_s, threshold_updates)
    return xp.maximum(least_interval_s, xp.quotient(threshold_updates, updates_per_s))


@formula("Pᵢ", DERIVED, Evidence.DERIVED, (), _FLUID)
def fluid_update_age_interval(
    updates_per_s: Number, least_interval_s: Number, threshold_update_s: Number
) -> Number:
    r"""Interval of a row when the rows with the largest (updates since the last save × age) go first.

    .. math:: P_i = \max\left(\delta, \sqrt{\frac{\theta_t}{\lambda_i}}\right)

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    least_interval_s : time between two choices of rows, δ [s]
    threshold_update_s : updates × age at which a row is saved, θₜ [s]

    Notes
    -----
    The square-root law for rows of one size, held to P ≥ δ: no fixed intervals of at least δ lose fewer updates.
    Where a row gets few updates in its interval the order itself loses far fewer than this;
    :func:`cprmodel.ordering.predict` simulates it.

    Examples
    --------
    >>> fluid_update_age_interval(updates_per_s=2.0, least_interval_s=10.0, threshold_update_s=800.0)
    20.0
    """
    xp = namespace(updates_per_s, least_interval_s, threshold_update_s)
    return xp.maximum(least_interval_s, xp.sqrt(xp.quotient(threshold_update_s, updates_per_s)))


@formula("freshness", CHO_2000, Evidence.PUBLISHED_FIGURES, (), _POISSON)
def cho_2000_freshness(updates_per_s: Number, row_interval_s: Number) -> Number:
    r"""Share of the time in which the saved row is the present one.

    .. math:: \frac{1 - e^{-x}}{x}, \qquad x = \lambda_i P_i

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    row_interval_s : time between two saves of the row, Pᵢ [s]

    Examples
    --------
    >>> round(cho_2000_freshness(updates_per_s=1.0, row_interval_s=1.0), 4)
    0.6321
    """
    xp = namespace(updates_per_s, row_interval_s)
    return xp.exprel(-updates_per_s * row_interval_s)


@formula("age", CHO_2000, Evidence.PUBLISHED_FIGURES, (), _POISSON)
def cho_2000_age(updates_per_s: Number, row_interval_s: Number) -> Number:
    r"""How long the saved row has been out of date, on average over time (0 while it is the present one).

    .. math:: P_i \left(\frac12 - \frac1x + \frac{1 - e^{-x}}{x^2}\right) = P_i\, x\, \varphi_3(-x),
              \qquad x = \lambda_i P_i

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    row_interval_s : time between two saves of the row, Pᵢ [s]

    Returns
    -------
    Age [s]; φ₃(z) = (e^z − 1 − z − z²/2)/z³.

    Examples
    --------
    >>> round(cho_2000_age(updates_per_s=1.0, row_interval_s=1.0), 4)
    0.1321
    """
    xp = namespace(updates_per_s, row_interval_s)
    x = updates_per_s * row_interval_s
    return row_interval_s * x * xp.phi3(-x)


@formula("Pᵢ", DERIVED, Evidence.DERIVED, (), _POISSON)
def freshness_interval(row_bytes: Number, updates_per_s: Number, price_s_per_byte: Number) -> Number:
    r"""Interval of a row that makes the sum of the rows' freshness largest at a price of bandwidth.

    .. math:: P_i = \frac{x}{\lambda_i}, \qquad 1 - (1 + x) e^{-x} = \nu \lambda_i s_i

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    updates_per_s : updates of the row, λᵢ [1/s]
    price_s_per_byte : freshness that a byte a second is worth, ν [s/B]

    Returns
    -------
    Time between two saves of the row, Pᵢ [s]; infinite where νλᵢsᵢ ≥ 1: such a row changes too fast to be worth it.

    Notes
    -----
    The opposite of the square-root law's advice: rows that change fastest are not saved at all.

    Examples
    --------
    >>> round(freshness_interval(row_bytes=1.0, updates_per_s=2.0, price_s_per_byte=0.1), 4)
    0.4122
    >>> freshness_interval(row_bytes=1.0, updates_per_s=20.0, price_s_per_byte=0.1)
    inf
    """
    xp = namespace(row_bytes, updates_per_s, price_s_per_byte)
    x = xp.erlang_root(price_s_per_byte * row_bytes * updates_per_s)
    return xp.quotient(x, updates_per_s)


@formula("P² d age/dP", DERIVED, Evidence.DERIVED, (), _POISSON)
def marginal_age(updates_per_s: Number, row_interval_s: Number) -> Number:
    r"""What :func:`cho_2000_age` gains when a row is saved a little more often.

    .. math:: P_i^2 \frac{\mathrm{d}\,\text{age}}{\mathrm{d}P_i}
              = P_i^2 \left(\frac12 - \frac{1 - (1 + x) e^{-x}}{x^2}\right)
              = P_i^2\, x \left(\varphi_2(-x) - \varphi_3(-x)\right), \qquad x = \lambda_i P_i

    Parameters
    ----------
    updates_per_s : updates of the row, λᵢ [1/s]
    row_interval_s : time between two saves of the row, Pᵢ [s]

    Notes
    -----
    The sum of the ages is least under Σ sᵢ/Pᵢ = B where this is νsᵢ for all rows, ν the price of bandwidth.

    Examples
    --------
    >>> round(marginal_age(updates_per_s=1.0, row_interval_s=2.0), 4)
    1.406
    """
    xp = namespace(updates_per_s, row_interval_s)
    x = updates_per_s * row_interval_s
    return row_interval_s**2 * x * (xp.phi2(-x) - xp.phi3(-x))
