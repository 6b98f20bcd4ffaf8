r"""What a row that was put back costs in log loss, and how often to save rows for it.

A failure puts row r back by Δ = (row now) − (row as saved). With z the logit, σ = σ(z) and J = ∂z/∂e at an access
of the row, second order of Taylor's series gives the rise of the log loss; its second derivative is
E[σ'JJᵀ] + E[(σ − y)∂²z/∂e²], of which the second part is 0 where the model is calibrated (Gauss and Newton).
Every formula is one row's; harms of rows add up, but for cross terms (docs/models/harm.md). Time is counted in
samples that the job trains.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "auc_fall",
    "calibrated_rise",
    "cube_root_harm",
    "cube_root_row_interval",
    "expected_harm",
    "harm_at_once",
    "harm_of_age",
    "harm_per_pls",
    "least_harm_interval",
    "mean_harm",
]

_TAYLOR = "second order in Δ; the model is calibrated; other parameters stay as they are; cross terms left out"
_GROWTH = "harm at once grows as Da² + Na with the age a; a failure strikes at a random moment between two saves"
_RUN = f"{_GROWTH}; first order (no row is put back twice in an interval); the same all through the run"


@formula("harm", DERIVED, Evidence.DERIVED, (), _TAYLOR)
def harm_at_once(accesses_per_sample: Number, curvature: Number, gradient: Number, moved: Number) -> Number:
    r"""Rise of the log loss when one row is put back, before anything is learned again.

    .. math:: p \left(\frac{h |\Delta|^2}{2} - g |\Delta|\right), \qquad
              h = \frac{\Delta^T H \Delta}{|\Delta|^2}, \quad
              g = \frac{\mathrm{E}[(\sigma - y) J \cdot \Delta]}{|\Delta|}, \quad H = \mathrm{E}[\sigma' J J^T]

    Parameters
    ----------
    accesses_per_sample : accesses of the row per sample, p [1/sample]
    curvature : curvature of the log loss at an access, along Δ, h [nat]
    gradient : gradient of the log loss at an access, along Δ, g; below 0 where the row is still on its way [nat]
    moved : how far the row moved since it was saved, the length of Δ [weight]

    Returns
    -------
    Rise of the log loss [nat]. Below 0 where the row had moved past its best value.

    Notes
    -----
    A row that goes straight towards its best value, u further on, has g = −hu: the harm is ph(Δ²/2 + uΔ), what the
    row gained since its save. A row that only jitters about its best value is no worse as it was: on average
    −gΔ cancels hΔ²/2 (docs/models/harm.md).

    Examples
    --------
    >>> round(harm_at_once(accesses_per_sample=0.01, curvature=0.2, gradient=-0.05, moved=0.1), 8)
    6e-05
    """
    return accesses_per_sample * (curvature * moved**2 / 2 - gradient * moved)


@formula("rise", DERIVED, Evidence.DERIVED, (), "the model is calibrated")
def calibrated_rise(probability: Number, logit_change: Number) -> Number:
    r"""Exact rise of the expected log loss of one sample whose logit changes.

    .. math:: \log\left(1 + \sigma (e^\delta - 1)\right) - \sigma\delta
              = \frac{\sigma(1 - \sigma)}{2} \delta^2 + \frac{\sigma(1 - \sigma)(1 - 2\sigma)}{6} \delta^3
              + \mathrm{O}(\delta^4)

    Parameters
    ----------
    probability : what the model gave to a click, σ
    logit_change : change of the logit, δ

    Notes
    -----
    How far the quadratic reaches in the logit. Averaged over a normal δ of variance v the next term is
    σ'(1 − 6σ')v²/8: with σ between .21 and .79 it lowers the rise, by at most an eighth of v of the quadratic
    (σ = ½), and raises it for rarer clicks.

    Examples
    --------
    >>> round(calibrated_rise(probability=0.25, logit_change=0.1), 7), round(0.25 * 0.75 * 0.1**2 / 2, 7)
    (0.000953, 0.0009375)
    """
    xp = namespace(probability, logit_change)
    return xp.log1p(probability * xp.expm1(logit_change)) - probability * logit_change


@formula("harm", DERIVED, Evidence.DERIVED, (), "drift and noise are those of ages up to a")
def harm_of_age(drift: Number, noise: Number, age_samples: Number) -> Number:
    r"""Expected rise of the log loss when a row is put back to what it was so many samples ago.

    .. math:: D a^2 + N a

    Parameters
    ----------
    drift : D [nat/sample²], of rows that go on in one direction: Δ grows as a
    noise : N [nat/sample], of rows that jitter (E[Δ²] grows as a), and of the gradient term (gΔ grows as a)
    age_samples : samples trained since the row was saved, a [sample]

    Examples
    --------
    >>> harm_of_age(drift=2e-12, noise=1e-6, age_samples=1000)
    0.001002
    """
    return drift * age_samples**2 + noise * age_samples


@formula("harm", DERIVED, Evidence.DERIVED, (), _GROWTH)
def mean_harm(drift: Number, noise: Number, interval_samples: Number) -> Number:
    r"""Expected rise of the log loss when a failure puts a row back that is saved every τ.

    .. math:: \frac1\tau \int_0^\tau (D a^2 + N a)\,\mathrm{d}a = \frac{D \tau^2}{3} + \frac{N \tau}{2}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, D [nat/sample²] and N [nat/sample]
    interval_samples : samples trained between two saves of the row, τ [sample]

    Examples
    --------
    >>> round(mean_harm(drift=3e-12, noise=2e-9, interval_samples=1000), 12)
    2e-06
    """
    return drift * interval_samples**2 / 3 + noise * interval_samples / 2


@formula("P", DERIVED, Evidence.DERIVED, (), _GROWTH)
def least_harm_interval(row_bytes: Number, drift: Number, noise: Number, harm_price: Number) -> Number:
    r"""The fixed interval of a row that costs the least harm at a price of bandwidth.

    .. math:: P_i = \frac1f, \qquad f^3 = \frac{N_i}{2\nu s_i} f + \frac{2 D_i}{3\nu s_i}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    drift, noise : growth of the row's harm with the age, Dᵢ [nat/sample²] and Nᵢ [nat/sample]
    harm_price : harm that a byte a sample is worth, ν [nat·sample/B]

    Returns
    -------
    Samples trained between two saves of the row; infinite for a row that costs nothing.

    Notes
    -----
    Minimises Σ(DᵢPᵢ²/3 + NᵢPᵢ/2) under Σ sᵢ/Pᵢ = B (Lagrange; convex in the frequencies f; one root is above 0).
    With noise alone P ∝ √(s/N), the square-root law; with drift alone P ∝ ∛(s/D), :func:`cube_root_row_interval`.

    Examples
    --------
    >>> round(least_harm_interval(row_bytes=64, drift=0, noise=2e-9, harm_price=1e-6), 6)  # √(2νs/N)
    252.982213
    >>> round(least_harm_interval(row_bytes=64, drift=1e-12, noise=0, harm_price=1e-6), 6)  # ∛(3νs/(2D))
    457.885697
    """
    xp = namespace(row_bytes, drift, noise, harm_price)
    price = harm_price * row_bytes
    return xp.quotient(1, xp.cubic_root(xp.quotient(noise, 2 * price), xp.quotient(2 * drift, 3 * price)))


@formula("P", DERIVED, Evidence.DERIVED, (), f"{_GROWTH}; drift alone (N = 0)")
def cube_root_row_interval(
    row_bytes: Number, drift: Number, cube_root_sum: Number, bytes_per_sample: Number
) -> Number:
    r"""The fixed interval that costs the least harm where rows only drift: the cube-root law.

    .. math:: P_i = \sqrt[3]{\frac{s_i}{D_i}} \cdot \frac{Q}{B}, \qquad Q = \sum_j \sqrt[3]{D_j s_j^2}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    drift : growth of the row's harm with the square of the age, Dᵢ [nat/sample²]
    cube_root_sum : Σ (Dⱼsⱼ²)^⅓ over all rows, Q [(nat·B²/sample²)^⅓]
    bytes_per_sample : what saving may use per sample, B [B/sample]

    Examples
    --------
    >>> round(cube_root_row_interval(row_bytes=8.0, drift=1.0, cube_root_sum=4.0, bytes_per_sample=2.0), 12)
    4.0
    """
    xp = namespace(row_bytes, drift, cube_root_sum, bytes_per_sample)
    return xp.cubic_root(0, xp.quotient(row_bytes, drift)) * (cube_root_sum / bytes_per_sample)


@formula("harm", DERIVED, Evidence.DERIVED, (), f"{_GROWTH}; drift alone (N = 0)")
def cube_root_harm(cube_root_sum: Number, bytes_per_sample: Number) -> Number:
    r"""Harm at once of a failure under the cube-root law: no fixed intervals cost less where rows only drift.

    .. math:: \frac{Q^3}{3 B^2}, \qquad Q = \sum_j \sqrt[3]{D_j s_j^2}

    Parameters
    ----------
    cube_root_sum : Σ (Dⱼsⱼ²)^⅓ over all rows, Q [(nat·B²/sample²)^⅓]
    bytes_per_sample : what saving may use per sample, B [B/sample]

    Examples
    --------
    >>> cube_root_harm(cube_root_sum=6.0, bytes_per_sample=2.0)
    18.0
    """
    return cube_root_sum**3 / (3 * bytes_per_sample**2)


@formula("harm", DERIVED, Evidence.DERIVED, (), _RUN)
def expected_harm(
    drift: Number,
    noise: Number,
    interval_samples: Number,
    put_backs: Number,
    lost_share: Number,
    relearning_per_sample: Number,
    run_samples: Number,
) -> Number:
    r"""Expected rise of the log loss at the end of a run whose failures put shards back.

    .. math:: F q \left(\frac{D \tau^2}{3} + \frac{N \tau}{2}\right) \frac{1 - e^{-2 \kappa T}}{2 \kappa T}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, of all rows that are alike, D [nat/sample²] and N [nat/sample]
    interval_samples : samples trained between two saves, τ [sample]
    put_backs : failures of the run that put shards back, F
    lost_share : share of the rows that one puts back, q = k/N
    relearning_per_sample : share of Δ that a sample makes good, κ [1/sample]
    run_samples : samples of the run, T [sample]

    Notes
    -----
    Rows that differ in κ are added up. ``cprmodel.harm.predicted`` does so from a record, with growth and
    relearning as they were seen at several points of a run.

    Examples
    --------
    >>> round(expected_harm(1e-14, 1e-9, interval_samples=1e5, put_backs=2, lost_share=0.125,
    ...     relearning_per_sample=1e-6, run_samples=1e6), 9)
    9.007e-06
    """
    xp = namespace(drift, noise, interval_samples, put_backs, lost_share, relearning_per_sample, run_samples)
    at_once = drift * interval_samples**2 / 3 + noise * interval_samples / 2
    return put_backs * lost_share * at_once * xp.exprel(-2 * relearning_per_sample * run_samples)


@formula("harm/PLS", DERIVED, Evidence.DERIVED, (), _RUN)
def harm_per_pls(
    drift: Number, noise: Number, interval_samples: Number, relearning_per_sample: Number, run_samples: Number
) -> Number:
    r"""Slope of the harm against PLS, which a fit to runs with failures must find.

    .. math:: T \left(\frac{2 D \tau}{3} + N\right) \frac{1 - e^{-2 \kappa T}}{2 \kappa T}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, of all rows that are alike, D [nat/sample²] and N [nat/sample]
    interval_samples : samples trained between two saves, τ [sample]
    relearning_per_sample : share of Δ that a sample makes good, κ [1/sample]
    run_samples : samples of the run, T [sample]

    Notes
    -----
    :func:`expected_harm` over PLS = Fqτ/(2T), to first order. It is one number for all intervals only where D = 0.

    Examples
    --------
    >>> round(harm_per_pls(1e-14, 1e-9, interval_samples=1e5, relearning_per_sample=1e-6, run_samples=1e6), 6)
    0.000721
    """
    xp = namespace(drift, noise, interval_samples, relearning_per_sample, run_samples)
    slope = 2 * drift * interval_samples / 3 + noise
    return run_samples * slope * xp.exprel(-2 * relearning_per_sample * run_samples)


@formula("AUC fall", DERIVED, Evidence.DERIVED, (), "AUC and log loss go together as in the run without failures")
def auc_fall(rise: Number, auc_per_nat: Number) -> Number:
    r"""Fall of the AUC that goes with a rise of the log loss, bρ.

    .. math:: \Delta \mathrm{AUC} = b \rho

    Parameters
    ----------
    rise : rise of the log loss, ρ [nat]
    auc_per_nat : AUC lost per nat, b, as rows put back show it in a run without failures [1/nat]

    Examples
    --------
    >>> auc_fall(rise=0.0002, auc_per_nat=1.5)
    0.00030000000000000003
    """
    return auc_per_nat * rise
