r"""What a row that was put back costs in log loss, and how often to save rows for it.

A failure puts row x back by Δ = (row now) − (row as saved). With z the logit, σ = σ(z) and J = ∂z/∂x at an access
of the row, second order of Taylor's series gives the rise of the log loss; its second derivative is
E[σ'JJᵀ] + E[(σ − y)∂²z/∂x²], of which the second part is 0 where the model is calibrated (Gauss and Newton).
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
_GROWTH = "harm at once grows as Dₕa² + Nₕa with the age a; a failure strikes at a random moment between two saves"
_RUN = f"{_GROWTH}; first order (no row is put back twice in an interval); the same all through the run"


@formula("harm", DERIVED, Evidence.DERIVED, (), _TAYLOR)
def harm_at_once(accesses_per_sample: Number, curvature: Number, gradient: Number, moved: Number) -> Number:
    r"""Rise of the log loss when one row is put back, before anything is learned again.

    .. math:: p_a \left(\frac{h |\Delta|^2}{2} - g_\Delta |\Delta|\right), \qquad
              h = \frac{\Delta^\top \mathcal{H} \Delta}{|\Delta|^2}, \quad
              g_\Delta = \frac{\mathrm{E}[(\sigma - y) J \cdot \Delta]}{|\Delta|}, \quad
              \mathcal{H} = \mathrm{E}[\sigma' J J^\top]

    Parameters
    ----------
    accesses_per_sample : accesses of the row per sample, pₐ [1/sample]
    curvature : curvature of the log loss at an access, along Δ, h [nat]
    gradient : gradient of the log loss at an access, along Δ, g_Δ; below 0 where the row is still on its way [nat]
    moved : how far the row moved since it was saved, the length of Δ [weight]

    Returns
    -------
    Rise of the log loss [nat]. Below 0 where the row had moved past its best value.

    Notes
    -----
    A row that goes straight towards its best value, u further on, has g_Δ = −hu: the harm is pₐh(Δ²/2 + uΔ), Δ a
    length, what the row gained since its save. A row that only jitters about its best value is no worse as it was:
    on average −g_ΔΔ cancels hΔ²/2 (docs/models/harm.md).

    Examples
    --------
    >>> round(harm_at_once(accesses_per_sample=0.01, curvature=0.2, gradient=-0.05, moved=0.1), 8)
    6e-05
    """
    return accesses_per_sample * (curvature * moved**2 / 2 - gradient * moved)


@formula("rise", DERIVED, Evidence.DERIVED, (), "the model is calibrated")
def calibrated_rise(probability: Number, logit_change: Number) -> Number:
    r"""Exact rise of the expected log loss of one sample whose logit changes.

    .. math:: \log\left(1 + \sigma (e^{\delta_z} - 1)\right) - \sigma\delta_z
              = \frac{\sigma(1 - \sigma)}{2} \delta_z^2 + \frac{\sigma(1 - \sigma)(1 - 2\sigma)}{6} \delta_z^3
              + \mathrm{O}(\delta_z^4)

    Parameters
    ----------
    probability : what the model gave to a click, σ
    logit_change : change of the logit, δ_z

    Notes
    -----
    How far the quadratic reaches in the logit. Averaged over a normal δ_z of variance x the next term is
    σ'(1 − 6σ')x²/8: with σ between .21 and .79 it lowers the rise, by at most an eighth of x of the quadratic
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

    .. math:: D_h a^2 + N_h a

    Parameters
    ----------
    drift : Dₕ [nat/sample²], of rows that go on in one direction: Δ grows as a
    noise : Nₕ [nat/sample], of rows that jitter (E[Δ²] grows as a), and of the gradient term (it grows as a)
    age_samples : samples trained since the row was saved, a [sample]

    Examples
    --------
    >>> harm_of_age(drift=2e-12, noise=1e-6, age_samples=1000)
    0.001002
    """
    return drift * age_samples**2 + noise * age_samples


@formula("harm", DERIVED, Evidence.DERIVED, (), _GROWTH)
def mean_harm(drift: Number, noise: Number, interval_samples: Number) -> Number:
    r"""Expected rise of the log loss when a failure puts a row back that is saved every τₛ.

    .. math:: \frac{1}{\tau_s} \int_0^{\tau_s} (D_h a^2 + N_h a)\,\mathrm{d}a
              = \frac{D_h \tau_s^2}{3} + \frac{N_h \tau_s}{2}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, Dₕ [nat/sample²] and Nₕ [nat/sample]
    interval_samples : samples trained between two saves of the row, τₛ [sample]

    Examples
    --------
    >>> round(mean_harm(drift=3e-12, noise=2e-9, interval_samples=1000), 12)
    2e-06
    """
    return drift * interval_samples**2 / 3 + noise * interval_samples / 2


@formula("τₛ", DERIVED, Evidence.DERIVED, (), _GROWTH)
def least_harm_interval(row_bytes: Number, drift: Number, noise: Number, harm_price: Number) -> Number:
    r"""The fixed interval of a row that costs the least harm at a price of bandwidth.

    .. math:: \tau_{s,i} = \frac1q, \qquad q^3 = \frac{N_{h,i}}{2\nu_h s_i} q + \frac{2 D_{h,i}}{3\nu_h s_i}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    drift, noise : growth of the row's harm with the age, Dₕ,ᵢ [nat/sample²] and Nₕ,ᵢ [nat/sample]
    harm_price : harm that a byte a sample is worth, νₕ [nat·sample/B]

    Returns
    -------
    Samples trained between two saves of the row; infinite for a row that costs nothing.

    Notes
    -----
    Minimises Σ(Dₕτₛ²/3 + Nₕτₛ/2) under Σ sᵢ/τₛ = Bₛ, over rows, each with its own (Lagrange; convex in the
    frequencies q; one root is above 0). With noise alone τₛ ∝ √(sᵢ/Nₕ), the square-root law; with drift alone
    τₛ ∝ ∛(sᵢ/Dₕ), :func:`cube_root_row_interval`.

    Examples
    --------
    >>> round(least_harm_interval(row_bytes=64, drift=0, noise=2e-9, harm_price=1e-6), 6)  # √(2νₕsᵢ/Nₕ)
    252.982213
    >>> round(least_harm_interval(row_bytes=64, drift=1e-12, noise=0, harm_price=1e-6), 6)  # ∛(3νₕsᵢ/(2Dₕ))
    457.885697
    """
    xp = namespace(row_bytes, drift, noise, harm_price)
    price = harm_price * row_bytes
    return xp.quotient(1, xp.cubic_root(xp.quotient(noise, 2 * price), xp.quotient(2 * drift, 3 * price)))


@formula("τₛ", DERIVED, Evidence.DERIVED, (), f"{_GROWTH}; drift alone (Nₕ = 0)")
def cube_root_row_interval(
    row_bytes: Number, drift: Number, cube_root_sum: Number, bytes_per_sample: Number
) -> Number:
    r"""The fixed interval that costs the least harm where rows only drift: the cube-root law.

    .. math:: \tau_{s,i} = \sqrt[3]{\frac{s_i}{D_{h,i}}} \cdot \frac{Q_3}{B_s}, \qquad
              Q_3 = \sum_j \sqrt[3]{D_{h,j} s_j^2}

    Parameters
    ----------
    row_bytes : size of the row, sᵢ [B]
    drift : growth of the row's harm with the square of the age, Dₕ,ᵢ [nat/sample²]
    cube_root_sum : Σ (Dₕ,ⱼsⱼ²)^⅓ over all rows, Q₃ [(nat·B²/sample²)^⅓]
    bytes_per_sample : what saving may use per sample, Bₛ [B/sample]

    Examples
    --------
    >>> round(cube_root_row_interval(row_bytes=8.0, drift=1.0, cube_root_sum=4.0, bytes_per_sample=2.0), 12)
    4.0
    """
    xp = namespace(row_bytes, drift, cube_root_sum, bytes_per_sample)
    return xp.cubic_root(0, xp.quotient(row_bytes, drift)) * (cube_root_sum / bytes_per_sample)


@formula("harm", DERIVED, Evidence.DERIVED, (), f"{_GROWTH}; drift alone (Nₕ = 0)")
def cube_root_harm(cube_root_sum: Number, bytes_per_sample: Number) -> Number:
    r"""Harm at once of a failure under the cube-root law: no fixed intervals cost less where rows only drift.

    .. math:: \frac{Q_3^3}{3 B_s^2}, \qquad Q_3 = \sum_j \sqrt[3]{D_{h,j} s_j^2}

    Parameters
    ----------
    cube_root_sum : Σ (Dₕ,ⱼsⱼ²)^⅓ over all rows, Q₃ [(nat·B²/sample²)^⅓]
    bytes_per_sample : what saving may use per sample, Bₛ [B/sample]

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

    .. math:: n_k q_k \left(\frac{D_h \tau_s^2}{3} + \frac{N_h \tau_s}{2}\right)
              \frac{1 - e^{-2 \kappa T_s}}{2 \kappa T_s}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, of all rows that are alike, Dₕ [nat/sample²] and Nₕ [nat/sample]
    interval_samples : samples trained between two saves, τₛ [sample]
    put_backs : failures of the run that put shards back, nₖ
    lost_share : share of the rows that one puts back, qₖ = k/N
    relearning_per_sample : share of Δ that a sample makes good, κ [1/sample]
    run_samples : samples of the run, Tₛ [sample]

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

    .. math:: T_s \left(\frac{2 D_h \tau_s}{3} + N_h\right) \frac{1 - e^{-2 \kappa T_s}}{2 \kappa T_s}

    Parameters
    ----------
    drift, noise : growth of the harm with the age, of all rows that are alike, Dₕ [nat/sample²] and Nₕ [nat/sample]
    interval_samples : samples trained between two saves, τₛ [sample]
    relearning_per_sample : share of Δ that a sample makes good, κ [1/sample]
    run_samples : samples of the run, Tₛ [sample]

    Notes
    -----
    :func:`expected_harm` over PLS = nₖqₖτₛ/(2Tₛ), to first order. It is one number for all intervals only where Dₕ
    = 0.

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
    r"""Fall of the AUC that goes with a rise of the log loss, A_ℓρ_ℓ.

    .. math:: \text{fall of the AUC} = A_\ell\, \rho_\ell

    Parameters
    ----------
    rise : rise of the log loss, ρ_ℓ [nat]
    auc_per_nat : AUC lost per nat, A_ℓ, as rows put back show it in a run without failures [1/nat]

    Examples
    --------
    >>> auc_fall(rise=0.0002, auc_per_nat=1.5)
    0.00030000000000000003
    """
    return auc_per_nat * rise
