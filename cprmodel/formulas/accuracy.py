"""From lost samples to lost accuracy."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import CPR_2021, Evidence
from cprmodel.facts.special import Number

__all__ = ["metric_drop", "pls_for_metric_drop"]

_LINEAR = "CPR's claim that the drop is roughly linear in PLS, slope fitted per model and strategy"


@formula("metric drop", CPR_2021, Evidence.SECOND_HAND, (), _LINEAR)
def metric_drop(pls: Number, metric_drop_per_pls: Number) -> Number:
    r"""Expected drop of the metric (AUC, say), β·PLS.

    .. math:: M = \beta\, \mathrm{PLS}

    Parameters
    ----------
    pls : portion of lost samples
    metric_drop_per_pls : metric lost per unit of PLS, β [metric/PLS]

    Examples
    --------
    >>> metric_drop(pls=0.1, metric_drop_per_pls=0.005)
    0.0005
    """
    return metric_drop_per_pls * pls


@formula("PLS", CPR_2021, Evidence.SECOND_HAND, (), _LINEAR)
def pls_for_metric_drop(max_metric_drop: Number, metric_drop_per_pls: Number) -> Number:
    r"""The PLS budget that a largest acceptable drop allows, M_max/β.

    .. math:: \mathrm{PLS} = \frac{M_{\max}}{\beta}

    Parameters
    ----------
    max_metric_drop : largest drop of the metric to accept, M_max [metric]
    metric_drop_per_pls : metric lost per unit of PLS, β [metric/PLS]

    Examples
    --------
    >>> round(pls_for_metric_drop(max_metric_drop=0.0005, metric_drop_per_pls=0.005), 12)
    0.1
    """
    return max_metric_drop / metric_drop_per_pls
