r"""What training makes good of a row that was put back, and what its optimizer's state does, put back with it.

Of one row, along one eigenvector of its table's curvature: its loss is ½hu² with u the way to its best value. Steps
are linearised; other parameters do as they did in the run that lost nothing. With everything else held to that run,
rows that were put back end as they do when all is free (docs/models/harm.md).
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "adagrad_share_left",
    "adam_relearning",
    "expected_gradient_square",
    "jitter_variance",
    "joint_share_left",
    "mean_share_left",
    "progress_left_fixed",
    "progress_left_moving",
    "relearning_rate",
    "share_left",
]

_LINEARISED = (
    "the optimizer's steps linearised about the row that was not put back; other parameters as in that run"
)


@formula("l", DERIVED, Evidence.DERIVED, (), _LINEARISED)
def relearning_rate(learning_rate: Number, curvature: Number, batch_samples: Number, divisor: Number = 1) -> Number:
    r"""Share of what a row was put back that one access makes good.

    .. math:: l = \frac{\eta h}{n_B r_g}, \qquad
              r_g = 1\ \text{(SGD)}, \quad \sqrt{G_\Sigma}\ \text{(Adagrad, one a weight or one a row)}, \quad
              \sqrt{q}\ \text{(Adam)}

    Parameters
    ----------
    learning_rate : η; with momentum, η over (1 − momentum) [weight]
    curvature : curvature of the log loss at an access, along what is to be learned again, h [nat]
    batch_samples : samples of a step, over which gradients are averaged, n_B [sample]
    divisor : what the optimizer divides a row's gradient by, r_g: with q, Adam's mean of their squares

    Notes
    -----
    The gradient at the row that was put back is −ℋΔ more than at the row that was not, so a step takes
    (η/n_B)ℋΔ/r_g of Δ away. For Adam as for SGD with momentum this is the sum over all steps that an access has a
    part in, where an access is one of many within 1/(1 − β₂) steps.

    Examples
    --------
    >>> relearning_rate(learning_rate=0.02, curvature=0.2, batch_samples=512, divisor=0.001)
    0.0078125
    """
    return learning_rate * curvature / (batch_samples * divisor)


@formula("γ", DERIVED, Evidence.DERIVED, (), "the model is calibrated, and near the best value of the row")
def expected_gradient_square(curvature: Number, batch_samples: Number) -> Number:
    r"""What an access adds to the sum of squared gradients of a weight, on average.

    .. math:: \gamma = \frac{\mathrm{E}[(\sigma - y)^2 J^2]}{n_B^2} = \frac{\mathrm{E}[\sigma' J^2]}{n_B^2}
              = \frac{h}{n_B^2}

    Parameters
    ----------
    curvature : curvature of the log loss at an access, of a weight; for one sum a row, its mean over the
        weights, h [nat]
    batch_samples : samples of a step, over which gradients are averaged, n_B [sample]

    Notes
    -----
    Labels scatter about σ with variance σ', so curvature and mean square of the gradient are one (Fisher's
    identity). It says what Adagrad's sums will be before anything is trained: G_Σ = hi/n_B² after i accesses, and
    so l = η√(h/i), whatever the batch.

    Examples
    --------
    >>> expected_gradient_square(curvature=0.25, batch_samples=500)
    1e-06
    """
    return curvature / batch_samples**2


@formula("share", DERIVED, Evidence.DERIVED, (), _LINEARISED)
def share_left(relearning: Number, accesses_left: Number) -> Number:
    r"""Share of a row's harm that is left after so many accesses, where each makes good the same share.

    .. math:: e^{-2 l n_a}

    Parameters
    ----------
    relearning : share of Δ that an access makes good, l [1/access]
    accesses_left : accesses until training ends, nₐ

    Notes
    -----
    What is left of Δ is e^(−lnₐ), and the quadratic goes with its square. So does the gradient term where the best
    value of the row stays: then what the row has still to go shrinks as e^(−lnₐ), too. A best value that moves on
    at the same pace keeps it, and that part goes as e^(−lnₐ) alone.

    Examples
    --------
    >>> round(share_left(relearning=0.0078125, accesses_left=64), 6)
    0.367879
    """
    return namespace(relearning, accesses_left).exp(-2 * relearning * accesses_left)


@formula("share", DERIVED, Evidence.DERIVED, (), _LINEARISED)
def adagrad_share_left(
    learning_rate: Number,
    curvature: Number,
    batch_samples: Number,
    gradient_sum: Number,
    gradient_square: Number,
    accesses_left: Number,
) -> Number:
    r"""Share of a row's harm that is left after so many accesses under Adagrad, whose sum grows meanwhile.

    .. math:: \exp\left(-\frac{2 \eta h}{n_B} \int_0^{n_a} \frac{\mathrm{d}i}{\sqrt{G_\Sigma + \gamma i}}\right)
              = \exp\left(-\frac{4 \eta h}{n_B}
              \cdot \frac{n_a}{\sqrt{G_\Sigma + \gamma n_a} + \sqrt{G_\Sigma}}\right)

    Parameters
    ----------
    learning_rate : η [weight]
    curvature : curvature of the log loss at an access, along Δ, h [nat]
    batch_samples : samples of a step, over which gradients are averaged, n_B [sample]
    gradient_sum : sum of squared gradients that the row goes on with, G_Σ (its mean over the weights if one a row)
    gradient_square : what an access adds to it, γ (:func:`expected_gradient_square`)
    accesses_left : accesses until training ends, nₐ

    Notes
    -----
    With γ = 0 it is :func:`share_left` at l = ηh/(n_B√G_Σ). That counts the exponent (1 + √(1 + x))/2 times too
    large, x = γnₐ/G_Σ: by 21% where as many accesses are to come as there were, twice where eight times as many
    are.

    Examples
    --------
    >>> adagrad_share_left(0.02, 0.2, 512, gradient_sum=1e-6, gradient_square=0, accesses_left=64)  # e⁻¹
    0.36787944117144233
    >>> round(adagrad_share_left(0.02, 0.2, 512, 1e-6, gradient_square=1.25e-7, accesses_left=64), 6)  # e^(−½)
    0.606531
    """
    xp = namespace(learning_rate, curvature, batch_samples, gradient_sum, gradient_square, accesses_left)
    roots = xp.sqrt(gradient_sum + gradient_square * accesses_left) + xp.sqrt(gradient_sum)
    return xp.exp(-4 * learning_rate * curvature * accesses_left / (batch_samples * roots))


@formula("κ", DERIVED, Evidence.DERIVED, (), f"{_LINEARISED}; accessed in many of 1/(1 − β₂) steps")
def adam_relearning(
    learning_rate: Number, curvature: Number, accesses_per_sample: Number, batch_samples: Number
) -> Number:
    r"""Share of what a row was put back that a sample makes good under Adam, which moves all rows in each step.

    .. math:: \kappa = \frac{p_a \eta h}{n_B \sqrt{q}} = \eta \sqrt{\frac{h p_a}{n_B}}, \qquad
              q = p_a n_B \cdot \frac{h}{n_B^2}

    Parameters
    ----------
    learning_rate : η [weight]
    curvature : curvature of the log loss at an access, of a weight, h [nat]
    accesses_per_sample : accesses of the row per sample, pₐ [1/sample]
    batch_samples : samples of a step, over which gradients are averaged, n_B [sample]

    Notes
    -----
    Adam divides by the root of a *mean* over steps, so a row that is used a hundredth as often learns a tenth as
    fast a sample, not a hundredth. Where a row is seen in fewer than 1 − β₂ of the steps its mean forgets between
    two accesses: steps then have a fixed length, whatever the error, and this rate is too high.

    Examples
    --------
    >>> round(adam_relearning(learning_rate=0.001, curvature=0.2, accesses_per_sample=0.01, batch_samples=500), 9)
    2e-06
    """
    xp = namespace(learning_rate, curvature, accesses_per_sample, batch_samples)
    return learning_rate * xp.sqrt(curvature * accesses_per_sample / batch_samples)


@formula("share", DERIVED, Evidence.DERIVED, (), "failures strike evenly over the run; each sample makes good κ")
def mean_share_left(relearning_per_sample: Number, run_samples: Number) -> Number:
    r"""Share of the harm at once that is left at the end of the run, on average over when failures strike.

    .. math:: \frac{1 - e^{-2 \kappa T_s}}{2 \kappa T_s}

    Parameters
    ----------
    relearning_per_sample : share of Δ that a sample makes good, κ = lpₐ [1/sample]
    run_samples : samples of the run, Tₛ [sample]

    Examples
    --------
    >>> round(mean_share_left(relearning_per_sample=1e-5, run_samples=1e6), 4)
    0.05
    """
    return namespace(relearning_per_sample, run_samples).exprel(-2 * relearning_per_sample * run_samples)


@formula(
    "share", DERIVED, Evidence.DERIVED, (), f"{_LINEARISED}; one part that all rows of a sample have in common"
)
def joint_share_left(contraction: Number, crossed: Number) -> Number:
    r"""Share that is left at the end of what rows which were put back have in common: they make it good together.

    .. math:: e^{-2 \chi (1 + c_J)}

    Parameters
    ----------
    contraction : exponent with which a row makes good what it alone lacks, χ
    crossed : cross terms between the rows of a sample over the sum of their own quadratics, c_J

    Notes
    -----
    Take i rows of a sample, with h each, whose errors meet with c: the curvature is h on the diagonal and ch beside
    it. What they all lack alike is an eigenvector, of eigenvalue h(1 + (i − 1)c); there the cross terms are c_J =
    (i − 1)c of the quadratics. So each access takes 1 + c_J times what the row alone would take. A shift of all
    logits, which early rows of all tables have learned, is gone in a few steps.

    Examples
    --------
    >>> joint_share_left(contraction=0.5, crossed=0.0)  # e⁻¹, as of one row
    0.36787944117144233
    >>> round(joint_share_left(contraction=0.5, crossed=2.0), 6)
    0.049787
    """
    return namespace(contraction, crossed).exp(-2 * contraction * (1 + crossed))


@formula("share", DERIVED, Evidence.DERIVED, (), f"{_LINEARISED}; the row's best value stands still")
def progress_left_fixed(contraction: Number, twin_contraction: Number, contraction_of_age: Number) -> Number:
    r"""Share of the gradient term that is left at the end, of rows whose best value stands still.

    .. math:: e^{-2\chi} - \frac{e^{-2\chi'} - e^{-2\chi}}{2\,(e^{\chi_a} - 1)}

    Parameters
    ----------
    contraction : exponent of the row that was put back, until the end, χ = ∫ lpₐ over the samples
    twin_contraction : exponent of its twin, which was not, χ'
    contraction_of_age : exponent of the twin in the time that was lost, χₐ

    Notes
    -----
    With u still to go, Δ = u(e^(χₐ) − 1) was gone, and the harm at the end is
    ½pₐh[(u + Δ)²e^(−2χ) − u²e^(−2χ')]: e^(−2χ) of the quadratic and this share of the gradient term pₐhuΔ. With
    χ' = χ both fade alike. Under Adagrad the sum of squared gradients is put back too: it is smaller than the
    twin's, steps are larger, χ > χ'. A row that is still far (h → 0) is learned again by nothing else:
    (χₐ − χ + χ')/χₐ is left. From a sum of 0, χ ∝ √i for i accesses: after i were lost and j more were trained
    √(1 + j/i) − √(j/i).

    Examples
    --------
    >>> round(progress_left_fixed(contraction=1.0, twin_contraction=1.0, contraction_of_age=0.5), 6)
    0.135335
    >>> round(progress_left_fixed(1e-6 * 18.97, 1e-6 * 8.996, 1e-6 * 15.492), 2)  # j = 360, i = 240
    0.36
    """
    xp = namespace(contraction, twin_contraction, contraction_of_age)
    left = xp.exp(-2 * contraction)
    return left - (xp.exp(-2 * twin_contraction) - left) / (2 * (xp.exp(contraction_of_age) - 1))


@formula("share", DERIVED, Evidence.DERIVED, (), f"{_LINEARISED}; the row follows its best value at one distance")
def progress_left_moving(
    contraction: Number, twin_contraction: Number, contraction_of_age: Number, last_ratio: Number
) -> Number:
    r"""Share of the gradient term that is left at the end, of rows whose best value goes on moving.

    .. math:: e^{-\chi} - \frac{c}{\chi_a} - c e^{-\chi} + \frac{c^2}{2 \chi_a}, \qquad
              c = (1 - r_l)(1 - e^{-\chi})
              + 2\left(r_l - \frac{\chi'}{\chi}\right) \frac{1 - (1 + \chi) e^{-\chi}}{\chi}

    Parameters
    ----------
    contraction : exponent of the row that was put back, until the end, χ
    twin_contraction : exponent of its twin, which was not, χ'
    contraction_of_age : exponent of the twin in the time that was lost, χₐ
    last_ratio : the twin's step over the row's at the end, rₗ

    Notes
    -----
    The row follows at the distance u, by steps that make good a share κ' of it in a sample; Δ = uχₐ. Put back with
    its optimizer's state, it makes good a share κ of u + Δ: dΔ = −κΔ − (κ − κ')u, so that Δe^(−χ) − uc is lacking
    at the end, with κ'/κ along a line in χ. With χ' = χ the gradient term fades as e^(−χ): what Δ meets there has
    stayed.

    Examples
    --------
    >>> round(progress_left_moving(contraction=1.0, twin_contraction=1.0, contraction_of_age=0.5, last_ratio=1), 6)
    0.367879
    >>> round(progress_left_moving(0.19, 0.09, 0.155, last_ratio=0.8), 3)
    0.203
    """
    xp = namespace(contraction, twin_contraction, contraction_of_age, last_ratio)
    left = xp.exp(-contraction)
    fading = xp.exprel(-contraction) - xp.phi2(-contraction)  # (1 − (1 + x)e^(−x))/x²
    gained = (1 - last_ratio) * (1 - left) + 2 * (last_ratio * contraction - twin_contraction) * fading
    return left - gained * left - gained * (1 - gained / 2) / contraction_of_age


@formula(
    "V_J", DERIVED, Evidence.DERIVED, (), f"{_LINEARISED}; the model is calibrated; steps change along a line in χ"
)
def jitter_variance(contraction: Number, mean_step: Number, last_step: Number) -> Number:
    r"""Variance that the noise of the samples' gradients gives a row which began at its best value.

    .. math:: V_J = \frac{l_1'}{2}\left(1 - e^{-2\chi}\right)
              + (l_1 - l_1')\,\frac{1 - (1 + 2\chi) e^{-2\chi}}{2\chi}

    Parameters
    ----------
    contraction : exponent of the row so far, χ
    mean_step : size of a step for a gradient of 1 (:func:`relearning_rate` over h), mean over the
        contraction, l₁ [weight²]
    last_step : the same at the end, l₁' [weight²]

    Notes
    -----
    An access has a gradient of variance h (:func:`expected_gradient_square`), so dV_J/dχ = −2V_J + l₁. It costs
    ½pₐhV_J for good. Put back with its optimizer's state, an Adagrad row has larger steps than its twin and jitters
    more: that is harm which Δ does not show. And of what a row moved, this is what costs nothing to lose.

    Examples
    --------
    >>> round(jitter_variance(contraction=1.0, mean_step=0.01, last_step=0.01), 6)
    0.004323
    """
    xp = namespace(contraction, mean_step, last_step)
    y = 2 * contraction
    left = xp.exp(-y)
    return last_step / 2 * (1 - left) + (mean_step - last_step) * (xp.exprel(-y) - left)
