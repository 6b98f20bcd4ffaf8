"""The slope of the metric against PLS, from a harm record: what a fit to paired runs must find."""

from __future__ import annotations

from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.harm.predicted import Harm, HarmModel
from cprmodel.harm.summary import known_limit
from cprmodel.jobs.accuracy_model import AccuracyModel, Metric
from cprmodel.jobs.parsing import model_from_mapping

__all__ = ["accuracy_model", "slope_at"]

#: Intervals as shares of the run at which the slope is looked at; the first is the slope's own.
_INTERVALS = (0.1, 0.01, 0.03, 0.3)
_FEW = 1e-6  # failures of a run: so few that none comes twice


def slope_at(model: HarmModel, interval_samples: float, lost_share: float, metric: Metric = "auc") -> Any:
    """Metric lost per unit of PLS at one interval: its value and 90% interval; None where no AUC is in the record.

    PLS = nₖqₖτₛ/(2Tₛ) to first order.
    """
    found = model.run(_FEW, lost_share, interval_samples)
    pls = _FEW * lost_share * interval_samples / (2 * model.record.samples)
    value, interval = _in(found, metric)
    if value is None or interval is None:
        return None
    return value / pls, interval[0] / pls, interval[1] / pls


def _in(harm: Harm, metric: Metric) -> tuple[float | None, tuple[float, float] | None]:
    return (harm.auc_fall, harm.auc_interval_90) if metric == "auc" else (harm.rise, harm.interval_90)


def accuracy_model(
    model: HarmModel, lost_share: float = 0.125, metric: Metric = "auc", record: str = "harm record"
) -> AccuracyModel:
    """An accuracy model for ``[accuracy] model`` of a job, predicted instead of fitted.

    Parameters
    ----------
    model : predictions from a record
    lost_share : share of the rows that a failure puts back, k/N; cross terms grow with it
    metric : of ``max_metric_drop``: the fall of the AUC, or the rise of the log loss
    record : what the model says that it comes from

    Notes
    -----
    One number can stand for all intervals since the harm that is left at the end hardly depends on when a failure
    strikes, and is nearly linear in the age (docs/models/harm.md). The slope is that of an interval of a tenth of
    the run; its 90% interval holds those of intervals of 1% to 30%.

    Raises
    ------
    JobError : where the record has no AUC, or rows put back cost nothing in it.
    """
    samples = model.record.samples
    slopes = [slope_at(model, share * samples, lost_share, metric) for share in _INTERVALS]
    if slopes[0] is None:
        raise JobError(record, [Problem("", "", 'a record with auc_per_nat; without, take the metric "log loss"')])
    value, low, high = slopes[0]
    if not value > 0:
        expected = (
            f"to predict a slope above 0 per unit of PLS, not {value:.2g} (90% interval {low:.2g} to {high:.2g}): "
            "more probe samples would tell it"
        )
        raise JobError(record, [Problem("", "", expected)])
    data = {
        "kind": "accuracy model",
        "metric": metric,
        "metric_drop_per_pls": value,
        "interval_90": [min(one[1] for one in slopes), max(one[2] for one in slopes)],
        "runs": 1,
        "seeds": 1,
        "record": record,
        "largest_age": max(point.ages_samples[-1] for point in model.record.points) / samples,
        "notes": [one for one in (known_limit(model.record),) if one],
    }
    return model_from_mapping(AccuracyModel, data, record)
